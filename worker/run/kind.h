#pragma once
/* A kind of run: how it is worked on, and what a crash means to it. The table of kinds is in
 * worker/kinds/. */

#include "shared/base/compiler.h"

struct error;
struct run_task;
struct text;

/* A stage returns an enum run_next (ending.h), or a negative error. */
struct run_stage {
    const char *name; /* for logs; NULL ends a list */
    SUSPENDS MUSTCHECK int (*work)(struct run_task *task, struct error *err);
};

/* What the next attempt does when a worker died with the run in hand. */
enum run_crash {
    RUN_CRASH_RESUMES, /* it goes on behind the last checkpoint */
    RUN_CRASH_FAILS,   /* it ends as failed: what was done can't be seen, and may not be repeated */
};

/* What specs are, by the kind. */
MUSTCHECK int run_read_agent(struct run_task *task, struct text spec, struct error *err);
MUSTCHECK int run_read_completion(struct run_task *task, struct text spec, struct error *err);
MUSTCHECK int run_read_embedding(struct run_task *task, struct text spec, struct error *err);
MUSTCHECK int run_read_memory(struct run_task *task, struct text spec, struct error *err);

struct run_kind {
    const char *name; /* as the database has it */
    enum run_crash crash;
    /* From the spec to what the run is to do (task->setup). NULL: nothing is read. Returns 0, or a
     * negative error that the run fails with. */
    MUSTCHECK int (*read)(struct run_task *task, struct text spec, struct error *err);
    const struct run_stage *begin; /* once, in this order */
    const struct run_stage
        *round; /* then these, again and again, until one does not say RUN_GO_ON */
};
