#pragma once
/* The state that is kept with a thread (agent_state), as the thread's run reads and changes it.
 * Clients change it by threads_update; each change counts its version up, so none is lost. */

#include "shared/store/leases/run_write.h"
#include "shared/store/store.h"

#define AGENT_STATE_MAX 65536 /* bytes of JSON */

struct agent_state {
    struct text json; /* an object; TEXT_NONE: there is none. In the store's arena */
    int64_t version;
};

/* Returns 0, or THREAD_MISSING. */
SUSPENDS MUSTCHECK int agent_state_read(const struct store *store, struct uuid thread,
                                        struct agent_state *out, struct error *err);

/* Puts the members of `changes`, a JSON object, in place of those of the same names, as the run
 * that has this thread. Returns 0; STATE_CHANGED: it has another version by now, or the run is not
 * this worker's any more, which is known at its next write. */
SUSPENDS MUSTCHECK int agent_state_change(const struct store *store, const struct run_lease *lease,
                                          int64_t version, struct text changes, struct error *err);
