/* Tests of messages. */

#include <stdio.h>

#include "fixture.h"

static const struct uuid any = {{0}};

static void adds(struct store *store)
{
    struct uuid thread = must_thread(store);
    struct message_draft draft = user_message("[{\"type\": \"text\"}]");
    struct message message;
    struct message got;

    MUST(messages_create(store, thread, &draft, TEXT_NONE, &message, NULL, &test_err));
    cr_assert(uuid_equal(message.thread_id, thread));
    cr_assert(uuid_is_zero(message.run_id));
    cr_assert(text_is(message.status, "completed"));
    cr_assert(text_is(message.metadata, "{}"));
    MUST(messages_get(store, thread, draft.id, &got, &test_err));
    cr_assert(text_is(got.content, "[{\"type\": \"text\"}]"));
    cr_assert_eq(got.position, message.position);
    GIVES(MESSAGE_MISSING, messages_get(store, must_thread(store), draft.id, &got, &test_err));
    MUST(messages_update(store, thread, draft.id, TEXT("{\"a\": \"b\"}"), &got, &test_err));
    cr_assert(text_is(got.metadata, "{\"a\": \"b\"}"));
    GIVES(THREAD_MISSING,
          messages_create(store, uuid_new(), &draft, TEXT_NONE, &got, NULL, &test_err));
    MUST(messages_delete(store, thread, draft.id, NULL, &test_err));
    GIVES(MESSAGE_MISSING, messages_delete(store, thread, draft.id, NULL, &test_err));
    GIVES(MESSAGE_MISSING,
          messages_update(store, thread, draft.id, TEXT("{}"), &message, &test_err));
}

Test(messages, are_added_got_updated_and_deleted)
{
    with_store(adds);
}

static void refuses_busy(struct store *store)
{
    struct uuid thread = must_thread(store);
    struct message_draft before = user_message("[]");
    struct message_draft draft = user_message("[]");
    struct run_draft run = run_of(thread, must_agent(store));
    struct uuid active = any;
    struct message message;
    struct run made;

    MUST(messages_create(store, thread, &before, TEXT_NONE, &message, NULL, &test_err));
    MUST(runs_create(store, &run, &made, NULL, &test_err));
    GIVES(THREAD_BUSY,
          messages_create(store, thread, &draft, TEXT_NONE, &message, &active, &test_err));
    cr_assert(uuid_equal(active, run.id));
    active = any;
    GIVES(THREAD_BUSY, messages_delete(store, thread, before.id, &active, &test_err));
    cr_assert(uuid_equal(active, run.id));
    cr_assert_eq(sql_int("SELECT count(*) FROM messages"), 1);
}

Test(messages, are_neither_added_nor_deleted_while_a_run_is_active)
{
    with_store(refuses_busy);
}

static void check_page(const struct store *store, struct uuid thread, struct page page,
                       const char *want, bool has_more)
{
    struct message_list list;
    char got[20] = "";

    MUST(messages_list(store, thread, &(struct message_filter){.run = any}, &page, &list,
                       &test_err));
    for (size_t i = 0; i < list.count; i++)
        got[i] = list.items[i].content.ptr[1];
    cr_assert_str_eq(got, want);
    cr_assert_eq(list.has_more, has_more);
}

static void pages(struct store *store)
{
    struct uuid thread = must_thread(store);
    struct uuid elsewhere = must_thread(store);
    struct message_draft foreign = user_message("[9]");
    struct message_list list;
    struct message message;
    struct uuid ids[5];
    struct page page = {.limit = 2};

    for (int i = 0; i < 5; i++) {
        char content[] = {'[', (char)('0' + i), ']', '\0'};
        struct message_draft draft = user_message(content);

        /* The later the message, the smaller its id. */
        draft.id = uuid_v7(1000000 - i, (uint8_t[10]){0});
        MUST(messages_create(store, thread, &draft, TEXT_NONE, &message, NULL, &test_err));
        ids[i] = draft.id;
    }
    MUST(messages_create(store, elsewhere, &foreign, TEXT_NONE, &message, NULL, &test_err));
    check_page(store, thread, page, "43", true);
    check_page(store, thread, (struct page){.limit = 5}, "43210", false);
    check_page(store, thread, (struct page){.limit = 2, .after = ids[3]}, "21", true);
    check_page(store, thread, (struct page){.limit = 2, .after = ids[1]}, "0", false);
    check_page(store, thread, (struct page){.limit = 2, .before = ids[1]}, "32", true);
    check_page(store, thread, (struct page){.limit = 9, .before = ids[1]}, "432", false);
    check_page(store, thread, (struct page){.limit = 3, .ascending = true}, "012", true);
    check_page(store, thread, (struct page){.limit = 3, .ascending = true, .after = ids[2]}, "34",
               false);
    check_page(store, thread, (struct page){.limit = 2, .ascending = true, .before = ids[3]}, "12",
               true);
    page.after = foreign.id;
    GIVES(CURSOR_MISSING, messages_list(store, thread, &(struct message_filter){.run = any}, &page,
                                        &list, &test_err));
    GIVES(THREAD_MISSING, messages_list(store, uuid_new(), &(struct message_filter){.run = any},
                                        &page, &list, &test_err));
    page = (struct page){.limit = 2};
    GIVES(THREAD_MISSING, messages_list(store, uuid_new(), &(struct message_filter){.run = any},
                                        &page, &list, &test_err));
    MUST(messages_list(store, must_thread(store), &(struct message_filter){.run = any}, &page,
                       &list, &test_err));
    cr_assert_eq(list.count, 0);
}

