/* vectors: messages of a thread that have none yet get theirs. A run that was given what is near
 * makes those of some hundred messages itself, and is followed by this where there are more: of a
 * thread that was there before, or when another model makes them. Nothing is asked of a model that
 * answers, and what is done twice has the effect of once. */

#include "providers/nearest/nearest.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/store/runs/memory_runs.h"
#include "worker/memory/job.h"
#include "worker/memory/vectors_spec.h"
#include "worker/run/task/task.h"
#include "worker/state.h"

/* What one run does at most before it ends, and the next run of the agent is followed by another
 * one. */
#define FILL_MS 600000

static int gather(struct run_task *task, struct error *err)
{
    const struct run_claim *row = &task->claim.row;
    const struct store store = {
        .pg = task->worker->pg, .tenant = row->tenant_id, .arena = &task->arena};
    struct nearest_ask ask = {
        .thread = row->thread_id,
        .below = json_get_int(task->memory->spec, "below", 0),
        .requests_per_minute = row->requests_per_minute,
        .tokens_per_minute = row->tokens_per_minute,
        .deadline_ms = deadline_min(task->deadline_ms, deadline_in(FILL_MS)),
    };
    struct nearest_choice own;
    bool more = false;
    int r = run_nearest_read(&store, row->lease.run, &own, err);

    if (r > 0)
        return RUN_DROP;
    if (r < 0)
        return r;
    ask.user = own.user;
    r = nearest_fill(&task->worker->vectors, &store, &ask, &more, err);
    if (r < 0)
        return r;
    if (r == VECTORS_AWAY)
        return memory_finish(task, "model_away", TEXT_NONE);
    return memory_finish(task, more ? "in_part" : "done", TEXT_NONE);
}

static bool follows(struct run_task *task, struct memory_run *out)
{
    char thread[ID_TEXT_SIZE];
    const char *about;

    if (task->vectors_below == 0)
        return false;
    id_format(ID_THREAD, task->claim.row.thread_id, thread);
    about = arena_printf(&task->arena, "vectors:%s", thread);
    return about && vectors_spec_write(task, "vectors", task->vectors_below, about, out);
}

const struct memory_job memory_job_vectors = {
    .name = "vectors",
    .gather = gather,
    .follows = follows,
};
