/* What a request of Responses has beside its input: ResponseCreateParamsBase and FunctionTool of
 * the npm package openai. Tools are flat here, and members that it does not know are refused. The
 * reply repeats most settings. */

#include <stdarg.h>
#include <stdio.h>

#include "providers/rehearsal/dialects/openai/openai_responses.h"
#include "shared/agent/tools/tools.h"

#define TOOLS_MAX      128
#define OUTPUT_MIN     16
#define ECHO_MAX_BYTES 65536 /* what is longer is not repeated */

int dialect_responses_refuse(struct problem *problem, const char *param, const char *code,
                             const char *format, ...)
{
    char message[sizeof(problem->message)];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    (void)problem_set(problem, param, "%s", message);
    problem->code = code;
    return CONVERSATION_REFUSED;
}

static bool is_listed(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(name, *list) == 0)
            return true;
    return false;
}

static int check_members(struct reader *reader)
{
    static const char *const known[] = {"background",
                                        "context_management",
                                        "conversation",
                                        "include",
                                        "input",
                                        "instructions",
                                        "max_output_tokens",
                                        "max_tool_calls",
                                        "metadata",
                                        "model",
                                        "moderation",
                                        "parallel_tool_calls",
                                        "previous_response_id",
                                        "prompt",
                                        "prompt_cache_key",
                                        "prompt_cache_options",
                                        "prompt_cache_retention",
                                        "reasoning",
                                        "safety_identifier",
                                        "service_tier",
                                        "store",
                                        "stream",
                                        "stream_options",
                                        "temperature",
                                        "text",
                                        "tool_choice",
                                        "tools",
                                        "top_logprobs",
                                        "top_p",
                                        "truncation",
                                        "user",
                                        NULL};
    static const struct {
        const char *name;
        const char *moved_to;
    } moved[] = {
        {"messages", "input"},
        {"response_format", "text.format"},
        {"reasoning_effort", "reasoning.effort"},
        {"max_tokens", "max_output_tokens"},
        {"max_completion_tokens", "max_output_tokens"},
    };

    json_object_object_foreach(reader->request->body, name, value)
    {
        (void)value;
        if (is_listed(name, known))
            continue;
        for (size_t i = 0; i < ARRAY_LENGTH(moved); i++)
            if (strcmp(name, moved[i].name) == 0)
                return dialect_responses_refuse(
                    reader->problem, moved[i].name, "unsupported_parameter",
                    "Unsupported parameter: '%s'. In the Responses API, this "
                    "parameter has moved to '%s'.",
                    name, moved[i].moved_to);
        return dialect_responses_refuse(reader->problem, NULL, "unknown_parameter",
                                        "Unknown parameter: '%.60s'.", name);
    }
    return 0;
}

struct text dialect_responses_previous(const struct request *request)
{
    struct text id = json_get_text(request->body, "previous_response_id");

    return id.ptr && request->kept ? request->kept(request->kept_arg, id) : TEXT_NONE;
}

/* What is not there, and what the rehearsal has not. */
static int check_state(struct reader *reader)
{
    struct json_object *body = reader->request->body;
    struct text previous = json_get_text(body, "previous_response_id");

    if (previous.ptr && !dialect_responses_previous(reader->request).ptr)
        return dialect_responses_refuse(
            reader->problem, "previous_response_id", "previous_response_not_found",
            "Previous response with id '%.60s' not found.", previous.ptr);
    if (json_get(body, "conversation"))
        return dialect_responses_refuse(reader->problem, "conversation", NULL,
                                        "Conversation not found.");
    if (json_get_bool(body, "background", false))
        return dialect_responses_refuse(reader->problem, "background", NULL,
                                        "The rehearsal LLM has no background responses.");
    return 0;
}

static int check_numbers(struct reader *reader)
{
    struct json_object *body = reader->request->body;
    double temperature = json_get_double(body, "temperature", 1);
    double top_p = json_get_double(body, "top_p", 1);
    int64_t output = json_get_int(body, "max_output_tokens", OUTPUT_MIN);

    if (!(temperature >= 0 && temperature <= 2))
        return dialect_responses_refuse(
            reader->problem, "temperature", "decimal_above_max_value",
            "Invalid 'temperature': expected a number from 0 to 2, got %g.", temperature);
    if (!(top_p >= 0 && top_p <= 1))
        return dialect_responses_refuse(reader->problem, "top_p", "decimal_above_max_value",
                                        "Invalid 'top_p': expected a number from 0 to 1, got %g.",
                                        top_p);
    if (output < OUTPUT_MIN)
        return dialect_responses_refuse(reader->problem, "max_output_tokens",
                                        "integer_below_min_value",
                                        "Invalid 'max_output_tokens': integer below minimum value. "
                                        "Expected a value >= %d, but got %lld instead.",
                                        OUTPUT_MIN, (long long)output);
    return 0;
}

