/* The shared connection: batches, failures in them, and what each caller learns. */

#include "fixture.h"

#include <stdio.h>

static struct {
    struct pg *pg;
    int64_t id;
    int failed;
    int conflicts;
    int rejected;
    char text[240];
} shared;

static void put_next(void *arg)
{
    struct error err = {0};
    int64_t id = ++shared.id;

    (void)arg;
    if (put_item(shared.pg, id, "body", &err) < 0)
        shared.failed++;
}

static void run_fibers(size_t count, fiber_fn fn)
{
    struct fiber *fibers[1000];

    cr_assert(count <= ARRAY_LENGTH(fibers));
    for (size_t i = 0; i < count; i++)
        fibers[i] = fiber_start("test", fn, NULL);
    for (size_t i = 0; i < count; i++)
        fiber_join(fibers[i]);
}

static void begin(struct pg *pg)
{
    make_items(pg);
    memset(&shared, 0, sizeof(shared));
    shared.pg = pg;
}

static void check_few_batches(struct pg *pg)
{
    struct pg_stats before;
    struct pg_stats after;

    begin(pg);
    pg_stats_get(pg, &before);
    run_fibers(1000, put_next);
    pg_stats_get(pg, &after);
    cr_assert_eq(shared.failed, 0);
    cr_assert_eq(query_int(pg, "SELECT count(*) FROM item"), 1000);
    cr_assert_eq(after.requests - before.requests, 1000);
    cr_assert_leq((after.batches - before.batches) * 5, 1000, "%d batches",
                  (int)(after.batches - before.batches));
    cr_assert_eq(after.reruns, 0);
    cr_assert_eq(after.queued + after.in_flight, 0);
}

Test(batch, many_fibers_commit_in_few_batches)
{
    with_pg(NULL, check_few_batches);
}

static void check_one_by_one(struct pg *pg)
{
    struct pg_stats before;
    struct pg_stats after;

    begin(pg);
    pg_stats_get(pg, &before);
    run_fibers(100, put_next);
    pg_stats_get(pg, &after);
    cr_assert_eq(shared.failed, 0);
    cr_assert_eq(after.batches - before.batches, 100);
}

Test(batch, may_be_of_one_request)
{
    with_pg(&(struct pg_options){.batch_max = 1}, check_one_by_one);
}

static void put_sometimes_bad(void *arg)
{
    struct error err = {0};
    int64_t id = ++shared.id;
    int r = put_item(shared.pg, id == 70 ? 7 : id, id == 50 ? "bad" : "body", &err);

    (void)arg;
    if (r == -E_CONFLICT) {
        shared.conflicts++;
        cr_assert_eq(id, 70);
    } else if (r == -E_CONTENT) {
        shared.rejected++;
        cr_assert_eq(id, 50);
        memcpy(shared.text, err.text, sizeof(shared.text));
    } else {
        cr_assert_eq(r, 0, "%s", err.text);
    }
}

static void check_faulty_fails_alone(struct pg *pg)
{
    struct pg_stats stats;

    begin(pg);
    run_fibers(100, put_sometimes_bad);
    cr_assert_eq(shared.conflicts, 1);
    cr_assert_eq(shared.rejected, 1);
    cr_assert_eq(strncmp(shared.text, "23514: ", 7), 0, "%s", shared.text);
    cr_assert_eq(query_int(pg, "SELECT count(*) FROM item"), 98);
    pg_stats_get(pg, &stats);
    cr_assert_geq(stats.reruns, 100);
}

Test(batch, a_faulty_statement_fails_alone_and_the_others_are_committed)
{
    with_pg(NULL, check_faulty_fails_alone);
}

static void check_unprepared(struct pg *pg)
{
    static const struct pg_statement missing = {"missing", "SELECT * FROM no_such_table", ""};
    struct error err = {0};

    begin(pg);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(run_statement(pg, &missing, &err), -E_REJECTED);
        cr_assert_eq(strncmp(err.text, "42P01: ", 7), 0, "%s", err.text);
    }
    cr_assert_eq(put_item(pg, 1, "bad", &err), -E_CONTENT);
    cr_assert_eq(put_item(pg, 1, "good", &err), 0, "%s", err.text);
}

Test(batch, a_statement_that_can_not_be_prepared_fails_each_time_and_hurts_no_other)
{
    with_pg(NULL, check_unprepared);
}

static void put_first_bad(void *arg)
{
    struct error err = {0};
    int64_t id = ++shared.id;

    (void)arg;
    if (put_item(shared.pg, id, id == 1 ? "bad" : "body", &err) < 0)
        shared.failed++;
}

/* The Parse that the failing batch carried is not undone by its rollback, or its loss is noticed:
 * either way the reruns and what follows find the statement prepared. */
static void check_prepare_in_failed_batch(struct pg *pg)
{
    begin(pg);
    run_fibers(10, put_first_bad);
    cr_assert_eq(shared.failed, 1);
    run_fibers(10, put_next);
    cr_assert_eq(shared.failed, 1);
    cr_assert_eq(query_int(pg, "SELECT count(*) FROM item"), 19);
    cr_assert_eq(query_int(pg, "SELECT count(*) FROM pg_prepared_statements WHERE name = "
                               "'insert_item'"),
                 1);
}

Test(batch, a_statement_prepared_in_a_batch_that_is_rolled_back_stays_prepared)
{
    with_pg(NULL, check_prepare_in_failed_batch);
}

