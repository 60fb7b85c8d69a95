/* The whole scheduler on a private Postgres and Redis: dispatch, loss of Redis' memory, health. */

#include <criterion/criterion.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "scheduler/reap/reap.h"
#include "scheduler/roles.h"
#include "scheduler/scheduler.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/config/config.h"
#include "shared/fiber/loop.h"
#include "shared/fiber/offload.h"
#include "shared/queue/queue.h"
#include "shared/redis/redis.h"
#include "shared/store/access/tenants.h"
#include "shared/store/agents/agents.h"
#include "shared/store/migrate.h"
#include "shared/store/runs/runs.h"

static char database_url[1024];
static char redis_url[1024];
static void (*test_body)(struct scheduler *scheduler, struct store *store);
static bool test_migrates;
static const char *test_roles = "api,dispatch,reap";

static void must(int r, const struct error *err)
{
    cr_assert_eq(r, 0, "%d %s", r, r < 0 ? err->text : "a condition");
}

static void url_of(const char *database, char *out, size_t size)
{
    const char *url = getenv("DATABASE_URL");

    cr_assert(url && getenv("REDIS_URL"), "run this under tests/lib/with-servers");
    snprintf(out, size, "postgresql:///%s%s", database, strchr(url, '?'));
}

static void sql_admin(const char *statement)
{
    char url[1024];
    PGconn *conn;
    PGresult *result;

    url_of("postgres", url, sizeof(url));
    conn = PQconnectdb(url);
    result = PQexec(conn, statement);
    cr_assert_eq(PQresultStatus(result), PGRES_COMMAND_OK, "%s", PQerrorMessage(conn));
    PQclear(result);
    PQfinish(conn);
}

static struct config *load(void)
{
    static char *environment[] = {NULL};
    struct config_flags flags = {0};
    struct config *config;
    struct error err;

    config_flags_set(&flags, "database_url", "database-url", database_url);
    config_flags_set(&flags, "redis_url", "redis-url", redis_url);
    config_flags_set(&flags, "scheduler.port", "port", "0");
    config_flags_set(&flags, "scheduler.roles", "roles", test_roles);
    must(config_load(&flags, environment, &config, &err), &err);
    return config;
}

static void migrate(struct store *store)
{
    struct pg_options options = {.url = database_url, .application_name = "unit"};
    struct tenant tenant;
    struct error err;

    must(pg_open(&options, &store->pg, &err), &err);
    must(pg_wait_ready(store->pg, deadline_in(10000), &err), &err);
    if (!test_migrates)
        return;
    must(migrate_apply(store, NULL, &err), &err);
    must(tenants_create(store, TEXT("acme"), &(struct tenant_change){0}, &tenant, &err), &err);
    store->tenant = tenant.id;
}

static void run_body(void *arg)
{
    struct config *config = load();
    struct scheduler scheduler = {0};
    struct arena arena;
    struct store store = {.arena = &arena};
    struct error err;
    int r;

    (void)arg;
    arena_init(&arena, 0);
    migrate(&store);
    r = scheduler_open(config, 5000, &scheduler, &err);
    if (test_migrates) {
        must(r, &err);
        test_body(&scheduler, &store);
        scheduler_close(&scheduler, deadline_in(1000));
    } else {
        cr_assert_eq(r, -E_CONFLICT);
        cr_assert(strstr(err.text, "run `penstock migrate`"), "%s", err.text);
    }
    pg_close(store.pg);
    config_free(config);
    arena_deinit(&arena);
    offload_stop();
}

/* Each test has a database of its own, and a database of Redis by its process. */
static void with_scheduler(void (*body)(struct scheduler *, struct store *), int redis_db)
{
    char statement[128];

    log_init("unit", LOG_LEVEL_OFF, LOG_FORMAT_LOGFMT);
    /* Where penstock is migrated, so is a copy of it, in a tenth of the time. */
    snprintf(statement, sizeof(statement), "CREATE DATABASE core_%d TEMPLATE %s", (int)getpid(),
             body ? "penstock" : "template1");
    sql_admin(statement);
    snprintf(statement, sizeof(statement), "core_%d", (int)getpid());
    url_of(statement, database_url, sizeof(database_url));
    snprintf(redis_url, sizeof(redis_url), "%s?db=%d", getenv("REDIS_URL"), redis_db);
    test_body = body;
    test_migrates = body != NULL;
    loop_run(run_body, NULL);
    snprintf(statement, sizeof(statement), "DROP DATABASE core_%d WITH (FORCE)", (int)getpid());
    sql_admin(statement);
}

