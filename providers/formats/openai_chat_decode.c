/* Chat Completions, from the wire to a reply.
 * https://platform.openai.com/docs/api-reference/chat/object and …/chat-streaming
 *
 * Lenient in all that servers leave out, spell differently or write badly (ids of tool calls,
 * usage, the finish reason, arguments as an object, content as parts, blank lines or a byte
 * order mark before the document, text that is no UTF-8), strict in what can't be guessed: no
 * choice with a message is a malformed reply. An error object is a failure whatever the status
 * says. What comes out still has to be put into form (reply_form.h), which provider_call does:
 * here nothing is judged that another format would have to judge as well.
 *
 * A piece of a stream has what is new in `delta`; servers that only pretend to stream send a whole
 * `message` as the one piece there is. Fragments of a call belong together by `index`. Where
 * servers leave it out, or give all calls the same, a new id begins a new call.
 */

#include "providers/formats/openai_chat.h"
#include "providers/reply/decoder.h"
#include "providers/wire/failure.h"
#include "shared/json/json_raw.h"

#define NO_INDEX (-1)

/* The object that holds name and arguments: "function", the "custom" of custom tools, or the call
 * itself. */
static struct text function_of(struct text call)
{
    struct text function = json_raw_get(call, "function");

    if (json_raw_type(function) != JSON_RAW_OBJECT)
        function = json_raw_get(call, "custom");
    return json_raw_type(function) == JSON_RAW_OBJECT ? function : call;
}

static struct text arguments_of(struct text function)
{
    struct text arguments = json_raw_get(function, "arguments");

    return arguments.ptr ? arguments : json_raw_get(function, "input");
}

static void read_call(struct reply_builder *reply, struct text call)
{
    struct text function = function_of(call);
    size_t number =
        reply_open_call(reply, NO_INDEX, json_raw_get(call, "id"), json_raw_get(function, "name"));

    reply_add_arguments(reply, number, arguments_of(function));
}

/* "tool_calls", a list or the one call itself, or the "function_call" of older servers. */
static void read_calls(struct reply_builder *reply, struct text message)
{
    struct text calls = json_raw_get(message, "tool_calls");
    struct text old = json_raw_get(message, "function_call");
    struct json_raw_walk walk;
    struct text call;

    if (json_raw_is_empty(calls)) {
        if (json_raw_type(old) == JSON_RAW_OBJECT && !json_raw_is_empty(old))
            read_call(reply, old);
        return;
    }
    if (json_raw_type(calls) != JSON_RAW_ARRAY) {
        read_call(reply, calls);
        return;
    }
    json_raw_begin(calls, &walk);
    while (json_raw_next(&walk, &call))
        read_call(reply, call);
}

/* Whether a call has another id than the one that a fragment names. */
static bool has_other_id(const struct reply_builder *reply, size_t number, struct text id)
{
    const struct buf *known = &reply->calls[number].id;

    return json_raw_type(id) == JSON_RAW_STRING && id.len > 2 && known->len > 0 &&
           !json_raw_is(id, buf_string(known));
}

/* The call that a fragment belongs to: a new one, or one that has begun. */
static size_t call_of(struct reply_builder *reply, struct text fragment, struct text name)
{
    struct text id = json_raw_get(fragment, "id");
    int64_t index = NO_INDEX;
    size_t number;

    (void)!json_raw_int(json_raw_get(fragment, "index"), &index);
    number = reply_find_call(reply, index);
    if (number == SIZE_MAX && index == NO_INDEX && reply->calls_count > 0)
        number = reply->calls_count - 1;
    if (number == SIZE_MAX || has_other_id(reply, number, id))
        return reply_open_call(reply, index, id, name);
    reply_add_name(reply, number, name);
    return number;
}

static void read_fragment(struct reply_builder *reply, struct text fragment)
{
    struct text function = function_of(fragment);
    size_t number = call_of(reply, fragment, json_raw_get(function, "name"));

    reply_add_arguments(reply, number, arguments_of(function));
}

static void read_fragments(struct reply_builder *reply, struct text delta)
{
    struct text fragments = json_raw_get(delta, "tool_calls");
    struct text old = json_raw_get(delta, "function_call");
    struct json_raw_walk walk;
    struct text fragment;

    if (json_raw_type(fragments) == JSON_RAW_ARRAY) {
        json_raw_begin(fragments, &walk);
        while (json_raw_next(&walk, &fragment))
            read_fragment(reply, fragment);
    } else if (json_raw_type(fragments) == JSON_RAW_OBJECT) {
        read_fragment(reply, fragments);
    } else if (json_raw_type(old) == JSON_RAW_OBJECT) {
        read_fragment(reply, old);
    }
}

/* Of Groq's last piece, "x_groq.usage". */
static struct text usage_of(struct text json)
{
    struct text usage = json_raw_get(json, "usage");

    return usage.ptr ? usage : json_raw_get(json_raw_get(json, "x_groq"), "usage");
}

