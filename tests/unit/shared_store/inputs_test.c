/* Tests of input that waits behind the active run of a thread. */

#include "fixture.h"

#include "shared/store/threads/inputs.h"

static const struct uuid any = {{0}};

static struct message_draft says(const char *text)
{
    return (struct message_draft){.id = uuid_new(), .content = text_of(text), .tokens = 3};
}

static const char *contents(const struct store *store)
{
    return sql_string(store,
                      "SELECT string_agg(content ->> 0, ' ' ORDER BY position) FROM messages");
}

static void must_wait(const struct store *store, struct uuid thread, const char *text, bool steers)
{
    struct message_draft draft = says(text);
    struct message message;

    MUST(inputs_add(store, thread, &draft, steers, &message, &test_err));
    cr_assert(text_is(message.waits, steers ? "steer" : "queue"));
}

/* As a worker leaves it that dies between the end of its run and what follows from that. */
static void release(struct uuid thread)
{
    sql_do("UPDATE runs SET status = 'completed' WHERE thread_id = '%s' AND held IS NULL;"
           " UPDATE threads SET active_run = NULL WHERE id = '%s'",
           show(thread), show(thread));
}

static void nobody_overtakes(struct store *store)
{
    struct run front = must_run(store);
    struct message_draft late = says("[\"late\"]");
    struct run_draft draft = run_of(front.thread_id, must_agent(store));
    struct message message;
    struct run run;

    must_wait(store, front.thread_id, "[\"first\"]", false);
    must_wait(store, front.thread_id, "[\"second\"]", true);
    release(front.thread_id);
    MUST(messages_create(store, front.thread_id, &late, TEXT_NONE, &message, NULL, &test_err));
    cr_assert_str_eq(contents(store), "first second late");

    front = must_run(store);
    sql_do("DELETE FROM messages");
    must_wait(store, front.thread_id, "[\"first\"]", false);
    release(front.thread_id);
    draft.thread = front.thread_id;
    draft.messages = &late;
    draft.message_count = 1;
    late.id = uuid_new();
    MUST(runs_create(store, &draft, &run, NULL, &test_err));
    cr_assert_str_eq(contents(store), "first late");
    cr_assert_eq(sql_int("SELECT count(*) FROM thread_inputs"), 0);
}

Test(inputs, are_overtaken_by_nobody)
{
    with_store(nobody_overtakes);
}

static void held_first(struct store *store)
{
    struct run front = must_run(store);
    struct run_draft draft = run_of(front.thread_id, must_agent(store));
    struct run_stopped stopped;
    struct uuid active = any;
    struct uuid held = draft.id;
    struct run run;

    MUST(runs_enqueue(store, &draft, MULTITASK_ENQUEUE, &run, &stopped, &test_err));
    cr_assert(run.held);
    release(front.thread_id);
    draft.id = uuid_new();
    GIVES(THREAD_BUSY, runs_create(store, &draft, &run, &active, &test_err));
    cr_assert(uuid_equal(active, held));
}

Test(inputs, and_runs_that_wait_come_before_new_ones)
{
    with_store(held_first);
}

static void look_at_idle(struct store *store)
{
    struct message_draft draft = says("[\"x\"]");
    struct message message;

    GIVES(THREAD_IDLE, inputs_add(store, must_thread(store), &draft, true, &message, &test_err));
    GIVES(THREAD_MISSING, inputs_add(store, uuid_new(), &draft, true, &message, &test_err));
    cr_assert_eq(sql_int("SELECT count(*) FROM thread_inputs"), 0);
}

Test(inputs, wait_behind_an_active_run_only)
{
    with_store(look_at_idle);
}
