#pragma once
/* What an agent has seen of a thread: see message_lists.c for how that is known. */

#include "shared/store/store.h"

/* Whether there is a message of somebody else behind all that the agent of a run has seen. */
SUSPENDS MUSTCHECK int messages_pending_for_run(const struct store *store, struct uuid thread,
                                                struct uuid run, bool *out, struct error *err);