static void read_usage(struct provider_decoder *decoder, struct text usage)
{
    struct text input = json_raw_get(usage, "prompt_tokens_details");
    struct text output = json_raw_get(usage, "completion_tokens_details");
    struct chat_usage out = {
        .input_tokens = reply_tokens_at(usage, "prompt_tokens"),
        .output_tokens = reply_tokens_at(usage, "completion_tokens"),
        .cached_input_tokens = json_raw_get(input, "cached_tokens").ptr
                                   ? reply_tokens_at(input, "cached_tokens")
                                   : reply_tokens_at(usage, "prompt_cache_hit_tokens"),
        .cache_write_tokens = reply_tokens_at(input, "cache_write_tokens"),
        .reasoning_tokens = reply_tokens_at(output, "reasoning_tokens"),
        .told_micros = decoder->target->habits.tells_cost ? reply_dollars_at(usage, "cost") : 0,
    };

    if (json_raw_type(usage) == JSON_RAW_OBJECT)
        reply_set_usage(&decoder->reply, &out);
}

/* DECODE_FAILED when the reason says that it was broken off. */
static enum decode_result read_finish(struct provider_decoder *decoder, struct text reason)
{
    struct reply_builder *reply = &decoder->reply;

    if (json_raw_is(reason, "insufficient_system_resource") || json_raw_is(reason, "error"))
        return decode_fail(decoder, PROVIDER_OVERLOADED,
                           "was broken off: its finish_reason says so");
    if (json_raw_is(reason, "length") || json_raw_is(reason, "max_tokens"))
        reply_set_finish(reply, CHAT_FINISH_LENGTH);
    else if (json_raw_is(reason, "content_filter"))
        reply_set_finish(reply, CHAT_FINISH_FILTER);
    else if (json_raw_type(reason) == JSON_RAW_STRING)
        reply_set_finish(reply, CHAT_FINISH_STOP);
    return DECODE_MORE;
}

/* What stands alike in a message and in a piece of one. */
static void read_texts(struct provider_decoder *decoder, struct text message)
{
    struct text reasoning = json_raw_get(message, OPENAI_CHAT_STATE_FIELD);

    if (json_raw_type(reasoning) == JSON_RAW_STRING)
        decoder->phase = 1; /* it is wanted back */
    else
        reasoning = json_raw_get(message, "reasoning");
    if (json_raw_type(reasoning) == JSON_RAW_STRING)
        reply_add_reasoning(&decoder->reply, reasoning);
    reply_add_text(&decoder->reply, json_raw_get(message, "content"));
    reply_add_refusal(&decoder->reply, json_raw_get(message, "refusal"));
}

/* The first choice that has such a member. */
static struct text find_choice(struct text json, const char *name)
{
    struct text choices = json_raw_get(json, "choices");
    struct json_raw_walk walk;
    struct text choice;

    if (json_raw_type(choices) != JSON_RAW_ARRAY)
        return TEXT_NONE;
    json_raw_begin(choices, &walk);
    while (json_raw_next(&walk, &choice))
        if (json_raw_type(json_raw_get(choice, name)) == JSON_RAW_OBJECT)
            return choice;
    return TEXT_NONE;
}

static enum decode_result read_message(struct provider_decoder *decoder, struct text json,
                                       struct text choice)
{
    struct text message = json_raw_get(choice, "message");

    read_texts(decoder, message);
    read_calls(&decoder->reply, message);
    read_usage(decoder, usage_of(json));
    return read_finish(decoder, json_raw_get(choice, "finish_reason"));
}

enum decode_result openai_chat_read_whole(struct provider_decoder *decoder, struct text json)
{
    struct text choice = find_choice(json, "message");

    if (!choice.ptr)
        return decode_fail(decoder, PROVIDER_MALFORMED_REPLY, "has no choice with a message");
    reply_set_model(&decoder->reply, json_raw_get(json, "model"));
    return read_message(decoder, json, choice);
}

enum decode_result openai_chat_read_event(struct provider_decoder *decoder, struct text name,
                                          struct text json)
{
    struct text choice = find_choice(json, "delta");
    struct text whole = TEXT_NONE;
    struct text delta;

    (void)name;
    if (decode_holds_error(decoder, json))
        return DECODE_FAILED;
    reply_set_model(&decoder->reply, json_raw_get(json, "model"));
    if (!choice.ptr)
        whole = find_choice(json, "message");
    if (whole.ptr && !decoder->reply.finished)
        return read_message(decoder, json, whole);
    delta = json_raw_get(choice, "delta");
    read_texts(decoder, delta);
    read_fragments(&decoder->reply, delta);
    read_usage(decoder, usage_of(json));
    return read_finish(decoder, json_raw_get(choice, "finish_reason"));
}

/* The reasoning of a reply with calls, where the server gave it in the member that it wants it back
 * in. */
void openai_chat_close(struct provider_decoder *decoder)
{
    if (decoder->phase != 0)
        reply_keep_reasoning(&decoder->reply, OPENAI_CHAT_STATE_FIELD);
}
