#pragma once
/* What others offered a run to call, as it was when the run began: whoever goes on with the run has
 * the same tools, whatever became of the servers. */

#include "shared/store/leases/run_write.h"
#include "shared/store/store.h"

/* *out is TEXT_NONE where nothing was kept yet. Returns 0, or RUN_MISSING. */
SUSPENDS MUSTCHECK int run_tools_read(const struct store *store, struct uuid run, struct text *out,
                                      struct error *err);

struct run_tools {
    struct text offered;
    struct text problems; /* JSON array, for whoever reads the run; TEXT_NONE: none */
};

/* Keeps it, unless something was kept before: *out is what holds. Returns 0, or LEASE_FENCED. */
SUSPENDS MUSTCHECK int run_tools_keep(const struct store *store, const struct run_lease *lease,
                                      const struct run_tools *tools, struct text *out,
                                      struct error *err);
