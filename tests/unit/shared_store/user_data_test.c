/* Deleting what is known of a user: threads with all that was done on them, runs elsewhere, names
 * in sums. */

#include "fixture.h"

#include <libpq-fe.h>

#include "shared/store/threads/user_bytes.h"
#include "shared/store/users/user_data.h"

#define THREADS 3

static int stopped_count;
static struct run_stopped stopped_last;

static void note_stopped(void *arg, const struct run_stopped *run)
{
    (void)arg;
    stopped_last = *run;
    stopped_count++;
}

/* A thread of a user with a message, and with a run of `runner` (TEXT_NONE: the thread's user). */
static struct run thread_of(const struct store *store, const char *user, struct text runner)
{
    struct message_draft message = user_message("[]");
    struct thread_draft thread = {.id = uuid_new(), .messages = &message, .message_count = 1};
    struct run_draft draft = run_of((struct uuid){{0}}, must_agent(store));
    struct run run;

    thread.user = text_of(user);
    draft.user = runner;
    MUST(runs_create_with_thread(store, &thread, &draft, &run, &test_err));
    return run;
}

static struct user_removed must_delete(const struct store *store, const char *user,
                                       int64_t deadline_ms)
{
    struct user_deleting how = {
        .user = text_of(user), .deadline_ms = deadline_ms, .stopped = note_stopped, .arg = NULL};
    struct user_removed removed;

    MUST(users_delete(store, &how, &removed, &test_err));
    return removed;
}

static void with_threads(struct store *store)
{
    struct store other = other_tenant(store, "other");
    struct user_removed removed;
    struct run active = {0};
    struct run bobs;

    for (int i = 0; i < THREADS; i++)
        active = thread_of(store, "ada", TEXT_NONE);
    must_claim(store, must_worker(store), active.id);
    bobs = thread_of(store, "bob", TEXT_NONE);
    (void)thread_of(&other, "ada", TEXT_NONE);

    stopped_count = 0;
    removed = must_delete(store, "ada", DEADLINE_NONE);
    cr_assert(removed.all);
    cr_assert_eq(removed.counts[USER_THREADS], THREADS);
    cr_assert_eq(removed.counts[USER_MESSAGES], THREADS);
    cr_assert_eq(removed.counts[USER_RUNS], THREADS);
    cr_assert_eq(stopped_count, 1, "the one that a worker has in hand");
    cr_assert(uuid_equal(stopped_last.id, active.id));
    check_run(store, bobs.id, RUN_QUEUED);
    cr_assert_eq(sql_int("SELECT count(*) FROM threads"), 2);
    cr_assert_eq(sql_int("SELECT count(*) FROM runs"), 2);
    cr_assert_eq(sql_int("SELECT count(*) FROM messages"), 2);
    removed = must_delete(store, "ada", clock_ms());
    cr_assert(removed.all);
    cr_assert_eq(removed.counts[USER_THREADS], 0);
}

Test(user_data, threads_go_with_all_that_was_done_on_them)
{
    with_store(with_threads);
}

static void in_parts(struct store *store)
{
    int times = 1;

    for (int i = 0; i < THREADS; i++)
        (void)thread_of(store, "ada", TEXT_NONE);
    while (!must_delete(store, "ada", clock_ms()).all)
        cr_assert_lt(times++, 20, "each request deletes something");
    cr_assert_gt(times, THREADS, "the time was over after each");
    cr_assert_eq(sql_int("SELECT count(*) FROM threads"), 0);
}

Test(user_data, is_deleted_in_as_many_requests_as_the_time_makes_of_it)
{
    with_store(in_parts);
}