static int check_format(struct reader *reader)
{
    struct json_object *format = json_get(json_get(reader->request->body, "text"), "format");
    struct text type = json_get_text(format, "type");

    if (!format || text_is(type, "text") || text_is(type, "json_object"))
        return 0;
    if (!text_is(type, "json_schema"))
        return dialect_responses_refuse(
            reader->problem, "text.format.type", "invalid_value",
            "Invalid value: '%.40s'. Supported values are: 'json_object', "
            "'json_schema', and 'text'.",
            type.ptr ? type.ptr : "");
    if (!json_get_text(format, "name").len)
        return dialect_responses_refuse(reader->problem, "text.format.name",
                                        "missing_required_parameter",
                                        "Missing required parameter: 'text.format.name'.");
    if (!json_object_is_type(json_get(format, "schema"), json_type_object))
        return dialect_responses_refuse(reader->problem, "text.format.schema",
                                        "missing_required_parameter",
                                        "Missing required parameter: 'text.format.schema'.");
    return 0;
}

static int read_reasoning(struct reader *reader)
{
    static const char *const efforts[] = {"none", "minimal", "low", "medium",
                                          "high", "xhigh",   NULL};
    struct json_object *reasoning = json_get(reader->request->body, "reasoning");
    const char *effort = json_get_string(reasoning, "effort");
    struct json_object *include = json_get(reader->request->body, "include");

    if (effort && !is_listed(effort, efforts))
        return dialect_responses_refuse(
            reader->problem, "reasoning.effort", "invalid_value",
            "Invalid value: '%.40s'. Supported values are: 'none', 'minimal', "
            "'low', 'medium', 'high', and 'xhigh'.",
            effort);
    reader->out->without_reasoning = effort && strcmp(effort, "none") == 0;
    reader->out->with_thoughts = json_get_string(reasoning, "summary") != NULL;
    for (size_t i = 0; i < reader_length(include); i++)
        if (text_is(json_string(json_object_array_get_idx(include, i)),
                    "reasoning.encrypted_content"))
            reader->out->with_sealed = true;
    reader->out->forgets_reasoning =
        !reader->out->with_sealed && !json_get_bool(reader->request->body, "store", true);
    return 0;
}

/* ---- tools ---- */

static bool is_required(struct json_object *schema, const char *name)
{
    struct json_object *required = json_get(schema, "required");

    for (size_t i = 0; i < reader_length(required); i++)
        if (text_is(json_string(json_object_array_get_idx(required, i)), name))
            return true;
    return false;
}

static int check_strict(struct reader *reader, struct text name, struct json_object *schema)
{
    struct json_object *properties = json_get(schema, "properties");

    if (!json_has(schema, "additionalProperties") ||
        json_get_bool(schema, "additionalProperties", true))
        return dialect_responses_refuse(
            reader->problem, "tools", "invalid_function_parameters",
            "Invalid schema for function '%.64s': In context=(), "
            "'additionalProperties' is required to be supplied and to be "
            "false.",
            name.ptr);
    if (!json_object_is_type(properties, json_type_object))
        return 0;
    json_object_object_foreach(properties, property, value)
    {
        (void)value;
        if (!is_required(schema, property))
            return dialect_responses_refuse(
                reader->problem, "tools", "invalid_function_parameters",
                "Invalid schema for function '%.64s': In context=(), "
                "'required' is required to be supplied and to be an array "
                "including every key in properties. Missing '%.60s'.",
                name.ptr, property);
    }
    return 0;
}

static int read_tool(struct reader *reader, struct json_object *tool, size_t i)
{
    struct text type = json_get_text(tool, "type");
    struct text name = json_get_text(tool, "name");
    struct json_object *parameters = json_get(tool, "parameters");
    int r = 0;

    if (!type.len)
        return dialect_responses_refuse(reader->problem, "tools", "missing_required_parameter",
                                        "Missing required parameter: 'tools[%zu].type'.", i);
    if (!text_is(type, "function"))
        return 0; /* one that OpenAI's servers run */
    if (!name.ptr)
        return dialect_responses_refuse(reader->problem, "tools", "missing_required_parameter",
                                        "Missing required parameter: 'tools[%zu].name'.", i);
    if (!tool_name_fits(name))
        return dialect_responses_refuse(reader->problem, "tools", "invalid_value",
                                        "Invalid 'tools[%zu].name': string does not match pattern. "
                                        "Expected a string that matches the pattern "
                                        "'^[a-zA-Z0-9_-]+$'.",
                                        i);
    if (parameters && !json_object_is_type(parameters, json_type_object))
        return dialect_responses_refuse(
            reader->problem, "tools", "invalid_type",
            "Invalid type for 'tools[%zu].parameters': expected an object.", i);
    if (json_get_bool(tool, "strict", false))
        r = check_strict(reader, name, parameters);
    return r == 0 ? reader_offer(reader, name) : r;
}

