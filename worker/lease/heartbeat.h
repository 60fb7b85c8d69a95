#pragma once
/* The heartbeat: a thread with a blocking connection of its own that renews the worker's lease, so
 * that a busy loop never loses a healthy lease. It checks that the loop turns, too, so that a dead
 * loop never keeps one: after 5 s without a turn it stops renewing. The connection holds the
 * advisory lock of the worker's id, whose end a scheduler sees at once.
 *
 * Trust: a lease is trusted for four fifths of its time (8 of 10 s), counted from when the last
 * successful renewal was sent, by CLOCK_BOOTTIME. No call to the outside may begin later than that,
 * and those under way are cut off (watch.h).
 */

#include "shared/base/compiler.h"

struct error;
struct heartbeat;

struct heartbeat_options {
    const char *database_url;
    int64_t interval_ms;
    int64_t lease_ms;
};

/* Starts the thread. Returns 0 or -E_SYSTEM. */
MUSTCHECK int heartbeat_open(const struct heartbeat_options *options, struct heartbeat **out,
                             struct error *err);
void heartbeat_close(struct heartbeat *heartbeat); /* waits for the thread; accepts NULL */

/* From now on renew this worker's lease, which was taken at sent_ms (clock_ms). 0: none. */
void heartbeat_watch(struct heartbeat *heartbeat, int64_t worker, int64_t sent_ms);

/* Told by the loop: runs in hand, shown in the worker's row. */
void heartbeat_set_busy(struct heartbeat *heartbeat, int64_t busy);

/* Whether a call to the outside may begin now. */
bool heartbeat_trusted(const struct heartbeat *heartbeat);

/* Whether Postgres said that this worker was declared dead. */
bool heartbeat_dead(const struct heartbeat *heartbeat);
