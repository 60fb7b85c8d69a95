/* The built-in source: tools that are functions of this program. A new one is a row of the table
 * below, a file with its function, and a row of the catalogue (shared/agent/tools/tools.h). Its
 * name is the `type` in an agent's tools. */

#include "worker/tools/builtin/builtin.h"

#include <json-c/json.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/json/json.h"
#include "shared/schema/schema.h"
#include "worker/tools/builtin/calculator.h"
#include "worker/tools/builtin/current_time.h"
#include "worker/tools/builtin/wait.h"
#include "worker/tools/http/http_request.h"
#include "worker/tools/tool.h"

struct builtin {
    const char *name;
    const char *description; /* for the model */
    const char *parameters;  /* JSON Schema */
    enum call_class class;

    /* Of which class a call with these arguments is; NULL: always of `class`. Pure. */
    enum call_class (*classify)(struct json_object *arguments);

    /* Appends to a description of a call; NULL: nothing. Pure. */
    void (*describe)(struct json_object *arguments, struct buf *out);

    /* Appends the result. The arguments fit the schema. Returns as tool_source.call does. Does not
     * suspend when the class is CALL_PURE. */
    SUSPENDS MUSTCHECK int (*run)(const struct tool_call *call, struct json_object *arguments,
                                  struct buf *out, struct call_report *report, struct error *err);

    /* Instead of `run`, of a tool whose result others bring: fills *outcome. Pure. */
    MUSTCHECK int (*park)(const struct tool_call *call, struct json_object *arguments,
                          struct tool_outcome *outcome, struct error *err);
};

static int run_calculator(const struct tool_call *call, struct json_object *arguments,
                          struct buf *out, struct call_report *report, struct error *err)
{
    (void)call;
    (void)report;
    return calculator_evaluate(json_get_text(arguments, "expression"), out, err);
}

static int run_current_time(const struct tool_call *call, struct json_object *arguments,
                            struct buf *out, struct call_report *report, struct error *err)
{
    (void)report;
    return current_time_evaluate(arguments, call->services->now_wall_ms(), out, err);
}

static int run_http_request(const struct tool_call *call, struct json_object *arguments,
                            struct buf *out, struct call_report *report, struct error *err)
{
    struct http_request_options options = {
        .allow = call->permissions->http_allow,
        .allow_count = call->permissions->http_allow_count,
        .guard = call->services->guard,
        .idempotency_key = call->key,
        .trace = call->trace,
        .deadline_ms = call->deadline_ms,
        .out_report = report,
    };

    return http_request_run(call->services->http, &options, arguments, out, err);
}

typedef int (*due_fn)(struct json_object *arguments, int64_t now_wall_ms, int64_t left_ms,
                      int64_t *out_due_in_ms, struct error *err);

static int park_until(due_fn due, const struct tool_call *call, struct json_object *arguments,
                      struct tool_outcome *outcome, struct error *err)
{
    int64_t due_in_ms;
    int r = due(arguments, call->services->now_wall_ms(), call->expires_ms - clock_ms(), &due_in_ms,
                err);

    if (r < 0)
        return r;
    *outcome = (struct tool_outcome){
        .end = TOOL_PARKED, .wait = WAIT_TIME, .due_in_ms = due_in_ms > 0 ? due_in_ms : 0};
    return 0;
}

static int park_wait(const struct tool_call *call, struct json_object *arguments,
                     struct tool_outcome *outcome, struct error *err)
{
    return park_until(wait_evaluate, call, arguments, outcome, err);
}

static int park_sleep(const struct tool_call *call, struct json_object *arguments,
                      struct tool_outcome *outcome, struct error *err)
{
    return park_until(sleep_until_evaluate, call, arguments, outcome, err);
}

static const struct builtin builtins[] = {
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
        .class = CALL_PURE,
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
        .class = CALL_PURE,
        .run = run_current_time,
    },
    {
        .name = "wait",
        .description = wait_description,
        .parameters = wait_parameters,
        .class = CALL_PURE,
        .park = park_wait,
    },
    {
        .name = "sleep_until",
        .description = sleep_until_description,
        .parameters = sleep_until_parameters,
        .class = CALL_PURE,
        .park = park_sleep,
    },
    {
        .name = "http_request",
        .description = http_request_description,
        .parameters = http_request_parameters,
        .class = CALL_IDEMPOTENT,
        .classify = http_request_class,
        .describe = http_request_describe,
        .run = run_http_request,
    },
};