static int read_choice(struct reader *reader)
{
    struct json_object *choice = json_get(reader->request->body, "tool_choice");
    struct text word = json_string(choice);

    if (!choice)
        return 0;
    if (text_is(word, "none"))
        reader->offered.count = 0;
    else if (!reader_length(json_get(reader->request->body, "tools")) && !text_is(word, "auto"))
        return dialect_responses_refuse(
            reader->problem, "tool_choice", NULL,
            "Tool choices other than 'auto' are only allowed when 'tools' are "
            "specified.");
    else if (word.ptr && !text_is(word, "auto") && !text_is(word, "required"))
        return dialect_responses_refuse(
            reader->problem, "tool_choice", "invalid_value",
            "Invalid value: '%.40s'. Supported values are: 'none', 'auto', and "
            "'required'.",
            word.ptr);
    else if (text_is(json_get_text(choice, "type"), "function") &&
             !json_get_text(choice, "name").len)
        return dialect_responses_refuse(reader->problem, "tool_choice",
                                        "missing_required_parameter",
                                        "Missing required parameter: 'tool_choice.name'.");
    return 0;
}

static int read_tools(struct reader *reader)
{
    struct json_object *tools = json_get(reader->request->body, "tools");

    if (reader_length(tools) > TOOLS_MAX)
        return dialect_responses_refuse(reader->problem, "tools", "array_above_max_length",
                                        "Invalid 'tools': array too long. Expected at most %d.",
                                        TOOLS_MAX);
    for (size_t i = 0; i < reader_length(tools); i++) {
        int r = read_tool(reader, json_object_array_get_idx(tools, i), i);

        if (r != 0)
            return r;
    }
    return read_choice(reader);
}

/* ---- what the reply repeats ---- */

static void add_echo(struct json_object *body, bool with_tools, struct buf *out)
{
    static const struct {
        const char *name;
        const char *otherwise;
    } members[] = {
        {"instructions", "null"},
        {"max_output_tokens", "null"},
        {"max_tool_calls", "null"},
        {"metadata", "{}"},
        {"parallel_tool_calls", "true"},
        {"previous_response_id", "null"},
        {"prompt_cache_key", "null"},
        {"reasoning", "{\"effort\":null,\"summary\":null}"},
        {"safety_identifier", "null"},
        {"service_tier", "\"default\""},
        {"store", "true"},
        {"temperature", "1.0"},
        {"text", "{\"format\":{\"type\":\"text\"},\"verbosity\":\"medium\"}"},
        {"tool_choice", "\"auto\""},
        {"tools", "[]"},
        {"top_logprobs", "0"},
        {"top_p", "1.0"},
        {"truncation", "\"disabled\""},
        {"user", "null"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(members); i++) {
        struct json_object *value = json_get(body, members[i].name);
        bool is_long =
            strcmp(members[i].name, "tools") == 0 || strcmp(members[i].name, "instructions") == 0;

        buf_printf(out, "\"%s\":", members[i].name);
        if (value && (with_tools || !is_long))
            json_encode(out, value);
        else
            buf_add_string(out, members[i].otherwise);
        buf_add_char(out, ',');
    }
}

static int keep_echo(struct reader *reader)
{
    CLEANUP(buf_deinit) struct buf echo = {0};

    buf_init(&echo, ECHO_MAX_BYTES);
    add_echo(reader->request->body, true, &echo);
    if (echo.failed) {
        buf_deinit(&echo);
        buf_init(&echo, 0);
        add_echo(reader->request->body, false, &echo);
    }
    if (!reader_keep(reader, buf_text(&echo), &reader->out->echo))
        return problem_set(reader->problem, NULL, "The request is too large.");
    return 0;
}

typedef int (*check_fn)(struct reader *reader);

int dialect_responses_read_settings(struct reader *reader)
{
    static const check_fn checks[] = {
        check_members,  check_state, check_numbers, check_format,
        read_reasoning, read_tools,  keep_echo,
    };

    for (size_t i = 0; i < ARRAY_LENGTH(checks); i++) {
        int r = checks[i](reader);

        if (r != 0)
            return r;
    }
    reader->out->stream = json_get_bool(reader->request->body, "stream", false);
    return 0;
}