static void check_all_or_none(struct pg *pg)
{
    struct pg_value good[] = {pg_int(1), pg_string("good")};
    struct pg_value bad[] = {pg_int(2), pg_string("bad")};
    struct pg_value other[] = {pg_int(3), pg_string("other")};
    struct pg_query failing[] = {{&insert_item, good}, {&insert_item, bad}};
    struct pg_query passing[] = {{&insert_item, good}, {&insert_item, other}};
    struct pg_result *results[2] = {NULL, NULL};
    struct error err = {0};

    begin(pg);
    cr_assert_eq(pg_exec_all(pg, failing, 2, results, &err), -E_CONTENT);
    cr_assert(!results[0] && !results[1]);
    cr_assert_eq(query_int(pg, "SELECT count(*) FROM item"), 0);
    cr_assert_eq(pg_exec_all(pg, passing, 2, results, &err), 0, "%s", err.text);
    pg_result_freep(&results[0]);
    pg_result_freep(&results[1]);
    cr_assert_eq(query_int(pg, "SELECT count(*) FROM item"), 2);
}

Test(batch, several_statements_of_one_request_are_done_all_or_none)
{
    with_pg(NULL, check_all_or_none);
}

static void check_deferred(struct pg *pg)
{
    static const struct pg_statement insert_child = {"insert_child",
                                                     "INSERT INTO child VALUES ($1)", "i"};
    struct pg_value orphan[] = {pg_int(99)};
    struct pg_value fine[] = {pg_int(1)};
    struct error err = {0};

    begin(pg);
    must_script(pg, "CREATE TABLE child (item int8 REFERENCES item DEFERRABLE INITIALLY DEFERRED)");
    cr_assert_eq(put_item(pg, 1, "parent", &err), 0, "%s", err.text);
    cr_assert_eq(pg_exec(pg, &insert_child, orphan, NULL, &err), -E_CONTENT);
    cr_assert_eq(strncmp(err.text, "23503: ", 7), 0, "%s", err.text);
    cr_assert_eq(pg_exec(pg, &insert_child, fine, NULL, &err), 0, "%s", err.text);
    cr_assert_eq(query_int(pg, "SELECT count(*) FROM child"), 1);
    must_script(pg, "DROP TABLE child");
}

Test(batch, a_constraint_that_fails_at_the_commit_is_told_to_the_caller)
{
    with_pg(NULL, check_deferred);
}

static void check_large(struct pg *pg)
{
    enum { BYTES = 3 * 1024 * 1024 };
    static const struct pg_statement echo = {"echo", "SELECT repeat($1::text, 4)", "t"};
    struct buf body CLEANUP(buf_deinit) = {0};
    struct pg_value values[1];
    struct pg_result *result = NULL;
    struct error err = {0};
    char *room;

    buf_init(&body, 0);
    room = buf_reserve(&body, BYTES);
    memset(room, 'x', BYTES);
    body.len = BYTES;
    values[0] = pg_text(buf_text(&body));
    cr_assert_eq(pg_exec(pg, &echo, values, &result, &err), 0, "%s", err.text);
    cr_assert_eq(pg_get_text(result, 0, 0).len, 4 * (size_t)BYTES);
    pg_result_free(result);
}

Test(batch, requests_and_answers_larger_than_any_socket_buffer_pass)
{
    with_pg(NULL, check_large);
}

static void sleep_there(void *arg)
{
    static const struct pg_statement statement = {"sleep", "SELECT pg_sleep(0.05)", ""};
    struct error err = {0};

    (void)arg;
    shared.failed += run_statement(shared.pg, &statement, &err) < 0;
}

static void check_turn(struct pg *pg)
{
    struct pg_stats stats;
    struct fiber *fiber;
    int64_t start_ms;

    begin(pg);
    pg_await_turn(pg);
    fiber = fiber_start("test", sleep_there, NULL);
    while (pg_stats_get(pg, &stats), stats.in_flight == 0)
        fiber_yield();
    start_ms = clock_ms();
    pg_await_turn(pg);
    pg_stats_get(pg, &stats);
    cr_assert_eq(stats.in_flight, 0);
    cr_assert_geq(clock_ms() - start_ms, 40);
    start_ms = clock_ms();
    pg_await_turn(pg);
    cr_assert_lt(clock_ms() - start_ms, 40, "nothing is out");
    fiber_join(fiber);
    cr_assert_eq(shared.failed, 0);
}

Test(batch, a_turn_comes_when_the_batch_that_is_out_is_back)
{
    with_pg(NULL, check_turn);
}

static void check_lazy(struct pg *pg)
{
    begin(pg);
    cr_assert_eq(query_int(pg, "SELECT (current_setting('synchronous_commit') = 'off')::int"), 1);
}

static void check_eager(struct pg *pg)
{
    begin(pg);
    cr_assert_eq(query_int(pg, "SELECT (current_setting('synchronous_commit') = 'on')::int"), 1);
}

Test(batch, commits_are_on_disk_unless_asked_otherwise)
{
    with_pg(NULL, check_eager);
}

Test(batch, lazy_commits_are_answered_before_they_are_on_disk)
{
    struct pg_options lazy = {.lazy_commits = true};

    with_pg(&lazy, check_lazy);
}

static void check_queue_limit(struct pg *pg)
{
    begin(pg);
    run_fibers(30, put_next);
    cr_assert_eq(shared.failed, 10);
}

Test(batch, more_requests_than_the_queue_may_hold_are_refused)
{
    struct pg_options options = {.queue_max = 20};

    with_pg(&options, check_queue_limit);
}
