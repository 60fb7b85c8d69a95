/* A run that is struck at each of its suspensions in turn, until it ends before the next one. */

#include "flow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/compiler.h"
#include "shared/fiber/loop.h"

#define SUSPENSIONS_MIN 8 /* fewer, and the test has missed the run */
#define SUSPENSIONS_MAX 200

static enum run_status expected_end(const struct flow *flow)
{
    return flow->max_iterations ? RUN_INCOMPLETE : RUN_COMPLETED;
}

/* Strikes one run after the other, a suspension later each time; `after` sees what came of it. */
static void each_suspension(struct flow *flow, flow_strike_fn strike,
                            void (*after)(struct flow *flow, int at))
{
    for (int at = 1;; at++) {
        cr_assert_lt(at, SUSPENSIONS_MAX);
        flow_new_run(flow);
        flow_attempt(flow, &flow->workers[0], at, strike);
        if (!flow->struck) {
            cr_assert_gt(at, SUSPENSIONS_MIN);
            cr_assert_eq(flow_check(flow), expected_end(flow));
            return;
        }
        after(flow, at);
    }
}

static void check_tokens(struct flow *flow)
{
    cr_assert_eq(flow_sql_int(flow, "SELECT sum(prompt_tokens) FROM runs"), flow_tokens_used(flow));
}

static void undisturbed(struct flow *flow)
{
    flow_new_run(flow);
    flow_attempt(flow, &flow->workers[0], 0, NULL);
    cr_assert_eq(flow_check(flow), RUN_COMPLETED);
    cr_assert_eq(flow_sql_int(flow, "SELECT prompt_tokens FROM runs"),
                 FLOW_MODEL_CALLS * FLOW_CALL_TOKENS);
    check_tokens(flow);
}

Test(flow, of_a_run_that_nothing_disturbs_stores_every_step_once)
{
    with_flow(undisturbed);
}

/* The row says so first, then the fiber hears of it. */
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
    check_tokens(flow);
}

static void cancelled_now(struct flow *flow)
{
    each_suspension(flow, cancel_now, ended_in_time);
}

Test(flow, ends_as_cancelled_or_completed_wherever_a_cancel_comes)
{
    with_flow(cancelled_now);
}

/* The run goes on while Postgres is told. */
static void cancel_meanwhile(struct flow *flow, struct run_task *task)
{
    (void)task;
    flow->cancel_wanted = true;
    cond_broadcast(&flow->worker->changed);
}

static void cancelled_meanwhile(struct flow *flow)
{
    each_suspension(flow, cancel_meanwhile, ended_in_time);
}

Test(flow, ends_as_cancelled_or_completed_while_a_cancel_is_on_its_way)
{
    with_flow(cancelled_meanwhile);
}

static void drain(struct flow *flow, struct run_task *task)
{
    (void)flow;
    run_stop(task, RUN_STOP_DRAIN);
}

/* A run that went back to the queue is completed by the other worker. */
static void finish_elsewhere(struct flow *flow, int at)
{
    enum run_status status = flow_check(flow);

    cr_assert(status == RUN_QUEUED || status == RUN_COMPLETED, "%s at %d", run_status_name(status),
              at);
    if (status == RUN_COMPLETED)
        return;
    flow_sql(flow, "UPDATE runs SET due_at = now() WHERE id = $1");
    flow_attempt(flow, &flow->workers[1], 0, NULL);
    cr_assert_eq(flow_check(flow), RUN_COMPLETED, "after a strike at %d", at);
}

static void drained_at(struct flow *flow, int at)
{
    finish_elsewhere(flow, at);
    cr_assert_eq(flow_sql_int(flow, "SELECT errors + crashes FROM runs WHERE id = $1"), 0);
    check_tokens(flow);
}

static void drained(struct flow *flow)
{
    each_suspension(flow, drain, drained_at);
}

Test(flow, is_handed_back_wherever_a_drain_comes_and_finished_by_another_worker)
{
    with_flow(drained);
}

/* A drain when somebody else has asked for a cancel, of which the fiber has not heard. */
static void drain_cancelling(struct flow *flow, struct run_task *task)
{
    flow_sql(flow,
             "UPDATE runs SET status = 'cancelling' WHERE id = $1 AND status = 'in_progress'");
    run_stop(task, RUN_STOP_DRAIN);
}

static void drained_cancelling(struct flow *flow)
{
    each_suspension(flow, drain_cancelling, ended_in_time);
}

Test(flow, ends_as_cancelled_or_completed_when_a_drain_meets_a_cancel)
{
    with_flow(drained_cancelling);
}

static flow_strike_fn second_strike;

