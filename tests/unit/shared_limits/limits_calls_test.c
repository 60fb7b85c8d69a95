/* Calls at once. */

#include "tests/unit/shared_limits/bench.h"

LIMITS_TEST(calls_at_once_are_counted_until_they_are_settled, 10)
{
    struct limit_place bucket = {.key = TEXT("b"), .rates = {.calls = 2}};
    struct limit_ask ask = ask_of(&bucket, "one");
    struct limit_settlement settlement = settled(0, 0);
    struct limit_grant grant;

    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
    ask.id = TEXT("two");
    ask.call_ms = 150;
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
    ask.id = TEXT("three");
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), LIMITS_LATER);
    cr_assert_geq(grant.wait_ms, 50);
    cr_assert_eq(fiber_sleep(200, NULL), 0); /* the second is given up */
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
    ask.id = TEXT("four");
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), LIMITS_LATER);
    ask.id = TEXT("one");
    limits_settle(bench->limits, &ask, &grant, &settlement);
    ask.id = TEXT("four");
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
}

/* As a run whose worker was killed in the midst of its call, and that goes on with another one. */
LIMITS_TEST(who_asks_again_has_no_call_under_way, 30)
{
    struct limit_place also = {.key = TEXT("p"), .rates = {.calls = 2}};
    struct limit_place bucket = {.key = TEXT("b"), .rates = {.calls = 2}};
    struct limit_ask ask = ask_of(&bucket, "one");
    struct limit_grant grant;

    ask.also = &also;
    ask.also_count = 1;
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
    ask.id = TEXT("two");
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
    ask.id = TEXT("three");
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), LIMITS_LATER);
}

/* A provider of one call at once, and a tenant whose turn comes in a second. */
static void waits_outside(struct bench *bench)
{
    struct limit_place also[2] = {{.key = TEXT("p"), .rates = {.calls = 1}},
                                  place("t", LIMIT_REQUESTS, 60)};
    struct limit_place free = {.key = TEXT("k")};
    struct limit_ask ask = ask_of(&free, "burst");
    struct limit_grant grant;

    ask.also = &also[1];
    ask.also_count = 1;
    do
        cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
    while (grant.wait_ms < 100);
    ask.also = also;
    ask.also_count = 2;
    ask.id = TEXT("limited");
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), LIMITS_LATER);
    cr_assert(grant.wait_ms > 900 && grant.wait_ms <= 2002, "%lld", (long long)grant.wait_ms);
    ask.id = TEXT("other");
    ask.also_count = 1;
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0, "nobody is calling");
}

LIMITS_TEST(who_waits_for_his_turn_does_not_count_as_calling, 17)
{
    waits_outside(bench);
}

struct canceled {
    struct bench *bench;
    struct limit_ask ask;
    int result;
};

static void ask_until_canceled(void *arg)
{
    struct canceled *canceled = arg;
    struct limit_grant grant;
    struct error own;

    canceled->result = limits_take(canceled->bench->limits, &canceled->ask, &grant, &own);
}

LIMITS_TEST(who_is_cancelled_while_he_asks_keeps_no_call, 18)
{
    struct limit_place bucket = {.key = TEXT("b"), .rates = {.calls = 1}};
    struct canceled canceled = {.bench = bench, .ask = ask_of(&bucket, "gone")};
    struct limit_settlement settlement = settled(0, 0);
    struct limit_ask ask = ask_of(&bucket, "next");
    struct limit_grant grant;
    struct fiber *fiber;

    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0); /* Redis has the script now */
    limits_settle(bench->limits, &ask, &grant, &settlement);
    fiber = fiber_start("canceled", ask_until_canceled, &canceled);
    fiber_yield();
    fiber_cancel(fiber);
    fiber_join(fiber);
    cr_assert_eq(canceled.result, -E_CANCELED);
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0, "%lld",
                 (long long)grant.wait_ms);
}

static void own_calls(void *arg)
{
    const struct redis_options options = {.url = "redis://127.0.0.1:9"};
    struct limit_place bucket = {.key = TEXT("b")};
    struct limit_place tenant = place("t2", LIMIT_REQUESTS, 6000);
    struct limit_settlement settlement = settled(0, 0);
    struct limit_ask unlimited;
    struct limit_ask ask;
    struct limit_grant first;
    struct limit_grant grant;
    struct bench bench;

    (void)arg;
    cr_assert_eq(redis_open(&options, &bench.redis, &err), 0);
    bench.limits = limits_new(bench.redis);
    waits_outside(&bench);
    /* What was not counted when it was taken does not count when it ends. */
    unlimited = ask_of(&bucket, "unlimited");
    unlimited.also = &tenant;
    unlimited.also_count = 1;
    cr_assert_eq(limits_take(bench.limits, &unlimited, &first, &err), 0);
    ask = ask_of(&(struct limit_place){.key = TEXT("b"), .rates = {.calls = 1}}, "counted");
    cr_assert_eq(limits_take(bench.limits, &ask, &grant, &err), 0);
    limits_settle(bench.limits, &unlimited, &first, &settlement);
    ask.id = TEXT("next");
    cr_assert_eq(limits_take(bench.limits, &ask, &grant, &err), LIMITS_LATER);
    limits_free(bench.limits);
    redis_close(bench.redis);
}

Test(limits, without_redis_calls_at_once_are_counted_for_those_who_are_limited)
{
    loop_run(own_calls, NULL);
}
