#pragma once
/* What a scheduler does, as a table (roles.c): each part with its name, the roles for which it is
 * started, how to start and stop it, and its metrics. A new part is a row there. */

#include "shared/base/compiler.h"

struct buf;
struct error;
struct scheduler;

enum { ROLE_API = 1, ROLE_DISPATCH = 2, ROLE_REAP = 4, ROLES_ALL = 7 };

/* "api,dispatch,reap" as bits. Returns 0, or -E_INVALID naming the word. Pure. */
MUSTCHECK int scheduler_roles(const char *words, unsigned *out, struct error *err);

/* Starts the parts of the scheduler's roles, in their order. */
void roles_start(struct scheduler *scheduler);
/* Stops those that were started, in the reverse order. */
SUSPENDS void roles_stop(struct scheduler *scheduler);

void roles_metrics_render(struct scheduler *scheduler, struct buf *out);
