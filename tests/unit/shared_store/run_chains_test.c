/* Tests of runs that go on behind each other: at a thread's end, on copies of it, and when one of
 * them is deleted. */

#include "fixture.h"

#include "shared/store/runs/memory_runs.h"
#include "shared/store/threads/tips.h"

static const struct uuid any = {{0}};

/* A run on a thread with a question, answered; all zero: on a new hidden one. */
static struct run must_chain(const struct store *store, struct uuid thread, const char *question)
{
    struct message_draft said = user_message(question);
    struct thread_draft fresh = {
        .id = uuid_new(), .hidden = true, .messages = &said, .message_count = 1};
    struct run_draft draft = run_of(thread, any);
    struct run_message messages[2] = {{.id = uuid_new(),
                                       .seq = 1,
                                       .role = MESSAGE_ASSISTANT,
                                       .hidden = true,
                                       .content = TEXT("[]"),
                                       .opaque = TEXT("{\"o\": 1}"),
                                       .tool_calls = TEXT("[{\"id\": \"c\"}]")},
                                      {.id = uuid_new(),
                                       .seq = 2,
                                       .role = MESSAGE_TOOL,
                                       .hidden = true,
                                       .content = TEXT("[\"r\"]"),
                                       .tool_name = TEXT("f"),
                                       .tool_call_id = TEXT("c")}};
    struct run_step_write step = {
        .id = uuid_new(), .seq = 1, .type = STEP_TOOL_CALLS, .status = STEP_COMPLETED};
    struct run_call call = {.call_no = 1,
                            .call_id = TEXT("c"),
                            .name = TEXT("f"),
                            .arguments = TEXT("{}"),
                            .state = CALL_DONE,
                            .idempotency_key = TEXT("k"),
                            .result = TEXT("r")};
    struct run_changes changes = {.messages = messages,
                                  .message_count = 2,
                                  .steps = &step,
                                  .step_count = 1,
                                  .calls = &call,
                                  .call_count = 1};
    struct run_ending ending = {.status = RUN_COMPLETED};
    struct run_claim claim;
    struct run run;

    draft.messages = &said;
    draft.message_count = 1;
    if (uuid_is_zero(thread))
        MUST(runs_create_with_thread(store, &fresh, &draft, &run, &test_err));
    else
        MUST(runs_create(store, &draft, &run, NULL, &test_err));
    claim = must_claim(store, must_worker(store), run.id);
    MUST(run_leases_finish(writer_of(store->pg), &claim.lease, &changes, &ending, &test_err));
    return must_get_run(store, run.id);
}

static int64_t end_of(const struct store *store, const struct run *run)
{
    struct thread_tip tip;

    MUST(threads_tip(store, run->thread_id, run->id, &tip, &test_err));
    return tip.position;
}

/* What a thread says, in its order, with who brought or wrote it. */
static const char *contents(const struct store *store, struct uuid thread)
{
    return sql_string(store,
                      "SELECT string_agg(role || content::text || coalesce(tool_calls::text, '')"
                      "    || coalesce(tool_call_id, ''), ' ' ORDER BY position)"
                      " FROM messages WHERE thread_id = '%s'",
                      show(thread));
}

static void check_counts(const struct store *store, struct uuid thread)
{
    struct thread now = must_get_thread(store, thread);

    cr_assert_eq(now.counts.messages,
                 sql_int("SELECT count(*) FROM messages WHERE thread_id = '%s'", show(thread)));
    cr_assert_eq(now.counts.bytes,
                 sql_int("SELECT coalesce(sum(bytes), 0) FROM messages WHERE thread_id = '%s'",
                         show(thread)));
}

static void behind(struct store *store)
{
    struct run first = must_chain(store, any, "[\"1\"]");
    struct message_draft said = user_message("[\"2\"]");
    struct run_draft draft = run_of(first.thread_id, any);
    struct run_draft bare = run_of(must_thread(store), any);
    struct uuid active;
    struct run run;

    draft.messages = &said;
    draft.message_count = 1;
    draft.is_behind = true;
    draft.behind = end_of(store, &first) + 1;
    GIVES(THREAD_MOVED, runs_create(store, &draft, &run, NULL, &test_err));
    draft.behind = 0;
    GIVES(THREAD_MOVED, runs_create(store, &draft, &run, NULL, &test_err));
    draft.behind = end_of(store, &first);
    MUST(runs_create(store, &draft, &run, NULL, &test_err));
    draft.id = uuid_new();
    GIVES(THREAD_BUSY, runs_create(store, &draft, &run, &active, &test_err));
    MUST(runs_cancel(store, any, active, &run, &test_err));
    GIVES(THREAD_MOVED, runs_create(store, &draft, &run, NULL, &test_err));
    draft.thread = uuid_new();
    GIVES(THREAD_MISSING, runs_create(store, &draft, &run, NULL, &test_err));
    bare.is_behind = true;
    MUST(runs_create(store, &bare, &run, NULL, &test_err)); /* on an empty thread */
}

