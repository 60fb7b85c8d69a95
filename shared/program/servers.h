#pragma once
/* The servers that a program stands on: Postgres, without which it can't work, and Redis, without
 * which it works more slowly. Their states (shared/postgres/state.h, shared/redis/redis_state.h)
 * are watched here, for readiness and metrics, and each change is one line of the log.
 */

#include "shared/base/compiler.h"
#include "shared/metrics/metric_table.h"

struct buf;
struct error;
struct pg;
struct queue;
struct readiness;
struct servers;

#define SERVERS_LINKS_MAX 11

/* A connection to Postgres, by what it is for. */
struct servers_link {
    const char *name;
    struct pg *pg;
};

struct servers_options {
    /* The first is what the program can't do without; those without a pg are left out. */
    struct servers_link postgres[SERVERS_LINKS_MAX];
    struct queue *queue;
};

/* The connections and the names must outlive it; the options need not. */
struct servers *servers_start(const struct servers_options *options);
SUSPENDS void servers_stop(struct servers *servers); /* accepts NULL; frees */

/* Waits for Postgres, wait_ms at most, with a line every 5 s that says why; then looks whether the
 * database's schema is the one that this program knows. Returns 0; -E_TIMEOUT or -E_UNAVAILABLE;
 * -E_CONFLICT (the text says what to run); -E_CANCELED. */
SUSPENDS MUSTCHECK int servers_await_postgres(struct pg *pg, int64_t wait_ms, struct error *err);

/* Whether so many shards are what the living schedulers use; where they differ it looks again for
 * some seconds, since one that was killed counts as alive as long. Returns 0; -E_CONFLICT, with a
 * sentence; what Postgres failed with. */
SUSPENDS MUSTCHECK int servers_agree_on_shards(struct pg *pg, int shards, struct error *err);

/* What is missing (Postgres) and what is degraded (Redis, and connections to Postgres beside the
 * first). */
void servers_judge(const struct servers *servers, struct readiness *out);

extern const struct metric_table servers_metrics;
void servers_metrics_render(const struct servers *servers, struct buf *out);
