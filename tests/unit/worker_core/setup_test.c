/* Specs of runs. */

#include <criterion/criterion.h>

#include <string.h>

#include "shared/base/error.h"
#include "worker/run/task/setup.h"

static struct arena arena;

static int parse(const char *spec, struct run_setup *out, struct error *err)
{
    arena_init(&arena, 0);
    return setup_parse(text_of(spec), &arena, out, err);
}

Test(setup, reads_every_field)
{
    struct run_setup setup;
    struct error err = {0};
    int r = parse("{\"model\":\"openai/gpt-4o-mini\",\"instructions\":\"Be brief.\","
                  "\"tools\":[{\"type\":\"calculator\"},{\"type\":\"function\",\"function\":"
                  "{\"name\":\"f\",\"description\":\"d\",\"parameters\":{\"type\":\"object\"},"
                  "\"strict\":true}}],\"tool_choice\":{\"type\":\"calculator\"},\"temperature\":0,"
                  "\"top_p\":0.5,\"max_prompt_tokens\":1000,\"max_completion_tokens\":500,"
                  "\"truncation_strategy\":{\"type\":\"last_messages\",\"last_messages\":7},"
                  "\"parallel_tool_calls\":false,\"response_format\":\"auto\","
                  "\"reasoning_effort\":\"low\",\"verbosity\":\"high\",\"max_iterations\":5,"
                  "\"timeout_seconds\":60,"
                  "\"http_allow\":[\"api.example.com\",\"*.example.org\"]}",
                  &setup, &err);

    cr_assert_eq(r, 0, "%s", err.text);
    cr_assert(text_is(setup.model, "openai/gpt-4o-mini"));
    cr_assert(text_is(setup.instructions, "Be brief."));
    cr_assert_eq(setup.tools.count, 2);
    cr_assert_eq(setup.tools.tools[0].source, &tool_source_builtin);
    cr_assert_eq(setup.tools.tools[1].source, &tool_source_client);
    cr_assert(text_is(setup.tools.shown[1].parameters, "{\"type\":\"object\"}"));
    cr_assert_eq(setup.tools.shown[1].strict, CHAT_SWITCH_ON);
    cr_assert_eq(setup.options.tool_choice.kind, CHAT_TOOL_CHOICE_FUNCTION);
    cr_assert(text_is(setup.options.tool_choice.name, "calculator"));
    cr_assert(setup.options.has_temperature && setup.options.temperature == 0);
    cr_assert(setup.options.has_top_p && setup.options.top_p == 0.5);
    cr_assert(text_is(setup.options.reasoning_effort, "low"));
    cr_assert(text_is(setup.options.verbosity, "high"));
    cr_assert_eq(setup.budgets.max_prompt_tokens, 1000);
    cr_assert_eq(setup.budgets.max_completion_tokens, 500);
    cr_assert_eq(setup.memory.strategy, CONTEXT_LAST_MESSAGES);
    cr_assert_eq(setup.memory.max_messages, 7);
    cr_assert_eq(setup.options.parallel_tool_calls, CHAT_SWITCH_OFF);
    cr_assert_eq(setup.budgets.max_iterations, 5);
    cr_assert_eq(setup.timeout_ms, 60000);
    cr_assert_eq(setup.tools.permissions.http_allow_count, 2);
    cr_assert_str_eq(setup.tools.permissions.http_allow[1], "*.example.org");
    cr_assert_not_null(toolbox_find(&setup.tools, TEXT("f")));
    cr_assert_null(toolbox_find(&setup.tools, TEXT("g")));
    arena_deinit(&arena);
}

Test(setup, reads_what_may_be_spent)
{
    struct run_setup setup;
    struct error err = {0};
    int r = parse("{\"model\":\"m\",\"max_tokens_per_request\":900,\"budget\":{\"max_tokens\":7,"
                  "\"max_cost_micros\":8,\"at_limit\":\"fallback\",\"fallback_model\":\"x/y\"}}",
                  &setup, &err);

    cr_assert_eq(r, 0, "%s", err.text);
    cr_assert_eq(setup.tokens_per_request, 900);
    cr_assert_eq(setup.budget.max.of[BUDGET_TOKENS], 7);
    cr_assert_eq(setup.budget.max.of[BUDGET_COST], 8);
    cr_assert_eq(setup.budget.at_limit, BUDGET_FALLBACK);
    cr_assert(text_is(setup.budget.fallback_model, "x/y"));
    arena_deinit(&arena);
    cr_assert_eq(parse("{\"model\":\"m\",\"budget\":{\"max_tokens\":7}}", &setup, &err), 0);
    cr_assert_eq(setup.budget.at_limit, BUDGET_END);
    arena_deinit(&arena);
    cr_assert_eq(parse("{\"model\":\"m\",\"budget\":{\"at_limit\":\"never\"}}", &setup, &err),
                 -E_INVALID);
    arena_deinit(&arena);
}

