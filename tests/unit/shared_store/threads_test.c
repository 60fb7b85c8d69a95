/* Tests of threads. */

#include "fixture.h"

static void creates(struct store *store)
{
    struct message_draft messages[3] = {user_message("[{\"n\": 1}]"), user_message("[{\"n\": 2}]"),
                                        user_message("[{\"n\": 3}]")};
    struct thread_draft draft = {.id = uuid_new(),
                                 .metadata = TEXT("{\"a\": \"b\"}"),
                                 .tool_resources = TEXT("{\"x\": 1}"),
                                 .messages = messages,
                                 .message_count = 3};
    struct page page = {.limit = 10, .ascending = true};
    struct message_list list;
    struct thread thread;

    messages[0].id = uuid_v7(INT64_MAX >> 20, (uint8_t[10]){0}); /* ids do not give the order */
    messages[1].role = MESSAGE_ASSISTANT;
    messages[2].metadata = TEXT("{\"k\": \"v\"}");
    messages[2].attachments = TEXT("[{\"file_id\": \"f\"}]");
    MUST(threads_create(store, &draft, &thread, &test_err));
    cr_assert(uuid_equal(thread.id, draft.id));
    cr_assert(text_is(thread.metadata, "{\"a\": \"b\"}"));
    cr_assert(text_is(thread.tool_resources, "{\"x\": 1}"));
    cr_assert(thread.created_at > 1500000000);
    cr_assert(uuid_is_zero(thread.active_run));

    MUST(messages_list(store, thread.id, &(struct message_filter){.hidden = false}, &page, &list,
                       &test_err));
    cr_assert_eq(list.count, 3);
    cr_assert(text_is(list.items[0].content, "[{\"n\": 1}]"));
    cr_assert(text_is(list.items[1].content, "[{\"n\": 2}]"));
    cr_assert(text_is(list.items[2].content, "[{\"n\": 3}]"));
    cr_assert_eq(list.items[1].role, MESSAGE_ASSISTANT);
    cr_assert(text_is(list.items[0].metadata, "{}"));
    cr_assert_null(list.items[0].attachments.ptr);
    cr_assert(text_is(list.items[2].metadata, "{\"k\": \"v\"}"));
    cr_assert(text_is(list.items[2].attachments, "[{\"file_id\": \"f\"}]"));
    GIVES(-E_CONFLICT, threads_create(store, &draft, &thread, &test_err));
}

Test(threads, are_created_with_their_messages_in_the_order_given)
{
    with_store(creates);
}

static void limits(struct store *store)
{
    static struct message_draft many[MESSAGE_DRAFTS_MAX + 1];
    struct thread_draft draft = {
        .id = uuid_new(), .messages = many, .message_count = MESSAGE_DRAFTS_MAX + 1};
    struct thread thread;

    GIVES(-E_LIMIT, threads_create(store, &draft, &thread, &test_err));
    GIVES(THREAD_MISSING, threads_get(store, draft.id, &thread, &test_err));
    for (size_t i = 0; i < MESSAGE_DRAFTS_MAX; i++)
        many[i] = user_message("[]");
    draft.message_count = MESSAGE_DRAFTS_MAX;
    MUST(threads_create(store, &draft, &thread, &test_err));
    cr_assert_eq(sql_int("SELECT count(*) FROM messages"), MESSAGE_DRAFTS_MAX);
}

Test(threads, are_refused_with_too_many_messages)
{
    with_store(limits);
}

static void updates(struct store *store)
{
    struct uuid id = must_thread(store);
    struct thread_change metadata = {.metadata = TEXT("{\"a\": \"b\"}")};
    struct thread_change resources = {.tool_resources = TEXT("{}")};
    struct thread thread;

    MUST(threads_update(store, id, &metadata, &thread, NULL, &test_err));
    cr_assert(text_is(thread.metadata, "{\"a\": \"b\"}"));
    cr_assert_null(thread.tool_resources.ptr);
    MUST(threads_update(store, id, &resources, &thread, NULL, &test_err));
    cr_assert(text_is(thread.metadata, "{\"a\": \"b\"}"));
    cr_assert(text_is(thread.tool_resources, "{}"));
    GIVES(THREAD_MISSING, threads_update(store, uuid_new(), &metadata, &thread, NULL, &test_err));
}

