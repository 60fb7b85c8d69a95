/* Summaries of threads: who may store one, what takes one away, and what goes along with it. */

#include "fixture.h"

#include "shared/store/schedules/thread_compaction.h"
#include "shared/store/summaries/summaries.h"
#include "shared/store/users/user_data.h"

#define MESSAGES 10

struct made {
    struct uuid thread;
    int64_t positions[MESSAGES];
};

/* A thread of ten messages, from user and assistant in turn. */
static struct made make_thread(const struct store *store)
{
    struct made made = {.thread = must_thread(store)};

    sql_do("INSERT INTO messages (id, tenant_id, thread_id, role, content, bytes)"
           "  SELECT gen_random_uuid(), '%s', '%s',"
           "    (CASE n %% 2 WHEN 1 THEN 'user' ELSE 'assistant' END)::message_role,"
           "    jsonb_build_array(n), 100"
           "  FROM generate_series(1, 10) n ORDER BY n",
           show(store->tenant), show(made.thread));
    for (int i = 0; i < MESSAGES; i++)
        made.positions[i] =
            sql_int("SELECT position FROM messages WHERE thread_id = '%s' AND content = '[%d]'",
                    show(made.thread), i + 1);
    return made;
}

static struct uuid message_at(const struct store *store, const struct made *made, int i)
{
    struct uuid id;

    cr_assert(id_parse(ID_MESSAGE,
                       text_of(sql_string(store,
                                          "SELECT 'msg_' || replace(id::text, '-', '') FROM"
                                          " messages WHERE thread_id = '%s' AND position = %lld",
                                          show(made->thread), (long long)made->positions[i])),
                       &id));
    return id;
}

static struct thread_summary must_get(const struct store *store, struct uuid thread)
{
    struct thread_summary summary;

    MUST(summaries_get(store, thread, &summary, &test_err));
    return summary;
}

static struct summary_draft draft_of(const struct made *made, struct uuid run,
                                     const struct thread_summary *seen, int from, int to)
{
    return (struct summary_draft){.run = run,
                                  .before = seen->position,
                                  .from = made->positions[from],
                                  .to = made->positions[to],
                                  .read = to - from + 1,
                                  .text = TEXT("They talked."),
                                  .messages = seen->messages + to - from + 1,
                                  .source_tokens = 500,
                                  .tokens = 4,
                                  .model = TEXT("openai/small")};
}

static struct uuid begin(const struct store *store, struct uuid thread)
{
    struct thread_summary seen = must_get(store, thread);
    struct uuid run = uuid_new();
    struct summary_begun begun;

    MUST(summaries_begin(store, thread, run, &seen, &begun, &test_err));
    return run;
}

/* Messages `from` to `to` of a thread are summed up. */
static void keep(const struct store *store, const struct made *made, int from, int to)
{
    struct thread_summary seen = must_get(store, made->thread);
    struct summary_draft draft = draft_of(made, begin(store, made->thread), &seen, from, to);

    MUST(summaries_keep(store, made->thread, &draft, &test_err));
}

static void is_stored_as_it_was_made(struct store *store)
{
    struct made made = make_thread(store);
    struct store other = other_tenant(store, "other");
    struct thread_summary summary = must_get(store, made.thread);
    struct summary_draft draft;
    struct summary_begun begun;
    struct uuid run = uuid_new();

    cr_assert(!summary.text.ptr && summary.position == 0 && summary.tried_tokens == -1);
    MUST(summaries_begin(store, made.thread, run, &summary, &begun, &test_err));
    cr_assert(!begun.again && uuid_is_zero(begun.active_run));
    MUST(summaries_begin(store, made.thread, run, &summary, &begun, &test_err));
    cr_assert(begun.again, "as after a crash");
    MUST(summaries_try(store, made.thread, run, 9000, &test_err));
    cr_assert_eq(must_get(store, made.thread).tried_tokens, 9000);
    draft = draft_of(&made, run, &summary, 0, 5);
    MUST(summaries_keep(store, made.thread, &draft, &test_err));

    summary = must_get(store, made.thread);
    cr_assert(text_is(summary.text, "They talked.") && text_is(summary.model, "openai/small"));
    cr_assert_eq(summary.position, made.positions[5]);
    cr_assert(summary.messages == 6 && summary.source_tokens == 500 && summary.tokens == 4);
    cr_assert(uuid_equal(summary.run, run) && summary.created_at > 0);
    cr_assert_eq(summary.tried_tokens, -1, "nothing is left of the try");

    GIVES(SUMMARY_MOVED, summaries_keep(store, made.thread, &draft, &test_err));
    cr_assert_eq(must_get(store, made.thread).messages, 6, "twice has the effect of once");
    keep(store, &made, 6, 7);
    summary = must_get(store, made.thread);
    cr_assert(summary.position == made.positions[7] && summary.messages == 8);

    cr_assert_null(must_get(&other, made.thread).text.ptr);
    GIVES(THREAD_MISSING, summaries_begin(&other, made.thread, run, &summary, &begun, &test_err));
    GIVES(THREAD_MISSING, summaries_begin(store, run, run, &summary, &begun, &test_err));
}

