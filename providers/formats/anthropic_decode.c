/* Anthropic's Messages, from the wire to a reply. https://platform.claude.com/docs/en/api/messages,
 * …/build-with-claude/streaming and the types of @anthropic-ai/sdk 0.137.
 *
 * A message is a list of blocks. In a stream each begins (content_block_start), grows
 * (content_block_delta) and ends; message_start has the model and what the input cost,
 * message_delta why it ends and what all of it cost, message_stop is the end. Other servers that
 * speak this format leave some of these out or put whole blocks where they begin: both are read.
 * Blocks that nobody asked for (of tools that run at Anthropic) are passed over.
 *
 * Thinking goes into the reply's parts, in its place between text and calls. */

#include "providers/formats/anthropic.h"
#include "providers/reply/decoder.h"
#include "providers/reply/reply_parts.h"
#include "shared/json/json_raw.h"
#include "shared/json/json_write.h"

#define NO_INDEX (-1)

/* decoder->phase: the block that is open. Of thinking, decoder->mark is where it begins in the
 * reply's reasoning, and decoder->scratch its signature. decoder->text_mark is how much of the
 * reply's text is among the parts. */
enum block {
    BLOCK_OTHER,
    BLOCK_THINKING,
    BLOCK_WHOLE_CALL, /* its input came where it began */
};

/* What was said since the last part. */
static void note_text(struct provider_decoder *decoder)
{
    size_t len = decoder->reply.text.len;

    if (len > decoder->text_mark)
        reply_parts_add_text(&decoder->reply.state, len - decoder->text_mark, TEXT_NONE);
    decoder->text_mark = len;
}

static void end_block(struct provider_decoder *decoder)
{
    struct buf *parts = &decoder->reply.state;
    struct text reasoning = buf_text(&decoder->reply.reasoning);
    struct json_write write;

    if (decoder->phase == BLOCK_THINKING) {
        reply_parts_begin_item(parts);
        json_write_init(&write, parts);
        json_write_open_object(&write, NULL);
        json_write_string(&write, "type", "thinking");
        json_write_text(
            &write, "thinking",
            (struct text){reasoning.ptr + decoder->mark, reasoning.len - decoder->mark});
        json_write_text(&write, "signature", buf_text(&decoder->scratch));
        json_write_close(&write);
        reply_parts_end_item(parts);
    }
    decoder->phase = BLOCK_OTHER;
}

static void open_thinking(struct provider_decoder *decoder)
{
    if (decoder->phase == BLOCK_THINKING)
        return;
    end_block(decoder);
    note_text(decoder);
    decoder->phase = BLOCK_THINKING;
    decoder->mark = decoder->reply.reasoning.len;
    buf_reset(&decoder->scratch);
}

static void set_signature(struct provider_decoder *decoder, struct text signature)
{
    if (json_raw_type(signature) != JSON_RAW_STRING)
        return;
    buf_reset(&decoder->scratch);
    (void)json_raw_add_string(signature, &decoder->scratch);
    if (decoder->scratch.failed)
        decoder->reply.full = true;
}

static void add_redacted(struct provider_decoder *decoder, struct text block)
{
    note_text(decoder);
    reply_parts_begin_item(&decoder->reply.state);
    json_raw_write(block, &decoder->reply.state);
    reply_parts_end_item(&decoder->reply.state);
}

/* In a stream the input is {} here, and comes in pieces. */
static void add_call(struct provider_decoder *decoder, int64_t index, struct text block)
{
    struct text input = json_raw_get(block, "input");
    size_t number = reply_open_call(&decoder->reply, index, json_raw_get(block, "id"),
                                    json_raw_get(block, "name"));

    note_text(decoder);
    if (number == SIZE_MAX)
        return;
    reply_parts_add_call(&decoder->reply.state);
    if (json_raw_type(input) == JSON_RAW_OBJECT && json_raw_is_empty(input))
        return;
    reply_add_arguments(&decoder->reply, number, input);
    if (decoder->reply.calls[number].arguments.len > 0)
        decoder->phase = BLOCK_WHOLE_CALL;
}

static void begin_block(struct provider_decoder *decoder, int64_t index, struct text block)
{
    struct text type = json_raw_get(block, "type");

    end_block(decoder);
    if (json_raw_is(type, "text")) {
        reply_add_text(&decoder->reply, json_raw_get(block, "text"));
    } else if (json_raw_is(type, "thinking")) {
        open_thinking(decoder);
        reply_add_reasoning(&decoder->reply, json_raw_get(block, "thinking"));
        set_signature(decoder, json_raw_get(block, "signature"));
    } else if (json_raw_is(type, "redacted_thinking")) {
        add_redacted(decoder, block);
    } else if (json_raw_is(type, "tool_use")) {
        add_call(decoder, index, block);
    }
}

static int64_t index_of(struct text json)
{
    int64_t index = NO_INDEX;

    (void)!json_raw_int(json_raw_get(json, "index"), &index);
    return index;
}

