/* Tests of runs made on threads that have an active one: each strategy against each state. */

#include "fixture.h"

static const struct uuid any = {{0}};

#define MESSAGE(text) "[{\"type\": \"text\", \"text\": {\"value\": \"" text "\"}}]"

/* A run with one message; what runs_enqueue returns is `want`. */
static struct run ask(const struct store *store, const struct run *front, enum multitask how,
                      const char *content, struct run_stopped *out_stopped)
{
    struct message_draft message = user_message(content);
    struct run_draft draft = run_of(front->thread_id, front->agent_id);
    struct run run = {.owner = 0};

    draft.messages = &message;
    draft.message_count = 1;
    MUST(runs_enqueue(store, &draft, how, &run, out_stopped, &test_err));
    cr_assert(uuid_equal(run.id, draft.id));
    return run;
}

/* The texts of the thread's messages, in order. */
static const char *said(const struct store *store, struct uuid thread)
{
    return sql_string(store,
                      "SELECT string_agg(penstock_text(content), ' ' ORDER BY position)"
                      "  FROM messages WHERE thread_id = '%s'",
                      show(thread));
}

static struct run front_run(const struct store *store)
{
    struct message_draft message = user_message(MESSAGE("front"));
    struct run_draft draft = run_of(must_thread(store), must_agent(store));
    struct run run;

    draft.messages = &message;
    draft.message_count = 1;
    MUST(runs_create(store, &draft, &run, NULL, &test_err));
    return run;
}

/* Brings a queued run into `status`; in progress and cancelling ones have `claim` and an answer. */
static void bring(const struct store *store, const struct run *run, enum run_status status,
                  int64_t worker, struct run_claim *claim)
{
    struct run_message answer = {
        .id = uuid_new(), .seq = 1, .role = MESSAGE_ASSISTANT, .content = TEXT(MESSAGE("answer"))};
    struct run_changes changes = {.messages = &answer, .message_count = 1};
    struct run now;

    if (status == RUN_QUEUED)
        return;
    *claim = must_claim(store, worker, run->id);
    MUST(run_leases_checkpoint(writer_of(store->pg), &claim->lease, &changes, &test_err));
    if (status == RUN_REQUIRES_ACTION)
        sql_do("UPDATE runs SET status = 'requires_action', owner = NULL, fence = fence + 1"
               " WHERE id = '%s'",
               show(run->id));
    if (status == RUN_CANCELLING)
        MUST(runs_cancel(store, any, run->id, &now, &test_err));
}

static void finish(const struct store *store, struct run_claim *claim, enum run_status status)
{
    struct run_ending ending = {.status = status};

    MUST(run_leases_finish(writer_of(store->pg), &claim->lease, NULL, &ending, &test_err));
}

static const enum run_status states[] = {RUN_QUEUED, RUN_REQUIRES_ACTION, RUN_IN_PROGRESS,
                                         RUN_CANCELLING};

static void idle(struct store *store)
{
    static const enum multitask all[] = {MULTITASK_ENQUEUE, MULTITASK_INTERRUPT,
                                         MULTITASK_ROLLBACK};

    for (size_t i = 0; i < ARRAY_LENGTH(all); i++) {
        struct run front = front_run(store);
        struct run_stopped stopped = {.owner = 1};
        struct run run;

        MUST(runs_cancel(store, any, front.id, &run, &test_err));
        run = ask(store, &front, all[i], MESSAGE("next"), &stopped);
        cr_assert(!run.held);
        cr_assert(uuid_is_zero(stopped.id));
        cr_assert_eq(run.status, RUN_QUEUED);
        check_run(store, run.id, RUN_QUEUED);
        cr_assert_str_eq(said(store, front.thread_id), "front next");
        cr_assert_eq(
            sql_int("SELECT count(*) FROM messages WHERE submitted_with = '%s'", show(run.id)), 1);
        must_claim(store, must_worker(store), run.id);
    }
}

Test(multitask, makes_an_ordinary_run_on_an_idle_thread)
{
    with_store(idle);
}