Test(summaries, one_is_stored_as_it_was_made_and_read_by_its_tenant_alone)
{
    with_store(is_stored_as_it_was_made);
}

static void is_made_by_one(struct store *store)
{
    struct made made = make_thread(store);
    struct thread_summary none = must_get(store, made.thread);
    struct uuid first = begin(store, made.thread);
    struct uuid second = begin(store, made.thread);
    struct summary_draft draft = draft_of(&made, first, &none, 0, 3);
    struct summary_begun begun;

    GIVES(SUMMARY_MOVED, summaries_try(store, made.thread, first, 1, &test_err));
    GIVES(SUMMARY_MOVED, summaries_keep(store, made.thread, &draft, &test_err));
    draft.run = second;
    MUST(summaries_keep(store, made.thread, &draft, &test_err));
    GIVES(SUMMARY_MOVED, summaries_begin(store, made.thread, first, &none, &begun, &test_err));

    draft = draft_of(&made, begin(store, made.thread), &none, 4, 5);
    GIVES(SUMMARY_MOVED, summaries_keep(store, made.thread, &draft, &test_err));
    cr_assert_eq(must_get(store, made.thread).position, made.positions[3],
                 "of another one before it");
}

Test(summaries, whoever_began_last_makes_it)
{
    with_store(is_made_by_one);
}

static void tells_the_active_run(struct store *store)
{
    struct run run = must_run(store);
    struct thread_summary none = must_get(store, run.thread_id);
    struct summary_begun begun;

    MUST(summaries_begin(store, run.thread_id, uuid_new(), &none, &begun, &test_err));
    cr_assert(uuid_equal(begun.active_run, run.id));
}

Test(summaries, who_begins_one_is_told_of_the_active_run)
{
    with_store(tells_the_active_run);
}

static void goes_with_its_messages(struct store *store)
{
    struct made made = make_thread(store);

    keep(store, &made, 0, 5);
    MUST(messages_delete(store, made.thread, message_at(store, &made, 8), NULL, &test_err));
    cr_assert_not_null(must_get(store, made.thread).text.ptr, "one that it does not speak of");
    MUST(messages_delete(store, made.thread, message_at(store, &made, 2), NULL, &test_err));
    cr_assert_null(must_get(store, made.thread).text.ptr);
    cr_assert_eq(must_get(store, made.thread).position, 0);
    cr_assert_eq(sql_int("SELECT count(*) FROM thread_summaries WHERE summary LIKE '%%talked%%'"),
                 0);

    made = make_thread(store);
    keep(store, &made, 0, 5);
    MUST(
        messages_delete_exchange(store, made.thread, message_at(store, &made, 7), NULL, &test_err));
    cr_assert_not_null(must_get(store, made.thread).text.ptr);
    MUST(
        messages_delete_exchange(store, made.thread, message_at(store, &made, 5), NULL, &test_err));
    cr_assert_null(must_get(store, made.thread).text.ptr);
}

Test(summaries, a_message_that_is_deleted_takes_the_summary_that_speaks_of_it_along)
{
    with_store(goes_with_its_messages);
}

/* A message goes while a summary of it is being made. */
static void is_not_stored_of_deleted(struct store *store)
{
    struct made made = make_thread(store);
    struct thread_summary none = must_get(store, made.thread);
    struct summary_draft draft = draft_of(&made, begin(store, made.thread), &none, 0, 5);

    MUST(messages_delete(store, made.thread, message_at(store, &made, 2), NULL, &test_err));
    GIVES(SUMMARY_MOVED, summaries_keep(store, made.thread, &draft, &test_err));

    /* Also one whose deletion did not see that it was begun: then a message is missing. */
    draft.run = begin(store, made.thread);
    GIVES(SUMMARY_MOVED, summaries_keep(store, made.thread, &draft, &test_err));
    draft.read--;
    MUST(summaries_keep(store, made.thread, &draft, &test_err));
}

Test(summaries, none_is_stored_of_a_message_that_is_gone)
{
    with_store(is_not_stored_of_deleted);
}

/* The deletion is under way while the summary is stored: it waits for the row and sees it then. */

static void is_seen_by_a_deletion_under_way(struct store *store)
{
    struct made made = make_thread(store);
    struct thread_summary none = must_get(store, made.thread);
    struct summary_draft draft = draft_of(&made, begin(store, made.thread), &none, 0, 5);
    struct lock_holder holder;
    char locking[200];

    /* A lock on the row, as of one who stores it and has not committed, lets the deletion wait. */
    (void)snprintf(locking, sizeof(locking),
                   "UPDATE thread_summaries SET summary = 'They talked.', position = %lld,"
                   " making = NULL WHERE thread_id = '%s'",
                   (long long)draft.to, show(made.thread));
    lock_rows(&holder, another_pg(), locking, 300);
    MUST(messages_delete(store, made.thread, message_at(store, &made, 2), NULL, &test_err));
    fiber_join(holder.fiber);
    pg_close(holder.pg);
    cr_assert_null(must_get(store, made.thread).text.ptr);
}

