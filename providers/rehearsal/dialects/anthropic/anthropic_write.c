/* Messages, from an answer to the wire, whole and in events. Message, Usage and the
 * Raw…Events of the npm package @anthropic-ai/sdk; https://docs.claude.com/en/api/streaming.
 *
 * Its input_tokens leave out what was read from the cache and what was written into it.
 */

#include <stdio.h>

#include "providers/rehearsal/dialects/anthropic/anthropic.h"
#include "providers/rehearsal/reply/seal.h"

static const char *stop_reason(const struct answer *answer)
{
    if (answer->end_word)
        return answer->end_word;
    switch (answer->end) {
    case ANSWER_LENGTH:
        return "max_tokens";
    case ANSWER_CALLS:
        return "tool_use";
    case ANSWER_FILTER:
        return "refusal";
    case ANSWER_STOP:
        break;
    }
    return "end_turn";
}

static void write_stop_details(struct json_write *write, const char *reason)
{
    if (strcmp(reason, "refusal") != 0) {
        json_write_null(write, "stop_details");
        return;
    }
    json_write_open_object(write, "stop_details");
    json_write_string(write, "type", "refusal");
    json_write_null(write, "category");
    json_write_null(write, "explanation");
    json_write_close(write);
}

static void write_input_usage(struct json_write *write, const struct usage *usage)
{
    json_write_int(write, "input_tokens", usage->input - usage->cached - usage->cache_write);
    json_write_int(write, "cache_creation_input_tokens", usage->cache_write);
    json_write_int(write, "cache_read_input_tokens", usage->cached);
}

static void write_output_usage(struct json_write *write, const struct usage *usage)
{
    json_write_int(write, "output_tokens", usage->output);
    json_write_open_object(write, "output_tokens_details");
    json_write_int(write, "thinking_tokens", usage->reasoning);
    json_write_close(write);
    json_write_null(write, "server_tool_use");
}

static void write_usage(struct json_write *write, const struct usage *usage)
{
    json_write_open_object(write, "usage");
    write_input_usage(write, usage);
    json_write_open_object(write, "cache_creation");
    json_write_int(write, "ephemeral_5m_input_tokens", usage->cache_write);
    json_write_int(write, "ephemeral_1h_input_tokens", 0);
    json_write_close(write);
    write_output_usage(write, usage);
    json_write_string(write, "service_tier", "standard");
    json_write_null(write, "inference_geo");
    json_write_null(write, "speed");
    json_write_close(write);
}

static void write_signature(struct json_write *write, const struct answer *answer)
{
    char seal[SEAL_SIZE];

    seal_make(ANTHROPIC_NAME, answer->conversation->model, answer->mark, seal);
    json_write_string(write, "signature", seal);
}

static void write_thinking(struct json_write *write, const struct answer *answer)
{
    json_write_open_object(write, NULL);
    json_write_string(write, "type", "thinking");
    json_write_text(write, "thinking", answer->reasoning);
    write_signature(write, answer);
    json_write_close(write);
}

static void write_text(struct json_write *write, const struct answer *answer)
{
    json_write_open_object(write, NULL);
    json_write_string(write, "type", "text");
    json_write_text(write, "text", answer->text);
    json_write_null(write, "citations");
    json_write_close(write);
}

/* Up to its input. */
static void open_call(struct json_write *write, const char *name, const struct answer_call *call)
{
    json_write_open_object(write, name);
    json_write_string(write, "type", "tool_use");
    json_write_text(write, "id", call->id);
    json_write_text(write, "name", call->name);
    json_write_open_object(write, "caller");
    json_write_string(write, "type", "direct");
    json_write_close(write);
}

static void write_call(struct json_write *write, const struct answer_call *call)
{
    open_call(write, NULL, call);
    json_write_name(write, "input");
    answer_add_object(call->arguments, write->out);
    json_write_close(write);
}

static void write_content(struct json_write *write, const struct answer *answer)
{
    json_write_open_array(write, "content");
    if (answer->reasoning.ptr)
        write_thinking(write, answer);
    if (answer->text.len)
        write_text(write, answer);
    for (size_t i = 0; i < answer->calls_count; i++)
        write_call(write, &answer->calls[i]);
    json_write_close(write);
}

/* A message; as a stream begins it has neither content nor end. */
static void write_message(struct json_write *write, const char *name, const struct answer *answer,
                          bool begins)
{
    struct usage usage = answer->usage;
    char id[ANSWER_ID_SIZE + 8];

    snprintf(id, sizeof(id), "msg_%s", answer->id);
    json_write_open_object(write, name);
    json_write_string(write, "id", id);
    json_write_string(write, "type", "message");
    json_write_string(write, "role", "assistant");
    json_write_text(write, "model", answer->conversation->model);
    if (begins) {
        json_write_open_array(write, "content");
        json_write_close(write);
        usage.output = 1;
        usage.reasoning = 0;
    } else {
        write_content(write, answer);
    }
    json_write_string(write, "stop_reason", begins ? NULL : stop_reason(answer));
    json_write_null(write, "stop_sequence");
    write_stop_details(write, begins ? "" : stop_reason(answer));
    write_usage(write, &usage);
    json_write_null(write, "container");
    json_write_null(write, "diagnostics");
    json_write_close(write);
}

