/* Tests that every way in which a run ends leaves the same things behind: its thread is released
 * and the next held run active, its steps and open calls are ended, and it waits for nothing. */

#include <stdio.h>
#include <string.h>

#include "fixture.h"

#include "shared/store/answers/tool_outputs.h"
#include "shared/store/fleet/reaper.h"

static const struct uuid any = {{0}};

/* What a run had when it ended. */
enum before { IN_HAND, PARKED_FOR_CLIENT, PARKED_FOR_TIME, QUEUED };

struct case_of {
    const char *name;
    enum before before;
    enum run_status becomes;
    void (*end)(const struct store *store, const struct run *run, struct run_claim *claim);
};

static const struct model_usage used = {
    .provider = TEXT("p"), .model = TEXT("m"), .calls = 1, .used = {100, 30, 40, 10, 12, 7}};

static struct run_changes open_step(enum before before)
{
    static struct run_message message;
    static struct run_call calls[2];
    static struct run_step_write step;
    bool parks = before == PARKED_FOR_CLIENT || before == PARKED_FOR_TIME;

    message = (struct run_message){
        .id = uuid_new(), .seq = 1, .role = MESSAGE_ASSISTANT, .content = TEXT("[]")};
    for (int i = 0; i < 2; i++)
        calls[i] = (struct run_call){
            .call_no = i + 1,
            .call_id = i ? TEXT("b") : TEXT("a"),
            .name = TEXT("f"),
            .arguments = TEXT("{}"),
            .idempotency_key = TEXT("k"),
            .state = parks ? CALL_OPEN : CALL_INTENT,
            .kind = !parks                        ? WAIT_NONE
                    : before == PARKED_FOR_CLIENT ? WAIT_CLIENT
                                                  : WAIT_TIME,
            .due_in_ms = before == PARKED_FOR_TIME ? 3600000 : CALL_NEVER_DUE,
        };
    step = (struct run_step_write){.id = uuid_new(),
                                   .seq = 1,
                                   .type = STEP_TOOL_CALLS,
                                   .status = STEP_IN_PROGRESS,
                                   .tool_calls = TEXT("[]")};
    return (struct run_changes){.usage = &used,
                                .usage_count = 1,
                                .messages = &message,
                                .message_count = 1,
                                .calls = calls,
                                .call_count = 2,
                                .steps = &step,
                                .step_count = 1};
}

/* A run on a thread with another one held behind it. */
static struct run make(const struct store *store, enum before before, struct run_claim *out_claim,
                       struct uuid *out_next)
{
    struct run run = must_run(store);
    struct run_draft draft = run_of(run.thread_id, must_agent(store));
    struct run_changes changes = open_step(before);
    struct run_parking parking = {.required_action = TEXT_NONE};
    struct run_stopped stopped;
    struct run next;

    if (before == PARKED_FOR_CLIENT)
        parking.required_action = TEXT("{\"type\":\"submit_tool_outputs\"}");
    MUST(runs_enqueue(store, &draft, MULTITASK_ENQUEUE, &next, &stopped, &test_err));
    cr_assert(next.held);
    *out_next = next.id;
    *out_claim = (struct run_claim){.waited_us = 0};
    if (before == QUEUED)
        return run;
    *out_claim = must_claim(store, must_worker(store), run.id);
    if (before == IN_HAND)
        MUST(run_leases_checkpoint(writer_of(store->pg), &out_claim->lease, &changes, &test_err));
    else
        MUST(run_leases_park(writer_of(store->pg), &out_claim->lease, &changes, &parking,
                             &test_err));
    return must_get_run(store, run.id);
}

static void finish(const struct store *store, enum run_status status, struct run_claim *claim)
{
    struct run_ending ending = {.status = status};

    if (status == RUN_CANCELLED)
        sql_do("UPDATE runs SET status = 'cancelling' WHERE id = '%s'", show(claim->lease.run));
    MUST(run_leases_finish(writer_of(store->pg), &claim->lease, NULL, &ending, &test_err));
}

