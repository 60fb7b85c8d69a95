/* Tests of the sweeping. */

#include "fixture.h"

#include "shared/store/access/idempotency.h"
#include "shared/store/fleet/reaper.h"

static const struct uuid any = {{0}};

static struct reaper_report sweep(const struct store *store)
{
    struct reaper_report report;

    MUST(reaper_sweep(store->pg, NULL, &report, &test_err));
    cr_assert_not(report.more);
    return report;
}

struct lapses {
    int64_t dead;
    bool paused;
};

static struct lapses judge(const struct store *store, int64_t until_wall_ms)
{
    struct dead_workers dead;
    struct lapses out;

    MUST(reaper_declare_lapsed(store->pg, until_wall_ms, &dead, &out.paused, &test_err));
    cr_assert_eq(dead.count > 0, strstr(dead.names, "(host ") != NULL, "%s", dead.names);
    out.dead = dead.count;
    return out;
}

static void lapse(int64_t worker, const char *ago)
{
    sql_do("UPDATE workers SET lease_until = now() - interval '%s' WHERE worker_id = %lld", ago,
           (long long)worker);
}

static void requeues(struct store *store)
{
    int64_t dead = must_worker(store);
    int64_t alive = must_worker(store);
    struct run run = must_run(store);
    struct run kept = must_run(store);
    struct run cancelled = must_run(store);
    struct run_claim claim = must_claim(store, dead, run.id);
    struct run_changes none = {0};
    struct reaper_report report;
    struct lapses lapses;

    must_claim(store, alive, kept.id);
    must_claim(store, dead, cancelled.id);
    MUST(runs_cancel(store, any, cancelled.id, &cancelled, &test_err));
    cr_assert_eq(judge(store, INT64_MAX).dead, 0);
    cr_assert_eq(sweep(store).requeued, 0);
    lapse(dead, "1 ms");
    lapses = judge(store, INT64_MAX);
    cr_assert_eq(lapses.dead, 1);
    cr_assert_not(lapses.paused);
    report = sweep(store);
    cr_assert_eq(report.requeued, 1);
    cr_assert_eq(report.cancelled, 1);
    cr_assert_eq(sql_int("SELECT count(*) FROM runs WHERE due_at <> created_at"), 0,
                 "they keep their place before what came later");
    check_run(store, run.id, RUN_QUEUED);
    check_run(store, cancelled.id, RUN_CANCELLED);
    check_run(store, kept.id, RUN_IN_PROGRESS);
    run = must_get_run(store, run.id);
    cr_assert_eq(run.crashes, 1);
    cr_assert_eq(run.errors, 0);
    GIVES(LEASE_FENCED,
          run_leases_checkpoint(writer_of(store->pg), &claim.lease, &none, &test_err));
    cr_assert_eq(judge(store, INT64_MAX).dead, 0);
    cr_assert_eq(sweep(store).requeued, 0);
    cr_assert_eq(must_get_run(store, run.id).crashes, 1);
}

Test(reaper, hands_back_the_runs_of_workers_whose_lease_lapsed)
{
    with_store(requeues);
}

static void fails(struct store *store)
{
    struct run run = must_run(store);

    for (int i = 1; i <= CRASHES_MAX; i++) {
        int64_t worker = must_worker(store);
        struct run_claim claim = must_claim(store, worker, run.id);
        struct run_step_write step = {
            .id = uuid_new(), .seq = i, .type = STEP_TOOL_CALLS, .status = STEP_IN_PROGRESS};
        struct run_changes changes = {.steps = &step, .step_count = 1};
        struct reaper_report report;

        MUST(run_leases_checkpoint(writer_of(store->pg), &claim.lease, &changes, &test_err));
        sql_do("UPDATE workers SET state = 'dead' WHERE worker_id = %lld", (long long)worker);
        report = sweep(store);
        cr_assert_eq(report.requeued, i < CRASHES_MAX ? 1 : 0);
        cr_assert_eq(report.failed, i < CRASHES_MAX ? 0 : 1);
        sql_do("UPDATE runs SET due_at = now()");
    }
    check_run(store, run.id, RUN_FAILED);
    run = must_get_run(store, run.id);
    cr_assert_eq(run.crashes, CRASHES_MAX);
    cr_assert(run.failed_at > 0);
    cr_assert(text_starts(run.last_error, "{\"code\": \"server_error\""));
    cr_assert_eq(sql_int("SELECT count(*) FROM run_steps WHERE status = 'failed'"
                         " AND ended_at IS NOT NULL"),
                 CRASHES_MAX);
}

