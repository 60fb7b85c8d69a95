/* Tests of messages as parts of exchanges: found by their ids, and deleted with what belongs to
 * them. */

#include "fixture.h"

static const struct uuid any = {{0}};

/* A run that asked something, called a tool twice and answered; of its messages the ids. */
static struct run must_exchange(const struct store *store, struct uuid thread, struct uuid ids[4])
{
    struct message_draft said = user_message("[\"q\"]");
    struct run_draft draft = run_of(thread, must_agent(store));
    struct run_message messages[4] = {
        {.role = MESSAGE_ASSISTANT,
         .hidden = true,
         .content = TEXT("[]"),
         .tool_calls = TEXT("[{\"id\": \"c\"}, {\"id\": \"d\"}]"),
         .tokens = 3},
        {.role = MESSAGE_TOOL,
         .hidden = true,
         .content = TEXT("[\"rc\"]"),
         .tool_call_id = TEXT("c"),
         .tokens = 5},
        {.role = MESSAGE_TOOL,
         .hidden = true,
         .content = TEXT("[\"rd\"]"),
         .tool_call_id = TEXT("d"),
         .tokens = 7},
        {.role = MESSAGE_ASSISTANT, .content = TEXT("[\"answer\"]"), .tokens = 11}};
    struct run_changes changes = {.messages = messages, .message_count = 4};
    struct run_ending ending = {.status = RUN_COMPLETED};
    struct run_claim claim;
    struct run run;

    for (size_t i = 0; i < 4; i++) {
        messages[i].id = ids[i] = uuid_new();
        messages[i].seq = (int64_t)i + 1;
    }
    draft.messages = &said;
    draft.message_count = 1;
    MUST(runs_create(store, &draft, &run, NULL, &test_err));
    claim = must_claim(store, must_worker(store), run.id);
    MUST(run_leases_finish(writer_of(store->pg), &claim.lease, &changes, &ending, &test_err));
    return must_get_run(store, run.id);
}

static void finds(struct store *store)
{
    struct store other = other_tenant(store, "other");
    struct uuid ids[4];
    struct uuid wanted[3];
    struct message_list found;

    must_exchange(store, must_thread(store), ids);
    MUST(messages_find(store, NULL, 0, &found, &test_err));
    cr_assert_eq(found.count, 0);
    wanted[0] = ids[3];
    wanted[1] = uuid_new();
    MUST(messages_find(store, wanted, 2, &found, &test_err));
    cr_assert_eq(found.count, 1);
    cr_assert(text_is(found.items[0].content, "[\"answer\"]"));
    wanted[2] = ids[0];
    MUST(messages_find(store, wanted, 3, &found, &test_err));
    cr_assert_eq(found.count, 4, "what came of the calls is there, too");
    for (size_t i = 0; i < 4; i++)
        cr_assert(uuid_equal(found.items[i].id, ids[i]), "in their order");
    MUST(messages_find(&other, wanted, 3, &found, &test_err));
    cr_assert_eq(found.count, 0);
}

Test(message_items, are_found_by_their_ids)
{
    with_store(finds);
}

static void finds_within_bounds(struct store *store)
{
    struct uuid ids[4];
    struct message_list found;

    must_exchange(store, must_thread(store), ids);
    sql_do("UPDATE messages SET bytes = 9000000 WHERE role = 'tool'");
    MUST(messages_find(store, &ids[0], 1, &found, &test_err));
    cr_assert_eq(found.count, 2, "one result has room beside the calls");
    cr_assert(found.has_more);
    cr_assert(uuid_equal(found.items[0].id, ids[0]));
    MUST(messages_find(store, &ids[3], 1, &found, &test_err));
    cr_assert_eq(found.count, 1);
    cr_assert_not(found.has_more);
    /* What is asked for stands before what belongs to it, wherever it is in the thread. */
    sql_do("UPDATE messages SET bytes = 9000000 WHERE role <> 'tool'");
    MUST(messages_find(store, (struct uuid[]){ids[3], ids[0]}, 2, &found, &test_err));
    cr_assert_eq(found.count, 1);
    cr_assert(found.has_more && uuid_equal(found.items[0].id, ids[0]));
    sql_do("UPDATE messages SET bytes = 17000000 WHERE role <> 'tool'");
    MUST(messages_find(store, &ids[0], 1, &found, &test_err));
    cr_assert_eq(found.count, 1, "one alone is always found");
    cr_assert(found.has_more && uuid_equal(found.items[0].id, ids[0]));
}

