/* Chat Completions, from an answer to the wire, whole and in chunks.
 * https://platform.openai.com/docs/api-reference/chat/object and .../chat/streaming; ChatCompletion
 * and ChatCompletionChunk of the npm packages openai and groq-sdk. */

#include "providers/rehearsal/dialects/openai/openai_chat.h"

#include <stdio.h>

static const char *end_word(const struct answer *answer)
{
    if (answer->end_word)
        return answer->end_word;
    switch (answer->end) {
    case ANSWER_LENGTH:
        return "length";
    case ANSWER_CALLS:
        return "tool_calls";
    case ANSWER_FILTER:
        return "content_filter";
    case ANSWER_STOP:
        break;
    }
    return "stop";
}

static void write_calls(struct json_write *write, const struct answer *answer)
{
    if (answer->calls_count == 0)
        return;
    json_write_open_array(write, "tool_calls");
    for (size_t i = 0; i < answer->calls_count; i++) {
        json_write_open_object(write, NULL);
        json_write_text(write, "id", answer->calls[i].id);
        json_write_string(write, "type", "function");
        json_write_open_object(write, "function");
        json_write_text(write, "name", answer->calls[i].name);
        json_write_text(write, "arguments", answer->calls[i].arguments);
        json_write_close(write);
        json_write_close(write);
    }
    json_write_close(write);
}

static void write_choice(struct json_write *write, const struct answer *answer,
                         const struct chat_flavour *flavour)
{
    bool has_text = answer->text.ptr || answer->calls_count == 0;

    json_write_open_object(write, NULL);
    json_write_int(write, "index", 0);
    json_write_open_object(write, "message");
    json_write_string(write, "role", "assistant");
    json_write_text(write, "content",
                    !has_text          ? TEXT_NONE
                    : answer->text.ptr ? answer->text
                                       : TEXT(""));
    if (answer->reasoning.ptr)
        json_write_text(write, flavour->reasoning_member, answer->reasoning);
    json_write_null(write, "refusal");
    write_calls(write, answer);
    json_write_close(write);
    json_write_null(write, "logprobs");
    json_write_string(write, "finish_reason", end_word(answer));
    json_write_close(write);
}

static void write_usage(struct json_write *write, const struct answer *answer,
                        const struct chat_flavour *flavour)
{
    const struct usage *usage = &answer->usage;

    json_write_open_object(write, "usage");
    if (flavour->groq) {
        json_write_double(write, "queue_time", 0);
        json_write_double(write, "prompt_time", 0.001);
        json_write_double(write, "completion_time", 0.001);
        json_write_double(write, "total_time", 0.002);
    }
    json_write_int(write, "prompt_tokens", usage->input);
    json_write_int(write, "completion_tokens", usage->output);
    json_write_int(write, "total_tokens", usage->input + usage->output);
    json_write_open_object(write, "prompt_tokens_details");
    json_write_int(write, "cached_tokens", usage->cached);
    if (usage->cache_write)
        json_write_int(write, "cache_write_tokens", usage->cache_write);
    json_write_close(write);
    json_write_open_object(write, "completion_tokens_details");
    json_write_int(write, "reasoning_tokens", usage->reasoning);
    json_write_close(write);
    json_write_close(write);
}

static void write_stamp(struct json_write *write, const struct answer *answer, const char *object)
{
    char id[ANSWER_ID_SIZE + 16];

    snprintf(id, sizeof(id), "chatcmpl-%s", answer->id);
    json_write_string(write, "id", id);
    json_write_string(write, "object", object);
    json_write_int(write, "created", answer->now_wall_ms / 1000);
    json_write_text(write, "model", answer->conversation->model);
}

static void write_groq(struct json_write *write, const struct answer *answer)
{
    char id[ANSWER_ID_SIZE + 16];

    snprintf(id, sizeof(id), "req_%s", answer->id);
    json_write_open_object(write, "x_groq");
    json_write_string(write, "id", id);
}

void dialect_chat_write(const struct answer *answer, const struct chat_flavour *flavour,
                        struct buf *out)
{
    struct json_write write;

    json_write_init(&write, out);
    json_write_open_object(&write, NULL);
    write_stamp(&write, answer, "chat.completion");
    json_write_open_array(&write, "choices");
    write_choice(&write, answer, flavour);
    json_write_close(&write);
    write_usage(&write, answer, flavour);
    json_write_string(&write, "system_fingerprint", "fp_rehearsal");
    if (flavour->groq) {
        write_groq(&write, answer);
        json_write_close(&write);
    }
    json_write_close(&write);
}

/* ---- chunks ---- */

struct chunks {
    const struct answer *answer;
    const struct chat_flavour *flavour;
    struct event_list *events;
    struct json_write write;
};

