/* Limits of keys and models, on a clock that the test moves. */

#include <stdio.h>

#include <criterion/criterion.h>

#include "providers/rehearsal/meters.h"
#include "shared/json/json.h"
#include "support.h"

#define SECOND_US INT64_C(1000000)

static struct meters meters;
static struct script *script;
static struct problem problem;
static int64_t now_us = 5 * SECOND_US;

static void begin(const char *limits)
{
    CLEANUP(buf_deinit) struct buf yaml = {0};

    buf_init(&yaml, 0);
    buf_printf(&yaml, "limits:\n%s\nrules: [{then: {text: a}}]", limits);
    script = play_script(buf_string(&yaml));
    meters_init(&meters, script);
}

static void end(void)
{
    meters_deinit(&meters);
    script_freep(&script);
}

static struct meter *meter_of(const char *key, const char *model)
{
    return meters_find(&meters, text_of(key), text_of(model), now_us);
}

static bool admit(struct meter *meter, int64_t tokens)
{
    return meter_admit(meter, tokens, now_us, &problem);
}

static struct limit_state state_of(struct meter *meter, enum limit_kind kind)
{
    struct limit_state states[LIMIT_KINDS];

    meter_states(meter, now_us, 1000, states);
    return states[kind];
}

Test(meters, requests_fill_up_evenly)
{
    struct meter *meter;

    begin("  - {requests_per_minute: 6}");
    meter = meter_of("k", "m");
    for (int i = 0; i < 6; i++)
        cr_assert(admit(meter, 1), "%d", i);
    cr_assert_not(admit(meter, 1));
    cr_assert_eq(problem.kind, PROBLEM_LIMIT);
    cr_assert_eq(problem.status, 429);
    cr_assert_eq(problem.limit, LIMIT_REQUESTS);
    cr_assert_eq(problem.allowed, 6);
    cr_assert_eq(problem.used, 6);
    cr_assert_eq(problem.retry_after_ms, 10000);
    now_us += 9 * SECOND_US;
    cr_assert_not(admit(meter, 1));
    cr_assert_eq(problem.retry_after_ms, 1000);
    now_us += SECOND_US;
    cr_assert(admit(meter, 1));
    cr_assert_not(admit(meter, 1));
    now_us += 3600 * SECOND_US;
    for (int i = 0; i < 6; i++)
        cr_assert(admit(meter, 1));
    cr_assert_not(admit(meter, 1), "it holds no more than a minute's");
    cr_assert_eq(meter->requests, 13);
    cr_assert_eq(meter->limited, 4);
    end();
}

Test(meters, tokens_are_taken_before_and_after)
{
    struct meter *meter;

    begin("  - {tokens_per_minute: 600, input_tokens_per_minute: 400, output_tokens_per_minute: "
          "100}");
    meter = meter_of("k", "m");
    cr_assert(admit(meter, 100));
    meter_charge(meter, 20, 60, now_us);
    cr_assert_eq(state_of(meter, LIMIT_TOKENS).remaining, 420);
    cr_assert_eq(state_of(meter, LIMIT_TOKENS).reset_ms, 18000);
    cr_assert_eq(state_of(meter, LIMIT_TOKENS).reset_wall_ms, 19000);
    cr_assert_eq(state_of(meter, LIMIT_INPUT_TOKENS).remaining, 280);
    cr_assert_eq(state_of(meter, LIMIT_OUTPUT_TOKENS).remaining, 40);
    cr_assert_eq(state_of(meter, LIMIT_REQUESTS).allowed, 0);
    cr_assert(admit(meter, 1));
    meter_charge(meter, 0, 140, now_us);
    cr_assert_eq(state_of(meter, LIMIT_OUTPUT_TOKENS).remaining, 0, "a debt of 100");
    cr_assert_not(admit(meter, 1));
    cr_assert_eq(problem.limit, LIMIT_OUTPUT_TOKENS);
    cr_assert_eq(problem.retry_after_ms, 60600);
    cr_assert_eq(meter->tokens, 100 + 20 + 60 + 1 + 140);
    end();
}

Test(meters, a_request_beyond_the_whole_limit_never_fits)
{
    begin("  - {tokens_per_minute: 100}");
    cr_assert_not(admit(meter_of("k", "m"), 101));
    cr_assert(problem.never);
    cr_assert_eq(problem.asked, 101);
    cr_assert(admit(meter_of("k", "m"), 100));
    end();
}

Test(meters, calls_at_once_and_a_day_of_them)
{
    struct meter *meter;

    begin("  - {concurrent: 2, requests_per_day: 3}");
    meter = meter_of("k", "m");
    cr_assert(admit(meter, 1) && admit(meter, 1));
    cr_assert_not(admit(meter, 1));
    cr_assert_eq(problem.limit, LIMIT_CONCURRENT);
    cr_assert_eq(meter->peak_in_flight, 2);
    meter_leave(meter);
    cr_assert(admit(meter, 1));
    meter_leave(meter);
    cr_assert_not(admit(meter, 1));
    cr_assert_eq(problem.limit, LIMIT_REQUESTS_DAY);
    cr_assert_eq(problem.retry_after_ms, 28800000);
    cr_assert_eq(meter->in_flight, 1);
    end();
}

Test(meters, each_key_and_model_has_its_own_and_the_first_limit_that_fits)
{
    begin("  - {key: 'paid*', requests_per_minute: 2}\n"
          "  - {model: 'gpt-*', requests_per_minute: 1}");
    cr_assert(admit(meter_of("free", "gpt-1"), 1));
    cr_assert_not(admit(meter_of("free", "gpt-1"), 1));
    cr_assert(admit(meter_of("free", "gpt-2"), 1));
    cr_assert(admit(meter_of("other", "gpt-1"), 1));
    cr_assert(admit(meter_of("paid-1", "gpt-1"), 1) && admit(meter_of("paid-1", "gpt-1"), 1));
    cr_assert_not(admit(meter_of("paid-1", "gpt-1"), 1));
    for (int i = 0; i < 100; i++)
        cr_assert(admit(meter_of("free", "llama"), 1), "no limit fits it");
    cr_assert_null(meter_of("free", "llama")->limit);
    end();
}

Test(meters, there_are_only_so_many)
{
    char key[16];

    begin("  - {requests_per_minute: 1}");
    for (int i = 0; i < METERS_MAX + 10; i++) {
        snprintf(key, sizeof(key), "key-%d", i);
        cr_assert(admit(meter_of(key, "m"), 1));
    }
    cr_assert_eq(meters.count, METERS_MAX);
    cr_assert_eq(meters.rest.requests, 10);
    end();
}

Test(meters, keys_are_shown_by_their_last_four_letters)
{
    static const char *const cases[][2] = {
        {"sk-secret-abcd", "\u2026abcd"}, {"abc", "\u2026abc"}, {"", ""}};

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        CLEANUP(buf_deinit) struct buf masked = {0};

        buf_init(&masked, 0);
        key_masked(text_of(cases[i][0]), &masked);
        cr_assert_str_eq(buf_string(&masked), cases[i][1]);
    }
}
