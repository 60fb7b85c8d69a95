/* What Anthropic demands of a request beside its messages: a key and a version among the headers,
 * no member that it does not know, and settings that go together. MessageCreateParamsBase of the
 * npm package @anthropic-ai/sdk; version 2026-10-21 has no sampling settings any more. */

#include "providers/rehearsal/dialects/anthropic/anthropic.h"

#define TOOLS_MAX      128
#define TOOL_NAME_MAX_ 128
#define BUDGET_MIN     1024
#define NEWER          "2026-10-21"

static int check_headers(struct reader *reader)
{
    struct text version = reader_header(reader->request, "anthropic-version");

    if (!reader->request->key.len)
        return problem_set_as(reader->problem, 401, NULL, "x-api-key header is required");
    if (!version.len)
        return problem_set(reader->problem, NULL, "anthropic-version: header is required");
    if (!text_is(version, NEWER) && !text_is(version, "2023-06-01") &&
        !text_is(version, "2023-01-01"))
        return problem_set(reader->problem, NULL,
                           "anthropic-version: \"%.40s\" is not a valid version", version.ptr);
    return 0;
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
    static const char *const known[] = {
        "max_tokens",  "messages",       "model",    "cache_control", "container",
        "diagnostics", "inference_geo",  "metadata", "output_config", "service_tier",
        "speed",       "stop_sequences", "stream",   "system",        "thinking",
        "tool_choice", "tools",          NULL};
    static const char *const sampling[] = {"temperature", "top_k", "top_p", NULL};
    bool newer = text_is(reader_header(reader->request, "anthropic-version"), NEWER);

    json_object_object_foreach(reader->request->body, name, value)
    {
        (void)value;
        if (is_listed(name, known) || (!newer && is_listed(name, sampling)))
            continue;
        return problem_set(reader->problem, NULL, "%.60s: Extra inputs are not permitted", name);
    }
    return 0;
}

static int check_tokens(struct reader *reader)
{
    struct json_object *max = json_get(reader->request->body, "max_tokens");

    if (!max)
        return problem_set(reader->problem, "max_tokens", "max_tokens: Field required");
    if (!json_object_is_type(max, json_type_int))
        return problem_set(reader->problem, "max_tokens",
                           "max_tokens: Input should be a valid integer");
    if (json_object_get_int64(max) < 0)
        return problem_set(reader->problem, "max_tokens",
                           "max_tokens: Input should be greater than or equal to 0");
    return 0;
}

static bool forces_tool(struct json_object *body)
{
    struct text type = json_get_text(json_get(body, "tool_choice"), "type");

    return text_is(type, "any") || text_is(type, "tool");
}

static int check_budget(struct reader *reader, struct json_object *thinking)
{
    struct json_object *body = reader->request->body;
    int64_t budget = json_get_int(thinking, "budget_tokens", -1);

    if (!json_has(thinking, "budget_tokens"))
        return problem_set(reader->problem, NULL, "thinking.enabled.budget_tokens: Field required");
    if (budget < BUDGET_MIN)
        return problem_set(reader->problem, NULL,
                           "thinking.enabled.budget_tokens: Input should be greater than or equal "
                           "to %d",
                           BUDGET_MIN);
    if (budget >= json_get_int(body, "max_tokens", 0))
        return problem_set(reader->problem, NULL,
                           "`max_tokens` must be greater than `thinking.budget_tokens`.");
    if (json_get_double(body, "temperature", 1) != 1)
        return problem_set(reader->problem, NULL,
                           "`temperature` may only be set to 1 when thinking is enabled.");
    if (forces_tool(body))
        return problem_set(reader->problem, NULL,
                           "Thinking may not be enabled when tool_choice forces tool use.");
    return 0;
}

static int check_thinking(struct reader *reader)
{
    struct json_object *thinking = json_get(reader->request->body, "thinking");
    struct text type = json_get_text(thinking, "type");

    if (!thinking)
        return 0;
    if (text_is(type, "disabled"))
        reader->out->without_reasoning = true;
    else if (text_is(type, "enabled"))
        return check_budget(reader, thinking);
    else if (!text_is(type, "adaptive") && !text_is(type, "between_tools"))
        return problem_set(reader->problem, NULL,
                           "thinking: Input tag found using 'type' does not match any of the "
                           "expected tags: 'adaptive', 'between_tools', 'disabled', 'enabled'");
    return 0;
}

static int check_sampling(struct reader *reader)
{
    struct json_object *body = reader->request->body;
    double temperature = json_get_double(body, "temperature", 1);
    double top_p = json_get_double(body, "top_p", 1);

    if (!(temperature >= 0 && temperature <= 1))
        return problem_set(reader->problem, NULL, "temperature: range: 0..1");
    if (!(top_p >= 0 && top_p <= 1))
        return problem_set(reader->problem, NULL, "top_p: range: 0..1");
    if (json_get(body, "temperature") && json_get(body, "top_p"))
        return problem_set(reader->problem, NULL,
                           "`temperature` and `top_p` cannot both be specified for this model. "
                           "Please use only one.");
    return 0;
}

