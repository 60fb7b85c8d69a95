/* Tests of runs as the API sees them. */

#include "fixture.h"

static const struct uuid any = {{0}};

static void creates(struct store *store)
{
    struct uuid thread = must_thread(store);
    struct message_draft messages[2] = {user_message("[1]"), user_message("[2]")};
    struct run_draft draft = run_of(thread, must_agent(store));
    struct page page = {.limit = 10, .ascending = true};
    struct message_list list;
    struct run run;

    draft.messages = messages;
    draft.message_count = 2;
    draft.metadata = TEXT("{\"a\": \"b\"}");
    draft.priority = RUN_PRIORITY_HIGH;
    MUST(runs_create(store, &draft, &run, NULL, &test_err));
    cr_assert(uuid_equal(run.id, draft.id));
    cr_assert(uuid_equal(run.thread_id, thread));
    cr_assert_eq(run.status, RUN_QUEUED);
    cr_assert_eq(run.priority, RUN_PRIORITY_HIGH);
    cr_assert_eq(run.expires_at - run.created_at, 600);
    cr_assert_eq(run.started_at, 0);
    cr_assert_eq(run.owner, 0);
    cr_assert(text_is(run.spec, "{\"model\": \"m\"}"));
    cr_assert(text_is(run.metadata, "{\"a\": \"b\"}"));
    cr_assert_null(run.last_error.ptr);
    check_run(store, run.id, RUN_QUEUED);
    MUST(messages_list(store, thread, &(struct message_filter){.run = any}, &page, &list,
                       &test_err));
    cr_assert_eq(list.count, 2);
    cr_assert(text_is(list.items[0].content, "[1]"));
    cr_assert(text_is(list.items[1].content, "[2]"));
}

Test(runs, are_created_with_their_messages_and_hold_the_thread)
{
    with_store(creates);
}

static void refuses(struct store *store)
{
    struct store other = other_tenant(store, "globex");
    struct uuid agent = must_agent(store);
    struct run_draft first = run_of(must_thread(store), agent);
    struct run_draft second = run_of(first.thread, agent);
    struct message_draft message = user_message("[]");
    struct uuid active = any;
    struct run run;

    second.messages = &message;
    second.message_count = 1;
    MUST(runs_create(store, &first, &run, NULL, &test_err));
    GIVES(THREAD_BUSY, runs_create(store, &second, &run, &active, &test_err));
    cr_assert(uuid_equal(active, first.id));
    GIVES(THREAD_MISSING, runs_create(&other, &second, &run, NULL, &test_err));
    second.thread = uuid_new();
    GIVES(THREAD_MISSING, runs_create(store, &second, &run, NULL, &test_err));
    second.thread = must_thread(store);
    second.agent = uuid_new();
    GIVES(AGENT_MISSING, runs_create(store, &second, &run, NULL, &test_err));
    MUST(agents_delete(store, agent, &test_err));
    second.agent = agent;
    GIVES(AGENT_MISSING, runs_create(store, &second, &run, NULL, &test_err));
    second.agent = must_agent(&other);
    GIVES(AGENT_MISSING, runs_create(store, &second, &run, NULL, &test_err));
    cr_assert_eq(sql_int("SELECT count(*) FROM messages"), 0);
    cr_assert_eq(sql_int("SELECT count(*) FROM runs"), 1);
    cr_assert(uuid_is_zero(must_get_thread(store, second.thread).active_run));
}

Test(runs, are_refused_with_the_reason_and_without_a_trace)
{
    with_store(refuses);
}

static void creates_with_thread(struct store *store)
{
    struct message_draft messages[2] = {user_message("[1]"), user_message("[2]")};
    struct thread_draft thread = {.id = uuid_new(),
                                  .metadata = TEXT("{\"t\": \"1\"}"),
                                  .messages = messages,
                                  .message_count = 2};
    struct run_draft draft = run_of(any, must_agent(store));
    struct history_limits limits = {.count = 10, .bytes = 1000};
    struct message_list list;
    struct thread made;
    struct run run;

    MUST(runs_create_with_thread(store, &thread, &draft, &run, &test_err));
    made = must_get_thread(store, thread.id);
    cr_assert(uuid_equal(made.active_run, draft.id));
    cr_assert(text_is(made.metadata, "{\"t\": \"1\"}"));
    cr_assert(uuid_equal(run.thread_id, thread.id));
    cr_assert_eq(run.status, RUN_QUEUED);
    check_run(store, run.id, RUN_QUEUED);
    MUST(messages_history(store, thread.id, &limits, &list, &test_err));
    cr_assert_eq(list.count, 2);
    cr_assert(text_is(list.items[0].content, "[1]"));

    thread.id = uuid_new();
    draft = run_of(any, uuid_new());
    GIVES(AGENT_MISSING, runs_create_with_thread(store, &thread, &draft, &run, &test_err));
    cr_assert_eq(sql_int("SELECT count(*) FROM threads"), 1);
    cr_assert_eq(sql_int("SELECT count(*) FROM messages"), 2);
}

