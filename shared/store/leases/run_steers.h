#pragma once
/* Input that steers a run: messages that came while it was at work, and that its model is to see
 * before its next call (threads/inputs.h). */

#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/store/leases/run_write.h"
#include "shared/store/threads/messages.h"

struct error;
struct pg;

/* At most so many at once, and so many bytes, but always one. */
#define STEERS_MAX       100
#define STEERS_BYTES_MAX 1000000

/* Moves what waits from the thread's input to its messages, in order, and gives it, as a history
 * would; none, where another worker has the run. lease->steered: there is more. Not to be sent
 * again after a failure of which it is not known whether it was done: whoever reads the thread anew
 * sees all. Returns 0, or what pg_exec does. */
SUSPENDS MUSTCHECK int run_steers_take(struct pg *pg, struct run_lease *lease, struct arena *arena,
                                       struct message_list *out, struct error *err);