static bool name_fits(struct text name)
{
    if (!name.len || name.len > TOOL_NAME_MAX_)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-'))
            return false;
    }
    return true;
}

static int check_tool(struct reader *reader, struct json_object *tool, size_t i)
{
    static const char *const known[] = {"input_schema",
                                        "name",
                                        "allowed_callers",
                                        "cache_control",
                                        "defer_loading",
                                        "description",
                                        "eager_input_streaming",
                                        "input_examples",
                                        "strict",
                                        "type",
                                        NULL};
    struct json_object *schema = json_get(tool, "input_schema");

    if (!json_object_is_type(tool, json_type_object))
        return problem_set(reader->problem, NULL,
                           "tools.%zu: Input should be a valid dictionary or object to extract "
                           "fields from",
                           i);
    json_object_object_foreach(tool, name, value)
    {
        (void)value;
        if (!is_listed(name, known))
            return problem_set(reader->problem, NULL,
                               "tools.%zu.custom.%.60s: Extra inputs are not permitted", i, name);
    }
    if (!name_fits(json_get_text(tool, "name")))
        return problem_set(reader->problem, NULL,
                           "tools.%zu.custom.name: String should match pattern "
                           "'^[a-zA-Z0-9_-]{1,128}$'",
                           i);
    if (!schema)
        return problem_set(reader->problem, NULL, "tools.%zu.custom.input_schema: Field required",
                           i);
    if (!text_is(json_get_text(schema, "type"), "object"))
        return problem_set(reader->problem, NULL,
                           "tools.%zu.custom.input_schema.type: Input should be 'object'", i);
    return 0;
}

static bool is_offered(const struct reader *reader, struct text name)
{
    for (size_t i = 0; i < reader->offered.count; i++)
        if (text_equal(reader->offered.items[i], name))
            return true;
    return false;
}

static int read_choice(struct reader *reader)
{
    struct json_object *choice = json_get(reader->request->body, "tool_choice");
    struct text type = json_get_text(choice, "type");
    struct text name = json_get_text(choice, "name");

    if (!choice)
        return 0;
    if (!text_is(type, "auto") && !text_is(type, "any") && !text_is(type, "tool") &&
        !text_is(type, "none"))
        return problem_set(reader->problem, NULL,
                           "tool_choice: Input tag found using 'type' does not match any of the "
                           "expected tags: 'any', 'auto', 'none', 'tool'");
    if (!reader->offered.count)
        return problem_set(reader->problem, NULL,
                           "tool_choice: tool_choice may only be specified while providing tools");
    if (text_is(type, "tool") && !is_offered(reader, name))
        return problem_set(reader->problem, NULL,
                           "tool_choice.tool.name: Tool '%.60s' not found in provided tools",
                           name.ptr ? name.ptr : "");
    if (text_is(type, "none"))
        reader->offered.count = 0;
    return 0;
}

static int read_tools(struct reader *reader)
{
    struct json_object *tools = json_get(reader->request->body, "tools");

    for (size_t i = 0; i < reader_length(tools); i++) {
        struct json_object *tool = json_object_array_get_idx(tools, i);
        struct text type = json_get_text(tool, "type");
        int r;

        if (type.len && !text_is(type, "custom"))
            continue; /* one that the server runs */
        r = check_tool(reader, tool, i);
        if (r == 0 && is_offered(reader, json_get_text(tool, "name")))
            r = problem_set(reader->problem, NULL, "tools: Tool names must be unique.");
        if (r == 0)
            r = reader_offer(reader, json_get_text(tool, "name"));
        if (r != 0)
            return r;
    }
    return read_choice(reader);
}

static int check_format(struct reader *reader)
{
    struct json_object *config = json_get(reader->request->body, "output_config");
    struct json_object *format = json_get(config, "format");

    if (format && (!text_is(json_get_text(format, "type"), "json_schema") ||
                   !json_object_is_type(json_get(format, "schema"), json_type_object)))
        return problem_set(reader->problem, NULL,
                           "output_config.format: expected type 'json_schema' and a schema");
    return 0;
}

typedef int (*check_fn)(struct reader *reader);

int dialect_anthropic_read_settings(struct reader *reader)
{
    static const check_fn checks[] = {
        check_headers,  check_members, check_tokens, check_thinking,
        check_sampling, check_format,  read_tools,
    };

    for (size_t i = 0; i < ARRAY_LENGTH(checks); i++) {
        int r = checks[i](reader);

        if (r != 0)
            return r;
    }
    reader->out->stream = json_get_bool(reader->request->body, "stream", false);
    return 0;
}
