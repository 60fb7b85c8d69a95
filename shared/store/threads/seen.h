#pragma once
/* What an agent has seen of a thread: see message_lists.c for how that is known. */

#include "shared/store/store.h"

/* The position up to which it has seen all; 0: nothing. */
SUSPENDS MUSTCHECK int messages_seen(const struct store *store, struct uuid thread,
                                     struct uuid agent, int64_t *out, struct error *err);

/* Whether there is a message behind that, of somebody else: for an agent, and for that of a run. */
SUSPENDS MUSTCHECK int messages_pending(const struct store *store, struct uuid thread,
                                        struct uuid agent, bool *out, struct error *err);
SUSPENDS MUSTCHECK int messages_pending_for_run(const struct store *store, struct uuid thread,
                                                struct uuid run, bool *out, struct error *err);
