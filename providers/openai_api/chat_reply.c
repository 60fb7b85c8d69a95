/* Completions and chunks. What is told of a call that the model wrote badly is what it wrote, not
 * what a worker would make of it: whoever executes it has to see that it is no JSON. */

#include "providers/openai_api/chat_reply.h"

#include <stdio.h>

#include "shared/check/failure.h"
#include "shared/json/json_raw.h"
#include "shared/json/json_write.h"

/* Pieces are framed as they come as long as no more than this waits to be sent. */
#define UNSENT_BYTES ((size_t)16 << 10)
#define OUT_MAX      ((size_t)16 << 20)

static const char *finish_name(enum chat_finish finish)
{
    switch (finish) {
    case CHAT_FINISH_LENGTH:
        return "length";
    case CHAT_FINISH_TOOL:
        return "tool_calls";
    case CHAT_FINISH_FILTER:
        return "content_filter";
    case CHAT_FINISH_STOP:
    case CHAT_FINISH_REFUSAL:
        break;
    }
    return "stop";
}

static void write_usage(struct json_write *write, const struct chat_usage *usage)
{
    json_write_open_object(write, "usage");
    json_write_int(write, "prompt_tokens", usage->input_tokens);
    json_write_int(write, "completion_tokens", usage->output_tokens);
    json_write_int(write, "total_tokens", usage->input_tokens + usage->output_tokens);
    json_write_open_object(write, "prompt_tokens_details");
    json_write_int(write, "cached_tokens", usage->cached_input_tokens);
    json_write_int(write, "cache_write_tokens", usage->cache_write_tokens);
    json_write_close(write);
    json_write_open_object(write, "completion_tokens_details");
    json_write_int(write, "reasoning_tokens", usage->reasoning_tokens);
    json_write_close(write);
    json_write_int(write, "cost_micros", usage->cost_micros);
    json_write_close(write);
}

static void open_naming(struct json_write *write, const char *object,
                        const struct chat_naming *naming)
{
    json_write_open_object(write, NULL);
    json_write_string(write, "id", naming->id);
    json_write_string(write, "object", object);
    json_write_int(write, "created", naming->created);
    json_write_text(write, "model", naming->model);
    json_write_null(write, "system_fingerprint");
}

/* ---- whole ---- */

/* A member of what the model said where it is not in form; else `formed`. Owned by `buf`. */
static struct text as_said(const struct chat_tool_call *call, const char *member,
                           struct text formed, struct buf *buf)
{
    struct text said = call->problem.ptr ? json_raw_get(call->said, member) : TEXT_NONE;

    return json_raw_add_string(said, buf) && !buf->failed ? buf_text(buf) : formed;
}

static void write_call(struct json_write *write, const struct chat_tool_call *call)
{
    CLEANUP(buf_deinit) struct buf name;
    CLEANUP(buf_deinit) struct buf arguments;

    buf_init(&name, 0);
    buf_init(&arguments, 0);
    json_write_open_object(write, NULL);
    json_write_text(write, "id", call->id);
    json_write_string(write, "type", "function");
    json_write_open_object(write, "function");
    json_write_text(write, "name", as_said(call, "name", call->name, &name));
    json_write_text(write, "arguments", as_said(call, "arguments", call->arguments, &arguments));
    json_write_close(write);
    json_write_close(write);
}

/* What the provider wants back with this message: a client that gives it back whole has it in. */
static void write_state(struct json_write *write, const struct chat_reply *reply)
{
    json_write_raw_if(write, "provider_state", reply->opaque_state);
}

static void write_message(struct json_write *write, const struct chat_reply *reply)
{
    bool refused = reply->finish == CHAT_FINISH_REFUSAL;

    json_write_open_object(write, "message");
    json_write_string(write, "role", "assistant");
    json_write_text(write, "content", refused ? TEXT_NONE : reply->text);
    json_write_text(write, "refusal", refused ? reply->text : TEXT_NONE);
    json_write_open_array(write, "annotations");
    json_write_close(write);
    if (reply->tool_calls_count > 0) {
        json_write_open_array(write, "tool_calls");
        for (size_t i = 0; i < reply->tool_calls_count; i++)
            write_call(write, &reply->tool_calls[i]);
        json_write_close(write);
    }
    write_state(write, reply);
    json_write_close(write);
}

void chat_completion_write(struct buf *out, const struct chat_naming *naming,
                           const struct chat_reply *reply)
{
    struct json_write write;

    json_write_init(&write, out);
    open_naming(&write, "chat.completion", naming);
    json_write_open_array(&write, "choices");
    json_write_open_object(&write, NULL);
    json_write_int(&write, "index", 0);
    write_message(&write, reply);
    json_write_null(&write, "logprobs");
    json_write_string(&write, "finish_reason", finish_name(reply->finish));
    json_write_close(&write);
    json_write_close(&write);
    write_usage(&write, &reply->usage);
    json_write_close(&write);
}

/* ---- in chunks ---- */

void chat_chunks_init(struct chat_chunks *chunks, const struct chat_naming *naming, bool with_usage)
{
    *chunks = (struct chat_chunks){.naming = *naming, .with_usage = with_usage};
    buf_init(&chunks->out, OUT_MAX);
    buf_init(&chunks->held, OUT_MAX);
}

void chat_chunks_deinit(struct chat_chunks *chunks)
{
    buf_deinit(&chunks->out);
    buf_deinit(&chunks->held);
}

