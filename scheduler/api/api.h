#pragma once
/* The HTTP API: OpenAI's Assistants v2 under /v1, and a few routes of ours in the same style.
 *
 * api_handle is the handler of shared/http_server. A request passes, in this order: route (404,
 * 405), key (401), form of the body (415), query (400), which its head decides; body (413, 400),
 * room for the reply (429, 503), idempotency, the endpoint's own function, reply. The
 * endpoints are tables (endpoints.h) that also say which body each takes; docs/openapi.yaml
 * describes the same.
 */

#include "scheduler/api/poll.h"
#include "shared/agent/tools/web_offer.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/http_server/http_server.h"
#include "shared/store/runs/run_events.h"
#include "shared/store/threads/counts.h"

struct config_mcp_server;
struct api;
struct blob_stores;
struct endpoint_table;
struct gateway;
struct guard_options;
struct http_client;
struct key_ring;
struct live;
struct error;
struct pg;
struct provider_registry;
struct tracer;
struct waits;

struct api_options {
    struct pg *pg;                      /* required */
    struct pg *pg_large;                /* for what may be megabytes; default: the same */
    struct pg *pg_search;               /* for searches; NULL: search is off */
    struct pg *pg_files;                /* for rows of files; default: pg */
    struct blob_stores *blobs;          /* their bytes; NULL: there are no files */
    int64_t file_max_bytes;             /* of one that comes at once */
    int64_t upload_max_bytes;           /* of one that comes in parts */
    int64_t tenant_max_bytes;           /* of all of a tenant's */
    struct provider_registry *registry; /* required */
    int shards;                         /* default 1 */
    int64_t run_ttl_ms;                 /* default 24 h */
    int64_t schedules_max;              /* of a tenant; default 10,000 */
    int64_t budgets_max;                /* of a tenant; default 100,000 */
    struct thread_limits limits;        /* 0: none */
    struct waits *waits;                /* of requests for the ends of runs; NULL: none waits */
    struct live *live;                  /* of readers of the events of runs; NULL: none reads */
    struct gateway *gateway;            /* calls models for requests; NULL: none are called */
    struct tracer *tracer;              /* NULL: telemetry is off */
    size_t key_sockets;                 /* of one API key, at once; 0: none */
    int64_t response_wait_ms;  /* for the end of one; default: as long as a stock client waits */
    const char *mcp_origins;   /* web pages that may ask /mcp; NULL: none */
    struct http_client *hooks; /* to receivers of webhooks, for trials; NULL: there are none */
    const struct guard_options *hook_guard; /* where these may be; NULL: as they are by default */
    const struct guard_options *tool_guard; /* where tools may be; NULL: as above */
    struct web_offer web;                   /* nothing: no engine, and robots.txt is obeyed */
    const struct config_mcp_server *mcp_servers; /* of the operator's; borrowed */
    unsigned mcp_servers_count;
    struct key_ring *master_keys; /* of secrets; required where the table has secrets */
    struct run_events events;
    const struct endpoint_table *const *tables; /* what is served; NULL: surfaces.h */
    size_t tables_count;
};

/* The options' pointers must outlive the api. Free it after the server is closed. */
struct api *api_new(const struct api_options *options);
SUSPENDS void api_free(struct api *api); /* accepts NULL */

/* A http_handler_fn, and its http_head_fn; arg is a struct api. */
SUSPENDS void api_handle(struct http_exchange *exchange, void *arg);
SUSPENDS void api_head(struct http_exchange *exchange, void *arg);

/* A http_error_fn: the server's own errors as OpenAI's error body. */
const char *api_error_body(int status, const char *message, struct buf *body);

/* From now on names of models mean what this registry says. It must outlive the api, or be there
 * until the next one is set. */
void api_set_registry(struct api *api, struct provider_registry *registry);

void api_set_load(struct api *api, const struct api_load *load);

/* Append the API's counters and latencies as Prometheus text. */
void api_metrics_render(const struct api *api, struct buf *out);