/* Opens a chunk up to its choices. */
static void begin_chunk(struct chunks *chunks)
{
    struct json_write *write = &chunks->write;

    event_list_begin(chunks->events, NULL);
    json_write_init(write, &chunks->events->bytes);
    json_write_open_object(write, NULL);
    write_stamp(write, chunks->answer, "chat.completion.chunk");
    json_write_string(write, "system_fingerprint", "fp_rehearsal");
    json_write_open_array(write, "choices");
}

/* Closes it behind its choices. With include_usage each chunk but the last says that it has none.
 */
static void end_chunk(struct chunks *chunks)
{
    json_write_close(&chunks->write);
    if (chunks->answer->conversation->stream_usage)
        json_write_null(&chunks->write, "usage");
    json_write_close(&chunks->write);
    event_list_end(chunks->events);
}

static struct json_write *begin_delta(struct chunks *chunks)
{
    begin_chunk(chunks);
    json_write_open_object(&chunks->write, NULL);
    json_write_int(&chunks->write, "index", 0);
    json_write_open_object(&chunks->write, "delta");
    return &chunks->write;
}

static void close_delta(struct chunks *chunks, const char *finish)
{
    json_write_close(&chunks->write);
    json_write_null(&chunks->write, "logprobs");
    json_write_string(&chunks->write, "finish_reason", finish);
    json_write_close(&chunks->write);
}

static void end_delta(struct chunks *chunks)
{
    close_delta(chunks, NULL);
    end_chunk(chunks);
}

static void write_first(struct chunks *chunks)
{
    const struct answer *answer = chunks->answer;
    struct json_write *write = begin_delta(chunks);

    json_write_string(write, "role", "assistant");
    json_write_text(write, "content",
                    answer->text.ptr || !answer->calls_count ? TEXT("") : TEXT_NONE);
    json_write_null(write, "refusal");
    close_delta(chunks, NULL);
    json_write_close(write);
    if (answer->conversation->stream_usage)
        json_write_null(write, "usage");
    if (chunks->flavour->groq) {
        write_groq(write, answer);
        json_write_close(write);
    }
    json_write_close(write);
    event_list_end(chunks->events);
}

static void write_pieces(struct chunks *chunks, const char *member, struct text rest)
{
    struct text piece;

    while (answer_chunk(&rest, chunks->answer->chunk_bytes, &piece)) {
        json_write_text(begin_delta(chunks), member, piece);
        end_delta(chunks);
    }
}

static void open_call(struct json_write *write, size_t i)
{
    json_write_open_array(write, "tool_calls");
    json_write_open_object(write, NULL);
    json_write_int(write, "index", (int64_t)i);
}

static void close_call(struct chunks *chunks)
{
    json_write_close(&chunks->write);
    json_write_close(&chunks->write);
    json_write_close(&chunks->write);
    end_delta(chunks);
}

static void write_call_chunks(struct chunks *chunks, size_t i)
{
    const struct answer_call *call = &chunks->answer->calls[i];
    struct text rest = call->arguments;
    struct text piece;
    struct json_write *write = begin_delta(chunks);

    open_call(write, i);
    json_write_text(write, "id", call->id);
    json_write_string(write, "type", "function");
    json_write_open_object(write, "function");
    json_write_text(write, "name", call->name);
    json_write_string(write, "arguments", "");
    close_call(chunks);
    while (answer_chunk(&rest, chunks->answer->chunk_bytes, &piece)) {
        open_call(begin_delta(chunks), i);
        json_write_open_object(write, "function");
        json_write_text(write, "arguments", piece);
        close_call(chunks);
    }
}

static void write_last(struct chunks *chunks)
{
    const struct answer *answer = chunks->answer;
    struct json_write *write = begin_delta(chunks);

    close_delta(chunks, end_word(answer));
    if (!chunks->flavour->groq && !chunks->flavour->usage_is_last) {
        end_chunk(chunks);
        return;
    }
    json_write_close(write);
    if (chunks->flavour->groq)
        write_groq(write, answer);
    write_usage(write, answer, chunks->flavour);
    if (chunks->flavour->groq)
        json_write_close(write);
    json_write_close(write);
    event_list_end(chunks->events);
}

static void write_usage_chunk(struct chunks *chunks)
{
    begin_chunk(chunks);
    json_write_close(&chunks->write);
    write_usage(&chunks->write, chunks->answer, chunks->flavour);
    json_write_close(&chunks->write);
    event_list_end(chunks->events);
}

void dialect_chat_write_events(const struct answer *answer, const struct chat_flavour *flavour,
                               struct event_list *out)
{
    struct chunks chunks = {.answer = answer, .flavour = flavour, .events = out};

    write_first(&chunks);
    write_pieces(&chunks, flavour->reasoning_member, answer->reasoning);
    write_pieces(&chunks, "content", answer->text);
    for (size_t i = 0; i < answer->calls_count; i++)
        write_call_chunks(&chunks, i);
    write_last(&chunks);
    if (answer->conversation->stream_usage)
        write_usage_chunk(&chunks);
    event_list_begin(out, NULL);
    buf_add_string(&out->bytes, "[DONE]");
    event_list_end(out);
}
