#pragma once
/* The HTTP API: OpenAI's Assistants v2 under /v1, and a few routes of ours in the same style.
 *
 * api_handle is the handler of shared/http_server. A request passes, in this order: route (404,
 * 405), key (401), body (400, 413, 415), idempotency, the endpoint's own function, reply. The
 * endpoints are a table (endpoints.c) that also says which body each takes; docs/openapi.yaml
 * describes the same.
 */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/base/text.h"
#include "shared/http_server/http_server.h"

struct api;
struct error;
struct pg;
struct provider_registry;

/* What the rest of the process is told. Called in the request's fiber after the commit; none may
 * suspend. Any may be NULL. */
struct api_events {
    void (*run_ready)(struct uuid run, struct uuid tenant, int shard, int priority, void *arg);
    /* A worker has a run in hand that it should stop (or that is gone). */
    void (*run_cancelling)(int64_t worker, struct uuid run, void *arg);
    void *arg;
};

/* What poll_after_ms knows of the queue; kept up to date by api_set_load. */
struct api_load {
    int64_t ready; /* runs that wait for a worker */
    int64_t slots; /* of all workers */
};

struct api_options {
    struct pg *pg;                            /* required */
    const struct provider_registry *registry; /* required */
    int shards;                               /* default 1 */
    int64_t run_ttl_ms;                       /* default 24 h */
    struct api_events events;
};

/* The options' pointers must outlive the api. Free it after the server is closed. */
struct api *api_new(const struct api_options *options);
SUSPENDS void api_free(struct api *api); /* accepts NULL */

/* A http_handler_fn; arg is a struct api. */
SUSPENDS void api_handle(struct http_exchange *exchange, void *arg);

/* A http_error_fn: the server's own errors as OpenAI's error body. */
const char *api_error_body(int status, const char *message, struct buf *body);

void api_set_load(struct api *api, const struct api_load *load);

/* Append the API's counters and latencies as Prometheus text. */
void api_metrics_render(const struct api *api, struct buf *out);

/* The table of endpoints, for tests and documents. */
struct api_route {
    enum http_method method;
    const char *pattern;
};
size_t api_routes(const struct api_route **out);
const char *api_method_name(enum http_method method);
