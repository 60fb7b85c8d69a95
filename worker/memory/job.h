#pragma once
/* What runs of kind "memory" do (kinds/memory.c): work behind the runs of agents, so that later
 * ones know more, or read less. A job is one struct of functions, a file each, and a row of the
 * table in jobs.c.
 *
 *     a run of an agent is completed ──► follows: is there something to do? ──► made with its end
 *     the memory run: gather ──► the model is asked ──► keep ──► completed, with a result
 *
 * A crash means that the job is begun again, so what `keep` stores depends on what `gather` saw (a
 * position, a version): done twice it has the effect of once. When it fails, nothing is stored, and
 * the next run of the agent is followed by another one.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/json/json.h"
#include "worker/run/task/task.h"

struct memory_job {
    const char *name; /* the member "job" of a spec */
    /* What is to be asked: task->setup.asked is set, and lives in the task's arena. Returns
     * RUN_GO_ON; RUN_FINISH by memory_finish: there is nothing to ask; or as stages do. */
    SUSPENDS MUSTCHECK int (*gather)(struct run_task *task, struct error *err);
    /* The reply is task->reply. Returns RUN_FINISH by memory_finish, or as stages do. NULL: gather
     * never asks. */
    SUSPENDS MUSTCHECK int (*keep)(struct run_task *task, struct error *err);
    /* Whether a run of an agent that is about to be completed is followed by one: then *out, with
     * texts in the task's arena. It does not suspend, and looks only at what the task holds, so
     * that it costs nothing where nothing is wanted. */
    bool (*follows)(struct run_task *task, struct memory_run *out);
};

extern const struct memory_job memory_job_learn; /* what was said -> what is known of a user */
extern const struct memory_job memory_job_memory_vectors; /* memories: the same */
extern const struct memory_job memory_job_vectors;        /* messages -> what they are found by */
extern const struct memory_job memory_job_summary; /* what runs are told in place of old messages */

/* The work of a memory run, in its arena. */
struct memory_work {
    const struct memory_job *job;
    struct json_object *spec;
    void *own; /* what the job knows from gather on */
};

/* From a spec to the work, and to what a run's setup says of its models. memory_work_free it.
 * Returns 0, -E_INVALID with what is wrong, or -E_LIMIT. */
MUSTCHECK int memory_work_read(struct run_task *task, struct text spec, struct error *err);
void memory_work_free(struct memory_work *work); /* accepts NULL */

/* The end of a memory run: completed, with {"job", "outcome"} and the further members of the JSON
 * object `more` (TEXT_NONE: none). Returns RUN_FINISH. */
int memory_finish(struct run_task *task, const char *outcome, struct text more);

/* Which memory runs follow a run of an agent that is about to be completed: ending.follows. */
void memory_follow(struct run_task *task);
