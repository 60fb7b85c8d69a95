/* Messages from the client. See new_messages.h. */

#include "scheduler/api/assistants/new_messages.h"

#include "scheduler/api/request.h"

static void add_text_part(struct json_object *text, struct buf *out)
{
    buf_add_string(out, "{\"type\":\"text\",\"text\":{\"value\":");
    json_encode(out, text);
    buf_add_string(out, ",\"annotations\":[]}}");
}

void new_message_content(struct json_object *content, struct buf *out)
{
    buf_add_char(out, '[');
    if (json_object_is_type(content, json_type_string)) {
        add_text_part(content, out);
    } else {
        size_t count = json_object_array_length(content);

        for (size_t i = 0; i < count; i++) {
            struct json_object *part = json_object_array_get_idx(content, i);

            if (i > 0)
                buf_add_char(out, ',');
            if (text_is(json_get_text(part, "type"), "text"))
                add_text_part(json_get(part, "text"), out);
            else
                json_encode(out, part);
        }
    }
    buf_add_char(out, ']');
}

int new_message_read(struct request *request, struct json_object *message, struct uuid id,
                     struct message_draft *out)
{
    struct json_object *metadata = json_get(message, "metadata");
    struct buf content;
    struct error err;
    int r = 0;

    out->id = id;
    out->role = text_is(json_get_text(message, "role"), "user") ? MESSAGE_USER : MESSAGE_ASSISTANT;
    out->attachments = TEXT_NONE;
    out->metadata = metadata ? json_text(metadata) : TEXT_NONE;
    buf_init(&content, 0);
    new_message_content(json_get(message, "content"), &content);
    out->content =
        (struct text){arena_copy(&request->exchange->arena, buf_text(&content)), content.len};
    if (content.failed || !out->content.ptr)
        r = error_set(&err, E_LIMIT, "the messages are too large");
    buf_deinit(&content);
    return r < 0 ? request_failed(request, &err) : 0;
}

int new_messages_read(struct request *request, struct json_object *array, struct new_messages *out)
{
    struct new_messages drafts = {0};
    struct error err;

    if (array) {
        drafts.count = json_object_array_length(array);
        drafts.items =
            arena_calloc(&request->exchange->arena, drafts.count + 1, sizeof(*drafts.items));
        if (!drafts.items) {
            (void)error_set(&err, E_LIMIT, "too many messages");
            return request_failed(request, &err);
        }
    }
    for (size_t i = 0; i < drafts.count; i++) {
        int r = new_message_read(request, json_object_array_get_idx(array, i), uuid_new(),
                                 &drafts.items[i]);
        if (r < 0)
            return r;
    }
    *out = drafts;
    return 0;
}
