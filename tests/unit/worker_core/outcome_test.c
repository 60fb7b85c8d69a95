/* The retry policy, class by class. */

#include <criterion/criterion.h>

#include "worker/run/outcome.h"

static struct outcome decide(enum provider_failure failure, int64_t retry_after_ms, int attempts,
                             uint32_t random)
{
    struct outcome_input input = {.failure = failure,
                                  .retry_after_ms = retry_after_ms,
                                  .left_ms = INT64_MAX,
                                  .attempts = attempts,
                                  .random = random};

    return outcome_decide(&input);
}

Test(outcome, transient_failures_back_off_exponentially_with_jitter)
{
    static const enum provider_failure transient[] = {PROVIDER_OVERLOADED, PROVIDER_TIMED_OUT,
                                                      PROVIDER_STREAM_CUT};

    for (size_t i = 0; i < ARRAY_LENGTH(transient); i++) {
        for (int attempts = 0; attempts < OUTCOME_ATTEMPTS_MAX - 1; attempts++) {
            struct outcome low = decide(transient[i], -1, attempts, 0);
            struct outcome high = decide(transient[i], -1, attempts, UINT32_MAX);

            cr_assert_eq(low.wait_ms, (int64_t)125 << attempts);
            cr_assert_leq(high.wait_ms, (int64_t)250 << attempts);
            cr_assert_gt(high.wait_ms, low.wait_ms);
            cr_assert(low.counts);
        }
    }
}

Test(outcome, short_waits_stay_in_the_fiber_and_long_ones_go_back_to_the_queue)
{
    cr_assert_eq(decide(PROVIDER_OVERLOADED, -1, 0, 0).action, OUTCOME_RETRY);
    cr_assert_eq(decide(PROVIDER_OVERLOADED, -1, 6, 0).action, OUTCOME_HAND_BACK);
    cr_assert_eq(decide(PROVIDER_RATE_LIMITED, 1000, 0, 0).action, OUTCOME_RETRY);
    cr_assert_eq(decide(PROVIDER_RATE_LIMITED, 60000, 0, 0).action, OUTCOME_HAND_BACK);
}

Test(outcome, without_memory_for_a_reply_the_run_leaves_its_worker)
{
    cr_assert_eq(decide(PROVIDER_NO_ROOM, -1, 0, 0).action, OUTCOME_HAND_BACK);
    cr_assert(decide(PROVIDER_NO_ROOM, -1, 0, 0).counts, "each try is paid for");
    cr_assert_geq(decide(PROVIDER_NO_ROOM, -1, 0, 0).wait_ms, 1000);
    cr_assert_eq(decide(PROVIDER_NO_ROOM, -1, OUTCOME_ATTEMPTS_MAX - 1, 0).action, OUTCOME_FAIL);
}

Test(outcome, a_reply_that_gave_way_to_somebody_who_waits_is_no_attempt)
{
    struct outcome_input input = {.failure = PROVIDER_NO_ROOM,
                                  .retry_after_ms = -1,
                                  .left_ms = INT64_MAX,
                                  .attempts = OUTCOME_ATTEMPTS_MAX - 1,
                                  .gave_way = true};
    struct outcome outcome = outcome_decide(&input);

    cr_assert_eq(outcome.action, OUTCOME_HAND_BACK);
    cr_assert_not(outcome.counts);
    cr_assert_geq(outcome.wait_ms, 1000);
}

Test(outcome, waiting_for_a_provider_that_is_left_alone_is_no_attempt)
{
    struct outcome_input input = {.failure = PROVIDER_OVERLOADED,
                                  .retry_after_ms = 5000,
                                  .left_ms = 60000,
                                  .attempts = OUTCOME_ATTEMPTS_MAX - 1,
                                  .held = true};
    struct outcome outcome = outcome_decide(&input);

    cr_assert_eq(outcome.action, OUTCOME_HAND_BACK);
    cr_assert_not(outcome.counts, "another one's trial may take as long as an answer does");
    cr_assert_geq(outcome.wait_ms, 5000);
    input.left_ms = 3000;
    cr_assert_eq(outcome_decide(&input).wait_ms, 3000, "not beyond the deadline");
}

