/* Fibers and conditions on the real loop. */

#include <criterion/criterion.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "shared/base/error.h"
#include "shared/fiber/cond.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"

static char trace[64];
static size_t trace_len;

static void note(char c)
{
    cr_assert(trace_len + 1 < sizeof(trace));
    trace[trace_len++] = c;
}

static void child(void *arg)
{
    const char *letters = arg;

    for (; *letters; letters++) {
        note(*letters);
        fiber_yield();
    }
}

static void interleave(void *arg)
{
    struct fiber *a = fiber_start("a", child, "abc");
    struct fiber *b = fiber_start("b", child, "123");

    (void)arg;
    fiber_join(a);
    fiber_join(b);
}

Test(fiber, ready_fibers_take_turns_in_order)
{
    loop_run(interleave, NULL);
    cr_assert_str_eq(trace, "a1b2c3");
    cr_assert_eq(fiber_count(), 0);
}

static void sleeper(void *arg)
{
    int64_t start_ms = clock_ms();
    int r = fiber_sleep(30, NULL);

    (void)arg;
    cr_assert_eq(r, 0);
    cr_assert_geq(clock_ms() - start_ms, 30);
    cr_assert_lt(clock_ms() - start_ms, 1000);
}

Test(fiber, a_sleep_lasts_at_least_its_time)
{
    loop_run(sleeper, NULL);
}

static int sleep_result;
static struct error sleep_error;

static void long_sleeper(void *arg)
{
    (void)arg;
    sleep_result = fiber_sleep(60000, &sleep_error);
    note('x');
    cr_assert(fiber_canceled());
    cr_assert_eq(fiber_sleep(60000, NULL), -E_CANCELED, "a cancel is sticky");
    fiber_shield_enter();
    cr_assert_not(fiber_canceled());
    cr_assert_eq(fiber_sleep(5, NULL), 0, "a shield hides it");
    fiber_shield_leave();
}

static void cancel_one(void *arg)
{
    struct fiber *fiber = fiber_start("sleeper", long_sleeper, NULL);

    (void)arg;
    fiber_yield();
    fiber_cancel(fiber);
    fiber_cancel(fiber);
    fiber_join(fiber);
}

Test(fiber, a_cancel_is_a_sticky_result_that_a_shield_hides)
{
    loop_run(cancel_one, NULL);
    cr_assert_eq(sleep_result, -E_CANCELED);
    cr_assert_eq(sleep_error.code, E_CANCELED);
    cr_assert_str_eq(trace, "x");
}

static void cancel_before_start(void *arg)
{
    struct fiber *fiber = fiber_start("sleeper", long_sleeper, NULL);

    (void)arg;
    fiber_cancel(fiber);
    fiber_join(fiber);
}

Test(fiber, a_fiber_cancelled_before_it_ran_still_runs_and_unwinds)
{
    loop_run(cancel_before_start, NULL);
    cr_assert_eq(sleep_result, -E_CANCELED);
}

static void early_wake(void *arg)
{
    (void)arg;
    fiber_wake(fiber_self());
    cr_assert_eq(fiber_wait("test", deadline_in(10)), WAIT_WOKEN);
    cr_assert_eq(fiber_wait("test", deadline_in(10)), WAIT_TIMEOUT);
    cr_assert_eq(fiber_wait("test", clock_ms() - 1), WAIT_TIMEOUT);
}

Test(fiber, one_early_wake_up_is_remembered)
{
    loop_run(early_wake, NULL);
}

static void wait_both(void *arg)
{
    (void)arg;
    /* The wake-up comes while the deadline passes too: the time-out outranks it. */
    cr_assert_eq(fiber_wait("test", deadline_in(5)), WAIT_TIMEOUT);
    cr_assert_eq(fiber_wait("test", deadline_in(5)), WAIT_WOKEN, "and the wake-up is kept");
}

static void outrank(void *arg)
{
    struct fiber *fiber = fiber_start("waiter", wait_both, NULL);
    int64_t until_ms = clock_ms() + 20;

    (void)arg;
    fiber_yield();
    while (clock_ms() < until_ms)
        ;
    fiber_yield(); /* lets the timer fire */
    fiber_wake(fiber);
    fiber_join(fiber);
}

Test(fiber, a_time_out_outranks_a_wake_up)
{
    loop_run(outrank, NULL);
}

static void no_work(void *arg)
{
    (void)arg;
}

static void spawn_many(void *arg)
{
    struct fiber *fibers[2000];

    (void)arg;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < ARRAY_LENGTH(fibers); i++)
            fibers[i] = fiber_start("many", no_work, NULL);
        for (size_t i = 0; i < ARRAY_LENGTH(fibers); i++)
            fiber_join(fibers[i]);
    }
    for (int i = 0; i < 3000; i++)
        fiber_spawn("detached", no_work, NULL);
}

Test(fiber, thousands_come_and_go)
{
    loop_run(spawn_many, NULL);
    loop_run(spawn_many, NULL);
    cr_assert_eq(fiber_count(), 0);
}

static void use_stack(void *arg)
{
    volatile char bytes[100 * 1024];

    (void)arg;
    bytes[0] = 1;
    bytes[sizeof(bytes) - 1] = 2;
    fiber_yield();
    cr_assert_eq(bytes[0] + bytes[sizeof(bytes) - 1], 3);
}

Test(fiber, a_stack_holds_100_kib)
{
    loop_run(use_stack, NULL);
}

static void sleep_a_little(void *arg)
{
    (void)arg;
    cr_assert_eq(fiber_sleep(200, NULL), 0);
}

static __attribute__((noinline)) char *use_deep_stack(void)
{
    volatile char bytes[32 * 1024];
    char *volatile inside = (char *)&bytes[4096];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = 1;
    return inside;
}

