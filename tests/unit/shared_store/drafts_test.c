/* Tests of messages from outside that carry calls and their results: however they come to a thread,
 * they are there as a worker would have stored them. */

#include "fixture.h"

#include "shared/store/submissions/run_batches.h"

static const struct uuid any = {{0}};

#define BROUGHT 3

/* What a client says that keeps the history: a question, a call and its result. */
static void bring(struct message_draft drafts[BROUGHT])
{
    drafts[0] = user_message("[\"q\"]");
    drafts[1] = (struct message_draft){
        .id = uuid_new(),
        .role = MESSAGE_ASSISTANT,
        .hidden = true,
        .content = TEXT("[]"),
        .tool_calls = TEXT("[{\"id\": \"c\\\"1\", \"name\": \"f\", \"arguments\": \"{}\"}]"),
        .tokens = 5};
    drafts[2] = (struct message_draft){.id = uuid_new(),
                                       .role = MESSAGE_TOOL,
                                       .hidden = true,
                                       .content = TEXT("[\"r\"]"),
                                       .tool_call_id = TEXT("c\"1"),
                                       .tool_name = TEXT("f"),
                                       .tokens = 7};
}

/* They are in the thread, once, and it counts them; `run` brought them. */
static void check_brought(const struct store *store, struct uuid thread,
                          const struct message_draft drafts[BROUGHT], struct uuid run)
{
    struct page page = {.limit = 10, .ascending = true};
    struct message_counts counts = drafts_counts(drafts, BROUGHT);
    struct thread now = must_get_thread(store, thread);
    struct message_filter filter = {.hidden = true, .came_with = run}; /* any: all of the thread */
    struct message_list list;

    MUST(messages_list(store, thread, &filter, &page, &list, &test_err));
    cr_assert_eq(list.count, BROUGHT);
    for (size_t i = 0; i < BROUGHT; i++) {
        cr_assert(uuid_equal(list.items[i].id, drafts[i].id));
        cr_assert_eq(list.items[i].role, drafts[i].role);
        cr_assert_eq(list.items[i].hidden, drafts[i].hidden);
        cr_assert_eq(list.items[i].tokens, drafts[i].tokens);
        cr_assert(text_equal(list.items[i].content, drafts[i].content));
        cr_assert(text_equal(list.items[i].tool_call_id, drafts[i].tool_call_id));
        cr_assert(text_equal(list.items[i].tool_name, drafts[i].tool_name));
    }
    cr_assert(!list.items[0].tool_calls.ptr);
    cr_assert_eq(sql_int("SELECT count(*) FROM messages WHERE thread_id = '%s'"
                         " AND tool_calls = '%s'",
                         show(thread), drafts[1].tool_calls.ptr),
                 1);
    MUST(messages_list(store, thread, &(struct message_filter){.came_with = run}, &page, &list,
                       &test_err));
    cr_assert_eq(list.count, 1);
    cr_assert_eq(now.counts.messages, BROUGHT);
    cr_assert_eq(now.counts.bytes, counts.bytes);
    cr_assert_eq(now.counts.tokens, counts.tokens);
    cr_assert_eq(counts.bytes, (int64_t)(5 + 2 + drafts[1].tool_calls.len + 5 + 3));
}

static void with_runs(struct store *store)
{
    struct message_draft drafts[BROUGHT];
    struct run_draft draft = run_of(must_thread(store), any);
    struct thread_draft fresh = {.id = uuid_new(), .messages = drafts, .message_count = BROUGHT};
    struct run run;

    draft.messages = drafts;
    draft.message_count = BROUGHT;
    bring(drafts);
    MUST(runs_create(store, &draft, &run, NULL, &test_err));
    check_brought(store, draft.thread, drafts, run.id);

    bring(drafts);
    draft.id = uuid_new();
    MUST(runs_create_with_thread(store, &fresh, &draft, &run, &test_err));
    check_brought(store, fresh.id, drafts, run.id);

    bring(drafts);
    fresh.id = uuid_new();
    {
        struct thread thread;

        MUST(threads_create(store, &fresh, &thread, &test_err));
        check_brought(store, fresh.id, drafts, any);
    }
}

Test(drafts, of_calls_come_with_runs_and_threads)
{
    with_store(with_runs);
}

static void in_batches(struct store *store)
{
    struct message_draft drafts[2][BROUGHT];
    struct thread_draft fresh = {.id = uuid_new(), .messages = drafts[0], .message_count = BROUGHT};
    struct run_draft runs[2] = {run_of(any, any), run_of(must_thread(store), any)};
    struct run_making makings[2] = {
        {.tenant = store->tenant, .draft = &runs[0], .new_thread = &fresh},
        {.tenant = store->tenant, .draft = &runs[1]}};
    struct pg_result *result = NULL;

    bring(drafts[0]);
    bring(drafts[1]);
    runs[1].messages = drafts[1];
    runs[1].message_count = BROUGHT;
    MUST(run_batch_make(store->pg, NULL, makings, 2, &result, &test_err));
    cr_assert_eq(run_batch_made_count(result), 2);
    pg_result_free(result);
    check_brought(store, fresh.id, drafts[0], runs[0].id);
    check_brought(store, runs[1].thread, drafts[1], runs[1].id);
}

Test(drafts, of_calls_come_in_batches)
{
    with_store(in_batches);
}

