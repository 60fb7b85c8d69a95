/* How far threads were gone through for memories, and whose words are given. */

#include <stdio.h>

#include "fixture.h"

#include "shared/store/users/memory_marks.h"
#include "shared/store/users/user_data.h"

static const struct uuid nobody;

static struct thread_sayings said(const struct store *store, const struct memory_mark *mark,
                                  int64_t position, int limit)
{
    struct thread_sayings sayings;

    MUST(thread_sayings(store, mark, position, limit, 10, &sayings, &test_err));
    return sayings;
}

static void test_pending(struct store *store)
{
    struct memory_mark mark = {.thread = must_thread(store), .user = TEXT("ada")};
    struct store foreign = other_tenant(store, "other");
    struct memory_mark_state state;

    MUST(memory_marks_open(store, &mark, nobody, &state, &test_err));
    cr_assert(state.position == 0 && !state.pending.ptr);
    GIVES(THREAD_MISSING, memory_marks_open(&foreign, &mark, nobody, &state, &test_err));
    GIVES(MARK_MOVED, memory_marks_pend(&foreign, &mark, 0, TEXT("{}"), &test_err));
    GIVES(MARK_MOVED, memory_marks_pend(store, &mark, 7, TEXT("{}"), &test_err));
    MUST(memory_marks_pend(store, &mark, 0, TEXT("{\"to\":9}"), &test_err));
    GIVES(MARK_MOVED, memory_marks_pend(store, &mark, 0, TEXT("{}"), &test_err));
    MUST(memory_marks_open(store, &mark, nobody, &state, &test_err));
    cr_assert(text_is(state.pending, "{\"to\":9}"));
    MUST(memory_marks_settle(&foreign, &mark, 0, 9, &test_err));
    MUST(memory_marks_settle(store, &mark, 7, 9, &test_err));
    MUST(memory_marks_open(store, &mark, nobody, &state, &test_err));
    cr_assert_eq(state.position, 0);
    MUST(memory_marks_settle(store, &mark, 0, 9, &test_err));
    MUST(memory_marks_settle(store, &mark, 0, 9, &test_err));
    MUST(memory_marks_open(store, &mark, nobody, &state, &test_err));
    cr_assert(state.position == 9 && !state.pending.ptr);

    /* One agent's own mark is another one, and so is another user's. */
    mark.agent = uuid_new();
    MUST(memory_marks_open(store, &mark, nobody, &state, &test_err));
    cr_assert_eq(state.position, 0);
    mark = (struct memory_mark){.thread = mark.thread, .user = TEXT("bob")};
    MUST(memory_marks_open(store, &mark, nobody, &state, &test_err));
    cr_assert_eq(state.position, 0);

    /* A run that is gone makes none, and sees one that is there. */
    GIVES(0, memory_marks_open(store, &mark, uuid_new(), &state, &test_err));
    mark.user = TEXT("carl");
    GIVES(THREAD_MISSING, memory_marks_open(store, &mark, uuid_new(), &state, &test_err));
    MUST(memory_marks_open(store, &mark, must_run(store).id, &state, &test_err));
    mark.thread = uuid_new();
    GIVES(THREAD_MISSING, memory_marks_open(store, &mark, nobody, &state, &test_err));
}

Test(memory_marks, move_once_and_keep_what_is_pending)
{
    with_store(test_pending);
}

/* A run of `user` that brings what he says, and is answered. */
static const char *spec = "{\"memories\":{}}";

static void converse(const struct store *store, struct uuid thread, const char *user,
                     const char *says, const char *answer)
{
    char content[200];
    char answered[200];
    struct run_draft draft = run_of(thread, must_agent(store));
    struct message_draft message;
    struct run_message reply = {.id = uuid_new(), .seq = 1, .role = MESSAGE_ASSISTANT};
    struct run_changes changes = {.messages = &reply, .message_count = 1};
    struct run_ending end = {.status = RUN_COMPLETED};
    struct run_claim claim;
    struct uuid active;
    struct run run;

    (void)snprintf(content, sizeof(content), "[{\"type\":\"text\",\"text\":\"%s\"}]", says);
    (void)snprintf(answered, sizeof(answered), "[{\"type\":\"text\",\"text\":\"%s\"}]", answer);
    message = user_message(content);
    draft.messages = &message;
    draft.message_count = 1;
    draft.user = user ? text_of(user) : TEXT_NONE;
    draft.spec = text_of(spec);
    MUST(runs_create(store, &draft, &run, &active, &test_err));
    claim = must_claim(store, must_worker(store), run.id);
    reply.content = text_of(answered);
    MUST(run_leases_finish(writer_of(store->pg), &claim.lease, &changes, &end, &test_err));
}