Test(threads, keep_what_an_update_does_not_name)
{
    with_store(updates);
}

static void isolates(struct store *store)
{
    struct store other = other_tenant(store, "globex");
    struct thread_change change = {.metadata = TEXT("{}")};
    struct message_draft message = user_message("[]");
    struct page page = {.limit = 10};
    struct uuid id = must_thread(store);
    struct uuid none = {{0}};
    struct message_list messages;
    struct history_limits limit = {.count = 10, .bytes = 1000};
    struct thread_list list;
    struct message made;
    struct thread thread;

    MUST(messages_create(store, id, &message, TEXT_NONE, &made, NULL, &test_err));
    GIVES(THREAD_MISSING, threads_get(&other, id, &thread, &test_err));
    GIVES(THREAD_MISSING, threads_update(&other, id, &change, &thread, NULL, &test_err));
    GIVES(THREAD_MISSING, threads_delete(&other, id, NULL, &test_err));
    MUST(threads_list(&other, &(struct thread_filter){.archived = -1, .active = -1}, &page, &list,
                      &test_err));
    cr_assert_eq(list.count, 0);
    GIVES(MESSAGE_MISSING, messages_get(&other, id, made.id, &made, &test_err));
    GIVES(MESSAGE_MISSING, messages_delete(&other, id, made.id, NULL, &test_err));
    GIVES(MESSAGE_MISSING, messages_update(&other, id, made.id, TEXT("{}"), &made, &test_err));
    GIVES(THREAD_MISSING, messages_list(&other, id, &(struct message_filter){.run = none}, &page,
                                        &messages, &test_err));
    page.after = made.id;
    GIVES(THREAD_MISSING, messages_list(&other, id, &(struct message_filter){.run = none}, &page,
                                        &messages, &test_err));
    message.id = uuid_new();
    GIVES(THREAD_MISSING, messages_create(&other, id, &message, TEXT_NONE, &made, NULL, &test_err));
    MUST(messages_history(&other, id, &limit, &messages, &test_err));
    cr_assert_eq(messages.count, 0);
    MUST(threads_get(store, id, &thread, &test_err));
}

Test(threads, of_another_tenant_do_not_exist_nor_do_their_messages)
{
    with_store(isolates);
}

static void lists(struct store *store)
{
    struct page page = {.limit = 2};
    struct thread_list list;
    struct uuid ids[3];

    for (int i = 0; i < 3; i++)
        ids[i] = must_thread(store);
    MUST(threads_list(store, &(struct thread_filter){.archived = -1, .active = -1}, &page, &list,
                      &test_err));
    cr_assert_eq(list.count, 2);
    cr_assert(list.has_more);
    cr_assert(uuid_equal(list.items[0].id, ids[2]));
    page.after = ids[1];
    MUST(threads_list(store, &(struct thread_filter){.archived = -1, .active = -1}, &page, &list,
                      &test_err));
    cr_assert_eq(list.count, 1);
    cr_assert_not(list.has_more);
    cr_assert(uuid_equal(list.items[0].id, ids[0]));
    page = (struct page){.limit = 1, .ascending = true, .before = ids[2]};
    MUST(threads_list(store, &(struct thread_filter){.archived = -1, .active = -1}, &page, &list,
                      &test_err));
    cr_assert(uuid_equal(list.items[0].id, ids[1]));
    cr_assert(list.has_more);
}

Test(threads, are_listed_by_cursors)
{
    with_store(lists);
}

