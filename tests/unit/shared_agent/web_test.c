/* What an agent and a run say of the tools that read the web. */

#include <criterion/criterion.h>

#include "shared/agent/checks.h"
#include "shared/agent/narrow.h"
#include "shared/base/error.h"
#include "shared/check/failure.h"

static struct failure failure;

static int check(const char *tools)
{
    CLEANUP(json_freep) struct json_object *list = NULL;
    struct path path = {NULL, "tools", 0};
    struct error err;

    cr_assert_eq(json_decode(text_of(tools), 20, &list, &err), 0, "%s", tools);
    return check_tools(list, &path, &failure);
}

Test(web_tools, say_of_which_domains_they_are)
{
    cr_assert_eq(check("[{\"type\":\"web_search\"},{\"type\":\"read_page\"}]"), 0);
    cr_assert_eq(check("[{\"type\":\"web_search\",\"filters\":{\"allowed_domains\":[\"a.example\"],"
                       "\"blocked_domains\":[]},\"search_context_size\":\"low\"}]"),
                 0);
    cr_assert_eq(check("[{\"type\":\"read_page\",\"filters\":null,\"robots\":\"ignore\"}]"), 0);
}

Test(web_tools, are_refused_with_what_is_wrong)
{
    static const struct {
        const char *tools;
        const char *param;
    } rows[] = {
        {"[{\"type\":\"web_search\",\"filters\":{\"allowed_domains\":[\"https://a\"]}}]",
         "tools[0].filters.allowed_domains[0]"},
        {"[{\"type\":\"read_page\",\"filters\":{\"blocked_domains\":[7]}}]",
         "tools[0].filters.blocked_domains[0]"},
        {"[{\"type\":\"web_search\",\"filters\":{\"domains\":[]}}]", "tools[0].filters.domains"},
        {"[{\"type\":\"web_search\",\"robots\":\"obey\"}]", "tools[0].robots"},
        {"[{\"type\":\"read_page\",\"robots\":\"never\"}]", "tools[0].robots"},
        {"[{\"type\":\"web_search\",\"search_context_size\":\"huge\"}]",
         "tools[0].search_context_size"},
        {"[{\"type\":\"web_search\",\"class\":\"once\"}]", "tools[0].class"},
        {"[{\"type\":\"web_search\"},{\"type\":\"web_search\"}]", "tools[1]"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        cr_assert_eq(check(rows[i].tools), -E_INVALID, "%s", rows[i].tools);
        cr_assert_str_eq(failure.param, rows[i].param, "%s: %s", rows[i].tools, failure.param);
    }
}

static void check_narrowed(const char *agents, const char *said, const char *expected)
{
    CLEANUP(json_freep) struct json_object *list = NULL;
    CLEANUP(buf_deinit) struct buf out;
    struct error err;
    int r;

    cr_assert_eq(json_decode(text_of(said), 20, &list, &err), 0, "%s", said);
    buf_init(&out, 0);
    r = narrow_tools(text_of(agents), list, &out, &failure);
    if (expected)
        cr_assert_str_eq(buf_string(&out), expected, "%s", buf_string(&out));
    cr_assert_eq(r, expected ? 0 : -E_INVALID, "%s", said);
}

#define ANY "[{\"type\":\"web_search\"}]"
#define FILTER                                                                                     \
    "\"filters\":{\"allowed_domains\":[\"a.example\"],\"blocked_domains\":[\"x.a.example\"]}"

Test(web_tools, of_a_run_are_those_of_its_agent_or_narrower)
{
    check_narrowed(ANY, ANY, ANY);
    check_narrowed("[{\"type\":\"web_search\"," FILTER "}]", ANY,
                   "[{\"type\":\"web_search\"," FILTER "}]");
    check_narrowed(ANY, "[{\"type\":\"web_search\"," FILTER "}]",
                   "[{\"type\":\"web_search\"," FILTER "}]");
    check_narrowed("[{\"type\":\"web_search\"," FILTER "}]",
                   "[{\"type\":\"web_search\",\"filters\":{\"allowed_domains\":[\"b.a.example\"],"
                   "\"blocked_domains\":[\"c.a.example\"]}}]",
                   "[{\"type\":\"web_search\",\"filters\":{\"allowed_domains\":[\"b.a.example\"],"
                   "\"blocked_domains\":[\"x.a.example\",\"c.a.example\"]}}]");
    check_narrowed("[{\"type\":\"web_search\"," FILTER "}]",
                   "[{\"type\":\"web_search\",\"filters\":{\"allowed_domains\":[]}}]",
                   "[{\"type\":\"web_search\"," FILTER "}]");
    check_narrowed("[{\"type\":\"read_page\",\"robots\":\"ignore\"}]",
                   "[{\"type\":\"read_page\",\"robots\":\"obey\"}]",
                   "[{\"type\":\"read_page\",\"robots\":\"obey\"}]");
}

Test(web_tools, of_a_run_can_not_be_wider)
{
    check_narrowed("[{\"type\":\"web_search\"," FILTER "}]",
                   "[{\"type\":\"web_search\",\"filters\":{\"allowed_domains\":[\"a.example\","
                   "\"b.example\"]}}]",
                   NULL);
    cr_assert_str_eq(failure.param, "tools[0].filters.allowed_domains[1]");
    cr_assert_str_eq(failure.code, "not_permitted");
    check_narrowed("[{\"type\":\"web_search\"," FILTER "}]",
                   "[{\"type\":\"web_search\",\"filters\":{\"allowed_domains\":[\"example\"]}}]",
                   NULL);
    check_narrowed("[{\"type\":\"read_page\"}]", "[{\"type\":\"read_page\",\"robots\":\"ignore\"}]",
                   NULL);
    cr_assert_str_eq(failure.param, "tools[0].robots");
    check_narrowed("[{\"type\":\"read_page\"}]", ANY, NULL);
    cr_assert_str_eq(failure.code, "tool_not_permitted");
}
