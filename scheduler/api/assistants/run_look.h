#pragma once
/* Reading one run for a client, whatever its size, and sleeping until there is something new of it.
 *
 * A request that waits joins the waiters of the run first, and reads it then: so no end is missed
 * (scheduler/waits). In between it holds a fiber and a connection, but no row, no room and no part
 * of a reply. It ends early when its client goes away, and with the scheduler.
 */

#include "scheduler/api/request.h"
#include "scheduler/waits/waiting.h"
#include "shared/store/runs/runs.h"

/* Most runs are small, and go along with what others ask for. To be asked before a statement that
 * gives this run: where it takes more than SMALL_BYTES_MAX, waits for room for it, and
 * request->store is on the connection for what is large from then on. `thread` zero: any. Returns
 * 0, RUN_MISSING, or -E_INVALID with request->failure. */
SUSPENDS MUSTCHECK int run_make_room(struct request *request, struct uuid thread, struct uuid run);

/* The tenant's run (`thread` zero: whatever its thread), in the store's arena; waits for room where
 * it is large. Returns 0, RUN_MISSING, or -E_INVALID with request->failure. */
SUSPENDS MUSTCHECK int run_look_read(struct request *request, struct uuid thread, struct uuid run,
                                     struct run *out);

/* Until the waiter is woken. Returns 0; RUN_SLEPT: the time is over, or the scheduler ends; or
 * -E_INVALID with request->failure: the client is gone (STATUS_CLIENT_GONE, for the counts: nobody
 * reads it), or there is no room. */
enum { RUN_SLEPT = 202, STATUS_CLIENT_GONE = 499 };
SUSPENDS MUSTCHECK int run_look_sleep(struct request *request, struct waiter *waiter,
                                      int64_t deadline_ms);