static bool is_resident(char *address)
{
    unsigned char resident = 0;
    char *page = (char *)((uintptr_t)address & ~(uintptr_t)4095);

    cr_assert_eq(mincore(page, 4096, &resident), 0);
    return resident & 1;
}

static void trim(void *arg)
{
    volatile char kept[1000];
    char *deep;

    (void)arg;
    for (int i = 0; i < 3000; i++)
        fiber_spawn("sleeper", sleep_a_little, NULL);
    memset((char *)kept, 7, sizeof(kept));
    deep = use_deep_stack();
    cr_assert(is_resident(deep));
    fiber_trim_stack();
    cr_assert_eq(fiber_sleep(1, NULL), 0);
#ifndef __SANITIZE_ADDRESS__
    cr_assert_not(is_resident(deep));
#endif
    for (size_t i = 0; i < sizeof(kept); i++)
        cr_assert_eq(kept[i], 7);
}

Test(fiber, trimming_gives_back_what_deep_calls_used_and_keeps_the_rest)
{
    loop_run(trim, NULL);
}

static void suspend_where_forbidden(void *arg)
{
    (void)arg;
    fiber_no_suspend_enter();
    IGNORE(fiber_sleep(1, NULL));
}

Test(fiber, waiting_in_a_no_suspend_scope_is_asserted, .signal = SIGABRT)
{
    loop_run(suspend_where_forbidden, NULL);
}

static struct cond cond;
static int woken;

static void cond_waiter(void *arg)
{
    (void)arg;
    if (cond_wait(&cond, DEADLINE_NONE, NULL) == 0)
        woken++;
}

static void cond_order(void *arg)
{
    struct fiber *fibers[3];

    (void)arg;
    cond_init(&cond);
    cr_assert_eq(cond_wait(&cond, deadline_in(5), NULL), -E_TIMEOUT);
    for (size_t i = 0; i < ARRAY_LENGTH(fibers); i++)
        fibers[i] = fiber_start("waiter", cond_waiter, NULL);
    fiber_yield();
    cond_signal(&cond);
    fiber_join(fibers[0]);
    cr_assert_eq(woken, 1);
    fiber_cancel(fibers[1]);
    cond_broadcast(&cond);
    fiber_join(fibers[1]);
    fiber_join(fibers[2]);
    cr_assert_eq(woken, 2, "the cancelled waiter was not woken");
    cr_assert_not(cond_has_waiters(&cond));
}

Test(cond, wakes_in_order_and_never_a_cancelled_waiter)
{
    loop_run(cond_order, NULL);
}

static void hand_over(void *arg)
{
    struct fiber *a = fiber_start("a", cond_waiter, NULL);
    struct fiber *b = fiber_start("b", cond_waiter, NULL);

    (void)arg;
    cond_init(&cond);
    fiber_yield();
    cond_signal(&cond); /* for a … */
    fiber_cancel(a);    /* … which gives up in the same turn */
    fiber_join(a);
    fiber_join(b);
    cr_assert_eq(woken, 1);
}

Test(cond, a_signal_to_a_waiter_that_gave_up_goes_to_the_next)
{
    cond_init(&cond);
    loop_run(hand_over, NULL);
}

static int deferred_runs;
static struct deferred deferred;

static void on_deferred(void *arg)
{
    (void)arg;
    cr_assert_null(fiber_self());
    deferred_runs++;
}

static void defer_twice(void *arg)
{
    (void)arg;
    deferred_init(&deferred, on_deferred, NULL);
    loop_defer(&deferred);
    loop_defer(&deferred);
    cr_assert_eq(deferred_runs, 0);
    fiber_yield();
    cr_assert_eq(deferred_runs, 1);
    loop_defer(&deferred);
    loop_undefer(&deferred);
    fiber_yield();
    cr_assert_eq(deferred_runs, 1);
}

Test(loop, a_deferred_call_runs_once_after_the_fibers)
{
    loop_run(defer_twice, NULL);
}

static void signal_self(void *arg)
{
    int signals[] = {SIGTERM, SIGINT};
    int got = 0;

    (void)arg;
    loop_signals(signals, 2);
    cr_assert_eq(loop_signal_wait(deadline_in(5), &got, NULL), -E_TIMEOUT);
    raise(SIGTERM);
    cr_assert_eq(loop_signal_wait(deadline_in(1000), &got, NULL), 0);
    cr_assert_eq(got, SIGTERM);
}

Test(loop, waits_for_signals)
{
    loop_run(signal_self, NULL);
}

static void dump(void *arg)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    struct fiber *fiber = fiber_start("sleeper", long_sleeper, NULL);

    (void)arg;
    fiber_yield();
    loop_dump(out);
    fclose(out);
    cr_assert(strstr(text, "sleeper"));
    cr_assert(strstr(text, "sleep "));
    free(text);
    fiber_cancel(fiber);
    fiber_join(fiber);
}

Test(loop, dumps_name_and_wait_reason_of_each_fiber)
{
    loop_run(dump, NULL);
}

static int waits_seen;

static void cancel_third(struct fiber *fiber)
{
    if (++waits_seen == 3)
        fiber_cancel(fiber);
}

static void sleep_until_canceled(void *arg)
{
    int *out_slept = arg;

    fiber_on_wait(cancel_third);
    while (fiber_sleep(1, NULL) == 0)
        ++*out_slept;
    cr_assert(fiber_canceled());
    cr_assert(fiber_sleep(1, NULL) < 0); /* no wait at all: the hook does not see it */
    fiber_on_wait(NULL);
}

Test(fiber, hook_sees_each_wait_and_may_cancel_it)
{
    int slept = 0;

    loop_run(sleep_until_canceled, &slept);
    cr_assert_eq(waits_seen, 3);
    cr_assert_eq(slept, 2);
}
