#pragma once
/* The loop: one libev loop per process, on which all fibers run.
 *
 * One turn: libev polls and calls callbacks, which mark fibers ready; then the fibers that are
 * ready run; then the deferred calls of this turn (where drivers flush what fibers queued, so that
 * a turn's commands leave in one write).
 */

#include <stdio.h>

#include "shared/base/compiler.h"
#include "shared/base/list.h"
#include "shared/fiber/fiber.h"

struct ev_loop;

/* Runs root(arg) as the first fiber and returns when every fiber has ended. SIGPIPE is ignored from
 * here on. Once at a time; may be called again after it returned (tests do). */
void loop_run(fiber_fn root, void *arg);

/* For drivers that keep libev watchers. Only valid inside loop_run. */
struct ev_loop *loop_ev(void);

/* A call to be made once, after the ready fibers of this turn ran, on the loop's stack (it must not
 * wait). Initialise with DEFERRED_INIT; deferring twice before it ran is one call; loop_undefer
 * takes it back. The owner keeps the storage until then. */
struct deferred {
    struct list link;
    void (*fn)(void *arg);
    void *arg;
};

void deferred_init(struct deferred *deferred, void (*fn)(void *arg), void *arg);
void loop_defer(struct deferred *deferred);
void loop_undefer(struct deferred *deferred);

/* Waits for one of the signals that loop_signals() named. Returns 0 with the number in *out, or
 * -E_TIMEOUT, -E_CANCELED. Signals that arrive meanwhile are remembered, one of each kind. */
void loop_signals(const int *signals, size_t count);
SUSPENDS MUSTCHECK int loop_signal_wait(int64_t deadline_ms, int *out, struct error *err);

struct loop_stats {
    uint64_t turns;
    int64_t last_turn_ms; /* clock_ms of the last turn; readable from any thread */
    int64_t longest_us;   /* the longest that one fiber held the loop, in 15 to 30 seconds */
    uint64_t slow_holds;  /* times that a fiber held the loop for over 100 ms */
};

void loop_stats_get(struct loop_stats *out); /* from the loop's thread */
int64_t loop_last_turn_ms(void);             /* from any thread; 0 before the first turn */

/* One line per fiber: name, wait reason, how long it has waited. loop_run also does so to standard
 * error on SIGUSR1. */
void loop_dump(FILE *out);
