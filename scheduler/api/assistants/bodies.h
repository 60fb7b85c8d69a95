#pragma once
/* The bodies that the endpoints take, one table each. Those from which threads, messages and
 * runs are made are in shared/submit/bodies.h. */

#include "shared/check/fields.h"
#include "shared/submit/bodies.h"

extern const struct fields body_create_assistant;
extern const struct fields body_update_assistant;
extern const struct fields body_update_thread;
extern const struct fields body_fork_thread;
extern const struct fields body_search_threads;
extern const struct fields body_update_message;
extern const struct fields body_update_run;
extern const struct fields body_put_memory;
extern const struct fields body_replace_memory;
extern const struct fields body_submit_outputs;
extern const struct fields body_approve;
extern const struct fields body_deny;

/* An object, not too large. */
int check_approved_arguments(struct json_object *value, const struct path *path,
                             struct failure *failure);

/* An array of outputs, each of another call. */
int check_tool_outputs(struct json_object *value, const struct path *path, struct failure *failure);
