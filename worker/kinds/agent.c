/* An agent's run.
 *
 *   equip ──► resume ──► recollect ──► look ──► sum_up
 *     ──► act ──► pause ──► hear ──► see ──► think ──► answer ──┐
 *          ▲                                                    │
 *          └────────────────────────────────────────────────────┘
 *
 * until the model answers without calling a tool and nothing was said meanwhile, a budget or the
 * deadline is reached, or the run is stopped.
 *
 * A crash means nothing to it: the next attempt goes on behind the last checkpoint, and calls that
 * were left open come first (worker/run/ledger.h). What is to happen before a model call or behind
 * its reply is one more stage in this list.
 */

#include "worker/kinds/kinds.h"
#include "worker/run/stages.h"

static const struct run_stage first[] = {
    {"equip", stage_equip}, {"resume", stage_resume}, {"recollect", stage_recollect},
    {"look", stage_look},   {"sum_up", stage_sum_up}, {NULL, NULL},
};

static const struct run_stage every_round[] = {
    {"act", stage_act},     {"pause", stage_pause},   {"hear", stage_hear}, {"see", stage_see},
    {"think", stage_think}, {"answer", stage_answer}, {NULL, NULL},
};

const struct run_kind kind_agent = {
    .name = "agent",
    .crash = RUN_CRASH_RESUMES,
    .read = run_read_agent,
    .begin = first,
    .round = every_round,
};
