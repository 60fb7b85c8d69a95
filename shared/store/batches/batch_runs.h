#pragma once
/* What agents' runs brought, for the answers of a batch's lines. */

#include "shared/store/runs/runs.h"
#include "shared/store/threads/messages.h"

struct batch_run {
    struct run run;
    bool left_calls; /* it ended with calls of functions of its client */
    const struct message *messages;
    size_t messages_count; /* that it wrote and that are shown, in their order */
};

/* Of those of the runs that are there, in no order; *out_count of them in store->arena. */
SUSPENDS MUSTCHECK int batch_runs_read(const struct store *store, const struct uuid *ids,
                                       size_t count, struct batch_run **out, size_t *out_count,
                                       struct error *err);
