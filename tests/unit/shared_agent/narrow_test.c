/* What a run's request makes of its agent's permissions. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "shared/agent/narrow.h"
#include "shared/agent/spec.h"
#include "shared/base/error.h"
#include "shared/check/failure.h"

typedef int (*narrow_fn)(struct text agents, struct json_object *said, struct buf *out,
                         struct failure *failure);

static struct failure failure;

/* What both say, as text; NULL: refused. */
static const char *narrowed(narrow_fn narrow, const char *agents, const char *said)
{
    static char shown[1024];
    CLEANUP(json_freep) struct json_object *list = NULL;
    struct error err;
    struct buf out;
    int r;

    cr_assert_eq(json_decode(text_of(said), 20, &list, &err), 0, "%s", said);
    buf_init(&out, 0);
    r = narrow(agents ? text_of(agents) : TEXT_NONE, list, &out, &failure);
    snprintf(shown, sizeof(shown), "%s", buf_string(&out));
    buf_deinit(&out);
    return r < 0 ? NULL : shown;
}

#define CALCULATOR "{\"type\":\"calculator\"}"
#define REQUEST    "{\"type\":\"http_request\",\"class\":\"once\"}"
#define FUNCTION   "{\"type\":\"function\",\"function\":{\"name\":\"f\"}}"

Test(narrow, a_run_may_leave_out_tools_and_bring_functions)
{
    const char *agents = "[" CALCULATOR "," REQUEST "]";

    cr_assert_str_eq(narrowed(narrow_tools, agents, "[]"), "[]");
    cr_assert_str_eq(narrowed(narrow_tools, agents, "[" CALCULATOR "]"), "[" CALCULATOR "]");
    cr_assert_str_eq(narrowed(narrow_tools, agents, "[" FUNCTION "]"), "[" FUNCTION "]");
    cr_assert_str_eq(narrowed(narrow_tools, NULL, "[" FUNCTION "]"), "[" FUNCTION "]");
}

Test(narrow, a_tool_that_the_agent_has_not_is_refused)
{
    cr_assert_null(narrowed(narrow_tools, "[" CALCULATOR "]", "[" FUNCTION "," REQUEST "]"));
    cr_assert_eq(failure.status, 400);
    cr_assert_str_eq(failure.param, "tools[1]");
    cr_assert_str_eq(failure.code, "tool_not_permitted");
    cr_assert(strstr(failure.message, "'http_request'"), "%s", failure.message);
    cr_assert_null(narrowed(narrow_tools, NULL, "[" CALCULATOR "]"));
    /* A function of the client that has a tool's name is no permission for the tool. */
    cr_assert_null(narrowed(narrow_tools,
                            "[{\"type\":\"function\",\"function\":{\"name\":\"calculator\"}}]",
                            "[" CALCULATOR "]"));
}

Test(narrow, what_the_agent_says_about_a_tool_counts)
{
    cr_assert_str_eq(narrowed(narrow_tools, "[" REQUEST "]",
                              "[{\"type\":\"http_request\",\"class\":\"idempotent\"}]"),
                     "[" REQUEST "]");
}

Test(narrow, hosts_are_what_both_patterns_allow)
{
    static const struct {
        const char *agents;
        const char *said;
        const char *both; /* NULL: nothing */
    } cases[] = {
        {"[\"a.com\"]", "[]", "[]"},
        {"[\"a.com\",\"b.com\"]", "[\"b.com\"]", "[\"b.com\"]"},
        {"[\"a.com\"]", "[\"A.com\"]", "[\"A.com\"]"},
        {"[\"a.com\"]", "[\"b.com\"]", NULL},
        {"[\"*.a.com\"]", "[\"x.a.com\"]", "[\"x.a.com\"]"},
        {"[\"*.a.com\"]", "[\"*.x.a.com\"]", "[\"*.x.a.com\"]"},
        {"[\"*.a.com\"]", "[\"*.a.com\"]", "[\"*.a.com\"]"},
        {"[\"*.a.com\"]", "[\"a.com\"]", NULL},
        {"[\"*.a.com\"]", "[\"xa.com\"]", NULL},
        {"[\"a.com\"]", "[\"*.a.com\"]", NULL},
        {"[\"x.a.com\",\"y.a.com\",\"z.com\"]", "[\"*.a.com\"]", "[\"x.a.com\",\"y.a.com\"]"},
        {"[\"a.com\"]", "[\"a.com:443\"]", "[\"a.com:443\"]"},
        {"[\"a.com\"]", "[\"a.com:80\"]", "[\"a.com:80\"]"},
        {"[\"a.com\"]", "[\"a.com:8080\"]", NULL},
        {"[\"a.com:443\"]", "[\"a.com\"]", "[\"a.com:443\"]"},
        {"[\"a.com:8080\"]", "[\"a.com\"]", NULL},
        {"[\"*.a.com:8080\"]", "[\"x.a.com:8080\"]", "[\"x.a.com:8080\"]"},
        {"[\"[::1]:8080\"]", "[\"[::1]:8080\"]", "[\"[::1]:8080\"]"},
        {"[]", "[\"a.com\"]", NULL},
        {NULL, "[\"a.com\"]", NULL},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        const char *both = narrowed(narrow_hosts, cases[i].agents, cases[i].said);

        if (cases[i].both)
            cr_assert_str_eq(both ? both : "refused", cases[i].both, "%zu: %s", i, both);
        else
            cr_assert_null(both, "%zu: %s", i, both);
    }
    cr_assert_str_eq(failure.param, "http_allow[0]");
    cr_assert_str_eq(failure.code, "not_permitted");
}

