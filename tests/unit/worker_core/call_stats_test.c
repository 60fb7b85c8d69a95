/* What is counted of calls, as the page shows it. */

#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#include "shared/metrics/metric_table.h"
#include "worker/stats/call_stats.h"

static struct call_stats *stats;
static struct buf page;

static void begin(void)
{
    stats = call_stats_new();
    buf_init(&page, 0);
}

static void end(void)
{
    call_stats_free(stats);
    buf_deinit(&page);
}

static void call(const char *provider, const char *model, enum provider_failure failure)
{
    struct provider_target target = {.provider_name = provider};
    struct chat_usage usage = {.input_tokens = 10, .output_tokens = 3};

    snprintf(target.model, sizeof(target.model), "%s", model);
    call_stats_model(stats, &target, failure, &usage, 200000);
}

static bool shows(const char *line)
{
    buf_reset(&page);
    metric_table_render(&call_stats_table, stats, &page);
    return strstr(buf_string(&page), line);
}

Test(call_stats, have_lines_by_provider_and_model, .init = begin, .fini = end)
{
    call("openai", "gpt-4o", PROVIDER_OK);
    call("openai", "gpt-4o", PROVIDER_OK);
    call("openai", "gpt-4o", PROVIDER_RATE_LIMITED);
    call("local", "tiny", PROVIDER_OK);
    cr_assert(
        shows("\npenstock_worker_model_calls_total{provider=\"openai\",model=\"gpt-4o\"} 3\n"));
    cr_assert(
        shows("\npenstock_worker_input_tokens_total{provider=\"local\",model=\"tiny\"} 10\n"));
    cr_assert(
        shows("\npenstock_worker_output_tokens_total{provider=\"openai\",model=\"gpt-4o\"} 9\n"));
    cr_assert(shows("\npenstock_worker_model_failures_total{provider=\"openai\","
                    "class=\"rate_limited\"} 1\n"));
    cr_assert(shows("\npenstock_worker_model_call_seconds_bucket{provider=\"openai\","
                    "outcome=\"answered\",le=\"0.25\"} 2\n"));
    cr_assert(shows("\npenstock_worker_model_call_seconds_count{provider=\"openai\","
                    "outcome=\"failed\"} 1\n"));
}

Test(call_stats, of_models_that_never_answered_are_together, .init = begin, .fini = end)
{
    char name[32];

    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "invented-%d", i);
        call("openai", name, PROVIDER_BAD_REQUEST);
    }
    call("openai", "gpt-4o", PROVIDER_OK);
    cr_assert(
        shows("\npenstock_worker_model_calls_total{provider=\"openai\",model=\"gpt-4o\"} 1\n"));
    cr_assert(
        shows("\npenstock_worker_model_calls_total{provider=\"other\",model=\"other\"} 1000\n"));
    cr_assert_not(shows("invented"));
}

Test(call_stats, of_models_that_answer_are_bounded_too, .init = begin, .fini = end)
{
    char name[32];

    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof(name), "model-%d", i);
        call("openai", name, PROVIDER_OK);
    }
    cr_assert(
        shows("\npenstock_worker_model_calls_total{provider=\"openai\",model=\"model-63\"} 1\n"));
    cr_assert_not(shows("model=\"model-64\""));
    cr_assert(
        shows("\npenstock_worker_model_calls_total{provider=\"other\",model=\"other\"} 9936\n"));
    cr_assert(shows("_bucket{provider=\"openai\",outcome=\"answered\",le=\"0.25\"} 10000\n"));
}

Test(call_stats, are_bounded_whatever_clients_call_their_tools, .init = begin, .fini = end)
{
    char name[200];
    size_t lines = 0;

    for (int i = 0; i < 100000; i++) {
        int len = snprintf(name, sizeof(name), "tool \"%d\"\n%0100d", i, i);

        call_stats_tool(stats, TEXT("client"), (struct text){name, (size_t)len}, i % 2 == 0, 50);
    }
    cr_assert(shows("penstock_worker_tool_calls_total{source=\"other\",tool=\"other\"} 99936\n"));
    cr_assert(shows("penstock_worker_tool_errors_total{source=\"client\",tool=\"tool \\\"0\\\"?0"));
    for (const char *at = buf_string(&page); (at = strchr(at, '\n')); at++)
        lines++;
    cr_assert_lt(lines, (CALL_STATS_TOOLS + 1) * 17 + 50, "%zu lines", lines);
}

#define RUNS "penstock_worker_run_seconds_"

Test(call_stats, runs_are_by_the_slug_of_their_agent_and_how_they_ended, .init = begin, .fini = end)
{
    call_stats_run(stats, TEXT("mailer"), true, 2000000);
    call_stats_run(stats, TEXT("mailer"), false, 20000);
    call_stats_run(stats, TEXT_NONE, true, 20000);
    cr_assert(shows(RUNS "sum{agent=\"mailer\",outcome=\"completed\"} 2\n"));
    cr_assert(shows(RUNS "count{agent=\"mailer\",outcome=\"other\"} 1\n"));
    cr_assert(shows(RUNS "count{agent=\"none\",outcome=\"completed\"} 1\n"));
    cr_assert_not(shows(RUNS "count{agent=\"none\",outcome=\"other\"}"));
}

Test(call_stats, of_agents_are_bounded, .init = begin, .fini = end)
{
    for (int i = 0; i < 10000; i++) {
        char name[16];
        int len = snprintf(name, sizeof(name), "agent%d", i);

        call_stats_run(stats, (struct text){name, (size_t)len}, true, 1);
    }
    cr_assert(shows(RUNS "count{agent=\"agent63\",outcome=\"completed\"} 1\n"));
    cr_assert_not(shows("{agent=\"agent64\","));
    cr_assert(shows(RUNS "count{agent=\"other\",outcome=\"completed\"} 9936\n"));
}

Test(call_stats, the_first_token_is_timed_by_provider, .init = begin, .fini = end)
{
    const struct provider_target target = {.provider_name = "openai"};

    cr_assert_not(shows("penstock_worker_first_token_seconds_count"));
    call_stats_first_token(stats, &target, 300000);
    cr_assert(shows("penstock_worker_first_token_seconds_sum{provider=\"openai\"} 0.3\n"));
    cr_assert(
        shows("penstock_worker_first_token_seconds_bucket{provider=\"openai\",le=\"0.25\"} 0\n"));
}