static void enqueues(struct store *store)
{
    int64_t worker = must_worker(store);

    for (size_t i = 0; i < ARRAY_LENGTH(states); i++) {
        struct run front = front_run(store);
        struct run_claim claim;
        struct run_stopped stopped;
        struct run second;
        struct run third;

        bring(store, &front, states[i], worker, &claim);
        second = ask(store, &front, MULTITASK_ENQUEUE, MESSAGE("second"), &stopped);
        third = ask(store, &front, MULTITASK_ENQUEUE, MESSAGE("third"), &stopped);
        cr_assert(second.held && third.held && uuid_is_zero(stopped.id));
        check_run(store, front.id, states[i]);
        cr_assert_str_eq(said(store, front.thread_id), i == 0 ? "front" : "front answer");

        if (states[i] == RUN_IN_PROGRESS || states[i] == RUN_CANCELLING)
            finish(store, &claim, states[i] == RUN_CANCELLING ? RUN_CANCELLED : RUN_COMPLETED);
        else
            MUST(runs_cancel(store, any, front.id, &front, &test_err));
        check_run(store, second.id, RUN_QUEUED);
        cr_assert(!must_get_run(store, second.id).held);
        cr_assert(must_get_run(store, third.id).held);
        cr_assert_str_eq(said(store, front.thread_id),
                         i == 0 ? "front second" : "front answer second");
        claim = must_claim(store, worker, second.id);
        finish(store, &claim, RUN_COMPLETED);
        claim = must_claim(store, worker, third.id);
        finish(store, &claim, RUN_COMPLETED);
        check_run(store, third.id, RUN_COMPLETED);
    }
}

Test(multitask, enqueues_behind_an_active_run_in_any_state)
{
    with_store(enqueues);
}

/* An interrupt or rollback, and one more of it, while one enqueued run waits. */
static void displaces(const struct store *store, enum multitask how, enum run_status status)
{
    int64_t worker = must_worker(store);
    bool at_once = status == RUN_QUEUED || status == RUN_REQUIRES_ACTION;
    bool answered = status != RUN_QUEUED;
    struct run front = front_run(store);
    struct run_claim claim;
    struct run_stopped stopped;
    struct run waiting;
    struct run first;
    struct run second;

    bring(store, &front, status, worker, &claim);
    waiting = ask(store, &front, MULTITASK_ENQUEUE, MESSAGE("waiting"), &stopped);
    first = ask(store, &front, how, MESSAGE("first"), &stopped);
    cr_assert_eq(first.held, !at_once);
    cr_assert_eq(stopped.owner, status == RUN_IN_PROGRESS ? worker : 0);
    cr_assert(uuid_equal(stopped.id, status == RUN_IN_PROGRESS ? front.id : any));
    cr_assert_eq(must_get_run(store, front.id).status, at_once ? RUN_CANCELLED : RUN_CANCELLING);
    cr_assert_eq(must_get_run(store, waiting.id).status, RUN_CANCELLED);
    cr_assert_gt(must_get_run(store, waiting.id).cancelled_at, 0);

    second = ask(store, &front, how, MESSAGE("second"), &stopped);
    cr_assert_eq(must_get_run(store, first.id).status, RUN_CANCELLED);
    cr_assert(uuid_is_zero(stopped.id));
    cr_assert_eq(second.held, !at_once);
    if (!at_once) {
        cr_assert_str_eq(said(store, front.thread_id), "front answer");
        finish(store, &claim, RUN_CANCELLED);
    }
    cr_assert(!must_get_run(store, second.id).held);
    cr_assert(uuid_equal(must_get_thread(store, front.thread_id).active_run, second.id));
    if (how == MULTITASK_ROLLBACK)
        cr_assert_str_eq(said(store, front.thread_id), "second");
    else
        cr_assert_str_eq(said(store, front.thread_id), answered
                                                           ? "front answer waiting first second"
                                                           : "front waiting first second");
    claim = must_claim(store, worker, second.id);
    finish(store, &claim, RUN_COMPLETED);
    check_run(store, second.id, RUN_COMPLETED);
}

static void interrupts(struct store *store)
{
    for (size_t i = 0; i < ARRAY_LENGTH(states); i++)
        displaces(store, MULTITASK_INTERRUPT, states[i]);
}

Test(multitask, interrupts_in_any_state_and_keeps_what_was_said)
{
    with_store(interrupts);
}

