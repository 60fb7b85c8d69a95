/* Two services. One asks Redis twice a second to do what hints need, and more often while it does
 * not serve; the other looks at what the connection to Postgres met. Postgres is believed to be
 * gone when two looks in a row say so: a connection that is replaced is no trouble.
 */

#include "shared/program/servers.h"

#include <stdlib.h>

#include "shared/base/arena.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/fiber/service.h"
#include "shared/postgres/postgres.h"
#include "shared/program/health.h"
#include "shared/queue/queue.h"
#include "shared/store/migrate.h"
#include "shared/store/store.h"

enum {
    TELL_EVERY_MS = 5000,
    POSTGRES_LOOK_MS = 250,
    REDIS_PROBE_MS = 500,
    REDIS_TROUBLE_MS = 250,
};

struct servers {
    struct pg *pg;
    struct queue *queue;
    struct service postgres;
    struct service redis;
    enum pg_state seen; /* by the last look */
    enum pg_state told;
    enum redis_state redis_told;
};

static const char *advice(enum pg_state state)
{
    switch (state) {
    case PG_UNMIGRATED:
        return "run `penstock migrate`";
    case PG_REFUSES_US:
        return "check the user, the password and the rights of DATABASE_URL";
    case PG_REFUSES_WRITES:
        return "is it a replica, or its disk full?";
    case PG_SERVES:
    case PG_AWAY:
    case PG_NOT_READY:
    case PG_SLOW:
    case PG_STATES:
        break;
    }
    return "work waits for it";
}

static int look_at_postgres(void *arg, struct error *err)
{
    struct servers *servers = arg;
    struct error why = {0};
    enum pg_state state = pg_state(servers->pg, &why);
    bool twice = state == servers->seen;

    (void)err;
    servers->seen = state;
    if (state == servers->told || (!twice && state != PG_SERVES))
        return 0;
    servers->told = state;
    if (state == PG_SERVES)
        log_info("Postgres serves again");
    else
        log_warn("Postgres does not serve", LOG_STR("state", pg_state_word(state)),
                 LOG_STR("advice", advice(state)), LOG_ERROR(&why));
    return 0;
}

static int probe_redis(void *arg, struct error *err)
{
    struct servers *servers = arg;
    int r = queue_probe(servers->queue, err);
    enum redis_state state = queue_state(servers->queue);

    if (r == -E_CANCELED || state == servers->redis_told)
        return r;
    servers->redis_told = state;
    if (state == REDIS_SERVES)
        log_info("Redis serves again");
    else
        log_warn("Redis does not serve: work goes on from Postgres",
                 LOG_STR("state", redis_state_word(state)),
                 LOG_STR("error", queue_complaint(servers->queue)));
    return r;
}

static int64_t redis_wait_ms(void *arg)
{
    const struct servers *servers = arg;

    return service_spread_ms(queue_serves(servers->queue) ? REDIS_PROBE_MS : REDIS_TROUBLE_MS);
}

struct servers *servers_start(struct pg *pg, struct queue *queue)
{
    struct servers *servers = xcalloc(1, sizeof(*servers));
    struct service_options postgres = {
        .name = "look at Postgres",
        .round = look_at_postgres,
        .arg = servers,
        .period_ms = POSTGRES_LOOK_MS,
    };
    struct service_options redis = {
        .name = "probe Redis",
        .round = probe_redis,
        .arg = servers,
        .wait_ms = redis_wait_ms,
        .late = true, /* the connection is in the making */
    };

    servers->pg = pg;
    servers->queue = queue;
    service_start(&servers->postgres, &postgres);
    service_start(&servers->redis, &redis);
    return servers;
}

void servers_stop(struct servers *servers)
{
    if (!servers)
        return;
    service_stop(&servers->postgres);
    service_stop(&servers->redis);
    free(servers);
}

static int check_schema(struct pg *pg, struct error *err)
{
    struct migrate_status status;
    struct arena arena;
    struct store store = {.pg = pg, .arena = &arena};
    int r;

    arena_init(&arena, 0);
    r = migrate_status(&store, &status, err);
    arena_deinit(&arena);
    if (r < 0)
        return error_wrap(err, "the database's schema");
    if (status.pending > 0)
        return error_set(err, E_CONFLICT,
                         "the database's schema is at version %d and this program needs %d: run "
                         "`penstock migrate`",
                         status.applied, status.known);
    return 0;
}

