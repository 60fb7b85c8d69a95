/* Tests of giving runs that failed or expired another chance. */

#include "fixture.h"

#include "shared/store/fleet/reaper.h"

static const struct uuid any = {{0}};
static const int64_t hour_ms = 3600000;

static void redrives(struct store *store)
{
    struct run run = must_run(store);
    int64_t worker = must_worker(store);
    struct run_claim claim = must_claim(store, worker, run.id);
    struct run_step_write step = {
        .id = uuid_new(), .seq = 1, .type = STEP_TOOL_CALLS, .status = STEP_IN_PROGRESS};
    struct run_changes changes = {.steps = &step, .step_count = 1, USED(7, 0)};
    struct run_ending ending = {.status = RUN_FAILED, .error_code = TEXT("server_error")};
    struct run_lease stale;
    struct uuid active;

    MUST(run_leases_checkpoint(writer_of(store->pg), &claim.lease, &changes, &test_err));
    sql_do("UPDATE runs SET crashes = 3, errors = 2, expires_at = now()");
    stale = claim.lease;
    MUST(run_leases_finish(writer_of(store->pg), &claim.lease, NULL, &ending, &test_err));
    check_run(store, run.id, RUN_FAILED);
    cr_assert_eq(sql_int("SELECT count(*) FROM run_steps WHERE status = 'failed'"), 1);

    MUST(runs_redrive(store, run.thread_id, run.id, hour_ms, &run, &active, &test_err));
    check_run(store, run.id, RUN_QUEUED);
    cr_assert(!run.held);
    cr_assert_eq(run.crashes, 0);
    cr_assert_eq(run.errors, 0);
    cr_assert_null(run.last_error.ptr);
    cr_assert_eq(run.failed_at, 0);
    cr_assert_eq(run.started_at, 0);
    cr_assert_eq(run.used.prompt_tokens, 7);
    cr_assert(run.expires_at - clock_wall_ms() / 1000 > 3590);
    cr_assert_eq(sql_int("SELECT count(*) FROM run_steps WHERE status = 'in_progress'"
                         " AND ended_at IS NULL"),
                 1);
    GIVES(LEASE_FENCED, run_leases_checkpoint(writer_of(store->pg), &stale, &changes, &test_err));
    GIVES(RUN_UNFIT, runs_redrive(store, any, run.id, hour_ms, &run, &active, &test_err));
    cr_assert_eq(run.status, RUN_QUEUED);
    claim = must_claim(store, worker, run.id);
    cr_assert_eq(claim.lease.step, 2);
}

Test(redrive, queues_a_failed_run_again_where_it_stopped)
{
    with_store(redrives);
}

static void brings_its_input(struct store *store)
{
    struct run front = must_run(store);
    struct message_draft message = user_message("[\"late\"]");
    struct run_draft draft = run_of(front.thread_id, front.agent_id);
    struct run_stopped stopped;
    struct reaper_report report;
    struct uuid active;
    struct run run;

    draft.messages = &message;
    draft.message_count = 1;
    MUST(runs_enqueue(store, &draft, MULTITASK_ENQUEUE, &run, &stopped, &test_err));
    sql_do("UPDATE runs SET expires_at = now() WHERE id = '%s'", show(run.id));
    MUST(reaper_sweep(store->pg, NULL, &report, &test_err));
    cr_assert_eq(report.expired, 1);
    GIVES(THREAD_BUSY, runs_redrive(store, any, run.id, hour_ms, &run, &active, &test_err));
    cr_assert(uuid_equal(active, front.id));
    cr_assert_eq(run.status, RUN_EXPIRED);
    check_run(store, front.id, RUN_QUEUED);
    MUST(runs_cancel(store, any, front.id, &front, &test_err));
    MUST(runs_redrive(store, any, run.id, hour_ms, &run, &active, &test_err));
    check_run(store, run.id, RUN_QUEUED);
    cr_assert_str_eq(sql_string(store, "SELECT content ->> 0 FROM messages"), "late");
}

Test(redrive, of_a_run_that_expired_while_it_was_held_brings_its_messages)
{
    with_store(brings_its_input);
}

static void refuses(struct store *store)
{
    static const char *const statuses[] = {"queued",     "in_progress", "requires_action",
                                           "cancelling", "completed",   "incomplete",
                                           "cancelled"};
    struct store other = other_tenant(store, "globex");
    struct run run = must_run(store);
    struct uuid active;

    GIVES(RUN_MISSING, runs_redrive(&other, any, run.id, hour_ms, &run, &active, &test_err));
    GIVES(RUN_MISSING, runs_redrive(store, uuid_new(), run.id, hour_ms, &run, &active, &test_err));
    for (size_t i = 0; i < ARRAY_LENGTH(statuses); i++) {
        sql_do("UPDATE runs SET status = '%s'", statuses[i]);
        GIVES(RUN_UNFIT, runs_redrive(store, any, run.id, hour_ms, &run, &active, &test_err));
        cr_assert_str_eq(run_status_name(run.status), statuses[i]);
    }
    cr_assert_eq(sql_int("SELECT fence FROM runs"), 0);
}

Test(redrive, is_for_failed_and_expired_runs_of_the_tenant)
{
    with_store(refuses);
}

static void finds_poison(struct store *store)
{
    struct run runs[3] = {must_run(store), must_run(store), must_run(store)};
    struct run_filter filter = {.statuses = 1u << RUN_FAILED, .crashes_min = CRASHES_MAX};
    struct page page = {.limit = 10};
    struct run_list list;

    sql_do("UPDATE runs SET status = 'failed', crashes = 3 WHERE id <> '%s'", show(runs[0].id));
    MUST(runs_list_all(store, &filter, &page, &list, &test_err));
    cr_assert_eq(list.count, 2);
    filter.agent = runs[1].agent_id;
    MUST(runs_list_all(store, &filter, &page, &list, &test_err));
    cr_assert_eq(list.count, 1);
    cr_assert(uuid_equal(list.items[0].id, runs[1].id));
}

Test(redrive, finds_what_was_given_up)
{
    with_store(finds_poison);
}