Test(runs, are_created_together_with_a_thread_or_not_at_all)
{
    with_store(creates_with_thread);
}

static void isolates(struct store *store)
{
    struct store other = other_tenant(store, "globex");
    struct page page = {.limit = 10};
    struct run run = must_run(store);
    struct run_list list;

    GIVES(RUN_MISSING, runs_get(&other, any, run.id, &run, &test_err));
    GIVES(RUN_MISSING, runs_get(&other, run.thread_id, run.id, &run, &test_err));
    GIVES(RUN_MISSING, runs_get(store, uuid_new(), run.id, &run, &test_err));
    GIVES(RUN_MISSING, runs_update(&other, any, run.id, TEXT("{}"), &run, &test_err));
    GIVES(RUN_MISSING, runs_cancel(&other, any, run.id, &run, &test_err));
    GIVES(RUN_MISSING, runs_cancel(store, uuid_new(), run.id, &run, &test_err));
    GIVES(THREAD_MISSING, runs_list(&other, run.thread_id, &page, &list, &test_err));
    MUST(runs_list_all(&other, &(struct run_filter){0}, &page, &list, &test_err));
    cr_assert_eq(list.count, 0);
    check_run(store, run.id, RUN_QUEUED);
}

Test(runs, of_another_tenant_or_thread_do_not_exist)
{
    with_store(isolates);
}

static void lists(struct store *store)
{
    struct uuid agent = must_agent(store);
    struct uuid thread = must_thread(store);
    struct run runs[4];
    struct page page = {.limit = 2};
    struct run_list list;
    struct run out;

    for (int i = 0; i < 4; i++) {
        struct run_draft draft = run_of(i < 3 ? thread : must_thread(store), agent);

        MUST(runs_create(store, &draft, &runs[i], NULL, &test_err));
        if (i < 2)
            MUST(runs_cancel(store, any, runs[i].id, &out, &test_err));
    }
    MUST(runs_list(store, thread, &page, &list, &test_err));
    cr_assert_eq(list.count, 2);
    cr_assert(list.has_more);
    cr_assert(uuid_equal(list.items[0].id, runs[2].id));
    page.after = runs[1].id;
    MUST(runs_list(store, thread, &page, &list, &test_err));
    cr_assert_eq(list.count, 1);
    cr_assert_not(list.has_more);
    page = (struct page){.limit = 1, .before = runs[0].id};
    MUST(runs_list(store, thread, &page, &list, &test_err));
    cr_assert(uuid_equal(list.items[0].id, runs[1].id));
    page = (struct page){.limit = 10, .ascending = true};
    MUST(runs_list_all(store, &(struct run_filter){0}, &page, &list, &test_err));
    cr_assert_eq(list.count, 4);
    cr_assert(uuid_equal(list.items[3].id, runs[3].id));
    MUST(runs_list_all(store,
                       &(struct run_filter){.statuses = 1u << RUN_CANCELLED | 1u << RUN_FAILED,
                                            .agent = any,
                                            .crashes_min = 0},
                       &page, &list, &test_err));
    cr_assert_eq(list.count, 2);
    cr_assert(uuid_equal(list.items[0].id, runs[0].id));
    MUST(runs_list(store, must_thread(store), &page, &list, &test_err));
    cr_assert_eq(list.count, 0);
}

Test(runs, are_listed_by_thread_and_by_tenant_and_status)
{
    with_store(lists);
}

static void updates(struct store *store)
{
    struct run run = must_run(store);

    MUST(runs_update(store, run.thread_id, run.id, TEXT("{\"a\": \"b\"}"), &run, &test_err));
    cr_assert(text_is(run.metadata, "{\"a\": \"b\"}"));
    GIVES(RUN_MISSING, runs_update(store, any, uuid_new(), TEXT("{}"), &run, &test_err));
}

Test(runs, have_their_metadata_replaced)
{
    with_store(updates);
}

