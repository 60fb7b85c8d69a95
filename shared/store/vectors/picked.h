#pragma once
/* Messages of a thread by their positions, as a history has them. */

#include "shared/store/threads/messages.h"

/* Those that are there, oldest first. */
SUSPENDS MUSTCHECK int messages_picked(const struct store *store, struct uuid thread,
                                       const int64_t *positions, size_t count,
                                       struct message_list *out, struct error *err);
