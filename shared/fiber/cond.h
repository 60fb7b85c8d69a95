#pragma once
/* A condition that fibers wait for. Waiters are woken in order of arrival and re-check what they
 * wait for, since others may have run in between. */

#include "shared/base/compiler.h"
#include "shared/base/list.h"

struct error;

struct cond {
    struct list waiters;
};

void cond_init(struct cond *cond);

/* Returns 0 when signalled, -E_TIMEOUT, or -E_CANCELED. */
SUSPENDS MUSTCHECK int cond_wait(struct cond *cond, int64_t deadline_ms, struct error *err);

void cond_signal(struct cond *cond);    /* the longest waiter, if any */
void cond_broadcast(struct cond *cond); /* all of them */

/* Whether somebody waits. Nobody may when its storage goes away. */
bool cond_has_waiters(const struct cond *cond);