Test(reaper, gives_up_a_run_that_crashed_its_workers_three_times)
{
    with_store(fails);
}

static void adopts(struct store *store)
{
    struct run run = must_run(store);
    int64_t worker = must_worker(store);

    must_claim(store, worker, run.id);
    sql_do("DELETE FROM workers");
    cr_assert_eq(sweep(store).requeued, 1);
    check_run(store, run.id, RUN_QUEUED);
}

Test(reaper, finds_runs_whose_worker_row_is_gone)
{
    with_store(adopts);
}

static void expires(struct store *store)
{
    int64_t worker = must_worker(store);
    struct run queued = must_run(store);
    struct run waiting = must_run(store);
    struct run running = must_run(store);
    struct run kept = must_run(store);
    struct run_claim claim = must_claim(store, worker, running.id);
    struct run_changes none = {0};

    sql_do("UPDATE runs SET status = 'requires_action' WHERE id = '%s'", show(waiting.id));
    sql_do("UPDATE runs SET expires_at = now() - interval '1 s' WHERE id <> '%s'", show(kept.id));
    cr_assert_eq(sweep(store).expired, 2);
    check_run(store, queued.id, RUN_EXPIRED);
    check_run(store, waiting.id, RUN_EXPIRED);
    check_run(store, running.id, RUN_IN_PROGRESS);
    sql_do("UPDATE runs SET expires_at = now() - interval '11 s' WHERE id <> '%s'", show(kept.id));
    cr_assert_eq(sweep(store).expired, 1);
    check_run(store, running.id, RUN_EXPIRED);
    check_run(store, kept.id, RUN_QUEUED);
    GIVES(LEASE_FENCED,
          run_leases_checkpoint(writer_of(store->pg), &claim.lease, &none, &test_err));
}

Test(reaper, expires_runs_past_their_time)
{
    with_store(expires);
}

/* As many workers as there is room for, each with a lease that was renewed just now. */
static void must_workers(struct store *store, int64_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = must_worker(store);
        cr_assert(beat(store, out[i], (int64_t)i));
    }
}

/* As if the time that lapsed workers are spared for were over. */
static void spared_enough(void)
{
    sql_do("UPDATE workers SET spared_until = now() - interval '1 ms' WHERE spared_until"
           "   > now() + interval '9 s'");
}

static void check_judged(const struct store *store, int64_t dead, bool paused)
{
    struct lapses lapses = judge(store, INT64_MAX);

    cr_assert_eq(lapses.dead, dead, "%lld instead of %lld", (long long)lapses.dead,
                 (long long)dead);
    cr_assert_eq(lapses.paused, paused);
}

static void pauses(struct store *store)
{
    int64_t workers[10];

    must_workers(store, workers, 10);
    for (int i = 0; i < 4; i++)
        lapse(workers[i], i ? "1 s" : "1 hour");
    check_judged(store, 0, true);
    cr_assert(beat(store, workers[1], 1));
    check_judged(store, 0, true);
    spared_enough();
    check_judged(store, 3, false);
    check_judged(store, 0, false);
}

Test(reaper, holds_back_when_too_many_workers_lapse_at_once)
{
    with_store(pauses);
}

