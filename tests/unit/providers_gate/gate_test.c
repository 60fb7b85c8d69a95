/* The gate: what it lets through, and what it learns. */

#include <criterion/criterion.h>
#include <stdlib.h>

#include "providers/formats/formats.h"
#include "providers/gate/gate.h"
#include "providers/gate/known.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "shared/limits/breaker.h"
#include "shared/redis/redis.h"

static const struct provider_key keys[] = {
    {"sk-1", "0123456789ab"}, {"sk-2", "ba9876543210"}, {"sk-3", "cccccccccccc"}};

static const struct provider_limits unsaid = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
static struct error err;

struct bench {
    struct redis *redis;
    struct gate *gate;
    struct provider_target target;
    struct chat_request request;
    void (*body)(struct bench *bench);
};

/* Without Redis: the shares of a worker follow the same rules, and no other test is in the way. */
static void with_gate(void *arg)
{
    const struct redis_options options = {.url = "redis://127.0.0.1:9"};
    struct bench *bench = arg;

    bench->target = (struct provider_target){
        .provider = &provider_openai_chat,
        .provider_name = "test",
        .model = "m",
        .api_key = "sk-1",
        .keys = keys,
        .keys_count = 1,
    };
    cr_assert_eq(redis_open(&options, &bench->redis, &err), 0);
    bench->gate = gate_new(bench->redis);
    bench->body(bench);
    gate_free(bench->gate);
    redis_close(bench->redis);
}