/* What becomes of a run's request, by the code of the failure; NULL: it is made. */
static const char *refused(const char *agent, const char *request)
{
    CLEANUP(json_freep) struct json_object *body = NULL;
    struct agent_spec spec;
    struct arena arena;
    struct error err;
    struct buf out;
    int r;

    arena_init(&arena, 0);
    buf_init(&out, 0);
    cr_assert_eq(agent_spec_parse(text_of(agent), &arena, &spec, &err), 0, "%s", agent);
    cr_assert_eq(json_decode(text_of(request), 20, &body, &err), 0, "%s", request);
    r = run_spec_write(&spec, body, &(struct run_prompt){0}, &out, &failure);
    buf_deinit(&out);
    arena_deinit(&arena);
    return r < 0 ? failure.code : NULL;
}

Test(narrow, a_run_may_have_less_of_a_budget)
{
    static const char *const budgets[] = {"max_iterations", "timeout_seconds",
                                          "max_completion_tokens", "max_output_tokens"};
    char agent[64];
    char request[64];

    for (size_t i = 0; i < ARRAY_LENGTH(budgets); i++) {
        (void)snprintf(agent, sizeof(agent), "{\"%s\":300}", budgets[i]);
        (void)snprintf(request, sizeof(request), "{\"%s\":300}", budgets[i]);
        cr_assert_null(refused(agent, request), "%s", budgets[i]);
        cr_assert_null(refused(agent, "{}"), "%s", budgets[i]);
        (void)snprintf(request, sizeof(request), "{\"%s\":301}", budgets[i]);
        cr_assert_str_eq(refused(agent, request), "budget_not_permitted", "%s", budgets[i]);
        cr_assert_str_eq(failure.param, budgets[i]);
        cr_assert_null(refused("{}", request), "%s", budgets[i]);
    }
}

Test(narrow, an_open_agent_takes_any_tool_of_the_server_but_no_host)
{
    cr_assert_str_eq(refused("{\"tools\":[]}", "{\"tools\":[" CALCULATOR "]}"),
                     "tool_not_permitted");
    cr_assert_str_eq(refused("{\"tool_policy\":\"bound\"}", "{\"tools\":[" CALCULATOR "]}"),
                     "tool_not_permitted");
    cr_assert_null(refused("{\"tool_policy\":\"open\"}", "{\"tools\":[" CALCULATOR "]}"));
    cr_assert_str_eq(refused("{\"tool_policy\":\"open\"}", "{\"http_allow\":[\"a.com\"]}"),
                     "not_permitted");
}

/* The tools of a run that has functions on top of its agent's tools, as JSON. */
static void has_tools(const char *agent, const char *request, const char *expected)
{
    CLEANUP(json_freep) struct json_object *body = NULL;
    CLEANUP(json_freep) struct json_object *made = NULL;
    struct agent_spec spec;
    struct arena arena;
    struct error err;
    struct buf out;

    arena_init(&arena, 0);
    buf_init(&out, 0);
    cr_assert_eq(agent_spec_parse(text_of(agent), &arena, &spec, &err), 0, "%s", agent);
    cr_assert_eq(json_decode(text_of(request), 20, &body, &err), 0, "%s", request);
    cr_assert_eq(run_spec_write(&spec, body, &(struct run_prompt){0}, &out, &failure), 0, "%s",
                 failure.message);
    cr_assert_eq(json_decode(buf_text(&out), 20, &made, &err), 0);
    cr_assert(text_is(json_text(json_get(made, "tools")), expected), "%s", buf_string(&out));
    buf_deinit(&out);
    arena_deinit(&arena);
}