static void cancels(struct store *store)
{
    struct run run = must_run(store);
    struct run held = must_run(store);
    struct run waiting = must_run(store);
    int64_t worker = must_worker(store);
    struct uuid *ids;
    size_t count;

    MUST(runs_cancel(store, run.thread_id, run.id, &run, &test_err));
    cr_assert_eq(run.status, RUN_CANCELLED);
    cr_assert(run.cancelled_at > 0);
    check_run(store, run.id, RUN_CANCELLED);
    GIVES(RUN_ENDED, runs_cancel(store, run.thread_id, run.id, &run, &test_err));
    cr_assert_eq(run.status, RUN_CANCELLED);

    must_claim(store, worker, held.id);
    MUST(workers_cancelled_runs(store->pg, store->arena, worker, &ids, &count, &test_err));
    cr_assert_eq(count, 0);
    for (int i = 0; i < 2; i++) {
        MUST(runs_cancel(store, any, held.id, &held, &test_err));
        cr_assert_eq(held.status, RUN_CANCELLING);
        cr_assert_eq(held.owner, worker);
        cr_assert_eq(held.cancelled_at, 0);
    }
    check_run(store, held.id, RUN_CANCELLING);
    MUST(workers_cancelled_runs(store->pg, store->arena, worker, &ids, &count, &test_err));
    cr_assert_eq(count, 1);
    cr_assert(uuid_equal(ids[0], held.id));

    sql_do("UPDATE runs SET status = 'requires_action' WHERE id = '%s'", show(waiting.id));
    MUST(runs_cancel(store, any, waiting.id, &waiting, &test_err));
    check_run(store, waiting.id, RUN_CANCELLED);
    GIVES(RUN_MISSING, runs_cancel(store, any, uuid_new(), &run, &test_err));
}

Test(runs, are_cancelled_at_once_while_they_wait_and_by_their_worker_otherwise)
{
    with_store(cancels);
}

static void refuses_illegal_cancels(struct store *store)
{
    struct run run = must_run(store);

    for (unsigned from = 0; from < RUN_STATUS_COUNT; from++) {
        enum run_status status = (enum run_status)from;
        enum run_status now;
        int r;

        sql_do("UPDATE runs SET status = '%s' WHERE id = '%s'", run_status_name(status),
               show(run.id));
        r = runs_cancel(store, any, run.id, &run, &test_err);
        cr_assert_eq(r, run_status_terminal(status) ? RUN_ENDED : 0);
        now = must_get_run(store, run.id).status;
        cr_assert(now == status || run_transition_allowed(status, now), "%s -> %s",
                  run_status_name(status), run_status_name(now));
        if (run_status_terminal(status))
            cr_assert_eq(now, status);
    }
}

Test(runs, are_cancelled_by_allowed_moves_only)
{
    with_store(refuses_illegal_cancels);
}

struct racer {
    struct store store;
    struct run_draft draft;
    int *won;
    int *lost;
};

static void race_create(void *arg)
{
    struct racer *racer = arg;
    struct uuid active = any;
    struct run run;
    int r;

    r = runs_create(&racer->store, &racer->draft, &run, &active, &test_err);
    cr_assert(r == 0 || r == THREAD_BUSY, "%d %s", r, test_err.text);
    *racer->won += r == 0;
    if (r == THREAD_BUSY) {
        (*racer->lost)++;
        cr_assert_not(uuid_is_zero(active));
    }
}

static void races(struct store *store)
{
    static struct racer racers[100];
    struct fiber *fibers[100];
    struct uuid agent = must_agent(store);
    struct uuid threads[5];
    struct pg *second = another_pg();
    int won = 0;
    int lost = 0;

    for (int i = 0; i < 5; i++)
        threads[i] = must_thread(store);
    for (int i = 0; i < 100; i++) {
        racers[i] = (struct racer){*store, run_of(threads[i % 5], agent), &won, &lost};
        if (i / 5 % 2)
            racers[i].store.pg = second;
        fibers[i] = fiber_start("racer", race_create, &racers[i]);
    }
    for (int i = 0; i < 100; i++)
        fiber_join(fibers[i]);
    cr_assert_eq(won, 5);
    cr_assert_eq(lost, 95);
    cr_assert_eq(sql_int("SELECT count(*) FROM runs r JOIN threads t ON t.active_run = r.id"), 5);
    cr_assert_eq(sql_int("SELECT count(*) FROM runs"), 5);
    pg_close(second);
}

Test(runs, start_once_per_thread_however_many_try_at_once)
{
    with_store(races);
}
