#pragma once
/* The watch: fibers that look after the runs in work, until the last of them has ended.
 *
 *   cancels   a look into Postgres at every nudge over pub/sub, and every second for what no nudge
 *             told (Redis may be away): it alone says that a run is to be cancelled
 *   trust     when the lease is not trusted any more, what is under way outside is cut off: others
 *             may be about to do the same. Runs that wait for a write stay. When the worker was
 *             declared dead, all are dropped
 *   strays    runs that Postgres says are ours but that nobody works on: looked for by consume.c
 *             after a claim whose answer was lost and after lost trust, and when Postgres counts
 *             more of them than there are here
 */

#include "shared/base/compiler.h"

struct watch;
struct worker;

struct watch *watch_open(struct worker *worker);
SUSPENDS void watch_close(struct watch *watch); /* accepts NULL; frees */