static void elsewhere(struct store *store)
{
    struct run run = thread_of(store, "bob", TEXT("ada"));
    struct user_removed removed = must_delete(store, "ada", DEADLINE_NONE);

    cr_assert(removed.all);
    cr_assert_eq(removed.counts[USER_THREADS], 0);
    cr_assert_eq(removed.counts[USER_RUNS], 1);
    cr_assert_eq(sql_int("SELECT count(*) FROM runs"), 0);
    cr_assert(uuid_is_zero(must_get_thread(store, run.thread_id).active_run));
    cr_assert_eq(sql_int("SELECT count(*) FROM messages"), 1, "the thread is another one's");
}

Test(user_data, runs_on_threads_of_others_are_cancelled_and_go)
{
    with_store(elsewhere);
}

static void in_sums(struct store *store)
{
    bool more = true;

    sql_do("INSERT INTO usage_hourly (tenant_id, hour, agent_id, user_id, provider, model, calls,"
           "  prompt_tokens, completion_tokens, cached_tokens, cache_write_tokens,"
           "  reasoning_tokens, cost_micros)"
           " SELECT '%s', date_trunc('hour', now()), '%s', u, 'p', 'm', 1, 2, 3, 4, 5, 6, 7"
           " FROM unnest(ARRAY['ada', 'bob', '']) u;"
           "INSERT INTO usage_deltas SELECT * FROM usage_hourly",
           show(store->tenant), show(store->tenant));
    cr_assert_eq(must_delete(store, "ada", DEADLINE_NONE).counts[USER_USAGE], 2);
    while (more)
        MUST(usage_fold(store->pg, &more, &test_err));
    cr_assert_eq(sql_int("SELECT count(*) FROM usage_by_hour WHERE user_id = 'ada'"), 0);
    cr_assert_eq(sql_int("SELECT sum(calls) FROM usage_by_hour WHERE user_id = 'bob'"), 2);
    cr_assert_eq(sql_int("SELECT sum(cost_micros) FROM usage_by_hour WHERE user_id = ''"), 28);
}

Test(user_data, sums_of_usage_stay_and_lose_the_name)
{
    with_store(in_sums);
}

/* Somebody folds, and is held up in the middle of it: the rows of ada are in his hands. */
struct fold {
    int (*fold)(struct pg *pg, bool *out_more, struct error *err);
    struct pg *pg;
    const char *bob; /* a query that locks what is folded behind ada's */
    const struct store *store;
    bool deleted;
};

static void run_fold(void *arg)
{
    struct fold *fold = arg;
    bool more;

    MUST(fold->fold(fold->pg, &more, &test_err));
}

static void run_delete(void *arg)
{
    struct fold *fold = arg;

    cr_assert(must_delete(fold->store, "ada", DEADLINE_NONE).all);
    fold->deleted = true;
}

static void plain(PGconn *conn, const char *sql)
{
    PGresult *result = PQexec(conn, sql);

    cr_assert(PQresultStatus(result) == PGRES_COMMAND_OK ||
                  PQresultStatus(result) == PGRES_TUPLES_OK,
              "%s", PQerrorMessage(conn));
    PQclear(result);
}

static void until_waiting(int64_t sessions, const bool *or_done)
{
    while (!*or_done && sql_int("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type ="
                                " 'Lock' AND datname = current_database()") < sessions)
        MUST(fiber_sleep(5, &test_err));
}

static void delete_amid(struct store *store, struct fold fold)
{
    PGconn *conn = PQconnectdb(conninfo(store));
    struct fiber *fibers[2];

    fold.pg = another_pg();
    fold.store = store;
    plain(conn, "BEGIN");
    plain(conn, fold.bob);
    fibers[0] = fiber_start("fold", run_fold, &fold);
    until_waiting(1, &fold.deleted);
    fibers[1] = fiber_start("delete", run_delete, &fold);
    until_waiting(2, &fold.deleted);
    plain(conn, "COMMIT");
    fiber_join(fibers[0]);
    fiber_join(fibers[1]);
    PQfinish(conn);
    pg_close(fold.pg);
}

static int64_t rows_of_ada(const char *table)
{
    return sql_int("SELECT count(*) FROM %s WHERE user_id = 'ada'", table);
}