/* Struck again in the first suspensions of the next attempt, where calls that were left open are
 * made anew, and at last left alone. */
static void strike_again(struct flow *flow, int at)
{
    if (flow_check(flow) == RUN_COMPLETED)
        return;
    flow_attempt(flow, &flow->workers[1], 1 + at % 7, second_strike);
    if (second_strike == drain)
        finish_elsewhere(flow, at);
    else
        ended_in_time(flow, at);
}

static void drained_twice(struct flow *flow)
{
    second_strike = drain;
    each_suspension(flow, drain, strike_again);
    cr_assert_eq(flow_sql_int(flow, "SELECT max(errors + crashes) FROM runs"), 0);
    check_tokens(flow);
}

Test(flow, is_handed_back_while_it_resumes_and_loses_nothing)
{
    with_flow(drained_twice);
}

static void cancelled_while_resuming(struct flow *flow)
{
    second_strike = cancel_now;
    each_suspension(flow, drain, strike_again);
}

Test(flow, ends_as_cancelled_or_completed_when_it_is_cancelled_while_it_resumes)
{
    with_flow(cancelled_while_resuming);
}

static int64_t step_when_fenced;

/* Nothing is changed in the row: it is the worker itself that must keep still. */
static void fence(struct flow *flow, struct run_task *task)
{
    step_when_fenced = flow_sql_int(flow, "SELECT step FROM runs WHERE id = $1");
    run_stop(task, RUN_STOP_FENCED);
}

static void fenced_at(struct flow *flow, int at)
{
    enum run_status status = flow_check(flow);
    int64_t written = flow_sql_int(flow, "SELECT step FROM runs WHERE id = $1") - step_when_fenced;

    /* What was under way at that moment may still arrive. */
    cr_assert(written == 0 || written == 1, "%d writes after a fence at %d", (int)written, at);
    if (status == expected_end(flow))
        return;
    cr_assert_eq(status, RUN_IN_PROGRESS, "%s at %d", run_status_name(status), at);
    if (flow->max_iterations)
        return;
    flow_sql(flow, "UPDATE runs SET status = 'queued', owner = NULL, fence = fence + 1,"
                   " crashes = crashes + 1, due_at = now() WHERE id = $1");
    finish_elsewhere(flow, at);
}

static void fenced(struct flow *flow)
{
    each_suspension(flow, fence, fenced_at);
}

Test(flow, writes_nothing_more_wherever_a_fence_comes_and_is_finished_by_another_worker)
{
    with_flow(fenced);
}

/* The fence comes while a step is written, and the next thing would be the end. */
static void fenced_before_budget(struct flow *flow)
{
    flow->max_iterations = 2;
    each_suspension(flow, fence, fenced_at);
}

Test(flow, writes_no_end_of_a_used_up_budget_after_a_fence)
{
    with_flow(fenced_before_budget);
}

/* Whatever is under way with Postgres breaks, its outcome unknown. */
static void cut_connections(struct flow *flow, struct run_task *task)
{
    (void)task;
    flow_sql(flow, "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity"
                   " WHERE application_name = 'penstock-worker' AND datname = current_database()");
}

static void cut_at(struct flow *flow, int at)
{
    finish_elsewhere(flow, at);
    cr_assert_eq(flow_sql_int(flow, "SELECT errors + crashes FROM runs WHERE id = $1"), 0);
    check_tokens(flow);
}

static void cut(struct flow *flow)
{
    each_suspension(flow, cut_connections, cut_at);
}

Test(flow, goes_on_wherever_the_connections_to_postgres_break)
{
    with_flow(cut);
}

static const char *failing_with; /* a condition of a view */

/* Whoever reads messages now fails; nothing but the run does before they are readable again. */
static void make_unreadable(struct flow *flow, struct run_task *task)
{
    char statement[128];

    (void)task;
    snprintf(statement, sizeof(statement),
             "CREATE VIEW messages AS SELECT * FROM kept_messages WHERE %s", failing_with);
    flow_sql(flow, "ALTER TABLE messages RENAME TO kept_messages");
    flow_sql(flow, statement);
}

static void make_readable(struct flow *flow)
{
    flow_sql(flow, "DROP VIEW messages");
    flow_sql(flow, "ALTER TABLE kept_messages RENAME TO messages");
}

/* A claim does not bring a history as long as that. */
static void lengthen_history(struct flow *flow)
{
    flow_sql(flow, "UPDATE messages SET content = jsonb_build_array(jsonb_build_object("
                   "   'type', 'text', 'text', jsonb_build_object('value', repeat('x', 200000),"
                   "   'annotations', '[]'::jsonb)))"
                   " WHERE thread_id = (SELECT thread_id FROM runs WHERE id = $1)");
}

