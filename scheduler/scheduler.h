#pragma once
/* The scheduler: connections, roles and the server, opened and closed as one. */

#include "scheduler/state.h"
#include "shared/base/compiler.h"
#include "shared/http_server/http_server.h"

struct buf;
struct config;
struct error;

/* Waits for Postgres (wait_ms at most), looks whether the schema is the one this program knows,
 * starts the roles and listens. `config` must outlive it. Returns 0; -E_UNAVAILABLE or -E_TIMEOUT
 * (Postgres); -E_CONFLICT (schema, or another scheduler has another number of shards); -E_INVALID
 * (configuration); -E_SYSTEM (listening); -E_CANCELED. After a failure everything is closed again.
 */
SUSPENDS MUSTCHECK int scheduler_open(const struct config *config, int64_t wait_ms,
                                      struct scheduler *out, struct error *err);

/* Serves the providers and models of a configuration that was read again. Returns as
 * provider_registry_reload does. */
MUSTCHECK int scheduler_reload(struct scheduler *scheduler, struct config *config,
                               struct buf *changed, struct error *err);

/* Lets requests finish until the deadline, stops the roles, closes the connections. Does nothing to
 * one that is zeroed or closed. */
SUSPENDS void scheduler_close(struct scheduler *scheduler, int64_t deadline_ms);
