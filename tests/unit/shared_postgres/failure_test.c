/* Time-outs, cancels, deadlocks and lost connections on the shared connection. */

#include "fixture.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static const struct pg_statement nap = {"nap", "SELECT pg_sleep(0.3)", ""};
static const struct pg_statement one_second = {"one_second", "SELECT pg_sleep(1)", ""};
static const struct pg_statement long_nap = {"long_nap", "SELECT pg_sleep(30)", ""};
static const struct pg_statement set_body = {"set_body", "UPDATE item SET body = $2 WHERE id = $1",
                                             "it"};

/* One request of its own fiber. */
struct call {
    struct pg *pg;
    const struct pg_statement *statement; /* NULL: put item `id` */
    int64_t id;
    int result;
    struct error err;
    struct fiber *fiber;
};

static void call_main(void *arg)
{
    struct call *call = arg;

    if (call->statement)
        call->result = run_statement(call->pg, call->statement, &call->err);
    else
        call->result = put_item(call->pg, call->id, "body", &call->err);
}

static void call_start(struct call *call)
{
    call->result = 1;
    call->fiber = fiber_start("call", call_main, call);
}

static void pause_ms(int64_t wait_ms)
{
    cr_assert_eq(fiber_sleep(wait_ms, NULL), 0);
}

struct swap {
    struct pg *pg;
    int64_t first;
    int64_t second;
    int result;
    struct error err;
};

static void swap_main(void *arg)
{
    struct swap *swap = arg;
    struct pg_value first[] = {pg_int(swap->first), pg_string("x")};
    struct pg_value second[] = {pg_int(swap->second), pg_string("x")};
    struct pg_query queries[] = {{&set_body, first}, {&nap, NULL}, {&set_body, second}};

    swap->result = pg_exec_all(swap->pg, queries, 3, NULL, &swap->err);
}

static void check_deadlock(struct pg *pg)
{
    struct pg_options options = {.url = database_url(), .application_name = "other"};
    struct swap a = {.pg = pg, .first = 1, .second = 2};
    struct swap b = {.first = 2, .second = 1};
    struct fiber *fiber;
    struct pg_stats stats_a;
    struct pg_stats stats_b;
    char url[1024];
    struct error err = {0};

    make_items(pg);
    cr_assert_eq(put_item(pg, 1, "a", &err), 0, "%s", err.text);
    cr_assert_eq(put_item(pg, 2, "b", &err), 0, "%s", err.text);
    snprintf(url, sizeof(url), "%s&options=-c%%20search_path%%3Dunit_%d", options.url,
             (int)getpid());
    options.url = url;
    cr_assert_eq(pg_open(&options, &b.pg, &err), 0, "%s", err.text);
    cr_assert_eq(pg_wait_ready(b.pg, deadline_in(5000), &err), 0, "%s", err.text);
    fiber = fiber_start("swap", swap_main, &a);
    swap_main(&b);
    fiber_join(fiber);
    cr_assert_eq(a.result, 0, "%s", a.err.text);
    cr_assert_eq(b.result, 0, "%s", b.err.text);
    pg_stats_get(pg, &stats_a);
    pg_stats_get(b.pg, &stats_b);
    cr_assert_eq(stats_a.reruns + stats_b.reruns, 1);
    pg_close(b.pg);
}

Test(failure, a_request_that_lost_a_deadlock_is_run_again)
{
    with_pg(NULL, check_deadlock);
}

static void check_statement_timeout(struct pg *pg)
{
    struct call slow = {.pg = pg, .statement = &long_nap};
    struct call companion = {.pg = pg, .id = 1};

    make_items(pg);
    call_start(&slow);
    call_start(&companion);
    fiber_join(slow.fiber);
    fiber_join(companion.fiber);
    cr_assert_eq(slow.result, -E_TIMEOUT);
    cr_assert_eq(strncmp(slow.err.text, "57014: ", 7), 0, "%s", slow.err.text);
    cr_assert_eq(companion.result, 0, "%s", companion.err.text);
}

Test(failure, a_statement_that_takes_too_long_fails_alone)
{
    struct pg_options options = {.statement_timeout_ms = 2000}; /* a busy machine makes a table */

    with_pg(&options, check_statement_timeout);
}