#define GATE_TEST(name)                                                                            \
    static void name##_body(struct bench *bench);                                                  \
    Test(gate, name)                                                                               \
    {                                                                                              \
        struct bench bench = {.body = name##_body};                                                \
        loop_run(with_gate, &bench);                                                               \
    }                                                                                              \
    static void name##_body(struct bench *bench)

static int enter(struct bench *bench, struct gate_visit *visit, int64_t *out_wait_ms)
{
    const struct gate_call call = {
        .target = &bench->target, .request = &bench->request, .run = uuid_new(), .call_ms = 60000};

    return gate_enter(bench->gate, &call, visit, out_wait_ms, &err);
}

/* Enters, and leaves with an outcome. Returns how long it waited. */
static int64_t pass(struct bench *bench, const struct gate_outcome *outcome)
{
    struct gate_visit visit;
    int64_t start_ms = clock_ms();
    int64_t wait_ms;

    cr_assert_eq(enter(bench, &visit, &wait_ms), 0);
    start_ms = clock_ms() - start_ms;
    gate_leave(bench->gate, &visit, outcome);
    return start_ms;
}

/* What would be asked of the bench's model. */
static struct limit_rates known_rates_of(struct bench *bench)
{
    struct gate_visit visit;
    int64_t wait_ms;
    struct limit_rates rates;

    cr_assert_eq(enter(bench, &visit, &wait_ms), 0);
    rates = visit.place.rates;
    gate_give_back(bench->gate, &visit);
    return rates;
}

GATE_TEST(what_is_not_limited_passes)
{
    const struct gate_outcome outcome = {.limits = &unsaid};
    struct gate_visit visit;
    int64_t wait_ms;

    for (int i = 0; i < 1000; i++)
        pass(bench, &outcome);
    cr_assert_eq(enter(bench, &visit, &wait_ms), 0);
    cr_assert_not(visit.taken, "nobody was asked");
}

GATE_TEST(a_short_wait_is_waited_and_a_long_one_is_not)
{
    const struct gate_outcome outcome = {.limits = &unsaid};
    struct gate_visit visit;
    int64_t wait_ms = 0;

    bench->target.limits.requests_per_minute = 60;
    for (int i = 0; i < 10; i++)
        pass(bench, &outcome);
    cr_assert_geq(pass(bench, &outcome), 900);
    bench->target.limits.requests_per_minute = 6;
    cr_assert_eq(enter(bench, &visit, &wait_ms), GATE_LATER);
    cr_assert_gt(wait_ms, 1000);
    cr_assert_not(visit.taken);
}

GATE_TEST(what_the_provider_says_outranks_what_is_known)
{
    struct provider_limits said = unsaid;
    const struct gate_outcome outcome = {.limits = &said};
    struct gate_visit visit;
    int64_t wait_ms;

    bench->target.limits.requests_per_minute = 6;
    said.requests_limit = 60000;
    said.requests_remaining = 59999;
    said.requests_reset_ms = 1;
    for (int i = 0; i < 100; i++)
        cr_assert_leq(pass(bench, &outcome), 2500, "%d", i);
    /* One that comes back so slowly is a day's, and nothing is said of the minute then. */
    bench->target.limits.requests_per_minute = 0;
    said.requests_limit = 100;
    said.requests_remaining = 99;
    said.requests_reset_ms = 864000;
    pass(bench, &outcome);
    for (int i = 0; i < 100; i++)
        pass(bench, &outcome);
    cr_assert_eq(enter(bench, &visit, &wait_ms), GATE_LATER);
    cr_assert_gt(wait_ms, 500000);
}

static void told(struct bench *bench, int64_t limit, int64_t remaining, int64_t reset_ms)
{
    struct provider_limits said = unsaid;
    const struct gate_outcome outcome = {.limits = &said};

    said.requests_limit = limit;
    said.requests_remaining = remaining;
    said.requests_reset_ms = reset_ms;
    pass(bench, &outcome);
}

/* Its reset is the rest of the window, however little of the limit was used. */
GATE_TEST(a_limit_of_a_fixed_window_of_a_minute_is_not_taken_for_a_days)
{
    for (int window = 0; window < 40; window++)
        for (int used = 1; used <= 5; used++)
            told(bench, 6000, 6000 - used, 60000 - used * 1000);
    cr_assert_leq(known_rates_of(bench).of[LIMIT_REQUESTS_DAY], 0);
    cr_assert_eq(known_rates_of(bench).of[LIMIT_REQUESTS], 6000);
}

/* As Anthropic's, which are whole seconds: all of it is there again in a moment. */
GATE_TEST(a_reset_that_is_rounded_to_a_second_makes_no_limit_a_days)
{
    told(bench, 4000, 3999, 1000);
    told(bench, 80000, 79999, 940);
    cr_assert_eq(known_rates_of(bench).of[LIMIT_REQUESTS_DAY], 0);
    cr_assert_eq(known_rates_of(bench).of[LIMIT_REQUESTS], 80000);
}

GATE_TEST(what_looked_like_a_days_limit_is_a_minutes_when_the_provider_says_so)
{
    told(bench, 14400, 14399, 6000); /* as Groq's: a day for all of it */
    told(bench, 14400, 14398, 12000);
    cr_assert_eq(known_rates_of(bench).of[LIMIT_REQUESTS_DAY], 14400);
    cr_assert_eq(known_rates_of(bench).of[LIMIT_REQUESTS], 0);
    told(bench, 14400, 14400, 0);
    cr_assert_eq(known_rates_of(bench).of[LIMIT_REQUESTS_DAY], 14400, "which says nothing new");
    told(bench, 14400, 13000, 5000);
    cr_assert_eq(known_rates_of(bench).of[LIMIT_REQUESTS_DAY], 0);
    cr_assert_eq(known_rates_of(bench).of[LIMIT_REQUESTS], 14400);
}

GATE_TEST(one_refusal_holds_all_though_no_limit_is_known)
{
    const struct gate_outcome refused = {.failure = PROVIDER_RATE_LIMITED,
                                         .status = 429,
                                         .retry_after_ms = 20000,
                                         .limits = &unsaid};
    const struct gate_outcome outcome = {.limits = &unsaid};
    struct gate_visit visit;
    int64_t wait_ms;

    pass(bench, &outcome);
    pass(bench, &refused);
    cr_assert_eq(enter(bench, &visit, &wait_ms), GATE_LATER);
    cr_assert(wait_ms > 10000 && wait_ms < 20000, "%lld", (long long)wait_ms);
    bench->target.model[0] = 'o';
    cr_assert_eq(enter(bench, &visit, &wait_ms), 0, "another model");
    bench->target.model[0] = 'm';
    bench->target.keys = &keys[1];
    cr_assert_eq(enter(bench, &visit, &wait_ms), 0, "another key");
}

/* 6,000 tokens a minute: 1,000 at once. */
GATE_TEST(tokens_are_paid_for_as_they_were)
{
    struct gate_outcome outcome = {.usage = {.input_tokens = 90, .output_tokens = 10},
                                   .limits = &unsaid};
    struct gate_visit visit;
    int64_t wait_ms;
    int calls = 0;

    bench->target.limits.tokens_per_minute = 6000;
    while (enter(bench, &visit, &wait_ms) == 0 && ++calls < 10)
        gate_leave(bench->gate, &visit, &outcome);
    /* What it will say is guessed from what it said: after some calls, that little. */
    cr_assert(calls >= 8, "%d", calls);
    /* A call that failed before any reply costs nothing. */
    outcome = (struct gate_outcome){.failure = PROVIDER_OVERLOADED, .limits = &unsaid};
    bench->target.model[0] = 'o';
    for (int i = 0; i < BREAKER_FAILURES - 1; i++)
        cr_assert_leq(pass(bench, &outcome), 500);
}

/* They are counted as the run's, but no limit is used up by them for days. */
GATE_TEST(tokens_that_no_context_can_hold_are_not_believed)
{
    static const struct chat_usage nonsense[] = {
        {.input_tokens = CHAT_TOKENS_MAX, .output_tokens = 1},
        {.input_tokens = 1, .output_tokens = CHAT_TOKENS_MAX},
    };
    struct gate_outcome outcome = {.limits = &unsaid};
    struct gate_visit visit;
    int64_t wait_ms;

    bench->target.limits.tokens_per_minute = 6000;
    for (size_t i = 0; i < ARRAY_LENGTH(nonsense); i++) {
        outcome.usage = nonsense[i];
        pass(bench, &outcome);
        if (enter(bench, &visit, &wait_ms) == GATE_LATER)
            cr_assert_lt(wait_ms, 20000, "%zu", i);
        else
            gate_give_back(bench->gate, &visit);
        cr_assert_lt(visit.ask.cost.output_tokens, 1000, "nor is the next answer thought so long");
    }
}

GATE_TEST(a_model_that_fails_again_and_again_is_left_alone)
{
    struct gate_outcome outcome = {
        .failure = PROVIDER_STREAM_CUT, .status = 200, .limits = &unsaid};
    const struct gate_outcome answered = {.limits = &unsaid};
    struct gate_visit first;
    struct gate_visit visit;
    int64_t wait_ms = 0;

    cr_assert_eq(enter(bench, &first, &wait_ms), 0);
    for (int i = 0; i < BREAKER_FAILURES; i++)
        pass(bench, &outcome);
    cr_assert_eq(enter(bench, &visit, &wait_ms), GATE_SHUT);
    cr_assert(wait_ms > 0 && wait_ms <= BREAKER_BASE_MS, "%lld", (long long)wait_ms);
    bench->target.model[0] = 'o';
    cr_assert_eq(enter(bench, &visit, &wait_ms), 0, "another model");
    bench->target.model[0] = 'm';
    /* One that was under way is answered after all. */
    gate_leave(bench->gate, &first, &answered);
    cr_assert_eq(enter(bench, &visit, &wait_ms), 0);
    /* What a server refuses with a reason tells that it is there. */
    outcome.failure = PROVIDER_BAD_REQUEST;
    for (int i = 0; i < 3 * BREAKER_FAILURES; i++)
        pass(bench, &outcome);
    cr_assert_eq(enter(bench, &visit, &wait_ms), 0);
}

/* Whether calls of 90 tokens in and 10 out come to wait, the provider having said this. */
static bool is_limited(struct bench *bench, const struct provider_limits *said)
{
    const struct gate_outcome outcome = {.usage = {.input_tokens = 90, .output_tokens = 10},
                                         .limits = said};
    struct gate_visit visit;
    int64_t wait_ms;

    bench->target.model[0]++; /* nothing is known of it */
    for (int i = 0; i < 50; i++) {
        if (enter(bench, &visit, &wait_ms) != 0)
            return true;
        gate_leave(bench->gate, &visit, &outcome);
    }
    return false;
}

GATE_TEST(tokens_in_and_out_are_limited_each_by_itself_where_the_provider_says_so)
{
    struct provider_limits said = unsaid;

    cr_assert_not(is_limited(bench, &said));
    said.input_tokens_limit = 600;
    cr_assert(is_limited(bench, &said));
    said = unsaid;
    said.output_tokens_limit = 60;
    cr_assert(is_limited(bench, &said));
}

struct canceled {
    struct bench *bench;
    struct gate_visit visit;
    int result;
};

static void enter_until_canceled(void *arg)
{
    struct canceled *canceled = arg;
    int64_t wait_ms;

    canceled->result = enter(canceled->bench, &canceled->visit, &wait_ms);
}

GATE_TEST(who_is_cancelled_gives_back_what_he_took)
{
    const struct gate_outcome outcome = {.limits = &unsaid};
    struct canceled canceled = {.bench = bench};
    struct fiber *fiber;

    bench->target.limits.requests_per_minute = 60;
    for (int i = 0; i < 10; i++)
        pass(bench, &outcome);
    for (int i = 0; i < 20; i++) {
        fiber = fiber_start("canceled", enter_until_canceled, &canceled);
        fiber_yield();
        fiber_cancel(fiber);
        fiber_join(fiber);
        cr_assert_eq(canceled.result, -E_CANCELED);
        cr_assert_not(canceled.visit.taken);
    }
    cr_assert_leq(pass(bench, &outcome), 1500);
}

/* ---- several keys ---- */

GATE_TEST(keys_of_a_provider_are_used_in_turn)
{
    const struct gate_outcome outcome = {.limits = &unsaid};
    int used[3] = {0};

    bench->target.keys_count = 3;
    for (int i = 0; i < 9; i++) {
        struct gate_visit visit;
        int64_t wait_ms;

        cr_assert_eq(enter(bench, &visit, &wait_ms), 0);
        used[visit.key]++;
        cr_assert_not(gate_leave(bench->gate, &visit, &outcome));
    }
    for (int i = 0; i < 3; i++)
        cr_assert_eq(used[i], 3);
}

/* 60 a minute: 10 at once, of each key. */
GATE_TEST(a_key_without_room_is_passed_over)
{
    const struct gate_outcome outcome = {.limits = &unsaid};
    const struct gate_outcome refused = {.failure = PROVIDER_RATE_LIMITED,
                                         .status = 429,
                                         .retry_after_ms = 20000,
                                         .limits = &unsaid};
    struct gate_visit visit;
    int64_t wait_ms;
    size_t first;

    bench->target.limits.requests_per_minute = 60;
    bench->target.keys_count = 2;
    cr_assert_eq(enter(bench, &visit, &wait_ms), 0);
    first = visit.key;
    cr_assert(gate_leave(bench->gate, &visit, &refused), "there is another one");
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(enter(bench, &visit, &wait_ms), 0);
        cr_assert_eq(visit.key, 1 - first, "that one is held for 20 s");
        cr_assert_not(gate_leave(bench->gate, &visit, &outcome));
    }
}

