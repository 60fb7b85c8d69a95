/* memory_vectors: memories of a user that have no vector of the present model get one: where
 * another model makes them now, or the model was away when they were kept. It is made by a run that
 * has met some. What has changed meanwhile is left alone, so done twice it has the effect of
 * once. */

#include "providers/vectors/vectors.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/store/leases/run_recalls.h"
#include "shared/store/runs/memory_runs.h"
#include "shared/store/users/memories.h"
#include "worker/memory/job.h"
#include "worker/memory/vectors_spec.h"
#include "worker/state.h"

#define MAKE_MS   600000
#define SLICE_MAX 100

struct making {
    struct run_task *task;
    struct text user;
    struct text model;
    struct uuid after;
    bool more;
};

SUSPENDS static int make_vectors(const struct making *making, const struct memory_unseen_list *list,
                                 struct arena *arena, struct vectors *out, struct error *err)
{
    const struct run_claim *row = &making->task->claim.row;
    struct text *texts = arena_calloc(arena, list->count + 1, sizeof(*texts));
    const struct vectors_ask ask = {
        .texts = texts,
        .count = list->count,
        .purpose = VECTORS_DOCUMENT,
        .tenant = row->tenant_id,
        .user = making->user,
        .run = row->lease.run,
        .requests_per_minute = row->requests_per_minute,
        .tokens_per_minute = row->tokens_per_minute,
        .deadline_ms = deadline_min(making->task->deadline_ms, deadline_in(MAKE_MS)),
    };

    if (!texts)
        return error_set(err, E_LIMIT, "there is no room for the memories");
    for (size_t i = 0; i < list->count; i++)
        texts[i] = list->items[i].text;
    return vectors_make(&making->task->worker->vectors, &ask, arena, out, err);
}

SUSPENDS static int keep_vectors(const struct making *making, const struct store *store,
                                 const struct memory_unseen_list *list,
                                 const struct vectors *vectors, struct error *err)
{
    struct memory_vector *kept = arena_calloc(store->arena, list->count + 1, sizeof(*kept));
    size_t count = 0;

    if (!kept)
        return error_set(err, E_LIMIT, "there is no room for the memories");
    for (size_t i = 0; i < list->count; i++)
        if (vectors->items[i].ptr)
            kept[count++] = (struct memory_vector){list->items[i].id, list->items[i].version,
                                                   vectors->items[i]};
    return count > 0 ? memories_set_vectors(store, making->user, vectors->model, kept, count, err)
                     : 0;
}

/* Returns 0, VECTORS_AWAY or an error. */
SUSPENDS static int make_slice(struct making *making, struct error *err)
{
    struct arena arena;
    struct store store = {
        .pg = making->task->worker->pg,
        .tenant = making->task->claim.row.tenant_id,
        .arena = &arena,
    };
    struct memory_unseen_list list = {.count = 0};
    struct vectors vectors = {.count = 0};
    int r;

    arena_init(&arena, 0);
    r = memories_without_vector(&store, making->user, making->model, making->after, SLICE_MAX,
                                &list, err);
    if (r == 0 && list.count > 0)
        r = make_vectors(making, &list, &arena, &vectors, err);
    if (r == 0 && list.count > 0)
        r = keep_vectors(making, &store, &list, &vectors, err);
    making->more = list.count == SLICE_MAX;
    if (list.count > 0)
        making->after = list.items[list.count - 1].id;
    arena_deinit(&arena);
    return r;
}

static int gather(struct run_task *task, struct error *err)
{
    const struct store store = {
        .pg = task->worker->pg, .tenant = task->claim.row.tenant_id, .arena = &task->arena};
    struct making making = {.task = task, .more = true};
    struct run_recall own;
    int r = run_recalls_read(&store, task->claim.row.lease.run, &own, err);

    if (r > 0)
        return RUN_DROP;
    making.user = own.user;
    if (r == 0 && own.user.len == 0)
        return memory_finish(task, "nobody", TEXT_NONE);
    if (r == 0)
        r = vectors_model(&task->worker->vectors, &task->arena, &making.model, err);
    while (r == 0 && making.more)
        r = make_slice(&making, err);
    if (r < 0)
        return r;
    return memory_finish(task, r == VECTORS_AWAY ? "model_away" : "done", TEXT_NONE);
}

static bool follows(struct run_task *task, struct memory_run *out)
{
    const char *about;

    if (!task->memories_unseen)
        return false;
    about = arena_printf(&task->arena, "vectors:user:%.*s", TEXT_ARGS(task->recall.user));
    return about && vectors_spec_write(task, "memory_vectors", 0, about, out);
}

const struct memory_job memory_job_memory_vectors = {
    .name = "memory_vectors",
    .gather = gather,
    .follows = follows,
};
