#pragma once
/* What fiber.c and loop.c share: the fiber itself and the loop's state. Nobody else includes it. */

#include <ev.h>

#include "shared/base/list.h"
#include "shared/base/log.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/fiber_switch.h"
#include "shared/fiber/loop.h"
#include "shared/metrics/worst.h"

#define FIBER_NAME_SIZE 32

/* Lives at the top of its own stack, whose topmost page is in use anyway. */
struct fiber {
    struct list ready_link; /* on loop.ready, or on loop.ended */
    struct list all_link;   /* on loop.all */
    struct switch_context context;
    struct switch_stack stack;
    fiber_fn fn;
    void *arg;
    struct fiber *joiner;
    const char *reason; /* of the present wait */
    int64_t wait_since_ms;
    int64_t deadline_ms;
    ev_timer timer;
    unsigned shields;
    bool ready;   /* on loop.ready */
    bool waiting; /* in fiber_wait */
    bool woken;   /* a wake-up not yet consumed */
    bool timed_out;
    bool canceled;
    bool joinable;
    bool ended;
    char name[FIBER_NAME_SIZE];
    struct log_context log;
};

struct loop {
    struct ev_loop *ev;
    struct list ready;
    struct list all;
    struct list ended;
    struct list deferred;
    struct list pool; /* stacks of ended fibers, by ready_link */
    size_t pool_count;
    size_t count;
    struct fiber *current;
    struct switch_context main; /* the loop's own stack */
    unsigned no_suspend;
    struct loop_stats stats;
    struct worst longest_us; /* that one fiber held the loop */
};

extern struct loop loop_state;

/* Runs one ready fiber until it waits or ends. On the loop's stack only. */
void fiber_resume(struct fiber *fiber);

/* Frees fibers that have ended and are not joinable, and all pooled stacks. */
void fiber_reap(void);
void fiber_pool_drain(void);
