/* Tests of what a reader of a thread is told: that it moved, and which run comes next. */

#include "fixture.h"

#include "shared/store/polls/thread_standings.h"

static const struct uuid any = {{0}};

static struct run must_run_on(const struct store *store, struct uuid thread, struct uuid agent)
{
    struct run_draft draft = run_of(thread, agent);
    struct run run;

    MUST(runs_create(store, &draft, &run, NULL, &test_err));
    return run;
}

static struct run must_enqueue(const struct store *store, struct uuid thread, struct uuid agent)
{
    struct run_draft draft = run_of(thread, agent);
    struct run_stopped stopped;
    struct run run;

    MUST(runs_enqueue(store, &draft, MULTITASK_ENQUEUE, &run, &stopped, &test_err));
    return run;
}

static void must_cancel(const struct store *store, struct uuid run)
{
    struct run got;

    MUST(runs_cancel(store, any, run, &got, &test_err));
}

static struct thread_next next_of(const struct store *store, struct uuid thread, struct uuid behind,
                                  int64_t us)
{
    struct thread_next next;

    MUST(thread_next_run(store, thread, &(struct thread_place){behind, us}, &next, &test_err));
    return next;
}

static void expect_next(const struct store *store, struct uuid thread, struct uuid behind,
                        struct uuid expected)
{
    struct uuid got = next_of(store, thread, behind, -1).run;

    cr_expect(uuid_equal(got, expected), "behind %s comes %s, not %s", show(behind), show(got),
              show(expected));
}

static void one_after_the_other(struct store *store)
{
    struct uuid thread = must_thread(store);
    struct uuid agent = must_agent(store);
    struct uuid runs[3];
    int64_t before_us;

    expect_next(store, thread, any, any);
    before_us = next_of(store, thread, any, -1).us;
    cr_expect_gt(before_us, INT64_C(1600000000000000));
    for (size_t i = 0; i < ARRAY_LENGTH(runs); i++) {
        runs[i] = must_run_on(store, thread, agent).id;
        expect_next(store, thread, any, runs[i]);
        must_cancel(store, runs[i]);
        expect_next(store, thread, any, any); /* who comes now has missed nothing */
    }
    expect_next(store, thread, runs[0], runs[1]);
    expect_next(store, thread, runs[1], runs[2]);
    expect_next(store, thread, runs[2], any);
    cr_expect(uuid_equal(next_of(store, thread, any, before_us).run, runs[0]));
    cr_expect(uuid_is_zero(next_of(store, thread, any, next_of(store, thread, any, -1).us).run));
}

Test(thread_standings, runs_come_in_the_order_in_which_they_ended_then_the_active_one)
{
    with_store(one_after_the_other);
}

/* As where the clock of the scheduler that made it is ahead of another one's. */
static void not_by_ids(struct store *store)
{
    struct uuid thread = must_thread(store);
    struct uuid agent = must_agent(store);
    struct uuid first = must_run_on(store, thread, agent).id;
    struct uuid behind = must_enqueue(store, thread, agent).id;
    struct uuid ahead = must_enqueue(store, thread, agent).id;

    sql_do("UPDATE runs SET held = held + 100000 WHERE id = '%s'", show(behind));
    expect_next(store, thread, any, first);
    must_cancel(store, first);
    expect_next(store, thread, first, ahead);
    must_cancel(store, ahead);
    expect_next(store, thread, ahead, behind);
    must_cancel(store, behind);
    expect_next(store, thread, first, ahead);
    expect_next(store, thread, ahead, behind);
    expect_next(store, thread, behind, any);
}

Test(thread_standings, runs_come_as_they_ran_whatever_their_ids_say)
{
    with_store(not_by_ids);
}

static void again(struct store *store)
{
    struct uuid thread = must_thread(store);
    struct uuid agent = must_agent(store);
    struct uuid run = must_run_on(store, thread, agent).id;
    struct uuid active;
    struct run got;

    sql_do("UPDATE runs SET status = 'failed', failed_at = now() WHERE id = '%s';"
           "UPDATE threads SET active_run = NULL WHERE id = '%s'",
           show(run), show(thread));
    expect_next(store, thread, run, any);
    MUST(runs_redrive(store, thread, run, 60000, &got, &active, &test_err));
    expect_next(store, thread, run, run);
}

Test(thread_standings, a_run_that_gets_another_chance_comes_behind_itself)
{
    with_store(again);
}

static void of_strangers(struct store *store)
{
    struct store other = other_tenant(store, "other");
    struct uuid thread = must_thread(store);
    struct uuid agent = must_agent(store);
    struct uuid elsewhere = must_run(store).id;
    struct thread_next next;

    GIVES(THREAD_MISSING,
          thread_next_run(&other, thread, &(struct thread_place){.us = -1}, &next, &test_err));
    must_cancel(store, must_run_on(store, thread, agent).id);
    expect_next(store, thread, elsewhere, any); /* as behind none */
    expect_next(store, thread, uuid_new(), any);
}

Test(thread_standings, another_tenants_thread_is_none_and_a_run_of_another_thread_is_no_place)
{
    with_store(of_strangers);
}

static void moves(struct store *store)
{
    struct uuid agent = must_agent(store);
    struct uuid threads[3] = {must_thread(store), must_thread(store), uuid_new()};
    struct thread_standing_row before[3];
    struct thread_standing_row now[3];
    struct uuid run;

    MUST(thread_standings(store->pg, threads, 3, before, &test_err));
    cr_expect(before[0].is_there && before[1].is_there && !before[2].is_there);
    run = must_run_on(store, threads[1], agent).id;
    MUST(thread_standings(store->pg, threads, 3, now, &test_err));
    cr_expect(thread_standing_equal(&before[0], &now[0]));
    cr_expect(uuid_equal(now[1].active_run, run));
    cr_expect_not(thread_standing_equal(&before[1], &now[1]));
    must_cancel(store, run);
    MUST(thread_standings(store->pg, threads, 3, now, &test_err));
    cr_expect(uuid_is_zero(now[1].active_run));
    cr_expect_not(thread_standing_equal(&before[1], &now[1]), "a run came and went");
}

Test(thread_standings, a_thread_moves_with_each_run_that_comes_or_goes)
{
    with_store(moves);
}