/* A chunk up to its delta, which is open then. */
static void open_delta(struct chat_chunks *chunks, struct json_write *write)
{
    buf_add_string(&chunks->out, "data: ");
    json_write_init(write, &chunks->out);
    open_naming(write, "chat.completion.chunk", &chunks->naming);
    json_write_open_array(write, "choices");
    json_write_open_object(write, NULL);
    json_write_int(write, "index", 0);
    json_write_open_object(write, "delta");
}

static void close_delta(struct chat_chunks *chunks, struct json_write *write, const char *finish)
{
    json_write_close(write);
    json_write_null(write, "logprobs");
    json_write_string(write, "finish_reason", finish);
    json_write_close(write);
    json_write_close(write);
    if (chunks->with_usage)
        json_write_null(write, "usage");
    json_write_close(write);
    buf_add_string(&chunks->out, "\n\n");
}

/* The first chunk tells who speaks: clients throw without it. */
static void begin(struct chat_chunks *chunks)
{
    struct json_write write;

    if (chunks->begun)
        return;
    chunks->begun = true;
    open_delta(chunks, &write);
    json_write_string(&write, "role", "assistant");
    json_write_string(&write, "content", "");
    json_write_null(&write, "refusal");
    close_delta(chunks, &write, NULL);
}

static void write_arguments(struct json_write *write, size_t number, struct text arguments)
{
    json_write_open_array(write, "tool_calls");
    json_write_open_object(write, NULL);
    json_write_int(write, "index", (int64_t)number);
    json_write_open_object(write, "function");
    json_write_text(write, "arguments", arguments);
    json_write_close(write);
    json_write_close(write);
    json_write_close(write);
}

void chat_chunks_flush(struct chat_chunks *chunks)
{
    struct json_write write;

    if (chunks->held.len == 0)
        return;
    open_delta(chunks, &write);
    if (chunks->held_kind == CHAT_EVENT_ARGUMENTS)
        write_arguments(&write, chunks->held_number, buf_text(&chunks->held));
    else
        json_write_text(&write, chunks->held_kind == CHAT_EVENT_REFUSAL ? "refusal" : "content",
                        buf_text(&chunks->held));
    close_delta(chunks, &write, NULL);
    buf_reset(&chunks->held);
}

static void add_text(struct chat_chunks *chunks, const struct chat_event *event)
{
    bool goes_on = event->kind == chunks->held_kind && event->number == chunks->held_number;

    if (chunks->held.len > 0 && !goes_on)
        chat_chunks_flush(chunks);
    chunks->held_kind = event->kind;
    chunks->held_number = event->number;
    buf_add_utf8(&chunks->held, event->text);
    if (chunks->out.len < UNSENT_BYTES)
        chat_chunks_flush(chunks);
}

/* Clients know a call by its id, and give it back with the result: it has one, whatever the
 * provider said. */
static void write_id(struct json_write *write, const struct chat_chunks *chunks,
                     const struct chat_event *event)
{
    char made[64];

    if (event->id.len > 0) {
        json_write_text(write, "id", event->id);
        return;
    }
    (void)snprintf(made, sizeof(made), "call_%.20s_%zu", chunks->naming.id + strlen("chatcmpl-"),
                   event->number);
    json_write_string(write, "id", made);
}

static void add_call(struct chat_chunks *chunks, const struct chat_event *event)
{
    struct json_write write;

    chat_chunks_flush(chunks);
    open_delta(chunks, &write);
    json_write_open_array(&write, "tool_calls");
    json_write_open_object(&write, NULL);
    json_write_int(&write, "index", (int64_t)event->number);
    write_id(&write, chunks, event);
    json_write_string(&write, "type", "function");
    json_write_open_object(&write, "function");
    json_write_text(&write, "name", event->name);
    json_write_string(&write, "arguments", "");
    json_write_close(&write);
    json_write_close(&write);
    json_write_close(&write);
    close_delta(chunks, &write, NULL);
}

void chat_chunks_event(struct chat_chunks *chunks, const struct chat_event *event)
{
    switch (event->kind) {
    case CHAT_EVENT_TEXT:
    case CHAT_EVENT_REFUSAL:
    case CHAT_EVENT_ARGUMENTS:
        begin(chunks);
        add_text(chunks, event);
        break;
    case CHAT_EVENT_CALL:
        begin(chunks);
        add_call(chunks, event);
        break;
    case CHAT_EVENT_REASONING: /* OpenAI's chunks have no word for it */
    case CHAT_EVENT_USAGE:     /* the reply has the last one */
    case CHAT_EVENT_FINISH:
        break;
    }
}

static void add_usage(struct chat_chunks *chunks, const struct chat_usage *usage)
{
    struct json_write write;

    buf_add_string(&chunks->out, "data: ");
    json_write_init(&write, &chunks->out);
    open_naming(&write, "chat.completion.chunk", &chunks->naming);
    json_write_open_array(&write, "choices");
    json_write_close(&write);
    write_usage(&write, usage);
    json_write_close(&write);
    buf_add_string(&chunks->out, "\n\n");
}

void chat_chunks_end(struct chat_chunks *chunks, const struct chat_reply *reply)
{
    struct json_write write;

    begin(chunks);
    chat_chunks_flush(chunks);
    open_delta(chunks, &write);
    write_state(&write, reply);
    close_delta(chunks, &write, finish_name(reply->finish));
    if (chunks->with_usage)
        add_usage(chunks, &reply->usage);
    buf_add_string(&chunks->out, "data: [DONE]\n\n");
}

void chat_chunks_error(struct chat_chunks *chunks, const struct failure *failure)
{
    chat_chunks_flush(chunks);
    buf_add_string(&chunks->out, "data: ");
    failure_render(failure, &chunks->out);
    buf_add_string(&chunks->out, "\n\n");
}
