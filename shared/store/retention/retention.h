#pragma once
/* Retention as a tenant sees it: what is said of how long its things are kept, and what would go
 * now. What schedulers do about it is in sweeps.h.
 *
 * A policy is JSON as the API has it (shared/agent/checks.h, check_retention). It is said of the
 * tenant, of an agent (a member of its spec) and of a schedule; the narrowest one that there is
 * counts for a thread, and its runs follow it. Nothing said is "keep".
 */

#include "shared/store/store.h"

struct retention {
    struct text policy;    /* the tenant's; TEXT_NONE: none */
    struct text agents;    /* JSON array: those that say something else, RETENTION_SHOWN at most */
    struct text schedules; /* the same */
    int64_t done_to;       /* what was due then is gone */
};

#define RETENTION_SHOWN   100
#define RETENTION_COUNTED 100000 /* batches, at most */

SUSPENDS MUSTCHECK int retention_get(const struct store *store, struct retention *out,
                                     struct error *err);

/* TEXT_NONE: none. */
SUSPENDS MUSTCHECK int retention_put(const struct store *store, struct text policy,
                                     struct error *err);

/* What would go if it were swept now. */
struct retention_preview {
    int64_t threads_deleted;
    int64_t hidden_deleted; /* those in no list: of responses, of lines of batches */
    int64_t threads_archived;
    int64_t runs_deleted; /* with their threads, or without */
    int64_t batches_deleted;
    bool complete; /* false: the time was over before all was looked at */
};

SUSPENDS MUSTCHECK int retention_look(const struct store *store, int64_t deadline_ms,
                                      struct retention_preview *out, struct error *err);
