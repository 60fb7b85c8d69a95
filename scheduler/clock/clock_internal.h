#pragma once
/* Inside scheduler/clock: what its rounds share.
 *
 *   clock_plan.c    schedules that are due -> firings
 *   clock_begin.c   firings that are due -> runs, a fiber each (clock_start.c)
 *   clock_end.c     runs that have ended -> outcomes; what waited for them is due
 *   clock_tell.c    and lasting threads are told
 */

#include "scheduler/clock/clockwork.h"
#include "shared/fiber/service.h"
#include "shared/metrics/histogram.h"

struct arena;
struct error;
struct firing_start;
struct firing_taken;
struct span;
struct submitter;

struct clockwork {
    struct clockwork_options options;
    struct submitter *submitter;
    struct service plan;
    struct service begin;
    struct service end;
    int64_t plan_wait_ms;
    int64_t end_wait_ms;
    int64_t at_work;
    int64_t waiting;
    int64_t due;
    uint64_t planned;
    uint64_t started;
    uint64_t failed;
    uint64_t retried;
    uint64_t ended;
    uint64_t paused;
    uint64_t told;
    struct histogram late_us;
};

/* Rounds of services, and how long they wait then. */
SUSPENDS int clock_plan_round(void *arg, struct error *err);
SUSPENDS int clock_begin_round(void *arg, struct error *err);
SUSPENDS int clock_end_round(void *arg, struct error *err);

/* Starts the run of a firing that was taken. Texts of *out are in the arena. */
SUSPENDS void clock_start_run(struct clockwork *clockwork, const struct firing_taken *taken,
                              struct arena *arena, struct firing_start *out);

/* The span of a firing's run: a trace begins with it, since nobody asked for the run just now. */
struct span *clock_span_begin(struct tracer *tracer, const struct firing_taken *taken);

/* Tells lasting threads what became of firings. *out_count: of how many. */
SUSPENDS MUSTCHECK int clock_tell(struct clockwork *clockwork, int64_t *out_count,
                                  struct error *err);
