/* Transactions and their pool. */

#include "fixture.h"

#include <stdio.h>

static struct {
    struct pg *pg;
    int order[8];
    int ended;
    int result;
} shared;

static struct pg_tx *must_begin(struct pg *pg)
{
    struct pg_tx *tx = NULL;
    struct error err = {0};

    cr_assert_eq(pg_begin(pg, &tx, &err), 0, "%s", err.text);
    return tx;
}

static int tx_put(struct pg_tx *tx, int64_t id, const char *body, struct error *err)
{
    struct pg_value values[] = {pg_int(id), pg_string(body)};

    return pg_tx_exec(tx, &insert_item, values, NULL, err);
}

static void check_commit_and_rollback(struct pg *pg)
{
    struct error err = {0};
    struct pg_tx *tx;

    make_items(pg);
    tx = must_begin(pg);
    cr_assert_eq(tx_put(tx, 1, "a", &err), 0, "%s", err.text);
    cr_assert_eq(tx_put(tx, 2, "b", &err), 0, "%s", err.text);
    cr_assert_eq(query_int(pg, "SELECT count(*) FROM item"), 0);
    cr_assert_eq(pg_commit(tx, &err), 0, "%s", err.text);
    cr_assert_eq(query_int(pg, "SELECT count(*) FROM item"), 2);
    tx = must_begin(pg);
    cr_assert_eq(tx_put(tx, 3, "c", &err), 0, "%s", err.text);
    pg_rollback(tx);
    cr_assert_eq(query_int(pg, "SELECT count(*) FROM item"), 2);
    pg_rollback(NULL);
}

Test(transaction, commits_or_rolls_back_as_told)
{
    with_pg(NULL, check_commit_and_rollback);
}

static void check_failed(struct pg *pg)
{
    struct error err = {0};
    struct pg_tx *tx;

    make_items(pg);
    tx = must_begin(pg);
    cr_assert_eq(tx_put(tx, 1, "a", &err), 0, "%s", err.text);
    cr_assert_eq(tx_put(tx, 1, "again", &err), -E_CONFLICT);
    cr_assert_eq(tx_put(tx, 2, "b", &err), -E_REJECTED);
    cr_assert_eq(strncmp(err.text, "25P02: ", 7), 0, "%s", err.text);
    cr_assert_eq(pg_commit(tx, &err), -E_REJECTED);
    cr_assert_eq(query_int(pg, "SELECT count(*) FROM item"), 0);
    tx = must_begin(pg);
    cr_assert_eq(tx_put(tx, 1, "a", &err), 0, "%s", err.text);
    cr_assert_eq(pg_commit(tx, &err), 0, "%s", err.text);
}

Test(transaction, a_failed_statement_makes_the_commit_fail_and_the_connection_stays_good)
{
    with_pg(NULL, check_failed);
}

static void check_script(struct pg *pg)
{
    struct error err = {0};
    struct pg_tx *tx = must_begin(pg);

    cr_assert_eq(
        pg_tx_script(tx, "CREATE TABLE one (id int); INSERT INTO one VALUES (1), (2)", &err), 0,
        "%s", err.text);
    cr_assert_eq(pg_tx_script(tx, "SELECT 1; SELECT nonsense; SELECT 2", &err), -E_REJECTED);
    cr_assert_eq(strncmp(err.text, "42703: ", 7), 0, "%s", err.text);
    pg_rollback(tx);
    cr_assert_eq(query_int(pg, "SELECT count(*) FROM pg_class WHERE relname = 'one' AND "
                               "relnamespace = current_schema()::regnamespace"),
                 0);
    tx = must_begin(pg);
    cr_assert_eq(pg_tx_script(tx, "COPY (SELECT 1) TO STDOUT", &err), -E_AMBIGUOUS);
    cr_assert_eq(tx_put(tx, 1, "a", &err), -E_UNAVAILABLE);
    cr_assert_eq(pg_commit(tx, &err), -E_UNAVAILABLE);
}

