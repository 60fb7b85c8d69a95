/* The stages of a run of one call (kinds/completion.c): there is nothing to resume, and what the
 * model said is the end. */

#include "worker/room/room.h"
#include "worker/run/stages.h"
#include "worker/run/task/single_call.h"
#include "worker/run/task/task.h"
#include "worker/state.h"

/* Of a body: as its texts, as the values that were parsed, and as it is sent. */
#define BODY_COPIES 4

int stage_admit(struct run_task *task, struct error *err)
{
    size_t held = task->arena.used + task->single->body_bytes * BODY_COPIES / 2;
    int64_t return_ms = 0;
    int r = room_enter(&task->room, room_of_arena(held), held, task->deadline_ms, &return_ms, err);

    if (r == ROOM_FULL)
        return ending_hand_back(&task->ending, return_ms, RUN_WAIT_BACKOFF);
    if (r == -E_TIMEOUT)
        return ending_expired(&task->ending);
    return r < 0 ? r : RUN_GO_ON;
}

int stage_give(struct run_task *task, struct error *err)
{
    (void)err;
    return single_call_answered(task->single, &task->reply, task->claim.row.started_at,
                                &task->ending);
}
