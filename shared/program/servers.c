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
#include "shared/fiber/fiber.h"
#include "shared/fiber/service.h"
#include "shared/postgres/postgres.h"
#include "shared/program/health.h"
#include "shared/queue/queue.h"
#include "shared/store/dispatch/shards.h"
#include "shared/store/migrate.h"
#include "shared/store/store.h"

enum {
    TELL_EVERY_MS = 5000,
    AGREE_AGAIN_MS = 200,
    POSTGRES_LOOK_MS = 250,
    REDIS_PROBE_MS = 500,
    REDIS_TROUBLE_MS = 250,
};

struct servers {
    struct pg *pg; /* the first of the links */
    struct servers_link links[SERVERS_LINKS_MAX];
    size_t links_count;
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

struct servers *servers_start(const struct servers_options *options)
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

    for (size_t i = 0; i < SERVERS_LINKS_MAX; i++)
        if (options->postgres[i].pg)
            servers->links[servers->links_count++] = options->postgres[i];
    ASSERT(servers->links_count > 0);
    servers->pg = servers->links[0].pg;
    servers->queue = options->queue;
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
    return migrate_check(pg, err);
}

int servers_agree_on_shards(struct pg *pg, int shards, struct error *err)
{
    const struct scheduler_row nobody = {.shards = shards};
    int64_t deadline_ms = deadline_in(SHARDS_LEASE_MS + 500);
    int r = shards_agree(pg, &nobody, err);

    while (r == -E_CONFLICT && clock_ms() < deadline_ms) {
        r = fiber_sleep(AGREE_AGAIN_MS, err);
        if (r == 0)
            r = shards_agree(pg, &nobody, err);
    }
    return r;
}

void servers_judge(const struct servers *servers, struct readiness *out)
{
    enum pg_state postgres = pg_state(servers->pg, NULL);
    enum redis_state redis = queue_state(servers->queue);

    if (postgres != PG_SERVES)
        readiness_missing(out, "postgres: %s", pg_state_word(postgres));
    for (size_t i = 1; i < servers->links_count && postgres == PG_SERVES; i++) {
        enum pg_state state = pg_state(servers->links[i].pg, NULL);

        if (state != PG_SERVES)
            readiness_degraded(out, "postgres: %s (connection %s)", pg_state_word(state),
                               servers->links[i].name);
    }
    if (redis != REDIS_SERVES)
        readiness_degraded(out, "redis: %s", redis_state_word(redis));
}

/* As the page shows them. */
struct shown {
    const struct servers_link *links;
    struct pg_stats stats[SERVERS_LINKS_MAX]; /* of the links */
    size_t links_count;
    enum pg_state postgres;
    enum redis_state redis;
    bool postgres_up;
    bool redis_up;
};

/* A sample for each connection to Postgres: `value` is an expression of its number i. */
#define EACH_LINK(function, value)                                                                 \
    static void function(struct buf *out, const char *name, const void *from)                      \
    {                                                                                              \
        const struct shown *shown = from;                                                          \
                                                                                                   \
        for (size_t i = 0; i < shown->links_count; i++)                                            \
            metric_sample(out, name, (int64_t)(value), "connection", shown->links[i].name, NULL);  \
    }

EACH_LINK(add_links_up, pg_is_ready(shown->links[i].pg))
EACH_LINK(add_requests, shown->stats[i].requests)
EACH_LINK(add_batches, shown->stats[i].batches)
EACH_LINK(add_reruns, shown->stats[i].reruns)
EACH_LINK(add_ambiguous, shown->stats[i].ambiguous)
EACH_LINK(add_reconnects, shown->stats[i].reconnects)
EACH_LINK(add_queued, shown->stats[i].queued)
EACH_LINK(add_in_flight, shown->stats[i].in_flight)

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
    METRIC_LABELLED(METRIC_GAUGE, "penstock_postgres_connection_up", "connection",
                    "Whether the connection is there, by what it is for.", add_links_up),
    METRIC_LABELLED(METRIC_COUNTER, "penstock_postgres_requests_total", "connection",
                    "Requests to Postgres.", add_requests),
    METRIC_LABELLED(METRIC_COUNTER, "penstock_postgres_batches_total", "connection",
                    "Batches that carried them.", add_batches),
    METRIC_LABELLED(METRIC_COUNTER, "penstock_postgres_reruns_total", "connection",
                    "Requests run again alone.", add_reruns),
    METRIC_LABELLED(METRIC_COUNTER, "penstock_postgres_ambiguous_total", "connection",
                    "Requests whose outcome was lost.", add_ambiguous),
    METRIC_LABELLED(METRIC_COUNTER, "penstock_postgres_reconnects_total", "connection",
                    "Connections made anew.", add_reconnects),
    METRIC_LABELLED(METRIC_GAUGE, "penstock_postgres_queued", "connection", "Requests that wait.",
                    add_queued),
    METRIC_LABELLED(METRIC_GAUGE, "penstock_postgres_in_flight", "connection",
                    "Requests sent and not answered.", add_in_flight),
    METRIC_SHOWS(shown, METRIC_BOOL, redis_up, "penstock_redis_up",
                 "Whether Redis serves: 0 also when it answers but takes no hints."),
    METRIC_LABELLED(METRIC_GAUGE, "penstock_redis_state", "state",
                    "1 for the state that Redis is in.", add_redis_states),
};

const struct metric_table servers_metrics = METRIC_TABLE(rows);

void servers_metrics_render(const struct servers *servers, struct buf *out)
{
    struct shown shown = {
        .links = servers->links,
        .links_count = servers->links_count,
        .postgres = pg_state(servers->pg, NULL),
        .redis = queue_state(servers->queue),
    };

    shown.postgres_up = shown.postgres == PG_SERVES;
    shown.redis_up = shown.redis == REDIS_SERVES;
    for (size_t i = 0; i < servers->links_count; i++)
        pg_stats_get(servers->links[i].pg, &shown.stats[i]);
    metric_table_render(&servers_metrics, &shown, out);
}
