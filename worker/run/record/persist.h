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

/* A run that is to stop waits no longer than this for Postgres, from when it was asked to. The last
 * try begins at 8 s at the latest, and one that fails at once leaves 2 s of the 10 s for which a
 * worker that leaves waits for its runs (worker.c). */
#define PERSIST_STOPPED_MS  8000
#define PERSIST_WAIT_MAX_MS 2000 /* between two tries */

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

/* How long a run that was asked to stop `since_stop_ms` ago waits before it tries again, of the
 * `wait_ms` that it would else; -1: it gives up. Pure. */
int64_t persist_wait_ms(int64_t wait_ms, int64_t since_stop_ms);