/* A run that another worker left after a step. */
static void new_run_to_resume(struct flow *flow)
{
    for (int at = 1;; at++) {
        flow_new_run(flow);
        flow_attempt(flow, &flow->workers[0], at, drain);
        cr_assert_eq(flow_check(flow), RUN_QUEUED);
        if (flow_sql_int(flow, "SELECT step FROM runs WHERE id = $1") > 1)
            return;
    }
}

static void fail_to_resume(struct flow *flow, const char *with, int errors)
{
    failing_with = with;
    for (int resumed = 0; resumed < 2; resumed++) {
        if (resumed)
            new_run_to_resume(flow);
        else
            flow_new_run(flow);
        lengthen_history(flow);
        flow_attempt(flow, &flow->workers[1], 1, make_unreadable);
        make_readable(flow);
        cr_assert(flow->struck);
        cr_assert_eq(flow_check(flow), RUN_QUEUED);
        cr_assert_eq(flow_sql_int(flow, "SELECT errors FROM runs WHERE id = $1"), errors, "%s %d",
                     with, resumed);
        cr_assert_eq(flow_sql_int(flow, "SELECT crashes FROM runs WHERE id = $1"), 0);
    }
}

static void failing_resumes(struct flow *flow)
{
    flow_sql(flow, "CREATE FUNCTION fails(state text) RETURNS bool STABLE LANGUAGE plpgsql AS"
                   " $$BEGIN RAISE EXCEPTION 'fails' USING ERRCODE = state; END$$");
    fail_to_resume(flow, "fails('53100')", 0);                         /* unavailable */
    fail_to_resume(flow, "fails('57014')", 0);                         /* timed out */
    fail_to_resume(flow, "pg_terminate_backend(pg_backend_pid())", 0); /* ambiguous */
    fail_to_resume(flow, "fails('42501')", 1);
}

Test(flow, counts_no_error_of_a_run_when_postgres_fails_while_it_resumes)
{
    with_flow(failing_resumes);
}

/* How many fibers of tools wait, and how many of them have the run in their log's context. */
static int tools_seen;
static int tools_named;

static void look_at_tools(struct fiber *fiber)
{
    char *text = NULL;
    size_t size = 0;
    FILE *dump = open_memstream(&text, &size);
    char *save = NULL;

    (void)fiber;
    loop_dump(dump);
    fclose(dump);
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "  tool ", 7) != 0 || strstr(line, "starting"))
            continue;
        tools_seen++;
        tools_named += strstr(line, " run=run_") != NULL;
    }
    free(text);
}

static void logs_of_tools(struct flow *flow)
{
    flow_new_run(flow);
    fiber_on_wait(look_at_tools);
    flow_attempt(flow, &flow->workers[0], 0, NULL);
    cr_assert_gt(tools_seen, 0);
    cr_assert_eq(tools_named, tools_seen);
}

Test(flow, tells_the_logs_of_tools_at_once_which_run_they_are_of)
{
    with_flow(logs_of_tools);
}

/* A cancel of which Postgres knows nothing: a nudge that was stale, or forged. */
static void cancel_unasked(struct flow *flow, struct run_task *task)
{
    (void)flow;
    run_stop(task, RUN_STOP_CANCEL);
}

static void cancelled_unasked_at(struct flow *flow, int at)
{
    finish_elsewhere(flow, at);
    cr_assert_eq(flow_sql_int(flow, "SELECT errors + crashes FROM runs WHERE id = $1"), 0);
}

static void cancelled_unasked(struct flow *flow)
{
    each_suspension(flow, cancel_unasked, cancelled_unasked_at);
}

Test(flow, goes_back_to_the_queue_when_it_is_to_be_cancelled_and_nobody_asked_for_it)
{
    with_flow(cancelled_unasked);
}

/* Two answers are stored, and of them the history shows none any more. */
static void hidden_iterations(struct flow *flow)
{
    flow->max_iterations = 2;
    for (int at = 1;; at++) {
        flow_new_run(flow);
        flow_attempt(flow, &flow->workers[0], at, drain);
        cr_assert_eq(flow_check(flow), RUN_QUEUED, "at %d", at);
        if (flow_sql_int(flow, "SELECT count(*) FROM messages WHERE run_id = $1"
                               " AND role = 'assistant'") == 2)
            break;
    }
    flow_sql(flow, "UPDATE messages SET content = jsonb_build_array(jsonb_build_object("
                   "   'type', 'text', 'text', jsonb_build_object('value', repeat('x', 9000000),"
                   "   'annotations', '[]'::jsonb)))"
                   " WHERE run_id = $1 AND role = 'tool'"
                   "   AND seq = (SELECT max(seq) FROM messages WHERE run_id = $1)");
    flow_attempt(flow, &flow->workers[1], 0, NULL);
    cr_assert_eq(flow_check(flow), RUN_INCOMPLETE);
    cr_assert_eq(flow_sql_int(flow, "SELECT prompt_tokens FROM runs WHERE id = $1"),
                 2 * FLOW_CALL_TOKENS);
}

