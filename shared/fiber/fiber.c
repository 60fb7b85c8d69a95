/* Fibers: life, waiting, waking, cancelling.
 *
 * States: ready (on loop.ready), running (loop.current), waiting (in fiber_wait), ended. A fiber
 * becomes ready by fiber_wake, its timer or fiber_cancel, and only the loop resumes it.
 *
 * A stack is pooled when its fiber ended: mapping one costs several microseconds.
 */

#include "shared/fiber/fiber.h"

#include <stdio.h>
#include <string.h>

#include "shared/base/error.h"
#include "shared/fiber/scheduler_internal.h"

#define POOL_MAX   1024
#define TRIM_ABOVE 2000 /* fibers */
#define ALIGNED(n) (((n) + 63) / 64 * 64)
#define TOP_BYTES  ALIGNED(sizeof(struct fiber))

static fiber_wait_fn wait_hook;

static void make_ready(struct fiber *fiber)
{
    if (fiber->ready)
        return;
    fiber->ready = true;
    list_add(&loop_state.ready, &fiber->ready_link);
}

static void on_timer(struct ev_loop *ev, ev_timer *timer, int events)
{
    struct fiber *fiber = CONTAINER_OF(timer, struct fiber, timer);
    int64_t left_ms = fiber->deadline_ms - clock_ms();

    (void)events;
    if (left_ms > 0) { /* libev counts from the start of its turn, which may lie back */
        ev_timer_set(timer, (double)left_ms / 1e3, 0.0);
        ev_timer_start(ev, timer);
        return;
    }
    fiber->timed_out = true;
    make_ready(fiber);
}

static void fiber_main(void)
{
    struct fiber *fiber = loop_state.current;

    switch_arrived(&loop_state.main);
    fiber->fn(fiber->arg);
    ASSERT(fiber->shields == 0);
    fiber->ended = true;
    loop_state.count--;
    list_remove(&fiber->all_link);
    if (fiber->joiner)
        fiber_wake(fiber->joiner);
    if (!fiber->joinable)
        list_add(&loop_state.ended, &fiber->ready_link);
    switch_to(&fiber->context, &loop_state.main, true);
    __builtin_unreachable();
}

static struct fiber *take_memory(void)
{
    struct list *pooled = list_pop(&loop_state.pool);
    struct switch_stack stack;
    struct fiber *fiber;

    if (pooled) {
        loop_state.pool_count--;
        stack = CONTAINER_OF(pooled, struct fiber, ready_link)->stack;
        switch_stack_clean(&stack, TOP_BYTES);
    } else {
        switch_stack_map(&stack);
    }
    fiber = (struct fiber *)(void *)(stack.bottom + stack.size - TOP_BYTES);
    memset(fiber, 0, sizeof(*fiber));
    fiber->stack = stack;
    return fiber;
}

static void give_memory(struct fiber *fiber)
{
    struct switch_stack stack = fiber->stack;

    if (loop_state.pool_count < POOL_MAX) {
        loop_state.pool_count++;
        list_add(&loop_state.pool, &fiber->ready_link);
    } else {
        switch_stack_unmap(&stack);
    }
}

static struct fiber *make(const char *name, fiber_fn fn, void *arg, bool joinable)
{
    struct fiber *fiber = take_memory();

    ASSERT(loop_state.ev);
    fiber->fn = fn;
    fiber->arg = arg;
    fiber->joinable = joinable;
    snprintf(fiber->name, sizeof(fiber->name), "%s", name);
    list_init(&fiber->ready_link);
    list_add(&loop_state.all, &fiber->all_link);
    ev_init(&fiber->timer, on_timer);
    switch_prepare(&fiber->context, &fiber->stack, TOP_BYTES, fiber_main);
    fiber->reason = "starting";
    fiber->wait_since_ms = clock_ms();
    loop_state.count++;
    make_ready(fiber);
    return fiber;
}

struct fiber *fiber_spawn(const char *name, fiber_fn fn, void *arg)
{
    return make(name, fn, arg, false);
}

struct fiber *fiber_start(const char *name, fiber_fn fn, void *arg)
{
    return make(name, fn, arg, true);
}

void fiber_join(struct fiber *fiber)
{
    ASSERT(fiber->joinable);
    ASSERT(!fiber->joiner);
    fiber->joiner = loop_state.current;
    fiber_shield_enter();
    while (!fiber->ended) {
        enum wait_result woken = fiber_wait("join", DEADLINE_NONE);

        ASSERT(woken == WAIT_WOKEN);
    }
    fiber_shield_leave();
    give_memory(fiber);
}

void fiber_cancel(struct fiber *fiber)
{
    if (fiber->ended || fiber->canceled)
        return;
    fiber->canceled = true;
    if (fiber->waiting && fiber->shields == 0)
        make_ready(fiber);
}

