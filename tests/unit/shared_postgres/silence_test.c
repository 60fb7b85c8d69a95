/* Connections on which nothing moves any more: half-open ones, and slow statements. */

#include "fixture.h"

#include <signal.h>
#include <unistd.h>

static const struct pg_statement own_pid = {"own_pid", "SELECT pg_backend_pid()", ""};
static const struct pg_statement slow = {"slow", "SELECT pg_sleep(1.5)", ""};

/* What is sent to a process that stands still before it was sent arrives nowhere, as over a
 * connection that is half-open. */
static pid_t silenced;

static void silence(pid_t pid)
{
    silenced = pid;
    cr_assert_eq(kill(pid, SIGSTOP), 0);
}

static void wake_silenced(void)
{
    if (silenced)
        IGNORE(kill(silenced, SIGCONT));
}

static pid_t shared_pid(struct pg *pg)
{
    return (pid_t)query_int(pg, "SELECT pg_backend_pid()");
}

static int64_t backends(struct pg *pg, pid_t pid)
{
    struct pg_value values[] = {pg_int(pid)};
    static const struct pg_statement count = {
        "count_pid", "SELECT count(*) FROM pg_stat_activity WHERE pid = $1", "i"};
    struct pg_result *result = NULL;
    struct error err = {0};
    int64_t found;

    cr_assert_eq(pg_exec(pg, &count, values, &result, &err), 0, "%s", err.text);
    found = pg_get_int(result, 0, 0);
    pg_result_free(result);
    return found;
}

struct put {
    struct pg *pg;
    int64_t id;
    int result;
    struct error err;
};

static void put_main(void *arg)
{
    struct put *put = arg;

    put->result = put_item(put->pg, put->id, "body", &put->err);
}

static void check_half_open(struct pg *pg)
{
    struct put sent = {.pg = pg, .id = 1};
    struct put queued = {.pg = pg, .id = 2};
    struct fiber *fibers[2];
    int64_t start_ms;
    pid_t pid;

    make_items(pg);
    pid = shared_pid(pg);
    silence(pid);
    start_ms = clock_ms();
    fibers[0] = fiber_start("sent", put_main, &sent);
    cr_assert_eq(fiber_sleep(20, NULL), 0);
    fibers[1] = fiber_start("queued", put_main, &queued);
    fiber_join(fibers[0]);
    fiber_join(fibers[1]);
    cr_assert_lt(clock_ms() - start_ms, 4000);
    cr_assert_eq(sent.result, -E_AMBIGUOUS, "%s", sent.err.text);
    cr_assert(strstr(sent.err.text, "half-open"), "%s", sent.err.text);
    cr_assert_eq(queued.result, 0, "%s", queued.err.text);
    cr_assert_neq(shared_pid(pg), pid);
    /* It was told to end, so what it was sent is not executed after all. */
    wake_silenced();
    while (backends(pg, pid) > 0)
        cr_assert_eq(fiber_sleep(5, NULL), 0);
    cr_assert_eq(query_int(pg, "SELECT sum(id) FROM item"), 2);
}

Test(silence, of_a_half_open_connection_is_seen_within_seconds, .fini = wake_silenced)
{
    with_pg(NULL, check_half_open);
}

static void check_slow(struct pg *pg)
{
    struct error err = {0};
    struct pg_stats stats;

    cr_assert_eq(run_statement(pg, &slow, &err), 0, "%s", err.text);
    pg_stats_get(pg, &stats);
    cr_assert_eq(stats.reconnects, 0);
    cr_assert_eq(stats.ambiguous, 0);
}

Test(silence, of_a_slow_statement_is_borne)
{
    struct pg_options options = {.silence_ms = 250};

    with_pg(&options, check_slow);
}

static void check_lock(struct pg *pg)
{
    static const struct pg_statement change = {"change", "UPDATE item SET body = 'new'", ""};
    struct put waiting = {.pg = pg, .id = 1};
    struct error err = {0};
    struct pg_tx *tx = NULL;
    struct fiber *fiber;
    struct pg_stats stats;

    make_items(pg);
    cr_assert_eq(pg_begin(pg, &tx, &err), 0, "%s", err.text);
    cr_assert_eq(pg_tx_script(tx, "LOCK TABLE item", &err), 0, "%s", err.text);
    fiber = fiber_start("waiting", put_main, &waiting);
    cr_assert_eq(fiber_sleep(800, NULL), 0);
    cr_assert_eq(pg_tx_exec(tx, &change, NULL, NULL, &err), 0, "%s", err.text);
    cr_assert_eq(pg_commit(tx, &err), 0, "%s", err.text);
    fiber_join(fiber);
    cr_assert_eq(waiting.result, 0, "%s", waiting.err.text);
    pg_stats_get(pg, &stats);
    cr_assert_eq(stats.reconnects, 0);
}

Test(silence, of_a_statement_that_waits_for_a_lock_is_borne)
{
    struct pg_options options = {.silence_ms = 250};

    with_pg(&options, check_lock);
}

/* The pid of the idle connection for transactions. */
static pid_t pooled_pid(struct pg *pg)
{
    struct pg_result *result = NULL;
    struct error err = {0};
    struct pg_tx *tx = NULL;
    pid_t pid;

    cr_assert_eq(pg_begin(pg, &tx, &err), 0, "%s", err.text);
    cr_assert_eq(pg_tx_exec(tx, &own_pid, NULL, &result, &err), 0, "%s", err.text);
    pid = (pid_t)pg_get_int(result, 0, 0);
    pg_result_free(result);
    cr_assert_eq(pg_commit(tx, &err), 0, "%s", err.text);
    return pid;
}

static void check_begin(struct pg *pg)
{
    int64_t start_ms;
    pid_t pid = pooled_pid(pg);

    silence(pid);
    start_ms = clock_ms();
    cr_assert_neq(pooled_pid(pg), pid);
    cr_assert_lt(clock_ms() - start_ms, 4000);
}

Test(silence, of_an_idle_connection_of_the_pool_costs_seconds_and_no_transaction,
     .fini = wake_silenced)
{
    with_pg(NULL, check_begin);
}

static void check_transaction(struct pg *pg)
{
    struct pg_result *result = NULL;
    struct error err = {0};
    struct pg_tx *tx = NULL;
    int64_t start_ms;

    cr_assert_eq(pg_begin(pg, &tx, &err), 0, "%s", err.text);
    cr_assert_eq(pg_tx_exec(tx, &slow, NULL, NULL, &err), 0, "%s", err.text);
    cr_assert_eq(pg_tx_exec(tx, &own_pid, NULL, &result, &err), 0, "%s", err.text);
    silence((pid_t)pg_get_int(result, 0, 0));
    pg_result_free(result);
    start_ms = clock_ms();
    cr_assert_eq(pg_tx_exec(tx, &own_pid, NULL, NULL, &err), -E_UNAVAILABLE, "%s", err.text);
    cr_assert_lt(clock_ms() - start_ms, 4000);
    pg_rollback(tx);
}

Test(silence, of_a_transaction_is_seen_within_seconds, .fini = wake_silenced)
{
    struct pg_options options = {.silence_ms = 250};

    with_pg(&options, check_transaction);
}