static struct uuid make_run(struct store *store)
{
    static struct uuid agent_id;
    struct agent_draft agent = {.id = uuid_new(), .spec = TEXT("{\"model\":\"m\"}")};
    struct thread_draft thread = {.id = uuid_new()};
    struct run_draft draft = {
        .id = uuid_new(),
        .agent_version = 1,
        .priority = RUN_PRIORITY_NORMAL,
        .spec = TEXT("{\"model\":\"m\"}"),
        .expires_in_ms = 60000,
    };
    struct agent made;
    struct run run;
    struct error err;

    if (uuid_is_zero(agent_id)) {
        must(agents_create(store, &agent, &made, &err), &err);
        agent_id = agent.id;
    }
    draft.agent = agent_id;
    must(runs_create_with_thread(store, &thread, &draft, &run, &err), &err);
    return run.id;
}

/* Reads hints, acknowledged at once, until all `count` runs were seen or the time is over. */
static size_t read_hints(struct scheduler *scheduler, const struct uuid *runs, size_t count,
                         int64_t within_ms)
{
    static const int shards[] = {0};
    struct queue_reader_options options = {redis_url, 7, shards, 1};
    struct queue_reader *reader;
    int64_t deadline_ms = deadline_in(within_ms);
    bool seen[64] = {false};
    size_t found = 0;
    struct error err;

    must(queue_reader_open(&options, deadline_in(2000), &reader, &err), &err);
    while (found < count && clock_ms() < deadline_ms) {
        struct queue_entry entries[64];
        size_t got = 0;
        int r = queue_read(reader, entries, (struct queue_room){64, 64}, 50, &got, &err);

        cr_assert(r >= 0, "%s", err.text);
        if (r == QUEUE_FORGOTTEN)
            must(queue_init(scheduler->links.queue, 0, &err), &err);
        if (r != 0)
            continue;
        queue_ack(scheduler->links.queue, entries, got);
        for (size_t i = 0; i < got; i++)
            for (size_t k = 0; k < count; k++)
                if (uuid_equal(entries[i].hint.run, runs[k]) && !seen[k]) {
                    seen[k] = true;
                    found++;
                }
    }
    queue_reader_close(reader);
    return found;
}

static void flush_redis(struct scheduler *scheduler)
{
    struct text flush = TEXT("FLUSHDB");
    struct error err;

    must(redis_command(scheduler->links.redis, &flush, 1, NULL, &err), &err);
}

static void dispatches(struct scheduler *scheduler, struct store *store)
{
    struct uuid runs[40];

    for (size_t i = 0; i < ARRAY_LENGTH(runs); i++)
        runs[i] = make_run(store);
    cr_assert_eq(read_hints(scheduler, runs, 40, 2000), 40);
    /* They were read, and nobody claimed them: they come again. */
    cr_assert_eq(read_hints(scheduler, runs, 40, 2000), 40);
}

Test(dispatch, hints_what_is_ready_and_again_what_nobody_claimed)
{
    with_scheduler(dispatches, 1);
}

static void survives_flush(struct scheduler *scheduler, struct store *store)
{
    struct uuid runs[10];
    struct error err;

    for (size_t i = 0; i < ARRAY_LENGTH(runs); i++)
        runs[i] = make_run(store);
    must(fiber_sleep(600, &err), &err); /* hinted by now */
    flush_redis(scheduler);
    cr_assert_eq(read_hints(scheduler, runs, 10, 1500), 10);
}

Test(dispatch, hints_everything_again_when_redis_lost_its_memory)
{
    with_scheduler(survives_flush, 2);
}

static void reaps(struct scheduler *scheduler, struct store *store)
{
    static const struct pg_statement expire = {
        "test_expire", "UPDATE runs SET expires_at = now() - interval '1 s' WHERE id = $1", "u"};
    struct pg_value values[1] = {pg_uuid(make_run(store))};
    struct run run = {0};
    struct error err;

    (void)scheduler;
    must(pg_exec(store->pg, &expire, values, NULL, &err), &err);
    for (int i = 0; i < 60 && run.status != RUN_EXPIRED; i++) {
        struct run_list list;
        struct page page = {.limit = 1};

        must(fiber_sleep(50, &err), &err);
        must(runs_list_all(store, &(struct run_filter){0}, &page, &list, &err), &err);
        run = list.items[0];
    }
    cr_assert_eq(run.status, RUN_EXPIRED);
}

Test(reap, expires_runs_within_seconds)
{
    with_scheduler(reaps, 3);
}

/* The lock of this worker is free: its process is gone. */
static void add_dead_worker(struct pg *pg, int64_t id)
{
    static const struct pg_statement add = {
        .name = "test_dead_worker",
        .sql = "INSERT INTO workers (worker_id, host, pid, slots, lease_until, lock_boot)"
               " VALUES ($1, 'h', 1, 1, now() + interval '1 h', pg_postmaster_start_time())",
        .types = "i",
    };
    struct pg_value values[1] = {pg_int(id)};
    struct error err;

    must(pg_exec(pg, &add, values, NULL, &err), &err);
}

