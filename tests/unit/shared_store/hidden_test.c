/* Tests of threads that nobody is shown, and of those that are deleted by themselves. */

#include "fixture.h"

#include "shared/store/fleet/erasures.h"
#include "shared/store/submissions/run_batches.h"

static const struct uuid any = {{0}};

static size_t listed(const struct store *store, struct thread_filter filter)
{
    struct thread_list list;
    size_t count;

    filter.archived = filter.active = -1;
    MUST(threads_list(store, &filter, &(struct page){.limit = 100}, &list, &test_err));
    count = list.count;
    filter.by_use = true;
    MUST(threads_list(store, &filter, &(struct page){.limit = 100, .ascending = true}, &list,
                      &test_err));
    cr_assert_eq(list.count, count);
    return count;
}

static void in_no_list(struct store *store)
{
    struct uuid agent = must_agent(store);
    struct thread_draft draft = {
        .agent = agent, .user = TEXT("ann"), .metadata = TEXT("{\"a\": \"b\"}"), .hidden = true};
    struct thread_change activate = {.active = THREAD_ON, .state_version = -1};
    struct thread thread;

    for (int i = 0; i < 4; i++) {
        draft.id = uuid_new();
        draft.hidden = i > 0;
        MUST(threads_create(store, &draft, &thread, &test_err));
        cr_assert_eq(thread.hidden, i > 0);
        cr_assert_not(thread.erases);
    }
    cr_assert_eq(listed(store, (struct thread_filter){.by_use = false}), 1);
    cr_assert_eq(listed(store, (struct thread_filter){.user = TEXT("ann")}), 1);
    cr_assert_eq(listed(store, (struct thread_filter){.agent = agent}), 1);
    cr_assert_eq(listed(store, (struct thread_filter){.agent = agent, .user = TEXT("ann")}), 1);
    cr_assert_eq(listed(store, (struct thread_filter){.metadata = TEXT("{\"a\": \"b\"}")}), 1);
    GIVES(THREAD_UNFIT, threads_update(store, draft.id, &activate, &thread, NULL, &test_err));
    cr_assert(must_get_thread(store, draft.id).hidden);
}

Test(hidden, threads_are_in_no_list_and_not_to_be_active)
{
    with_store(in_no_list);
}

/* A thread that erases, with a message and a run. */
static struct run must_make(const struct store *store, struct message_draft *said)
{
    struct thread_draft thread = {
        .id = uuid_new(), .hidden = true, .erases = true, .messages = said, .message_count = 1};
    struct run_draft draft = run_of(any, any);
    struct run run;

    *said = user_message("[\"secret\"]");
    MUST(runs_create_with_thread(store, &thread, &draft, &run, &test_err));
    return run;
}

static void must_end(const struct store *store, struct uuid run)
{
    struct run_claim claim = must_claim(store, must_worker(store), run);
    struct run_message message = {
        .id = uuid_new(), .seq = 1, .role = MESSAGE_ASSISTANT, .content = TEXT("[]")};
    struct run_step_write step = {.id = uuid_new(), .seq = 1, .status = STEP_COMPLETED};
    struct run_call call = {.call_no = 1,
                            .call_id = TEXT("a"),
                            .name = TEXT("f"),
                            .arguments = TEXT("{}"),
                            .state = CALL_LEFT,
                            .idempotency_key = TEXT("k")};
    struct run_changes changes = {.messages = &message,
                                  .message_count = 1,
                                  .steps = &step,
                                  .step_count = 1,
                                  .calls = &call,
                                  .call_count = 1};
    struct run_ending ending = {.status = RUN_COMPLETED};

    MUST(run_leases_finish(writer_of(store->pg), &claim.lease, &changes, &ending, &test_err));
}

/* In all tables, of a thread and its run. */
static int64_t rows_of(struct uuid thread, struct uuid run)
{
    return sql_int("SELECT (SELECT count(*) FROM threads WHERE id = '%s')"
                   " + (SELECT count(*) FROM messages WHERE thread_id = '%s')"
                   " + (SELECT count(*) FROM runs WHERE thread_id = '%s')",
                   show(thread), show(thread), show(thread)) +
           sql_int("SELECT (SELECT count(*) FROM run_steps WHERE run_id = '%s')"
                   " + (SELECT count(*) FROM tool_calls WHERE run_id = '%s')",
                   show(run), show(run));
}

