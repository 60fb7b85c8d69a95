/* What a run's request makes of its agent's budget, and which budgets there are. */

#include <criterion/criterion.h>
#include <stdio.h>

#include "shared/agent/checks.h"
#include "shared/agent/narrow.h"
#include "shared/base/error.h"
#include "shared/check/failure.h"

static struct failure failure;
static char shown[512];

static const char *narrowed(const char *agents, const char *said)
{
    CLEANUP(json_freep) struct json_object *object = NULL;
    struct error err;
    struct buf out;
    int r;

    cr_assert_eq(json_decode(text_of(said), 20, &object, &err), 0, "%s", said);
    buf_init(&out, 0);
    r = narrow_budget(agents ? text_of(agents) : TEXT_NONE, object, &out, &failure);
    (void)snprintf(shown, sizeof(shown), "%s", buf_string(&out));
    buf_deinit(&out);
    return r < 0 ? NULL : shown;
}

#define FALLBACK "\"at_limit\":\"fallback\",\"fallback_model\":\"x/small\""

Test(narrow_budget, a_run_without_an_agents_has_its_own)
{
    cr_expect_str_eq(narrowed(NULL, "{\"max_tokens\":5}"),
                     "{\"max_tokens\":5,\"at_limit\":\"end\"}");
    cr_expect_str_eq(narrowed(NULL, "{\"max_cost_micros\":7," FALLBACK "}"),
                     "{\"max_cost_micros\":7," FALLBACK "}");
}

Test(narrow_budget, the_smaller_sum_counts_and_what_is_not_said_stays)
{
    const char *agents = "{\"max_tokens\":100,\"max_cost_micros\":50," FALLBACK "}";

    cr_expect_str_eq(narrowed(agents, "{\"max_tokens\":90}"),
                     "{\"max_tokens\":90,\"max_cost_micros\":50," FALLBACK "}");
    cr_expect_str_eq(narrowed(agents, "{\"max_cost_micros\":50,\"at_limit\":\"end\"}"),
                     "{\"max_tokens\":100,\"max_cost_micros\":50,\"at_limit\":\"end\"}");
    cr_expect_str_eq(narrowed("{\"max_tokens\":100}", "{\"max_cost_micros\":50}"),
                     "{\"max_tokens\":100,\"max_cost_micros\":50,\"at_limit\":\"end\"}");
}

static void refused(const char *agents, const char *said, const char *param)
{
    cr_expect_null(narrowed(agents, said), "%s", said);
    cr_expect_eq(failure.status, 400);
    cr_expect_str_eq(failure.code, "budget_not_permitted");
    cr_expect_str_eq(failure.param, param);
}

Test(narrow_budget, nothing_of_an_agents_budget_can_be_raised)
{
    refused("{\"max_tokens\":100}", "{\"max_tokens\":101}", "budget.max_tokens");
    refused("{\"max_cost_micros\":9}", "{\"max_cost_micros\":10}", "budget.max_cost_micros");
    refused("{\"max_tokens\":100}", "{\"max_tokens\":9," FALLBACK "}", "budget.at_limit");
    refused("{\"max_tokens\":100," FALLBACK "}",
            "{\"max_tokens\":9,\"at_limit\":\"fallback\",\"fallback_model\":\"x/dear\"}",
            "budget.fallback_model");
}

static const char *checked(const char *budget)
{
    CLEANUP(json_freep) struct json_object *object = NULL;
    struct path path = {NULL, "budget", 0};
    struct error err;

    cr_assert_eq(json_decode(text_of(budget), 20, &object, &err), 0, "%s", budget);
    return check_budget(object, &path, &failure) == 0 ? NULL : failure.param;
}

Test(narrow_budget, a_budget_limits_something_and_says_what_then)
{
    cr_expect_null(checked("{\"max_tokens\":1}"));
    cr_expect_null(checked("{\"max_cost_micros\":1,\"max_tokens\":null,\"at_limit\":\"end\"}"));
    cr_expect_null(checked("{\"max_tokens\":1," FALLBACK "}"));
    cr_expect_str_eq(checked("{}"), "budget");
    cr_expect_str_eq(checked("{\"at_limit\":\"end\"}"), "budget");
    cr_expect_str_eq(checked("{\"max_tokens\":0}"), "budget.max_tokens");
    cr_expect_str_eq(checked("{\"max_tokens\":\"5\"}"), "budget.max_tokens");
    cr_expect_str_eq(checked("{\"max_tokens\":1,\"at_limit\":\"park\"}"), "budget.at_limit");
    cr_expect_str_eq(checked("{\"max_tokens\":1,\"at_limit\":\"fallback\"}"),
                     "budget.fallback_model");
    cr_expect_str_eq(checked("{\"max_tokens\":1,\"fallback_model\":\"x/y\"}"),
                     "budget.fallback_model");
    cr_expect_str_eq(checked("{\"max_tokens\":1,\"fallback_model\":\"x y\"}"),
                     "budget.fallback_model");
    cr_expect_str_eq(checked("{\"max_tokens\":1,\"period\":\"day\"}"), "budget.period");
}