Test(messages, are_listed_by_position_whatever_their_ids)
{
    with_store(pages);
}

static void deleted_cursors(struct store *store)
{
    struct uuid thread = must_thread(store);
    struct uuid ids[5];
    struct message message;

    for (int i = 0; i < 5; i++) {
        char content[] = {'[', (char)('0' + i), ']', '\0'};
        struct message_draft draft = user_message(content);

        draft.id = uuid_v7(1000000 + i, (uint8_t[10]){0});
        MUST(messages_create(store, thread, &draft, TEXT_NONE, &message, NULL, &test_err));
        ids[i] = draft.id;
    }
    /* Paging goes on where the deleted one was, in either order and direction. */
    MUST(messages_delete(store, thread, ids[2], NULL, &test_err));
    check_page(store, thread, (struct page){.limit = 5, .after = ids[2]}, "10", false);
    check_page(store, thread, (struct page){.limit = 5, .before = ids[2]}, "43", false);
    check_page(store, thread, (struct page){.limit = 5, .ascending = true, .after = ids[2]}, "34",
               false);
    check_page(store, thread, (struct page){.limit = 5, .ascending = true, .before = ids[2]}, "01",
               false);
    for (int i = 0; i < 5; i++)
        if (i != 2)
            MUST(messages_delete(store, thread, ids[i], NULL, &test_err));
    check_page(store, thread, (struct page){.limit = 5, .after = ids[2]}, "", false);
    check_page(store, thread, (struct page){.limit = 5, .before = ids[2]}, "", false);
}

Test(messages, can_be_deleted_while_they_are_paged_through)
{
    with_store(deleted_cursors);
}

/* 1,000 characters that do not compress well, or do. */
static void add_sized(struct store *store, struct uuid thread, char digit, bool random)
{
    char content[1100];
    struct message_draft draft;
    struct message message;
    size_t at = (size_t)snprintf(content, sizeof(content), "[%c,\"", digit);

    for (size_t i = 0; i < 1000; i++)
        content[at++] = random ? (char)('a' + random_below(26)) : 'x';
    snprintf(content + at, sizeof(content) - at, "\"]");
    draft = user_message(content);
    MUST(messages_create(store, thread, &draft, TEXT_NONE, &message, NULL, &test_err));
}

static void cut_pages(struct store *store)
{
    struct uuid thread = must_thread(store);

    for (int i = 0; i < 6; i++)
        add_sized(store, thread, (char)('0' + i), i % 2);
    check_page(store, thread, (struct page){.limit = 10}, "543210", false);
    check_page(store, thread, (struct page){.limit = 10, .bytes_max = 4500}, "5432", true);
    check_page(store, thread, (struct page){.limit = 3, .bytes_max = 4500}, "543", true);
    check_page(store, thread, (struct page){.limit = 10, .ascending = true, .bytes_max = 2500},
               "01", true);
    /* The first is given whatever its size, so that one can go on behind it. */
    check_page(store, thread, (struct page){.limit = 10, .bytes_max = 10}, "5", true);
}

Test(messages, pages_are_cut_by_bytes_and_say_that_there_is_more)
{
    with_store(cut_pages);
}

/* What a page does not show is not read for it, either. */
static void large_calls(struct store *store)
{
    struct uuid thread = must_thread(store);

    for (int i = 0; i < 4; i++)
        add_sized(store, thread, (char)('0' + i), false);
    sql_do("UPDATE messages SET tool_calls = jsonb_build_array(repeat('x', 30000000))"
           " WHERE thread_id = '%s'",
           show(thread));
    check_page(store, thread, (struct page){.limit = 10, .bytes_max = 10000}, "3210", false);
}

Test(messages, pages_are_not_enlarged_by_calls_that_they_do_not_show)
{
    with_store(large_calls);
}

