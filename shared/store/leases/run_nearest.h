#pragma once
/* Which older messages a run is given since they are near to what was said last: chosen once, and
 * kept with it, so that each of its attempts is given the same. */

#include "shared/store/leases/run_leases.h"

struct nearest_choice {
    int64_t *positions; /* ascending; 0: others lie between */
    size_t count;
    bool is_made;     /* false: none was chosen yet */
    struct text user; /* whose run it is; of run_nearest_read. TEXT_NONE: nobody's */
};

/* Returns 0, or RUN_MISSING. */
SUSPENDS MUSTCHECK int run_nearest_read(const struct store *store, struct uuid run,
                                        struct nearest_choice *out, struct error *err);

/* Keeps a choice, unless one is kept already. *out is what is kept. Returns 0, or LEASE_FENCED. */
SUSPENDS MUSTCHECK int run_nearest_keep(const struct store *store, const struct run_lease *lease,
                                        const struct nearest_choice *made,
                                        struct nearest_choice *out, struct error *err);
