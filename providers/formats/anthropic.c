/* Anthropic's Messages, from a request to the wire. https://platform.claude.com/docs/en/api/messages
 * and the types of @anthropic-ai/sdk 0.137, which speaks the same version of the API: 2023-06-01. A
 * header of the configuration may name another one.
 *
 * Thinking is asked for by how much effort is wanted, where the request names one: models since
 * Claude 4.7 take no other measure.
 *
 * No word is there for: response_format json_object, the name, description and strictness of a
 * schema, the detail of an image. */

#include "providers/formats/anthropic.h"

#include "providers/formats/encoder.h"
#include "providers/formats/formats.h"
#include "providers/wire/wire.h"
#include "shared/base/error.h"
#include "shared/json/json_raw.h"
#include "shared/json/json_write.h"

#define API_VERSION "2023-06-01"
#define MAX_TOKENS  4096 /* the API wants a number; the oldest of its models give this many */

/* ---- tools ---- */

/* A schema without a type is refused; what takes arguments is an object. */
static void write_schema(struct json_write *write, struct text schema)
{
    struct json_raw_walk walk;
    struct text object;
    struct text value;

    if (!schema.len)
        schema = TEXT(ENCODER_ANY_OBJECT);
    if (json_raw_check(schema, JSON_RAW_DEPTH_MAX, &object, NULL) < 0 ||
        json_raw_get(object, "type").ptr) {
        json_write_raw(write, "input_schema", schema);
        return;
    }
    json_write_open_object(write, "input_schema");
    json_write_string(write, "type", "object");
    json_raw_begin(object, &walk);
    while (json_raw_next(&walk, &value)) {
        if (json_raw_is(walk.name, "type"))
            continue;
        buf_add_char(write->out, ',');
        buf_add_text(write->out, walk.name);
        buf_add_char(write->out, ':');
        buf_add_text(write->out, value);
    }
    json_write_close(write);
}

static void write_tool(struct json_write *write, const struct chat_tool *tool)
{
    json_write_open_object(write, NULL);
    json_write_text(write, "name", tool->name);
    if (tool->description.len)
        json_write_text(write, "description", tool->description);
    write_schema(write, tool->parameters);
    encoder_switch(write, "strict", tool->strict);
    json_write_close(write);
}

static void write_tools_of_the_past(struct json_write *write, const struct chat_request *request)
{
    struct encoder_past_tools past = {0};
    struct chat_tool tool = {.strict = CHAT_SWITCH_UNSET};

    if (!encoder_next_past_tool(request, &past, &tool.name))
        return;
    json_write_open_array(write, "tools");
    do
        write_tool(write, &tool);
    while (encoder_next_past_tool(request, &past, &tool.name));
    json_write_close(write);
    json_write_open_object(write, "tool_choice");
    json_write_string(write, "type", "none");
    json_write_close(write);
}

static const char *choice_word(enum chat_tool_choice_kind kind)
{
    switch (kind) {
    case CHAT_TOOL_CHOICE_NONE:
        return "none";
    case CHAT_TOOL_CHOICE_REQUIRED:
        return "any";
    case CHAT_TOOL_CHOICE_FUNCTION:
        return "tool";
    case CHAT_TOOL_CHOICE_UNSET:
    case CHAT_TOOL_CHOICE_AUTO:
        break;
    }
    return "auto";
}

/* That calls are made one at a time is a member of the choice. */
static void write_tool_choice(struct json_write *write, const struct chat_request *request)
{
    const struct chat_tool_choice *choice = &request->tool_choice;
    bool one = request->parallel_tool_calls == CHAT_SWITCH_OFF;

    if (choice->kind == CHAT_TOOL_CHOICE_UNSET && !one)
        return;
    json_write_open_object(write, "tool_choice");
    json_write_string(write, "type", choice_word(choice->kind));
    if (choice->kind == CHAT_TOOL_CHOICE_FUNCTION)
        json_write_text(write, "name", choice->name);
    if (one && choice->kind != CHAT_TOOL_CHOICE_NONE)
        json_write_bool(write, "disable_parallel_tool_use", true);
    json_write_close(write);
}

static void write_tools(struct json_write *write, const struct chat_request *request)
{
    if (!request->tools_count) {
        write_tools_of_the_past(write, request);
        return;
    }
    json_write_open_array(write, "tools");
    for (size_t i = 0; i < request->tools_count; i++)
        write_tool(write, &request->tools[i]);
    json_write_close(write);
    write_tool_choice(write, request);
}

/* ---- settings ---- */

static bool is_forced(const struct chat_request *request)
{
    return request->tools_count > 0 && (request->tool_choice.kind == CHAT_TOOL_CHOICE_REQUIRED ||
                                        request->tool_choice.kind == CHAT_TOOL_CHOICE_FUNCTION);
}

