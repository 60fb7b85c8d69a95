/* Work behind the runs of agents: worker/memory/job.h says which.
 *
 *   gather ──► think ──► keep
 *               ▲  │
 *               └──┘ waits for its limits, and tries again, as of any run
 *
 * A crash means that it is begun again; what is kept is kept once.
 */

#include "worker/kinds/kinds.h"
#include "worker/run/stages.h"

static const struct run_stage first[] = {
    {"gather", stage_gather},
    {NULL, NULL},
};

static const struct run_stage once[] = {
    {"pause", stage_pause},
    {"think", stage_think},
    {"keep", stage_keep},
    {NULL, NULL},
};

const struct run_kind kind_memory = {
    .name = "memory",
    .crash = RUN_CRASH_RESUMES,
    .read = run_read_memory,
    .begin = first,
    .round = once,
};