static void finish_failed(const struct store *store, const struct run *run, struct run_claim *claim)
{
    (void)run;
    finish(store, RUN_FAILED, claim);
}

static void finish_incomplete(const struct store *store, const struct run *run,
                              struct run_claim *claim)
{
    (void)run;
    finish(store, RUN_INCOMPLETE, claim);
}

static void finish_cancelled(const struct store *store, const struct run *run,
                             struct run_claim *claim)
{
    (void)run;
    finish(store, RUN_CANCELLED, claim);
}

static void cancel(const struct store *store, const struct run *run, struct run_claim *claim)
{
    struct run now;

    (void)claim;
    MUST(runs_cancel(store, any, run->id, &now, &test_err));
    cr_assert_eq(now.status, RUN_CANCELLED);
}

static void interrupt(const struct store *store, const struct run *run, struct run_claim *claim)
{
    struct run_draft draft = run_of(run->thread_id, must_agent(store));
    struct run_stopped stopped;
    struct run now;

    (void)claim;
    MUST(runs_enqueue(store, &draft, MULTITASK_INTERRUPT, &now, &stopped, &test_err));
}

static void sweep(const struct store *store)
{
    struct reaper_report report;

    MUST(reaper_sweep(store->pg, NULL, &report, &test_err));
}

static void reap_crashed(const struct store *store, const struct run *run, struct run_claim *claim)
{
    sql_do("UPDATE runs SET crashes = 2 WHERE id = '%s';"
           "UPDATE workers SET state = 'dead' WHERE worker_id = %lld",
           show(run->id), (long long)claim->lease.owner);
    sweep(store);
}

static void reap_cancelling(const struct store *store, const struct run *run,
                            struct run_claim *claim)
{
    sql_do("UPDATE runs SET status = 'cancelling' WHERE id = '%s';"
           "UPDATE workers SET state = 'dead' WHERE worker_id = %lld",
           show(run->id), (long long)claim->lease.owner);
    sweep(store);
}

static void reap_expired(const struct store *store, const struct run *run, struct run_claim *claim)
{
    (void)claim;
    sql_do("UPDATE runs SET expires_at = now() - interval '11 s' WHERE id = '%s'", show(run->id));
    sweep(store);
}

static void deregister(const struct store *store, const struct run *run, struct run_claim *claim)
{
    int64_t runs = 0;

    sql_do("UPDATE runs SET status = 'cancelling' WHERE id = '%s'", show(run->id));
    MUST(workers_deregister(store->pg, claim->lease.owner, &runs, &test_err));
    cr_assert_eq(runs, 1);
}

static const struct case_of cases[] = {
    {"a worker's failure", IN_HAND, RUN_FAILED, finish_failed},
    {"a worker's incomplete end", IN_HAND, RUN_INCOMPLETE, finish_incomplete},
    {"a worker's cancelled end", IN_HAND, RUN_CANCELLED, finish_cancelled},
    {"a cancel while queued", QUEUED, RUN_CANCELLED, cancel},
    {"a cancel while the client is waited for", PARKED_FOR_CLIENT, RUN_CANCELLED, cancel},
    {"a cancel while a time is waited for", PARKED_FOR_TIME, RUN_CANCELLED, cancel},
    {"an interrupt while queued", QUEUED, RUN_CANCELLED, interrupt},
    {"an interrupt while the client is waited for", PARKED_FOR_CLIENT, RUN_CANCELLED, interrupt},
    {"an interrupt while a time is waited for", PARKED_FOR_TIME, RUN_CANCELLED, interrupt},
    {"a third crash", IN_HAND, RUN_FAILED, reap_crashed},
    {"a crash of a run to be cancelled", IN_HAND, RUN_CANCELLED, reap_cancelling},
    {"an expiry while queued", QUEUED, RUN_EXPIRED, reap_expired},
    {"an expiry in a worker's hands", IN_HAND, RUN_EXPIRED, reap_expired},
    {"an expiry while the client is waited for", PARKED_FOR_CLIENT, RUN_EXPIRED, reap_expired},
    {"an expiry while a time is waited for", PARKED_FOR_TIME, RUN_EXPIRED, reap_expired},
    {"a worker that leaves", IN_HAND, RUN_CANCELLED, deregister},
};

