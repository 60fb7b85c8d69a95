#pragma once
/* Inside the store: many writes of workers as one statement. */

#include "shared/fiber/gather.h"
#include "shared/store/leases/run_write.h"

/* One fiber's write, as it is asked for. */
struct run_write {
    struct gather_item item;
    struct run_lease lease;
    const struct run_changes *changes; /* never NULL */
    enum run_status leaves;            /* the state after it */
    const struct run_ending *ending;   /* when that is terminal */
    const struct run_return *back;     /* when that is RUN_QUEUED */
    const struct run_parking *parking; /* when calls are open after it */

    int status;   /* when done: 0, LEASE_*, RUN_BUSY, or a negative error */
    bool steered; /* of one that is written */
    bool known;   /* status is final; false: to be written yet */
    struct error error;
};

/* Writes those of items [from, to) of the batch, each a run_write, that are not known yet, as one
 * transaction. Returns 0: the outcome of each is known; or an error: nobody's is, and nothing was
 * written unless it is -E_AMBIGUOUS, -E_TIMEOUT or one of the look behind it: then writing again
 * tells. */
SUSPENDS MUSTCHECK int run_group_write(struct pg *pg, struct gather_batch *batch, size_t from,
                                       size_t to, struct error *err);
