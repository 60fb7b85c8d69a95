/* Specs of runs. */

#include <criterion/criterion.h>

#include <string.h>

#include "shared/agent/tools.h"
#include "shared/base/error.h"
#include "worker/run/agent.h"
#include "worker/tools/tool.h"

static struct arena arena;

static int parse(const char *spec, struct agent_setup *out, struct error *err)
{
    arena_init(&arena, 0);
    return agent_parse(text_of(spec), &arena, out, err);
}

Test(agent, reads_every_field)
{
    struct agent_setup agent;
    struct error err = {0};
    int r = parse("{\"model\":\"openai/gpt-4o-mini\",\"instructions\":\"Be brief.\","
                  "\"tools\":[{\"type\":\"calculator\"},{\"type\":\"function\",\"function\":"
                  "{\"name\":\"f\",\"description\":\"d\",\"parameters\":{\"type\":\"object\"},"
                  "\"strict\":true}}],\"tool_choice\":{\"type\":\"calculator\"},\"temperature\":0,"
                  "\"top_p\":0.5,\"max_prompt_tokens\":1000,\"max_completion_tokens\":500,"
                  "\"truncation_strategy\":{\"type\":\"last_messages\",\"last_messages\":7},"
                  "\"parallel_tool_calls\":false,\"response_format\":\"auto\","
                  "\"reasoning_effort\":\"low\",\"max_iterations\":5,\"timeout_seconds\":60,"
                  "\"http_allow\":[\"api.example.com\",\"*.example.org\"]}",
                  &agent, &err);

    cr_assert_eq(r, 0, "%s", err.text);
    cr_assert(text_is(agent.model, "openai/gpt-4o-mini"));
    cr_assert(text_is(agent.instructions, "Be brief."));
    cr_assert_eq(agent.tools_count, 2);
    cr_assert_eq(agent.tools[0].tool, tool_find(TEXT("calculator")));
    cr_assert_null(agent.tools[1].tool);
    cr_assert(text_is(agent.chat_tools[1].parameters, "{\"type\":\"object\"}"));
    cr_assert_eq(agent.chat_tools[1].strict, CHAT_SWITCH_ON);
    cr_assert_eq(agent.tool_choice.kind, CHAT_TOOL_CHOICE_FUNCTION);
    cr_assert(text_is(agent.tool_choice.name, "calculator"));
    cr_assert(agent.has_temperature && agent.temperature == 0);
    cr_assert(agent.has_top_p && agent.top_p == 0.5);
    cr_assert_eq(agent.max_prompt_tokens, 1000);
    cr_assert_eq(agent.max_completion_tokens, 500);
    cr_assert_eq(agent.last_messages, 7);
    cr_assert_eq(agent.parallel_tool_calls, CHAT_SWITCH_OFF);
    cr_assert_eq(agent.max_iterations, 5);
    cr_assert_eq(agent.timeout_ms, 60000);
    cr_assert_eq(agent.http_allow_count, 2);
    cr_assert_str_eq(agent.http_allow[1], "*.example.org");
    cr_assert_not_null(agent_find_tool(&agent, TEXT("f")));
    cr_assert_null(agent_find_tool(&agent, TEXT("g")));
    arena_deinit(&arena);
}

Test(agent, says_of_which_class_a_tools_calls_are)
{
    struct agent_setup agent;
    struct error err = {0};

    cr_assert_eq(parse("{\"model\":\"m\",\"tools\":[{\"type\":\"http_request\",\"class\":\"once\"},"
                       "{\"type\":\"calculator\",\"class\":null}]}",
                       &agent, &err),
                 0, "%s", err.text);
    cr_assert(agent.tools[0].has_class);
    cr_assert_eq(agent.tools[0].class, TOOL_ONCE);
    cr_assert_not(agent.tools[1].has_class);
    arena_deinit(&arena);
    cr_assert_eq(parse("{\"model\":\"m\",\"tools\":[{\"type\":\"http_request\",\"class\":\"x\"}]}",
                       &agent, &err),
                 -E_INVALID);
    arena_deinit(&arena);
}

Test(agent, what_is_absent_or_null_is_not_set)
{
    struct agent_setup agent;

    cr_assert_eq(parse("{\"model\":\"m\",\"temperature\":null,\"tools\":null}", &agent, NULL), 0);
    cr_assert_not(agent.has_temperature);
    cr_assert_eq(agent.tools_count, 0);
    cr_assert_eq(agent.tool_choice.kind, CHAT_TOOL_CHOICE_UNSET);
    cr_assert_eq(agent.response_format.kind, CHAT_FORMAT_UNSET);
    cr_assert_eq(agent.parallel_tool_calls, CHAT_SWITCH_UNSET);
    arena_deinit(&arena);
}

Test(agent, a_spec_that_can_not_be_run_says_why)
{
    struct agent_setup agent;
    struct error err;

    cr_assert_eq(parse("{}", &agent, &err), -E_INVALID);
    cr_assert(strstr(err.text, "names no model"));
    arena_deinit(&arena);
    cr_assert_eq(parse("{\"model\":\"m\",\"tools\":[{\"type\":\"teleport\"}]}", &agent, &err),
                 -E_INVALID);
    cr_assert(strstr(err.text, "teleport"));
    arena_deinit(&arena);
    cr_assert_eq(parse("not json", &agent, &err), -E_INVALID);
    arena_deinit(&arena);
    cr_assert_eq(parse("{\"model\":\"m\",\"tool_choice\":{\"type\":\"function\"}}", &agent, &err),
                 -E_INVALID);
    cr_assert(strstr(err.text, "tool_choice"));
    arena_deinit(&arena);
    cr_assert_eq(parse("{\"model\":\"m\",\"response_format\":{\"type\":\"xml\"}}", &agent, &err),
                 -E_INVALID);
    cr_assert(strstr(err.text, "response_format"));
    arena_deinit(&arena);
}

Test(agent, schemas_stay_as_they_were_written)
{
    struct agent_setup agent;
    struct error err = {0};
    int r = parse("{\"model\":\"m\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\","
                  "\"parameters\":{\"z\": 1.50,\"a\":18446744073709551616}}}],\"response_format\":"
                  "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"strict\":true,"
                  "\"schema\":{\"b\":1e400,\"a\":2}}}}",
                  &agent, &err);

    cr_assert_eq(r, 0, "%s", err.text);
    cr_assert(text_is(agent.chat_tools[0].parameters, "{\"z\": 1.50,\"a\":18446744073709551616}"));
    cr_assert_eq(agent.response_format.kind, CHAT_FORMAT_JSON_SCHEMA);
    cr_assert(text_is(agent.response_format.schema, "{\"b\":1e400,\"a\":2}"));
    cr_assert_eq(agent.response_format.strict, CHAT_SWITCH_ON);
    arena_deinit(&arena);
}

Test(agent, catalogue_of_tools_has_what_the_worker_implements_and_nothing_else)
{
    for (size_t i = 0; i < tools_all_count; i++) {
        const struct tool_kind *kind = tool_kind_find(text_of(tools_all[i].name));

        cr_assert(kind && kind->executor == TOOL_BY_SERVER, "%s", tools_all[i].name);
    }
    for (size_t i = 0; i < tool_kinds_count; i++)
        cr_assert_eq(tool_find(text_of(tool_kinds[i].type)) != NULL,
                     tool_kinds[i].executor == TOOL_BY_SERVER, "%s", tool_kinds[i].type);
    for (size_t i = 0; tool_classes[i]; i++) {
        enum tool_class class;

        cr_assert(tool_class_parse(text_of(tool_classes[i]), &class), "%s", tool_classes[i]);
    }
}