static void hides(struct store *store)
{
    struct run run = must_run(store);
    struct run_claim claim = must_claim(store, must_worker(store), run.id);
    struct run_message messages[3] = {
        {.id = uuid_new(),
         .seq = 1,
         .role = MESSAGE_ASSISTANT,
         .hidden = true,
         .content = TEXT("[]"),
         .tool_calls = TEXT("[{\"id\": \"c\", \"name\": \"f\", \"arguments\": \"{}\"}]")},
        {.id = uuid_new(),
         .seq = 2,
         .role = MESSAGE_TOOL,
         .hidden = true,
         .content = TEXT("[{\"r\": 1}]"),
         .tool_call_id = TEXT("c\"x")},
        {.id = uuid_new(), .seq = 3, .role = MESSAGE_ASSISTANT, .content = TEXT("[{\"a\": 1}]")},
    };
    struct run_changes changes = {.messages = messages, .message_count = 3};
    struct history_limits limits = {.count = 10, .bytes = 100000};
    struct page page = {.limit = 10};
    struct message_list list;
    struct message message;

    MUST(run_leases_checkpoint(writer_of(store->pg), &claim.lease, &changes, &test_err));
    MUST(messages_list(store, run.thread_id, &(struct message_filter){.run = any}, &page, &list,
                       &test_err));
    cr_assert_eq(list.count, 1);
    cr_assert(uuid_equal(list.items[0].run_id, run.id));
    cr_assert(uuid_equal(list.items[0].agent_id, run.agent_id));
    MUST(messages_list(store, run.thread_id, &(struct message_filter){.run = run.id}, &page, &list,
                       &test_err));
    cr_assert_eq(list.count, 1);
    MUST(messages_list(store, run.thread_id, &(struct message_filter){.run = uuid_new()}, &page,
                       &list, &test_err));
    cr_assert_eq(list.count, 0);
    GIVES(MESSAGE_MISSING, messages_get(store, run.thread_id, messages[0].id, &message, &test_err));
    MUST(messages_history(store, run.thread_id, &limits, &list, &test_err));
    cr_assert_eq(list.count, 3);
    cr_assert_not(list.has_more);
    cr_assert(text_is(list.items[0].tool_calls,
                      "[{\"id\": \"c\", \"name\": \"f\", \"arguments\": \"{}\"}]"));
    cr_assert_eq(list.items[1].role, MESSAGE_TOOL);
    cr_assert(text_is(list.items[1].tool_call_id, "c\"x"));
    cr_assert(list.items[1].hidden);
    cr_assert_eq(list.items[2].seq, 3);
}

Test(messages, that_are_hidden_are_in_the_history_only)
{
    with_store(hides);
}

static void keeps_opaque(struct store *store)
{
    const struct text opaque = TEXT("{\"m\": \"a \\\"b\\\" \\u0001\\n\"}");
    struct run run = must_run(store);
    struct run_claim claim = must_claim(store, must_worker(store), run.id);
    struct run_message messages[2] = {
        {.id = uuid_new(), .seq = 1, .role = MESSAGE_ASSISTANT, .content = TEXT("[1]")},
        {.id = uuid_new(), .seq = 2, .role = MESSAGE_ASSISTANT, .content = TEXT("[2]")},
    };
    struct run_changes changes = {.messages = messages, .message_count = 2};
    struct history_limits limits = {.count = 10, .bytes = 100000};
    struct page page = {.limit = 10};
    struct message_list list;
    struct message message;

    messages[0].opaque = opaque;
    MUST(run_leases_checkpoint(writer_of(store->pg), &claim.lease, &changes, &test_err));
    MUST(messages_history(store, run.thread_id, &limits, &list, &test_err));
    cr_assert_eq(list.count, 2);
    cr_assert(text_equal(list.items[0].opaque, opaque), "%s", list.items[0].opaque.ptr);
    cr_assert_null(list.items[1].opaque.ptr);
    MUST(messages_list(store, run.thread_id, &(struct message_filter){.run = any}, &page, &list,
                       &test_err));
    cr_assert_eq(list.count, 2);
    cr_assert_null(list.items[0].opaque.ptr);
    cr_assert_null(list.items[1].opaque.ptr);
    MUST(messages_get(store, run.thread_id, messages[0].id, &message, &test_err));
    cr_assert_null(message.opaque.ptr);
    limits.bytes = 14; /* both contents, but not what is opaque */
    MUST(messages_history(store, run.thread_id, &limits, &list, &test_err));
    cr_assert_eq(list.count, 1);
    cr_assert(text_is(list.items[0].content, "[2]"));
}

Test(messages, keep_what_is_opaque_for_the_history_alone)
{
    with_store(keeps_opaque);
}