Test(setup, says_of_which_class_a_tools_calls_are)
{
    struct run_setup setup;
    struct error err = {0};

    cr_assert_eq(parse("{\"model\":\"m\",\"tools\":[{\"type\":\"http_request\",\"class\":\"once\"},"
                       "{\"type\":\"calculator\",\"class\":null}]}",
                       &setup, &err),
                 0, "%s", err.text);
    cr_assert(setup.tools.tools[0].has_class);
    cr_assert_eq(setup.tools.tools[0].class, CALL_ONCE);
    cr_assert_not(setup.tools.tools[1].has_class);
    arena_deinit(&arena);
    cr_assert_eq(parse("{\"model\":\"m\",\"tools\":[{\"type\":\"http_request\",\"class\":\"x\"}]}",
                       &setup, &err),
                 -E_INVALID);
    arena_deinit(&arena);
}

Test(setup, what_is_absent_or_null_is_not_set)
{
    struct run_setup setup;

    cr_assert_eq(parse("{\"model\":\"m\",\"temperature\":null,\"tools\":null}", &setup, NULL), 0);
    cr_assert_not(setup.options.has_temperature);
    cr_assert_eq(setup.tools.count, 0);
    cr_assert_eq(setup.options.tool_choice.kind, CHAT_TOOL_CHOICE_UNSET);
    cr_assert_eq(setup.options.response_format.kind, CHAT_FORMAT_UNSET);
    cr_assert_eq(setup.options.parallel_tool_calls, CHAT_SWITCH_UNSET);
    arena_deinit(&arena);
}

Test(setup, a_spec_that_can_not_be_run_says_why)
{
    struct run_setup setup;
    struct error err;

    cr_assert_eq(parse("{}", &setup, &err), -E_INVALID);
    cr_assert(strstr(err.text, "names no model"));
    arena_deinit(&arena);
    cr_assert_eq(parse("{\"model\":\"m\",\"tools\":[{\"type\":\"teleport\"}]}", &setup, &err),
                 -E_INVALID);
    cr_assert(strstr(err.text, "teleport"));
    arena_deinit(&arena);
    cr_assert_eq(parse("not json", &setup, &err), -E_INVALID);
    arena_deinit(&arena);
    cr_assert_eq(parse("{\"model\":\"m\",\"tool_choice\":{\"type\":\"function\"}}", &setup, &err),
                 -E_INVALID);
    cr_assert(strstr(err.text, "tool_choice"));
    arena_deinit(&arena);
    cr_assert_eq(parse("{\"model\":\"m\",\"response_format\":{\"type\":\"xml\"}}", &setup, &err),
                 -E_INVALID);
    cr_assert(strstr(err.text, "response_format"));
    arena_deinit(&arena);
}

Test(setup, leaves_schemas_as_they_were_written)
{
    struct run_setup setup;
    struct error err = {0};
    int r = parse("{\"model\":\"m\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\","
                  "\"parameters\":{\"z\": 1.50,\"a\":18446744073709551616}}}],\"response_format\":"
                  "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"strict\":true,"
                  "\"schema\":{\"b\":1e400,\"a\":2}}}}",
                  &setup, &err);
    const struct chat_format *format = &setup.options.response_format;

    cr_assert_eq(r, 0, "%s", err.text);
    cr_assert(text_is(setup.tools.shown[0].parameters, "{\"z\": 1.50,\"a\":18446744073709551616}"));
    cr_assert_eq(format->kind, CHAT_FORMAT_JSON_SCHEMA);
    cr_assert(text_is(format->schema, "{\"b\":1e400,\"a\":2}"));
    cr_assert_eq(format->strict, CHAT_SWITCH_ON);
    arena_deinit(&arena);
}

Test(setup, calls_of_the_client_park_a_run_unless_they_end_it)
{
    struct run_setup setup;
    struct error err = {0};

    cr_assert_eq(parse("{\"model\":\"a/b\"}", &setup, &err), 0);
    cr_assert_not(setup.ends_at_calls);
    arena_deinit(&arena);
    cr_assert_eq(parse("{\"model\":\"a/b\",\"client_calls\":\"end\"}", &setup, &err), 0);
    cr_assert(setup.ends_at_calls);
    arena_deinit(&arena);
}
