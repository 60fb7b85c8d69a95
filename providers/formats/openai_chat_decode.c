/* Chat Completions, from the wire to a reply.
 *
 * Lenient in what servers are known to leave out or spell differently (ids of tool calls, usage,
 * the finish reason, arguments as an object, content as parts, blank lines before the document),
 * strict in what can't be guessed: no choice or no message is a malformed reply. An error object is
 * a failure whatever the status says. What the model wrote as arguments is passed on as text,
 * unchecked.
 *
 * Ids that are missing, or given twice, are replaced by ones made from a digest of the body:
 * decoding the same reply again gives the same ids.
 */

#include "providers/failure.h"
#include "providers/formats/openai_chat.h"
#include "providers/headers.h"
#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/json/json.h"

#define TOOL_CALLS_MAX 128

struct decoding {
    const struct provider_target *target;
    const struct provider_response *response;
    struct chat_reply reply;
    bool out_of_memory;
};

static struct text keep(struct decoding *d, struct text text)
{
    char *copy;

    if (!text.ptr)
        return TEXT_NONE;
    copy = arena_copy(d->reply.arena, text);
    if (!copy) {
        d->out_of_memory = true;
        return TEXT_NONE;
    }
    return (struct text){copy, text.len};
}

/* A string, or an array of text parts; TEXT_NONE when there is no text in it. */
static struct text read_content(struct decoding *d, struct json_object *content)
{
    CLEANUP(buf_deinit) struct buf joined = {0};
    struct text text = json_string(content);

    if (text.len)
        return keep(d, text);
    if (!json_object_is_type(content, json_type_array))
        return TEXT_NONE;
    buf_init(&joined, 0);
    for (size_t i = 0; i < json_object_array_length(content); i++) {
        struct json_object *part = json_object_array_get_idx(content, i);

        if (text_is(json_get_text(part, "type"), "text"))
            buf_add_text(&joined, json_get_text(part, "text"));
    }
    d->out_of_memory |= joined.failed;
    return joined.len ? keep(d, buf_text(&joined)) : TEXT_NONE;
}

static bool id_is_taken(const struct chat_reply *reply, struct text id)
{
    for (size_t i = 0; i < reply->tool_calls_count; i++)
        if (text_equal(reply->tool_calls[i].id, id))
            return true;
    return false;
}

static struct text make_id(struct decoding *d)
{
    char digest[SHA256_TEXT_SIZE];
    char *id;

    sha256_hex(d->response->body, digest);
    id = arena_printf(d->reply.arena, "call_%.20s%02zx", digest, d->reply.tool_calls_count);
    d->out_of_memory |= !id;
    return text_of(id);
}

static void read_tool_call(struct decoding *d, struct text id, struct json_object *function)
{
    struct json_object *arguments = json_get(function, "arguments");
    struct chat_tool_call *out = &d->reply.tool_calls[d->reply.tool_calls_count];

    out->name = keep(d, json_get_text(function, "name"));
    if (json_object_is_type(arguments, json_type_string))
        out->arguments = keep(d, json_string(arguments));
    else
        out->arguments = keep(d, arguments ? json_text(arguments) : TEXT(""));
    out->id = id.len && !id_is_taken(&d->reply, id) ? keep(d, id) : make_id(d);
    d->reply.tool_calls_count++;
}

/* Reads "tool_calls", or the one "function_call" of older servers. False: there are too many. */
static bool read_tool_calls(struct decoding *d, struct json_object *message)
{
    struct json_object *calls = json_get(message, "tool_calls");
    struct json_object *old = json_get(message, "function_call");
    size_t count =
        json_object_is_type(calls, json_type_array) ? json_object_array_length(calls) : 0;

    if (count > TOOL_CALLS_MAX)
        return false;
    if (count == 0 && !json_object_is_type(old, json_type_object))
        return true;
    d->reply.tool_calls =
        arena_calloc(d->reply.arena, count ? count : 1, sizeof(*d->reply.tool_calls));
    if (!d->reply.tool_calls) {
        d->out_of_memory = true;
        return true;
    }
    if (count == 0)
        read_tool_call(d, TEXT_NONE, old);
    for (size_t i = 0; i < count; i++) {
        struct json_object *call = json_object_array_get_idx(calls, i);

        read_tool_call(d, json_get_text(call, "id"), json_get(call, "function"));
    }
    return true;
}

static int64_t count_at(struct json_object *object, const char *key)
{
    int64_t value = json_get_int(object, key, 0);

    return value > 0 ? value : 0;
}

static void read_usage(struct json_object *usage, struct chat_usage *out)
{
    struct json_object *input = json_get(usage, "prompt_tokens_details");
    struct json_object *output = json_get(usage, "completion_tokens_details");

    out->input_tokens = count_at(usage, "prompt_tokens");
    out->output_tokens = count_at(usage, "completion_tokens");
    out->cached_input_tokens = json_has(input, "cached_tokens")
                                   ? count_at(input, "cached_tokens")
                                   : count_at(usage, "prompt_cache_hit_tokens");
    out->reasoning_tokens = count_at(output, "reasoning_tokens");
}

