/* Ollama's /api/chat, from the wire to a reply.
 * https://github.com/ollama/ollama/blob/main/docs/api.md, ChatResponse of api/types.go there.
 *
 * A stream is lines; each has a message with what is new, and the last says that it is done. Calls
 * come whole, their arguments as an object. Newer servers give calls an id, which is kept; without
 * one reply_form.h makes it. Counts are left out where they are 0, such as the prompt's when all of
 * it was in the server's cache.
 */

#include "providers/formats/ollama.h"
#include "providers/reply/decoder.h"
#include "shared/json/json_raw.h"

#define NO_KEY (-1)

static void read_calls(struct reply_builder *reply, struct text calls)
{
    struct json_raw_walk walk;
    struct text call;

    if (json_raw_type(calls) != JSON_RAW_ARRAY)
        return;
    json_raw_begin(calls, &walk);
    while (json_raw_next(&walk, &call)) {
        struct text function = json_raw_get(call, "function");
        size_t number = reply_open_call(reply, NO_KEY, json_raw_get(call, "id"),
                                        json_raw_get(function, "name"));

        reply_add_arguments(reply, number, json_raw_get(function, "arguments"));
    }
}

static void read_end(struct reply_builder *reply, struct text json)
{
    struct chat_usage usage = {
        .input_tokens = reply_tokens_at(json, "prompt_eval_count"),
        .output_tokens = reply_tokens_at(json, "eval_count"),
    };

    reply_set_usage(reply, &usage);
    reply_set_finish(reply, json_raw_is(json_raw_get(json, "done_reason"), "length")
                                ? CHAT_FINISH_LENGTH
                                : CHAT_FINISH_STOP);
}

enum decode_result ollama_read_event(struct provider_decoder *decoder, struct text name,
                                     struct text json)
{
    struct reply_builder *reply = &decoder->reply;
    struct text message = json_raw_get(json, "message");

    (void)name;
    if (decode_holds_error(decoder, json))
        return DECODE_FAILED;
    reply_set_model(reply, json_raw_get(json, "model"));
    reply_add_reasoning(reply, json_raw_get(message, "thinking"));
    reply_add_text(reply, json_raw_get(message, "content"));
    read_calls(reply, json_raw_get(message, "tool_calls"));
    if (!json_raw_is_true(json_raw_get(json, "done")))
        return DECODE_MORE;
    read_end(reply, json);
    return DECODE_COMPLETE;
}

enum decode_result ollama_read_whole(struct provider_decoder *decoder, struct text json)
{
    if (json_raw_type(json_raw_get(json, "message")) != JSON_RAW_OBJECT)
        return decode_fail(decoder, PROVIDER_MALFORMED_REPLY, "has no message");
    return ollama_read_event(decoder, TEXT_NONE, json);
}

void ollama_close(struct provider_decoder *decoder)
{
    reply_keep_reasoning(&decoder->reply, OLLAMA_STATE_FIELD);
}