#define ONE_BYTES 19 /* of a message: its content, and "{}" of metadata */

static void bounds_history(struct store *store)
{
    struct uuid thread = must_thread(store);
    struct history_limits limits = {.count = 3, .bytes = 100000};
    struct message_list list;
    struct message message;

    for (int i = 0; i < 5; i++) {
        char content[] = "[0, \"0123456789\"]"; /* 17 bytes */
        struct message_draft draft;

        content[1] = (char)('0' + i);
        draft = user_message(content);
        MUST(messages_create(store, thread, &draft, TEXT_NONE, &message, NULL, &test_err));
    }
    MUST(messages_history(store, thread, &limits, &list, &test_err));
    cr_assert_eq(list.count, 3);
    cr_assert(list.has_more);
    cr_assert_eq(list.items[0].content.ptr[1], '2');
    cr_assert_eq(list.items[2].content.ptr[1], '4');
    limits = (struct history_limits){.count = 5, .bytes = 100000};
    MUST(messages_history(store, thread, &limits, &list, &test_err));
    cr_assert_eq(list.count, 5);
    cr_assert_not(list.has_more);
    limits = (struct history_limits){.count = 5, .bytes = 2 * ONE_BYTES};
    MUST(messages_history(store, thread, &limits, &list, &test_err));
    cr_assert_eq(list.count, 2);
    cr_assert(list.has_more);
    cr_assert_eq(list.items[0].content.ptr[1], '3');
    limits = (struct history_limits){.count = 5, .bytes = 1};
    MUST(messages_history(store, thread, &limits, &list, &test_err));
    cr_assert_eq(list.count, 1);
    cr_assert_eq(list.items[0].content.ptr[1], '4');
    MUST(messages_history(store, uuid_new(), &limits, &list, &test_err));
    cr_assert_eq(list.count, 0);
}

static int64_t bytes_of(struct store *store, struct uuid thread, int count, int64_t bytes)
{
    struct history_limits limits = {.count = count, .bytes = bytes};
    int64_t found;

    MUST(messages_history_bytes(store, thread, &limits, &found, &test_err));
    return found;
}

static void stored_history(struct store *store)
{
    struct uuid thread = must_thread(store);
    struct history_limits limits = {.count = 10, .bytes = 1 << 20};
    struct message_draft draft;
    struct message message;
    struct buf content;
    int64_t bytes;

    draft = user_message("[\"a little\"]");
    MUST(messages_create(store, thread, &draft, TEXT_NONE, &message, NULL, &test_err));
    MUST(messages_history_stored(store, thread, &limits, &bytes, &test_err));
    cr_assert_gt(bytes, 8);
    cr_assert_lt(bytes, 100);
    buf_init(&content, 0);
    buf_printf(&content, "[\"%0200000d\"]", 7);
    draft = user_message(buf_string(&content));
    MUST(messages_create(store, thread, &draft, TEXT_NONE, &message, NULL, &test_err));
    MUST(messages_history_stored(store, thread, &limits, &bytes, &test_err));
    cr_assert_lt(bytes, 100000, "it is compressed");
    cr_assert_gt(bytes_of(store, thread, 10, 1 << 20), 200000);
    limits.count = 1;
    limits.bytes = 100;
    MUST(messages_history_stored(store, thread, &limits, &bytes, &test_err));
    cr_assert_eq(bytes, 0, "what is over the limit is not counted");
    buf_deinit(&content);
}

Test(messages, tell_what_a_history_takes_in_the_database)
{
    with_store(stored_history);
}

static void sizes_history(struct store *store)
{
    struct uuid thread = must_thread(store);
    struct message message;

    for (int i = 0; i < 5; i++) {
        struct message_draft draft = user_message("[0, \"0123456789\"]"); /* 17 bytes */

        MUST(messages_create(store, thread, &draft, TEXT_NONE, &message, NULL, &test_err));
    }
    cr_assert_eq(bytes_of(store, thread, 5, 100000), 5 * ONE_BYTES);
    cr_assert_eq(bytes_of(store, thread, 3, 100000), 3 * ONE_BYTES);
    cr_assert_eq(bytes_of(store, thread, 5, 2 * ONE_BYTES), 2 * ONE_BYTES);
    cr_assert_eq(bytes_of(store, thread, 5, 1), ONE_BYTES, "the newest is read in any case");
    cr_assert_eq(bytes_of(store, uuid_new(), 5, 100000), 0);
}

Test(messages, tell_the_size_of_a_history_without_reading_it)
{
    with_store(sizes_history);
}

Test(messages, come_as_a_history_of_the_newest_within_both_limits)
{
    with_store(bounds_history);
}
