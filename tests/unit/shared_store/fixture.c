/* The fixture of the tests of shared/store. */

#include "fixture.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shared/base/memory.h"
#include "shared/store/migrate.h"

struct error test_err;

static char database_url[1024];
static void (*test_body)(struct store *store);
static bool test_migrates;

/* DATABASE_URL with another database: postgresql:///NAME?… */
static void url_of(const char *database, char *out, size_t size)
{
    const char *url = getenv("DATABASE_URL");
    const char *query;

    cr_assert(url, "run this under tests/lib/with-servers");
    query = strchr(url, '?');
    cr_assert(query && strncmp(url, "postgresql:///", 14) == 0, "an unexpected url: %s", url);
    snprintf(out, size, "postgresql:///%s%s", database, query);
}

static PGresult *query(const char *url, const char *sql)
{
    PGconn *conn = PQconnectdb(url);
    PGresult *result;

    cr_assert_eq(PQstatus(conn), CONNECTION_OK, "%s", PQerrorMessage(conn));
    result = PQexec(conn, sql);
    cr_assert(PQresultStatus(result) == PGRES_COMMAND_OK ||
                  PQresultStatus(result) == PGRES_TUPLES_OK,
              "%s: %s", sql, PQerrorMessage(conn));
    PQfinish(conn);
    return result;
}

static struct pg *open_pg(void)
{
    struct pg_options options = {.url = database_url, .application_name = "unit"};
    struct pg *pg = NULL;

    MUST(pg_open(&options, &pg, &test_err));
    MUST(pg_wait_ready(pg, deadline_in(10000), &test_err));
    return pg;
}

struct pg *another_pg(void)
{
    return open_pg();
}

static struct {
    struct pg *pg;
    struct run_writer *writer;
} writers[8];

struct run_writer *writer_of(struct pg *pg)
{
    size_t i = 0;

    while (writers[i].pg != pg && writers[i].pg)
        cr_assert_lt(++i, ARRAY_LENGTH(writers));
    writers[i].pg = pg;
    if (!writers[i].writer)
        writers[i].writer = run_writer_new(pg, pg);
    return writers[i].writer;
}

static void free_writers(void)
{
    for (size_t i = 0; i < ARRAY_LENGTH(writers); i++) {
        run_writer_free(writers[i].writer);
        writers[i].writer = NULL;
        writers[i].pg = NULL;
    }
}

static void run_body(void *arg)
{
    struct arena arena;
    struct store store = {.arena = &arena};
    struct tenant tenant;

    (void)arg;
    arena_init(&arena, 0);
    store.pg = open_pg();
    if (test_migrates) {
        MUST(migrate_apply(&store, NULL, &test_err));
        pg_close(store.pg); /* its session's statistics are told when it ends */
        store.pg = open_pg();
        MUST(tenants_create(&store, TEXT("acme"), &(struct tenant_change){0}, &tenant, &test_err));
        store.tenant = tenant.id;
    }
    test_body(&store);
    free_writers();
    pg_close(store.pg);
    arena_deinit(&arena);
}

static void run_test(void (*body)(struct store *store), bool migrates)
{
    char admin_url[1024];
    char name[40];
    char sql[100];
    uint64_t number;

    random_bytes(&number, sizeof(number));
    snprintf(name, sizeof(name), "unit_store_%016llx", (unsigned long long)number);
    url_of("postgres", admin_url, sizeof(admin_url));
    url_of(name, database_url, sizeof(database_url));
    /* Where penstock is migrated, so is a copy of it, in a tenth of the time. */
    snprintf(sql, sizeof(sql), "CREATE DATABASE %s TEMPLATE %s", name,
             migrates ? "penstock" : "template1");
    PQclear(query(admin_url, sql));
    test_body = body;
    test_migrates = migrates;
    loop_run(run_body, NULL);
    snprintf(sql, sizeof(sql), "DROP DATABASE %s WITH (FORCE)", name);
    PQclear(query(admin_url, sql));
}

void with_store(void (*body)(struct store *store))
{
    run_test(body, true);
}

void with_empty_database(void (*body)(struct store *store))
{
    run_test(body, false);
}

static void hold_rows(void *arg)
{
    struct lock_holder *holder = arg;
    struct pg_tx *tx = NULL;

    MUST(pg_begin(holder->pg, &tx, &test_err));
    MUST(pg_tx_script(tx, holder->locking, &test_err));
    holder->holds = true;
    MUST(fiber_sleep(holder->hold_ms, &test_err));
    MUST(pg_commit(tx, &test_err));
}

void lock_rows(struct lock_holder *holder, struct pg *pg, const char *locking, int64_t hold_ms)
{
    *holder = (struct lock_holder){.pg = pg, .locking = locking, .hold_ms = hold_ms};
    holder->fiber = fiber_start("lock holder", hold_rows, holder);
    while (!holder->holds)
        MUST(fiber_sleep(5, &test_err));
}

struct store other_tenant(const struct store *store, const char *name)
{
    struct store other = *store;
    struct tenant tenant;

    MUST(tenants_create(store, text_of(name), &(struct tenant_change){0}, &tenant, &test_err));
    other.tenant = tenant.id;
    return other;
}

PRINTF(1, 0)
static PGresult *query_format(const char *format, va_list args)
{
    char sql[4000];

    cr_assert_lt(vsnprintf(sql, sizeof(sql), format, args), (int)sizeof(sql));
    return query(database_url, sql);
}

void sql_do(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    PQclear(query_format(format, args));
    va_end(args);
}

