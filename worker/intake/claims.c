/* Claims and strays. */

#include "worker/intake/claims.h"

#include <stdlib.h>

#include "shared/base/arena.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"
#include "shared/store/leases/run_leases.h"
#include "shared/store/threads/histories.h"
#include "worker/kinds/kinds.h"
#include "worker/lease/heartbeat.h"
#include "worker/run/task/task.h"
#include "worker/state.h"

void claims_init(struct claims *claims, struct worker *worker)
{
    *claims = (struct claims){.worker = worker};
    cond_init(&claims->done);
}

/* Claims are made one at a time. Returns 0, or -E_CANCELED. */
static int begin(struct claims *claims, struct error *err)
{
    while (claims->under_way) {
        int r = cond_wait(&claims->done, DEADLINE_NONE, err);

        if (r < 0)
            return r;
    }
    claims->under_way = true;
    pulse_beat(&claims->worker->pulse);
    return 0;
}

static void end(struct claims *claims)
{
    claims->under_way = false;
    cond_signal(&claims->done);
}

static void start(struct worker *worker, const struct run_claim_list *list,
                  const struct histories *histories)
{
    for (size_t i = 0; i < list->count; i++)
        kinds_start(worker, &list->items[i], histories);
    heartbeat_set_busy(worker->heartbeat, (int64_t)worker->busy);
}

/* Asks for what is ours and not in work here. */
static int ask_strays(struct worker *worker, struct arena *arena, struct run_claim_list *list,
                      struct error *err)
{
    struct uuid *known = xcalloc(worker->busy + 1, sizeof(*known));
    size_t count = 0;
    int r;

    list_for_each (item, &worker->runs)
        known[count++] = CONTAINER_OF(item, struct run_task, link)->claim.row.lease.run;
    r = run_leases_held(worker->pg, arena, worker->id, known, count, list, err);
    free(known);
    return r;
}

int claims_adopt_strays(struct claims *claims, struct error *err)
{
    struct worker *worker = claims->worker;
    struct run_claim_list list = {0};
    struct arena arena;
    int r = begin(claims, err);

    if (r < 0)
        return r;
    arena_init(&arena, 0);
    worker->strays = false; /* there may be others before this is answered */
    r = ask_strays(worker, &arena, &list, err);
    if (r == 0)
        start(worker, &list, NULL);
    worker->strays |= r < 0 || list.count > 0;
    arena_deinit(&arena);
    end(claims);
    return r;
}

/* With the histories, unless these are what can't be read. A claim that was given up would hold its
 * runs until the drain ends: it is waited for, and its runs are handed back at once. */
static int ask(struct claims *claims, struct arena *arena, const struct uuid *runs, size_t count,
               struct run_claim_list *list, struct histories *histories, struct error *err)
{
    struct worker *worker = claims->worker;
    int r = 0;

    fiber_shield_enter();
    if (!claims->bare)
        r = run_leases_claim_read(worker->intake, arena, worker->id, runs, count, list, histories,
                                  err);
    if (claims->bare || r == -E_CONTENT || r == -E_REJECTED) {
        pulse_beat(&worker->pulse);
        r = run_leases_claim(worker->intake, arena, worker->id, runs, count, list, err);
    }
    fiber_shield_leave();
    claims->bare = r < 0;
    return r;
}

static void note_waits(struct worker *worker, const struct run_claim_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].lease.fence == 1)
            histogram_add(&worker->queue_wait_us, list->items[i].waited_us);
}

int claims_take(struct claims *claims, const struct uuid *runs, size_t count, struct error *err)
{
    struct worker *worker = claims->worker;
    struct run_claim_list list = {0};
    struct histories histories = {0};
    struct arena arena;
    int r = begin(claims, err);

    if (r < 0)
        return r;
    arena_init(&arena, 0);
    r = ask(claims, &arena, runs, count, &list, &histories, err);
    if (r == 0) {
        note_waits(worker, &list);
        start(worker, &list, &histories);
    }
    histories_deinit(&histories);
    arena_deinit(&arena);
    end(claims);
    pulse_beat(&worker->pulse);
    if (r < 0 && r != -E_CANCELED) {
        log_warn("claim failed", LOG_ERROR(err));
        worker->strays = true;
    }
    return r;
}
