/* Messages from the client. See new_messages.h. */

#include "shared/submit/new_messages.h"

#include "shared/base/error.h"

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

int new_message_read(struct json_object *message, struct uuid id, struct arena *arena,
                     struct message_draft *out, struct error *err)
{
    struct json_object *metadata = json_get(message, "metadata");
    CLEANUP(buf_deinit) struct buf content;

    buf_init(&content, 0);
    new_message_content(json_get(message, "content"), &content);
    *out = (struct message_draft){
        .id = id,
        .role = text_is(json_get_text(message, "role"), "user") ? MESSAGE_USER : MESSAGE_ASSISTANT,
        .metadata = metadata ? json_text(metadata) : TEXT_NONE,
        .content = {arena_copy(arena, buf_text(&content)), content.len},
    };
    if (content.failed || !out->content.ptr)
        return error_set(err, E_LIMIT, "the messages are too large");
    return 0;
}

int new_messages_read(struct json_object *array, struct arena *arena, struct new_messages *out,
                      struct error *err)
{
    struct new_messages read = {0};

    if (array) {
        read.count = json_object_array_length(array);
        read.items = arena_calloc(arena, read.count + 1, sizeof(*read.items));
        if (!read.items)
            return error_set(err, E_LIMIT, "too many messages");
    }
    for (size_t i = 0; i < read.count; i++) {
        int r = new_message_read(json_object_array_get_idx(array, i), uuid_new(), arena,
                                 &read.items[i], err);

        if (r < 0)
            return r;
    }
    *out = read;
    return 0;
}
