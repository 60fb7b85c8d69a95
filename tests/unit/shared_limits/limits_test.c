/* Limits in a real Redis, and without one. */

#include "tests/unit/shared_limits/bench.h"

/* Between what it is now and what it was when the test began: the bucket fills meanwhile. */
static void waits(const struct limit_grant *grant, int64_t expected_ms, int64_t since_ms)
{
    cr_assert_leq(grant->wait_ms, expected_ms + 2);
    cr_assert_geq(grant->wait_ms, expected_ms - (clock_ms() - since_ms) - 2);
}

LIMITS_TEST(each_call_gets_a_time_of_its_own, 1)
{
    struct limit_place bucket = place("b", LIMIT_REQUESTS, 60);
    struct limit_ask ask = ask_of(&bucket, "run");
    int64_t since_ms = clock_ms();
    struct limit_grant grant;

    for (int i = 0; i < 10; i++) {
        cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
        cr_assert_eq(grant.wait_ms, 0);
        cr_assert(grant.shared);
    }
    for (int i = 1; i <= 20; i++) {
        cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
        waits(&grant, i * 1000, since_ms);
    }
}

LIMITS_TEST(what_limits_nothing_is_not_asked_about, 2)
{
    struct limit_place bucket = {.key = TEXT("b")};
    struct limit_ask ask = ask_of(&bucket, "run");
    struct limit_grant grant;

    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
    cr_assert_eq(grant.wait_ms, 0);
    cr_assert_eq(limits_stats(bench->limits).shared, 0);
}

/* Also where this Redis has never seen the script. */
LIMITS_TEST(what_a_provider_holds_is_held_though_nobody_asked_before, 32)
{
    struct limit_place bucket = place("b", LIMIT_REQUESTS, 6000);
    struct limit_ask ask = ask_of(&bucket, "run");
    struct limit_grant grant;

    command(bench, "SCRIPT FLUSH", NULL);
    limits_hold(bench->limits, TEXT("b"), 20000);
    limits_hold(bench->limits, TEXT("b"), 10000);
    ask.hold_ms = 1000;
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), LIMITS_LATER);
    cr_assert(grant.shared);
    cr_assert(grant.wait_ms > 15000 && grant.wait_ms <= 20000, "%lld", (long long)grant.wait_ms);
}

LIMITS_TEST(tokens_are_settled_with_what_they_were, 3)
{
    struct limit_place bucket = place("b", LIMIT_TOKENS, 60000);
    struct limit_ask ask = ask_of(&bucket, "run");
    struct limit_settlement settlement = settled(5000, 100);
    int64_t since_ms = clock_ms();
    struct limit_grant grant;

    ask.cost = (struct limit_cost){1, 5000, 5000};
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
    limits_settle(bench->limits, &ask, &grant, &settlement);
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
    waits(&grant, 5100, since_ms);
}

LIMITS_TEST(who_would_wait_too_long_stands_in_line_in_his_order, 4)
{
    struct limit_place bucket = place("b", LIMIT_REQUESTS, 60);
    struct limit_ask ask = ask_of(&bucket, "run");
    struct limit_grant grant;
    int64_t count;

    for (int i = 0; i < 12; i++)
        cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
    ask.hold_ms = 2000;
    ask.id = TEXT("third");
    ask.order = 30;
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), LIMITS_LATER);
    cr_assert(grant.wait_ms > 2000 && grant.wait_ms <= 3001, "%lld", (long long)grant.wait_ms);
    ask.id = TEXT("fourth");
    ask.order = 40;
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), LIMITS_LATER);
    cr_assert(grant.wait_ms > 3000 && grant.wait_ms <= 4001, "%lld", (long long)grant.wait_ms);
    /* The same again, who counts once. */
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), LIMITS_LATER);
    cr_assert_leq(grant.wait_ms, 4001);
    /* Who comes later and goes first. */
    ask.id = TEXT("second");
    ask.order = 20;
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), LIMITS_LATER);
    cr_assert_leq(grant.wait_ms, 3001);
    command(bench, "ZCARD b:line", &count);
    cr_assert_eq(count, 3);
    /* Whoever is let through has left the line. */
    ask.hold_ms = LONG_MS;
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
    command(bench, "ZCARD b:line", &count);
    cr_assert_eq(count, 2);
    command(bench, "ZCARD b:lapse", &count);
    cr_assert_eq(count, 2);
    cr_assert_eq(limits_stats(bench->limits).later, 4);
    /* Nor does he stand in it who says that he will not come back. */
    ask.id = TEXT("third");
    limits_leave(bench->limits, &ask);
    command(bench, "ZCARD b:line", &count);
    cr_assert_eq(count, 1);
    command(bench, "ZCARD b:lapse", &count);
    cr_assert_eq(count, 1);
}