Test(summaries, a_deletion_that_meets_one_that_is_stored_takes_it_away)
{
    with_store(is_seen_by_a_deletion_under_way);
}

static void stays_where_room_is_made(struct store *store)
{
    struct made made = make_thread(store);
    int64_t gone;

    keep(store, &made, 0, 5);
    MUST(thread_compact(store, made.thread, 600, &gone, &test_err));
    cr_assert_eq(gone, 4);
    cr_assert_not_null(must_get(store, made.thread).text.ptr, "it is what is left of them");
}

Test(summaries, one_stays_where_its_messages_go_for_lack_of_room)
{
    with_store(stays_where_room_is_made);
}

static void goes_with_its_thread(struct store *store)
{
    struct made made = make_thread(store);
    struct made users = make_thread(store);
    struct user_deleting how = {.user = TEXT("ann"), .deadline_ms = clock_ms() + 60000};
    struct user_removed removed;

    keep(store, &made, 0, 5);
    keep(store, &users, 0, 5);
    sql_do("UPDATE threads SET user_id = 'ann' WHERE id = '%s'", show(users.thread));
    cr_assert_eq(sql_int("SELECT count(*) FROM thread_summaries"), 2);
    MUST(threads_delete(store, made.thread, NULL, &test_err));
    cr_assert_eq(sql_int("SELECT count(*) FROM thread_summaries"), 1);
    MUST(users_delete(store, &how, &removed, &test_err));
    cr_assert_eq(sql_int("SELECT count(*) FROM thread_summaries"), 0);
}

Test(summaries, one_goes_with_its_thread_and_with_its_person)
{
    with_store(goes_with_its_thread);
}

static struct thread must_fork(const struct store *store, const struct made *made, int last)
{
    struct thread_fork fork = {.id = uuid_new(), .source = made->thread};
    struct thread copy;

    if (last >= 0)
        fork.message = message_at(store, made, last);
    MUST(threads_fork(store, &fork, &copy, &test_err));
    return copy;
}

static void goes_along_with_copies(struct store *store)
{
    struct made made = make_thread(store);
    struct thread copy;
    struct thread_summary summary;
    int64_t gone;

    copy = must_fork(store, &made, -1);
    cr_assert_null(must_get(store, copy.id).text.ptr);
    keep(store, &made, 0, 5);
    copy = must_fork(store, &made, -1);
    summary = must_get(store, copy.id);
    cr_assert(text_is(summary.text, "They talked.") && summary.messages == 6);
    cr_assert_eq(sql_int("SELECT content ->> 0 FROM messages WHERE thread_id = '%s' AND position"
                         " = %lld",
                         show(copy.id), (long long)summary.position),
                 6, "up to the same message");
    copy = must_fork(store, &made, 5);
    cr_assert_not_null(must_get(store, copy.id).text.ptr);
    copy = must_fork(store, &made, 4);
    cr_assert_null(must_get(store, copy.id).text.ptr, "it speaks of one that is not copied");

    MUST(thread_compact(store, made.thread, 300, &gone, &test_err));
    copy = must_fork(store, &made, -1);
    summary = must_get(store, copy.id);
    cr_assert(summary.text.ptr && summary.position == 0, "all that it speaks of are gone");
}

Test(summaries, one_goes_along_with_copies_of_all_that_it_speaks_of)
{
    with_store(goes_along_with_copies);
}

static void is_read_from_behind(struct store *store)
{
    struct made made = make_thread(store);
    struct history_limits limits = {
        .count = 4000, .bytes = 1 << 20, .part = HISTORY_AFTER, .after = made.positions[5]};
    struct store other = other_tenant(store, "other");
    struct message_list list;
    int64_t bytes;

    MUST(messages_history(store, made.thread, &limits, &list, &test_err));
    cr_assert(list.count == 4 && !list.has_more);
    cr_assert_eq(list.items[0].position, made.positions[6]);
    MUST(messages_history_bytes(store, made.thread, &limits, &bytes, &test_err));
    cr_assert(bytes > 0 && bytes < 400);
    limits.count = 3;
    MUST(messages_history(store, made.thread, &limits, &list, &test_err));
    cr_assert(list.count == 3 && list.has_more);
    cr_assert_eq(list.items[0].position, made.positions[7], "the newest of them");
    MUST(messages_history(&other, made.thread, &limits, &list, &test_err));
    cr_assert_eq(list.count, 0);
}

Test(summaries, what_is_behind_one_is_read_alone)
{
    with_store(is_read_from_behind);
}