#define OTHER  "{\"type\":\"function\",\"function\":{\"name\":\"g\"}}"
#define STRICT "{\"type\":\"function\",\"function\":{\"name\":\"f\",\"strict\":true}}"

Test(narrow, functions_may_come_on_top_of_the_tools)
{
    has_tools("{}", "{\"functions\":[" FUNCTION "]}", "[" FUNCTION "]");
    has_tools("{\"tools\":[" CALCULATOR "," FUNCTION "]}", "{\"functions\":[" OTHER "]}",
              "[" CALCULATOR "," FUNCTION "," OTHER "]");
    has_tools("{\"tools\":[" CALCULATOR "," FUNCTION "]}",
              "{\"functions\":[" STRICT "],\"tool_choice\":" STRICT "}",
              "[" CALCULATOR "," STRICT "]");
    has_tools("{\"tools\":[" CALCULATOR "," REQUEST "," FUNCTION "]}",
              "{\"tools\":[" CALCULATOR "],\"functions\":[" OTHER "]}",
              "[" CALCULATOR "," OTHER "]");
    cr_assert_str_eq(
        refused("{\"tools\":[" CALCULATOR "]}",
                "{\"functions\":[{\"type\":\"function\",\"function\":{\"name\":\"calculator\"}}]}"),
        "duplicate_value");
}

#define SERVER(label, url, more)                                                                   \
    "[{\"type\":\"mcp\",\"server_label\":\"" label "\",\"server_url\":\"" url "\"" more "}]"
#define NEVER ",\"require_approval\":\"never\""

Test(narrow, what_a_run_says_of_a_server_narrows_or_is_refused)
{
    static const struct {
        const char *agents; /* behind the address */
        const char *said;
        const char *refused; /* the member; NULL: it is taken */
    } cases[] = {
        {"", "\"class\":\"once\"", NULL},
        {"", "\"class\":\"idempotent\"", "class"},
        {",\"trusted\":true", "\"class\":\"pure\"", "class"},
        {",\"class\":\"pure\"", "\"class\":\"idempotent\"", NULL},
        {",\"class\":\"idempotent\"", "\"class\":\"pure\"", "class"},
        {"", "\"trusted\":true", "trusted"},
        {"", "\"trusted\":false", NULL},
        {",\"trusted\":true", "\"trusted\":false", NULL},
        {"", "\"session\":\"run\"", NULL},
        {"", "\"session\":\"shared\"", "session"},
        {",\"session\":\"run\"", "\"session\":\"thread\"", "session"},
        {",\"session\":\"shared\"", "\"session\":\"thread\"", NULL},
        {"", "\"timeout_ms\":1000", NULL},
        {"", "\"timeout_ms\":60001", "timeout_ms"},
        {",\"timeout_ms\":500", "\"timeout_ms\":501", "timeout_ms"},
        {"", "\"max_result_bytes\":256", NULL},
        {"", "\"max_result_bytes\":65537", "max_result_bytes"},
        {"", "\"server_description\":\"d\"", NULL},
        {"", "\"authorization\":\"${secret:A}\"", "authorization"},
        {"", "\"headers\":{\"X-A\":\"b\"}", "headers"},
        {"", "\"server_url\":\"http://b.example/\"", "server_url"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char agents[400];
        char said[400];
        char param[64];
        const char *made;

        snprintf(agents, sizeof(agents), SERVER("desk", "http://a.example/", NEVER "%s"),
                 cases[i].agents);
        snprintf(said, sizeof(said), "[{\"type\":\"mcp\",\"server_label\":\"desk\",%s}]",
                 cases[i].said);
        made = narrowed(narrow_tools, agents, said);
        if (!cases[i].refused) {
            cr_assert(made && strstr(made, cases[i].said) && strstr(made, "a.example"),
                      "%s: %s, %s", said, made ? made : "refused", failure.message);
            continue;
        }
        cr_assert_null(made, "%s", said);
        snprintf(param, sizeof(param), "tools[0].%s", cases[i].refused);
        cr_assert_str_eq(failure.param, param);
        cr_assert_str_eq(failure.code, "tool_not_permitted");
    }
}

Test(narrow, no_spelling_of_a_host_gets_round_the_approvals_of_an_open_agents_server)
{
    static const char *const names[] = {"http://%61.example/mcp", "http://a%2Eexample/",
                                        "https://a.example:0443/", "http://a.example:/"};
    static const char *const addresses[] = {
        "http://93.184.216.34./", "http://93.12113954/",        "http://0x5db8d822/",
        "http://1572395042/x",    "http://0135.184.216.34/",    "http://%39%33.184.216.34/",
        "http://93.184.0xd822/",  "http://[::ffff:5db8:d822]/", "http://[64:ff9b::93.184.216.34]/",
    };
    const char *named = SERVER("desk", "http://a.example/${secret:PATH}", "");
    const char *numbered = SERVER("desk", "http://93.184.216.34/mcp", "");
    const char *six = SERVER("desk", "http://[2001:db8::1]/mcp", "");
    char wanted[512];

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        snprintf(wanted, sizeof(wanted), SERVER("other", "%s", NEVER), names[i]);
        cr_expect_null(narrowed(narrow_open_tools, named, wanted), "%s", names[i]);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(addresses); i++) {
        snprintf(wanted, sizeof(wanted), SERVER("other", "%s", NEVER), addresses[i]);
        cr_expect_null(narrowed(narrow_open_tools, numbered, wanted), "%s", addresses[i]);
    }
    cr_expect_null(
        narrowed(narrow_open_tools, six, SERVER("other", "http://[2001:DB8:0:0::1]/", NEVER)));
    cr_expect_not_null(
        narrowed(narrow_open_tools, numbered, SERVER("other", "http://93.184.216.35/", NEVER)));
}

