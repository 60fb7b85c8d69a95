#include "providers/call_span.h"

#include "providers/genai.h"
#include "shared/json/json_write.h"

#define CONTENT_BYTES (SPAN_VALUE_BYTES - 1024) /* of JSON: a value that was cut would be none */

static struct text provider_of(const struct provider_target *target)
{
    static const struct {
        const char *ours;
        const char *theirs;
    } names[] = {
        {"google", "gcp.gemini"},
        {"mistral", "mistral_ai"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (text_is(text_of(target->provider_name), names[i].ours))
            return text_of(names[i].theirs);
    return text_of(target->provider_name);
}

/* "https://host:port/path" */
static void add_server(struct span *span, const char *url)
{
    struct text scheme;
    struct text rest = text_of(url);
    struct text host;
    struct text port;
    int64_t number = text_starts(rest, "https") ? 443 : 80;

    if (!text_cut(rest, ':', &scheme, &rest) || !text_starts(rest, "//"))
        return;
    rest.ptr += 2;
    rest.len -= 2;
    host = rest;
    (void)text_cut(rest, '/', &host, &rest);
    if (!text_starts(host, "[") && text_cut(host, ':', &host, &port) && !text_to_int(port, &number))
        return;
    span_text(span, "server.address", host);
    span_int(span, "server.port", number);
}

static void add_part(struct json_write *write, const char *type, struct text content)
{
    json_write_open_object(write, NULL);
    json_write_string(write, "type", type);
    json_write_text(write, "content", content);
    json_write_close(write);
}

static void add_call(struct json_write *write, const struct chat_tool_call *call)
{
    json_write_open_object(write, NULL);
    json_write_string(write, "type", "tool_call");
    json_write_text(write, "id", call->id);
    json_write_text(write, "name", call->name);
    json_write_text(write, "arguments", call->arguments);
    json_write_close(write);
}

static void add_said(struct json_write *write, const struct chat_message *message)
{
    if (message->role == CHAT_TOOL) {
        json_write_open_object(write, NULL);
        json_write_string(write, "type", "tool_call_response");
        json_write_text(write, "id", message->tool_call_id);
        json_write_text(write, "response", message->text);
        json_write_close(write);
        return;
    }
    if (message->text.len > 0)
        add_part(write, "text", message->text);
    for (size_t i = 0; i < message->parts_count; i++)
        if (message->parts[i].kind == CHAT_PART_TEXT)
            add_part(write, "text", message->parts[i].text);
    for (size_t i = 0; i < message->tool_calls_count; i++)
        add_call(write, &message->tool_calls[i]);
}

static void add_message(struct json_write *write, const struct chat_message *message)
{
    static const char *const roles[] = {"user", "assistant", "tool"};

    json_write_open_object(write, NULL);
    json_write_string(write, "role", roles[message->role]);
    json_write_open_array(write, "parts");
    add_said(write, message);
    json_write_close(write);
    json_write_close(write);
}

/* The newest messages that fit. */
static void add_input(struct span *span, const struct chat_request *request)
{
    CLEANUP(buf_deinit) struct buf json;
    CLEANUP(buf_deinit) struct buf one;
    struct json_write write;
    size_t first = request->messages_count;
    size_t bytes = 0;

    buf_init(&json, SPAN_VALUE_BYTES);
    buf_init(&one, CONTENT_BYTES);
    while (first > 0) {
        json_write_init(&write, &one);
        add_message(&write, &request->messages[first - 1]);
        if (one.failed || bytes + one.len + 1 > CONTENT_BYTES)
            break;
        bytes += one.len + 1;
        buf_reset(&one);
        first--;
    }
    json_write_init(&write, &json);
    json_write_open_array(&write, NULL);
    for (size_t i = first; i < request->messages_count; i++)
        add_message(&write, &request->messages[i]);
    json_write_close(&write);
    if (!json.failed)
        span_content(span, GENAI_INPUT_MESSAGES, buf_text(&json));
}

static void add_instructions(struct span *span, struct text instructions)
{
    CLEANUP(buf_deinit) struct buf json;
    struct json_write write;

    buf_init(&json, CONTENT_BYTES);
    json_write_init(&write, &json);
    json_write_open_array(&write, NULL);
    add_part(&write, "text", text_prefix(instructions, CONTENT_BYTES / 4));
    json_write_close(&write);
    if (!json.failed)
        span_content(span, GENAI_SYSTEM_INSTRUCTIONS, buf_text(&json));
}

static void add_request(struct span *span, const struct chat_request *request)
{
    if (request->max_completion_tokens > 0)
        span_int(span, GENAI_REQUEST_MAX_TOKENS, request->max_completion_tokens);
    if (request->has_temperature)
        span_double(span, GENAI_REQUEST_TEMPERATURE, request->temperature);
    if (request->has_top_p)
        span_double(span, GENAI_REQUEST_TOP_P, request->top_p);
    if (request->stream)
        span_bool(span, GENAI_REQUEST_STREAM, true);
    if (!span_takes_content(span))
        return;
    if (request->instructions.len > 0)
        add_instructions(span, request->instructions);
    add_input(span, request);
}

struct span *call_span_begin(struct tracer *tracer, const struct call_span_start *start)
{
    const struct provider_target *target = start->target;
    const char *operation = start->texts ? GENAI_EMBEDDINGS : GENAI_CHAT;
    const struct span_start above = {.kind = SPAN_CLIENT, .parent = start->parent};
    struct span *span =
        start->parent ? span_begin(tracer, &above, "%s %.100s", operation, target->model) : NULL;
    char thread[ID_TEXT_SIZE];

    if (!span_records(span))
        return NULL;
    span_text(span, GENAI_OPERATION, text_of(operation));
    span_text(span, GENAI_PROVIDER, provider_of(target));
    span_text(span, GENAI_REQUEST_MODEL, text_of(target->model));
    add_server(span, target->base_url);
    if (!uuid_is_zero(start->thread)) {
        id_format(ID_THREAD, start->thread, thread);
        span_text(span, GENAI_CONVERSATION, text_of(thread));
    }
    if (!start->texts)
        add_request(span, start->request);
    return span;
}

static void add_usage(struct span *span, const struct chat_usage *usage)
{
    span_int(span, GENAI_USAGE_INPUT, usage->input_tokens);
    span_int(span, GENAI_USAGE_OUTPUT, usage->output_tokens);
    if (usage->cached_input_tokens > 0)
        span_int(span, GENAI_USAGE_CACHE_READ, usage->cached_input_tokens);
    if (usage->cache_write_tokens > 0)
        span_int(span, GENAI_USAGE_CACHE_WRITE, usage->cache_write_tokens);
    if (usage->reasoning_tokens > 0)
        span_int(span, GENAI_USAGE_REASONING, usage->reasoning_tokens);
    if (usage->cost_micros > 0)
        span_double(span, "penstock.usage.cost", (double)usage->cost_micros / 1e6);
}

/* In the words of the conventions. */
static struct text finish_of(enum chat_finish finish)
{
    switch (finish) {
    case CHAT_FINISH_STOP:
        return TEXT("stop");
    case CHAT_FINISH_LENGTH:
        return TEXT("length");
    case CHAT_FINISH_TOOL:
        return TEXT("tool_call");
    case CHAT_FINISH_FILTER:
    case CHAT_FINISH_REFUSAL:
        return TEXT("content_filter");
    }
    return TEXT("error");
}

static void add_output(struct span *span, const struct chat_reply *reply)
{
    CLEANUP(buf_deinit) struct buf json;
    struct json_write write;

    buf_init(&json, SPAN_VALUE_BYTES);
    json_write_init(&write, &json);
    json_write_open_array(&write, NULL);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "role", "assistant");
    json_write_open_array(&write, "parts");
    if (reply->text.len > 0)
        add_part(&write, "text", text_prefix(reply->text, CONTENT_BYTES / 4));
    for (size_t i = 0; i < reply->tool_calls_count; i++)
        add_call(&write, &reply->tool_calls[i]);
    json_write_close(&write);
    json_write_text(&write, "finish_reason", finish_of(reply->finish));
    json_write_close(&write);
    json_write_close(&write);
    if (!json.failed)
        span_content(span, GENAI_OUTPUT_MESSAGES, buf_text(&json));
}

void call_span_answered(struct span *span, const struct chat_reply *reply)
{
    struct text finish = finish_of(reply->finish);

    if (!span_records(span))
        return;
    add_usage(span, &reply->usage);
    if (reply->model.len > 0)
        span_text(span, GENAI_RESPONSE_MODEL, reply->model);
    if (reply->text.ptr || reply->tool_calls_count > 0) {
        span_texts(span, GENAI_RESPONSE_FINISH, &finish, 1);
        if (span_takes_content(span))
            add_output(span, reply);
    }
    span_end(span);
}

void call_span_failed(struct span *span, const struct provider_failure_info *failure)
{
    if (!span_records(span))
        return;
    if (failure->usage.input_tokens > 0 || failure->usage.output_tokens > 0)
        add_usage(span, &failure->usage);
    if (failure->status > 0)
        span_int(span, "http.response.status_code", failure->status);
    span_fail(span, provider_failure_name(failure->failure), failure->message);
    span_end(span);
}

void call_span_given_up(struct span *span)
{
    span_fail(span, "cancelled", "");
    span_end(span);
}
