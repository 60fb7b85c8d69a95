#pragma once
/* Whose a run is, and what it was told of him when it began: whoever goes on with the run tells its
 * model the same, whatever was learned or forgotten meanwhile. */

#include "shared/store/leases/run_write.h"
#include "shared/store/store.h"

struct run_recall {
    struct text user;  /* TEXT_NONE: nobody's */
    struct uuid agent; /* zero: none */
    struct text about; /* of a memory run; TEXT_NONE: of another one */
    struct text kept;  /* JSON object; TEXT_NONE: nothing was kept yet */
};

/* Returns 0, or RUN_MISSING. */
SUSPENDS MUSTCHECK int run_recalls_read(const struct store *store, struct uuid run,
                                        struct run_recall *out, struct error *err);

/* Keeps it, unless something was kept before: *out is what holds. Returns 0, or LEASE_FENCED. */
SUSPENDS MUSTCHECK int run_recalls_keep(const struct store *store, const struct run_lease *lease,
                                        struct text recalled, struct text *out, struct error *err);
