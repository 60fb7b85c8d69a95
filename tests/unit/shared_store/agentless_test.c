/* Tests of runs without an agent: made alone, among others and on a busy thread, they live as any
 * run does. */

#include "fixture.h"

#include "shared/store/runs/run_steps.h"
#include "shared/store/submissions/run_batches.h"
#include "shared/store/usage/usage.h"

static const struct uuid any = {{0}};

static struct run_draft alone_on(struct uuid thread)
{
    struct run_draft draft = run_of(thread, any);

    draft.agent_version = 0;
    return draft;
}

/* Writes a step with a message, and the end. */
static void must_end(struct store *store, struct uuid id, enum run_status status)
{
    struct run_claim claim = must_claim(store, must_worker(store), id);
    struct run_message message = {
        .id = uuid_new(), .seq = 1, .role = MESSAGE_ASSISTANT, .content = TEXT("[\"a\"]")};
    struct run_step_write step = {.id = uuid_new(),
                                  .seq = 1,
                                  .type = STEP_MESSAGE_CREATION,
                                  .status = STEP_COMPLETED,
                                  .message_id = message.id};
    struct run_changes changes = {USED(10, 5), .messages = &message, .message_count = 1,
                                  .steps = &step, .step_count = 1};
    struct run_ending ending = {.status = status, .result_message = message.id};

    MUST(run_leases_finish(writer_of(store->pg), &claim.lease, &changes, &ending, &test_err));
    cr_assert_eq(must_get_run(store, id).status, status);
}

static void lives(struct store *store)
{
    struct run_draft draft = alone_on(must_thread(store));
    struct page page = {.limit = 10, .ascending = true};
    struct run_filter filter = {.agent = must_agent(store)};
    struct message_list messages;
    struct run_step_list steps;
    struct run_list runs;
    struct run run;
    bool more;

    MUST(runs_create(store, &draft, &run, NULL, &test_err));
    cr_assert(uuid_is_zero(run.agent_id));
    cr_assert_eq(run.agent_version, 0);
    must_end(store, run.id, RUN_COMPLETED);
    MUST(run_steps_list(store, run.id, &page, &steps, &test_err));
    cr_assert(steps.count == 1 && uuid_is_zero(steps.items[0].agent_id));
    MUST(messages_list(store, run.thread_id, &(struct message_filter){.hidden = false}, &page,
                       &messages, &test_err));
    cr_assert(messages.count == 1 && uuid_is_zero(messages.items[0].agent_id));
    MUST(runs_list_all(store, &(struct run_filter){.statuses = 0}, &page, &runs, &test_err));
    cr_assert_eq(runs.count, 1);
    MUST(runs_list_all(store, &filter, &page, &runs, &test_err));
    cr_assert_eq(runs.count, 0);

    /* To an agent what it wrote is somebody else's. */
    MUST(messages_list(store, run.thread_id, &(struct message_filter){.pending_for = filter.agent},
                       &page, &messages, &test_err));
    cr_assert_eq(messages.count, 1);
    MUST(usage_fold(store->pg, &more, &test_err));
    cr_assert_eq(sql_int("SELECT prompt_tokens FROM usage_hourly WHERE agent_id = '%s'", show(any)),
                 10);
    cr_assert_str_eq(sql_string(store, "SELECT agent_id IS NULL AND status = 'completed'"
                                       " FROM run_results"),
                     "t");
}

Test(agentless, runs_live_and_are_counted_as_others)
{
    with_store(lives);
}

static void come_in_batches(struct store *store)
{
    struct thread_draft fresh = {.id = uuid_new()};
    struct run_draft drafts[3] = {alone_on(must_thread(store)), alone_on(any),
                                  run_of(must_thread(store), uuid_new())};
    struct run_making makings[3];
    struct pg_result *result = NULL;

    for (int i = 0; i < 3; i++)
        makings[i] = (struct run_making){
            .tenant = store->tenant, .draft = &drafts[i], .new_thread = i == 1 ? &fresh : NULL};
    MUST(run_batch_make(store->pg, NULL, makings, 3, &result, &test_err));
    cr_assert_eq(run_batch_made_count(result), 2);
    cr_assert(uuid_is_zero(must_get_run(store, drafts[0].id).agent_id));
    cr_assert(uuid_is_zero(must_get_run(store, drafts[1].id).agent_id));
    pg_result_free(result);
}

Test(agentless, runs_come_in_batches)
{
    with_store(come_in_batches);
}

static void wait_and_return(struct store *store)
{
    struct run_draft first = alone_on(must_thread(store));
    struct run_draft second = alone_on(first.thread);
    struct thread_fork fork = {.id = uuid_new(), .source = first.thread};
    struct run_stopped stopped;
    struct thread thread;
    struct uuid active;
    struct run run;

    MUST(runs_create(store, &first, &run, NULL, &test_err));
    GIVES(THREAD_BUSY, runs_create(store, &second, &run, &active, &test_err));
    cr_assert(uuid_equal(active, first.id));
    MUST(runs_enqueue(store, &second, MULTITASK_ENQUEUE, &run, &stopped, &test_err));
    cr_assert(run.held && uuid_is_zero(run.agent_id));
    must_end(store, first.id, RUN_FAILED);
    MUST(runs_cancel(store, any, second.id, &run, &test_err));
    MUST(runs_redrive(store, any, first.id, 3600000, &run, &active, &test_err));
    cr_assert_eq(run.status, RUN_QUEUED);
    cr_assert(uuid_is_zero(run.agent_id));
    MUST(runs_cancel(store, any, first.id, &run, &test_err));
    MUST(threads_fork(store, &fork, &thread, &test_err));
    cr_assert_eq(thread.counts.messages, 1);
}

Test(agentless, runs_wait_and_are_redriven_and_forked)
{
    with_store(wait_and_return);
}
