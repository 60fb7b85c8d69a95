#pragma once
/* Writing until it is known what became of it: one policy for every write of a run.
 *
 * What is unavailable or ambiguous is sent again, with capped backoff, until it is written or
 * refused, or the lease is lost. Writes are shielded from cancels, since half a write is worse than
 * a late stop. While the lease is only not trusted they go on: a write that lands carried a good
 * fence.
 */

#include "shared/base/compiler.h"
#include "shared/store/leases/run_leases.h"

struct error;
struct run_task;

enum persist_kind {
    PERSIST_CHECKPOINT, /* the run goes on */
    PERSIST_ENDING,     /* task->ending.end */
    PERSIST_HAND_BACK,  /* task->ending.back */
    PERSIST_PARK,       /* task->ending.parking */
};

/* Returns as the functions of run_leases.h do, without transient errors, and 0 only when it is
 * written: the meter is then saved. */
SUSPENDS MUSTCHECK int persist(struct run_task *task, enum persist_kind kind,
                               const struct run_changes *changes, struct error *err);