static void remembers(struct store *store)
{
    struct pg *second = another_pg();
    struct store other = *store;
    int64_t workers[4];

    other.pg = second;
    must_workers(store, workers, 4);
    for (int i = 0; i < 4; i++)
        lapse(workers[i], "1 ms");
    cr_assert_eq(judge(store, 0).dead, 0, "its contact is young");
    for (int i = 0; i < 2; i++)
        cr_assert(beat(store, workers[i], i));
    for (int i = 0; i < 3; i++) {
        check_judged(store, 0, true);
        check_judged(&other, 0, true);
    }
    cr_assert(beat(store, workers[2], 2));
    check_judged(&other, 0, true);
    spared_enough();
    check_judged(&other, 1, false);
    cr_assert_not(beat(store, workers[3], 3));
    pg_close(second);
}

Test(reaper, remembers_that_workers_lapsed_together_when_some_of_them_are_back)
{
    with_store(remembers);
}

static void was_away(struct store *store)
{
    int64_t workers[4];

    must_workers(store, workers, 4);
    for (int i = 0; i < 4; i++)
        lapse(workers[i], "1 ms");
    for (int i = 0; i < 2; i++)
        cr_assert(beat(store, workers[i], i));
    check_judged(store, 0, true);
    sql_do("UPDATE workers SET back_at = back_at - interval '10 s'");
    check_judged(store, 0, true);
    spared_enough();
    check_judged(store, 2, false);
}

Test(reaper, sees_that_workers_lapsed_together_when_it_looks_only_later)
{
    with_store(was_away);
}

/* Their beats are not in step, so that the leases of workers that stand still lapse one by one. */
static void counts_the_late(struct store *store)
{
    int64_t workers[4];

    must_workers(store, workers, 4);
    sql_do("UPDATE workers SET renewed_at = now() - interval '6 s',"
           "   lease_until = now() + interval '4 s'");
    lapse(workers[0], "1 ms");
    check_judged(store, 0, true);
    lapse(workers[1], "1 ms");
    check_judged(store, 0, true);
    for (int i = 0; i < 2; i++)
        cr_assert(beat(store, workers[i], i));
    sql_do("UPDATE workers SET lease_until = now() - interval '1 ms' WHERE spared_until > now()");
    check_judged(store, 0, true);
    spared_enough();
    check_judged(store, 2, false);
}

Test(reaper, counts_who_is_late_beside_who_lapsed)
{
    with_store(counts_the_late);
}

static void judges_few(struct store *store)
{
    int64_t workers[4];

    must_workers(store, workers, 4);
    lapse(workers[0], "1 ms");
    lapse(workers[1], "1 ms");
    check_judged(store, 2, false);
    sql_do("UPDATE workers SET renewed_at = now() - interval '4 s',"
           "   lease_until = now() + interval '6 s' WHERE state <> 'dead'");
    lapse(workers[2], "1 ms");
    check_judged(store, 1, false);
    lapse(workers[3], "1 ms");
    check_judged(store, 1, false);
}

Test(reaper, declares_one_or_two_dead_at_once)
{
    with_store(judges_few);
}

static void waits_for_the_clock(struct store *store)
{
    int64_t worker = must_worker(store);
    int64_t server_ms = sql_int("SELECT (extract(epoch FROM now()) * 1000)::int8");

    lapse(worker, "1 hour");
    cr_assert_eq(judge(store, 0).dead, 0);
    cr_assert(judge(store, 0).paused);
    cr_assert_eq(judge(store, server_ms - 1000).dead, 0);
    cr_assert_eq(judge(store, server_ms + 60000).dead, 1);
}

Test(reaper, declares_nobody_dead_when_the_servers_clock_is_not_where_it_should_be)
{
    with_store(waits_for_the_clock);
}

