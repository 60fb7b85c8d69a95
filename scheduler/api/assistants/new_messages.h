#pragma once
/* Messages of a request's body as the store wants them: content in the API's output shape. */

#include "shared/base/compiler.h"
#include "shared/json/json.h"
#include "shared/store/threads/messages.h"

struct request;

struct new_messages {
    struct message_draft *items; /* in the request's arena */
    size_t count;
};

/* One checked message. Returns 0, or -E_INVALID with request->failure when there is no room. */
MUSTCHECK int new_message_read(struct request *request, struct json_object *message, struct uuid id,
                               struct message_draft *out);

/* A checked array of messages, or NULL for none. */
MUSTCHECK int new_messages_read(struct request *request, struct json_object *array,
                                struct new_messages *out);

/* The content as stored: input {"type":"text","text":"x"} becomes
 * {"type":"text","text":{"value":"x", "annotations":[]}}; a plain string is one such part; images
 * stay as they are. Pure. */
void new_message_content(struct json_object *content, struct buf *out);
