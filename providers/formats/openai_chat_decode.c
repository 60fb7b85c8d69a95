/* Chat Completions, from the wire to a reply.
 *
 * Lenient in all that servers leave out, spell differently or write badly (ids of tool calls,
 * usage, the finish reason, arguments as an object, content as parts, blank lines or a byte
 * order mark before the document, text that is no UTF-8), strict in what can't be guessed: no
 * choice with a message is a malformed reply. An error object is a failure whatever the status
 * says. What comes out still has to be put into form (reply_form.h), which provider_call does:
 * here nothing is judged that another format would have to judge as well. */

#include "providers/failure.h"
#include "providers/formats/openai_chat.h"
#include "providers/headers.h"
#include "providers/reply_form.h"
#include "shared/base/error.h"
#include "shared/json/json.h"
#include "shared/json/json_raw.h"
#include "shared/json/json_write.h"

struct decoding {
    const struct provider_target *target;
    const struct provider_response *response;
    struct chat_reply reply;
    bool out_of_memory;
};

static struct text keep(struct decoding *d, const struct buf *buf)
{
    char *copy = buf->failed ? NULL : arena_copy(d->reply.arena, buf_text(buf));

    if (!copy) {
        d->out_of_memory = true;
        return TEXT_NONE;
    }
    return (struct text){copy, buf->len};
}

/* What a value says: a string's text, and of anything else its JSON. TEXT_NONE of none. */
static struct text read_text(struct decoding *d, struct text value)
{
    CLEANUP(buf_deinit) struct buf buf = {0};

    if (json_raw_type(value) == JSON_RAW_NONE || json_raw_type(value) == JSON_RAW_NULL)
        return TEXT_NONE;
    buf_init(&buf, value.len * 3 + 64);
    if (!json_raw_add_string(value, &buf))
        json_raw_write(value, &buf);
    return keep(d, &buf);
}

/* The text of a part of content, which is a string or has one at "text", or at "text.value". */
static struct text part_text(struct text part)
{
    struct text text = json_raw_get(part, "text");

    if (json_raw_type(part) == JSON_RAW_STRING)
        return part;
    return json_raw_type(text) == JSON_RAW_OBJECT ? json_raw_get(text, "value") : text;
}

static struct text join_parts(struct decoding *d, struct text parts)
{
    CLEANUP(buf_deinit) struct buf joined = {0};
    struct json_raw_walk walk;
    struct text part;

    buf_init(&joined, parts.len * 3 + 64);
    json_raw_begin(parts, &walk);
    while (json_raw_next(&walk, &part))
        (void)json_raw_add_string(part_text(part), &joined);
    return joined.len > 0 || joined.failed ? keep(d, &joined) : TEXT_NONE;
}

/* A string, an array of parts, one part; a number or a word is taken by its letters. */
static struct text read_content(struct decoding *d, struct text content)
{
    struct text text = part_text(content);

    switch (json_raw_type(content)) {
    case JSON_RAW_ARRAY:
        return join_parts(d, content);
    case JSON_RAW_OBJECT:
        return read_text(d, json_raw_type(text) == JSON_RAW_STRING ? text : content);
    case JSON_RAW_NONE:
    case JSON_RAW_NULL:
    case JSON_RAW_BOOL:
    case JSON_RAW_NUMBER:
    case JSON_RAW_STRING:
        break;
    }
    return read_text(d, content);
}

/* The object that holds name and arguments: "function", the "custom" of custom tools, or the call
 * itself. */
static struct text function_of(struct text call)
{
    struct text function = json_raw_get(call, "function");

    if (json_raw_type(function) != JSON_RAW_OBJECT)
        function = json_raw_get(call, "custom");
    return json_raw_type(function) == JSON_RAW_OBJECT ? function : call;
}

static void read_call(struct decoding *d, struct text call)
{
    struct chat_tool_call *out = &d->reply.tool_calls[d->reply.tool_calls_count++];
    struct text function = function_of(call);
    struct text arguments = json_raw_get(function, "arguments");

    if (!arguments.ptr)
        arguments = json_raw_get(function, "input");
    *out = (struct chat_tool_call){
        .id = read_text(d, json_raw_get(call, "id")),
        .name = read_text(d, json_raw_get(function, "name")),
        .arguments = read_text(d, arguments),
    };
}

static size_t count_of(struct text array)
{
    struct json_raw_walk walk;
    struct text value;
    size_t count = 0;

    json_raw_begin(array, &walk);
    while (json_raw_next(&walk, &value))
        count++;
    return count;
}

/* "tool_calls", a list or the one call itself, or the "function_call" of older servers. More than
 * can be carried out are not read. */
static void read_calls(struct decoding *d, struct text message)
{
    struct text calls = json_raw_get(message, "tool_calls");
    struct text old = json_raw_get(message, "function_call");
    bool is_list = json_raw_type(calls) == JSON_RAW_ARRAY;
    struct json_raw_walk walk;
    struct text call;
    size_t count = count_of(calls);

    if (count == 0) {
        calls = json_raw_type(old) == JSON_RAW_OBJECT ? old : TEXT_NONE;
        is_list = false;
        count = count_of(calls);
    }
    if (count == 0)
        return;
    count = !is_list ? 1 : count < REPLY_CALLS_MAX ? count : REPLY_CALLS_MAX;
    d->reply.tool_calls = arena_calloc(d->reply.arena, count, sizeof(*d->reply.tool_calls));
    if (!d->reply.tool_calls) {
        d->out_of_memory = true;
        return;
    }
    if (!is_list) {
        read_call(d, calls);
        return;
    }
    json_raw_begin(calls, &walk);
    while (d->reply.tool_calls_count < count && json_raw_next(&walk, &call))
        read_call(d, call);
}