void dialect_anthropic_write(const struct answer *answer, struct buf *out)
{
    struct json_write write;

    json_write_init(&write, out);
    write_message(&write, NULL, answer, false);
}

/* ---- events ---- */

struct stream {
    const struct answer *answer;
    struct event_list *events;
    struct json_write write;
    int64_t index; /* of the present block */
};

static struct json_write *begin(struct stream *stream, const char *type)
{
    event_list_begin(stream->events, type);
    json_write_init(&stream->write, &stream->events->bytes);
    json_write_open_object(&stream->write, NULL);
    json_write_string(&stream->write, "type", type);
    return &stream->write;
}

static void end(struct stream *stream)
{
    json_write_close(&stream->write);
    event_list_end(stream->events);
}

static struct json_write *begin_block(struct stream *stream)
{
    struct json_write *write = begin(stream, "content_block_start");

    json_write_int(write, "index", stream->index);
    return write;
}

/* After the first block's start there is a ping. */
static void end_block_start(struct stream *stream)
{
    end(stream);
    if (stream->index > 0)
        return;
    begin(stream, "ping");
    end(stream);
}

static void write_delta(struct stream *stream, const char *type, const char *member,
                        struct text value)
{
    struct json_write *write = begin(stream, "content_block_delta");

    json_write_int(write, "index", stream->index);
    json_write_open_object(write, "delta");
    json_write_string(write, "type", type);
    json_write_text(write, member, value);
    json_write_close(write);
    end(stream);
}

static void write_deltas(struct stream *stream, const char *type, const char *member,
                         struct text rest)
{
    struct text piece;

    while (answer_chunk(&rest, stream->answer->chunk_bytes, &piece))
        write_delta(stream, type, member, piece);
}

static void end_block(struct stream *stream)
{
    json_write_int(begin(stream, "content_block_stop"), "index", stream->index);
    end(stream);
    stream->index++;
}

static void stream_thinking(struct stream *stream)
{
    const struct answer *answer = stream->answer;
    struct json_write *write = begin_block(stream);
    char seal[SEAL_SIZE];

    json_write_open_object(write, "content_block");
    json_write_string(write, "type", "thinking");
    json_write_string(write, "thinking", "");
    json_write_string(write, "signature", "");
    json_write_close(write);
    end_block_start(stream);
    write_deltas(stream, "thinking_delta", "thinking", answer->reasoning);
    seal_make(ANTHROPIC_NAME, answer->conversation->model, answer->mark, seal);
    write_delta(stream, "signature_delta", "signature", text_of(seal));
    end_block(stream);
}

static void stream_text(struct stream *stream)
{
    struct json_write *write = begin_block(stream);

    json_write_open_object(write, "content_block");
    json_write_string(write, "type", "text");
    json_write_string(write, "text", "");
    json_write_null(write, "citations");
    json_write_close(write);
    end_block_start(stream);
    write_deltas(stream, "text_delta", "text", stream->answer->text);
    end_block(stream);
}

static void stream_call(struct stream *stream, const struct answer_call *call)
{
    struct json_write *write = begin_block(stream);

    open_call(write, "content_block", call);
    json_write_open_object(write, "input");
    json_write_close(write);
    json_write_close(write);
    end_block_start(stream);
    write_delta(stream, "input_json_delta", "partial_json", TEXT(""));
    write_deltas(stream, "input_json_delta", "partial_json", call->arguments);
    end_block(stream);
}

static void stream_end(struct stream *stream)
{
    const struct answer *answer = stream->answer;
    struct json_write *write = begin(stream, "message_delta");

    json_write_open_object(write, "delta");
    json_write_string(write, "stop_reason", stop_reason(answer));
    json_write_null(write, "stop_sequence");
    write_stop_details(write, stop_reason(answer));
    json_write_null(write, "container");
    json_write_close(write);
    json_write_open_object(write, "usage");
    write_input_usage(write, &answer->usage);
    write_output_usage(write, &answer->usage);
    json_write_close(write);
    end(stream);
    begin(stream, "message_stop");
    end(stream);
}

void dialect_anthropic_write_events(const struct answer *answer, struct event_list *out)
{
    struct stream stream = {.answer = answer, .events = out};

    write_message(begin(&stream, "message_start"), "message", answer, true);
    end(&stream);
    if (answer->reasoning.ptr)
        stream_thinking(&stream);
    if (answer->text.len)
        stream_text(&stream);
    for (size_t i = 0; i < answer->calls_count; i++)
        stream_call(&stream, &answer->calls[i]);
    stream_end(&stream);
}