struct fiber *fiber_self(void)
{
    return loop_state.current;
}

bool fiber_canceled(void)
{
    struct fiber *self = loop_state.current;

    ASSERT(self);
    return self->canceled && self->shields == 0;
}

void fiber_shield_enter(void)
{
    ASSERT(loop_state.current);
    loop_state.current->shields++;
}

void fiber_shield_leave(void)
{
    ASSERT(loop_state.current->shields > 0);
    loop_state.current->shields--;
}

static void suspend(struct fiber *self)
{
    switch_to(&self->context, &loop_state.main, false);
}

static void start_timer(struct fiber *self, int64_t deadline_ms)
{
    int64_t left_ms;

    self->deadline_ms = deadline_ms;
    if (deadline_ms == DEADLINE_NONE)
        return;
    left_ms = deadline_ms - clock_ms();
    ev_timer_set(&self->timer, left_ms > 0 ? (double)left_ms / 1e3 : 0.0, 0.0);
    ev_timer_start(loop_state.ev, &self->timer);
}

enum wait_result fiber_wait(const char *reason, int64_t deadline_ms)
{
    struct fiber *self = loop_state.current;

    ASSERT(self);
    ASSERT(loop_state.no_suspend == 0);
    if (fiber_canceled())
        return WAIT_CANCELED;
    if (self->woken) {
        self->woken = false;
        return WAIT_WOKEN;
    }
    if (deadline_ms != DEADLINE_NONE && deadline_ms <= clock_ms())
        return WAIT_TIMEOUT;
    self->timed_out = false;
    self->reason = reason;
    self->wait_since_ms = clock_ms();
    self->waiting = true;
    start_timer(self, deadline_ms);
    if (__builtin_expect(wait_hook != NULL, 0))
        wait_hook(self);
    suspend(self);
    if (deadline_ms != DEADLINE_NONE)
        ev_timer_stop(loop_state.ev, &self->timer);
    self->waiting = false;
    self->reason = NULL;
    if (fiber_canceled())
        return WAIT_CANCELED;
    if (self->timed_out)
        return WAIT_TIMEOUT;
    ASSERT(self->woken);
    self->woken = false;
    return WAIT_WOKEN;
}

void fiber_wake(struct fiber *fiber)
{
    ASSERT(!fiber->ended);
    fiber->woken = true;
    if (fiber->waiting)
        make_ready(fiber);
}

int fiber_sleep(int64_t wait_ms, struct error *err)
{
    int64_t deadline_ms = deadline_in(wait_ms);

    for (;;) {
        switch (fiber_wait("sleep", deadline_ms)) {
        case WAIT_WOKEN: /* a late wake-up of something that this fiber waited for before */
            continue;
        case WAIT_TIMEOUT:
            return 0;
        case WAIT_CANCELED:
            return error_set(err, E_CANCELED, "cancelled while sleeping");
        }
    }
}

void fiber_yield(void)
{
    struct fiber *self = loop_state.current;

    ASSERT(self);
    ASSERT(loop_state.no_suspend == 0);
    self->reason = "yield";
    self->wait_since_ms = clock_ms();
    make_ready(self);
    suspend(self);
    self->reason = NULL;
}

struct log_context *fiber_log_context(void)
{
    ASSERT(loop_state.current);
    return &loop_state.current->log;
}

void fiber_no_suspend_enter(void)
{
    loop_state.no_suspend++;
}

void fiber_no_suspend_leave(void)
{
    ASSERT(loop_state.no_suspend > 0);
    loop_state.no_suspend--;
}

void fiber_trim_stack(void)
{
    ASSERT(loop_state.current);
    if (loop_state.count > TRIM_ABOVE)
        switch_stack_trim(&loop_state.current->stack, __builtin_frame_address(0));
}

void fiber_on_wait(fiber_wait_fn hook)
{
    wait_hook = hook;
}

size_t fiber_count(void)
{
    return loop_state.count;
}

void fiber_resume(struct fiber *fiber)
{
    struct log_context *before = log_context_swap(&fiber->log);

    ASSERT(!loop_state.current);
    fiber->ready = false;
    loop_state.current = fiber;
    switch_to(&loop_state.main, &fiber->context, false);
    loop_state.current = NULL;
    log_context_swap(before);
}

void fiber_reap(void)
{
    struct list *item;

    while ((item = list_pop(&loop_state.ended)))
        give_memory(CONTAINER_OF(item, struct fiber, ready_link));
}

void fiber_pool_drain(void)
{
    struct list *item;

    while ((item = list_pop(&loop_state.pool))) {
        struct switch_stack stack = CONTAINER_OF(item, struct fiber, ready_link)->stack;

        switch_stack_unmap(&stack);
    }
    loop_state.pool_count = 0;
}