static bool wants_no_thinking(const struct chat_request *request)
{
    return text_is(request->reasoning_effort, "none");
}

/* Refused beside a tool that is forced, and by Claude Opus 4.5, which knows an effort alone. */
static bool wants_thinking(const struct provider_target *target, const struct chat_request *request)
{
    return request->reasoning_effort.len > 0 && !wants_no_thinking(request) &&
           !is_forced(request) && !strstr(target->model, "opus-4-5");
}

static void write_thinking(struct json_write *write, const struct provider_target *target,
                           const struct chat_request *request)
{
    if (!wants_thinking(target, request) && !wants_no_thinking(request))
        return;
    json_write_open_object(write, "thinking");
    json_write_string(write, "type", wants_no_thinking(request) ? "disabled" : "adaptive");
    json_write_close(write);
}

static bool has_schema(const struct chat_format *format)
{
    return format->kind == CHAT_FORMAT_JSON_SCHEMA && format->schema.len > 0;
}

static void write_output_config(struct json_write *write, const struct chat_request *request)
{
    const struct chat_format *format = &request->response_format;
    struct text effort = request->reasoning_effort;
    bool has_effort = effort.len > 0 && !wants_no_thinking(request);

    if (!has_effort && !has_schema(format))
        return;
    json_write_open_object(write, "output_config");
    if (has_effort) /* the least there is a word for is "low" */
        json_write_text(write, "effort", text_is(effort, "minimal") ? TEXT("low") : effort);
    if (has_schema(format)) {
        json_write_open_object(write, "format");
        json_write_string(write, "type", "json_schema");
        json_write_raw(write, "schema", format->schema);
        json_write_close(write);
    }
    json_write_close(write);
}

/* A temperature is 1 at most, and refused beside thinking; models since Claude 4.1 take one of the
 * two. Of 1, which changes nothing, nothing is said where the other says something. */
static void write_sampling(struct json_write *write, const struct provider_target *target,
                           const struct chat_request *request)
{
    double temperature = request->temperature < 1 ? request->temperature : 1;
    bool is_neutral = !request->has_temperature || (request->has_top_p && temperature == 1);

    if (wants_thinking(target, request))
        return;
    if (is_neutral && request->has_top_p)
        json_write_double(write, "top_p", request->top_p);
    else if (request->has_temperature)
        json_write_double(write, "temperature", temperature);
}

static int64_t max_tokens(const struct provider_target *target, const struct chat_request *request)
{
    if (request->max_completion_tokens > 0)
        return encoder_output_tokens(target, request);
    return target->output_tokens_max > 0 ? target->output_tokens_max : MAX_TOKENS;
}

static int write_body(struct json_write *write, const struct provider_target *target,
                      const struct chat_request *request, struct error *err)
{
    int r = encoder_check_numbers(request, err);

    json_write_open_object(write, NULL);
    json_write_string(write, "model", target->model);
    json_write_int(write, "max_tokens", max_tokens(target, request));
    if (text_trim(request->instructions).len > 0)
        json_write_text(write, "system", request->instructions);
    if (r == 0)
        r = anthropic_write_messages(write, target, request, err);
    write_tools(write, request);
    write_thinking(write, target, request);
    write_output_config(write, request);
    write_sampling(write, target, request);
    encoder_stops(write, "stop_sequences", request);
    if (request->stream)
        json_write_bool(write, "stream", true);
    json_write_close(write);
    return r;
}

/* Anthropic's own clients are configured with an address that has no version. */
static const char *path_for(const char *base_url)
{
    size_t len = strlen(base_url);

    while (len > 0 && base_url[len - 1] == '/')
        len--;
    return text_ends((struct text){base_url, len}, "/v1") ? "/messages" : "/v1/messages";
}

int anthropic_encode(const struct provider_target *target, const struct chat_request *request,
                     struct provider_wire *wire, struct error *err)
{
    const struct wire_address address = {
        .path = path_for(target->base_url),
        .key_header = "x-api-key",
        .key_scheme = "",
        .version_header = "anthropic-version",
        .version = API_VERSION,
        .idempotency_key = request->idempotency_key,
        .stream = request->stream,
    };
    struct json_write write;
    int r = provider_wire_address(wire, target, &address, err);

    if (r < 0)
        return r;
    provider_wire_reserve(wire, request);
    json_write_init(&write, &wire->body);
    r = write_body(&write, target, request, err);
    return r < 0 ? r : provider_wire_check(wire, target, err);
}

const struct provider provider_anthropic = {
    .kind = "anthropic",
    .framing = PROVIDER_SSE,
    .has_no_json_object = true,
    .encode = anthropic_encode,
    .read_event = anthropic_read_event,
    .read_whole = anthropic_read_whole,
    .close = anthropic_close,
};