Test(narrow, no_other_label_gets_round_the_approvals_of_an_open_agents_server)
{
    static const char *const same[] = {
        "http://a.example/mcp",    "http://A.Example/mcp",  "http://a.example:80/mcp",
        "http://a.example./mcp",   "http://a.example/",     "http://a.example?x",
        "http://a.example//mcp?x", "https://a.example/mcp",
    };
    static const char *const others[] = {"http://b.example/mcp", "http://a.example:81/mcp",
                                         "https://a.example:444/mcp", "http://a.example.b/mcp"};
    const char *agents = SERVER("desk", "http://a.example/mcp", "");
    char said[400];

    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        snprintf(said, sizeof(said), SERVER("other", "%s", NEVER), same[i]);
        cr_assert_null(narrowed(narrow_open_tools, agents, said), "%s", said);
        cr_assert_str_eq(failure.code, "approval_not_permitted");
        snprintf(said, sizeof(said), SERVER("other", "%s", ""), same[i]);
        cr_assert_not_null(narrowed(narrow_open_tools, agents, said), "%s: asks by itself", said);
        snprintf(said, sizeof(said),
                 SERVER("other", "%s", ",\"require_approval\":{\"always\":{\"read_only\":true}}"),
                 same[i]);
        cr_assert_null(narrowed(narrow_open_tools, agents, said), "%s", said);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        snprintf(said, sizeof(said), SERVER("other", "%s", NEVER), others[i]);
        cr_assert_not_null(narrowed(narrow_open_tools, agents, said), "%s", said);
    }
    cr_assert_not_null(narrowed(narrow_open_tools, SERVER("desk", "http://a.example/mcp", NEVER),
                                SERVER("other", "http://a.example/mcp", NEVER)));
    cr_assert_null(narrowed(narrow_open_tools, agents, SERVER("desk", "http://b.example/", NEVER)),
                   "nor does another address by the same label");
}

/* A label of the agent's that asks nobody does not help either. */
Test(narrow, a_server_is_not_taken_for_another_one_of_the_agent)
{
    cr_assert_null(narrowed(
        narrow_open_tools,
        "[{\"type\":\"mcp\",\"server_label\":\"desk\",\"server_url\":\"http://a.example/\"},"
        "{\"type\":\"mcp\",\"server_label\":\"free\",\"server_url\":\"http://b.example/\"" NEVER
        "}]",
        SERVER("free", "http://a.example/", NEVER)));
}
