/* Kinds of runs. */

#include <criterion/criterion.h>

#include "flow.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "worker/kinds/kinds.h"
#include "worker/run/run.h"

Test(kinds, are_found_by_their_name)
{
    cr_assert_eq(kinds_find(TEXT("agent")), &kind_agent);
    cr_assert_eq(kinds_find(TEXT("completion")), &kind_completion);
    cr_assert_eq(kinds_find(TEXT("embedding")), &kind_embedding);
    cr_assert_null(kinds_find(TEXT("dance")));
    cr_assert_null(kinds_find(TEXT("")));
}

static const struct run_kind *kind;

/* As flow_attempt, of the kind above. */
static void attempt(struct flow *flow)
{
    struct worker *worker = &flow->workers[0];
    struct run_claim_list claims;
    struct error err = {0};

    cr_assert_eq(
        run_leases_claim(worker->pg, flow->store.arena, worker->id, &flow->run, 1, &claims, &err),
        0);
    run_start(worker, &claims.items[0], NULL, kind);
    while (worker->busy > 0)
        cr_assert_eq(cond_wait(&worker->changed, DEADLINE_NONE, &err), 0);
}

static void unknown(struct flow *flow)
{
    flow_new_run(flow);
    flow_sql(flow, "UPDATE runs SET kind = 'dance' WHERE id = $1");
    flow_attempt(flow, &flow->workers[0], 0, NULL);
    cr_assert_eq(flow_check(flow), RUN_FAILED);
    cr_assert_eq(flow_sql_int(flow,
                              "SELECT count(*) FROM runs WHERE id = $1 AND"
                              " last_error->>'code' = 'server_error' AND"
                              " last_error->>'message' LIKE '%no runs of the kind ''dance''%'"),
                 1);
}

Test(kinds, that_are_not_known_fail_their_run_with_a_sentence)
{
    with_flow(unknown);
}

static int begun;

static int begin_and_crash(struct run_task *task, struct error *err)
{
    (void)err;
    begun++;
    run_stop(task, RUN_STOP_FENCED); /* as if the worker had died */
    return RUN_DROP;
}

static const struct run_stage stages[] = {{"begin", begin_and_crash}, {NULL, NULL}};

static const struct run_kind begun_once = {
    .name = "once",
    .crash = RUN_CRASH_FAILS,
    .begin = stages,
    .round = stages,
};

static void crashed(struct flow *flow)
{
    flow_new_run(flow);
    kind = &begun_once;
    attempt(flow);
    cr_assert_eq(flow_check(flow), RUN_IN_PROGRESS);
    flow_sql(flow, "UPDATE runs SET status = 'queued', owner = NULL, fence = fence + 1,"
                   " crashes = crashes + 1, due_at = now() WHERE id = $1");
    attempt(flow);
    cr_assert_eq(flow_check(flow), RUN_FAILED);
    cr_assert_eq(begun, 1);
}

Test(kinds, that_can_not_be_begun_twice_fail_after_a_crash)
{
    with_flow(crashed);
}