static void erased_when_asked(struct store *store)
{
    struct store stranger = other_tenant(store, "globex");
    struct message_draft said;
    struct run run = must_make(store, &said);
    struct uuid other = must_thread(store);

    cr_assert(must_get_thread(store, run.thread_id).erases);
    GIVES(THREAD_BUSY, threads_erase(store, run.thread_id, &test_err));
    must_end(store, run.id);
    cr_assert_eq(rows_of(run.thread_id, run.id), 6);
    GIVES(THREAD_MISSING, threads_erase(&stranger, run.thread_id, &test_err));
    GIVES(THREAD_MISSING, threads_erase(store, other, &test_err)); /* it stays */
    MUST(threads_erase(store, run.thread_id, &test_err));
    cr_assert_eq(rows_of(run.thread_id, run.id), 0);
    GIVES(THREAD_MISSING, threads_erase(store, run.thread_id, &test_err));
    cr_assert_eq(sql_int("SELECT count(*) FROM threads"), 1);
}

Test(hidden, threads_are_erased_when_their_run_has_ended)
{
    with_store(erased_when_asked);
}

static void sweep(const struct store *store, int64_t erased)
{
    int64_t count = -1;
    bool more = true;

    MUST(threads_erase_due(store->pg, &count, &more, &test_err));
    cr_assert_eq(count, erased);
    cr_assert_not(more);
}

static void come_due(struct uuid thread)
{
    sql_do("UPDATE threads SET erase_at = erase_at - interval '301 s',"
           " last_used_at = last_used_at - interval '301 s' WHERE id = '%s'",
           show(thread));
}

static void swept(struct store *store)
{
    struct message_draft said[3];
    struct run working = must_make(store, &said[0]);
    struct run ended = must_make(store, &said[1]);
    struct run used = must_make(store, &said[2]);
    struct lock_holder holder;

    (void)must_run(store);
    must_end(store, ended.id);
    must_end(store, used.id);
    sweep(store, 0);
    come_due(working.thread_id);
    come_due(ended.thread_id);
    come_due(used.thread_id);
    sql_do("UPDATE threads SET last_used_at = now() WHERE id = '%s'", show(used.thread_id));

    /* Who is at one holds up nobody. */
    lock_rows(&holder, store->pg,
              arena_printf(store->arena, "SELECT 1 FROM threads WHERE id = '%s' FOR UPDATE",
                           show(ended.thread_id)),
              300);
    sweep(store, 0);
    fiber_join(holder.fiber);
    sweep(store, 1);
    cr_assert_eq(rows_of(ended.thread_id, ended.id), 0);
    cr_assert_eq(rows_of(working.thread_id, working.id), 3);
    cr_assert_eq(rows_of(used.thread_id, used.id), 6);
    cr_assert_eq(sql_int("SELECT count(*) FROM threads WHERE erase_at > now()"
                         " AND erase_at < now() + interval '301 s'"),
                 2);

    /* They come due again, when nobody uses them any more. */
    must_end(store, working.id);
    come_due(working.thread_id);
    come_due(used.thread_id);
    sweep(store, 2);
    cr_assert_eq(sql_int("SELECT count(*) FROM threads"), 1);
    cr_assert_eq(sql_int("SELECT count(*) FROM runs"), 1);
}

Test(hidden, threads_that_nobody_erases_are_swept)
{
    with_store(swept);
}

static void by_batches(struct store *store)
{
    struct message_draft said = user_message("[]");
    struct thread_draft fresh[2] = {
        {.id = uuid_new(), .hidden = true, .messages = &said, .message_count = 1},
        {.id = uuid_new(), .hidden = true, .erases = true}};
    struct run_draft drafts[2] = {run_of(any, any), run_of(any, any)};
    struct run_making makings[2];
    struct pg_result *result = NULL;

    for (int i = 0; i < 2; i++)
        makings[i] = (struct run_making){
            .tenant = store->tenant, .draft = &drafts[i], .new_thread = &fresh[i]};
    MUST(run_batch_make(store->pg, NULL, makings, 2, &result, &test_err));
    cr_assert_eq(run_batch_made_count(result), 2);
    pg_result_free(result);
    cr_assert(must_get_thread(store, fresh[0].id).hidden);
    cr_assert_not(must_get_thread(store, fresh[0].id).erases);
    cr_assert(must_get_thread(store, fresh[1].id).hidden);
    cr_assert(must_get_thread(store, fresh[1].id).erases);
}

Test(hidden, threads_are_made_in_batches)
{
    with_store(by_batches);
}
