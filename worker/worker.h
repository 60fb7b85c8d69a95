#pragma once
/* A worker process, from its opening to its end. What its fibers share is in state.h. */

#include "shared/base/compiler.h"
#include "worker/state.h"

struct buf;
struct config;
struct error;

/* Opens everything and registers; waits for Postgres for a minute. Returns 0, -E_CANCELED, or the
 * error that a person must mend. Close it in any case. */
SUSPENDS MUSTCHECK int worker_open(struct worker *worker, const struct config *config,
                                   struct error *err);

/* Works until draining is asked for by worker_drain, or the worker can't go on. */
SUSPENDS void worker_serve(struct worker *worker);

/* Stop reading; runs end at their next checkpoint, at the latest after the configured time. */
void worker_drain(struct worker *worker);

/* Serves the providers and models of a configuration that was read again; calls under way go on
 * with what they began with. Returns as provider_registry_reload does. */
MUSTCHECK int worker_reload(struct worker *worker, struct config *config, struct buf *changed,
                            struct error *err);

SUSPENDS void worker_close(struct worker *worker);
