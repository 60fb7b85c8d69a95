/* Ollama, from an answer to the wire, whole and as lines. ChatResponse, EmbedResponse and
 * ListResponse of the npm package ollama; times are nanoseconds. Calls arrive whole, and their end
 * is a stop as any other. */

#include <stdio.h>
#include <time.h>

#include "providers/rehearsal/dialects/ollama/ollama.h"
#include "providers/rehearsal/reply/vectors.h"

#define NS_PER_TOKEN 1000000

static const char *done_reason(const struct answer *answer)
{
    if (answer->end_word)
        return answer->end_word;
    return answer->end == ANSWER_LENGTH ? "length" : "stop";
}

static void write_stamp(struct json_write *write, const struct answer *answer)
{
    time_t seconds = (time_t)(answer->now_wall_ms / 1000);
    char day[32];
    char stamp[48];
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(stamp, sizeof(stamp), "%s.%03d000000Z", day, (int)(answer->now_wall_ms % 1000));
    json_write_text(write, "model", answer->conversation->model);
    json_write_string(write, "created_at", stamp);
}

static void write_calls(struct json_write *write, const struct answer *answer)
{
    if (!answer->calls_count)
        return;
    json_write_open_array(write, "tool_calls");
    for (size_t i = 0; i < answer->calls_count; i++) {
        json_write_open_object(write, NULL);
        json_write_open_object(write, "function");
        json_write_text(write, "name", answer->calls[i].name);
        json_write_name(write, "arguments");
        answer_add_object(answer->calls[i].arguments, write->out);
        json_write_close(write);
        json_write_close(write);
    }
    json_write_close(write);
}

static void open_message(struct json_write *write, struct text content)
{
    json_write_open_object(write, "message");
    json_write_string(write, "role", "assistant");
    json_write_text(write, "content", content.ptr ? content : TEXT(""));
}

static void write_end(struct json_write *write, const struct answer *answer)
{
    const struct usage *usage = &answer->usage;

    json_write_bool(write, "done", true);
    json_write_string(write, "done_reason", done_reason(answer));
    json_write_int(write, "total_duration", (usage->input + usage->output + 1) * NS_PER_TOKEN);
    json_write_int(write, "load_duration", NS_PER_TOKEN);
    json_write_int(write, "prompt_eval_count", usage->input);
    json_write_int(write, "prompt_eval_duration", usage->input * NS_PER_TOKEN);
    json_write_int(write, "eval_count", usage->output);
    json_write_int(write, "eval_duration", usage->output * NS_PER_TOKEN);
}

void dialect_ollama_write(const struct answer *answer, struct buf *out)
{
    struct json_write write;

    json_write_init(&write, out);
    json_write_open_object(&write, NULL);
    write_stamp(&write, answer);
    open_message(&write, answer->text);
    json_write_text_if(&write, "thinking", answer->reasoning);
    write_calls(&write, answer);
    json_write_close(&write);
    write_end(&write, answer);
    json_write_close(&write);
}

/* ---- lines ---- */

struct stream {
    const struct answer *answer;
    struct event_list *events;
    struct json_write write;
};

/* Opens a line up to the members of its message beside the content. */
static struct json_write *begin(struct stream *stream, struct text content)
{
    event_list_begin(stream->events, NULL);
    json_write_init(&stream->write, &stream->events->bytes);
    json_write_open_object(&stream->write, NULL);
    write_stamp(&stream->write, stream->answer);
    open_message(&stream->write, content);
    return &stream->write;
}

static void end(struct stream *stream)
{
    json_write_close(&stream->write);
    json_write_bool(&stream->write, "done", false);
    json_write_close(&stream->write);
    event_list_end(stream->events);
}

void dialect_ollama_write_events(const struct answer *answer, struct event_list *out)
{
    struct stream stream = {.answer = answer, .events = out};
    struct text rest = answer->reasoning;
    struct text piece;
    struct json_write *write;

    while (answer_chunk(&rest, answer->chunk_bytes, &piece)) {
        json_write_text(begin(&stream, TEXT("")), "thinking", piece);
        end(&stream);
    }
    rest = answer->text;
    while (answer_chunk(&rest, answer->chunk_bytes, &piece)) {
        (void)begin(&stream, piece);
        end(&stream);
    }
    if (answer->calls_count) {
        write_calls(begin(&stream, TEXT("")), answer);
        end(&stream);
    }
    write = begin(&stream, TEXT(""));
    json_write_close(write);
    write_end(write, answer);
    json_write_close(write);
    event_list_end(out);
}

void dialect_ollama_write_vectors(const struct vectors *vectors, struct buf *out)
{
    const struct embedding_request *request = vectors->request;
    struct json_write write;

    json_write_init(&write, out);
    json_write_open_object(&write, NULL);
    json_write_text(&write, "model", vectors->conversation->model);
    json_write_open_array(&write, "embeddings");
    for (size_t i = 0; i < request->count; i++) {
        json_write_name(&write, NULL);
        vector_add_json(vectors->values + i * request->dimensions, request->dimensions, out);
    }
    json_write_close(&write);
    json_write_int(&write, "total_duration", (vectors->tokens + 1) * NS_PER_TOKEN);
    json_write_int(&write, "load_duration", NS_PER_TOKEN);
    json_write_int(&write, "prompt_eval_count", vectors->tokens);
    json_write_close(&write);
}

void dialect_ollama_write_models(struct buf *out)
{
    static const char *const models[] = {"llama3.2:latest", "qwen3:8b", "nomic-embed-text:latest"};
    struct json_write write;

    json_write_init(&write, out);
    json_write_open_object(&write, NULL);
    json_write_open_array(&write, "models");
    for (size_t i = 0; i < ARRAY_LENGTH(models); i++) {
        json_write_open_object(&write, NULL);
        json_write_string(&write, "name", models[i]);
        json_write_string(&write, "model", models[i]);
        json_write_string(&write, "modified_at", "2026-01-01T00:00:00Z");
        json_write_int(&write, "size", 1);
        json_write_string(&write, "digest",
                          "0000000000000000000000000000000000000000000000000000000000000000");
        json_write_open_object(&write, "details");
        json_write_string(&write, "parent_model", "");
        json_write_string(&write, "format", "gguf");
        json_write_string(&write, "family", "rehearsal");
        json_write_open_array(&write, "families");
        json_write_string(&write, NULL, "rehearsal");
        json_write_close(&write);
        json_write_string(&write, "parameter_size", "1B");
        json_write_string(&write, "quantization_level", "Q4_K_M");
        json_write_close(&write);
        json_write_close(&write);
    }
    json_write_close(&write);
    json_write_close(&write);
}