static void bytes_amid(struct store *store)
{
    bool more;

    (void)thread_of(store, "bob", TEXT_NONE);
    MUST(user_bytes_fold(store->pg, &more, &test_err));
    (void)thread_of(store, "bob", TEXT_NONE);
    (void)thread_of(store, "ada", TEXT_NONE);
    cr_assert_eq(rows_of_ada("user_deltas"), 1);
    delete_amid(store, (struct fold){.fold = user_bytes_fold,
                                     .bob = "SELECT FROM user_bytes WHERE user_id = 'bob'"
                                            " FOR UPDATE"});
    cr_assert_eq(rows_of_ada("user_deltas"), 0);
    cr_assert_eq(rows_of_ada("user_bytes"), 0);
    cr_assert_eq(sql_int("SELECT sum(total_bytes) FROM user_bytes WHERE user_id = 'bob'"),
                 sql_int("SELECT sum(total_bytes) FROM threads WHERE user_id = 'bob'"));
}

Test(user_data, what_threads_held_keeps_no_name_though_somebody_folds_it)
{
    with_store(bytes_amid);
}

static void bytes_stay(struct store *store)
{
    struct uuid tenant = store->tenant;
    bool more;

    (void)thread_of(store, "ada", TEXT_NONE);
    MUST(user_bytes_fold(store->pg, &more, &test_err));
    (void)thread_of(store, "ada", TEXT_NONE);
    MUST(user_bytes_fold_person(store, TEXT("ada"), &test_err));
    cr_assert_eq(rows_of_ada("user_deltas"), 0);
    cr_assert_eq(sql_int("SELECT total_bytes FROM user_bytes WHERE user_id = 'ada'"),
                 sql_int("SELECT sum(total_bytes) FROM threads WHERE user_id = 'ada'"));
    cr_assert(must_delete(store, "ada", DEADLINE_NONE).all);
    cr_assert_eq(rows_of_ada("user_deltas") + rows_of_ada("user_bytes"), 0);
    cr_assert_eq(sql_int("SELECT penstock_user_bytes('%s', 'ada')", show(tenant)), 0);
}

Test(user_data, what_is_there_of_a_person_is_folded_exactly)
{
    with_store(bytes_stay);
}

static void usage_amid(struct store *store)
{
    bool more;

    sql_do("INSERT INTO usage_hourly (tenant_id, hour, agent_id, user_id, provider, model, calls,"
           "  prompt_tokens, completion_tokens, cached_tokens, cache_write_tokens,"
           "  reasoning_tokens, cost_micros)"
           " SELECT '%s', date_trunc('hour', now()), '%s', 'bob', 'p', 'm', 1, 2, 3, 4, 5, 6, 7;"
           "INSERT INTO usage_deltas SELECT * FROM usage_hourly;"
           "INSERT INTO usage_deltas SELECT * FROM usage_hourly;"
           "UPDATE usage_deltas SET user_id = 'ada' WHERE ctid = (SELECT max(ctid) FROM"
           "  usage_deltas)",
           show(store->tenant), show(store->tenant));
    delete_amid(store, (struct fold){.fold = usage_fold,
                                     .bob = "SELECT FROM usage_hourly WHERE user_id = 'bob'"
                                            " FOR UPDATE"});
    MUST(usage_fold(store->pg, &more, &test_err));
    cr_assert_eq(rows_of_ada("usage_deltas"), 0);
    cr_assert_eq(rows_of_ada("usage_hourly"), 0);
    cr_assert_eq(sql_int("SELECT sum(calls) FROM usage_by_hour WHERE user_id = 'bob'"), 2);
    cr_assert_eq(sql_int("SELECT sum(calls) FROM usage_by_hour WHERE user_id = ''"), 1);
}

Test(user_data, usage_keeps_no_name_though_somebody_folds_it)
{
    with_store(usage_amid);
}
