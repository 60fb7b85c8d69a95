/* Hear: what was said to the run while it was at work joins its conversation, before the model is
 * asked again. Whether there is something is known from the last write. */

#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/store/leases/run_steers.h"
#include "shared/store/threads/seen.h"
#include "worker/run/stages.h"
#include "worker/run/task/task.h"
#include "worker/state.h"

/* What is not known to be done is found by the next attempt, which reads the thread. */
static int unheard(struct run_task *task, int r, const struct error *err)
{
    if (r == -E_CANCELED)
        return r;
    log_warn("what steers a run could not be read, it is handed back", LOG_ERROR(err));
    return ending_hand_back(&task->ending, 0, RUN_WAIT_NONE);
}

int stage_hear(struct run_task *task, struct error *err)
{
    struct run_lease *lease = &task->claim.row.lease;

    while (lease->steered) {
        struct message_list said;
        int r = run_steers_take(task->worker->pg, lease, &task->arena, &said, err);

        if (r < 0)
            return unheard(task, r, err);
        if (conversation_add_said(&task->conversation, &said, err) < 0)
            return ending_out_of_memory(&task->ending);
        log_info("a run hears what was said meanwhile", LOG_INT("messages", (int64_t)said.count));
    }
    return RUN_GO_ON;
}

int stage_look(struct run_task *task, struct error *err)
{
    struct store store = {
        .pg = task->worker->pg,
        .tenant = task->claim.row.tenant_id,
        .arena = &task->arena,
    };
    bool pending;
    int r;

    if (!task->setup.if_pending || task->claim.row.lease.step > 0)
        return RUN_GO_ON;
    r = messages_pending_for_run(&store, task->claim.row.thread_id, task->claim.row.lease.run,
                                 &pending, err);
    if (r < 0)
        return r;
    return pending ? RUN_GO_ON : ending_completed(&task->ending);
}
