/* Messages from the client. See new_messages.h. */

#include "shared/submit/new_messages.h"

#include "shared/base/error.h"
#include "shared/fiber/offload.h"
#include "shared/submit/title.h"
#include "shared/text/tokens.h"

#define IMAGE_TOKENS 765 /* as providers/chat_tokens.h has it */
#define PART_BYTES   64  /* of a part, what stands around its text */

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

/* About as long as it will be stored. */
static size_t content_bytes(struct json_object *content)
{
    size_t bytes = 0;

    if (json_object_is_type(content, json_type_string))
        return json_string(content).len;
    for (size_t i = 0; i < json_object_array_length(content); i++)
        bytes += json_get_text(json_object_array_get_idx(content, i), "text").len + PART_BYTES;
    return bytes;
}

/* Of its texts; an image counts as a picture of middle size does with OpenAI's models. */
static int64_t content_tokens(struct json_object *content)
{
    int64_t tokens = 0;

    if (json_object_is_type(content, json_type_string))
        return tokens_estimate(json_string(content), TOKENS_O200K);
    for (size_t i = 0; i < json_object_array_length(content); i++) {
        struct json_object *part = json_object_array_get_idx(content, i);

        tokens += text_is(json_get_text(part, "type"), "text")
                      ? tokens_estimate(json_get_text(part, "text"), TOKENS_O200K)
                      : IMAGE_TOKENS;
    }
    return tokens;
}

struct writing {
    struct json_object *content;
    size_t bytes;
    struct arena *arena;
    struct text stored; /* TEXT_NONE: no room */
    int64_t tokens;
};

static void write_content(void *arg)
{
    struct writing *writing = arg;
    CLEANUP(buf_deinit) struct buf out;

    buf_init(&out, 0);
    (void)buf_reserve(&out, writing->bytes);
    new_message_content(writing->content, &out);
    writing->tokens = content_tokens(writing->content);
    if (!out.failed)
        writing->stored = (struct text){arena_copy(writing->arena, buf_text(&out)), out.len};
}

static enum message_role role_of(struct text word)
{
    if (text_is(word, "assistant"))
        return MESSAGE_ASSISTANT;
    return text_is(word, "system") ? MESSAGE_SYSTEM : MESSAGE_USER;
}

int new_message_read(struct json_object *message, struct uuid id, struct arena *arena,
                     struct message_draft *out, struct error *err)
{
    struct json_object *metadata = json_get(message, "metadata");
    struct json_object *attached = json_get(message, "attachments");
    struct json_object *content = json_get(message, "content");
    struct writing writing = {content, content_bytes(content), arena, TEXT_NONE, 0};

    offload_large(writing.bytes, write_content, &writing);
    if (!writing.stored.ptr)
        return error_set(err, E_LIMIT, "the messages are too large");
    *out = (struct message_draft){
        .id = id,
        .role = role_of(json_get_text(message, "role")),
        .tokens = writing.tokens,
        .metadata = metadata ? json_text(metadata) : TEXT_NONE,
        .attachments =
            attached && json_object_array_length(attached) > 0 ? json_text(attached) : TEXT_NONE,
        .content = writing.stored,
    };
    return 0;
}

static int keep(const struct buf *buf, struct arena *arena, struct text *out, struct error *err)
{
    *out = (struct text){arena_copy(arena, buf_text(buf)), buf->len};
    return out->ptr && !buf->failed ? 0 : error_set(err, E_LIMIT, "the messages are too large");
}

int new_message_calls(const struct new_call *calls, size_t count, struct uuid id,
                      struct arena *arena, struct message_draft *out, struct error *err)
{
    CLEANUP(buf_deinit) struct buf json;
    struct message_draft draft = {
        .id = id, .role = MESSAGE_ASSISTANT, .hidden = true, .content = TEXT("[]")};
    int r;

    buf_init(&json, 0);
    for (size_t i = 0; i < count; i++) {
        buf_add_string(&json, i ? ",{\"id\":" : "[{\"id\":");
        buf_add_json(&json, calls[i].id);
        buf_add_string(&json, ",\"name\":");
        buf_add_json(&json, calls[i].name);
        buf_add_string(&json, ",\"arguments\":");
        buf_add_json(&json, calls[i].arguments);
        buf_add_char(&json, '}');
        draft.tokens += tokens_estimate(calls[i].arguments, TOKENS_O200K);
    }
    buf_add_char(&json, ']');
    r = keep(&json, arena, &draft.tool_calls, err);
    if (r == 0)
        *out = draft;
    return r;
}

int new_message_result(const struct new_call *call, struct text output, struct uuid id,
                       struct arena *arena, struct message_draft *out, struct error *err)
{
    CLEANUP(buf_deinit) struct buf json;
    struct message_draft draft = {
        .id = id,
        .role = MESSAGE_TOOL,
        .hidden = true,
        .tool_call_id = call->id,
        .tool_name = call->name,
        .tokens = tokens_estimate(output, TOKENS_O200K),
    };
    int r;

    buf_init(&json, 0);
    buf_add_string(&json, "[{\"type\":\"text\",\"text\":{\"value\":");
    buf_add_json(&json, output);
    buf_add_string(&json, ",\"annotations\":[]}}]");
    r = keep(&json, arena, &draft.content, err);
    if (r == 0)
        *out = draft;
    return r;
}

struct text new_message_title(struct json_object *message, struct arena *arena)
{
    struct json_object *content = json_get(message, "content");

    if (json_object_is_type(content, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(content); i++) {
            struct json_object *part = json_object_array_get_idx(content, i);

            if (text_is(json_get_text(part, "type"), "text"))
                return title_of(json_get_text(part, "text"), arena);
        }
        return TEXT_NONE;
    }
    return title_of(json_string(content), arena);
}

struct text new_messages_title(struct json_object *array, struct arena *arena)
{
    for (size_t i = 0; array && i < json_object_array_length(array); i++) {
        struct json_object *message = json_object_array_get_idx(array, i);

        if (!text_is(json_get_text(message, "role"), "system"))
            return new_message_title(message, arena);
    }
    return TEXT_NONE;
}

struct json_object *new_message_said(struct text text)
{
    struct json_object *array = json_object_new_array();
    struct json_object *message = json_object_new_object();

    json_object_object_add(message, "role", json_object_new_string("user"));
    json_object_object_add(message, "content", json_object_new_string_len(text.ptr, (int)text.len));
    json_object_array_add(array, message);
    return array;
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
