#pragma once
/* Input that came while a run was active. It waits, in order, and joins the thread's messages when
 * that run ends, however it ends (promotions.h); or, where it steers, before the run's next
 * call of a model (leases/run_steers.h): a run does not complete while such input waits. The thread
 * counts it from the beginning. */

#include "shared/store/threads/messages.h"

/* Adds one behind the active run of the thread; the texts of *out are the draft's. THREAD_MISSING;
 * THREAD_IDLE: there is no active run, so messages_create is to add it; THREAD_FULL: too much waits
 * already; THREAD_TOO_LARGE; USER_OVER_QUOTA; -E_CONFLICT when the id exists. */
SUSPENDS MUSTCHECK int inputs_add(const struct store *store, struct uuid thread,
                                  const struct message_draft *draft, bool steers,
                                  struct message *out, struct error *err);
