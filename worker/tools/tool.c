/* The table of tools, and the one way to call one. */

#include "worker/tools/tool.h"

#include "shared/base/error.h"
#include "shared/base/json.h"
#include "shared/fiber/fiber.h"
#include "worker/tools/calculator.h"
#include "worker/tools/current_time.h"
#include "worker/tools/http_request.h"
#include "worker/tools/schema.h"

#define ARGUMENTS_MAX ((size_t)1 << 20) /* bytes */

static int run_calculator(const struct tool_context *context, struct json_object *arguments,
                          struct buf *out, struct error *err)
{
    (void)context;
    return calculator_evaluate(json_get_text(arguments, "expression"), out, err);
}

const struct tool tools_all[] = {
    {
        .name = "calculator",
        .description = "Evaluates an arithmetic expression exactly, for whole numbers and "
                       "decimals. Operators: "
                       "+ - * / % (remainder) ^ (whole exponents), parentheses. Functions: abs, "
                       "sqrt, round(x, "
                       "digits), floor, ceil, min, max, sum, avg. Example: (12.5 + 7) * 3^2",
        .parameters = "{\"type\":\"object\",\"properties\":{\"expression\":{\"type\":\"string\","
                      "\"description\":\"The expression, for example 240 * 1.19\",\"minLength\":1,"
                      "\"maxLength\":4096}},\"required\":[\"expression\"],"
                      "\"additionalProperties\":false}",
        .class = TOOL_PURE,
        .run = run_calculator,
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

static int check_arguments(const struct tool *tool, struct json_object *arguments,
                           struct error *err)
{
    CLEANUP(json_freep)
    struct json_object *schema = NULL;
    int r = json_decode(text_of(tool->parameters), JSON_DEPTH_DEFAULT, &schema, err);

    ASSERT(r == 0);
    if (!json_object_is_type(arguments, json_type_object))
        return error_set(err, E_INVALID, "the arguments of %s must be a JSON object", tool->name);
    return schema_check(schema, arguments, err);
}

int tool_call(const struct tool *tool, const struct tool_context *context, struct text text,
              struct buf *out, struct error *err)
{
    CLEANUP(json_freep)
    struct json_object *arguments = NULL;
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
