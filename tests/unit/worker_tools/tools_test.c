/* The tools of a run, whatever their source. */

#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#include "box.h"
#include "shared/agent/plan.h"
#include "shared/agent/spec.h"
#include "shared/agent/tools/tools.h"
#include "shared/base/error.h"
#include "worker/tools/builtin/builtin.h"

#define BOTH                                                                                       \
    "{\"tools\":[{\"type\":\"calculator\"},{\"type\":\"function\",\"function\":"                   \
    "{\"name\":\"weather\",\"description\":\"d\",\"parameters\":{\"type\":\"object\"}}}],"         \
    "\"http_allow\":[\"a.example\"]}"

Test(tools, of_a_run_come_from_every_source)
{
    struct box box;

    box_open(&box, BOTH);
    cr_assert_eq(box.tools.count, 2);
    cr_assert_eq(toolbox_find(&box.tools, TEXT("calculator"))->source, &tool_source_builtin);
    cr_assert_eq(toolbox_find(&box.tools, TEXT("weather"))->source, &tool_source_client);
    cr_assert(text_is(box.tools.shown[1].name, "weather"));
    cr_assert(text_is(box.tools.shown[1].parameters, "{\"type\":\"object\"}"));
    cr_assert_null(toolbox_find(&box.tools, TEXT("current_time")));
    cr_assert_eq(box.tools.permissions.http_allow_count, 1);
    box_close(&box);
}

Test(tools, that_no_source_has_are_named_in_the_error)
{
    struct error err;

    cr_assert_eq(box_refused("{\"tools\":[{\"type\":\"teleport\"}]}", &err), -E_INVALID);
    cr_assert(strstr(err.text, "'teleport'"), "%s", err.text);
    cr_assert_eq(box_refused("{\"tools\":[7]}", &err), -E_INVALID);
    cr_assert_eq(box_refused("{\"tools\":[{\"type\":\"function\"}]}", &err), -E_INVALID);
    cr_assert_eq(
        box_refused("{\"tools\":[{\"type\":\"http_request\",\"class\":\"client\"}]}", &err),
        -E_INVALID);
    cr_assert(strstr(err.text, "'idempotent' and 'once'"), "%s", err.text);
    cr_assert_eq(box_refused("{\"tools\":[{\"type\":\"http_request\",\"class\":\"pure\"}]}", &err),
                 -E_INVALID, "no agent may say so");
}

Test(tools, answer_an_error_in_words_for_the_model)
{
    struct box box;
    struct buf out;

    box_open(&box, BOTH);
    buf_init(&out, TOOL_RESULT_MAX);
    cr_assert_eq(box_call(&box, "calculator", "{\"expression\":\"6*7\"}", &out).end, TOOL_DONE);
    cr_assert(text_is(buf_text(&out), "42"));
    buf_reset(&out);
    cr_assert_eq(box_call(&box, "calculator", "{\"expression\":\"6*\"}", &out).end, TOOL_ERROR);
    cr_assert(text_starts(buf_text(&out), "Error: expected a number"), "%s", buf_string(&out));
    buf_reset(&out);
    cr_assert_eq(box_call(&box, "calculator", "[]", &out).end, TOOL_ERROR);
    cr_assert(text_starts(buf_text(&out), "Error: the arguments do not fit"), "%s",
              buf_string(&out));
    buf_deinit(&out);
    box_close(&box);
}

/* Models write null for what they leave out. */
Test(tools, take_null_for_what_may_be_left_out_and_refuse_it_for_the_rest)
{
    static const struct {
        const char *tool;
        const char *arguments;
        enum tool_end end;
        const char *says;
    } cases[] = {
        {"current_time", "{\"timezone\":null,\"at\":null}", TOOL_DONE, "\"timezone\":\"UTC\""},
        {"current_time", "{\"timezone\":\"UTC\",\"at\":null}", TOOL_DONE, "\"UTC\""},
        {"current_time", "{\"nothing\":null}", TOOL_DONE, "\"UTC\""},
        {"calculator", "{\"expression\":null}", TOOL_ERROR, "expression"},
        {"http_request", "{\"method\":null,\"url\":\"http://a.example/\"}", TOOL_ERROR, "method"},
        /* The list of hosts is empty: as far as that it must come. */
        {"http_request",
         "{\"method\":\"GET\",\"url\":\"http://a.example/\",\"headers\":null,\"body\":null}",
         TOOL_ERROR, "http_allow"},
    };
    struct box box;

    box_open(&box, "{\"tools\":[{\"type\":\"calculator\"},{\"type\":\"current_time\"},"
                   "{\"type\":\"http_request\"}]}");
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        CLEANUP(buf_deinit) struct buf out;

        buf_init(&out, TOOL_RESULT_MAX);
        cr_assert_eq(box_call(&box, cases[i].tool, cases[i].arguments, &out).end, cases[i].end,
                     "%s: %s", cases[i].arguments, buf_string(&out));
        cr_assert(strstr(buf_string(&out), cases[i].says), "%s: %s", cases[i].arguments,
                  buf_string(&out));
    }
    box_close(&box);
}

Test(tools, of_the_client_park_the_run)
{
    struct box box;
    struct tool_outcome outcome;
    struct buf out;

    box_open(&box, BOTH);
    buf_init(&out, TOOL_RESULT_MAX);
    outcome = box_call(&box, "weather", "anything", &out);
    cr_assert_eq(outcome.end, TOOL_PARKED);
    cr_assert_eq(outcome.wait, WAIT_CLIENT);
    cr_assert_eq(outcome.due_in_ms, CALL_NEVER_DUE);
    cr_assert_eq(out.len, 0);
    buf_deinit(&out);
    box_close(&box);
}

