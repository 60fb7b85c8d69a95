/* A run that ends with a call of its client, struck at each of its suspensions in turn. */

#include "flow.h"

#include <stdio.h>

#include "shared/base/compiler.h"
#include "shared/store/runs/open_calls.h"

#define SUSPENSIONS_MIN 4 /* fewer, and the test has missed the run */
#define SUSPENSIONS_MAX 100

static void each_suspension(struct flow *flow, flow_strike_fn strike,
                            void (*after)(struct flow *flow, int at))
{
    flow->leaves = true;
    for (int at = 1;; at++) {
        cr_assert_lt(at, SUSPENSIONS_MAX);
        flow_new_run(flow);
        flow_attempt(flow, &flow->workers[0], at, strike);
        if (!flow->struck) {
            cr_assert_gt(at, SUSPENSIONS_MIN);
            cr_assert_eq(flow_check(flow), RUN_COMPLETED);
            return;
        }
        after(flow, at);
    }
}

static void finish_elsewhere(struct flow *flow, int at)
{
    if (flow_check(flow) == RUN_COMPLETED)
        return;
    flow_sql(flow, "UPDATE runs SET status = 'queued', owner = NULL, fence = fence + 1,"
                   " due_at = now() WHERE id = $1");
    flow_attempt(flow, &flow->workers[1], 0, NULL);
    cr_assert_eq(flow_check(flow), RUN_COMPLETED, "after a strike at %d", at);
}

static void undisturbed(struct flow *flow)
{
    flow->leaves = true;
    flow_new_run(flow);
    flow_attempt(flow, &flow->workers[0], 0, NULL);
    cr_assert_eq(flow_check(flow), RUN_COMPLETED);
    cr_assert_eq(flow_sql_int(flow, "SELECT prompt_tokens FROM runs"), FLOW_CALL_TOKENS);
}

Test(flow_left, run_ends_with_its_clients_call_and_has_done_its_own)
{
    with_flow(undisturbed);
}

static void drain(struct flow *flow, struct run_task *task)
{
    (void)flow;
    run_stop(task, RUN_STOP_DRAIN);
}

static void drained(struct flow *flow)
{
    each_suspension(flow, drain, finish_elsewhere);
}

Test(flow_left, run_is_finished_by_another_worker_wherever_a_drain_comes)
{
    with_flow(drained);
}

static void fence(struct flow *flow, struct run_task *task)
{
    (void)flow;
    run_stop(task, RUN_STOP_FENCED);
}

static void fenced(struct flow *flow)
{
    each_suspension(flow, fence, finish_elsewhere);
}

Test(flow_left, run_is_finished_by_another_worker_wherever_a_fence_comes)
{
    with_flow(fenced);
}

static void cut_connections(struct flow *flow, struct run_task *task)
{
    (void)task;
    flow_sql(flow, "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity"
                   " WHERE application_name = 'penstock-worker' AND datname = current_database()");
}

static void cut(struct flow *flow)
{
    each_suspension(flow, cut_connections, finish_elsewhere);
}

Test(flow_left, run_ends_whole_wherever_the_connections_to_postgres_break)
{
    with_flow(cut);
}

static void cancel_now(struct flow *flow, struct run_task *task)
{
    flow_sql(flow,
             "UPDATE runs SET status = 'cancelling' WHERE id = $1 AND status = 'in_progress'");
    run_stop(task, RUN_STOP_CANCEL);
}

static void ended_in_time(struct flow *flow, int at)
{
    enum run_status status = flow_check(flow);

    cr_assert(status == RUN_CANCELLED || status == RUN_COMPLETED, "%s after a cancel at %d",
              run_status_name(status), at);
}

static void cancelled(struct flow *flow)
{
    each_suspension(flow, cancel_now, ended_in_time);
}

Test(flow_left, run_ends_as_cancelled_or_completed_wherever_a_cancel_comes)
{
    with_flow(cancelled);
}