Test(message_items, are_found_as_far_as_they_are_not_too_large_together)
{
    with_store(finds_within_bounds);
}

/* What a thread and its run count is what there is. */
static void check_counts(struct uuid thread)
{
    cr_assert_eq(sql_int("SELECT count(*) FROM threads t WHERE t.id = '%s' AND"
                         " (t.message_count, t.total_bytes, t.token_count) = ("
                         "  SELECT count(*), coalesce(sum(m.bytes), 0),"
                         "      coalesce(sum(m.token_count), 0)"
                         "  FROM messages m WHERE m.thread_id = t.id)",
                         show(thread)),
                 1);
    cr_assert_eq(sql_int("SELECT count(*) FROM runs r WHERE r.thread_id = '%s' AND"
                         " (r.message_count, r.total_bytes, r.token_count) <> ("
                         "  SELECT count(*), coalesce(sum(m.bytes), 0),"
                         "      coalesce(sum(m.token_count), 0)"
                         "  FROM messages m WHERE m.run_id = r.id)",
                         show(thread)),
                 0);
}

static void deletes(struct store *store)
{
    struct store other = other_tenant(store, "other");
    struct uuid thread = must_thread(store);
    struct uuid ids[4];
    struct uuid others[4];

    must_exchange(store, thread, ids);
    must_exchange(store, thread, others);
    check_counts(thread);
    GIVES(MESSAGE_MISSING, messages_delete_exchange(&other, thread, ids[0], NULL, &test_err));
    GIVES(MESSAGE_MISSING,
          messages_delete_exchange(store, must_thread(store), ids[0], NULL, &test_err));
    MUST(messages_delete_exchange(store, thread, ids[0], NULL, &test_err));
    GIVES(MESSAGE_MISSING, messages_delete_exchange(store, thread, ids[0], NULL, &test_err));
    GIVES(MESSAGE_MISSING, messages_delete_exchange(store, thread, ids[1], NULL, &test_err));
    cr_assert_eq(sql_int("SELECT count(*) FROM messages WHERE thread_id = '%s'", show(thread)),
                 10 - 3);
    check_counts(thread);
    MUST(messages_delete_exchange(store, thread, others[1], NULL, &test_err));
    MUST(messages_delete_exchange(store, thread, others[3], NULL, &test_err));
    cr_assert_eq(sql_int("SELECT count(*) FROM messages WHERE thread_id = '%s'", show(thread)),
                 10 - 3 - 2);
    check_counts(thread);
}

Test(message_items, are_deleted_with_what_came_of_their_calls)
{
    with_store(deletes);
}

static void refuses_busy(struct store *store)
{
    struct uuid thread = must_thread(store);
    struct uuid active = any;
    struct uuid ids[4];
    struct run_draft draft;
    struct run run;

    must_exchange(store, thread, ids);
    draft = run_of(thread, must_agent(store));
    MUST(runs_create(store, &draft, &run, NULL, &test_err));
    GIVES(THREAD_BUSY, messages_delete_exchange(store, thread, ids[0], &active, &test_err));
    cr_assert(uuid_equal(active, run.id));
    cr_assert_eq(sql_int("SELECT count(*) FROM messages WHERE thread_id = '%s'", show(thread)), 5);
}

Test(message_items, are_not_deleted_while_a_run_is_active)
{
    with_store(refuses_busy);
}