GATE_TEST(a_key_that_is_refused_is_left_out_and_another_one_tried)
{
    const struct gate_outcome outcome = {.limits = &unsaid};
    const struct gate_outcome refused = {
        .failure = PROVIDER_AUTH, .status = 401, .limits = &unsaid};
    struct gate_visit visit;
    int64_t wait_ms;
    bool out[3] = {false};

    bench->target.keys_count = 3;
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(enter(bench, &visit, &wait_ms), 0);
        cr_assert_not(out[visit.key]);
        out[visit.key] = true;
        cr_assert(gate_leave(bench->gate, &visit, &refused), "there is another one");
    }
    for (int i = 0; i < 6; i++) {
        cr_assert_eq(enter(bench, &visit, &wait_ms), 0);
        cr_assert_not(out[visit.key]);
        cr_assert_not(gate_leave(bench->gate, &visit, &outcome));
    }
    cr_assert_eq(enter(bench, &visit, &wait_ms), 0);
    cr_assert_not(gate_leave(bench->gate, &visit, &refused), "it was the last one");
    cr_assert_eq(enter(bench, &visit, &wait_ms), 0, "all are out: the provider says why");
    cr_assert_not(gate_leave(bench->gate, &visit, &refused));
}

GATE_TEST(the_only_key_is_never_left_out)
{
    const struct gate_outcome used_up = {
        .failure = PROVIDER_QUOTA, .status = 429, .limits = &unsaid};
    struct gate_visit visit;
    int64_t wait_ms;

    for (int i = 0; i < 3; i++) {
        cr_assert_eq(enter(bench, &visit, &wait_ms), 0);
        cr_assert_not(gate_leave(bench->gate, &visit, &used_up));
    }
}

