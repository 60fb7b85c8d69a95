/* Tests of runs that wait behind the active run of their thread, and of runs that are parked. */

#include "fixture.h"

#include "shared/store/fleet/reaper.h"
#include "shared/store/threads/promotions.h"

static const struct uuid any = {{0}};

/* A held run on the thread of `front`, with one message "text" to bring along. */
static struct uuid must_hold(const struct run *front, const char *text)
{
    struct uuid id = uuid_new();
    struct uuid message = uuid_new();

    sql_do("INSERT INTO runs (id, tenant_id, thread_id, agent_id, agent_version, spec, expires_at,"
           "    held, input) SELECT '%s', tenant_id, thread_id, agent_id, 1, '{}',"
           "    now() + interval '1 h', nextval('run_places'),"
           "    '[{\"id\": \"%s\", \"role\": \"user\", \"content\": [\"%s\"]}]'"
           "  FROM runs WHERE id = '%s'",
           show(id), show(message), text, show(front->id));
    sql_do("UPDATE threads SET waited = true WHERE id = '%s'", show(front->thread_id));
    return id;
}

static const char *contents(const struct store *store)
{
    return sql_string(store,
                      "SELECT string_agg(content ->> 0, ' ' ORDER BY position) FROM messages");
}

static void must_end(const struct store *store, struct run_claim *claim)
{
    struct run_ending ending = {.status = RUN_COMPLETED};

    MUST(run_leases_finish(writer_of(store->pg), &claim->lease, NULL, &ending, &test_err));
}

static void promotes(struct store *store)
{
    int64_t worker = must_worker(store);
    struct run front = must_run(store);
    struct run_claim claim = must_claim(store, worker, front.id);
    struct uuid second = must_hold(&front, "second");
    struct uuid third = must_hold(&front, "third");
    struct run_claim_list none;

    sql_do("UPDATE runs SET due_at = now() - interval '1 h' WHERE held IS NOT NULL");
    MUST(run_leases_claim(store->pg, store->arena, worker, &second, 1, &none, &test_err));
    cr_assert_eq(none.count, 0);
    must_end(store, &claim);
    cr_assert(uuid_equal(must_get_thread(store, front.thread_id).active_run, second));
    cr_assert_str_eq(contents(store), "second");
    cr_assert_eq(sql_int("SELECT count(*) FROM runs WHERE held IS NOT NULL AND id = '%s'"
                         " AND input IS NOT NULL",
                         show(third)),
                 1);
    claim = must_claim(store, worker, second);
    must_end(store, &claim);
    cr_assert_str_eq(contents(store), "second third");
    cr_assert_eq(sql_int("SELECT count(*) FROM messages m JOIN runs r ON r.id = m.submitted_with"
                         " AND r.thread_id = m.thread_id"),
                 2);
    claim = must_claim(store, worker, third);
    must_end(store, &claim);
    check_run(store, third, RUN_COMPLETED);
    cr_assert_eq(sql_int("SELECT count(*) FROM runs WHERE held IS NOT NULL OR input IS NOT NULL"),
                 0);
}

Test(promotions, follow_the_end_of_the_active_run_in_order)
{
    with_store(promotes);
}

static void keeps_a_start(struct store *store)
{
    int64_t worker = must_worker(store);
    struct run front = must_run(store);
    struct run_claim claim = must_claim(store, worker, front.id);
    struct uuid later = must_hold(&front, "later");
    struct run_claim_list none;

    sql_do("UPDATE runs SET due_at = now() + interval '1 h' WHERE id = '%s'", show(later));
    must_end(store, &claim);
    cr_assert(uuid_equal(must_get_thread(store, front.thread_id).active_run, later));
    MUST(run_leases_claim(store->pg, store->arena, worker, &later, 1, &none, &test_err));
    cr_assert_eq(none.count, 0);
    cr_assert(text_is(must_get_run(store, later).waits_for, "start"));
}

Test(promotions, leave_a_run_that_is_to_begin_later_its_time)
{
    with_store(keeps_a_start);
}

static void rolls_back(struct store *store)
{
    int64_t worker = must_worker(store);
    struct run front = must_run(store);
    struct run_claim claim = must_claim(store, worker, front.id);
    struct run_message written = {
        .id = uuid_new(), .seq = 1, .role = MESSAGE_ASSISTANT, .content = TEXT("[\"written\"]")};
    struct run_changes changes = {.messages = &written, .message_count = 1};
    struct uuid next = must_hold(&front, "next");

    sql_do("INSERT INTO messages (id, tenant_id, thread_id, role, content, submitted_with)"
           "  SELECT gen_random_uuid(), tenant_id, thread_id, 'user', '[\"kept\"]'::jsonb, NULL "
           "FROM runs"
           "  WHERE id = '%s' UNION ALL"
           "  SELECT gen_random_uuid(), tenant_id, thread_id, 'user', '[\"came\"]'::jsonb, id FROM "
           "runs"
           "  WHERE id = '%s'",
           show(front.id), show(front.id));
    MUST(run_leases_checkpoint(writer_of(store->pg), &claim.lease, &changes, &test_err));
    sql_do("UPDATE runs SET rolls_back = '{%s}' WHERE id = '%s'", show(front.id), show(next));
    must_end(store, &claim);
    cr_assert_str_eq(contents(store), "kept next");
    check_run(store, next, RUN_QUEUED);
}

