/* Tests of which runs nobody needs to wait for, and of who is told of ends without a worker. */

#include "fixture.h"

#include "shared/store/fleet/reaper.h"
#include "shared/store/polls/settled_runs.h"

static const struct uuid any = {{0}};

static void each_status(struct store *store)
{
    struct uuid runs[RUN_STATUS_COUNT + 1];
    size_t settled[RUN_STATUS_COUNT + 1];
    bool found[RUN_STATUS_COUNT + 1] = {false};
    size_t count = 0;

    for (enum run_status status = 0; status < RUN_STATUS_COUNT; status++) {
        runs[status] = must_run(store).id;
        sql_do("UPDATE runs SET status = '%s' WHERE id = '%s'", run_status_name(status),
               show(runs[status]));
    }
    runs[RUN_STATUS_COUNT] = uuid_new(); /* not there */
    MUST(runs_settled(store->pg, runs, RUN_STATUS_COUNT + 1, settled, &count, &test_err));
    for (size_t i = 0; i < count; i++)
        found[settled[i]] = true;
    for (enum run_status status = 0; status < RUN_STATUS_COUNT; status++)
        cr_assert_eq(found[status], run_status_terminal(status) || status == RUN_REQUIRES_ACTION,
                     "%s", run_status_name(status));
    cr_assert(found[RUN_STATUS_COUNT], "what is gone is nothing to wait for");
    MUST(runs_settled(store->pg, runs, 0, settled, &count, &test_err));
    cr_assert_eq(count, 0);
}

Test(settled_runs, are_those_that_have_ended_need_their_client_or_are_gone)
{
    with_store(each_status);
}

static void full_batch(struct store *store)
{
    static struct uuid runs[SETTLED_BATCH_MAX];
    static size_t settled[SETTLED_BATCH_MAX];
    size_t count = 0;

    for (size_t i = 0; i < SETTLED_BATCH_MAX; i++)
        runs[i] = uuid_new();
    runs[500] = must_run(store).id;
    MUST(runs_settled(store->pg, runs, SETTLED_BATCH_MAX, settled, &count, &test_err));
    cr_assert_eq(count, SETTLED_BATCH_MAX - 1);
    for (size_t i = 0; i < count; i++)
        cr_assert_neq(settled[i], 500);
}

Test(settled_runs, as_many_as_a_batch_has_are_asked_for_at_once)
{
    with_store(full_batch);
}

struct told {
    struct uuid runs[8];
    size_t count;
};

static void tell(struct uuid run, void *arg)
{
    struct told *told = arg;

    cr_assert_lt(told->count, 8);
    told->runs[told->count++] = run;
}

static void reaped(struct store *store)
{
    int64_t dead = must_worker(store);
    struct run back = must_run(store);
    struct run cancelled = must_run(store);
    struct run expired = must_run(store);
    struct told told = {.count = 0};
    const struct reaper_listener listener = {tell, &told};
    struct reaper_report report;

    must_claim(store, dead, back.id);
    must_claim(store, dead, cancelled.id);
    MUST(runs_cancel(store, any, cancelled.id, &cancelled, &test_err));
    sql_do("UPDATE workers SET state = 'dead' WHERE worker_id = %lld;"
           "UPDATE runs SET expires_at = now() - interval '1 s' WHERE id = '%s'",
           (long long)dead, show(expired.id));
    MUST(reaper_sweep(store->pg, &listener, &report, &test_err));
    cr_assert_eq(report.requeued, 1);
    cr_assert_eq(report.cancelled, 1);
    cr_assert_eq(report.failed, 0);
    cr_assert_eq(report.expired, 1);
    cr_assert_eq(told.count, 2, "the one that went back has not ended");
    cr_assert(uuid_equal(told.runs[0], cancelled.id));
    cr_assert(uuid_equal(told.runs[1], expired.id));
}

Test(settled_runs, the_reaper_tells_of_each_run_that_it_ends)
{
    with_store(reaped);
}

static void interrupted(struct store *store)
{
    struct run front = must_run(store);
    struct run_stopped stopped;
    struct run held[2];
    struct run_draft draft;
    struct run run;

    for (size_t i = 0; i < 2; i++) {
        draft = run_of(front.thread_id, front.agent_id);
        MUST(runs_enqueue(store, &draft, MULTITASK_ENQUEUE, &held[i], &stopped, &test_err));
        cr_assert_eq(stopped.ended_count, 0);
    }
    must_claim(store, must_worker(store), front.id);
    draft = run_of(front.thread_id, front.agent_id);
    MUST(runs_enqueue(store, &draft, MULTITASK_INTERRUPT, &run, &stopped, &test_err));
    cr_assert(uuid_equal(stopped.id, front.id), "its worker is to stop it");
    cr_assert_neq(stopped.owner, 0);
    cr_assert_eq(stopped.ended_count, 2);
    for (size_t i = 0; i < 2; i++)
        cr_assert(uuid_equal(stopped.ended[i], held[0].id) ||
                  uuid_equal(stopped.ended[i], held[1].id));
    cr_assert(run.held);
}

Test(settled_runs, an_interrupt_tells_of_each_run_that_it_ends)
{
    with_store(interrupted);
}