static void check_cancel(struct pg *pg)
{
    struct call first = {.pg = pg, .statement = &one_second};
    struct call sent = {.pg = pg, .id = 1};
    struct call queued = {.pg = pg, .id = 2};

    make_items(pg);
    call_start(&first);
    call_start(&sent);
    pause_ms(50);
    call_start(&queued);
    pause_ms(20);
    fiber_cancel(sent.fiber);
    fiber_cancel(queued.fiber);
    fiber_join(sent.fiber);
    fiber_join(queued.fiber);
    cr_assert_eq(first.result, 1); /* still out */
    fiber_join(first.fiber);
    cr_assert_eq(first.result, 0, "%s", first.err.text);
    cr_assert_eq(sent.result, -E_CANCELED);
    cr_assert_eq(queued.result, -E_CANCELED);
    cr_assert_eq(query_int(pg, "SELECT count(*) FROM item WHERE id = 1"), 1);
    cr_assert_eq(query_int(pg, "SELECT count(*) FROM item WHERE id = 2"), 0);
}

Test(failure, a_cancelled_request_leaves_at_once_and_the_others_go_on)
{
    with_pg(NULL, check_cancel);
}

static const struct pg_statement refuse_bad = {
    "refuse_bad", "INSERT INTO item SELECT 3, 'bad' FROM pg_sleep(0.2)", ""};

static void check_detached_no_rerun(struct pg *pg)
{
    struct call failing = {.pg = pg, .statement = &refuse_bad};
    struct call left = {.pg = pg, .id = 1};
    struct call stayed = {.pg = pg, .id = 2};

    make_items(pg);
    call_start(&failing);
    call_start(&left);
    call_start(&stayed);
    pause_ms(50);
    fiber_cancel(left.fiber);
    fiber_join(left.fiber);
    fiber_join(failing.fiber);
    fiber_join(stayed.fiber);
    cr_assert_eq(left.result, -E_CANCELED);
    cr_assert_eq(failing.result, -E_CONTENT);
    cr_assert_eq(stayed.result, 0, "%s", stayed.err.text);
    cr_assert_eq(query_int(pg, "SELECT count(*) FROM item WHERE id = 1"), 0);
}

Test(failure, a_cancelled_request_of_a_batch_that_fails_is_not_run_again)
{
    with_pg(NULL, check_detached_no_rerun);
}

static pid_t backend_pid(struct pg *pg)
{
    return (pid_t)query_int(pg, "SELECT pg_backend_pid()");
}

static void check_stopped(struct pg *pg)
{
    struct call sent = {.pg = pg, .id = 1};
    struct call queued = {.pg = pg, .id = 2};
    struct error err = {0};
    pid_t pid;

    make_items(pg);
    pid = backend_pid(pg);
    cr_assert_eq(kill(pid, SIGSTOP), 0);
    call_start(&sent);
    pause_ms(50);
    call_start(&queued);
    fiber_join(sent.fiber);
    fiber_join(queued.fiber);
    cr_assert_eq(kill(pid, SIGCONT), 0);
    cr_assert_eq(sent.result, -E_TIMEOUT, "%s", sent.err.text);
    cr_assert_eq(queued.result, -E_UNAVAILABLE, "%s", queued.err.text);
    cr_assert(strstr(queued.err.text, "busy"), "%s", queued.err.text);
    cr_assert_eq(put_item(pg, 3, "later", &err), 0, "%s", err.text);
    cr_assert_eq(query_int(pg, "SELECT sum(id) FROM item"), 4);
    cr_assert_eq(backend_pid(pg), pid);
}

Test(failure, callers_time_out_while_the_server_stands_still_and_it_may_go_on_later)
{
    struct pg_options options = {.request_timeout_ms = 300};

    with_pg(&options, check_stopped);
}

