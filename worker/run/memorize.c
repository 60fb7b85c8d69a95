/* The stages of a memory run: what it is about is gathered, and what the model made of it is kept.
 * Which work that is, its job knows (worker/memory/job.h). */

#include "shared/store/runs/memory_runs.h"
#include "worker/memory/job.h"
#include "worker/run/stages.h"
#include "worker/run/task/task.h"
#include "worker/state.h"

int stage_gather(struct run_task *task, struct error *err)
{
    int r = memory_runs_sweep(task->worker->pg, task->claim.row.lease.run, err);

    return r < 0 ? r : task->memory->job->gather(task, err);
}

int stage_keep(struct run_task *task, struct error *err)
{
    return task->memory->job->keep(task, err);
}
