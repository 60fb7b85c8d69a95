/* Rules of approvals: which calls need one, and what a run may say of those of its agent. */

#include <criterion/criterion.h>
#include <stdio.h>

#include "shared/agent/narrow.h"
#include "shared/agent/tools/approval.h"
#include "shared/base/error.h"
#include "shared/check/failure.h"

static struct failure failure;

static struct json_object *must_decode(const char *text)
{
    struct json_object *object = NULL;
    struct error err;

    cr_assert_eq(json_decode(text_of(text), 20, &object, &err), 0, "%s", text);
    return object;
}

static bool needed(const char *rule_text, const char *arguments)
{
    CLEANUP(json_freep) struct json_object *rule = must_decode(rule_text);

    return approval_needed(rule, TEXT("pay"), text_of(arguments));
}

Test(approval, is_needed_always_or_never_where_a_word_says_so)
{
    cr_assert_not(approval_needed(NULL, TEXT("pay"), TEXT("{}")));
    cr_assert_not(needed("\"never\"", "{}"));
    cr_assert(needed("\"always\"", "{}"));
    cr_assert_not(needed("\"never\"", "no JSON"), "a word looks at no arguments");
    cr_assert(needed("\"always\"", "no JSON"));
    cr_assert(needed("\"something\"", "{}"), "what is not known is no permission");
    cr_assert(needed("7", "{}"));
}

Test(approval, follows_from_names_and_always_outranks_never)
{
    cr_assert(needed("{\"always\":{\"tool_names\":[\"pay\"]}}", "{}"));
    cr_assert_not(needed("{\"always\":{\"tool_names\":[\"see\"]}}", "{}"));
    cr_assert_not(needed("{\"never\":{\"tool_names\":[\"see\",\"pay\"]}}", "{}"));
    cr_assert(needed("{\"never\":{\"tool_names\":[\"see\"]}}", "{}"));
    cr_assert(needed("{\"always\":{\"tool_names\":[\"pay\"]},\"never\":{\"tool_names\":[\"pay\"]}}",
                     "{}"));
    cr_assert(
        needed("{\"always\":{\"tool_names\":[\"a\"]},\"never\":{\"tool_names\":[\"b\"]}}", "{}"),
        "named by neither");
}

#define UP_TO "{\"never\":{\"arguments\":[{\"path\":\"/a\",\"min\":0,\"max\":100}]}}"
#define FROM  "{\"always\":{\"arguments\":[{\"path\":\"/a\",\"min\":100}]}}"
#define WORDS "{\"never\":{\"arguments\":[{\"path\":\"/a/b~1c/0\",\"one_of\":[\"x\",1,true]}]}}"
#define ACCOUNT                                                                                    \
    "{\"never\":{\"arguments\":[{\"path\":\"/"                                                     \
    "a\",\"one_of\":[9007199254740992,18446744073709551615]}]}}"
#define LARGE "{\"never\":{\"arguments\":[{\"path\":\"/a\",\"max\":9007199254740992}]}}"