static void check_stalled(struct pg *pg)
{
    struct call sent = {.pg = pg, .id = 1};
    struct call queued = {.pg = pg, .id = 2};
    pid_t pid;

    make_items(pg);
    pid = backend_pid(pg);
    cr_assert_eq(kill(pid, SIGSTOP), 0);
    call_start(&sent);
    pause_ms(50);
    call_start(&queued);
    fiber_join(sent.fiber);
    fiber_join(queued.fiber);
    cr_assert_eq(kill(pid, SIGCONT), 0);
    cr_assert_eq(sent.result, -E_AMBIGUOUS, "%s", sent.err.text);
    cr_assert_eq(queued.result, 0, "%s", queued.err.text);
    cr_assert_neq(backend_pid(pg), pid);
}

Test(failure, a_connection_that_never_answers_is_replaced)
{
    struct pg_options options = {.statement_timeout_ms = 1000};

    with_pg(&options, check_stalled);
}

static void terminate(struct pg *pg, pid_t pid)
{
    char sql[64];

    snprintf(sql, sizeof(sql), "SELECT pg_terminate_backend(%d, 5000)", (int)pid);
    must_script(pg, sql);
}

static void check_terminated(struct pg *pg)
{
    struct call sent = {.pg = pg, .statement = &long_nap};
    struct call queued = {.pg = pg, .id = 2};
    struct pg_stats stats;
    pid_t pid;

    make_items(pg);
    pid = backend_pid(pg);
    call_start(&sent);
    pause_ms(50);
    call_start(&queued);
    fiber_yield();
    terminate(pg, pid);
    fiber_join(sent.fiber);
    fiber_join(queued.fiber);
    cr_assert_eq(sent.result, -E_AMBIGUOUS, "%s", sent.err.text);
    cr_assert(strstr(sent.err.text, "terminating connection"), "%s", sent.err.text);
    cr_assert_eq(queued.result, 0, "%s", queued.err.text);
    pg_stats_get(pg, &stats);
    cr_assert_eq(stats.ambiguous, 1);
    cr_assert_eq(stats.reconnects, 1);
    cr_assert_eq(query_int(pg, "SELECT count(*) FROM item WHERE id = 2"), 1);
}

Test(failure, a_lost_connection_is_ambiguous_for_what_was_sent_and_no_more_than_a_delay_for_others)
{
    with_pg(NULL, check_terminated);
}

static void check_terminated_idle(struct pg *pg)
{
    struct error err = {0};
    struct pg_stats stats;

    make_items(pg);
    terminate(pg, backend_pid(pg));
    stats.reconnects = 0;
    for (int i = 0; i < 1000 && stats.reconnects == 0; i++) {
        pause_ms(5);
        pg_stats_get(pg, &stats);
    }
    cr_assert_eq(stats.reconnects, 1);
    cr_assert_eq(put_item(pg, 1, "a", &err), 0, "%s", err.text);
    cr_assert(pg_is_ready(pg));
    pg_stats_get(pg, &stats);
    cr_assert_eq(stats.ambiguous, 0);
}

Test(failure, a_connection_lost_while_idle_is_noticed_before_anything_is_sent)
{
    with_pg(NULL, check_terminated_idle);
}

static void check_stale(struct pg *pg)
{
    static const struct pg_statement all = {"all", "SELECT * FROM item", ""};
    struct pg_stats stats;
    struct error err = {0};
    struct pg_tx *tx = NULL;

    make_items(pg);
    cr_assert_eq(run_statement(pg, &all, &err), 0, "%s", err.text);
    must_script(pg, "ALTER TABLE item ADD COLUMN more int");
    cr_assert_eq(run_statement(pg, &all, &err), 0, "%s", err.text);
    pg_stats_get(pg, &stats);
    cr_assert_eq(stats.reconnects, 1);
    cr_assert_eq(stats.ambiguous, 0);
    cr_assert_eq(pg_begin(pg, &tx, &err), 0, "%s", err.text);
    cr_assert_eq(pg_tx_exec(tx, &all, NULL, NULL, &err), 0, "%s", err.text);
    pg_rollback(tx);
    cr_assert_eq(put_item(pg, 1, "a", &err), 0, "%s", err.text);
}

Test(failure, a_statement_that_a_migration_made_stale_is_prepared_anew)
{
    with_pg(NULL, check_stale);
}

