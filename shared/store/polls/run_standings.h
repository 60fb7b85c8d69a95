#pragma once
/* How far many runs are: what a reader of them compares with what it has seen. */

#include "shared/store/runs/run_state.h"
#include "shared/store/store.h"

#define STANDINGS_BATCH_MAX 1000

struct run_standing_row {
    struct uuid run;
    int64_t step; /* writes of workers so far; -1: the run is not there */
    int status;   /* an enum run_status; -1: not there */
};

/* Of up to STANDINGS_BATCH_MAX runs, of whatever tenants, in their order. */
SUSPENDS MUSTCHECK int run_standings(struct pg *pg, const struct uuid *runs, size_t count,
                                     struct run_standing_row *out, struct error *err);
