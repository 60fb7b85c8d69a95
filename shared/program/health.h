#pragma once
/* The pages of every program, without a key: they say nothing about tenants.
 *
 *   /healthz  200 while the process makes progress, else 503 with the part that is stuck
 *             (shared/fiber/watchdog.h)
 *   /readyz   200 when it can work, else 503; what is missing, and what is degraded: that one goes
 *             without, more slowly or in part
 *   /metrics  Prometheus text; the program may have it on a port of its own
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/http_server/http_server.h"

/* What a program is judged by. */
struct readiness {
    struct buf missing; /* members of JSON arrays */
    struct buf degraded;
    bool draining;
};

/* One reason, in words. */
void readiness_missing(struct readiness *readiness, const char *format, ...) PRINTF(2, 3);
void readiness_degraded(struct readiness *readiness, const char *format, ...) PRINTF(2, 3);

struct health_pages {
    void (*judge)(void *arg, struct readiness *out); /* must not suspend */
    void (*metrics)(void *arg, struct buf *out);     /* must not suspend; NULL: no such page here */
    void *arg;
};

/* False: the path is none of the pages, and nothing was done. */
SUSPENDS MUSTCHECK bool health_handle(const struct health_pages *pages,
                                      struct http_exchange *exchange);

/* A listener with nothing but the pages; what else is asked for is a 404. */
struct health_listener;

struct health_listen_options {
    const char *host;
    int port;
    struct health_pages pages;
};

/* Returns 0, or -E_SYSTEM when the address is taken. */
MUSTCHECK int health_listen(const struct health_listen_options *options,
                            struct health_listener **out, struct error *err);
int health_port(const struct health_listener *listener);
SUSPENDS void health_close(struct health_listener *listener); /* accepts NULL; frees */