LIMITS_TEST(who_does_not_come_back_is_forgotten, 5)
{
    struct limit_place bucket = place("b", LIMIT_REQUESTS, 60);
    struct limit_ask ask = ask_of(&bucket, "run");
    struct limit_grant grant;
    int64_t count;

    command(bench, "ZADD b:line 1 gone", NULL);
    command(bench, "ZADD b:lapse 1000 gone", NULL);
    command(bench, "ZADD b:line 1 here", NULL);
    command(bench, "ZADD b:lapse 9000000000000000 here", NULL);
    ask.order = 5;
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
    command(bench, "ZCARD b:line", &count);
    cr_assert_eq(count, 1);
    command(bench, "ZCARD b:lapse", &count);
    cr_assert_eq(count, 1);
}

LIMITS_TEST(one_refusal_of_the_provider_holds_all, 6)
{
    struct limit_place bucket = place("b", LIMIT_REQUESTS, 6000);
    struct limit_ask ask = ask_of(&bucket, "run");
    struct limit_settlement settlement = settled(0, 0);
    int64_t since_ms = clock_ms();
    struct limit_grant grant;

    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
    settlement.hold_ms = 20000;
    limits_settle(bench->limits, &ask, &grant, &settlement);
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
    waits(&grant, 20000, since_ms);
    ask.hold_ms = 1000;
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), LIMITS_LATER);
}

LIMITS_TEST(the_providers_word_on_what_is_left_counts, 7)
{
    struct limit_place bucket = place("b", LIMIT_TOKENS, 60000);
    struct limit_ask ask = ask_of(&bucket, "run");
    struct limit_settlement settlement = settled(10, 0);
    int64_t since_ms = clock_ms();
    struct limit_grant grant;

    ask.cost = (struct limit_cost){1, 10, 0};
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
    settlement.left[LIMIT_TOKENS] = 0;
    limits_settle(bench->limits, &ask, &grant, &settlement);
    ask.cost = (struct limit_cost){1, 3000, 0};
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
    waits(&grant, 3000, since_ms);
}

LIMITS_TEST(the_key_with_the_most_room_is_used, 8)
{
    struct limit_place keys[2] = {place("a", LIMIT_REQUESTS, 60), place("b", LIMIT_REQUESTS, 120)};
    struct limit_ask ask = ask_of(keys, "run");
    struct limit_grant grant;
    int taken[2] = {0};

    ask.choices_count = 2;
    for (int i = 0; i < 30 + 30; i++) {
        cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
        taken[grant.choice]++;
    }
    cr_assert(taken[0] >= 18 && taken[0] <= 22, "%d and %d", taken[0], taken[1]);
    keys[0].rates.of[LIMIT_REQUESTS] = 0;
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
    cr_assert_eq(grant.choice, 0, "which is not limited");
    cr_assert_eq(grant.wait_ms, 0);
}

LIMITS_TEST(a_tenants_bucket_is_taken_as_well_or_neither_is, 9)
{
    struct limit_place bucket = place("b", LIMIT_REQUESTS, 6000);
    struct limit_place tenant = place("t", LIMIT_REQUESTS, 60);
    struct limit_ask ask = ask_of(&bucket, "run");
    int64_t since_ms = clock_ms();
    struct limit_grant grant;
    int64_t count;

    ask.also = &tenant;
    ask.also_count = 1;
    for (int i = 0; i < 10; i++)
        cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
    waits(&grant, 1000, since_ms);
    ask.hold_ms = 100;
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), LIMITS_LATER);
    command(bench, "ZCARD t:line", &count);
    cr_assert_eq(count, 1);
    command(bench, "EXISTS b:line", &count);
    cr_assert_eq(count, 0);
    ask.also_count = 0;
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0, "others do not wait");
    cr_assert_eq(grant.wait_ms, 0);
}

