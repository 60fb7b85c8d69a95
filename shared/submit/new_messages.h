#pragma once
/* Messages of a body as the store wants them: content in the API's output shape. */

#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/json/json.h"
#include "shared/store/threads/messages.h"

struct error;

struct new_messages {
    struct message_draft *items; /* in the arena */
    size_t count;
};

/* One checked message (body_create_message). Texts are in the arena or borrowed from the message.
 * Returns 0, or -E_LIMIT when there is no room. Waits for a thread where the content is large. */
SUSPENDS MUSTCHECK int new_message_read(struct json_object *message, struct uuid id,
                                        struct arena *arena, struct message_draft *out,
                                        struct error *err);

/* A checked array of messages, or NULL for none. */
SUSPENDS MUSTCHECK int new_messages_read(struct json_object *array, struct arena *arena,
                                         struct new_messages *out, struct error *err);

/* A call of a function, as a client that keeps the history tells it. */
struct new_call {
    struct text id;
    struct text name;
    struct text arguments; /* as the model wrote them */
};

/* What an assistant called, in one message that no list shows. Texts are in the arena. */
MUSTCHECK int new_message_calls(const struct new_call *calls, size_t count, struct uuid id,
                                struct arena *arena, struct message_draft *out, struct error *err);

/* What came of a call: a message that no list shows, as a worker stores it. `name` may be
 * TEXT_NONE. The ids and names are borrowed. */
MUSTCHECK int new_message_result(const struct new_call *call, struct text output, struct uuid id,
                                 struct arena *arena, struct message_draft *out, struct error *err);

/* The title that a checked array of messages, or one message, gives its thread, in the arena;
 * TEXT_NONE: none. */
struct text new_messages_title(struct json_object *array, struct arena *arena);
struct text new_message_title(struct json_object *message, struct arena *arena);

/* What a user has said, as an array that new_messages_read takes. The caller puts it. */
struct json_object *new_message_said(struct text text);

/* The content as stored: input {"type":"text","text":"x"} becomes
 * {"type":"text","text":{"value":"x", "annotations":[]}}; a plain string is one such part; images
 * stay as they are. Pure. */
void new_message_content(struct json_object *content, struct buf *out);
