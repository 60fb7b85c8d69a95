/* A run that goes on from what an earlier version of the worker has stored. */

#include "flow.h"

#include "providers/context/repair.h"
#include "shared/base/compiler.h"

#define SUSPENSIONS_MAX 200

static int calls_seen; /* of the odd ids, in the conversation of a model call */
static int unanswered; /* results of which the model was told that they are not there */

static void drain(struct flow *flow, struct run_task *task)
{
    (void)flow;
    run_stop(task, RUN_STOP_DRAIN);
}

/* At each suspension: what the model has been told so far. */
static void look_at_conversation(struct flow *flow, struct run_task *task)
{
    const struct conversation *conversation = &task->conversation;

    flow->strike_at = flow->suspensions + 1;
    calls_seen = unanswered = 0;
    if (task->ledger.count > 0)
        return; /* their results are to come */
    for (size_t i = 0; i < conversation->count; i++) {
        calls_seen += (int)conversation->messages[i].tool_calls_count;
        unanswered += text_is(conversation->messages[i].text, REPAIR_UNANSWERED);
    }
}

/* A run whose calls are recorded and not carried out yet. */
static void new_run_with_intents(struct flow *flow)
{
    for (int at = 1; at < SUSPENSIONS_MAX; at++) {
        flow_new_run(flow);
        flow_attempt(flow, &flow->workers[0], at, drain);
        cr_assert_eq(flow_check(flow), RUN_QUEUED, "at %d", at);
        if (flow_sql_int(flow, "SELECT count(*) FROM tool_calls WHERE run_id = $1"
                               " AND state = 'intent'") > 0)
            return;
    }
    cr_assert_fail("no drain left an intent");
}

static void odd_ids(struct flow *flow)
{
    new_run_with_intents(flow);
    flow_sql(flow, "UPDATE messages m SET tool_calls = (SELECT jsonb_agg(jsonb_set(said, '{id}',"
                   "   to_jsonb(repeat('gateway:', 9) || (said->>'id'))) ORDER BY at)"
                   "   FROM jsonb_array_elements(m.tool_calls) WITH ORDINALITY AS c(said, at))"
                   " WHERE run_id = $1 AND role = 'assistant'");
    flow_sql(flow, "UPDATE tool_calls SET call_id = repeat('gateway:', 9) || call_id"
                   " WHERE run_id = $1");
    flow_sql(flow, "UPDATE runs SET due_at = now() WHERE id = $1");
    flow_attempt(flow, &flow->workers[1], 1, look_at_conversation);
    cr_assert(flow->struck);
    cr_assert_gt(calls_seen, 0);
    cr_assert_eq(unanswered, 0, "%d results were not told to the model", unanswered);
    cr_assert_eq(flow_check(flow), RUN_COMPLETED);
}

Test(flow_stored, results_reach_the_model_whatever_ids_their_calls_were_stored_with)
{
    with_flow(odd_ids);
}
