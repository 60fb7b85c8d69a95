/* One call of a model, and one of an embedding: what an endpoint asks without a thread, worked on
 * like any other run.
 *
 *   admit ──► think ──► give
 *              ▲  │
 *              └──┘ waits for its limits, and tries again, as of any run
 *
 * A crash means that the call is made once more, with the key by which a provider may know a
 * repetition (worker/run/think/think.c).
 */

#include "worker/kinds/kinds.h"
#include "worker/run/stages.h"

static const struct run_stage first[] = {
    {"admit", stage_admit},
    {NULL, NULL},
};

static const struct run_stage once[] = {
    {"pause", stage_pause},
    {"think", stage_think},
    {"give", stage_give},
    {NULL, NULL},
};

const struct run_kind kind_completion = {
    .name = "completion",
    .crash = RUN_CRASH_RESUMES,
    .read = run_read_completion,
    .begin = first,
    .round = once,
};

const struct run_kind kind_embedding = {
    .name = "embedding",
    .crash = RUN_CRASH_RESUMES,
    .read = run_read_embedding,
    .begin = first,
    .round = once,
};