LIMITS_TEST(a_bucket_that_redis_lost_is_not_taken_for_full, 11)
{
    struct limit_place bucket = place("b", LIMIT_REQUESTS, 60);
    struct limit_ask ask = ask_of(&bucket, "run");
    struct limits *other = limits_new(bench->redis);
    struct limit_grant grant;

    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
    command(bench, "FLUSHDB", NULL);
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
    cr_assert(grant.wait_ms > 900 && grant.wait_ms <= 1001, "%lld", (long long)grant.wait_ms);
    command(bench, "FLUSHDB", NULL);
    cr_assert_eq(limits_take(other, &ask, &grant, &err), 0);
    cr_assert_eq(grant.wait_ms, 0, "one that was never here");
    limits_free(other);
}

LIMITS_TEST(a_bucket_that_a_settlement_finds_lost_is_not_taken_for_full, 15)
{
    struct limit_place bucket = place("b", LIMIT_REQUESTS, 60);
    struct limit_ask ask = ask_of(&bucket, "run");
    struct limit_settlement settlement = settled(1, 1);
    struct limits *other = limits_new(bench->redis);
    struct limit_grant grant;

    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
    command(bench, "FLUSHDB", NULL);
    limits_settle(bench->limits, &ask, &grant, &settlement);
    cr_assert_eq(limits_take(other, &ask, &grant, &err), 0);
    cr_assert(grant.wait_ms > 900 && grant.wait_ms <= 1001, "%lld", (long long)grant.wait_ms);
    limits_free(other);
}

/* What calls cost is guessed at first, and the guess is far too high. */
LIMITS_TEST(nobody_is_sent_away_for_long_on_a_guess, 13)
{
    struct limit_place bucket = place("b", LIMIT_TOKENS, 60000);
    struct limit_ask ask = ask_of(&bucket, "first");
    struct limit_settlement settlement = settled(1, 30);
    struct limit_grant grant;
    char id[16];

    ask.cost.input_tokens = 3000;
    ask.hold_ms = 0;
    for (int i = 0; i < 100; i++) {
        (void)snprintf(id, sizeof(id), "r%d", i);
        ask.id = text_of(id);
        ask.order = i;
        if (limits_take(bench->limits, &ask, &grant, &err) == LIMITS_LATER)
            cr_assert_leq(grant.wait_ms, 5000, "%lld", (long long)grant.wait_ms);
    }
    settlement.real.input_tokens = 30;
    for (int i = 0; i < 20; i++) {
        grant.shared = true;
        limits_settle(bench->limits, &ask, &grant, &settlement);
    }
    ask.id = TEXT("last");
    ask.order = 1000;
    ask.cost.input_tokens = 10000;
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0,
                 "what was reserved for nothing is there again");
}

/* Those who go first were told to come too late: half of what may come at once is unused. */
LIMITS_TEST(room_that_nobody_uses_is_taken_out_of_order, 14)
{
    struct limit_place bucket = place("b", LIMIT_REQUESTS, 600);
    struct limit_ask ask = ask_of(&bucket, "run");
    struct limit_grant grant;

    ask.hold_ms = 0;
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
    command(bench, "ZADD b:line 1 early", NULL);
    command(bench, "ZADD b:lapse 99999999999999999 early", NULL);
    ask.id = TEXT("late");
    ask.order = 2;
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
    for (int i = 0; i < 60; i++) {
        ask.order = 0;
        if (limits_take(bench->limits, &ask, &grant, &err) != 0)
            break;
    }
    ask.order = 2;
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), LIMITS_LATER,
                 "with less unused the order holds");
}