static void deletes(struct store *store)
{
    struct run run = must_run(store);
    int64_t worker = must_worker(store);
    struct run_claim claim = must_claim(store, worker, run.id);
    struct run_message message = {
        .id = uuid_new(), .seq = 1, .role = MESSAGE_ASSISTANT, .content = TEXT("[]")};
    struct run_call call = {.call_no = 1,
                            .call_id = TEXT("c"),
                            .name = TEXT("f"),
                            .arguments = TEXT("{}"),
                            .idempotency_key = TEXT("k")};
    struct run_step_write step = {.id = uuid_new(), .seq = 1, .type = STEP_TOOL_CALLS};
    struct run_changes changes = {.messages = &message,
                                  .message_count = 1,
                                  .calls = &call,
                                  .call_count = 1,
                                  .steps = &step,
                                  .step_count = 1};
    struct run kept = must_run(store);
    struct run_stopped stopped;

    MUST(run_leases_checkpoint(writer_of(store->pg), &claim.lease, &changes, &test_err));
    MUST(threads_delete(store, run.thread_id, &stopped, &test_err));
    cr_assert_eq(stopped.owner, worker);
    cr_assert(uuid_equal(stopped.id, run.id));
    GIVES(RUN_MISSING, runs_get(store, (struct uuid){{0}}, run.id, &run, &test_err));
    cr_assert_eq(sql_int("SELECT count(*) FROM messages"), 0);
    cr_assert_eq(sql_int("SELECT count(*) FROM run_steps"), 0);
    cr_assert_eq(sql_int("SELECT count(*) FROM tool_calls"), 0);
    changes = (struct run_changes){0};
    GIVES(LEASE_FENCED,
          run_leases_checkpoint(writer_of(store->pg), &claim.lease, &changes, &test_err));
    check_run(store, kept.id, RUN_QUEUED);
    GIVES(THREAD_MISSING, threads_delete(store, run.thread_id, &stopped, &test_err));
    cr_assert_eq(stopped.owner, 0);
}

Test(threads, once_deleted_take_everything_along_and_fence_their_worker)
{
    with_store(deletes);
}

/* A thread that is deleted while its run is written, while another waits behind that, and while
 * messages come. */
struct deletion {
    struct store store;
    struct store other; /* the same by another connection */
    struct run_claim claim;
    struct uuid thread;
    int deleted;
};

static void delete_soon(void *arg)
{
    struct deletion *deletion = arg;
    struct error err = {0};

    MUST(fiber_sleep((int64_t)random_below(12), &test_err));
    deletion->deleted = threads_delete(&deletion->other, deletion->thread, NULL, &err);
}

static void write_meanwhile(void *arg)
{
    struct deletion *deletion = arg;
    struct run_message message = {.role = MESSAGE_ASSISTANT, .content = TEXT("[]")};
    struct run_changes changes = {.messages = &message, .message_count = 1};
    struct run_ending ending = {.status = RUN_COMPLETED};
    struct message_draft draft = user_message("[]");
    struct run_writer *writer = writer_of(deletion->store.pg);
    struct message made;
    struct error err = {0};

    for (message.seq = 1; message.seq < 4; message.seq++) {
        message.id = uuid_new();
        IGNORE(run_leases_checkpoint(writer, &deletion->claim.lease, &changes, &err));
    }
    message.id = uuid_new();
    IGNORE(run_leases_finish(writer, &deletion->claim.lease, &changes, &ending, &err));
    IGNORE(
        messages_create(&deletion->store, deletion->thread, &draft, TEXT_NONE, &made, NULL, &err));
}

static void deletes_while_written(struct store *store)
{
    enum { THREADS = 40 };
    static struct deletion deletions[THREADS];
    struct fiber *fibers[2 * THREADS];
    struct pg *second = another_pg();
    int64_t worker = must_worker(store);

    for (int i = 0; i < THREADS; i++) {
        struct run run = must_run(store);
        struct run_draft behind = run_of(run.thread_id, must_agent(store));
        struct message_draft said = user_message("[]");
        struct run_stopped stopped;

        deletions[i].store = deletions[i].other = *store;
        deletions[i].other.pg = second;
        deletions[i].claim = must_claim(store, worker, run.id);
        deletions[i].thread = run.thread_id;
        behind.messages = &said;
        behind.message_count = 1;
        MUST(runs_enqueue(store, &behind, MULTITASK_ENQUEUE, &run, &stopped, &test_err));
    }
    for (int i = 0; i < THREADS; i++) {
        fibers[2 * i] = fiber_start("write", write_meanwhile, &deletions[i]);
        fibers[2 * i + 1] = fiber_start("delete", delete_soon, &deletions[i]);
    }
    for (int i = 0; i < 2 * THREADS; i++)
        fiber_join(fibers[i]);
    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(deletions[i].deleted, 0);
    cr_assert_eq(sql_int("SELECT count(*) FROM threads"), 0);
    cr_assert_eq(sql_int("SELECT count(*) FROM runs"), 0);
    cr_assert_eq(sql_int("SELECT count(*) FROM messages"), 0);
    pg_close(second);
}

Test(threads, that_are_deleted_while_they_are_written_leave_nothing_behind)
{
    with_store(deletes_while_written);
}
