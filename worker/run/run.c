/* Runs in work: their fibers, and their place on the worker's list. */

#include "worker/run/run.h"

#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"
#include "worker/run/execute.h"
#include "worker/run/kind.h"
#include "worker/state.h"

static void run_main(void *arg)
{
    struct run_task *task = arg;
    struct worker *worker = task->worker;

    execute_run(task);
    list_remove(&task->link);
    worker->busy--;
    cond_broadcast(&worker->changed);
    arena_deinit(&task->arena);
    free(task);
}

static void set_unfit(struct run_task *task, const char *why)
{
    task->unfit = arena_string(&task->arena, why);
    if (!task->unfit)
        task->unfit = "the run's spec can't be read";
}

static void refuse_kind(struct run_task *task, struct text name)
{
    char shown[64];
    struct error err;

    text_excerpt(name, shown, sizeof(shown));
    error_set(&err, E_INVALID,
              "this worker knows no runs of the kind '%s'; a newer version of penstock-worker may",
              shown);
    set_unfit(task, err.text);
}

/* The spec is parsed here and now, so that no copy of its text needs to be kept. */
static void read_spec(struct run_task *task, struct text spec)
{
    struct error err = {0};

    if (setup_parse(spec, &task->arena, &task->setup, &err) < 0)
        set_unfit(task, err.text);
}

void run_start(struct worker *worker, const struct run_claim *claim,
               const struct histories *histories, const struct run_kind *kind)
{
    struct run_task *task = xcalloc(1, sizeof(*task));

    task->worker = worker;
    task->kind = kind;
    arena_init(&task->arena, 0);
    task->conversation = (struct conversation){.arena = &task->arena, .next_seq = 1};
    task->ending.arena = &task->arena;
    ledger_begin(&task->ledger, claim->lease.run, &task->arena);
    meter_begin(&task->meter, claim);
    if (kind)
        read_spec(task, claim->spec);
    else
        refuse_kind(task, claim->kind);
    claim_take(&task->claim, claim, task->unfit ? NULL : histories, &task->arena);
    list_add(&worker->runs, &task->link);
    worker->busy++;
    worker->counters.claimed++;
    task->fiber = fiber_spawn("run", run_main, task);
    if (claim->cancelling)
        run_stop(task, RUN_STOP_CANCEL);
}

void run_stop(struct run_task *task, enum run_stop why)
{
    if (task->stop != RUN_STOP_NONE)
        return;
    task->stop = why;
    task->stopped_ms = clock_ms();
    fiber_cancel(task->fiber);
}

void run_stop_all(struct worker *worker, enum run_stop why)
{
    list_for_each_safe (item, &worker->runs)
        run_stop(CONTAINER_OF(item, struct run_task, link), why);
}

struct run_task *run_find(const struct worker *worker, struct uuid run)
{
    list_for_each (item, &worker->runs) {
        struct run_task *task = CONTAINER_OF(item, struct run_task, link);

        if (uuid_equal(task->claim.row.lease.run, run))
            return task;
    }
    return NULL;
}