Test(run_chains, go_on_while_the_threads_end_is_where_it_was)
{
    with_store(behind);
}

struct contender {
    struct store store;
    struct run_draft draft;
    struct message_draft said;
    int result;
    struct fiber *fiber;
};

static void contend(void *arg)
{
    struct contender *contender = arg;
    struct run_ending ending = {.status = RUN_COMPLETED};
    struct error err;
    struct run run;

    contender->result = runs_create(&contender->store, &contender->draft, &run, NULL, &err);
    if (contender->result == 0) { /* and at once it is over */
        struct run_claim claim =
            must_claim(&contender->store, must_worker(&contender->store), run.id);

        MUST(run_leases_finish(writer_of(contender->store.pg), &claim.lease, NULL, &ending,
                               &test_err));
    }
}

/* However fast the others' runs end, one alone goes on at a place. */
static void one_of_many(struct store *store)
{
    struct contender contenders[8];
    struct run first = must_chain(store, any, "[\"1\"]");

    for (int round = 0; round < 5; round++) {
        struct thread_tip tip;
        int made = 0;

        MUST(threads_tip(store, first.thread_id, any, &tip, &test_err));
        for (int i = 0; i < 8; i++) {
            struct contender *contender = &contenders[i];

            *contender = (struct contender){.store = *store, .said = user_message("[]")};
            contender->draft = run_of(first.thread_id, any);
            contender->draft.messages = &contender->said;
            contender->draft.message_count = 1;
            contender->draft.is_behind = true;
            contender->draft.behind = tip.position;
            contender->store.pg = another_pg();
        }
        for (int i = 0; i < 8; i++)
            contenders[i].fiber = fiber_start("contend", contend, &contenders[i]);
        for (int i = 0; i < 8; i++) {
            int r;

            fiber_join(contenders[i].fiber);
            pg_close(contenders[i].store.pg);
            r = contenders[i].result;
            cr_assert(r == 0 || r == THREAD_MOVED || r == THREAD_BUSY, "%d", r);
            made += r == 0;
        }
        cr_assert_eq(made, 1);
    }
}

Test(run_chains, go_on_at_a_place_once_however_many_ask)
{
    with_store(one_of_many);
}

static void copied(struct store *store)
{
    struct run first = must_chain(store, any, "[\"1\"]");
    struct run second = must_chain(store, first.thread_id, "[\"2\"]");
    struct message_draft said = user_message("[\"3\"]");
    struct run_copy copy = {.id = uuid_new(),
                            .source = first.thread_id,
                            .position = end_of(store, &first),
                            .hidden = true};
    struct run_draft draft = run_of(any, any);
    struct thread_limits tight = {30, INT64_MAX};
    struct store limited = *store;
    struct thread thread;
    struct run run;

    draft.messages = &said;
    draft.message_count = 1;
    limited.limits = &tight;
    GIVES(THREAD_TOO_LARGE, runs_create_on_copy(&limited, &copy, &draft, &run, &test_err));
    MUST(runs_create_on_copy(store, &copy, &draft, &run, &test_err));
    cr_assert(uuid_equal(run.thread_id, copy.id));
    thread = must_get_thread(store, copy.id);
    cr_assert(uuid_equal(thread.forked_from, first.thread_id));
    cr_assert(uuid_equal(thread.active_run, run.id));
    cr_assert(thread.hidden && !thread.erases);
    cr_assert_str_eq(contents(store, copy.id), "user[\"1\"] assistant[][{\"id\": \"c\"}]"
                                               " tool[\"r\"]c user[\"3\"]");
    cr_assert_eq(sql_int("SELECT count(*) FROM messages WHERE thread_id = '%s'"
                         " AND submitted_with = '%s'",
                         show(copy.id), show(run.id)),
                 1);
    cr_assert_eq(sql_int("SELECT count(*) FROM messages WHERE thread_id = '%s'"
                         " AND opaque IS NOT NULL AND run_id IS NULL",
                         show(copy.id)),
                 1);
    check_counts(store, copy.id);
    cr_assert_eq(sql_int("SELECT thread_bytes FROM runs WHERE id = '%s'", show(run.id)),
                 thread.counts.bytes);
    GIVES(-E_CONFLICT, runs_create_on_copy(store, &copy, &draft, &run, &test_err));
    check_run(store, run.id, RUN_QUEUED);

    /* What the source's active run does is its own. */
    copy = (struct run_copy){
        .id = uuid_new(), .source = second.thread_id, .position = INT64_MAX, .erases = true};
    draft.id = said.id = uuid_new();
    MUST(runs_create_on_copy(store, &copy, &draft, &run, &test_err));
    cr_assert(must_get_thread(store, copy.id).erases);
    check_counts(store, copy.id);
    copy = (struct run_copy){.id = uuid_new(), .source = uuid_new()};
    draft.id = uuid_new();
    GIVES(THREAD_MISSING, runs_create_on_copy(store, &copy, &draft, &run, &test_err));
    copy.source = first.thread_id;
    draft.agent = uuid_new();
    GIVES(AGENT_MISSING, runs_create_on_copy(store, &copy, &draft, &run, &test_err));
    draft.agent = any;
    sql_do("UPDATE threads SET user_id = 'ann' WHERE id = '%s'", show(first.thread_id));
    tight = (struct thread_limits){INT64_MAX, 10};
    GIVES(USER_OVER_QUOTA, runs_create_on_copy(&limited, &copy, &draft, &run, &test_err));
}

