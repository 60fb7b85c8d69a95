/* Runs in work: their fibers, and their place on the worker's list. */

#include "worker/run/run.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/config/config.h"
#include "shared/fiber/fiber.h"
#include "worker/live/speaker.h"
#include "worker/memory/job.h"
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
    single_call_free(task->single);
    memory_work_free(task->memory);
    spending_end(&task->spending);
    arena_deinit(&task->arena);
    room_leave(&task->room);
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

int run_read_agent(struct run_task *task, struct text spec, struct error *err)
{
    return setup_parse(spec, &task->arena, &task->setup, err);
}

static int read_single(struct run_task *task, struct text spec, enum single_kind kind,
                       struct error *err)
{
    return single_call_parse(spec, kind, task->claim.row.lease.run, &task->arena, &task->setup,
                             &task->single, err);
}

int run_read_completion(struct run_task *task, struct text spec, struct error *err)
{
    return read_single(task, spec, SINGLE_COMPLETION, err);
}

int run_read_embedding(struct run_task *task, struct text spec, struct error *err)
{
    return read_single(task, spec, SINGLE_EMBEDDING, err);
}

int run_read_memory(struct run_task *task, struct text spec, struct error *err)
{
    return memory_work_read(task, spec, err);
}

/* The spec is parsed here and now, so that no copy of its text needs to be kept. */
static void read_spec(struct run_task *task, struct text spec)
{
    struct error err = {0};

    if (task->kind->read && task->kind->read(task, spec, &err) < 0)
        set_unfit(task, err.text);
}

void run_start(struct worker *worker, const struct run_claim *claim,
               const struct histories *histories, const struct run_kind *kind)
{
    struct run_task *task = xcalloc(1, sizeof(*task));
    char holder[ID_TEXT_SIZE];

    task->worker = worker;
    task->kind = kind;
    task->claim.row.lease = claim->lease;
    arena_init(&task->arena, 0);
    room_share_init(&task->room, &worker->room, claim->tenant_id);
    task->conversation = (struct conversation){.arena = &task->arena, .next_seq = 1};
    task->conversation.joined.arena = &task->arena;
    task->ending.arena = &task->arena;
    ledger_begin(&task->ledger, claim->lease.run, &task->arena);
    meter_begin(&task->meter, claim, worker->config->threads.max_bytes, &task->arena);
    id_format(ID_RUN, claim->lease.run, holder);
    spending_begin(&task->spending, &worker->spendings, holder, claim->budgets,
                   claim->budgets_count);
    if (kind)
        read_spec(task, claim->spec);
    else
        refuse_kind(task, claim->kind);
    context_ask(&task->setup.memory, &task->ask);
    claim_take(&task->claim, claim, task->unfit ? NULL : histories, &task->ask, &task->arena);
    task->setup.tools.permissions.tenant = claim->tenant_id;
    list_add(&worker->runs, &task->link);
    worker->busy++;
    worker->counters.claimed++;
    task->fiber = fiber_spawn("run", run_main, task);
    /* That it is in progress: what comes of it next is often there at once. */
    speaker_stored(worker->speaker, claim, true);
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

void run_stop_waiting(struct worker *worker)
{
    list_for_each_safe (item, &worker->runs) {
        struct run_task *task = CONTAINER_OF(item, struct run_task, link);

        if (task->room.waiting)
            run_stop(task, RUN_STOP_DRAIN);
    }
}

static const struct uuid *id_of(const struct run_task *task)
{
    return &task->claim.row.lease.run;
}

static int compare_tasks(const void *a, const void *b)
{
    return memcmp(id_of(*(struct run_task *const *)a), id_of(*(struct run_task *const *)b),
                  sizeof(struct uuid));
}

static int compare_id(const void *id, const void *task)
{
    return memcmp(id, id_of(*(struct run_task *const *)task), sizeof(struct uuid));
}

void run_index_init(struct run_index *index, const struct worker *worker)
{
    *index = (struct run_index){.tasks = xcalloc(worker->busy + 1, sizeof(struct run_task *))};
    list_for_each (item, &worker->runs)
        index->tasks[index->count++] = CONTAINER_OF(item, struct run_task, link);
    qsort(index->tasks, index->count, sizeof(struct run_task *), compare_tasks);
}

void run_index_deinit(struct run_index *index)
{
    free(index->tasks);
    *index = (struct run_index){0};
}

struct run_task *run_index_find(const struct run_index *index, struct uuid run)
{
    struct run_task **found =
        bsearch(&run, index->tasks, index->count, sizeof(struct run_task *), compare_id);

    return found ? *found : NULL;
}
