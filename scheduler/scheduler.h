#pragma once
/* The scheduler: connections, roles and the server, opened and closed as one. */

#include "shared/base/compiler.h"
#include "shared/http_server/http_server.h"

struct api;
struct census;
struct config;
struct dispatcher;
struct error;
struct pg;
struct provider_registry;
struct queue;
struct reap;
struct redis;

enum { ROLE_API = 1, ROLE_DISPATCH = 2, ROLE_REAP = 4 };

struct scheduler {
    const struct config *config;
    unsigned roles;
    struct pg *pg;
    struct redis *redis;
    struct queue *queue;
    struct provider_registry *registry;
    struct api *api;               /* NULL without its role; so is reap */
    struct dispatcher *dispatcher; /* NULL without both the roles api and dispatch */
    struct reap *reap;
    struct census *census;
    struct http_server *server;
};

/* "api,dispatch,reap" as bits. Returns 0, or -E_INVALID naming the word. Pure. */
MUSTCHECK int scheduler_roles(const char *words, unsigned *out, struct error *err);

/* Waits for Postgres (wait_ms at most), looks whether the schema is the one this program knows,
 * starts the roles and listens. `config` must outlive it. Returns 0; -E_UNAVAILABLE or -E_TIMEOUT
 * (Postgres); -E_CONFLICT (schema); -E_INVALID (configuration); -E_SYSTEM (listening); -E_CANCELED.
 * After a failure everything is closed again. */
SUSPENDS MUSTCHECK int scheduler_open(const struct config *config, int64_t wait_ms,
                                      struct scheduler *out, struct error *err);

/* Lets requests finish until the deadline, stops the roles, closes the connections. */
SUSPENDS void scheduler_close(struct scheduler *scheduler, int64_t deadline_ms);

/* /healthz, /readyz and /metrics. False: the path is none of them, and nothing was done. */
SUSPENDS bool health_handle(struct scheduler *scheduler, struct http_exchange *exchange);

/* The page of /metrics. */
void health_metrics(struct scheduler *scheduler, struct buf *out);