static void rolls_back(struct store *store)
{
    for (size_t i = 0; i < ARRAY_LENGTH(states); i++)
        displaces(store, MULTITASK_ROLLBACK, states[i]);
}

Test(multitask, rolls_back_in_any_state_and_keeps_only_the_last)
{
    with_store(rolls_back);
}

static void inherits(struct store *store)
{
    struct run front = front_run(store);
    struct run_claim claim;
    struct run_stopped stopped;
    struct run last;

    bring(store, &front, RUN_IN_PROGRESS, must_worker(store), &claim);
    ask(store, &front, MULTITASK_ROLLBACK, MESSAGE("instead"), &stopped);
    last = ask(store, &front, MULTITASK_INTERRUPT, MESSAGE("and"), &stopped);
    finish(store, &claim, RUN_CANCELLED);
    check_run(store, last.id, RUN_QUEUED);
    cr_assert_str_eq(said(store, front.thread_id), "instead and");
}

Test(multitask, interrupt_of_a_rollback_rolls_back_too)
{
    with_store(inherits);
}

static void refuses(struct store *store)
{
    struct run front = front_run(store);
    struct store other = other_tenant(store, "globex");
    struct run_draft draft = run_of(front.thread_id, front.agent_id);
    static struct message_draft messages[MESSAGE_DRAFTS_MAX];
    struct run_stopped stopped;
    struct run run;

    GIVES(THREAD_MISSING,
          runs_enqueue(&other, &draft, MULTITASK_INTERRUPT, &run, &stopped, &test_err));
    draft.thread = uuid_new();
    GIVES(THREAD_MISSING,
          runs_enqueue(store, &draft, MULTITASK_ROLLBACK, &run, &stopped, &test_err));
    draft = run_of(front.thread_id, uuid_new());
    GIVES(AGENT_MISSING,
          runs_enqueue(store, &draft, MULTITASK_INTERRUPT, &run, &stopped, &test_err));
    GIVES(AGENT_MISSING, runs_enqueue(store, &draft, MULTITASK_ENQUEUE, &run, &stopped, &test_err));
    check_run(store, front.id, RUN_QUEUED);

    must_claim(store, must_worker(store), front.id);
    for (int i = 0; i < HELD_RUNS_MAX; i++)
        ask(store, &front, MULTITASK_ENQUEUE, MESSAGE("x"), &stopped);
    draft = run_of(front.thread_id, front.agent_id);
    GIVES(THREAD_FULL, runs_enqueue(store, &draft, MULTITASK_ENQUEUE, &run, &stopped, &test_err));
    for (size_t i = 0; i < MESSAGE_DRAFTS_MAX; i++)
        messages[i] = user_message("[]");
    draft.messages = messages;
    draft.message_count = MESSAGE_DRAFTS_MAX - HELD_RUNS_MAX + 1;
    GIVES(THREAD_FULL, runs_enqueue(store, &draft, MULTITASK_INTERRUPT, &run, &stopped, &test_err));
    check_run(store, front.id, RUN_IN_PROGRESS);
    cr_assert_eq(sql_int("SELECT count(*) FROM runs WHERE status = 'queued'"), HELD_RUNS_MAX);
    draft.message_count--;
    MUST(runs_enqueue(store, &draft, MULTITASK_INTERRUPT, &run, &stopped, &test_err));
    GIVES(-E_CONFLICT, runs_enqueue(store, &draft, MULTITASK_ENQUEUE, &run, &stopped, &test_err));
    cr_assert(run.held);
    cr_assert_eq(
        sql_int("SELECT jsonb_array_length(input) FROM runs WHERE id = '%s'", show(run.id)),
        MESSAGE_DRAFTS_MAX);
}

Test(multitask, refuses_what_is_missing_or_too_much_without_a_trace)
{
    with_store(refuses);
}