/* With two keys his turn may be nearest now with the one, now with the other. */
LIMITS_TEST(who_waits_stands_in_one_line, 16)
{
    struct limit_place keys[2] = {place("a", LIMIT_REQUESTS, 60), place("b", LIMIT_REQUESTS, 60)};
    struct limit_ask ask = ask_of(&keys[1], "burst");
    struct limit_settlement settlement = settled(0, 0);
    struct limit_grant grant;
    int64_t count;

    for (int i = 0; i < 30; i++) /* 20 s of b, 15 of a */
        cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
    ask.choices = &keys[0];
    for (int i = 0; i < 25; i++)
        cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
    ask = ask_of(keys, "who");
    ask.choices_count = 2;
    ask.hold_ms = 0;
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), LIMITS_LATER);
    command(bench, "ZCARD a:line", &count);
    cr_assert_eq(count, 1);
    settlement.hold_ms = 60000;
    grant.choice = 0;
    grant.shared = true;
    limits_settle(bench->limits, &ask, &grant, &settlement);
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), LIMITS_LATER);
    command(bench, "ZCARD b:line", &count);
    cr_assert_eq(count, 1);
    command(bench, "EXISTS a:line a:lapse", &count);
    cr_assert_eq(count, 0, "he has left the other");
    /* Nor does he stay in it when he is let through. */
    command(bench, "ZADD a:line 1 who", NULL);
    command(bench, "ZADD a:lapse 9000000000000000 who", NULL);
    ask.hold_ms = LONG_MS;
    cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
    cr_assert_eq(grant.choice, 1);
    command(bench, "EXISTS a:line b:line a:lapse b:lapse", &count);
    cr_assert_eq(count, 0);
}

/* Connected to nothing. */
static void without_redis(void *arg)
{
    const struct redis_options options = {.url = "redis://127.0.0.1:9"};
    struct limit_place bucket = place("b", LIMIT_REQUESTS, 600);
    struct limit_place tenant = place("t", LIMIT_TOKENS, 600);
    struct limit_settlement settlement = settled(0, 0);
    struct limit_ask ask = ask_of(&bucket, "run");
    struct limits *limits;
    struct redis *redis;
    struct limit_grant grant;

    (void)arg;
    cr_assert_eq(redis_open(&options, &redis, &err), 0);
    limits = limits_new(redis);
    limits_set_workers(limits, 10);
    for (int i = 0; i < 10; i++) {
        cr_assert_eq(limits_take(limits, &ask, &grant, &err), 0);
        cr_assert_leq(grant.wait_ms, 1);
        cr_assert_not(grant.shared);
    }
    cr_assert_eq(limits_take(limits, &ask, &grant, &err), 0);
    cr_assert(grant.wait_ms > 900 && grant.wait_ms <= 1002, "%lld", (long long)grant.wait_ms);
    ask.hold_ms = 100;
    cr_assert_eq(limits_take(limits, &ask, &grant, &err), LIMITS_LATER);
    /* Of what a tenant may, a share, too. */
    bucket.rates.of[LIMIT_REQUESTS] = 0;
    ask.also = &tenant;
    ask.also_count = 1;
    ask.hold_ms = LONG_MS;
    ask.cost = (struct limit_cost){1, 10, 0};
    cr_assert_eq(limits_take(limits, &ask, &grant, &err), 0);
    cr_assert_eq(limits_take(limits, &ask, &grant, &err), 0);
    cr_assert(grant.wait_ms > 9900 && grant.wait_ms <= 10002, "%lld", (long long)grant.wait_ms);
    settlement.hold_ms = 50000;
    limits_settle(limits, &ask, &grant, &settlement);
    bucket.rates.of[LIMIT_REQUESTS] = 600;
    cr_assert_eq(limits_take(limits, &ask, &grant, &err), 0);
    cr_assert_gt(grant.wait_ms, 40000);
    cr_assert_eq(limits_stats(limits).shared, 0);
    cr_assert_geq(limits_stats(limits).local, 14);
    limits_free(limits);
    redis_close(redis);
}

Test(limits, without_redis_each_worker_has_its_share)
{
    loop_run(without_redis, NULL);
}

/* ---- many who wait ---- */

