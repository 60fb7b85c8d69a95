#pragma once
/* What came with the claim of a run: the lease, the row as it stood, and the beginning of the
 * thread's history. */

#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/store/leases/run_leases.h"
#include "shared/store/threads/messages.h"

struct context_ask;
struct histories;

struct claim {
    struct run_claim row;        /* without its texts; row.lease moves on with every write */
    struct message_list history; /* newest messages of the thread */
    bool history_known;
};

/* Copies the row, and the run's history if it is among `histories` (of the same claim; may be NULL)
 * into the arena. A history that can't be had here, or is not enough for what is asked, is read
 * later: nothing of it is kept. */
void claim_take(struct claim *claim, const struct run_claim *row, const struct histories *histories,
                const struct context_ask *ask, struct arena *arena);

/* The history that came with the claim serves when it is all there is, or all that is wanted: its
 * newest `wanted` messages. False: it must be read. */
MUSTCHECK bool claim_history(const struct claim *claim, size_t wanted, struct message_list *out);

/* The same for what stands behind a position. */
MUSTCHECK bool claim_history_after(const struct claim *claim, int64_t position,
                                   struct message_list *out);

/* When the run must be over, by clock_ms: its expiry, or its own time-out (0: none), for which the
 * time that it was parked does not count. To be asked right behind the claim. */
int64_t claim_deadline_ms(const struct claim *claim, int64_t timeout_ms);