Test(tools, are_described_without_what_they_were_given)
{
    static const struct {
        const char *name;
        const char *arguments;
        const char *expected;
    } cases[] = {
        {"calculator", "{\"expression\":\"1\"}", "calculator"},
        {"http_request", "{\"method\":\"GET\",\"url\":\"https://a.example/secret?key=1\"}",
         "http_request GET a.example"},
        {"http_request", "{\"method\":\"GET\",\"url\":\"nowhere\"}", "http_request GET"},
        {"http_request", "no json", "http_request"},
        {"f", "{}", "the client's f"},
    };
    struct box box;

    box_open(&box, "{\"tools\":[{\"type\":\"calculator\"},{\"type\":\"http_request\"},"
                   "{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]}");
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        CLEANUP(buf_deinit) struct buf out;

        buf_init(&out, 0);
        tool_describe(toolbox_find(&box.tools, text_of(cases[i].name)), text_of(cases[i].arguments),
                      &out);
        cr_assert(text_is(buf_text(&out), cases[i].expected), "%s", buf_string(&out));
    }
    box_close(&box);
}

/* An agent with as many tools as may be, with names as long as may be. */
Test(tools, that_are_not_there_are_refused_with_all_that_are)
{
    CLEANUP(buf_deinit) struct buf spec;
    CLEANUP(buf_deinit) struct buf out;
    int most = (int)agent_members[SPEC_TOOLS].field.max;
    struct box box;

    buf_init(&spec, 0);
    buf_init(&out, TOOL_RESULT_MAX);
    buf_add_string(&spec, "{\"tools\":[");
    for (int i = 0; i < most; i++)
        buf_printf(&spec, "%s{\"type\":\"function\",\"function\":{\"name\":\"%064d\"}}",
                   i ? "," : "", i);
    buf_add_string(&spec, "]}");
    box_open(&box, buf_string(&spec));
    tool_refuse(&box.tools, TEXT("\xe5\xa4\xa9\xe5\xa4\xa9"), &out);
    cr_assert_not(out.failed);
    cr_assert(
        text_starts(buf_text(&out), "Error: there is no tool named '\xe5\xa4\xa9\xe5\xa4\xa9'"));
    for (int i = 0; i < most; i++) {
        char name[72];

        snprintf(name, sizeof(name), "%064d", i);
        cr_assert(strstr(buf_string(&out), name), "%d", i);
    }
    box_close(&box);
}

static bool is_plan_tool(const char *type)
{
    for (size_t i = 0; i < PLAN_TOOLS; i++)
        if (strcmp(type, plan_tool_names[i]) == 0)
            return true;
    return false;
}

Test(tools, of_an_agent_that_plans_are_there_once)
{
    struct box box;

    box_open(&box, "{\"planning\":true,\"tools\":[{\"type\":\"plan_update\"}]}");
    cr_assert(box.tools.plans);
    cr_assert_eq(box.tools.count, PLAN_TOOLS);
    for (size_t i = 0; i < PLAN_TOOLS; i++) {
        const struct tool *tool = toolbox_find(&box.tools, text_of(plan_tool_names[i]));

        cr_assert(tool && tool->source == &tool_source_plan, "%s", plan_tool_names[i]);
        cr_assert_eq(tool_class_of(tool, TEXT("{}")), CALL_IDEMPOTENT);
    }
    box_close(&box);
    box_open(&box, "{\"tools\":[{\"type\":\"calculator\"}]}");
    cr_assert_not(box.tools.plans);
    box_close(&box);
}

Test(tools, are_those_of_the_catalogue_and_nothing_else)
{
    for (size_t i = 0; builtin_name(i); i++) {
        const struct tool_kind *kind = tool_kind_find(text_of(builtin_name(i)));

        cr_assert(kind && kind->executor == TOOL_BY_SERVER, "%s", builtin_name(i));
    }
    for (size_t i = 0; i < tool_kinds_count; i++) {
        const struct tool_source *sources[] = {
            [TOOL_BY_SERVER] =
                text_is(text_of(tool_kinds[i].type), "code_interpreter") ? &tool_source_sandbox
                : text_is(text_of(tool_kinds[i].type), "web_search") ||
                        text_is(text_of(tool_kinds[i].type), "read_page")
                    ? &tool_source_web
                : is_plan_tool(tool_kinds[i].type)                    ? &tool_source_plan
                : text_starts(text_of(tool_kinds[i].type), "memory_") ? &tool_source_memory
                                                                      : &tool_source_builtin,
            [TOOL_BY_CLIENT] = &tool_source_client};
        struct error err;
        struct box box;
        char spec[200];

        snprintf(spec, sizeof(spec),
                 "{\"tools\":[{\"type\":\"%s\",\"function\":{\"name\":\"f\"}}]}",
                 tool_kinds[i].type);
        if (tool_kinds[i].executor == TOOL_BY_NOBODY) {
            cr_assert_eq(box_refused(spec, &err), -E_INVALID, "%s", tool_kinds[i].type);
            continue;
        }
        box_open(&box, spec);
        if (text_is(text_of(tool_kinds[i].type), "mcp")) /* its tools are asked for */
            cr_assert_eq(box.tools.later_count, 1);
        else
            cr_assert_eq(box.tools.tools[0].source, sources[tool_kinds[i].executor], "%s",
                         tool_kinds[i].type);
        box_close(&box);
    }
    for (size_t i = 0; tool_classes[i]; i++) {
        enum call_class class;

        cr_assert(call_class_parse(text_of(tool_classes[i]), &class), "%s", tool_classes[i]);
    }
}
