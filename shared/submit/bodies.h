#pragma once
/* The bodies from which threads, messages and runs are made, one table each, and the checks of
 * their members. Pure. */

#include "shared/agent/memory.h"
#include "shared/check/fields.h"

extern const struct fields body_create_thread;
extern const struct fields body_message; /* one of several */
extern const struct fields body_create_message;
extern const struct fields body_create_run;
extern const struct fields body_run_of_message;
extern const struct fields body_create_thread_and_run;
extern const struct fields body_run_assistant;

#define THREAD_TITLE_MAX 256 /* characters */
#define USER_MAX         USER_ID_MAX
#define INPUT_MAX        256000 /* characters of "input": a message of the user */

/* A string, or an array of parts (text, image_url, image_file). */
int check_content(struct json_object *value, const struct path *path, struct failure *failure);

/* Files are not offered: only an empty array passes. */
int check_attachments(struct json_object *value, const struct path *path, struct failure *failure);

/* {"url": …} of an image, an object that was checked otherwise: what its URL begins with. */
int check_image_url(struct json_object *image, const struct path *path, struct failure *failure);

/* An array of messages. */
int check_messages(struct json_object *value, const struct path *path, struct failure *failure);

/* `run` of a message: true, or what POST /v1/threads/{thread_id}/runs takes. */
int check_message_run(struct json_object *value, const struct path *path, struct failure *failure);

/* The body of POST /v1/threads, inside that of POST /v1/threads/runs. */
int check_thread(struct json_object *value, const struct path *path, struct failure *failure);

/* The name of a user: memory_name_fits. */
int check_user(struct json_object *value, const struct path *path, struct failure *failure);

/* {"url", "endpoint"}: where else it is told what became of a run, and the webhook whose secret
 * signs. What they name is looked at by submit_options.check_webhook. */
int check_webhook(struct json_object *value, const struct path *path, struct failure *failure);

/* What a client keeps with a thread: an object of at most AGENT_STATE_MAX bytes. */
int check_agent_state(struct json_object *value, const struct path *path, struct failure *failure);
