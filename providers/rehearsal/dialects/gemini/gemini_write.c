/* generateContent, from an answer to the wire: GenerateContentResponse of the npm package
 * @google/genai. A stream has the same shape piece by piece; calls arrive whole, and there is no
 * word for their end: a turn with calls stops as any other.
 *
 * Models that sign have ids for their calls, and a signature beside the first. Reasoning is shown
 * to those who ask for it.
 */

#include "providers/rehearsal/dialects/gemini/gemini.h"
#include "providers/rehearsal/reply/seal.h"

static const char *finish_reason(const struct answer *answer)
{
    if (answer->end_word)
        return answer->end_word;
    switch (answer->end) {
    case ANSWER_LENGTH:
        return "MAX_TOKENS";
    case ANSWER_FILTER:
        return "SAFETY";
    case ANSWER_CALLS:
    case ANSWER_STOP:
        break;
    }
    return "STOP";
}

static void write_signature(struct json_write *write, const struct answer *answer, struct text said)
{
    char mark[SEAL_MARK_SIZE];
    char seal[SEAL_SIZE];

    seal_mark(said, mark);
    seal_make(GEMINI_NAME, answer->conversation->model, mark, seal);
    json_write_string(write, "thoughtSignature", seal);
}

static void write_text(struct json_write *write, struct text text, bool thought)
{
    json_write_open_object(write, NULL);
    json_write_text(write, "text", text);
    if (thought)
        json_write_bool(write, "thought", true);
    json_write_close(write);
}

static bool is_signed(const struct answer *answer)
{
    return answer->reasoning.ptr || dialect_gemini_model_signs(answer->conversation->model);
}

static void write_call(struct json_write *write, const struct answer *answer, size_t i)
{
    const struct answer_call *call = &answer->calls[i];

    json_write_open_object(write, NULL);
    json_write_open_object(write, "functionCall");
    if (dialect_gemini_model_signs(answer->conversation->model))
        json_write_text(write, "id", call->id);
    json_write_text(write, "name", call->name);
    json_write_name(write, "args");
    answer_add_object(call->arguments, write->out);
    json_write_close(write);
    if (i == 0 && is_signed(answer))
        write_signature(write, answer, call->name);
    json_write_close(write);
}

/* The signature of an answer without calls stands in a last, empty part. */
static void write_last_signature(struct json_write *write, const struct answer *answer)
{
    json_write_open_object(write, NULL);
    json_write_string(write, "text", "");
    write_signature(write, answer, answer->reasoning);
    json_write_close(write);
}

static bool has_last_signature(const struct answer *answer)
{
    return answer->reasoning.ptr && !answer->calls_count;
}

static void write_details(struct json_write *write, const char *name, int64_t tokens)
{
    json_write_open_array(write, name);
    json_write_open_object(write, NULL);
    json_write_string(write, "modality", "TEXT");
    json_write_int(write, "tokenCount", tokens);
    json_write_close(write);
    json_write_close(write);
}

static void write_usage(struct json_write *write, const struct usage *usage)
{
    json_write_open_object(write, "usageMetadata");
    json_write_int(write, "promptTokenCount", usage->input);
    json_write_int(write, "candidatesTokenCount", usage->output - usage->reasoning);
    json_write_int(write, "totalTokenCount", usage->input + usage->output);
    write_details(write, "promptTokensDetails", usage->input);
    if (usage->cached) {
        json_write_int(write, "cachedContentTokenCount", usage->cached);
        write_details(write, "cacheTokensDetails", usage->cached);
    }
    if (usage->reasoning)
        json_write_int(write, "thoughtsTokenCount", usage->reasoning);
    json_write_close(write);
}

/* Opens a response up to its first part. */
static void open_response(struct json_write *write)
{
    json_write_open_object(write, NULL);
    json_write_open_array(write, "candidates");
    json_write_open_object(write, NULL);
    json_write_open_object(write, "content");
    json_write_open_array(write, "parts");
}

static void close_response(struct json_write *write, const struct answer *answer,
                           const char *finish, const struct usage *usage)
{
    json_write_close(write);
    json_write_string(write, "role", "model");
    json_write_close(write);
    if (finish)
        json_write_string(write, "finishReason", finish);
    json_write_int(write, "index", 0);
    json_write_close(write);
    json_write_close(write);
    write_usage(write, usage);
    json_write_text(write, "modelVersion", answer->conversation->model);
    json_write_string(write, "responseId", answer->id);
    json_write_close(write);
}

void dialect_gemini_write(const struct answer *answer, struct buf *out)
{
    struct json_write write;

    json_write_init(&write, out);
    open_response(&write);
    if (answer->reasoning.ptr && answer->conversation->with_thoughts)
        write_text(&write, answer->reasoning, true);
    if (answer->text.len)
        write_text(&write, answer->text, false);
    for (size_t i = 0; i < answer->calls_count; i++)
        write_call(&write, answer, i);
    if (has_last_signature(answer))
        write_last_signature(&write, answer);
    close_response(&write, answer, finish_reason(answer), &answer->usage);
}

/* ---- pieces ---- */

struct stream {
    const struct answer *answer;
    struct event_list *events;
    struct json_write write;
};

static struct json_write *begin(struct stream *stream)
{
    event_list_begin(stream->events, NULL);
    json_write_init(&stream->write, &stream->events->bytes);
    open_response(&stream->write);
    return &stream->write;
}

static void end(struct stream *stream, const char *finish)
{
    struct usage usage = stream->answer->usage;

    if (!finish) { /* so far nothing but the prompt is known for certain */
        usage.output = 0;
        usage.reasoning = 0;
    }
    close_response(&stream->write, stream->answer, finish, &usage);
    event_list_end(stream->events);
}

static void stream_text(struct stream *stream, struct text rest, bool thought)
{
    struct text piece;

    while (answer_chunk(&rest, stream->answer->chunk_bytes, &piece)) {
        write_text(begin(stream), piece, thought);
        end(stream, NULL);
    }
}

void dialect_gemini_write_events(const struct answer *answer, struct event_list *out)
{
    struct stream stream = {.answer = answer, .events = out};
    struct json_write *write;

    if (answer->conversation->with_thoughts)
        stream_text(&stream, answer->reasoning, true);
    stream_text(&stream, answer->text, false);
    for (size_t i = 0; i < answer->calls_count; i++) {
        write_call(begin(&stream), answer, i);
        end(&stream, NULL);
    }
    write = begin(&stream);
    if (has_last_signature(answer))
        write_last_signature(write, answer);
    else
        write_text(write, TEXT(""), false);
    end(&stream, finish_reason(answer));
}