/* What a client says to a thread while its run is at work. */
static void steer(struct flow *flow, struct run_task *task)
{
    (void)task;
    flow_sql(flow, "WITH r AS (UPDATE runs SET steered = true WHERE id = $1"
                   "    AND status = 'in_progress' RETURNING tenant_id, thread_id)"
                   " INSERT INTO thread_inputs (id, tenant_id, thread_id, steers, role, content,"
                   "    bytes, token_count)"
                   " SELECT gen_random_uuid(), tenant_id, thread_id, true, 'user',"
                   "    '[{\"type\":\"text\",\"text\":{\"value\":\"stop\"}}]', 10, 1 FROM r");
}

/* It heard of it before it made the call, or went on and knows that the call was not made; or its
 * end came first. */
static void steered_at(struct flow *flow, int at)
{
    int64_t left;
    int64_t refused;

    cr_assert_eq(flow_sql_int(flow, "SELECT count(*) FROM runs WHERE id = $1"
                                    " AND status = 'completed'"),
                 1, "at %d", at);
    left = flow_sql_int(flow, "SELECT count(*) FROM tool_calls WHERE run_id = $1"
                              " AND state = 'left'");
    refused = flow_sql_int(flow, "SELECT count(*) FROM tool_calls WHERE run_id = $1"
                                 " AND name = 'look_up' AND state = 'done' AND is_error");
    cr_assert(left + refused <= 1, "at %d", at);
    cr_assert_eq(flow_sql_int(flow, "SELECT count(*) FROM messages WHERE run_id = $1"
                                    " AND role = 'tool'"
                                    " AND penstock_text(content) LIKE 'This call was not made%'"),
                 refused, "at %d", at);
    cr_assert_eq(flow_sql_int(flow, "SELECT count(*) FROM messages WHERE run_id = $1"
                                    " AND penstock_text(content) = 'Never mind.'"),
                 left ? 0 : 1, "at %d", at);
}

static void steered(struct flow *flow)
{
    int went_on;

    flow->leaves = true;
    for (int at = 1; at < SUSPENSIONS_MAX; at++) {
        flow_new_run(flow);
        flow_attempt(flow, &flow->workers[0], at, steer);
        if (!flow->struck)
            break;
        steered_at(flow, at);
    }
    went_on = (int)flow_sql_int(flow, "SELECT count(*) FROM messages"
                                      " WHERE penstock_text(content) LIKE 'This call was not%'");
    cr_assert_gt(went_on, 1);
}

Test(flow_left, run_goes_on_where_something_is_said_before_its_end)
{
    with_flow(steered);
}

/* The call of the client is not what it waits for. */
static void waits_first(struct flow *flow)
{
    struct error err = {0};
    int64_t settled;
    bool more;

    flow->leaves = true;
    flow_new_run(flow);
    flow_sql(flow, "UPDATE messages SET content = replace(content::text, 'leave', 'later')::jsonb");
    flow_sql(flow, "UPDATE runs SET spec = replace(spec::text, 'calculator', 'wait')::json");
    flow_attempt(flow, &flow->workers[0], 0, NULL);
    cr_assert_eq(flow_check(flow), RUN_QUEUED);
    cr_assert_eq(flow_sql_int(flow, "SELECT count(*) FROM runs WHERE open_calls = 1"
                                    " AND required_action IS NULL"),
                 1);
    flow_sql(flow, "UPDATE tool_calls SET due_at = now() WHERE state = 'open'");
    flow_sql(flow, "UPDATE runs SET wakes_at = now()");
    cr_assert_eq(open_calls_sweep(flow->store.pg, &settled, &more, &err), 0, "%s", err.text);
    cr_assert_eq(settled, 1);
    flow_attempt(flow, &flow->workers[1], 0, NULL);
    cr_assert_eq(flow_sql_int(flow, "SELECT count(*) FROM runs WHERE status = 'completed'"), 1);
    cr_assert_eq(flow_sql_int(flow, "SELECT count(*) FROM tool_calls WHERE state = 'left'"), 1);
    cr_assert_eq(flow_sql_int(flow, "SELECT count(*) FROM messages WHERE role = 'tool'"), 1);
    cr_assert_eq(flow_sql_int(flow, "SELECT count(*) FROM run_steps WHERE status = 'completed'"),
                 1);
}

Test(flow_left, run_waits_for_a_time_before_it_ends)
{
    with_flow(waits_first);
}
