/* Tests of the locks of workers. */

#include "fixture.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>

#include "shared/store/fleet/worker_locks.h"

struct holder {
    PGconn *conn;
    int64_t worker;
};

static PGresult *tell(struct holder *holder, const char *sql, const char *second,
                      const char *fourth)
{
    char id[24];
    char session[24];
    const char *values[5] = {id, second, "0", fourth, session};

    snprintf(id, sizeof(id), "%" PRId64, holder->worker);
    snprintf(session, sizeof(session), "%d", PQbackendPID(holder->conn));
    return PQexecParams(holder->conn, sql, sql == workers_lock_sql ? 2 : 5, NULL, values, NULL,
                        NULL, 0);
}

/* Says what the heartbeat says: takes the lock and records it. */
static void must_hold(struct store *store, struct holder *out)
{
    char backend[24];
    PGresult *result;

    out->worker = must_worker(store);
    out->conn = PQconnectdb(conninfo(store));
    snprintf(backend, sizeof(backend), "%d", PQbackendPID(out->conn));
    result = tell(out, workers_lock_sql, backend, NULL);
    cr_assert_str_eq(PQgetvalue(result, 0, 0), "t", "%s", PQerrorMessage(out->conn));
    PQclear(result);
    result = tell(out, workers_heartbeat_sql, "60000", backend);
    cr_assert_eq(PQntuples(result), 1, "%s", PQerrorMessage(out->conn));
    PQclear(result);
}

static struct worker_locks look(struct store *store)
{
    struct worker_locks locks;

    MUST(worker_locks_look(store->pg, store->arena, &locks, &test_err));
    return locks;
}

static int64_t declare(struct store *store, int64_t worker)
{
    struct dead_workers dead;
    char name[64];

    snprintf(name, sizeof(name), "%lld (host ", (long long)worker);
    MUST(worker_locks_declare_dead(store->pg, &worker, 1, &dead, &test_err));
    cr_assert_eq(dead.count > 0, strstr(dead.names, name) != NULL, "%s", dead.names);
    return dead.count;
}

static int64_t locks_held(void)
{
    return sql_int("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
                   " AND database = (SELECT oid FROM pg_database"
                   "   WHERE datname = current_database())");
}

/* The server ends a session a moment after its client is gone. */
static void let_go(struct holder *holder)
{
    PQfinish(holder->conn);
    while (locks_held() > 0)
        cr_assert_eq(fiber_sleep(5, NULL), 0);
}

static void tells_free_locks(struct store *store)
{
    struct worker_locks locks;
    struct holder holder;
    int64_t server_ms = sql_int("SELECT (extract(epoch FROM now()) * 1000)::int8");

    must_worker(store); /* holds no lock and never said so */
    must_hold(store, &holder);
    locks = look(store);
    cr_assert_eq(locks.alive, 2);
    cr_assert_eq(locks.free_count, 0);
    cr_assert(locks.server_wall_ms >= server_ms && locks.server_wall_ms < server_ms + 60000);
    cr_assert_eq(declare(store, holder.worker), 0, "its lock is held");
    let_go(&holder);
    locks = look(store);
    cr_assert_eq(locks.free_count, 1);
    cr_assert_eq(locks.free[0], holder.worker);
    cr_assert_eq(locks_held(), 0, "looking leaves no lock");
    cr_assert_eq(declare(store, holder.worker), 1);
    cr_assert_eq(declare(store, holder.worker), 0, "once");
    locks = look(store);
    cr_assert_eq(locks.alive, 1);
    cr_assert_eq(locks.free_count, 0);
}

Test(worker_locks, are_free_when_the_worker_is_gone)
{
    with_store(tells_free_locks);
}

static void tells_who_came_back(struct store *store)
{
    struct holder holder;
    int64_t worker = must_worker(store);

    cr_assert(beat(store, worker, 1));
    cr_assert(beat(store, worker, 1));
    cr_assert_eq(look(store).back, 0, "it was never away");
    cr_assert(beat(store, worker, 2));
    cr_assert_eq(look(store).back, 1, "over another connection");
    must_hold(store, &holder);
    let_go(&holder);
    sql_do("UPDATE workers SET back_at = now()");
    cr_assert_eq(look(store).back, 1, "the other one is away");
    cr_assert_eq(look(store).free_count, 1);
    sql_do("UPDATE workers SET back_at = now() - interval '5 s'");
    cr_assert_eq(look(store).back, 0, "some time ago");
    sql_do("UPDATE workers SET lease_until = now() - interval '1 s'");
    cr_assert(beat(store, worker, 2));
    cr_assert_eq(look(store).back, 1, "its lease had lapsed");
}

Test(worker_locks, come_with_how_many_workers_came_back_just_now)
{
    with_store(tells_who_came_back);
}

static void tells_the_next_lapse(struct store *store)
{
    int64_t worker;

    cr_assert_eq(look(store).lapse_ms, INT64_MAX, "nobody has a lease");
    must_worker(store);
    worker = must_worker(store);
    sql_do("UPDATE workers SET lease_until = now() + interval '90 s'");
    sql_do("UPDATE workers SET lease_until = now() + interval '30 s' WHERE worker_id = %" PRId64,
           worker);
    cr_assert(look(store).lapse_ms > 10000 && look(store).lapse_ms <= 30000);
    sql_do("UPDATE workers SET lease_until = now() - interval '1 s' WHERE worker_id = %" PRId64,
           worker);
    cr_assert(look(store).lapse_ms <= -1000);
    sql_do("UPDATE workers SET state = 'dead' WHERE worker_id = %" PRId64, worker);
    cr_assert(look(store).lapse_ms > 30000, "the dead have none");
}

Test(worker_locks, come_with_the_time_to_the_next_lapse_of_a_lease)
{
    with_store(tells_the_next_lapse);
}

static void spares_earlier_boots(struct store *store)
{
    struct holder holder;

    must_hold(store, &holder);
    let_go(&holder);
    sql_do("UPDATE workers SET lock_boot = lock_boot - interval '1 s'");
    cr_assert_eq(look(store).free_count, 0);
    cr_assert_eq(declare(store, holder.worker), 0);
}

Test(worker_locks, that_another_start_of_the_server_granted_say_nothing)
{
    with_store(spares_earlier_boots);
}

static void spares_poolers(struct store *store)
{
    struct holder holder;
    PGresult *result;

    must_hold(store, &holder);
    result = tell(&holder, workers_lock_sql, "1", NULL);
    cr_assert_eq(PQntuples(result), 0, "another session's process");
    PQclear(result);
    result = tell(&holder, workers_heartbeat_sql, "60000", "1");
    PQclear(result);
    cr_assert_eq(sql_int("SELECT count(*) FROM workers WHERE lock_boot IS NOT NULL"), 0);
    let_go(&holder);
    cr_assert_eq(look(store).free_count, 0);
}

Test(worker_locks, are_not_taken_behind_a_pooler)
{
    with_store(spares_poolers);
}