/* With a held run, and as input that waits by itself. */
static void behind_a_run(struct store *store)
{
    for (int as_input = 0; as_input < 2; as_input++) {
        struct message_draft drafts[BROUGHT];
        struct run first = must_run(store);
        struct run_draft draft = run_of(first.thread_id, any);
        struct run_stopped stopped;
        struct run run;

        bring(drafts);
        draft.messages = drafts;
        draft.message_count = BROUGHT;
        draft.as_input = as_input;
        MUST(runs_enqueue(store, &draft, MULTITASK_ENQUEUE, &run, &stopped, &test_err));
        cr_assert(run.held);
        MUST(runs_cancel(store, any, first.id, &first, &test_err));
        cr_assert_not(must_get_run(store, run.id).held);
        check_brought(store, first.thread_id, drafts, as_input ? any : run.id);
    }
}

Test(drafts, of_calls_wait_behind_a_run)
{
    with_store(behind_a_run);
}

static void hidden_ones(struct store *store)
{
    struct message_draft drafts[BROUGHT];
    struct message out[BROUGHT];
    struct uuid thread = must_thread(store);
    struct message_list found;
    struct message message;

    bring(drafts);
    MUST(messages_add(store, thread, drafts, BROUGHT, TEXT_NONE, out, NULL, &test_err));
    GIVES(MESSAGE_MISSING, messages_get(store, thread, drafts[2].id, &message, &test_err));
    MUST(messages_find(store, &drafts[2].id, 1, &found, &test_err));
    cr_assert_eq(found.count, 1);
    cr_assert(text_is(found.items[0].tool_call_id, "c\"1"));
    GIVES(MESSAGE_MISSING, messages_delete(store, thread, drafts[2].id, NULL, &test_err));
    MUST(messages_delete_exchange(store, thread, drafts[2].id, NULL, &test_err));
    MUST(messages_find(store, &drafts[2].id, 1, &found, &test_err));
    cr_assert_eq(found.count, 0);
    GIVES(MESSAGE_MISSING, messages_delete_exchange(store, thread, drafts[2].id, NULL, &test_err));
    cr_assert_eq(must_get_thread(store, thread).counts.messages, BROUGHT - 1);
}

Test(drafts, of_calls_are_read_and_deleted_by_who_means_hidden_ones)
{
    with_store(hidden_ones);
}

static void added(struct store *store)
{
    struct message_draft drafts[BROUGHT];
    struct thread_limits none = {0, 0};
    struct store limited = *store;
    struct message out[BROUGHT];
    struct uuid thread = must_thread(store);
    struct run run = must_run(store);
    struct uuid active;

    bring(drafts);
    MUST(messages_add(store, thread, drafts, BROUGHT, TEXT("t"), out, NULL, &test_err));
    check_brought(store, thread, drafts, any);
    cr_assert(text_is(must_get_thread(store, thread).title, "t"));
    for (size_t i = 0; i < BROUGHT; i++) {
        cr_assert(uuid_equal(out[i].id, drafts[i].id));
        cr_assert_eq(out[i].position, out[0].position + (int64_t)i);
        cr_assert(out[i].hidden == drafts[i].hidden && out[i].created_at > 0);
    }
    GIVES(-E_CONFLICT,
          messages_add(store, thread, drafts, BROUGHT, TEXT_NONE, out, NULL, &test_err));
    cr_assert_eq(must_get_thread(store, thread).counts.messages, BROUGHT);
    bring(drafts);
    GIVES(THREAD_MISSING,
          messages_add(store, uuid_new(), drafts, BROUGHT, TEXT_NONE, out, NULL, &test_err));
    GIVES(THREAD_BUSY,
          messages_add(store, run.thread_id, drafts, BROUGHT, TEXT_NONE, out, &active, &test_err));
    cr_assert(uuid_equal(active, run.id));
    limited.limits = &none;
    GIVES(THREAD_TOO_LARGE,
          messages_add(&limited, thread, drafts, BROUGHT, TEXT_NONE, out, NULL, &test_err));
}

Test(drafts, of_calls_are_added_to_an_idle_thread)
{
    with_store(added);
}

/* Input stands together, wherever the run's own messages and others are. */
static void found_again(struct store *store)
{
    struct message_draft drafts[BROUGHT];
    struct page page = {.limit = 2, .ascending = true};
    struct message_filter filter = {.hidden = true};
    struct uuid thread = must_thread(store);
    struct message_list list;
    struct run runs[3];

    for (int i = 0; i < 3; i++) {
        struct run_draft draft = run_of(thread, any);

        bring(drafts);
        draft.messages = drafts;
        draft.message_count = i == 1 ? 0 : BROUGHT;
        MUST(runs_create(store, &draft, &runs[i], NULL, &test_err));
        MUST(runs_cancel(store, any, runs[i].id, &runs[i], &test_err));
    }
    filter.came_with = runs[0].id;
    MUST(messages_list(store, thread, &filter, &page, &list, &test_err));
    cr_assert(list.count == 2 && list.has_more);
    page.after = list.items[1].id;
    MUST(messages_list(store, thread, &filter, &page, &list, &test_err));
    cr_assert(list.count == 1 && !list.has_more);
    filter.came_with = runs[1].id;
    MUST(messages_list(store, thread, &filter, &(struct page){.limit = 5}, &list, &test_err));
    cr_assert_eq(list.count, 0);
    filter.came_with = runs[2].id;
    MUST(messages_list(store, thread, &filter, &(struct page){.limit = 5}, &list, &test_err));
    cr_assert_eq(list.count, 3);
    cr_assert(uuid_equal(list.items[0].id, drafts[2].id)); /* the newest first */
}

Test(drafts, are_found_again_by_the_run_that_brought_them)
{
    with_store(found_again);
}
