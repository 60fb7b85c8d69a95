/* Writing until it is known what became of it. */

#include "worker/run/record/persist.h"

#include "shared/base/backoff.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/fiber/fiber.h"
#include "worker/lease/heartbeat.h"
#include "worker/run/task/task.h"
#include "worker/state.h"

#define TRIES_WHILE_STOPPED 10 /* a run that is to stop waits no longer for Postgres: some 6 s */

static const struct backoff_policy again = {.base_ms = 50, .cap_ms = 2000};

static int send_once(struct run_task *task, enum persist_kind kind,
                     const struct run_changes *changes, struct error *err)
{
    struct run_writer *writer = task->worker->writer;
    struct run_lease *lease = &task->claim.row.lease;
    const struct ending *ending = &task->ending;

    switch (kind) {
    case PERSIST_CHECKPOINT:
        return run_leases_checkpoint(writer, lease, changes, err);
    case PERSIST_ENDING:
        return run_leases_finish(writer, lease, changes, &ending->end, err);
    case PERSIST_PARK:
        return run_leases_park(writer, lease, changes, &ending->parking, err);
    case PERSIST_HAND_BACK:
        break;
    }
    return run_leases_hand_back(writer, lease, changes, &ending->back, err);
}

/* Postgres is away, which says nothing about the write. */
static bool is_transient(int r)
{
    return r == -E_UNAVAILABLE || r == -E_AMBIGUOUS || r == -E_TIMEOUT;
}

static bool lease_is_lost(const struct run_task *task)
{
    return task->stop == RUN_STOP_FENCED || heartbeat_dead(task->worker->heartbeat);
}

static int send_until_known(struct run_task *task, enum persist_kind kind,
                            const struct run_changes *changes, struct error *err)
{
    for (int tries = 0;; tries++) {
        int r;

        if (lease_is_lost(task))
            return LEASE_FENCED;
        r = send_once(task, kind, changes, err);
        if (!is_transient(r))
            return r;
        if (task->stop != RUN_STOP_NONE && tries > TRIES_WHILE_STOPPED)
            return LEASE_FENCED;
        log_debug("write to be sent again", LOG_ERROR(err), LOG_INT("tries", tries + 1));
        IGNORE(
            fiber_sleep(backoff_wait_ms(&again, tries, (uint32_t)random_below(UINT32_MAX)), NULL));
    }
}

int persist(struct run_task *task, enum persist_kind kind, const struct run_changes *changes,
            struct error *err)
{
    int r;

    fiber_shield_enter();
    task->writing = true;
    r = send_until_known(task, kind, changes, err);
    task->writing = false;
    fiber_shield_leave();
    if (r != 0)
        return r;
    meter_saved(&task->meter);
    task->worker->counters.checkpoints++;
    return 0;
}