static void test_sayings(struct store *store)
{
    struct uuid thread = must_thread(store);
    struct memory_mark ada = {.thread = thread, .user = TEXT("ada")};
    struct memory_mark bob = {.thread = thread, .user = TEXT("bob")};
    struct store foreign = other_tenant(store, "other");
    struct thread_sayings sayings;

    converse(store, thread, "ada", "I am Ada.", "Hello Ada.");
    converse(store, thread, "bob", "I am Bob, and say much.", "Hello Bob.");
    converse(store, thread, NULL, "I am nobody.", "Hello.");
    sayings = said(store, &ada, 0, 100);
    cr_assert_eq(sayings.count, 2);
    cr_assert(text_is(sayings.items[0].text, "I am Ada.") && sayings.items[0].role == MESSAGE_USER);
    cr_assert(sayings.items[1].role == MESSAGE_ASSISTANT && !sayings.has_more);
    sayings = said(store, &bob, 0, 100);
    cr_assert_eq(sayings.count, 2);
    cr_assert(text_is(sayings.items[0].text, "I am Bob, "), "ten characters");

    /* In pieces, behind a position. */
    sayings = said(store, &ada, 0, 1);
    cr_assert(sayings.count == 1 && sayings.has_more && sayings.to == sayings.items[0].position);
    sayings = said(store, &ada, sayings.to, 100);
    cr_assert(sayings.count == 1 && sayings.items[0].role == MESSAGE_ASSISTANT);
    cr_assert_eq(said(store, &ada, sayings.to, 100).count, 0);
    cr_assert_eq(said(&foreign, &ada, 0, 100).count, 0);

    /* What belongs to a run that is not to learn is nobody's. */
    spec = "{\"memories\":{\"learn\":false}}";
    converse(store, thread, "ada", "I am shy.", "Well.");
    spec = "{\"memories\":null}";
    converse(store, thread, "ada", "I am shy.", "Well.");
    spec = "{}";
    converse(store, thread, "ada", "I am shy.", "Well.");
    cr_assert_eq(said(store, &ada, 0, 100).count, 2);
    sql_do("DELETE FROM messages WHERE position > (SELECT position FROM messages ORDER BY position"
           " OFFSET 5 LIMIT 1)");
    sql_do("DELETE FROM runs WHERE spec::text NOT LIKE '%%memories\":{}%%'");

    /* Hidden messages and those of tools are nobody's. */
    sql_do("UPDATE messages SET hidden = true WHERE role = 'assistant'");
    cr_assert_eq(said(store, &ada, 0, 100).count, 1);
    sql_do("UPDATE messages SET role = 'tool', hidden = false WHERE role = 'assistant'");
    cr_assert_eq(said(store, &ada, 0, 100).count, 1);

    /* On a thread with an owner, what came with no run is his. */
    sql_do("UPDATE messages SET submitted_with = NULL, run_id = NULL, role = 'user'");
    sql_do("UPDATE threads SET user_id = 'ada'");
    cr_assert_eq(said(store, &ada, 0, 100).count, 5, "but for what no run came behind");
    cr_assert_eq(said(store, &bob, 0, 100).count, 0);
}

Test(memory_marks, give_the_words_of_one_user_and_what_was_answered_to_him)
{
    with_store(test_sayings);
}

static void test_deletion(struct store *store)
{
    struct memory_mark mark = {.thread = must_thread(store), .user = TEXT("ada")};
    struct user_deleting how = {.user = TEXT("ada"), .deadline_ms = clock_ms() + 10000};
    struct memory_mark_state state;
    struct user_removed removed;

    MUST(memory_marks_open(store, &mark, nobody, &state, &test_err));
    mark.user = TEXT("bob");
    MUST(memory_marks_open(store, &mark, nobody, &state, &test_err));
    MUST(users_delete(store, &how, &removed, &test_err));
    cr_assert_eq(sql_int("SELECT count(*) FROM memory_marks WHERE user_id = 'ada'"), 0);
    cr_assert_eq(sql_int("SELECT count(*) FROM memory_marks"), 1);
    sql_do("DELETE FROM threads");
    cr_assert_eq(sql_int("SELECT count(*) FROM memory_marks"), 0);
}

Test(memory_marks, go_with_their_user_and_their_thread)
{
    with_store(test_deletion);
}