/* What is there says what it is. */
static void grow_block(struct provider_decoder *decoder, int64_t index, struct text delta)
{
    struct reply_builder *reply = &decoder->reply;
    struct text thinking = json_raw_get(delta, "thinking");

    reply_add_text(reply, json_raw_get(delta, "text"));
    if (decoder->phase != BLOCK_WHOLE_CALL)
        reply_add_arguments(reply, reply_find_call(reply, index),
                            json_raw_get(delta, "partial_json"));
    if (thinking.ptr) {
        open_thinking(decoder);
        reply_add_reasoning(reply, thinking);
    }
    if (decoder->phase == BLOCK_THINKING)
        set_signature(decoder, json_raw_get(delta, "signature"));
}

static int64_t tokens_at(struct text usage, const char *name, int64_t before)
{
    int64_t tokens = reply_tokens_at(usage, name);

    if (tokens > CHAT_TOKENS_MAX)
        tokens = CHAT_TOKENS_MAX;
    return tokens > before ? tokens : before;
}

/* Of the input those of the cache are told apart. What is told again has grown, and what is left
 * out has not changed. */
static void read_usage(struct reply_builder *reply, struct text usage)
{
    const struct chat_usage *was = &reply->usage;
    int64_t read = tokens_at(usage, "cache_read_input_tokens", was->cached_input_tokens);
    int64_t written = tokens_at(usage, "cache_creation_input_tokens", was->cache_write_tokens);
    int64_t rest = was->input_tokens - was->cached_input_tokens - was->cache_write_tokens;
    struct chat_usage now = {
        .input_tokens = tokens_at(usage, "input_tokens", rest) + read + written,
        .output_tokens = tokens_at(usage, "output_tokens", was->output_tokens),
        .cached_input_tokens = read,
        .cache_write_tokens = written,
        .reasoning_tokens = tokens_at(json_raw_get(usage, "output_tokens_details"),
                                      "thinking_tokens", was->reasoning_tokens),
    };

    if (json_raw_type(usage) == JSON_RAW_OBJECT)
        reply_set_usage(reply, &now);
}

/* A refusal is Anthropic's filter, which may strike in the midst of the text or of a call. Only
 * tools that run at Anthropic pause a turn. */
static void read_finish(struct reply_builder *reply, struct text message)
{
    struct text reason = json_raw_get(message, "stop_reason");

    if (json_raw_is(reason, "max_tokens") || json_raw_is(reason, "model_context_window_exceeded")) {
        reply_set_finish(reply, CHAT_FINISH_LENGTH);
    } else if (json_raw_is(reason, "refusal")) {
        reply_add_refusal(reply,
                          json_raw_get(json_raw_get(message, "stop_details"), "explanation"));
        reply_set_finish(reply, CHAT_FINISH_FILTER);
    } else if (json_raw_type(reason) == JSON_RAW_STRING) {
        reply_set_finish(reply, CHAT_FINISH_STOP);
    }
}

static void read_message(struct provider_decoder *decoder, struct text message)
{
    struct text content = json_raw_get(message, "content");
    struct json_raw_walk walk;
    struct text block;

    reply_set_model(&decoder->reply, json_raw_get(message, "model"));
    if (json_raw_type(content) == JSON_RAW_STRING)
        reply_add_text(&decoder->reply, content);
    if (json_raw_type(content) == JSON_RAW_ARRAY) {
        json_raw_begin(content, &walk);
        for (int64_t index = 0; json_raw_next(&walk, &block); index++)
            begin_block(decoder, index, block);
    }
    end_block(decoder);
    read_usage(&decoder->reply, json_raw_get(message, "usage"));
    read_finish(&decoder->reply, message);
}

enum decode_result anthropic_read_whole(struct provider_decoder *decoder, struct text json)
{
    if (json_raw_is(json_raw_get(json, "type"), "error"))
        return decode_error(decoder, json);
    if (!json_raw_get(json, "content").ptr)
        return decode_fail(decoder, PROVIDER_MALFORMED_REPLY, "has no content");
    read_message(decoder, json);
    return DECODE_MORE;
}

/* The type of the document, or the name of the event where it has none. */
static bool is(struct text type, struct text name, const char *word)
{
    return type.ptr ? json_raw_is(type, word) : text_is(name, word);
}

enum decode_result anthropic_read_event(struct provider_decoder *decoder, struct text name,
                                        struct text json)
{
    struct text type = json_raw_get(json, "type");

    if (decode_holds_error(decoder, json))
        return DECODE_FAILED;
    if (is(type, name, "message_start"))
        read_message(decoder, json_raw_get(json, "message"));
    else if (is(type, name, "content_block_start"))
        begin_block(decoder, index_of(json), json_raw_get(json, "content_block"));
    else if (is(type, name, "content_block_delta"))
        grow_block(decoder, index_of(json), json_raw_get(json, "delta"));
    else if (is(type, name, "content_block_stop"))
        end_block(decoder);
    else if (is(type, name, "message_delta")) {
        read_usage(&decoder->reply, json_raw_get(json, "usage"));
        read_finish(&decoder->reply, json_raw_get(json, "delta"));
    } else if (is(type, name, "message_stop"))
        return DECODE_COMPLETE;
    else if (is(type, name, "error"))
        return decode_error(decoder, json);
    else if (is(type, name, "message"))
        return anthropic_read_whole(decoder, json);
    return DECODE_MORE;
}

void anthropic_close(struct provider_decoder *decoder)
{
    end_block(decoder);
    note_text(decoder);
    if (decoder->reply.calls_count == 0)
        buf_reset(&decoder->reply.state);
    reply_parts_close(&decoder->reply.state);
}
