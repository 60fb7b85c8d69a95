/* Writing until it is known what became of it. */

#include "worker/run/record/persist.h"

#include "shared/base/backoff.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/fiber/fiber.h"
#include "worker/lease/heartbeat.h"
#include "worker/live/speaker.h"
#include "worker/run/task/task.h"
#include "worker/state.h"

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

static bool lease_is_lost(const struct run_task *task)
{
    return task->stop == RUN_STOP_FENCED || heartbeat_dead(task->worker->heartbeat);
}

int64_t persist_wait_ms(int64_t wait_ms, int64_t since_stop_ms)
{
    int64_t left_ms = PERSIST_STOPPED_MS - since_stop_ms;

    if (left_ms <= 0)
        return -1;
    return wait_ms < left_ms ? wait_ms : left_ms;
}

static int send_until_known(struct run_task *task, enum persist_kind kind,
                            const struct run_changes *changes, struct error *err)
{
    struct backoff backoff = {.policy = {.base_ms = 50, .cap_ms = PERSIST_WAIT_MAX_MS}};

    for (;;) {
        int64_t wait_ms;
        int r;

        if (lease_is_lost(task))
            return LEASE_FENCED;
        r = send_once(task, kind, changes, err);
        if (!error_is_transient(r))
            return r;
        wait_ms = backoff_next_ms(&backoff);
        if (task->stop != RUN_STOP_NONE)
            wait_ms = persist_wait_ms(wait_ms, clock_ms() - task->stopped_ms);
        if (wait_ms < 0)
            return LEASE_FENCED;
        log_debug("write to be sent again", LOG_ERROR(err), LOG_INT("tries", backoff.tries));
        IGNORE(fiber_sleep(wait_ms, NULL));
    }
}

int persist(struct run_task *task, enum persist_kind kind, const struct run_changes *changes,
            struct error *err)
{
    int r;

    fiber_shield_enter();
    task->writing = true;
    r = send_until_known(task, kind, changes, err);
    if (r == 0)
        spending_stored(&task->spending, task->worker->pg, task->worker->redis);
    task->writing = false;
    fiber_shield_leave();
    if (r != 0)
        return r;
    meter_saved(&task->meter);
    task->worker->counters.checkpoints++;
    speaker_stored(task->worker->speaker, &task->claim.row, false);
    return 0;
}