static enum chat_finish read_finish(const struct chat_reply *reply, struct text reason,
                                    bool refused)
{
    if (text_is(reason, "length") || text_is(reason, "max_tokens"))
        return CHAT_FINISH_LENGTH;
    if (text_is(reason, "content_filter"))
        return CHAT_FINISH_FILTER;
    if (reply->tool_calls_count)
        return CHAT_FINISH_TOOL;
    return refused ? CHAT_FINISH_REFUSAL : CHAT_FINISH_STOP;
}

static void read_state(struct decoding *d, struct json_object *message)
{
    CLEANUP(buf_deinit) struct buf state = {0};
    struct text reasoning = json_get_text(message, OPENAI_CHAT_STATE_FIELD);

    if (!reasoning.len || !d->reply.tool_calls_count)
        return;
    buf_init(&state, 0);
    buf_add_string(&state, "{\"provider\":");
    buf_add_json(&state, text_of(d->target->provider_name));
    buf_add_string(&state, ",\"model\":");
    buf_add_json(&state, text_of(d->target->model));
    buf_add_string(&state, ",\"message\":{\"" OPENAI_CHAT_STATE_FIELD "\":");
    buf_add_json(&state, reasoning);
    buf_add_string(&state, "}}");
    d->out_of_memory |= state.failed;
    d->reply.opaque_state = keep(d, buf_text(&state));
}

static int fail(const struct decoding *d, const char *what, struct provider_failure_info *out)
{
    provider_failure_set(out, PROVIDER_MALFORMED_REPLY, d->response, "the reply of %s %s",
                         d->target->provider_name, what);
    return PROVIDER_FAILED;
}

static int read_reply(struct decoding *d, struct json_object *body,
                      struct provider_failure_info *out_failure)
{
    struct json_object *choices = json_get(body, "choices");
    struct json_object *choice;
    struct json_object *message;
    struct text reason;
    struct text refusal;

    if (!json_object_is_type(choices, json_type_array) || !json_object_array_length(choices))
        return fail(d, "has no choices", out_failure);
    choice = json_object_array_get_idx(choices, 0);
    message = json_get(choice, "message");
    reason = json_get_text(choice, "finish_reason");
    refusal = json_get_text(message, "refusal");
    if (!json_object_is_type(message, json_type_object))
        return fail(d, "has a choice without a message", out_failure);
    if (text_is(reason, "insufficient_system_resource") || text_is(reason, "error")) {
        provider_failure_set(out_failure, PROVIDER_OVERLOADED, d->response,
                             "%s broke off its reply (finish_reason '%s')",
                             d->target->provider_name, reason.ptr);
        return PROVIDER_FAILED;
    }

    d->reply.text = read_content(d, json_get(message, "content"));
    if (!read_tool_calls(d, message))
        return fail(d, "has more than 128 tool calls", out_failure);
    if (!d->reply.text.len && refusal.len)
        d->reply.text = keep(d, refusal);
    d->reply.finish = read_finish(&d->reply, reason, refusal.len > 0);
    read_state(d, message);
    read_usage(json_get(body, "usage"), &d->reply.usage);
    d->reply.model = keep(d, json_get_text(body, "model"));
    provider_limits_read(d->response, &d->reply.limits);
    if (d->out_of_memory)
        return fail(d, "is too large", out_failure);
    return 0;
}

static bool holds_error(struct json_object *body)
{
    struct json_object *error = json_get(body, "error");

    return json_object_is_type(error, json_type_object) || json_string(error).len > 0 ||
           json_object_is_type(body, json_type_array);
}

int openai_chat_decode(const struct provider_target *target,
                       const struct provider_response *response, struct chat_reply *out,
                       struct provider_failure_info *out_failure)
{
    struct decoding decoding = {target, response, {.arena = out->arena}, false};
    CLEANUP(json_freep) struct json_object *body = NULL;
    struct error err;
    int r;

    ASSERT(out->arena);
    if (response->status < 200 || response->status > 299) {
        provider_failure_read(target, response, out_failure);
        return PROVIDER_FAILED;
    }
    if (json_decode(text_trim(response->body), JSON_DEPTH_DEFAULT, &body, &err) < 0) {
        provider_failure_set(out_failure, PROVIDER_MALFORMED_REPLY, response,
                             "the reply of %s is no valid JSON: %s", target->provider_name,
                             err.text);
        return PROVIDER_FAILED;
    }
    if (holds_error(body)) {
        provider_failure_read_json(target, response, body, out_failure);
        return PROVIDER_FAILED;
    }
    r = read_reply(&decoding, body, out_failure);
    if (r == 0)
        *out = decoding.reply;
    return r;
}
