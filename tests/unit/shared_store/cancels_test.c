/* Tests of cancelling against everything else, and of workers that leave. */

#include "fixture.h"

#include <libpq-fe.h>
#include <stdlib.h>

static const struct uuid any = {{0}};

static void ends_cancelled(struct store *store)
{
    static const enum run_status ends[] = {RUN_CANCELLED, RUN_FAILED, RUN_EXPIRED};
    int64_t worker = must_worker(store);

    for (size_t i = 0; i < ARRAY_LENGTH(ends); i++) {
        struct run run = must_run(store);
        struct run_claim claim = must_claim(store, worker, run.id);
        struct run_ending ending = {.status = RUN_CANCELLED};

        GIVES(-E_INTERNAL,
              run_leases_finish(writer_of(store->pg), &claim.lease, NULL, &ending, &test_err));
        MUST(runs_cancel(store, any, run.id, &run, &test_err));
        ending.status = RUN_COMPLETED;
        GIVES(LEASE_CANCELLING,
              run_leases_finish(writer_of(store->pg), &claim.lease, NULL, &ending, &test_err));
        ending.status = RUN_INCOMPLETE;
        GIVES(LEASE_CANCELLING,
              run_leases_finish(writer_of(store->pg), &claim.lease, NULL, &ending, &test_err));
        check_run(store, run.id, RUN_CANCELLING);
        ending.status = ends[i];
        MUST(run_leases_finish(writer_of(store->pg), &claim.lease, NULL, &ending, &test_err));
        check_run(store, run.id, ends[i]);
        cr_assert_eq(must_get_run(store, run.id).cancelled_at > 0, ends[i] == RUN_CANCELLED);
    }
}

Test(cancels, let_the_worker_end_the_run_only_as_the_table_allows)
{
    with_store(ends_cancelled);
}

struct race {
    struct store store;
    struct run_claim claim;
    int finished;
    int cancelled;
};

static void race_finish(void *arg)
{
    struct race *race = arg;
    struct run_ending ending = {.status = RUN_COMPLETED};
    struct error err = {0};

    MUST(fiber_sleep((int64_t)random_below(10), &test_err));
    race->finished =
        run_leases_finish(writer_of(race->store.pg), &race->claim.lease, NULL, &ending, &err);
}

static void race_cancel(void *arg)
{
    struct race *race = arg;
    struct error err = {0};
    struct run run;

    MUST(fiber_sleep((int64_t)random_below(10), &test_err));
    race->cancelled = runs_cancel(&race->store, any, race->claim.lease.run, &run, &err);
}

#define RACES 40

/* Returns how many runs ended before they were cancelled. */
static int race_all(struct store *store, struct pg *second, int64_t worker)
{
    static struct race races[RACES];
    struct fiber *fibers[2 * RACES];
    int won = 0;

    for (int i = 0; i < RACES; i++)
        races[i] = (struct race){*store, must_claim(store, worker, must_run(store).id), -1, -1};
    for (int i = 0; i < RACES; i++) {
        fibers[2 * i] = fiber_start("one", i % 2 ? race_finish : race_cancel, &races[i]);
        fibers[2 * i + 1] = fiber_start("two", i % 2 ? race_cancel : race_finish, &races[i]);
        if (i % 3)
            races[i].store.pg = second;
    }
    for (int i = 0; i < 2 * RACES; i++)
        fiber_join(fibers[i]);
    for (int i = 0; i < RACES; i++) {
        enum run_status status = must_get_run(store, races[i].claim.lease.run).status;

        if (races[i].finished == 0) {
            cr_assert_eq(races[i].cancelled, RUN_ENDED);
            cr_assert_eq(status, RUN_COMPLETED);
            won++;
        } else {
            cr_assert_eq(races[i].finished, LEASE_CANCELLING);
            cr_assert_eq(races[i].cancelled, 0);
            cr_assert_eq(status, RUN_CANCELLING);
        }
    }
    return won;
}

/* Who is first depends on the machine: until each was, in some race. */
static void races(struct store *store)
{
    struct pg *second = another_pg();
    int64_t worker = must_worker(store);
    int raced = 0;
    int won = 0;

    do {
        won += race_all(store, second, worker);
        raced += RACES;
    } while ((won == 0 || won == raced) && raced < 50 * RACES);
    cr_assert(won > 0 && won < raced, "%d of %d", won, raced);
    pg_close(second);
}

Test(cancels, race_with_the_end_and_exactly_one_wins)
{
    with_store(races);
}

static void leaves(struct store *store)
{
    int64_t worker = must_worker(store);
    struct run kept = must_run(store);
    struct run cancelled = must_run(store);
    struct run_claim claim = must_claim(store, worker, kept.id);
    struct run_changes none = {0};
    int64_t runs = 0;

    must_claim(store, worker, cancelled.id);
    MUST(runs_cancel(store, any, cancelled.id, &cancelled, &test_err));
    MUST(workers_deregister(store->pg, worker, &runs, &test_err));
    cr_assert_eq(runs, 2);
    check_run(store, kept.id, RUN_QUEUED);
    check_run(store, cancelled.id, RUN_CANCELLED);
    kept = must_get_run(store, kept.id);
    cr_assert_eq(kept.crashes, 0);
    cr_assert_eq(kept.errors, 0);
    GIVES(LEASE_FENCED,
          run_leases_checkpoint(writer_of(store->pg), &claim.lease, &none, &test_err));
    MUST(workers_deregister(store->pg, worker, &runs, &test_err));
    cr_assert_eq(runs, 0);
    cr_assert_eq(sql_int("SELECT count(*) FROM workers"), 0);
}

Test(workers, that_leave_hand_their_runs_back_uncounted)
{
    with_store(leaves);
}

static void beats(struct store *store)
{
    struct worker_row row = {
        .id = workers_new_id(), .host = "h", .pid = 7, .slots = 3, .lease_ms = 1000};
    PGconn *conn = PQconnectdb(conninfo(store));
    const char *values[5] = {arena_printf(store->arena, "%lld", (long long)row.id), "60000", "2",
                             NULL, "4711"};
    struct run run;
    int64_t live;
    PGresult *result;

    MUST(workers_register(store->pg, &row, &test_err));
    GIVES(-E_CONFLICT, workers_register(store->pg, &row, &test_err));
    run = must_run(store);
    must_claim(store, row.id, run.id);
    MUST(runs_cancel(store, any, run.id, &run, &test_err));
    result = PQexecParams(conn, workers_heartbeat_sql, 5, NULL, values, NULL, NULL, 0);
    cr_assert_eq(PQntuples(result), 1, "%s", PQerrorMessage(conn));
    cr_assert_str_eq(PQgetvalue(result, 0, 0), "up");
    cr_assert_str_eq(PQgetvalue(result, 0, 1), show(run.id));
    PQclear(result);
    cr_assert_eq(sql_int("SELECT count(*) FROM workers WHERE busy = 2 AND lock_boot IS NULL"
                         " AND lease_until > now() + interval '50 s'"),
                 1);
    MUST(workers_count_live(store->pg, &live, &test_err));
    cr_assert_eq(live, 1);
    sql_do("UPDATE workers SET state = 'dead'");
    result = PQexecParams(conn, workers_heartbeat_sql, 5, NULL, values, NULL, NULL, 0);
    cr_assert_eq(PQntuples(result), 0);
    MUST(workers_count_live(store->pg, &live, &test_err));
    cr_assert_eq(live, 0);
    PQclear(result);
    PQfinish(conn);
}

Test(workers, renew_their_lease_and_learn_of_cancels_by_the_heartbeat)
{
    with_store(beats);
}