Test(transaction, a_script_may_hold_several_statements_but_no_copy)
{
    with_pg(NULL, check_script);
}

static void begin_in_turn(void *arg)
{
    int number = (int)(intptr_t)arg;
    struct pg_tx *tx = must_begin(shared.pg);

    shared.order[shared.ended++] = number;
    pg_rollback(tx);
}

static void check_waiters(struct pg *pg)
{
    struct fiber *fibers[5];
    struct pg_tx *first = must_begin(pg);
    struct pg_tx *second = must_begin(pg);
    struct error err = {0};

    shared.pg = pg;
    for (int i = 0; i < 5; i++) {
        fibers[i] = fiber_start("waiter", begin_in_turn, (void *)(intptr_t)i);
        fiber_yield();
    }
    cr_assert_eq(fiber_sleep(30, &err), 0);
    cr_assert_eq(shared.ended, 0);
    cr_assert_eq(query_int(pg, "SELECT count(*) FROM pg_stat_activity WHERE "
                               "application_name = 'unit' AND state = 'idle in transaction' AND "
                               "query = 'BEGIN'") >= 2,
                 true);
    pg_rollback(first);
    for (int i = 0; i < 5; i++)
        fiber_join(fibers[i]);
    pg_rollback(second);
    for (int i = 0; i < 5; i++)
        cr_assert_eq(shared.order[i], i);
}

Test(transaction, waiters_for_a_full_pool_are_served_in_order)
{
    struct pg_options options = {.pool_size = 2};

    with_pg(&options, check_waiters);
}

static void try_begin(void *arg)
{
    struct pg_tx *tx = NULL;

    (void)arg;
    shared.result = pg_begin(shared.pg, &tx, NULL);
    if (shared.result == 0)
        pg_rollback(tx);
}

static void check_full(struct pg *pg)
{
    struct pg_tx *only = must_begin(pg);
    struct pg_tx *tx = NULL;
    struct error err = {0};
    struct fiber *fiber;

    shared.pg = pg;
    cr_assert_eq(pg_begin(pg, &tx, &err), -E_UNAVAILABLE);
    cr_assert(strstr(err.text, "in use"), "%s", err.text);
    fiber = fiber_start("cancelled", try_begin, NULL);
    cr_assert_eq(fiber_sleep(10, &err), 0);
    fiber_cancel(fiber);
    fiber_join(fiber);
    cr_assert_eq(shared.result, -E_CANCELED);
    pg_rollback(only);
    tx = must_begin(pg);
    pg_rollback(tx);
}

Test(transaction, a_wait_for_a_full_pool_ends_at_its_deadline_or_by_a_cancel)
{
    struct pg_options options = {.pool_size = 1, .request_timeout_ms = 1000};

    with_pg(&options, check_full);
}

static void check_interrupted(struct pg *pg)
{
    static const struct pg_statement nap = {"nap", "SELECT pg_sleep(20)", ""};
    struct pg_tx *tx = must_begin(pg);
    struct error err = {0};

    make_items(pg);
    cr_assert_eq(tx_put(tx, 1, "a", &err), 0, "%s", err.text);
    cr_assert_eq(pg_tx_exec(tx, &nap, NULL, NULL, &err), -E_TIMEOUT);
    cr_assert_eq(pg_tx_exec(tx, &nap, NULL, NULL, &err), -E_UNAVAILABLE);
    pg_rollback(tx);
    tx = must_begin(pg);
    cr_assert_eq(tx_put(tx, 2, "b", &err), 0, "%s", err.text);
    cr_assert_eq(pg_commit(tx, &err), 0, "%s", err.text);
}

Test(transaction, an_interrupted_exchange_closes_its_connection)
{
    struct pg_options options = {.request_timeout_ms = 1500};

    with_pg(&options, check_interrupted);
}

static void commit_cancelled(void *arg)
{
    struct pg_tx *tx = must_begin(shared.pg);
    struct error err = {0};

    (void)arg;
    cr_assert_eq(tx_put(tx, 1, "a", &err), 0, "%s", err.text);
    fiber_cancel(fiber_self());
    shared.result = pg_commit(tx, &err);
}

