#pragma once
/* What the tests of a run's flow share: a database of their own, a model and an HTTP server in this
 * process, workers, and a way to strike a run at its n-th suspension.
 *
 * The run: two tools at once (one reaches out), one that reaches out, one that is pure, the answer.
 */

#include <criterion/criterion.h>

#include "shared/store/runs/run_state.h"
#include "shared/store/store.h"
#include "worker/run/run.h"
#include "worker/worker.h"

#define FLOW_MESSAGES    8 /* of a completed run */
#define FLOW_MODEL_CALLS 4
#define FLOW_CALL_TOKENS 10 /* prompt tokens of each */

struct flow;

/* Called on the run's stack while it is about to suspend: may not wait. */
typedef void (*flow_strike_fn)(struct flow *flow, struct run_task *task);

struct flow {
    struct store store;
    struct worker workers[2];
    struct uuid agent;
    struct uuid run;    /* the present one */
    int max_iterations; /* of runs to come; 0: enough */
    bool leaves; /* runs to come end with a call of the client's, beside two of the server's */

    struct worker *worker; /* that has it */
    int strike_at;         /* the suspension to strike at; 0: none */
    int suspensions;       /* so far, of this attempt */
    bool struck;
    flow_strike_fn strike;
    bool cancel_wanted; /* the strike leaves it to the fiber of the test */
};

/* Runs body with two workers that are open and serve nothing by themselves. */
void with_flow(void (*body)(struct flow *flow));

/* A queued run on a thread of its own. */
SUSPENDS void flow_new_run(struct flow *flow);

/* Claims flow->run for a worker and lets it work until it let go. Strikes at suspension `at`;
 * 0: never. */
SUSPENDS void flow_attempt(struct flow *flow, struct worker *worker, int at, flow_strike_fn strike);

/* Status of flow->run. Asserts that the run and its thread are in order: no message twice or
 * missing, no fiber left, no step left open and the thread released if the run ended, a completed
 * run whole. */
enum run_status flow_check(struct flow *flow);

/* Tokens that the workers' models used so far, and those that the runs' rows tell. */
int64_t flow_tokens_used(const struct flow *flow);

/* Plain SQL over a blocking connection: may be used in a strike. $1 is flow->run. */
void flow_sql(struct flow *flow, const char *statement);
int64_t flow_sql_int(struct flow *flow, const char *query);