static int64_t tokens_at(struct text object, const char *name)
{
    int64_t value = 0;

    return json_raw_int(json_raw_get(object, name), &value) ? value : 0;
}

static void read_usage(struct text usage, struct chat_usage *out)
{
    struct text input = json_raw_get(usage, "prompt_tokens_details");
    struct text output = json_raw_get(usage, "completion_tokens_details");

    out->input_tokens = tokens_at(usage, "prompt_tokens");
    out->output_tokens = tokens_at(usage, "completion_tokens");
    out->cached_input_tokens = json_raw_get(input, "cached_tokens").ptr
                                   ? tokens_at(input, "cached_tokens")
                                   : tokens_at(usage, "prompt_cache_hit_tokens");
    out->reasoning_tokens = tokens_at(output, "reasoning_tokens");
}

static enum chat_finish read_finish(const struct chat_reply *reply, struct text reason,
                                    bool refused)
{
    if (json_raw_is(reason, "length") || json_raw_is(reason, "max_tokens"))
        return CHAT_FINISH_LENGTH;
    if (json_raw_is(reason, "content_filter"))
        return CHAT_FINISH_FILTER;
    if (reply->tool_calls_count)
        return CHAT_FINISH_TOOL;
    return refused ? CHAT_FINISH_REFUSAL : CHAT_FINISH_STOP;
}

static void read_state(struct decoding *d, struct text message)
{
    CLEANUP(buf_deinit) struct buf state = {0};
    struct text reasoning = json_raw_get(message, OPENAI_CHAT_STATE_FIELD);
    struct json_write write;

    if (json_raw_type(reasoning) != JSON_RAW_STRING || reasoning.len <= 2 ||
        d->reply.tool_calls_count == 0)
        return;
    reasoning = read_text(d, reasoning);
    buf_init(&state, 0);
    json_write_init(&write, &state);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "provider", d->target->provider_name);
    json_write_string(&write, "model", d->target->model);
    json_write_open_object(&write, "message");
    json_write_text(&write, OPENAI_CHAT_STATE_FIELD, reasoning);
    json_write_close(&write);
    json_write_close(&write);
    d->reply.opaque_state = keep(d, &state);
}

static int fail(const struct decoding *d, enum provider_failure failure, const char *what,
                struct provider_failure_info *out)
{
    provider_failure_set(out, failure, d->response, "the reply of %s %s", d->target->provider_name,
                         what);
    return PROVIDER_FAILED;
}

/* The first choice that has a message. */
static struct text find_choice(struct text body)
{
    struct text choices = json_raw_get(body, "choices");
    struct json_raw_walk walk;
    struct text choice;

    if (json_raw_type(choices) != JSON_RAW_ARRAY)
        return TEXT_NONE;
    json_raw_begin(choices, &walk);
    while (json_raw_next(&walk, &choice))
        if (json_raw_type(json_raw_get(choice, "message")) == JSON_RAW_OBJECT)
            return choice;
    return TEXT_NONE;
}

static int read_reply(struct decoding *d, struct text body,
                      struct provider_failure_info *out_failure)
{
    struct text choice = find_choice(body);
    struct text message = json_raw_get(choice, "message");
    struct text reason = json_raw_get(choice, "finish_reason");
    struct text refusal = TEXT_NONE;

    if (!choice.ptr)
        return fail(d, PROVIDER_MALFORMED_REPLY, "has no choice with a message", out_failure);
    if (json_raw_is(reason, "insufficient_system_resource") || json_raw_is(reason, "error"))
        return fail(d, PROVIDER_OVERLOADED, "was broken off: its finish_reason says so",
                    out_failure);
    d->reply.text = read_content(d, json_raw_get(message, "content"));
    read_calls(d, message);
    if (!d->reply.text.len) {
        refusal = read_content(d, json_raw_get(message, "refusal"));
        d->reply.text = refusal.len ? refusal : TEXT_NONE;
    }
    d->reply.finish = read_finish(&d->reply, reason, refusal.len > 0);
    read_state(d, message);
    read_usage(json_raw_get(body, "usage"), &d->reply.usage);
    d->reply.model = read_text(d, json_raw_get(body, "model"));
    provider_limits_read(d->response, &d->reply.limits);
    if (d->out_of_memory)
        return fail(d, PROVIDER_REPLY_TOO_LARGE, "is too large for the run's memory", out_failure);
    return 0;
}

static bool holds_error(struct text body)
{
    struct text error = json_raw_get(body, "error");

    return json_raw_type(body) == JSON_RAW_ARRAY ||
           ((json_raw_type(error) == JSON_RAW_OBJECT || json_raw_type(error) == JSON_RAW_STRING) &&
            error.len > 2);
}

int openai_chat_finish(struct provider_decoder *decoder, const struct provider_response *response,
                       struct chat_reply *out, struct provider_failure_info *out_failure)
{
    struct decoding decoding = {decoder->target, response, {.arena = out->arena}, false};
    struct error err = {0};
    struct text body;
    int r;

    ASSERT(out->arena);
    if (response->status < 200 || response->status > 299) {
        provider_failure_read(decoder->target, response, out_failure);
        return PROVIDER_FAILED;
    }
    if (json_raw_check(response->body, JSON_RAW_DEPTH_MAX, &body, &err) < 0) {
        provider_failure_set(out_failure, PROVIDER_MALFORMED_REPLY, response,
                             "the reply of %s is no valid JSON: %s", decoder->target->provider_name,
                             err.text);
        return PROVIDER_FAILED;
    }
    if (holds_error(body)) {
        provider_failure_read(decoder->target, response, out_failure);
        return PROVIDER_FAILED;
    }
    r = read_reply(&decoding, body, out_failure);
    if (r == 0)
        *out = decoding.reply;
    return r;
}