static void check_read_only(struct pg *pg)
{
    static const struct pg_statement demote = {"demote", "SET default_transaction_read_only = on",
                                               ""};
    struct pg_options options = {.application_name = "other"};
    struct pg *standby;
    struct error err = {0};
    char url[1024];

    make_items(pg);
    cr_assert_eq(run_statement(pg, &demote, &err), 0, "%s", err.text);
    cr_assert_eq(put_item(pg, 1, "another connection", &err), 0, "%s", err.text);
    snprintf(url, sizeof(url),
             "%s&options=-c%%20search_path%%3Dunit_%d%%20-c%%20default_transaction_read_only%%3Don",
             database_url(), (int)getpid());
    options.url = url;
    cr_assert_eq(pg_open(&options, &standby, &err), 0, "%s", err.text);
    cr_assert_eq(pg_wait_ready(standby, deadline_in(5000), &err), 0, "%s", err.text);
    cr_assert_eq(put_item(standby, 2, "nowhere", &err), -E_UNAVAILABLE, "%s", err.text);
    cr_assert_eq(strncmp(err.text, "25006: ", 7), 0, "%s", err.text);
    cr_assert_eq(query_int(standby, "SELECT sum(id) FROM item"), 1);
    pg_close(standby);
}

Test(failure, a_server_that_takes_no_writes_is_unavailable_and_another_is_looked_for)
{
    with_pg(NULL, check_read_only);
}

static void check_restart(struct pg *pg)
{
    struct call sent = {.pg = pg, .statement = &long_nap};
    struct call queued[50];
    struct error err = {0};

    make_items(pg);
    call_start(&sent);
    pause_ms(50);
    for (int i = 0; i < 50; i++) {
        queued[i] = (struct call){.pg = pg, .id = i};
        call_start(&queued[i]);
    }
    fiber_yield();
    server_control("restart");
    fiber_join(sent.fiber);
    cr_assert_eq(sent.result, -E_AMBIGUOUS, "%s", sent.err.text);
    for (int i = 0; i < 50; i++) {
        fiber_join(queued[i].fiber);
        cr_assert_eq(queued[i].result, 0, "%s", queued[i].err.text);
    }
    cr_assert_eq(query_int(pg, "SELECT count(*) FROM item"), 50);
    must_script(pg, "INSERT INTO item VALUES (100, 'a')");
    cr_assert_eq(put_item(pg, 100, "a", &err), -E_CONFLICT);
}

Test(failure, the_server_may_be_killed_and_started_again)
{
    with_own_server(NULL, check_restart);
}

static void check_passing(struct pg *pg)
{
    static const struct pg_statement no_lock = {
        "no_lock", "SELECT 1 FROM item WHERE id = 1 FOR UPDATE NOWAIT", ""};
    static const struct pg_statement full = {"full", "SELECT raise_full()", ""};
    struct pg_tx *tx = NULL;
    struct error err = {0};

    make_items(pg);
    cr_assert_eq(put_item(pg, 1, "a", &err), 0, "%s", err.text);
    cr_assert_eq(pg_begin(pg, &tx, &err), 0, "%s", err.text);
    cr_assert_eq(pg_tx_script(tx, "SELECT 1 FROM item WHERE id = 1 FOR UPDATE", &err), 0);
    cr_assert_eq(run_statement(pg, &no_lock, &err), -E_UNAVAILABLE);
    cr_assert_eq(strncmp(err.text, "55P03: ", 7), 0, "%s", err.text);
    pg_rollback(tx);
    cr_assert_eq(run_statement(pg, &no_lock, &err), 0, "%s", err.text);
    must_script(pg, "CREATE FUNCTION raise_full() RETURNS int LANGUAGE plpgsql AS "
                    "$$BEGIN RAISE EXCEPTION 'disk' USING ERRCODE = '53100'; END$$");
    cr_assert_eq(run_statement(pg, &full, &err), -E_UNAVAILABLE);
    cr_assert_eq(strncmp(err.text, "53100: ", 7), 0, "%s", err.text);
}

Test(failure, what_passes_by_itself_is_unavailable_and_not_rejected)
{
    with_pg(NULL, check_passing);
}