static void tidies(struct store *store)
{
    struct idempotency_request request = {.key = TEXT("k"), .object = uuid_new()};
    struct idempotency_reply reply;

    must_worker(store);
    MUST(idempotency_begin(store, &request, &reply, &test_err));
    sql_do("UPDATE workers SET state = 'dead', lease_until = now() - interval '59 min'");
    sql_do("UPDATE idempotency_keys SET created_at = now() - interval '23 h'");
    cr_assert_eq(sweep(store).rows_deleted, 0);
    sql_do("UPDATE workers SET lease_until = now() - interval '61 min'");
    sql_do("UPDATE idempotency_keys SET created_at = now() - interval '25 h'");
    cr_assert_eq(sweep(store).rows_deleted, 2);
    sql_do("INSERT INTO tickets VALUES ('a', gen_random_uuid(), gen_random_uuid(), NULL, now()),"
           " ('b', gen_random_uuid(), gen_random_uuid(), NULL, now() - interval '61 s')");
    cr_assert_eq(sweep(store).rows_deleted, 1);
}

Test(reaper, deletes_old_dead_workers_idempotency_keys_and_tickets)
{
    with_store(tidies);
}

static void sweep_fiber(void *arg)
{
    struct reaper_report *report = ((void **)arg)[1];

    MUST(reaper_sweep(((void **)arg)[0], NULL, report, &test_err));
}

static void shares(struct store *store)
{
    int64_t worker = must_worker(store);
    struct pg *second = another_pg();
    struct reaper_report reports[2];
    void *args[2][2] = {{store->pg, &reports[0]}, {second, &reports[1]}};
    struct fiber *fibers[2];

    for (int i = 0; i < 30; i++)
        must_claim(store, worker, must_run(store).id);
    sql_do("UPDATE workers SET state = 'dead' WHERE worker_id = %lld", (long long)worker);
    for (int i = 0; i < 2; i++)
        fibers[i] = fiber_start("reaper", sweep_fiber, args[i]);
    for (int i = 0; i < 2; i++)
        fiber_join(fibers[i]);
    cr_assert_eq(reports[0].requeued + reports[1].requeued, 30);
    cr_assert_eq(sql_int("SELECT count(*) FROM runs WHERE crashes = 1 AND status = 'queued'"), 30);
    pg_close(second);
}

Test(reaper, counts_each_crash_once_when_two_sweep_at_once)
{
    with_store(shares);
}

/* Each of these runs would end in a sweep, and the thread of the last is in somebody's hands. */
static void does_not_wait(struct store *store)
{
    int64_t dead = must_worker(store);
    struct run expires = must_run(store);
    struct run crashes = must_run(store);
    struct run held = must_run(store);
    struct lock_holder holder;
    struct reaper_report report;
    struct run out;
    int64_t start_ms;

    MUST(runs_cancel(store, any, held.id, &out, &test_err));
    sql_do("INSERT INTO runs (id, tenant_id, thread_id, agent_id, agent_version, spec, expires_at,"
           "    held) SELECT gen_random_uuid(), tenant_id, thread_id, agent_id, 1, '{}',"
           "    now() + interval '1 h', 1 FROM runs WHERE id = '%s'",
           show(held.id));
    must_claim(store, dead, crashes.id);
    MUST(runs_cancel(store, any, crashes.id, &out, &test_err));
    lapse(dead, "1 ms");
    cr_assert_eq(judge(store, INT64_MAX).dead, 1);
    sql_do("UPDATE runs SET expires_at = now() - interval '1 s' WHERE id = '%s'", show(expires.id));
    lock_rows(&holder, store->pg, "SELECT 1 FROM threads FOR UPDATE", 300);
    start_ms = clock_ms();
    report = sweep(store);
    cr_assert_lt(clock_ms() - start_ms, 200);
    cr_assert_eq(report.expired + report.cancelled + report.promoted, 0);
    fiber_join(holder.fiber);
    report = sweep(store);
    cr_assert_eq(report.expired, 1);
    cr_assert_eq(report.cancelled, 1);
    cr_assert_eq(report.promoted, 1);
    check_run(store, expires.id, RUN_EXPIRED);
    check_run(store, crashes.id, RUN_CANCELLED);
}

Test(reaper, does_not_wait_for_a_thread_that_somebody_else_is_at)
{
    with_store(does_not_wait);
}
