#pragma once
/* The watch: fibers that look after the runs in work.
 *
 *   cancels   a nudge over pub/sub stops a run at once; a look into Postgres every second finds
 *   what no
 *             nudge told (Redis may be away)
 *   lease     when the worker was declared dead, every run is dropped and a new worker id
 *   registered
 *   strays    runs that Postgres says are ours but that nobody works on (the answer to a claim was
 *             lost) are found by consume.c, after such a claim
 */

#include "shared/base/compiler.h"

struct fiber;
struct worker;

struct watch {
    struct worker *worker;
    struct fiber *cancels;
    struct fiber *nudges;
};

void watch_open(struct watch *watch, struct worker *worker);
SUSPENDS void watch_close(struct watch *watch);