static bool becomes_dead(struct pg *pg, int64_t id, int64_t within_ms)
{
    static const struct pg_statement look = {
        .name = "test_worker_state",
        .sql = "SELECT 1 FROM workers WHERE worker_id = $1 AND state = 'dead'",
        .types = "i",
    };
    struct pg_value values[1] = {pg_int(id)};
    int64_t deadline_ms = deadline_in(within_ms);
    bool dead = false;

    while (!dead && clock_ms() < deadline_ms) {
        CLEANUP(pg_result_freep) struct pg_result *result = NULL;
        struct error err;

        must(pg_exec(pg, &look, values, &result, &err), &err);
        dead = pg_rows(result) == 1;
        must(fiber_sleep(20, &err), &err);
    }
    return dead;
}

/* Every sweep takes a minute now. */
static void slow_sweeps(void)
{
    static const char *const statements[] = {
        "CREATE FUNCTION test_slow() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$",
        "CREATE TRIGGER test_slow BEFORE DELETE ON idempotency_keys FOR EACH STATEMENT"
        " EXECUTE FUNCTION test_slow()",
    };
    PGconn *conn = PQconnectdb(database_url);

    for (size_t i = 0; i < ARRAY_LENGTH(statements); i++) {
        PGresult *result = PQexec(conn, statements[i]);

        cr_assert_eq(PQresultStatus(result), PGRES_COMMAND_OK, "%s", PQerrorMessage(conn));
        PQclear(result);
    }
    PQfinish(conn);
}

static void looks_during_a_sweep(struct scheduler *scheduler, struct store *store)
{
    struct pg_options patient = {.url = database_url,
                                 .application_name = "unit",
                                 .statement_timeout_ms = 120000,
                                 .request_timeout_ms = 120000};
    struct reap_options options = {.looks = store->pg, .queue = scheduler->links.queue};
    struct error err;
    struct reap *reap;

    slow_sweeps();
    must(pg_open(&patient, &options.sweeps, &err), &err);
    reap = reap_start(&options);
    add_dead_worker(store->pg, 1);
    cr_assert(becomes_dead(store->pg, 1, 30000));
    add_dead_worker(store->pg, 2);
    cr_assert(becomes_dead(store->pg, 2, 30000));
    reap_stop(reap);
    pg_close(options.sweeps);
}

Test(reap, goes_on_looking_during_a_long_sweep)
{
    test_roles = "api";
    with_scheduler(looks_during_a_sweep, 6);
}

static const char *get(struct scheduler *scheduler, const char *path)
{
    static char reply[65536];
    struct address address;
    struct error err;
    char request[256];
    size_t len = 0;
    size_t got;
    int fd;

    must(address_parse("127.0.0.1", http_server_port(scheduler->server), &address, &err), &err);
    must(io_connect(&address, deadline_in(2000), &fd, &err), &err);
    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
             path);
    must(io_write(fd, request, strlen(request), deadline_in(2000), &err), &err);
    while (io_read(fd, reply + len, sizeof(reply) - 1 - len, deadline_in(5000), &got, &err) == 0)
        len += got;
    reply[len] = '\0';
    io_close(&fd);
    return reply;
}

static void health(struct scheduler *scheduler, struct store *store)
{
    const char *reply;
    struct error err;

    (void)make_run(store);
    must(fiber_sleep(1700, &err), &err);
    reply = get(scheduler, "/healthz");
    cr_assert(strstr(reply, "200 OK") && strstr(reply, "alive"), "%s", reply);
    reply = get(scheduler, "/readyz");
    cr_assert(strstr(reply, "200 OK") &&
                  strstr(reply, "\"missing\":[],\"degraded\":[\"workers: no worker is up\"]"),
              "%s", reply);
    reply = get(scheduler, "/v1/threads");
    cr_assert(strstr(reply, " 401 "), "%s", reply);
    reply = get(scheduler, "/metrics");
    cr_assert(strstr(reply, "\npenstock_runs_ready 1\n"), "%s", reply);
    cr_assert(strstr(reply, "penstock_http_requests_total{method=\"GET\",route=\"/v1/threads\","
                            "status=\"4xx\"} 1\n"),
              "%s", reply);
    cr_assert(strstr(reply, "penstock_hints_total{way=\"tick\",lane=\"p1\"} ") &&
                  strstr(reply, "penstock_postgres_up 1\n"),
              "%s", reply);
}

Test(health, says_what_is_there_and_counts)
{
    with_scheduler(health, 4);
}

Test(scheduler, does_not_start_on_a_database_that_was_not_migrated)
{
    with_scheduler(NULL, 5);
}
