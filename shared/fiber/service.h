#pragma once
/* A service: what a process does again and again as long as it lives. One fiber, one round after
 * another, a wait in between.
 *
 * A round that fails is logged once, and its next success once more: what lasts is one line each
 * way. A service that must go on has a pulse (watchdog.h), beaten after each round, whether what it
 * tried succeeded or not.
 *
 * Zeroed memory is a service that was not started: stopping and waking it do nothing.
 */

#include "shared/base/compiler.h"
#include "shared/fiber/cond.h"
#include "shared/fiber/watchdog.h"

struct error;
struct fiber;

/* One round. Returns 0, or a failure, which does not end the service: only a cancel does. Positive
 * results count as 0. */
typedef int (*service_round_fn)(void *arg, struct error *err);

/* How long to wait after a round, exactly. Must not suspend. */
typedef int64_t (*service_wait_fn)(void *arg);

struct service_options {
    const char *name; /* of the fiber and the pulse; static */
    service_round_fn round;
    void *arg;
    int64_t period_ms;       /* between two rounds, spread by a quarter (service_spread_ms) */
    service_wait_fn wait_ms; /* asked instead, when set */
    int64_t stuck_ms;        /* a round must end within this; 0: no pulse */
    bool late;               /* waits before its first round */
    /* The lines for the first failure and the next success; static. NULL: others tell. */
    const char *trouble;
    const char *recovered;
    const char *label; /* what the lines name beside, with `number` as its value; NULL: nothing */
    int64_t number;
};

/* Owner's storage; its members are for reading. */
struct service {
    struct service_options options;
    struct fiber *fiber;
    struct pulse pulse;
    struct cond woken;
    bool wake;
    bool troubled;     /* the last round failed */
    uint64_t rounds;   /* that ended */
    uint64_t failures; /* of these */
};

void service_start(struct service *service, const struct service_options *options);

/* Cancels the round and waits for its end. */
SUSPENDS void service_stop(struct service *service);

/* The next round begins at once, or after the present one. After a failure the wait is not cut
 * short: whoever wakes it does not know why it failed. */
void service_wake(struct service *service);

/* A beat within a long round. */
void service_beat(struct service *service);

/* The time spread by a quarter to both sides, so that the processes of a fleet do not do the same
 * in step. */
int64_t service_spread_ms(int64_t wait_ms);
