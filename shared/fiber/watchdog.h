#pragma once
/* The watchdog: live means progress. A process whose loop stands still, or of which a part that
 * must go on for ever no longer goes round, can't mend itself: it ends, and leases and supervisors
 * do the rest.
 *
 * A part has a pulse and beats it each time it has gone round, whether what it tried succeeded or
 * not: a database that is away for ten minutes is no reason to end, a fiber that never comes back
 * is one. Time here is time in which the process ran: a process that was stopped, or a machine that
 * slept, is not blamed for it.
 */

#include "shared/base/compiler.h"

struct error;

#define WATCHDOG_EXIT 70 /* EX_SOFTWARE */

struct watchdog_options {
    int64_t lag_limit_ms; /* of the loop; default 5000 */
    int64_t grace_ms;     /* from "stuck" on the health page to the end; default 2000 */
};

/* Starts a thread that watches and a fiber that shows it that the loop turns; once per process,
 * from a fiber. Stop it before the process ends. NULL options: the defaults. Returns 0, or
 * -E_SYSTEM when there is no thread to be had. */
SUSPENDS MUSTCHECK int watchdog_start(const struct watchdog_options *options, struct error *err);
SUSPENDS void watchdog_stop(void); /* does nothing when it was not started */

/* A part that must go on. Owner's storage; `name` is static; beat from any thread. Zeroed memory is
 * a pulse that nobody watches. A pulse starts as just beaten. */
struct pulse {
    struct pulse *next; /* under the watchdog's lock, as all but beat_ms */
    const char *name;
    int64_t limit_ms;
    int64_t beat_ms; /* atomic */
};

void pulse_start(struct pulse *pulse, const char *name, int64_t limit_ms);
void pulse_beat(struct pulse *pulse);
void pulse_stop(struct pulse *pulse);

/* The part that has not gone round within its limit ("loop" for the loop itself), or NULL. */
const char *watchdog_stuck(void);

/* How late the loop came to a timer: the worst of the last 15 to 30 seconds. */
int64_t watchdog_lag_ms(void);
