/* Formats in words. */

#include "providers/prompted/prompted_format.h"

#include "providers/prompted/prompted_bare.h"
#include "shared/base/error.h"
#include "shared/json/json.h"
#include "shared/json/json_raw.h"

static bool is_json(const struct chat_format *format)
{
    return format->kind == CHAT_FORMAT_JSON_OBJECT || format->kind == CHAT_FORMAT_JSON_SCHEMA;
}

static void add_line(struct buf *out, const char *label, struct text value)
{
    if (value.len == 0)
        return;
    buf_add_string(out, label);
    buf_add_text(out, value);
    buf_add_char(out, '\n');
}

static void add_words(struct buf *out, const struct chat_request *in)
{
    const struct chat_format *format = &in->response_format;

    buf_add_string(out, "# Form of the answer\n\n"
                        "Your answer must be one JSON object and nothing else: no text before or "
                        "behind it, no code block.\n");
    if (in->tools_count > 0)
        buf_add_string(out,
                       "As long as you call tools instead of answering, this does not hold.\n");
    if (format->kind != CHAT_FORMAT_JSON_SCHEMA)
        return;
    add_line(out, "What it is called: ", format->name);
    add_line(out, "What it is: ", format->description);
    add_line(out, "It must fit this JSON Schema: ", format->schema);
}

int prompted_format(const struct chat_request *in, struct arena *arena, struct chat_request *out,
                    struct error *err)
{
    CLEANUP(buf_deinit) struct buf words;
    struct chat_request made = *in;
    char *copy;

    buf_init(&words, 0);
    made.response_format = (struct chat_format){.kind = CHAT_FORMAT_UNSET};
    if (is_json(&in->response_format)) {
        buf_add_text(&words, in->instructions);
        if (in->instructions.len)
            buf_add_string(&words, "\n\n");
        add_words(&words, in);
        copy = words.failed ? NULL : arena_copy(arena, buf_text(&words));
        if (!copy)
            return error_set(err, E_LIMIT, "the request is too large for the run's memory");
        made.instructions = (struct text){copy, words.len};
    }
    *out = made;
    return 0;
}

void prompted_format_tidy(const struct chat_request *request, struct chat_reply *reply)
{
    struct text content;
    struct text value;

    if (!is_json(&request->response_format) || !prompted_block(reply->text, &content))
        return;
    if (json_raw_check(content, JSON_DEPTH_DEFAULT, &value, NULL) == 0)
        reply->text = value;
}