Test(flow, counts_the_answers_of_a_run_that_its_history_shows_no_more)
{
    with_flow(hidden_iterations);
}

/* Errors that were overcome before the worker was lost do not count in the next attempt. */
static void overcome_errors(struct flow *flow)
{
    flow_new_run(flow);
    flow_sql(flow, "UPDATE runs SET errors = 5 WHERE id = $1");
    for (int at = 2; flow_sql_int(flow, "SELECT step FROM runs WHERE id = $1") < 1; at++) {
        flow_attempt(flow, &flow->workers[0], at, fence);
        flow_sql(flow, "UPDATE runs SET status = 'queued', owner = NULL, fence = fence + 1,"
                       " crashes = crashes + 1, due_at = now() WHERE id = $1");
    }
    cr_assert_eq(flow_sql_int(flow, "SELECT errors FROM runs WHERE id = $1"), 0);
}

Test(flow, has_its_errors_settled_by_the_first_checkpoint_after_them)
{
    with_flow(overcome_errors);
}

/* The database refuses the answer for what it holds. */
static void refuse_answers(struct flow *flow, const char *condition)
{
    char statement[400];

    snprintf(statement, sizeof(statement),
             "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
             " IF %s THEN RAISE EXCEPTION 'no such thing' USING ERRCODE = '22P05';"
             " END IF; RETURN NEW; END$$",
             condition);
    flow_sql(flow, statement);
}

static void refused_endings(struct flow *flow)
{
    static const char own_sentence[] =
        "NEW.status = 'failed' AND NEW.last_error->>'message' NOT LIKE 'The result of%'"
        " OR NEW.status = 'completed'";
    static const char *const conditions[] = {
        "NEW.status = 'completed'",                           /* the ending */
        "NEW.status = 'completed' OR NEW.prompt_tokens > 39", /* and its counts */
        own_sentence,
    };

    flow_sql(flow, "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
                   " $$BEGIN RETURN NEW; END$$");
    flow_sql(flow, "CREATE TRIGGER refuse BEFORE UPDATE ON runs FOR EACH ROW"
                   " EXECUTE FUNCTION refuse()");
    for (size_t i = 0; i < ARRAY_LENGTH(conditions); i++) {
        flow_new_run(flow);
        refuse_answers(flow, conditions[i]);
        flow_attempt(flow, &flow->workers[0], 0, NULL);
        refuse_answers(flow, "false");
        cr_assert_eq(flow_check(flow), RUN_FAILED, "%s", conditions[i]);
        cr_assert_eq(flow_sql_int(flow, "SELECT count(*) FROM runs WHERE id = $1"
                                        " AND last_error->>'code' = 'server_error'"
                                        " AND last_error->>'message'"
                                        "   = 'The result of the run could not be stored.'"),
                     1, "%s", conditions[i]);
    }
}

Test(flow, ends_bare_when_the_database_refuses_its_end)
{
    with_flow(refused_endings);
}

/* Neither a step nor a hand back can be stored. */
static void refused_steps(struct flow *flow)
{
    flow_sql(flow,
             "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
             " $$BEGIN IF NEW.status IN ('in_progress', 'queued') AND OLD.status = 'in_progress'"
             " THEN RAISE EXCEPTION 'no such thing' USING ERRCODE = '22P05'; END IF;"
             " RETURN NEW; END$$");
    flow_sql(flow, "CREATE TRIGGER refuse BEFORE UPDATE ON runs FOR EACH ROW"
                   " EXECUTE FUNCTION refuse()");
    flow_new_run(flow);
    flow_attempt(flow, &flow->workers[0], 0, NULL);
    cr_assert_eq(flow_check(flow), RUN_FAILED);
    cr_assert_eq(flow_sql_int(flow, "SELECT count(*) FROM runs WHERE id = $1"
                                    " AND last_error->>'message'"
                                    "   = 'A step of the run could not be stored.'"),
                 1);
    flow_new_run(flow);
    flow_attempt(flow, &flow->workers[0], 1, drain);
    cr_assert(flow->struck);
    cr_assert_eq(flow_check(flow), RUN_FAILED);
}

Test(flow, ends_when_the_database_refuses_its_steps_and_says_no_sql)
{
    with_flow(refused_steps);
}