static void check(const struct store *store, const struct case_of *its, const struct run *run,
                  struct uuid next)
{
    struct run now = must_get_run(store, run->id);
    struct thread thread = must_get_thread(store, run->thread_id);
    struct uuid active = thread.active_run;
    const char *id = show(run->id);

    cr_assert_eq(now.status, its->becomes, "%s: %s", its->name, run_status_name(now.status));
    cr_assert_null(now.required_action.ptr, "%s", its->name);
    cr_assert_eq(sql_int("SELECT count(*) FROM runs WHERE id = '%s' AND wait_kind IS NULL"
                         "   AND wakes_at IS NULL AND parked_at IS NULL AND updated_at <= now()"
                         "   AND (failed_at IS NOT NULL) = (status = 'failed')"
                         "   AND (cancelled_at IS NOT NULL) = (status = 'cancelled')"
                         "   AND (completed_at IS NOT NULL) = (status = 'incomplete')",
                         id),
                 1, "%s: its columns", its->name);
    cr_assert_eq(sql_int("SELECT count(*) FROM run_steps WHERE run_id = '%s'"
                         "   AND (status = 'in_progress' OR ended_at IS NULL)",
                         id),
                 0, "%s: its step", its->name);
    cr_assert_eq(
        sql_int("SELECT count(*) FROM tool_calls WHERE run_id = '%s' AND state = 'open'", id), 0,
        "%s: its calls", its->name);
    cr_assert_eq(sql_int("SELECT count(*) FROM tool_calls WHERE run_id = '%s'"
                         "   AND state = 'cancelled'",
                         id),
                 run->open_calls, "%s: its calls", its->name);
    cr_assert_eq(now.used.prompt_tokens, its->before == QUEUED ? 0 : 100, "%s", its->name);
    cr_assert_eq(memcmp(&thread.used, &now.used, sizeof(now.used)), 0, "%s: what it used",
                 its->name);
    cr_assert(!uuid_equal(active, run->id), "%s: its thread", its->name);
    cr_assert(!uuid_is_zero(active), "%s: the next run", its->name);
    if (its->end != interrupt)
        cr_assert(uuid_equal(active, next), "%s: the next run", its->name);
    now = must_get_run(store, active);
    cr_assert_eq(now.status, RUN_QUEUED);
    cr_assert(!now.held, "%s: the next run is ready", its->name);
}

static void all_ways(struct store *store)
{
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct run_claim claim;
        struct uuid next;
        struct run run = make(store, cases[i].before, &claim, &next);

        cases[i].end(store, &run, &claim);
        check(store, &cases[i], &run, next);
        if (cases[i].before == IN_HAND) {
            struct run_ending late = {.status = RUN_COMPLETED};
            int r = run_leases_finish(writer_of(store->pg), &claim.lease, NULL, &late, &test_err);

            cr_assert_eq(r, LEASE_FENCED, "%s: a late write gives %d", cases[i].name, r);
        }
    }
}

Test(endings, leave_the_same_behind_whoever_ends_a_run)
{
    with_store(all_ways);
}

/* Somebody at a prompt holds a run: the leaving worker hands the others back, and that one too when
 * it is free again. */
static void waits_for_row(struct store *store)
{
    int64_t worker = must_worker(store);
    struct run runs[2] = {must_run(store), must_run(store)};
    struct pg *pg = another_pg();
    struct lock_holder holder;
    char locking[160];
    int64_t count = 0;

    for (int i = 0; i < 2; i++)
        must_claim(store, worker, runs[i].id);
    (void)snprintf(locking, sizeof(locking), "SELECT 1 FROM runs WHERE id = '%s' FOR UPDATE",
                   show(runs[0].id));
    lock_rows(&holder, pg, locking, 200);
    MUST(workers_deregister(store->pg, worker, &count, &test_err));
    fiber_join(holder.fiber);
    pg_close(pg);
    cr_assert_eq(count, 2);
    for (int i = 0; i < 2; i++) {
        struct run now = must_get_run(store, runs[i].id);

        cr_assert_eq(now.status, RUN_QUEUED);
        cr_assert_eq(now.crashes, 0);
    }
}

