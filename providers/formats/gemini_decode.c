/* Gemini's generateContent, from the wire to a reply.
 * https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse
 * Words of finishReason and blockReason: the enums of @google/genai 3.3.0.
 *
 * A piece of a stream has the shape of a whole reply. A stream ends with its connection: that it is
 * complete is known by the finishReason of its last piece. Servers that ignore "alt=sse" send the
 * pieces as one array.
 *
 * Calls come whole, and a reply that calls ends with STOP as any other. A prompt that is blocked
 * has no candidate but a blockReason. Thoughts are parts that say so, and count as output. Of the
 * parts that a model may add of its own accord (images, code that it ran) nothing is kept.
 */

#include "providers/formats/gemini.h"

#include <stdio.h>

#include "providers/reply/decoder.h"
#include "shared/json/json_raw.h"
#include "shared/json/json_write.h"

#define NO_KEY (-1)

/* The decoder's scratch holds the signatures of the calls so far, a value for each; its mark is
 * how many are more than null. */
static void keep_signature(struct provider_decoder *decoder, struct text signature)
{
    struct buf *signatures = &decoder->scratch;
    bool is_signature = json_raw_type(signature) == JSON_RAW_STRING && signature.len > 2;

    if (signatures->len > 0)
        buf_add_char(signatures, ',');
    json_raw_write(is_signature ? signature : TEXT_NONE, signatures);
    if (is_signature)
        decoder->mark++;
}

static void read_call(struct provider_decoder *decoder, struct text call, struct text signature)
{
    struct reply_builder *reply = &decoder->reply;
    size_t number =
        reply_open_call(reply, NO_KEY, json_raw_get(call, "id"), json_raw_get(call, "name"));

    reply_add_arguments(reply, number, json_raw_get(call, "args"));
    if (number != SIZE_MAX)
        keep_signature(decoder, signature);
}

static void read_part(struct provider_decoder *decoder, struct text part)
{
    struct text call = json_raw_get(part, "functionCall");
    struct text text = json_raw_get(part, "text");

    if (json_raw_type(call) == JSON_RAW_OBJECT)
        read_call(decoder, call, json_raw_get(part, "thoughtSignature"));
    else if (json_raw_is_true(json_raw_get(part, "thought")))
        reply_add_reasoning(&decoder->reply, text);
    else
        reply_add_text(&decoder->reply, text);
}

static void read_usage(struct reply_builder *reply, struct text usage)
{
    int64_t thoughts = reply_tokens_at(usage, "thoughtsTokenCount");
    struct chat_usage out = {
        .input_tokens = reply_tokens_at(usage, "promptTokenCount") +
                        reply_tokens_at(usage, "toolUsePromptTokenCount"),
        .output_tokens = reply_tokens_at(usage, "candidatesTokenCount") + thoughts,
        .cached_input_tokens = reply_tokens_at(usage, "cachedContentTokenCount"),
        .reasoning_tokens = thoughts,
    };

    if (out.input_tokens != 0 || out.output_tokens != 0) /* some pieces have an empty one */
        reply_set_usage(reply, &out);
}

/* What the words of finishReason mean; any other ends a reply as STOP does. */
static const struct reason {
    const char *word;
    enum chat_finish finish;
    enum provider_failure failure; /* PROVIDER_OK: it is an answer */
} reasons[] = {
    {"MAX_TOKENS", CHAT_FINISH_LENGTH, PROVIDER_OK},
    {"CONTINUATION", CHAT_FINISH_LENGTH, PROVIDER_OK},
    {"SAFETY", CHAT_FINISH_FILTER, PROVIDER_OK},
    {"RECITATION", CHAT_FINISH_FILTER, PROVIDER_OK},
    {"LANGUAGE", CHAT_FINISH_FILTER, PROVIDER_OK},
    {"BLOCKLIST", CHAT_FINISH_FILTER, PROVIDER_OK},
    {"PROHIBITED_CONTENT", CHAT_FINISH_FILTER, PROVIDER_OK},
    {"SPII", CHAT_FINISH_FILTER, PROVIDER_OK},
    {"IMAGE_SAFETY", CHAT_FINISH_FILTER, PROVIDER_OK},
    {"IMAGE_PROHIBITED_CONTENT", CHAT_FINISH_FILTER, PROVIDER_OK},
    {"IMAGE_RECITATION", CHAT_FINISH_FILTER, PROVIDER_OK},
    {"MODEL_ARMOR", CHAT_FINISH_FILTER, PROVIDER_OK},
    {"ESCALATION", CHAT_FINISH_FILTER, PROVIDER_OK},
    {"MALFORMED_FUNCTION_CALL", CHAT_FINISH_STOP, PROVIDER_MALFORMED_REPLY},
    {"UNEXPECTED_TOOL_CALL", CHAT_FINISH_STOP, PROVIDER_MALFORMED_REPLY},
    {"TOO_MANY_TOOL_CALLS", CHAT_FINISH_STOP, PROVIDER_MALFORMED_REPLY},
    {"MALFORMED_RESPONSE", CHAT_FINISH_STOP, PROVIDER_MALFORMED_REPLY},
    {"MISSING_THOUGHT_SIGNATURE", CHAT_FINISH_STOP, PROVIDER_BAD_REQUEST},
    {"PUP_LIMITED_DISABLED", CHAT_FINISH_STOP, PROVIDER_AUTH},
};

