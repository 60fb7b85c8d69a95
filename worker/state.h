#pragma once
/* What the fibers of a worker share: its connections, who it is, the runs in hand, the counts.
 *
 *   consume ──► claim ──► one fiber per run (kinds/agent.c): resume, act, think … until it ends
 *
 * and beside them: the heartbeat thread (the lease of the process), the watch (cancels), health.
 * Lifetime: process. Only the loop's thread touches it; the heartbeat has its own state.
 */

#include "providers/spending/spending.h"
#include "providers/vectors/vectors.h"
#include "shared/base/compiler.h"
#include "shared/base/list.h"
#include "shared/fiber/cond.h"
#include "shared/fiber/watchdog.h"
#include "shared/metrics/histogram.h"
#include "shared/program/file_links.h"
#include "worker/room/room.h"
#include "worker/tools/tools.h"

struct call_stats;
struct fiber;
struct sandbox;
struct config;
struct gate;
struct health_listener;
struct heartbeat;
struct http_client;
struct pg;
struct provider_registry;
struct queue;
struct redis;
struct run_writer;
struct servers;
struct speaker;
struct teller;
struct tracer;
struct watch;

struct worker_counters {
    uint64_t claimed;
    uint64_t completed;
    uint64_t failed;
    uint64_t cancelled;
    uint64_t expired;
    uint64_t incomplete;
    uint64_t handed_back;
    uint64_t parked;    /* until others settle their open calls: a client, or the clock */
    uint64_t fenced;    /* runs dropped because the lease was lost */
    uint64_t suspended; /* runs dropped for now, because the lease could not be trusted */
    uint64_t checkpoints;
    uint64_t histories_alone; /* read apart from the claim */
};

/* More than fifteen fields, since it is what all fibers share and nothing else: each is a service,
 * or a fact about the worker itself. */
struct worker {
    const struct config *config;
    struct pg *pg;
    struct pg *large;          /* for histories that are read alone, and writes that are large */
    struct pg *intake;         /* for claims alone: see claims.h */
    struct file_links files;   /* for images that messages name */
    struct run_writer *writer; /* of the runs, on pg */
    struct redis *redis;
    struct queue *queue;
    struct teller *teller;   /* of runs that ended here, while somebody wants to know */
    struct speaker *speaker; /* of what runs say, while somebody listens */
    struct http_client *http;
    struct gate *gate; /* before calls of models */
    struct spending_book spendings;
    struct health_listener *health;
    struct servers *servers;            /* pg and queue, watched */
    struct provider_registry *registry; /* the present one: see registry_reload.h */
    struct heartbeat *heartbeat;
    struct tool_services tools;   /* lent to every call */
    struct vectors_means vectors; /* of texts that are ours */
    struct sandbox *sandbox;      /* of programs of models; NULL: it is switched off */
    struct fiber *sandbox_herald; /* see code_ability.h */

    int64_t id; /* of this incarnation; changes when it was declared dead */
    char id_text[24];
    struct list runs; /* of run_task.link */
    size_t busy;
    struct room room;    /* bytes that they hold, beside their number */
    struct cond changed; /* a run ended, or draining began */
    bool draining;
    bool strays; /* Postgres may say that runs are ours which nobody works on: see consume.c */
    struct watch *watch;
    struct pulse pulse; /* of the fiber that consumes */
    struct worker_counters counters;
    struct tracer *tracer;          /* NULL: telemetry is off */
    struct call_stats *calls;       /* of models and tools */
    struct histogram queue_wait_us; /* from due to claimed for the first time */
};
