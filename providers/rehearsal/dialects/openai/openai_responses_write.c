/* Responses, from an answer to the wire, whole and in events: Response and ResponseStreamEvent of
 * the npm package openai; https://platform.openai.com/docs/api-reference/responses-streaming. Each
 * event has its type as its name, too, and a number in the sequence.
 */

#include <stdio.h>

#include "providers/rehearsal/dialects/openai/openai.h"
#include "providers/rehearsal/dialects/openai/openai_responses.h"
#include "providers/rehearsal/reply/seal.h"

#define ITEM_ID_SIZE 48

enum state { STATE_BEGUN, STATE_ENDED };

static const char *incomplete_reason(const struct answer *answer)
{
    switch (answer->end) {
    case ANSWER_LENGTH:
        return "max_output_tokens";
    case ANSWER_FILTER:
        return "content_filter";
    case ANSWER_CALLS:
    case ANSWER_STOP:
        break;
    }
    return NULL;
}

static const char *status_of(const struct answer *answer, enum state state)
{
    if (state == STATE_BEGUN)
        return "in_progress";
    return incomplete_reason(answer) ? "incomplete" : "completed";
}

static bool has_message(const struct answer *answer)
{
    return answer->text.ptr || !answer->calls_count;
}

static struct text text_of_answer(const struct answer *answer)
{
    return answer->text.ptr ? answer->text : TEXT("");
}

/* ---- items ---- */

static void message_id(const struct answer *answer, char out[ITEM_ID_SIZE])
{
    snprintf(out, ITEM_ID_SIZE, "msg_%s", answer->id);
}

static void call_item_id(const struct answer *answer, size_t i, char out[ITEM_ID_SIZE])
{
    snprintf(out, ITEM_ID_SIZE, "fc_%s%02zu", answer->id, i % 100);
}

static void reasoning_id(const struct answer *answer, char out[ITEM_ID_SIZE])
{
    snprintf(out, ITEM_ID_SIZE, "rs_%s00r%s", answer->id, answer->mark);
}

static void write_summary_part(struct json_write *write, const char *name, struct text text)
{
    json_write_open_object(write, name);
    json_write_string(write, "type", "summary_text");
    json_write_text(write, "text", text);
    json_write_close(write);
}

static void write_reasoning(struct json_write *write, const char *name, const struct answer *answer,
                            enum state state)
{
    char id[ITEM_ID_SIZE];
    char seal[SEAL_SIZE];

    reasoning_id(answer, id);
    json_write_open_object(write, name);
    json_write_string(write, "id", id);
    json_write_string(write, "type", "reasoning");
    json_write_open_array(write, "summary");
    if (state == STATE_ENDED && answer->conversation->with_thoughts)
        write_summary_part(write, NULL, answer->reasoning);
    json_write_close(write);
    if (answer->conversation->with_sealed) {
        seal_make(RESPONSES_NAME, answer->conversation->model, answer->mark, seal);
        json_write_string(write, "encrypted_content", seal);
    }
    json_write_close(write);
}

static void write_text_part(struct json_write *write, const char *name, struct text text)
{
    json_write_open_object(write, name);
    json_write_string(write, "type", "output_text");
    json_write_text(write, "text", text);
    json_write_open_array(write, "annotations");
    json_write_close(write);
    json_write_open_array(write, "logprobs");
    json_write_close(write);
    json_write_close(write);
}

static void write_message(struct json_write *write, const char *name, const struct answer *answer,
                          enum state state)
{
    char id[ITEM_ID_SIZE];

    message_id(answer, id);
    json_write_open_object(write, name);
    json_write_string(write, "id", id);
    json_write_string(write, "type", "message");
    json_write_string(write, "status", status_of(answer, state));
    json_write_string(write, "role", "assistant");
    json_write_open_array(write, "content");
    if (state == STATE_ENDED)
        write_text_part(write, NULL, text_of_answer(answer));
    json_write_close(write);
    json_write_close(write);
}

static void write_call(struct json_write *write, const char *name, const struct answer *answer,
                       size_t i, enum state state)
{
    const struct answer_call *call = &answer->calls[i];
    char id[ITEM_ID_SIZE];

    call_item_id(answer, i, id);
    json_write_open_object(write, name);
    json_write_string(write, "id", id);
    json_write_string(write, "type", "function_call");
    json_write_string(write, "status", status_of(answer, state));
    json_write_text(write, "arguments", state == STATE_ENDED ? call->arguments : TEXT(""));
    json_write_text(write, "call_id", call->id);
    json_write_text(write, "name", call->name);
    json_write_close(write);
}

static void write_output(struct json_write *write, const struct answer *answer)
{
    if (answer->reasoning.ptr)
        write_reasoning(write, NULL, answer, STATE_ENDED);
    if (has_message(answer))
        write_message(write, NULL, answer, STATE_ENDED);
    for (size_t i = 0; i < answer->calls_count; i++)
        write_call(write, NULL, answer, i, STATE_ENDED);
}

void dialect_responses_write_kept(const struct answer *answer, struct buf *out)
{
    struct json_write write;

    json_write_init(&write, out);
    json_write_open_array(&write, NULL);
    write_output(&write, answer);
    json_write_close(&write);
}