GATE_TEST(a_model_that_fails_is_left_alone_whichever_key_is_used)
{
    const struct gate_outcome outcome = {.failure = PROVIDER_TIMED_OUT, .limits = &unsaid};
    struct gate_visit visit;
    int64_t wait_ms;

    bench->target.keys_count = 3;
    for (int i = 0; i < BREAKER_FAILURES; i++)
        pass(bench, &outcome);
    cr_assert_eq(enter(bench, &visit, &wait_ms), GATE_SHUT);
}

/* ---- a provider's calls at once, and a tenant's limits ---- */

GATE_TEST(a_provider_gets_so_many_calls_at_once_over_all_models)
{
    const struct gate_outcome outcome = {.limits = &unsaid};
    struct gate_visit visits[3];
    int64_t wait_ms;

    bench->target.concurrent_calls = 2;
    cr_assert_eq(enter(bench, &visits[0], &wait_ms), 0);
    bench->target.model[0] = 'o';
    bench->target.keys = &keys[1];
    cr_assert_eq(enter(bench, &visits[1], &wait_ms), 0);
    gate_leave(bench->gate, &visits[0], &outcome);
    bench->target.model[0] = 'p';
    cr_assert_eq(enter(bench, &visits[2], &wait_ms), 0);
    cr_assert(visits[2].taken);
    bench->target.provider_name = "another";
    cr_assert_eq(enter(bench, &visits[0], &wait_ms), 0);
}