enum { WAITERS = 400 };

struct waiter {
    struct bench *bench;
    const struct limit_place *bucket;
    int number;
    int64_t at_ms;
    int asked;
    struct fiber *fiber;
};

static void wait_in_line(void *arg)
{
    struct waiter *waiter = arg;
    struct limit_ask ask = ask_of(waiter->bucket, NULL);
    char id[16];
    struct limit_grant grant;
    struct error own;
    int r;

    snprintf(id, sizeof(id), "w%d", waiter->number);
    ask.id = text_of(id);
    ask.order = waiter->number;
    ask.hold_ms = 300;
    do {
        r = limits_take(waiter->bench->limits, &ask, &grant, &own);
        waiter->asked++;
        cr_assert_geq(r, 0);
        cr_assert_eq(fiber_sleep(grant.wait_ms, NULL), 0);
    } while (r == LIMITS_LATER);
    waiter->at_ms = clock_ms();
}

/* Until whoever comes has to wait that long. */
static void use_up(struct bench *bench, const struct limit_place *bucket, int64_t wait_ms)
{
    struct limit_ask ask = ask_of(bucket, "burst");
    struct limit_grant grant;

    do
        cr_assert_eq(limits_take(bench->limits, &ask, &grant, &err), 0);
    while (grant.wait_ms < wait_ms);
}

/* They come in any order, and are served in their own, at the rate and no faster. */
LIMITS_TEST(many_are_served_in_their_order, 12)
{
    struct limit_place bucket = place("b", LIMIT_REQUESTS, 6000);
    static struct waiter waiters[WAITERS];
    int64_t first_ms = INT64_MAX;
    int64_t last_ms = 0;
    int wrong = 0;
    int pairs = 0;
    int asked = 0;

    use_up(bench, &bucket, 1000);
    for (int i = 0; i < WAITERS; i++) {
        int number = i * 271 % WAITERS;

        waiters[number] = (struct waiter){.bench = bench, .bucket = &bucket, .number = number};
        waiters[number].fiber = fiber_start("waiter", wait_in_line, &waiters[number]);
    }
    for (int i = 0; i < WAITERS; i++) {
        fiber_join(waiters[i].fiber);
        first_ms = waiters[i].at_ms < first_ms ? waiters[i].at_ms : first_ms;
        last_ms = waiters[i].at_ms > last_ms ? waiters[i].at_ms : last_ms;
        asked += waiters[i].asked;
    }
    for (int i = 0; i < WAITERS; i++)
        for (int k = i + 1; k < WAITERS; k++) {
            pairs += waiters[i].at_ms != waiters[k].at_ms;
            wrong += waiters[i].at_ms > waiters[k].at_ms;
        }
    fprintf(stderr, "# %d waiters in %lld ms, tau %.3f, asked %.1f times each\n", WAITERS,
            (long long)(last_ms - first_ms), 1 - 2.0 * wrong / pairs, (double)asked / WAITERS);
    cr_assert_geq(last_ms - first_ms, (WAITERS - 1) * 10 - 100, "faster than the rate");
    cr_assert_geq(1 - 2.0 * wrong / pairs, 0.9);
    cr_assert_leq(asked, WAITERS * 8);
}

/* Names are what people call their models, so that "b:line" may be one beside "b". */
LIMITS_TEST(no_bucket_is_in_the_way_of_another_ones_line, 31)
{
    static const char *const names[] = {"b", "b:line", "b:lapse", "b:calls", "b:rates"};
    struct limit_settlement settlement = settled(0, 0);
    struct limit_grant grant;

    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
            struct limit_place bucket = place(names[i], LIMIT_REQUESTS, 6);
            struct limit_ask ask = ask_of(&bucket, "first");
            int r;

            bucket.rates.calls = 1;
            ask.hold_ms = 0;
            r = limits_take(bench->limits, &ask, &grant, &err);
            cr_assert_eq(r, round == 0 ? 0 : LIMITS_LATER);
            cr_assert(grant.shared, "%s", names[i]);
            if (round == 0)
                limits_settle(bench->limits, &ask, &grant, &settlement);
        }
}