/* ---- the response ---- */

void dialect_responses_kept_id(const struct answer *answer, char out[DIALECT_KEPT_ID_SIZE])
{
    snprintf(out, DIALECT_KEPT_ID_SIZE, "resp_%s", answer->id);
}

static void write_usage(struct json_write *write, const struct usage *usage)
{
    json_write_open_object(write, "usage");
    json_write_int(write, "input_tokens", usage->input);
    json_write_open_object(write, "input_tokens_details");
    json_write_int(write, "cached_tokens", usage->cached);
    json_write_int(write, "cache_write_tokens", usage->cache_write);
    json_write_close(write);
    json_write_int(write, "output_tokens", usage->output);
    json_write_open_object(write, "output_tokens_details");
    json_write_int(write, "reasoning_tokens", usage->reasoning);
    json_write_close(write);
    json_write_int(write, "total_tokens", usage->input + usage->output);
    json_write_close(write);
}

static void write_response(struct json_write *write, const char *name, const struct answer *answer,
                           enum state state)
{
    const char *reason = state == STATE_ENDED ? incomplete_reason(answer) : NULL;
    char id[DIALECT_KEPT_ID_SIZE];

    dialect_responses_kept_id(answer, id);
    json_write_open_object(write, name);
    json_write_string(write, "id", id);
    json_write_string(write, "object", "response");
    json_write_int(write, "created_at", answer->now_wall_ms / 1000);
    json_write_string(write, "status", status_of(answer, state));
    json_write_bool(write, "background", false);
    json_write_null(write, "error");
    if (reason) {
        json_write_open_object(write, "incomplete_details");
        json_write_string(write, "reason", reason);
        json_write_close(write);
    } else {
        json_write_null(write, "incomplete_details");
    }
    buf_add_char(write->out, ',');
    buf_add_text(write->out, answer->conversation->echo); /* ends with a comma */
    buf_add_string(write->out, "\"model\":");
    buf_add_json(write->out, answer->conversation->model);
    json_write_open_array(write, "output");
    if (state == STATE_ENDED)
        write_output(write, answer);
    json_write_close(write);
    if (state == STATE_ENDED)
        write_usage(write, &answer->usage);
    else
        json_write_null(write, "usage");
    json_write_close(write);
}

void dialect_responses_write(const struct answer *answer, struct buf *out)
{
    struct json_write write;

    json_write_init(&write, out);
    write_response(&write, NULL, answer, STATE_ENDED);
}

/* ---- events ---- */

struct stream {
    const struct answer *answer;
    struct event_list *events;
    struct json_write write;
    int64_t sequence;
    int64_t output; /* index of the present item */
    char item_id[ITEM_ID_SIZE];
};

static struct json_write *begin(struct stream *stream, const char *type)
{
    event_list_begin(stream->events, type);
    json_write_init(&stream->write, &stream->events->bytes);
    json_write_open_object(&stream->write, NULL);
    json_write_string(&stream->write, "type", type);
    json_write_int(&stream->write, "sequence_number", stream->sequence++);
    return &stream->write;
}

static void end(struct stream *stream)
{
    json_write_close(&stream->write);
    event_list_end(stream->events);
}

/* An event of a part of the present item; `index` names which kind of part. */
static struct json_write *begin_part(struct stream *stream, const char *type, const char *index)
{
    struct json_write *write = begin(stream, type);

    json_write_string(write, "item_id", stream->item_id);
    json_write_int(write, "output_index", stream->output);
    if (index)
        json_write_int(write, index, 0);
    return write;
}

static struct json_write *begin_item(struct stream *stream, enum state state)
{
    struct json_write *write = begin(stream, state == STATE_BEGUN ? "response.output_item.added"
                                                                  : "response.output_item.done");

    json_write_int(write, "output_index", stream->output);
    return write;
}

static void stream_response(struct stream *stream, const char *type, enum state state)
{
    write_response(begin(stream, type), "response", stream->answer, state);
    end(stream);
}

static void add_logprobs(struct json_write *write)
{
    json_write_open_array(write, "logprobs");
    json_write_close(write);
}

static void stream_summary(struct stream *stream)
{
    struct text rest = stream->answer->reasoning;
    struct text piece;

    write_summary_part(begin_part(stream, "response.reasoning_summary_part.added", "summary_index"),
                       "part", TEXT(""));
    end(stream);
    while (answer_chunk(&rest, stream->answer->chunk_bytes, &piece)) {
        json_write_text(
            begin_part(stream, "response.reasoning_summary_text.delta", "summary_index"), "delta",
            piece);
        end(stream);
    }
    json_write_text(begin_part(stream, "response.reasoning_summary_text.done", "summary_index"),
                    "text", stream->answer->reasoning);
    end(stream);
    write_summary_part(begin_part(stream, "response.reasoning_summary_part.done", "summary_index"),
                       "part", stream->answer->reasoning);
    end(stream);
}