Test(approval, follows_from_arguments)
{
    static const struct {
        const char *rule;
        const char *arguments;
        bool needed;
    } cases[] = {
        {UP_TO, "{\"a\":100}", false},
        {UP_TO, "{\"a\":1e2}", false},
        {UP_TO, "{\"a\":100.5}", true},
        {UP_TO, "{\"a\":-1}", true},
        {UP_TO, "{\"a\":99999999999999999999}", true},
        {UP_TO, "{\"a\":1,\"a\":101}", true}, /* the last one counts, as for the tool */
        {FROM, "{\"a\":99}", false},
        {FROM, "{\"a\":100}", true},
        {ACCOUNT, "{\"a\":9007199254740992}", false},
        {ACCOUNT, "{\"a\":9007199254740992.0}", false},
        {ACCOUNT, "{\"a\":9007199254740993}", true}, /* the same only as doubles */
        {ACCOUNT, "{\"a\":18446744073709551615}", false},
        {ACCOUNT, "{\"a\":18446744073709551614}", true},
        {ACCOUNT, "{\"a\":-9007199254740992}", true},
        {LARGE, "{\"a\":9007199254740992}", false},
        {LARGE, "{\"a\":9007199254740993}", true},
        {LARGE, "{\"a\":-9223372036854775808}", false},
        {WORDS, "{\"a\":{\"b/c\":[\"x\"]}}", false},
        {WORDS, "{\"a\":{\"b/c\":[1.0]}}", false},
        {WORDS, "{\"a\":{\"b/c\":[true]}}", false},
        {WORDS, "{\"a\":{\"b/c\":[\"X\"]}}", true},
        {WORDS, "{\"a\":{\"b/c\":[\"1\"]}}", true},
        {WORDS, "{\"a\":{\"b/c\":[\"x \"]}}", true},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        cr_assert_eq(needed(cases[i].rule, cases[i].arguments), cases[i].needed, "%s of %s",
                     cases[i].rule, cases[i].arguments);
}

Test(approval, is_needed_where_it_is_in_doubt)
{
    static const char *const arguments[] = {
        "{}", "{\"a\":null}", "{\"A\":1}", "{\"a\":\"1\"}", "{\"a\":[1]}", "{\"a\":{}}", "[]", "7",
        "",   "{\"a\":1"};

    for (size_t i = 0; i < ARRAY_LENGTH(arguments); i++) {
        cr_assert(needed(UP_TO, arguments[i]), "never: %s", arguments[i]);
        cr_assert(needed(FROM, arguments[i]), "always: %s", arguments[i]);
    }
}

/* What a run's tools are, NULL: refused. */
static const char *run_tools(bool open, const char *agents, const char *said)
{
    static char shown[1024];
    CLEANUP(json_freep) struct json_object *list = must_decode(said);
    struct buf out;
    int r;

    buf_init(&out, 0);
    r = open ? narrow_open_tools(text_of(agents), list, &out, &failure)
             : narrow_tools(text_of(agents), list, &out, &failure);
    snprintf(shown, sizeof(shown), "%s", buf_string(&out));
    buf_deinit(&out);
    return r < 0 ? NULL : shown;
}

#define TOOL(more)     "[{\"type\":\"calculator\"" more "}]"
#define SAYS(approval) TOOL(",\"require_approval\":" approval)
#define RULE           "{\"always\":{\"arguments\":[{\"path\":\"/a\",\"min\":1}]}}"
#define OTHER          "{\"never\":{\"tool_names\":[\"b\"]}}"

Test(approval, of_an_agent_stays_and_a_run_may_add_its_own)
{
    for (int open = 0; open < 2; open++) {
        cr_assert_str_eq(run_tools(open, SAYS("\"always\""), TOOL("")), SAYS("\"always\""));
        cr_assert_str_eq(run_tools(open, TOOL(""), SAYS("\"always\"")), SAYS("\"always\""));
        cr_assert_str_eq(run_tools(open, SAYS("\"never\""), SAYS(RULE)), SAYS(RULE));
        cr_assert_str_eq(run_tools(open, SAYS(RULE), SAYS("\"always\"")), SAYS("\"always\""));
        cr_assert_str_eq(run_tools(open, SAYS(RULE), SAYS(RULE)), SAYS(RULE));
        cr_assert_str_eq(run_tools(open, SAYS(RULE), SAYS(OTHER)),
                         SAYS(RULE ",\"run_require_approval\":" OTHER));
        cr_assert_str_eq(run_tools(open, TOOL(",\"approval_timeout\":60"), TOOL("")),
                         TOOL(",\"approval_timeout\":60"));
    }
}

Test(approval, can_not_be_taken_away_by_a_run)
{
    static const char *const less[][2] = {
        {SAYS("\"always\""), SAYS("\"never\"")},
        {SAYS(RULE), SAYS("\"never\"")},
        {SAYS("\"always\""), SAYS(OTHER)},
        {SAYS("\"always\",\"approval_timeout\":60"), TOOL(",\"approval_timeout\":61")},
        {SAYS("\"always\""), TOOL(",\"approval_timeout\":43201")},
    };

    for (int open = 0; open < 2; open++) {
        for (size_t i = 0; i < ARRAY_LENGTH(less); i++) {
            cr_assert_null(run_tools(open, less[i][0], less[i][1]), "%s", less[i][1]);
            cr_assert_str_eq(failure.code, "approval_not_permitted");
            cr_assert_eq(failure.status, 400);
        }
    }
    cr_assert_str_eq(run_tools(false, SAYS("\"always\",\"approval_timeout\":60"),
                               TOOL(",\"approval_timeout\":60")),
                     SAYS("\"always\",\"approval_timeout\":60"));
}
