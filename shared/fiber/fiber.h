#pragma once
/* Fibers: stackful coroutines on the one loop of the process (loop.h).
 *
 * A fiber runs until it waits; nothing preempts it, so between two SUSPENDS calls the world stands
 * still. What wakes a fiber only marks it ready; the loop alone resumes it, so no code is ever
 * re-entered from inside a callback.
 *
 * Cancellation is a result, not a jump: fiber_cancel() makes every wait of that fiber, the present
 * one and all later ones, return WAIT_CANCELED (functions above return -E_CANCELED) until it ends.
 * Cancel outranks time-out, time-out outranks wake-up. A fiber is never destroyed while suspended:
 * its clean-ups would not run. fiber_shield_enter/leave hide a pending cancel around what must
 * finish (with a short deadline of its own).
 *
 * Stacks are 256 KiB (1 MiB under sanitizers) of lazily committed memory above a guard page.
 */

#include "shared/base/clock.h"
#include "shared/base/compiler.h"

struct error;
struct fiber;
struct log_context;

typedef void (*fiber_fn)(void *arg);

enum wait_result { WAIT_WOKEN, WAIT_TIMEOUT, WAIT_CANCELED };

/* Start a fiber that runs fn(arg) from the next turn of the loop on. `name` is copied (31 chars).
 * It frees itself when fn returns: the pointer is valid until then, so keep it only where the fiber
 * itself clears it. Never fails: running out of memory or mappings aborts, so cap what you
 * spawn. */
struct fiber *fiber_spawn(const char *name, fiber_fn fn, void *arg);

/* As fiber_spawn, but its owner must fiber_join() it, exactly once. */
struct fiber *fiber_start(const char *name, fiber_fn fn, void *arg);

/* Waits until the fiber has ended, and frees it. Not cut short by a cancel of the caller: cancel
 * the joined fiber first where waiting for its normal end is not wanted. */
SUSPENDS void fiber_join(struct fiber *fiber);

void fiber_cancel(struct fiber *fiber);

/* The running fiber; NULL on the loop's own stack (in a libev or curl callback). */
struct fiber *fiber_self(void);

/* Whether the running fiber was cancelled and is not shielded. */
bool fiber_canceled(void);

/* Nestable. */
void fiber_shield_enter(void);
void fiber_shield_leave(void);

/* Suspend until fiber_wake(), the deadline (clock_ms, DEADLINE_NONE for none) or a cancel. `reason`
 * is a static string, for the dump. A wake-up that came before the wait counts (one is remembered),
 * so loops re-check their condition. */
SUSPENDS MUSTCHECK enum wait_result fiber_wait(const char *reason, int64_t deadline_ms);

/* Mark a fiber ready. From any fiber or callback of the loop's thread; no other thread. */
void fiber_wake(struct fiber *fiber);

/* Returns 0 when the time has passed, -E_CANCELED otherwise. */
SUSPENDS MUSTCHECK int fiber_sleep(int64_t wait_ms, struct error *err);

/* Let every other ready fiber run once. Ignores cancels. */
SUSPENDS void fiber_yield(void);

/* The log context of the running fiber, to be filled by it (see log.h). */
struct log_context *fiber_log_context(void);

/* While held, a wait is a programmer error (asserted). */
void fiber_no_suspend_enter(void);
void fiber_no_suspend_leave(void);

/* Before a long wait: gives the part of the running fiber's stack that deep calls have used and the
 * present one does not back to the system, a page or two. Does nothing while there are few fibers,
 * where memory matters less than the call. */
void fiber_trim_stack(void);

/* For tests that inject faults: called with each fiber that is about to suspend in fiber_wait.
 * NULL, the default, calls nothing. It may wake and cancel fibers, that one too. It may not
 * wait. */
typedef void (*fiber_wait_fn)(struct fiber *fiber);
void fiber_on_wait(fiber_wait_fn hook);

/* Fibers that have not ended. */
size_t fiber_count(void);