Test(outcome, attempts_are_capped)
{
    struct outcome last = decide(PROVIDER_OVERLOADED, -1, OUTCOME_ATTEMPTS_MAX - 1, 0);

    cr_assert_eq(last.action, OUTCOME_FAIL);
    cr_assert_str_eq(last.code, "server_error");
    cr_assert_eq(decide(PROVIDER_OVERLOADED, 5, 100, 0).action, OUTCOME_FAIL);
    cr_assert_eq(decide(PROVIDER_MALFORMED_REPLY, -1, 1, 0).action, OUTCOME_RETRY);
    cr_assert_eq(decide(PROVIDER_MALFORMED_REPLY, -1, 2, 0).action, OUTCOME_FAIL);
    cr_assert_eq(decide(PROVIDER_EMPTY_REPLY, -1, 0, 0).action, OUTCOME_RETRY);
    cr_assert_eq(decide(PROVIDER_EMPTY_REPLY, -1, 1, 0).action, OUTCOME_FAIL);
    cr_assert_eq(decide(PROVIDER_REPLY_TOO_LARGE, -1, 0, 0).action, OUTCOME_FAIL);
}

Test(outcome, a_rate_limit_never_counts_and_is_never_cut_short)
{
    for (int64_t asked_ms = 0; asked_ms < 200000; asked_ms += 777) {
        struct outcome low = decide(PROVIDER_RATE_LIMITED, asked_ms, 1000, 0);
        struct outcome high = decide(PROVIDER_RATE_LIMITED, asked_ms, 1000, UINT32_MAX);

        cr_assert_not(low.counts);
        cr_assert_geq(low.wait_ms, asked_ms);
        cr_assert_leq(high.wait_ms, asked_ms + asked_ms / 10 + 5000);
    }
    cr_assert_geq(decide(PROVIDER_RATE_LIMITED, -1, 0, 0).wait_ms, 500);
}

Test(outcome, what_no_retry_cures_ends_the_run)
{
    cr_assert_eq(decide(PROVIDER_QUOTA, 1000, 0, 0).action, OUTCOME_FAIL);
    cr_assert_str_eq(decide(PROVIDER_QUOTA, -1, 0, 0).code, "rate_limit_exceeded");
    cr_assert_eq(decide(PROVIDER_AUTH, -1, 0, 0).action, OUTCOME_FAIL);
    cr_assert_eq(decide(PROVIDER_BAD_REQUEST, -1, 0, 0).action, OUTCOME_FAIL);
    cr_assert_eq(decide(PROVIDER_CONTEXT_OVERFLOW, -1, 0, 0).action, OUTCOME_INCOMPLETE);
    cr_assert_str_eq(decide(PROVIDER_CONTEXT_OVERFLOW, -1, 0, 0).code, "max_prompt_tokens");
}

Test(outcome, a_rate_limit_without_a_time_is_waited_for_longer_each_time_up_to_a_cap)
{
    struct outcome_input input = {
        .failure = PROVIDER_RATE_LIMITED, .retry_after_ms = -1, .left_ms = INT64_MAX};

    for (input.limited = 0; input.limited < 40; input.limited++) {
        int64_t base_ms = input.limited < 5 ? (int64_t)1000 << input.limited : 30000;
        struct outcome low;
        struct outcome high;

        input.random = 0;
        low = outcome_decide(&input);
        input.random = UINT32_MAX;
        high = outcome_decide(&input);
        cr_assert_eq(low.wait_ms, base_ms / 2);
        cr_assert_leq(high.wait_ms, base_ms);
        cr_assert_gt(high.wait_ms, low.wait_ms);
        cr_assert_not(high.counts);
    }
}

Test(outcome, no_wait_goes_beyond_the_deadline)
{
    struct outcome_input input = {
        .failure = PROVIDER_RATE_LIMITED, .retry_after_ms = 86400000, .left_ms = 5000};

    cr_assert_eq(outcome_decide(&input).wait_ms, 5000);
    cr_assert_eq(outcome_decide(&input).action, OUTCOME_HAND_BACK);
    input.left_ms = 700;
    cr_assert_eq(outcome_decide(&input).action, OUTCOME_RETRY);
    input.left_ms = -3;
    cr_assert_eq(outcome_decide(&input).wait_ms, 0);
    input.failure = PROVIDER_OVERLOADED;
    cr_assert_eq(outcome_decide(&input).wait_ms, 0);
}
