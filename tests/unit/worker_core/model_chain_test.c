/* The order in which the models of a run are asked. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "shared/agent/spec.h"
#include "worker/run/task/model_chain.h"

static struct arena arena;
static struct text names[AGENT_FALLBACKS_MAX] = {TEXT("b/two"), TEXT("c/three")};
static struct run_setup setup = {.model = TEXT("a/one"), .fallbacks = names, .fallbacks_count = 2};
static struct model_chain chain;

static void begin(void)
{
    arena_init(&arena, 1 << 20);
    chain = (struct model_chain){.setup = &setup, .arena = &arena};
}

static void end(void)
{
    arena_deinit(&arena);
}

TestSuite(model_chain, .init = begin, .fini = end);

static struct provider_failure_info failure_of(enum provider_failure failure, const char *message)
{
    struct provider_failure_info info = {.failure = failure, .retry_after_ms = -1};

    (void)snprintf(info.message, sizeof(info.message), "%s", message);
    return info;
}

static bool fails(enum provider_failure failure)
{
    struct provider_failure_info info = failure_of(failure, "it failed");

    return model_chain_failed(&chain, &info);
}

static void is_turn_of(const char *name)
{
    cr_assert(text_is(model_chain_model(&chain), name), "%.*s instead of %s",
              TEXT_ARGS(model_chain_model(&chain)), name);
}

Test(model_chain, asks_one_after_the_other_and_then_the_first_again)
{
    is_turn_of("a/one");
    cr_assert(fails(PROVIDER_OVERLOADED));
    is_turn_of("b/two");
    cr_assert(fails(PROVIDER_AUTH));
    is_turn_of("c/three");
    cr_assert_not(fails(PROVIDER_TIMED_OUT));
    is_turn_of("a/one");
}

Test(model_chain, of_a_run_without_fallbacks_changes_nothing)
{
    struct run_setup alone = {.model = TEXT("a/one")};
    struct provider_failure_info info = failure_of(PROVIDER_AUTH, "no key");

    chain.setup = &alone;
    cr_assert_not(model_chain_failed(&chain, &info));
    cr_assert_eq(info.failure, PROVIDER_AUTH);
    cr_assert_str_eq(info.message, "no key");
    cr_assert_null(model_chain_tried(&chain).ptr);
    is_turn_of("a/one");
}

Test(model_chain, decides_by_what_may_pass)
{
    struct provider_failure_info info = failure_of(PROVIDER_QUOTA, "no money left");

    cr_assert(model_chain_failed(&chain, &info));
    info = failure_of(PROVIDER_OVERLOADED, "b is busy");
    info.retry_after_ms = 1234;
    cr_assert(model_chain_failed(&chain, &info));
    info = failure_of(PROVIDER_BAD_REQUEST, "no such model");
    cr_assert_not(model_chain_failed(&chain, &info));
    cr_assert_eq(info.failure, PROVIDER_OVERLOADED);
    cr_assert_eq(info.retry_after_ms, 1234);
    cr_assert_str_eq(info.message, "b is busy; others: a/one: quota, c/three: bad_request");
}

Test(model_chain, else_by_what_the_runs_own_model_said)
{
    struct provider_failure_info info = failure_of(PROVIDER_CONTEXT_OVERFLOW, "too long");

    cr_assert(model_chain_failed(&chain, &info));
    info = failure_of(PROVIDER_AUTH, "no key");
    cr_assert(model_chain_failed(&chain, &info));
    info = failure_of(PROVIDER_QUOTA, "no money");
    cr_assert_not(model_chain_failed(&chain, &info));
    cr_assert_eq(info.failure, PROVIDER_CONTEXT_OVERFLOW);
}

Test(model_chain, waits_for_limits_and_memory_and_goes_on_after_a_minute)
{
    struct provider_failure_info info = failure_of(PROVIDER_RATE_LIMITED, "slow down");

    info.retry_after_ms = CHAIN_WAIT_MS - 1;
    cr_assert_not(model_chain_failed(&chain, &info));
    is_turn_of("a/one");
    cr_assert_eq(info.failure, PROVIDER_RATE_LIMITED);
    cr_assert_not(fails(PROVIDER_NO_ROOM));
    cr_assert_not(fails(PROVIDER_REPLY_TOO_LARGE));
    info.retry_after_ms = CHAIN_WAIT_MS;
    cr_assert(model_chain_failed(&chain, &info));
    is_turn_of("b/two");
    cr_assert_not(fails(PROVIDER_NO_ROOM), "ours, whichever model is asked");
    is_turn_of("a/one");
}

Test(model_chain, tells_what_was_tried)
{
    struct provider_failure_info info = failure_of(PROVIDER_TIMED_OUT, "no \"answer\"\nin time");

    cr_assert_null(model_chain_tried(&chain).ptr);
    cr_assert(model_chain_failed(&chain, &info));
    cr_assert(fails(PROVIDER_AUTH));
    cr_assert(text_is(model_chain_tried(&chain),
                      "[{\"model\":\"a/one\",\"code\":\"timed_out\",\"message\":\"no "
                      "\\\"answer\\\"\\nin time\"},{\"model\":\"b/two\",\"code\":\"auth\","
                      "\"message\":\"it failed\"}]"),
              "%.*s", TEXT_ARGS(model_chain_tried(&chain)));
}

Test(model_chain, keeps_the_newest_rounds_of_many)
{
    struct text tried;

    for (int round = 0; round < 100; round++) {
        cr_assert(fails(PROVIDER_OVERLOADED));
        cr_assert(fails(PROVIDER_OVERLOADED));
        cr_assert_not(fails(PROVIDER_OVERLOADED));
        cr_assert(chain.failures_count <= CHAIN_FAILURES_MAX);
        cr_assert_eq(chain.round_began + 3, chain.failures_count);
    }
    cr_assert(fails(PROVIDER_AUTH));
    tried = model_chain_tried(&chain);
    cr_assert(text_ends(tried, "\"code\":\"auth\",\"message\":\"it failed\"}]"));
}

Test(model_chain, goes_on_without_memory_for_a_trace)
{
    arena_deinit(&arena);
    arena_init(&arena, 1);
    cr_assert(fails(PROVIDER_OVERLOADED));
    is_turn_of("b/two");
    cr_assert(fails(PROVIDER_OVERLOADED));
    cr_assert_not(fails(PROVIDER_AUTH));
    is_turn_of("a/one");
    cr_assert_null(model_chain_tried(&chain).ptr);
}