int64_t sql_int(const char *format, ...)
{
    PGresult *result;
    int64_t value;
    va_list args;

    va_start(args, format);
    result = query_format(format, args);
    va_end(args);
    cr_assert_eq(PQntuples(result), 1, "%s", format);
    value = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    return value;
}

void sql_settle(void)
{
    for (int i = 0; i < 3000; i++) {
        if (sql_int("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND application_name <> 'unit' AND pid <> pg_backend_pid()") == 0)
            return;
        usleep(10000);
    }
    cr_assert_fail("sessions do not end");
}

const char *sql_string(const struct store *store, const char *format, ...)
{
    const char *value = "";
    PGresult *result;
    va_list args;

    va_start(args, format);
    result = query_format(format, args);
    va_end(args);
    if (PQntuples(result) > 0)
        value = arena_string(store->arena, PQgetvalue(result, 0, 0));
    PQclear(result);
    return value;
}

const char *conninfo(const struct store *store)
{
    return sql_string(
        store, "SELECT 'host=' || split_part(current_setting('unix_socket_directories'), ',', 1)"
               " || ' user=' || current_user || ' dbname=' || current_database()");
}

const char *show(struct uuid id)
{
    static char shown[4][UUID_TEXT_SIZE];
    static unsigned next;
    char *out = shown[next++ % ARRAY_LENGTH(shown)];

    uuid_format(id, out);
    return out;
}

struct uuid must_agent(const struct store *store)
{
    struct agent_draft draft = {.id = uuid_new(), .spec = TEXT("{\"model\": \"m\"}")};
    struct agent agent;

    MUST(agents_create(store, &draft, &agent, &test_err));
    return agent.id;
}

struct uuid must_thread(const struct store *store)
{
    struct thread_draft draft = {.id = uuid_new()};
    struct thread thread;

    MUST(threads_create(store, &draft, &thread, &test_err));
    return thread.id;
}

struct message_draft user_message(const char *content_json)
{
    return (struct message_draft){
        .id = uuid_new(), .role = MESSAGE_USER, .content = text_of(content_json)};
}

struct run_draft run_of(struct uuid thread, struct uuid agent)
{
    return (struct run_draft){.id = uuid_new(),
                              .thread = thread,
                              .agent = agent,
                              .agent_version = 1,
                              .priority = RUN_PRIORITY_NORMAL,
                              .spec = TEXT("{\"model\": \"m\"}"),
                              .expires_in_ms = 600000};
}

struct run must_run(const struct store *store)
{
    struct run_draft draft = run_of(must_thread(store), must_agent(store));
    struct run run;

    MUST(runs_create(store, &draft, &run, NULL, &test_err));
    return run;
}

struct run must_large_run(const struct store *store, size_t spec_bytes)
{
    static const char head[] = "{\"model\": \"m\", \"x\": \"";
    struct run_draft draft = run_of(must_thread(store), must_agent(store));
    char *spec = xmalloc(spec_bytes);
    struct run run;

    memset(spec, 'a', spec_bytes);
    memcpy(spec, head, sizeof(head) - 1);
    memcpy(spec + spec_bytes - 2, "\"}", 2);
    draft.spec = (struct text){spec, spec_bytes};
    MUST(runs_create(store, &draft, &run, NULL, &test_err));
    free(spec);
    return run;
}

int64_t must_worker(const struct store *store)
{
    struct worker_row worker = {
        .id = workers_new_id(), .host = "here", .pid = 1, .slots = 8, .lease_ms = 60000};

    MUST(workers_register(store->pg, &worker, &test_err));
    return worker.id;
}

bool beat(const struct store *store, int64_t worker, int64_t session)
{
    PGconn *conn = PQconnectdb(conninfo(store));
    const char *values[5] = {arena_printf(store->arena, "%" PRId64, worker), "60000", "0", NULL,
                             arena_printf(store->arena, "%" PRId64, session)};
    PGresult *result = PQexecParams(conn, workers_heartbeat_sql, 5, NULL, values, NULL, NULL, 0);
    bool alive = PQntuples(result) == 1;

    cr_assert_eq(PQresultStatus(result), PGRES_TUPLES_OK, "%s", PQerrorMessage(conn));
    PQclear(result);
    PQfinish(conn);
    return alive;
}

struct run_claim must_claim(const struct store *store, int64_t owner, struct uuid run)
{
    struct run_claim_list claims;

    MUST(run_leases_claim(store->pg, store->arena, owner, &run, 1, &claims, &test_err));
    cr_assert_eq(claims.count, 1);
    return claims.items[0];
}

bool is_passing(int r)
{
    return r == -E_AMBIGUOUS || r == -E_UNAVAILABLE || r == -E_TIMEOUT;
}

struct run must_get_run(const struct store *store, struct uuid id)
{
    struct run run;

    MUST(runs_get(store, (struct uuid){{0}}, id, &run, &test_err));
    return run;
}

struct thread must_get_thread(const struct store *store, struct uuid id)
{
    struct thread thread;

    MUST(threads_get(store, id, &thread, &test_err));
    return thread;
}

void check_run(const struct store *store, struct uuid id, enum run_status status)
{
    struct run run = must_get_run(store, id);
    struct thread thread = must_get_thread(store, run.thread_id);

    cr_assert_eq(run.status, status, "%s instead of %s", run_status_name(run.status),
                 run_status_name(status));
    if (run_status_terminal(status))
        cr_assert(uuid_is_zero(thread.active_run), "the thread is not released");
    else
        cr_assert(uuid_equal(thread.active_run, id), "the thread is not held");
}