static void check_cancelled_commit(struct pg *pg)
{
    struct fiber *fiber;

    make_items(pg);
    shared.pg = pg;
    fiber = fiber_start("cancelled", commit_cancelled, NULL);
    fiber_join(fiber);
    cr_assert_eq(shared.result, -E_CANCELED);
    cr_assert_eq(query_int(pg, "SELECT count(*) FROM item"), 0);
    cr_assert_eq(put_item(pg, 1, "free", NULL), 0);
}

Test(transaction, a_cancelled_fiber_does_not_commit_but_rolls_back)
{
    with_pg(NULL, check_cancelled_commit);
}

static void check_dead_idle(struct pg *pg)
{
    static const struct pg_statement pid = {"pid", "SELECT pg_backend_pid()", ""};
    struct pg_tx *tx = must_begin(pg);
    struct pg_result *result = NULL;
    struct error err = {0};
    static char sql[100];
    static const struct pg_statement kill_it = {"kill_it", sql, ""};

    cr_assert_eq(pg_tx_exec(tx, &pid, NULL, &result, &err), 0, "%s", err.text);
    snprintf(sql, sizeof(sql), "SELECT pg_terminate_backend(%d, 5000)",
             (int)pg_get_int(result, 0, 0));
    pg_result_free(result);
    pg_rollback(tx);
    cr_assert_eq(run_statement(pg, &kill_it, &err), 0, "%s", err.text);
    tx = must_begin(pg);
    cr_assert_eq(pg_commit(tx, &err), 0, "%s", err.text);
}

Test(transaction, an_idle_connection_that_died_is_replaced)
{
    with_pg(NULL, check_dead_idle);
}

static void check_stale(struct pg *pg)
{
    static const struct pg_statement all = {"all", "SELECT * FROM item", ""};
    struct error err = {0};
    struct pg_tx *tx;

    make_items(pg);
    tx = must_begin(pg);
    cr_assert_eq(pg_tx_exec(tx, &all, NULL, NULL, &err), 0, "%s", err.text);
    pg_rollback(tx);
    must_script(pg, "ALTER TABLE item ADD COLUMN more int");
    tx = must_begin(pg);
    cr_assert_eq(pg_tx_exec(tx, &all, NULL, NULL, &err), -E_REJECTED);
    cr_assert_eq(strncmp(err.text, "0A000: ", 7), 0, "%s", err.text);
    cr_assert_eq(pg_commit(tx, &err), -E_UNAVAILABLE);
    tx = must_begin(pg);
    cr_assert_eq(pg_tx_exec(tx, &all, NULL, NULL, &err), 0, "%s", err.text);
    pg_rollback(tx);
}

Test(transaction, a_statement_that_a_migration_made_stale_costs_one_transaction)
{
    struct pg_options options = {.pool_size = 1};

    with_pg(&options, check_stale);
}

static void lose_it(void *arg)
{
    struct pg_tx *tx = must_begin(shared.pg);
    struct error err = {0};

    (void)arg;
    shared.result = pg_tx_script(tx, "SELECT pg_terminate_backend(pg_backend_pid())", &err);
    pg_rollback(tx);
}

static void check_lost(struct pg *pg)
{
    static const struct pg_statement suicide = {
        "suicide", "SELECT pg_terminate_backend(pg_backend_pid())", ""};
    struct pg_tx *tx = must_begin(pg);
    struct error err = {0};

    shared.pg = pg;
    cr_assert_eq(pg_tx_exec(tx, &suicide, NULL, NULL, &err), -E_UNAVAILABLE);
    cr_assert_eq(pg_commit(tx, &err), -E_UNAVAILABLE);
    lose_it(NULL);
    cr_assert_eq(shared.result, -E_AMBIGUOUS);
}

Test(transaction, a_lost_connection_means_rolled_back_except_for_a_script)
{
    with_pg(NULL, check_lost);
}