static void stream_reasoning(struct stream *stream)
{
    reasoning_id(stream->answer, stream->item_id);
    write_reasoning(begin_item(stream, STATE_BEGUN), "item", stream->answer, STATE_BEGUN);
    end(stream);
    if (stream->answer->conversation->with_thoughts)
        stream_summary(stream);
    write_reasoning(begin_item(stream, STATE_ENDED), "item", stream->answer, STATE_ENDED);
    end(stream);
    stream->output++;
}

static void stream_message(struct stream *stream)
{
    struct text text = text_of_answer(stream->answer);
    struct text rest = text;
    struct text piece;
    struct json_write *write;

    message_id(stream->answer, stream->item_id);
    write_message(begin_item(stream, STATE_BEGUN), "item", stream->answer, STATE_BEGUN);
    end(stream);
    write_text_part(begin_part(stream, "response.content_part.added", "content_index"), "part",
                    TEXT(""));
    end(stream);
    while (answer_chunk(&rest, stream->answer->chunk_bytes, &piece)) {
        write = begin_part(stream, "response.output_text.delta", "content_index");
        json_write_text(write, "delta", piece);
        add_logprobs(write);
        end(stream);
    }
    write = begin_part(stream, "response.output_text.done", "content_index");
    json_write_text(write, "text", text);
    add_logprobs(write);
    end(stream);
    write_text_part(begin_part(stream, "response.content_part.done", "content_index"), "part",
                    text);
    end(stream);
    write_message(begin_item(stream, STATE_ENDED), "item", stream->answer, STATE_ENDED);
    end(stream);
    stream->output++;
}

static void stream_call(struct stream *stream, size_t i)
{
    const struct answer_call *call = &stream->answer->calls[i];
    struct text rest = call->arguments;
    struct text piece;

    call_item_id(stream->answer, i, stream->item_id);
    write_call(begin_item(stream, STATE_BEGUN), "item", stream->answer, i, STATE_BEGUN);
    end(stream);
    while (answer_chunk(&rest, stream->answer->chunk_bytes, &piece)) {
        json_write_text(begin_part(stream, "response.function_call_arguments.delta", NULL), "delta",
                        piece);
        end(stream);
    }
    json_write_text(begin_part(stream, "response.function_call_arguments.done", NULL), "arguments",
                    call->arguments);
    end(stream);
    write_call(begin_item(stream, STATE_ENDED), "item", stream->answer, i, STATE_ENDED);
    end(stream);
    stream->output++;
}

void dialect_responses_write_events(const struct answer *answer, struct event_list *out)
{
    struct stream stream = {.answer = answer, .events = out};

    stream_response(&stream, "response.created", STATE_BEGUN);
    stream_response(&stream, "response.in_progress", STATE_BEGUN);
    if (answer->reasoning.ptr)
        stream_reasoning(&stream);
    if (has_message(answer))
        stream_message(&stream);
    for (size_t i = 0; i < answer->calls_count; i++)
        stream_call(&stream, i);
    stream_response(&stream,
                    incomplete_reason(answer) ? "response.incomplete" : "response.completed",
                    STATE_ENDED);
}

/* ---- a stream that breaks off ---- */

/* Response.error knows few codes. */
static const char *failure_code(int status)
{
    return status == 429 ? "rate_limit_exceeded" : "server_error";
}

static void write_failed(struct stream *stream, const struct problem *problem, struct text message)
{
    static const struct conversation nobody = {
        .echo = TEXT("\"instructions\":null,\"metadata\":{},\"parallel_tool_calls\":true,"
                     "\"temperature\":1.0,\"tool_choice\":\"auto\",\"tools\":[],\"top_p\":1.0,"),
    };
    struct json_write *write = begin(stream, "response.failed");

    json_write_open_object(write, "response");
    json_write_string(write, "id", "resp_failed");
    json_write_string(write, "object", "response");
    json_write_int(write, "created_at", 0);
    json_write_string(write, "status", "failed");
    json_write_open_object(write, "error");
    json_write_string(write, "code", failure_code(problem->status));
    json_write_text(write, "message", message);
    json_write_close(write);
    json_write_null(write, "incomplete_details");
    buf_add_char(write->out, ',');
    buf_add_text(write->out, nobody.echo);
    buf_add_string(write->out, "\"model\":");
    buf_add_json(write->out, problem->model);
    json_write_open_array(write, "output");
    json_write_close(write);
    json_write_null(write, "usage");
    json_write_close(write);
    end(stream);
}

/* An error, and then the response that failed by it. What the error says stands in a member `error`
 * on the wire, although ResponseErrorEvent has it beside the type. */
void dialect_responses_write_event_error(const struct problem *problem, struct event_list *out)
{
    struct stream stream = {.events = out, .sequence = problem->events};
    struct text message = problem->status == 429
                              ? TEXT("Rate limit reached for requests.")
                              : TEXT("The server had an error while processing your request.");
    struct json_write *write = begin(&stream, "error");

    json_write_open_object(write, "error");
    json_write_string(write, "type", problem->status == 429 ? "rate_limit_error" : "server_error");
    json_write_string(write, "code", failure_code(problem->status));
    json_write_text(write, "message", message);
    json_write_null(write, "param");
    json_write_close(write);
    end(&stream);
    write_failed(&stream, problem, message);
}