int servers_await_postgres(struct pg *pg, int64_t wait_ms, struct error *err)
{
    int64_t deadline_ms = deadline_in(wait_ms);
    bool waited = false;
    int r;

    do {
        int64_t part_ms = waited ? TELL_EVERY_MS : TELL_EVERY_MS / 5;

        r = pg_wait_ready(pg, deadline_min(deadline_ms, deadline_in(part_ms)), err);
        if (r == -E_TIMEOUT && clock_ms() < deadline_ms)
            log_warn("waiting for Postgres", LOG_ERROR(err));
        waited = waited || r == -E_TIMEOUT;
    } while (r == -E_TIMEOUT && clock_ms() < deadline_ms);
    if (r < 0)
        return r == -E_CANCELED ? r : error_wrap(err, "Postgres (DATABASE_URL)");
    if (waited)
        log_info("Postgres is there");
    return check_schema(pg, err);
}

void servers_judge(const struct servers *servers, struct readiness *out)
{
    enum pg_state postgres = pg_state(servers->pg, NULL);
    enum redis_state redis = queue_state(servers->queue);

    if (postgres != PG_SERVES)
        readiness_missing(out, "postgres: %s", pg_state_word(postgres));
    if (redis != REDIS_SERVES)
        readiness_degraded(out, "redis: %s", redis_state_word(redis));
}

/* As the page shows them. */
struct shown {
    struct pg_stats pg;
    enum pg_state postgres;
    enum redis_state redis;
    bool postgres_up;
    bool redis_up;
};

static void add_postgres_states(struct buf *out, const char *name, const void *from)
{
    const struct shown *shown = from;

    for (int i = 0; i < PG_STATES; i++)
        metric_sample(out, name, shown->postgres == (enum pg_state)i, "state",
                      pg_state_word((enum pg_state)i), NULL);
}

static void add_redis_states(struct buf *out, const char *name, const void *from)
{
    const struct shown *shown = from;

    for (int i = 0; i < REDIS_STATES; i++)
        metric_sample(out, name, shown->redis == (enum redis_state)i, "state",
                      redis_state_word((enum redis_state)i), NULL);
}

static const struct metric rows[] = {
    METRIC_SHOWS(shown, METRIC_BOOL, postgres_up, "penstock_postgres_up",
                 "Whether Postgres serves."),
    METRIC_LABELLED(METRIC_GAUGE, "penstock_postgres_state", "state",
                    "1 for the state that Postgres is in.", add_postgres_states),
    METRIC_COUNTS(shown, METRIC_UINT64, pg.requests, "penstock_postgres_requests_total",
                  "Requests to Postgres."),
    METRIC_COUNTS(shown, METRIC_UINT64, pg.batches, "penstock_postgres_batches_total",
                  "Batches that carried them."),
    METRIC_COUNTS(shown, METRIC_UINT64, pg.reruns, "penstock_postgres_reruns_total",
                  "Requests run again alone."),
    METRIC_COUNTS(shown, METRIC_UINT64, pg.ambiguous, "penstock_postgres_ambiguous_total",
                  "Requests whose outcome was lost."),
    METRIC_COUNTS(shown, METRIC_UINT64, pg.reconnects, "penstock_postgres_reconnects_total",
                  "Connections made anew."),
    METRIC_SHOWS(shown, METRIC_SIZE, pg.queued, "penstock_postgres_queued", "Requests that wait."),
    METRIC_SHOWS(shown, METRIC_SIZE, pg.in_flight, "penstock_postgres_in_flight",
                 "Requests sent and not answered."),
    METRIC_SHOWS(shown, METRIC_BOOL, redis_up, "penstock_redis_up",
                 "Whether Redis serves: 0 also when it answers but takes no hints."),
    METRIC_LABELLED(METRIC_GAUGE, "penstock_redis_state", "state",
                    "1 for the state that Redis is in.", add_redis_states),
};

const struct metric_table servers_metrics = METRIC_TABLE(rows);

void servers_metrics_render(const struct servers *servers, struct buf *out)
{
    struct shown shown = {
        .postgres = pg_state(servers->pg, NULL),
        .redis = queue_state(servers->queue),
    };

    shown.postgres_up = shown.postgres == PG_SERVES;
    shown.redis_up = shown.redis == REDIS_SERVES;
    pg_stats_get(servers->pg, &shown.pg);
    metric_table_render(&servers_metrics, &shown, out);
}