Test(run_chains, go_on_with_a_copy_up_to_the_end_of_one)
{
    with_store(copied);
}

static void must_delete(const struct store *store, const struct run *run, bool with_thread)
{
    struct run_gone gone;
    struct run now;

    MUST(runs_delete(store, run->id, &gone, &test_err));
    cr_assert(uuid_equal(gone.thread, run->thread_id));
    cr_assert_eq(gone.with_thread, with_thread);
    GIVES(RUN_MISSING, runs_get(store, any, run->id, &now, &test_err));
    GIVES(RUN_MISSING, runs_delete(store, run->id, &gone, &test_err));
    cr_assert_eq(sql_int("SELECT (SELECT count(*) FROM run_steps WHERE run_id = '%s')"
                         " + (SELECT count(*) FROM tool_calls WHERE run_id = '%s')"
                         " + (SELECT count(*) FROM messages WHERE run_id = '%s')"
                         " + (SELECT count(*) FROM messages WHERE submitted_with = '%s')",
                         show(run->id), show(run->id), show(run->id), show(run->id)),
                 0);
    if (!with_thread)
        check_counts(store, run->thread_id);
}

static void deleted_from_hidden(struct store *store)
{
    struct run first = must_chain(store, any, "[\"1\"]");
    struct run second = must_chain(store, first.thread_id, "[\"2\"]");
    struct run third = must_chain(store, first.thread_id, "[\"3\"]");
    struct memory_run behind = {
        .id = uuid_new(), .about = TEXT("memories"), .spec = TEXT("{\"job\":\"memories\"}")};
    struct run memory;
    bool made;

    /* What others stand behind stays; the last one's goes, and with the last run all goes. */
    must_delete(store, &first, false);
    cr_assert_eq(must_get_thread(store, first.thread_id).counts.messages, 9);
    must_delete(store, &third, false);
    cr_assert_eq(must_get_thread(store, first.thread_id).counts.messages, 6);
    MUST(memory_runs_make(store, &(struct memory_run_of){.thread = first.thread_id}, &behind,
                          &memory, &made, &test_err));
    must_delete(store, &second, true);
    cr_assert_eq(sql_int("SELECT (SELECT count(*) FROM threads) + (SELECT count(*) FROM messages)"
                         " + (SELECT count(*) FROM runs)"),
                 0);
}

Test(run_chains, lose_what_a_deleted_run_said_where_nobody_is_shown_it)
{
    with_store(deleted_from_hidden);
}

static void deleted_from_open(struct store *store)
{
    struct store stranger = other_tenant(store, "globex");
    struct run run = must_chain(store, must_thread(store), "[\"1\"]");
    struct run active = must_run(store);
    struct uuid agent = must_agent(store);
    struct page page = {.limit = 10};
    struct message_list list;
    struct run_gone gone;

    GIVES(RUN_MISSING, runs_delete(&stranger, run.id, &gone, &test_err));
    must_delete(store, &run, false);
    cr_assert_eq(must_get_thread(store, run.thread_id).counts.messages, 3);
    MUST(messages_list(store, run.thread_id, &(struct message_filter){.pending_for = agent}, &page,
                       &list, &test_err));
    cr_assert_eq(list.count, 1);
    GIVES(RUN_UNFIT, runs_delete(store, active.id, &gone, &test_err));
    check_run(store, active.id, RUN_QUEUED);
}

Test(run_chains, keep_what_a_deleted_run_said_in_an_open_thread)
{
    with_store(deleted_from_open);
}