Test(promotions, take_out_what_they_roll_back)
{
    with_store(rolls_back);
}

static void sweeps(struct store *store)
{
    struct run fronts[2] = {must_run(store), must_run(store)};
    struct uuid held[2] = {must_hold(&fronts[0], "x"), must_hold(&fronts[1], "y")};
    struct reaper_report report;
    struct run run;

    sql_do("UPDATE threads SET active_run = NULL WHERE id = '%s'", show(fronts[0].thread_id));
    MUST(reaper_sweep(store->pg, NULL, &report, &test_err));
    cr_assert_eq(report.promoted, 1);
    check_run(store, held[0], RUN_QUEUED);
    cr_assert(uuid_equal(must_get_thread(store, fronts[1].thread_id).active_run, fronts[1].id));
    sql_do("UPDATE runs SET expires_at = now() - interval '1 s' WHERE id = '%s'",
           show(fronts[1].id));
    MUST(reaper_sweep(store->pg, NULL, &report, &test_err));
    cr_assert_eq(report.expired, 1);
    cr_assert_eq(report.promoted, 1);
    check_run(store, held[1], RUN_QUEUED);
    MUST(runs_cancel(store, any, held[1], &run, &test_err));
    MUST(reaper_sweep(store->pg, NULL, &report, &test_err));
    cr_assert_eq(report.promoted, 0);
}

Test(promotions, happen_at_the_next_sweep_whatever_released_the_thread)
{
    with_store(sweeps);
}

static void cancelled_held(struct store *store)
{
    struct run front = must_run(store);
    struct run_claim claim = must_claim(store, must_worker(store), front.id);
    struct uuid gone = must_hold(&front, "gone");
    struct uuid next = must_hold(&front, "next");
    struct run run;

    MUST(runs_cancel(store, any, gone, &run, &test_err));
    must_end(store, &claim);
    check_run(store, next, RUN_QUEUED);
    cr_assert_str_eq(contents(store), "next");
}

Test(promotions, pass_over_what_was_cancelled)
{
    with_store(cancelled_held);
}

static void parks(struct store *store)
{
    int64_t worker = must_worker(store);
    struct run run = must_run(store);
    struct run_claim claim = must_claim(store, worker, run.id);
    struct run_lease before = claim.lease;
    struct run_parking how = {.required_action = TEXT("{\"type\": \"x\"}")};
    struct run_call call = {.call_no = 1,
                            .call_id = TEXT("c"),
                            .name = TEXT("f"),
                            .arguments = TEXT("{}"),
                            .state = CALL_OPEN,
                            .kind = WAIT_CLIENT,
                            .due_in_ms = CALL_NEVER_DUE,
                            .idempotency_key = TEXT("k")};
    struct run_changes changes = {USED(3, 0), .calls = &call, .call_count = 1};
    struct run_claim_list held;

    MUST(run_leases_park(writer_of(store->pg), &claim.lease, &changes, &how, &test_err));
    MUST(run_leases_park(writer_of(store->pg), &before, &changes, &how, &test_err));
    check_run(store, run.id, RUN_REQUIRES_ACTION);
    cr_assert_eq(must_get_run(store, run.id).used.prompt_tokens, 3);
    cr_assert_eq(must_get_run(store, run.id).owner, 0);
    cr_assert_str_eq(
        sql_string(store, "SELECT concat(wait_kind, ' ', required_action::text) FROM runs"),
        "calls {\"type\": \"x\"}");
    MUST(run_leases_held(store->pg, store->arena, worker, NULL, 0, &held, &test_err));
    cr_assert_eq(held.count, 0);
    before = claim.lease;
    GIVES(LEASE_FENCED,
          run_leases_park(writer_of(store->pg), &claim.lease, &changes, &how, &test_err));
    sql_do("UPDATE runs SET status = 'queued', due_at = now()");
    claim = must_claim(store, worker, run.id);
    cr_assert_eq(claim.lease.step, 1);
    cr_assert_eq(claim.lease.fence, 2);
    cr_assert_eq(sql_int("SELECT count(*) FROM runs WHERE wait_kind IS NULL"
                         " AND required_action IS NULL"),
                 1);
    sql_do("UPDATE runs SET status = 'cancelling'");
    GIVES(LEASE_CANCELLING,
          run_leases_park(writer_of(store->pg), &claim.lease, &changes, &how, &test_err));
}

Test(run_leases, are_let_go_of_while_a_run_waits_for_somebody_outside)
{
    with_store(parks);
}
