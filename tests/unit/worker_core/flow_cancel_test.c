/* Ends as cancelled that can't be written as they are. */

#include "flow.h"

/* Asked for while the run is handed back, and taken back before it has ended. */
static void withdraw(struct flow *flow, struct run_task *task)
{
    flow->strike_at = flow->suspensions + 1;
    if (task->stop == RUN_STOP_NONE)
        run_stop(task, RUN_STOP_DRAIN);
    else if (task->writing && task->ending.end.status == RUN_CANCELLED)
        flow_sql(flow, "UPDATE runs SET status = 'in_progress' WHERE id = $1");
    else if (task->writing)
        flow_sql(flow, "UPDATE runs SET status = 'cancelling' WHERE id = $1");
}

static void withdrawn(struct flow *flow)
{
    struct worker *worker = &flow->workers[0];

    flow_new_run(flow);
    flow_attempt(flow, worker, 1, withdraw);
    cr_assert(flow->struck);
    cr_assert_eq(flow_check(flow), RUN_IN_PROGRESS);
    cr_assert(worker->strays, "nobody looks for the run");
    cr_assert_eq(worker->counters.fenced, 0, "the lease holds");
}

Test(flow_cancel, that_is_withdrawn_at_the_last_moment_leaves_a_run_that_is_looked_for)
{
    with_flow(withdrawn);
}

static void cancel_now(struct flow *flow, struct run_task *task)
{
    flow_sql(flow, "UPDATE runs SET status = 'cancelling' WHERE id = $1");
    run_stop(task, RUN_STOP_CANCEL);
}

/* Each try counts, although its transaction is undone. */
static void refused(struct flow *flow)
{
    flow_sql(flow, "CREATE SEQUENCE tries");
    flow_sql(flow, "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
                   " $$BEGIN IF NEW.status = 'cancelled' THEN PERFORM nextval('tries');"
                   " RAISE EXCEPTION 'no such thing' USING ERRCODE = '22P05'; END IF;"
                   " RETURN NEW; END$$");
    flow_sql(flow, "CREATE TRIGGER refuse BEFORE UPDATE ON runs FOR EACH ROW"
                   " EXECUTE FUNCTION refuse()");
    flow_new_run(flow);
    flow_attempt(flow, &flow->workers[0], 1, cancel_now);
    cr_assert(flow->struck);
    cr_assert_eq(flow_check(flow), RUN_CANCELLING);
    cr_assert_eq(flow_sql_int(flow, "SELECT last_value FROM tries"), 3,
                 "whole, bare and without counts: then it is given up");
}

Test(flow_cancel, that_the_database_refuses_is_not_taken_for_one_that_nobody_asked_for)
{
    with_flow(refused);
}
