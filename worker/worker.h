#pragma once
/* A worker process: what its fibers share.
 *
 *   consume ──► claim ──► one fiber per run (run.h): context, think, act, record … until it ends
 *
 * and beside them: the heartbeat thread (the lease of the process), the watch (cancels), health.
 * Lifetime: process. Only the loop's thread touches it; the heartbeat has its own state.
 */

#include "shared/base/compiler.h"
#include "shared/base/list.h"
#include "shared/fiber/cond.h"
#include "shared/fiber/watchdog.h"
#include "shared/metrics/histogram.h"

struct config;
struct error;
struct health_listener;
struct heartbeat;
struct http_client;
struct pg;
struct provider_registry;
struct queue;
struct redis;
struct run_task;
struct run_writer;
struct servers;
struct uuid;
struct watch;

struct worker_counters {
    uint64_t claimed;
    uint64_t completed;
    uint64_t failed;
    uint64_t cancelled;
    uint64_t expired;
    uint64_t incomplete;
    uint64_t handed_back;
    uint64_t parked;    /* until the client gives tool outputs */
    uint64_t fenced;    /* runs dropped because the lease was lost */
    uint64_t suspended; /* runs dropped for now, because the lease could not be trusted */
    uint64_t model_calls;
    uint64_t model_failures;
    uint64_t tool_calls;
    uint64_t tool_errors;
    uint64_t checkpoints;
    uint64_t histories_alone; /* read apart from the claim */
    uint64_t input_tokens;
    uint64_t output_tokens;
};

struct worker {
    const struct config *config;
    struct pg *pg;
    struct pg *intake;         /* for claims alone: see consume.c */
    struct run_writer *writer; /* of the runs, on pg */
    struct redis *redis;
    struct queue *queue;
    struct http_client *http;
    struct health_listener *health;
    struct servers *servers; /* pg and queue, watched */
    struct provider_registry *registry;
    struct heartbeat *heartbeat;

    int64_t id; /* of this incarnation; changes when it was declared dead */
    char id_text[24];
    struct list runs; /* of run_task.link */
    size_t busy;
    struct cond changed; /* a run ended, or draining began */
    bool draining;
    bool strays; /* Postgres may say that runs are ours which nobody works on: see consume.c */
    struct watch *watch;
    struct pulse pulse; /* of the fiber that consumes */
    struct worker_counters counters;
    struct histogram queue_wait_us; /* from due to claimed for the first time */
};

/* Opens everything and registers; waits for Postgres for a minute. Returns 0, -E_CANCELED, or the
 * error that a person must mend. Close it in any case. */
SUSPENDS MUSTCHECK int worker_open(struct worker *worker, const struct config *config,
                                   struct error *err);

/* Works until draining is asked for by worker_drain, or the worker can't go on. */
SUSPENDS void worker_serve(struct worker *worker);

/* Stop reading; runs end at their next checkpoint, at the latest after the configured time. */
void worker_drain(struct worker *worker);

SUSPENDS void worker_close(struct worker *worker);

/* The run that is in work here, or NULL. */
struct run_task *worker_find_run(struct worker *worker, struct uuid run);

/* Asks every run that was not asked before to stop; `why` is an enum run_stop (run.h). */
void worker_stop_runs(struct worker *worker, int why);

/* Takes a new id and registers it. Nobody may be running. */
SUSPENDS MUSTCHECK int worker_register(struct worker *worker, struct error *err);