const char *builtin_name(size_t at)
{
    return at < ARRAY_LENGTH(builtins) ? builtins[at].name : NULL;
}

static int find(const struct tool_member *member, struct arena *arena, struct tool *tool,
                struct chat_tool *shown, struct error *err)
{
    struct text type = json_get_text(member->item, "type");

    (void)arena;
    (void)err;
    for (size_t i = 0; i < ARRAY_LENGTH(builtins); i++) {
        const struct builtin *builtin = &builtins[i];

        if (!text_is(type, builtin->name))
            continue;
        tool->own = builtin;
        tool->name = text_of(builtin->name);
        *shown = (struct chat_tool){
            .name = tool->name,
            .description = text_of(builtin->description),
            .parameters = text_of(builtin->parameters),
        };
        return 0;
    }
    return TOOL_NOT_HERE;
}

/* NULL: they can't be read. */
static struct json_object *read_arguments(struct text arguments)
{
    struct json_object *read = NULL;

    if (arguments.len > TOOL_ARGUMENTS_MAX)
        return NULL;
    return json_decode(arguments, JSON_DEPTH_DEFAULT, &read, NULL) == 0 ? read : NULL;
}

static enum call_class classify(const struct tool *tool, struct text text)
{
    const struct builtin *builtin = tool->own;
    CLEANUP(json_freep) struct json_object *arguments = NULL;

    if (!builtin->classify)
        return builtin->class;
    arguments = read_arguments(text);
    return arguments ? builtin->classify(arguments) : CALL_IDEMPOTENT;
}

static void describe(const struct tool *tool, struct text text, struct buf *out)
{
    const struct builtin *builtin = tool->own;
    CLEANUP(json_freep) struct json_object *arguments = NULL;

    buf_add_string(out, builtin->name);
    if (!builtin->describe)
        return;
    arguments = read_arguments(text);
    if (arguments)
        builtin->describe(arguments, out);
}

static int check_arguments(const struct builtin *builtin, struct json_object *arguments,
                           struct error *err)
{
    static struct json_object *schemas[ARRAY_LENGTH(builtins)]; /* parsed once per process */
    struct json_object **schema = &schemas[builtin - builtins];

    if (!*schema) {
        int r = json_decode(text_of(builtin->parameters), JSON_DEPTH_DEFAULT, schema, err);

        ASSERT(r == 0);
    }
    if (!json_object_is_type(arguments, json_type_object))
        return error_set(err, E_INVALID, "the arguments of %s must be a JSON object",
                         builtin->name);
    schema_drop_nulls(*schema, arguments);
    return schema_check(*schema, arguments, err);
}

static int call(const struct tool_call *call, struct buf *out, struct tool_outcome *outcome,
                struct error *err)
{
    const struct builtin *builtin = call->tool->own;
    CLEANUP(json_freep) struct json_object *arguments = NULL;
    struct text text = call->arguments;
    int r;

    if (text_trim(text).len == 0)
        text = TEXT("{}"); /* what models write for "no arguments" */
    if (text.len > TOOL_ARGUMENTS_MAX)
        return error_set(err, E_LIMIT, "the arguments are over %zu bytes", TOOL_ARGUMENTS_MAX);
    r = json_decode(text, JSON_DEPTH_DEFAULT, &arguments, err);
    if (r < 0)
        return error_wrap(err, "the arguments are not valid JSON");
    r = check_arguments(builtin, arguments, err);
    if (r < 0)
        return error_wrap(err, "the arguments do not fit");
    if (builtin->park)
        return builtin->park(call, arguments, outcome, err);
    *outcome = (struct tool_outcome){.end = TOOL_DONE};
    if (builtin->class == CALL_PURE)
        fiber_no_suspend_enter();
    r = builtin->run(call, arguments, out, &outcome->report, err);
    if (builtin->class == CALL_PURE)
        fiber_no_suspend_leave();
    return r;
}

const struct tool_source tool_source_builtin = {
    .name = "builtin",
    .find = find,
    .classify = classify,
    .describe = describe,
    .call = call,
};
