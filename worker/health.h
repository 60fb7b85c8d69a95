#pragma once
/* The worker's /healthz (it makes progress), /readyz (it can take runs, or what is missing) and
 * /metrics (Prometheus), on a port of their own. */

#include "shared/base/compiler.h"

struct error;
struct worker;

/* Starts listening. Returns 0, or -E_SYSTEM when the address is taken. */
MUSTCHECK int health_open(struct worker *worker, struct error *err);
SUSPENDS void health_close(struct worker *worker);
