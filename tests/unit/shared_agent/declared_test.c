/* Tools of a tenant's own, from their names to what a run has of them. */

#include "shared/agent/tools/declared.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "shared/agent/tools/tools.h"
#include "shared/check/failure.h"

#define LITERAL(text)                                                                              \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

static const struct declared_tool items[] = {
    {LITERAL("look"), LITERAL("{\"url\":\"https://h/{{id}}\"}"), LITERAL("[]")},
    {LITERAL("keyed"), LITERAL("{\"url\":\"https://h/\"}"), LITERAL("[\"A\",\"B\"]")},
    {LITERAL("crm"),
     LITERAL("{\"parameters\":{\"properties\":{\"action\":{}}},"
             "\"allowed_actions\":[\"x\",\"y\"]}"),
     LITERAL("[]")},
};
static const char *const all_names[] = {"crm", "keyed", "look", "order_lookup"};
static const struct declared_tools known = {items, ARRAY_LENGTH(items), all_names,
                                            ARRAY_LENGTH(all_names)};

/* What it becomes, or what is said. */
static const char *expanded(const char *tools, const char *secrets)
{
    static char said[1024];
    struct failure failure = {0};
    struct buf out;
    int r;

    buf_init(&out, 0);
    r = declared_expand(text_of(tools), &known, text_of(secrets), &out, &failure);
    snprintf(said, sizeof(said), "%s%s%s", r == 0 ? buf_string(&out) : failure.param,
             r == 0 ? "" : ": ", r == 0 ? "" : failure.message);
    buf_deinit(&out);
    return said;
}

Test(declared, names_are_those_that_are_no_type_here)
{
    struct text names[4];

    cr_assert_eq(declared_names(TEXT("[{\"type\":\"calculator\"},{\"type\":\"look\"},{\"type\":"
                                     "\"function\",\"function\":{\"name\":\"look\"}}]"),
                                names, 4),
                 1);
    cr_assert(text_is(names[0], "look"));
    cr_assert_eq(declared_names(TEXT_NONE, names, 4), 0);
    cr_assert_eq(declared_names(TEXT("[]"), names, 4), 0);
    cr_assert(!tool_is_declared(TEXT("code_interpreter")), "OpenAI's are none");
    cr_assert(!tool_is_declared(TEXT("a b")));
    cr_assert(!tool_is_declared(TEXT_NONE));
}

Test(declared, a_name_becomes_the_tool_and_all_else_stays_as_it_is)
{
    cr_assert_str_eq(expanded("[{\"type\":\"calculator\"},{\"type\":\"look\"}]", NULL),
                     "[{\"type\":\"calculator\"},{\"type\":\"look\",\"http\":{\"url\":"
                     "\"https://h/{{id}}\"},\"secrets\":[]}]");
}

Test(declared, secrets_are_those_that_the_agent_may_use)
{
    const char *tools = "[{\"type\":\"keyed\"}]";

    cr_assert(strstr(expanded(tools, "[\"B\",\"C\",\"A\"]"), "\"secrets\":[\"A\",\"B\"]"));
    cr_assert(strstr(expanded(tools, "[\"A\"]"), "tools[0]: The tool 'keyed' uses the secret 'B'"));
    cr_assert(strstr(expanded(tools, "[\"a\",\"b\"]"), "uses the secret 'A'"));
    cr_assert(strstr(expanded(tools, NULL), "uses the secret 'A'"));
}

Test(declared, what_is_not_there_is_refused_with_what_may_have_been_meant)
{
    cr_assert(strstr(expanded("[{\"type\":\"look\"},{\"type\":\"calculater\"}]", NULL),
                     "tools[1].type: Invalid value: 'calculater'. Did you mean 'calculator'?"));
    cr_assert(strstr(expanded("[{\"type\":\"zzzzz\"}]", NULL),
                     "Invalid value: 'zzzzz'. Supported values are: "));
    cr_assert(strstr(expanded("[{\"type\":\"zzzzz\"}]", NULL),
                     "which are: 'crm', 'keyed', 'look', and 'order_lookup'."));
    cr_assert(strstr(expanded("[{\"type\":\"order_lookp\"}]", NULL),
                     "tools[0].type: Invalid value: 'order_lookp'. Did you mean 'order_lookup'?"));
    cr_assert(strstr(expanded("[{\"type\":\"web_search_preview\"}]", NULL),
                     "Did you mean 'web_search'?"));
}

Test(declared, actions_get_fewer_and_never_more)
{
    cr_assert(strstr(expanded("[{\"type\":\"crm\",\"allowed_actions\":[\"x\"]}]", NULL),
                     "\"allowed_actions\":[\"x\"]}"));
    cr_assert(strstr(expanded("[{\"type\":\"crm\",\"allowed_actions\":[\"x\",\"z\"]}]", NULL),
                     "tools[0].allowed_actions[1]: The tool does not allow the action 'z'"));
    cr_assert(strstr(expanded("[{\"type\":\"look\",\"allowed_actions\":[\"x\"]}]", NULL),
                     "no parameter 'action'"));
}

Test(declared, a_spec_is_shown_without_what_tools_are)
{
    const char *spec =
        "{\"model\":\"m\",\"tools\":[{\"type\":\"wait\"},{\"type\":\"look\",\"http\":{"
        "\"url\":\"u\"},\"secrets\":[\"A\"]},{\"type\":\"crm\",\"http\":{\"allowed_actions\":"
        "[\"x\"]},\"secrets\":[]}],\"top_p\":1.0}";
    struct buf out;

    buf_init(&out, 0);
    cr_assert(declared_has(text_of(spec)));
    declared_hide(text_of(spec), &out);
    cr_assert_str_eq(
        buf_string(&out),
        "{\"model\":\"m\",\"tools\":[{\"type\":\"wait\"},{\"type\":\"look\"},{\"type\":"
        "\"crm\",\"allowed_actions\":[\"x\"]}],\"top_p\":1.0}");
    cr_assert(!declared_has(TEXT("{\"tools\":[{\"type\":\"wait\"}]}")));
    buf_deinit(&out);
}
