#pragma once
/* Requests that wait for the end of a run, woken together: one subscription and one sweep for the
 * whole scheduler, however many wait.
 *
 *     worker:    a run ended, committed ──► PUBLISH ──┐
 *     scheduler: cancel, reaper, …      ──► PUBLISH ──┴─► follower ──┐
 *                                                                    ├──► waiting ──► fibers
 *     Postgres: which of these have settled? ◄─ once a second ─ sweep┘
 *
 * News are for speed, Postgres is for certainty: what nobody told, or nobody heard, the sweep finds
 * within about a second. So Redis may be away, and a worker need not know who waits.
 *
 * Workers tell only while somebody wants to hear: with the first waiter, and then with each sweep
 * as long as somebody waits, they are asked for news. Schedulers tell always, since what they end
 * is little, and since others keep ended runs in memory (ended_runs.h).
 */

#include "scheduler/waits/waiting.h"
#include "shared/base/compiler.h"
#include "shared/events/news.h"

struct ended_runs;
struct pg;
struct queue;
struct waits;

struct waits_options {
    struct pg *pg;         /* for the sweeps */
    struct queue *queue;   /* over which workers are asked for news */
    const char *redis_url; /* borrowed; must outlive it */
    size_t max;            /* requests that wait at once */
    size_t max_of_one;     /* of these, those of one tenant */
    /* Called besides for each run that is heard to have settled; may be NULL. */
    void (*settled)(struct uuid run, void *arg);
    void *arg;
};

struct waits *waits_start(const struct waits_options *options);

/* Nobody may wait any more (waits_end, then the server is closed). Accepts NULL. */
SUSPENDS void waits_stop(struct waits *waits);

/* As waiting_join and waiting_leave. */
MUSTCHECK bool waits_join(struct waits *waits, struct waiter *waiter, struct uuid run,
                          size_t *held);
void waits_leave(struct waits *waits, struct waiter *waiter);

/* All who wait are answered now, and nobody waits from here on: the scheduler ends. Accepts
 * NULL. */
void waits_end(struct waits *waits);
bool waits_have_ended(const struct waits *waits);

/* What this process knows itself, and need not hear from Redis. */
void waits_hear(struct waits *waits, enum news_kind kind, struct uuid id);

/* Ended runs that are shown from memory; owned by the waits. */
struct ended_runs *waits_ended_runs(struct waits *waits);

/* A request was answered from there. */
void waits_count_remembered(struct waits *waits);

extern const struct metric_table waits_metrics;
void waits_metrics_render(const struct waits *waits, struct buf *out);