GATE_TEST(a_tenant_stays_within_its_limits_whatever_model_it_asks)
{
    const struct gate_outcome outcome = {.limits = &unsaid};
    struct gate_call call = {.target = &bench->target,
                             .request = &bench->request,
                             .tenant = uuid_new(),
                             .tenant_requests_per_minute = 12,
                             .call_ms = 60000};
    struct gate_visit visit;
    int64_t wait_ms;

    for (int i = 0; i < 2; i++) { /* a sixth of 12 at once */
        bench->target.model[0] = (char)('a' + i);
        call.run = uuid_new();
        cr_assert_eq(gate_enter(bench->gate, &call, &visit, &wait_ms, &err), 0);
        gate_leave(bench->gate, &visit, &outcome);
    }
    call.run = uuid_new();
    cr_assert_eq(gate_enter(bench->gate, &call, &visit, &wait_ms, &err), GATE_LATER);
    cr_assert(wait_ms > 500 && wait_ms < 5000, "%lld", (long long)wait_ms);
    call.tenant = uuid_new();
    cr_assert_eq(gate_enter(bench->gate, &call, &visit, &wait_ms, &err), 0, "another tenant");
}

/* ---- two workers ---- */

static int64_t breakers(struct bench *bench, const char *command, const char *field)
{
    const struct text argv[4] = {text_of(command), TEXT("penstock:breakers"), text_of(field),
                                 TEXT("1")};
    redisReply *reply = NULL;
    int64_t number;

    cr_assert_eq(redis_command(bench->redis, argv, field[0] ? 4 : 2, &reply, &err), 0, "%s",
                 err.text);
    number = reply->integer;
    redis_reply_free(reply);
    return number;
}

/* Models that failed once, and that nobody has asked since, are forgotten and hide no other. */
static void hear_of_one_among_many(struct bench *ours, struct bench *theirs)
{
    const struct gate_outcome outcome = {.failure = PROVIDER_TIMED_OUT, .limits = &unsaid};
    struct gate_visit visit;
    int64_t wait_ms;
    char name[64];

    for (int i = 0; i < 3000; i++) {
        (void)snprintf(name, sizeof(name), "penstock:limit:two:old:%d", i);
        breakers(ours, "HSET", name);
    }
    for (int i = 0; i < BREAKER_FAILURES; i++)
        pass(ours, &outcome);
    cr_assert_eq(gate_share(theirs->gate, &err), 0);
    cr_assert_eq(enter(theirs, &visit, &wait_ms), GATE_SHUT);
    cr_assert_eq(breakers(ours, "HLEN", ""), 1);
}

static void with_two(void *arg)
{
    const char *url = getenv("REDIS_URL");
    struct redis_options options = {.url = url};
    struct gate_outcome outcome = {.failure = PROVIDER_TIMED_OUT, .limits = &unsaid};
    struct bench ours = {.target = {.provider = &provider_openai_chat,
                                    .provider_name = "two",
                                    .model = "m",
                                    .keys = keys,
                                    .keys_count = 1}};
    struct bench theirs = ours;
    struct gate_visit first;
    struct gate_visit visit;
    int64_t wait_ms;

    (void)arg;
    cr_assert(url, "REDIS_URL is not set: run this under tests/lib/with-servers");
    cr_assert_eq(redis_open(&options, &ours.redis, &err), 0);
    cr_assert_eq(redis_wait_ready(ours.redis, deadline_in(5000), &err), 0, "%s", err.text);
    ours.gate = gate_new(ours.redis);
    theirs.gate = gate_new(ours.redis);
    cr_assert_eq(enter(&ours, &first, &wait_ms), 0);
    for (int i = 0; i < BREAKER_FAILURES; i++)
        pass(&ours, &outcome);
    cr_assert_eq(gate_share(theirs.gate, &err), 0);
    cr_assert_eq(enter(&theirs, &visit, &wait_ms), GATE_SHUT, "what one found holds for all");
    outcome.failure = PROVIDER_OK;
    gate_leave(ours.gate, &first, &outcome);
    cr_assert_eq(gate_share(theirs.gate, &err), 0);
    cr_assert_eq(enter(&theirs, &visit, &wait_ms), 0, "and that it answers again, too");
    hear_of_one_among_many(&ours, &theirs);
    gate_free(ours.gate);
    gate_free(theirs.gate);
    redis_close(ours.redis);
}

Test(gate, workers_tell_each_other_which_models_fail)
{
    loop_run(with_two, NULL);
}