static void held_ones(struct store *store)
{
    struct run front = front_run(store);
    struct page page = {.limit = 10};
    struct run_stopped stopped;
    struct run_list list;
    struct run waiting = ask(store, &front, MULTITASK_ENQUEUE, MESSAGE("second"), &stopped);
    struct run last = ask(store, &front, MULTITASK_ENQUEUE, MESSAGE("third"), &stopped);
    struct run run;

    MUST(runs_list(store, front.thread_id, &page, &list, &test_err));
    cr_assert_eq(list.count, 3);
    cr_assert(list.items[0].held && list.items[1].held && !list.items[2].held);
    MUST(runs_cancel(store, any, waiting.id, &run, &test_err));
    cr_assert_eq(run.status, RUN_CANCELLED);
    cr_assert(!run.held);
    cr_assert(uuid_equal(must_get_thread(store, front.thread_id).active_run, front.id));
    MUST(runs_cancel(store, any, front.id, &run, &test_err));
    check_run(store, last.id, RUN_QUEUED);
    cr_assert_str_eq(said(store, front.thread_id), "front third");
    ask(store, &front, MULTITASK_ENQUEUE, MESSAGE("fourth"), &stopped);
    MUST(threads_delete(store, front.thread_id, NULL, &test_err));
    cr_assert_eq(sql_int("SELECT count(*) FROM runs"), 0);
}

Test(multitask, held_runs_are_listed_cancelled_and_deleted_with_their_thread)
{
    with_store(held_ones);
}

struct racer {
    struct store store;
    struct run front;
    struct run_claim *claim;
    enum multitask how;
    struct run run;
    int r;
};

static void race_ask(void *arg)
{
    struct racer *racer = arg;
    struct run_draft draft = run_of(racer->front.thread_id, racer->front.agent_id);
    struct message_draft message = user_message(MESSAGE("x"));
    struct run_stopped stopped;
    struct error err = {0};

    draft.messages = &message;
    draft.message_count = 1;
    racer->r = runs_enqueue(&racer->store, &draft, racer->how, &racer->run, &stopped, &err);
}

static void race_finish(void *arg)
{
    struct racer *racer = arg;
    struct run_ending ending = {.status = RUN_COMPLETED};
    struct error err = {0};

    racer->r =
        run_leases_finish(writer_of(racer->store.pg), &racer->claim->lease, NULL, &ending, &err);
    if (racer->r == LEASE_CANCELLING) {
        ending.status = RUN_CANCELLED;
        racer->r = run_leases_finish(writer_of(racer->store.pg), &racer->claim->lease, NULL,
                                     &ending, &err);
    }
}

/* Whatever comes first, the thread ends with the new run active, and no deadlock gets through. */
static void races(struct store *store)
{
    static const enum multitask all[] = {MULTITASK_ENQUEUE, MULTITASK_INTERRUPT,
                                         MULTITASK_ROLLBACK};
    static struct racer askers[30];
    static struct racer finishers[30];
    static struct run_claim claims[30];
    struct fiber *fibers[60];
    struct pg *second = another_pg();
    int64_t worker = must_worker(store);

    for (int i = 0; i < 30; i++) {
        struct run front = front_run(store);

        claims[i] = must_claim(store, worker, front.id);
        askers[i] = (struct racer){*store, front, NULL, all[i % 3], {.owner = 0}, -1};
        finishers[i] = (struct racer){*store, front, &claims[i], all[0], {.owner = 0}, -1};
        finishers[i].store.pg = second;
    }
    for (int i = 0; i < 30; i++) {
        fibers[2 * i] =
            fiber_start("one", i % 2 ? race_finish : race_ask, i % 2 ? &finishers[i] : &askers[i]);
        fibers[2 * i + 1] =
            fiber_start("two", i % 2 ? race_ask : race_finish, i % 2 ? &askers[i] : &finishers[i]);
    }
    for (int i = 0; i < 60; i++)
        fiber_join(fibers[i]);
    for (int i = 0; i < 30; i++) {
        cr_assert_eq(askers[i].r, 0, "%d: %d", i, askers[i].r);
        cr_assert_eq(finishers[i].r, 0, "%d: %d", i, finishers[i].r);
        check_run(store, askers[i].run.id, RUN_QUEUED);
        cr_assert(uuid_equal(must_get_thread(store, askers[i].front.thread_id).active_run,
                             askers[i].run.id),
                  "%d", i);
    }
    pg_close(second);
}

Test(multitask, races_with_the_end_of_the_active_run_and_is_never_stuck)
{
    with_store(races);
}