Test(endings, do_not_wait_for_a_row_and_come_back_to_it)
{
    with_store(waits_for_row);
}

/* Something that Postgres can never store, in one place of an ending. */
struct unstorable {
    const char *where;
    struct run_changes changes;
    struct run_ending ending;
    enum run_status becomes;
};

static void bare(struct store *store)
{
    static const struct run_message zero = {
        .id = {{1}}, .seq = 1, .role = MESSAGE_ASSISTANT, .content = {"[\"\\u0000\"]", 10}};
    const struct unstorable list[] = {
        {"tokens", {USED(INT64_MAX, 0)}, {.status = RUN_COMPLETED}, RUN_FAILED},
        {"a message",
         {.messages = &zero, .message_count = 1},
         {.status = RUN_COMPLETED},
         RUN_FAILED},
        {"the error",
         {USED(1, 0)},
         {.status = RUN_FAILED, .error_code = TEXT("x"), .error_message = {"a\0b", 3}},
         RUN_FAILED},
        {"the reason",
         {USED(1, 0)},
         {.status = RUN_INCOMPLETE, .incomplete_reason = {"a\0b", 3}},
         RUN_FAILED},
        {"tokens of an expired run", {USED(0, INT64_MAX)}, {.status = RUN_EXPIRED}, RUN_EXPIRED},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(list); i++) {
        struct run_changes paid = {USED(1, 1)};
        struct run_claim claim;
        struct uuid next;
        struct run run = make(store, IN_HAND, &claim, &next);
        int r;

        MUST(run_leases_checkpoint(writer_of(store->pg), &claim.lease, &paid, &test_err));
        r = run_leases_finish(writer_of(store->pg), &claim.lease, &list[i].changes, &list[i].ending,
                              &test_err);
        cr_assert_eq(r, RUN_ENDED_BARE, "%s: %d", list[i].where, r);
        run = must_get_run(store, run.id);
        cr_assert_eq(run.status, list[i].becomes, "%s", list[i].where);
        cr_assert_eq(run.used.prompt_tokens,
                     101 +
                         (list[i].changes.usage && list[i].changes.usage->used.prompt_tokens == 1));
        if (run.status == RUN_FAILED)
            cr_assert(text_is(run.last_error,
                              "{\"code\": \"server_error\", \"message\": \"The result of the run "
                              "could not be stored.\"}"),
                      "%s: %.*s", list[i].where, TEXT_ARGS(run.last_error));
        cr_assert(uuid_equal(must_get_thread(store, run.thread_id).active_run, next));
    }
}

Test(endings, that_can_not_be_stored_are_stored_bare)
{
    with_store(bare);
}

/* The server refuses us whatever we write: nothing is lost, and the write is to be sent again. */
static void refused(struct store *store)
{
    struct run run = must_run(store);
    struct run_claim claim = must_claim(store, must_worker(store), run.id);
    struct run_ending ending = {.status = RUN_COMPLETED};

    sql_do("ALTER TABLE run_steps RENAME TO away");
    GIVES(-E_UNAVAILABLE,
          run_leases_finish(writer_of(store->pg), &claim.lease, NULL, &ending, &test_err));
    check_run(store, run.id, RUN_IN_PROGRESS);
    sql_do("ALTER TABLE away RENAME TO run_steps");
    MUST(run_leases_finish(writer_of(store->pg), &claim.lease, NULL, &ending, &test_err));
    check_run(store, run.id, RUN_COMPLETED);
}

Test(endings, are_sent_again_when_the_server_refuses_every_write)
{
    with_store(refused);
}
