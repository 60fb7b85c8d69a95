/* Messages as lines. */

#include "scheduler/api/openai/responses/transcript.h"

#include "shared/json/json_raw.h"
#include "shared/json/json_write.h"

/* What a part says, as far as words can. */
static void add_part(struct text part, struct buf *said)
{
    struct text text = json_raw_get(part, "text");
    struct text refusal = json_raw_get(part, "refusal");

    if (json_raw_type(text) == JSON_RAW_OBJECT)
        text = json_raw_get(text, "value");
    if (refusal.ptr)
        text = refusal;
    if (text.ptr)
        (void)json_raw_add_string(text, said);
    else
        buf_add_string(said, "[an image]");
}

static void write_text(struct json_write *w, struct text content)
{
    CLEANUP(buf_deinit) struct buf said;
    struct json_raw_walk walk;
    struct text part;

    buf_init(&said, 0);
    json_raw_begin(content, &walk);
    while (json_raw_next(&walk, &part)) {
        if (said.len > 0)
            buf_add_char(&said, '\n');
        add_part(part, &said);
    }
    if (said.len > 0)
        json_write_text(w, "text", buf_text(&said));
}

static void write_calls(struct json_write *w, struct text calls)
{
    struct json_raw_walk walk;
    struct text call;

    if (json_raw_is_empty(calls))
        return;
    json_write_open_array(w, "calls");
    json_raw_begin(calls, &walk);
    while (json_raw_next(&walk, &call)) {
        json_write_open_object(w, NULL);
        json_write_raw_if(w, "name", json_raw_get(call, "name"));
        json_write_raw_if(w, "arguments", json_raw_get(call, "arguments"));
        json_write_close(w);
    }
    json_write_close(w);
}

void transcript_add_draft(const struct message_draft *draft, struct buf *out)
{
    struct json_write w;

    json_write_init(&w, out);
    json_write_open_object(&w, NULL);
    json_write_string(&w, "role", message_role_name(draft->role));
    json_write_text_if(&w, "name", draft->tool_name);
    write_text(&w, draft->content);
    write_calls(&w, draft->tool_calls);
    json_write_close(&w);
    buf_add_char(out, '\n');
}

void transcript_add_message(const struct message *message, struct buf *out)
{
    const struct message_draft draft = {
        .role = message->role,
        .content = message->content,
        .tool_calls = message->tool_calls,
        .tool_name = message->tool_name,
    };

    transcript_add_draft(&draft, out);
}