static const struct reason *find_reason(struct text word)
{
    for (size_t i = 0; i < ARRAY_LENGTH(reasons); i++)
        if (json_raw_is(word, reasons[i].word))
            return &reasons[i];
    return NULL;
}

/* A reply that its reason makes a failure; it is paid for. */
static enum decode_result fail_for(struct provider_decoder *decoder, const struct reason *reason)
{
    char what[80];

    (void)snprintf(what, sizeof(what), "is none: its finishReason is %s", reason->word);
    (void)decode_fail(decoder, reason->failure, what);
    decoder->failure->usage = decoder->reply.usage;
    return DECODE_FAILED;
}

static enum decode_result read_finish(struct provider_decoder *decoder, struct text word)
{
    const struct reason *reason = find_reason(word);

    if (json_raw_type(word) != JSON_RAW_STRING)
        return DECODE_MORE;
    if (reason && reason->failure != PROVIDER_OK)
        return fail_for(decoder, reason);
    reply_set_finish(&decoder->reply, reason ? reason->finish : CHAT_FINISH_STOP);
    return DECODE_MORE;
}

/* The first; no more are asked for. */
static struct text candidate_of(struct text json)
{
    struct text candidates = json_raw_get(json, "candidates");
    struct json_raw_walk walk;
    struct text candidate;

    if (json_raw_type(candidates) != JSON_RAW_ARRAY)
        return TEXT_NONE;
    json_raw_begin(candidates, &walk);
    while (json_raw_next(&walk, &candidate))
        if (json_raw_type(candidate) == JSON_RAW_OBJECT)
            return candidate;
    return TEXT_NONE;
}

static bool is_blocked(struct text json)
{
    return json_raw_type(json_raw_get(json_raw_get(json, "promptFeedback"), "blockReason")) ==
           JSON_RAW_STRING;
}

enum decode_result gemini_read_event(struct provider_decoder *decoder, struct text name,
                                     struct text json)
{
    struct text candidate = candidate_of(json);
    struct json_raw_walk walk;
    struct text part;

    (void)name;
    if (decode_holds_error(decoder, json))
        return DECODE_FAILED;
    reply_set_model(&decoder->reply, json_raw_get(json, "modelVersion"));
    json_raw_begin(json_raw_get(json_raw_get(candidate, "content"), "parts"), &walk);
    while (json_raw_next(&walk, &part))
        read_part(decoder, part);
    read_usage(&decoder->reply, json_raw_get(json, "usageMetadata"));
    if (!candidate.ptr && is_blocked(json))
        reply_set_finish(&decoder->reply, CHAT_FINISH_FILTER);
    return read_finish(decoder, json_raw_get(candidate, "finishReason"));
}

enum decode_result gemini_read_whole(struct provider_decoder *decoder, struct text json)
{
    bool any = false;
    struct json_raw_walk walk;
    struct text piece;

    if (json_raw_type(json) != JSON_RAW_ARRAY) {
        if (!candidate_of(json).ptr && !is_blocked(json))
            return decode_fail(decoder, PROVIDER_MALFORMED_REPLY, "has no candidate");
        return gemini_read_event(decoder, TEXT_NONE, json);
    }
    json_raw_begin(json, &walk);
    while (json_raw_next(&walk, &piece)) {
        any = any || candidate_of(piece).ptr || is_blocked(piece);
        if (gemini_read_event(decoder, TEXT_NONE, piece) == DECODE_FAILED)
            return DECODE_FAILED;
    }
    return any ? DECODE_MORE : decode_fail(decoder, PROVIDER_MALFORMED_REPLY, "has no candidate");
}

/* The signatures of a reply with calls. */
void gemini_close(struct provider_decoder *decoder)
{
    struct buf *state = &decoder->reply.state;

    if (decoder->mark == 0 || decoder->scratch.failed)
        return;
    buf_add_string(state, "{\"" GEMINI_STATE_FIELD "\":[");
    buf_add_text(state, buf_text(&decoder->scratch));
    buf_add_string(state, "]}");
}
