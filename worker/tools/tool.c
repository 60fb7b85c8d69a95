/* The table of tools, and the one way to call one. */

#include "worker/tools/tool.h"

#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/json/json.h"
#include "shared/schema/schema.h"
#include "worker/tools/builtin/calculator.h"
#include "worker/tools/builtin/current_time.h"
#include "worker/tools/http/http_request.h"

#define ARGUMENTS_MAX ((size_t)1 << 20) /* bytes */

static int run_calculator(const struct tool_context *context, struct json_object *arguments,
                          struct buf *out, struct error *err)
{
    (void)context;
    return calculator_evaluate(json_get_text(arguments, "expression"), out, err);
}

static int run_current_time(const struct tool_context *context, struct json_object *arguments,
                            struct buf *out, struct error *err)
{
    return current_time_evaluate(arguments, context->now_wall_ms, out, err);
}

static int run_http_request(const struct tool_context *context, struct json_object *arguments,
                            struct buf *out, struct error *err)
{
    struct http_request_options options = {
        .allow = context->http_allow,
        .allow_count = context->http_allow_count,
        .guard = context->guard,
        .idempotency_key = context->idempotency_key,
        .deadline_ms = context->deadline_ms,
    };

    return http_request_run(context->http, &options, arguments, out, err);
}

const struct tool tools_all[] = {
    {
        .name = "calculator",
        .description =
            "Evaluates an arithmetic expression exactly, for whole numbers and decimals. "
            "Operators: "
            "+ - * / % (remainder) ^ (power), parentheses; 15% of 80. Functions: abs, sqrt, "
            "round(x, places), floor, ceil, min, max, sum, avg. Example: (12.5 + 7) * 3^2",
        .parameters = "{\"type\":\"object\",\"properties\":{\"expression\":{\"type\":\"string\","
                      "\"description\":\"The expression, for example 240 * 1.19\",\"minLength\":1,"
                      "\"maxLength\":4096}},\"required\":[\"expression\"],"
                      "\"additionalProperties\":false}",
        .class = TOOL_PURE,
        .run = run_calculator,
    },
    {
        .name = "current_time",
        .description = "Tells the date and time in a time zone: now, or, with `at`, what a given "
                       "instant is there.",
        .parameters =
            "{\"type\":\"object\",\"properties\":{\"timezone\":{\"type\":\"string\","
            "\"description\":\"IANA name, for example Europe/Berlin; UTC when absent\"},"
            "\"at\":{\"type\":\"string\",\"description\":\"RFC 3339 with an offset, for example "
            "2026-03-29T01:30:00Z; now when absent\"}},\"additionalProperties\":false}",
        .class = TOOL_PURE,
        .run = run_current_time,
    },
    {
        .name = "http_request",
        .description = http_request_description,
        .parameters = http_request_parameters,
        .class = TOOL_IDEMPOTENT,
        .classify = http_request_class,
        .run = run_http_request,
    },
};

const size_t tools_all_count = ARRAY_LENGTH(tools_all);

const struct tool *tool_find(struct text name)
{
    for (size_t i = 0; i < tools_all_count; i++)
        if (text_is(name, tools_all[i].name))
            return &tools_all[i];
    return NULL;
}

enum tool_class tool_class_of(const struct tool *tool, struct text text)
{
    CLEANUP(json_freep) struct json_object *arguments = NULL;

    if (!tool->classify)
        return tool->class;
    if (text.len > ARGUMENTS_MAX || json_decode(text, JSON_DEPTH_DEFAULT, &arguments, NULL) < 0)
        return TOOL_IDEMPOTENT;
    return tool->classify(arguments);
}

bool tool_class_parse(struct text word, enum tool_class *out)
{
    static const char *const names[] = {
        [TOOL_PURE] = "pure", [TOOL_IDEMPOTENT] = "idempotent", [TOOL_ONCE] = "once"};

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (text_is(word, names[i])) {
            *out = (enum tool_class)i;
            return true;
        }
    }
    return false;
}

static int check_arguments(const struct tool *tool, struct json_object *arguments,
                           struct error *err)
{
    static struct json_object *schemas[ARRAY_LENGTH(tools_all)]; /* parsed once per process */
    struct json_object **schema = &schemas[tool - tools_all];

    if (!*schema) {
        int r = json_decode(text_of(tool->parameters), JSON_DEPTH_DEFAULT, schema, err);

        ASSERT(r == 0);
    }
    if (!json_object_is_type(arguments, json_type_object))
        return error_set(err, E_INVALID, "the arguments of %s must be a JSON object", tool->name);
    return schema_check(*schema, arguments, err);
}

int tool_call(const struct tool *tool, const struct tool_context *context, struct text text,
              struct buf *out, struct error *err)
{
    CLEANUP(json_freep) struct json_object *arguments = NULL;
    int r;

    if (text_trim(text).len == 0)
        text = TEXT("{}"); /* what models write for "no arguments" */
    if (text.len > ARGUMENTS_MAX)
        return error_set(err, E_LIMIT, "the arguments are over %zu bytes", ARGUMENTS_MAX);
    r = json_decode(text, JSON_DEPTH_DEFAULT, &arguments, err);
    if (r < 0)
        return error_wrap(err, "the arguments are not valid JSON");
    r = check_arguments(tool, arguments, err);
    if (r < 0)
        return error_wrap(err, "the arguments do not fit");
    if (tool->class == TOOL_PURE)
        fiber_no_suspend_enter();
    r = tool->run(context, arguments, out, err);
    if (tool->class == TOOL_PURE)
        fiber_no_suspend_leave();
    return r;
}
