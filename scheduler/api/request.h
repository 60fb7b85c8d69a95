#pragma once
/* One request on its way through the API, and what its endpoint's function needs. Private to
 * scheduler/api. */

#include "scheduler/api/agent_cache.h"
#include "scheduler/api/api.h"
#include "scheduler/api/key_cache.h"
#include "scheduler/api/metrics.h"
#include "scheduler/api/poll.h"
#include "scheduler/api/settle.h"
#include "shared/check/failure.h"
#include "shared/check/fields.h"
#include "shared/http_server/router.h"
#include "shared/json/json.h"
#include "shared/store/store.h"

struct api {
    struct api_options options;
    struct key_cache *keys;
    struct agent_cache *agents;
    struct settler *settler;
    struct poll poll;
    struct api_metrics metrics;
    struct route *routes;  /* for the router: endpoints[i] is routes[i] */
    int64_t errors_second; /* the second in which errors were logged last, and how many */
    int errors_logged;
    uint64_t errors_unlogged; /* since the last that was */
};

struct request {
    struct api *api;
    struct http_exchange *exchange;
    const struct endpoint *endpoint;
    struct store store; /* of the tenant that asks, with the exchange's arena */
    struct json_object
        *body;          /* checked against the endpoint's table; never NULL where it has one */
    struct uuid object; /* the id for what the request creates */
    bool replaying;     /* an earlier attempt of this request may have created `object` */
    bool found;         /* it has: the reply is about what was there already */
    struct buf reply;   /* JSON */
    struct failure failure;
};

/* Returns 0 with the reply in request->reply (status 200), or -E_INVALID with request->failure. */
typedef int (*endpoint_fn)(struct request *request);

enum { ENDPOINT_CREATES = 1 }; /* honours Idempotency-Key */

struct endpoint {
    enum http_method method;
    const char *pattern;
    endpoint_fn handle;
    const struct fields *body; /* NULL: a body is not looked at */
    unsigned flags;
};

extern const struct endpoint endpoints[];
extern const size_t endpoints_count;

/* The store failed: fills request->failure. Returns -E_INVALID. */
int request_failed(struct request *request, const struct error *err);

/* "No run found with id 'x'.", 404. Returns -E_INVALID. */
int request_missing(struct request *request, const char *what, struct text id);

/* The id in path parameter number `index`. Returns 0, or -E_INVALID with the 404 that an unknown id
 * gets, since a malformed one names nothing either. */
MUSTCHECK int request_id(struct request *request, size_t index, enum id_kind kind, const char *what,
                         struct uuid *out);

/* The query's limit, order, after and before. Returns 0 or -E_INVALID. */
MUSTCHECK int request_page(struct request *request, enum id_kind kind, struct page *out);

/* The same without cursors, which are then zero. */
MUSTCHECK int request_limit_and_order(struct request *request, struct page *out);

/* Whether the body's model, if it has one, is served. Returns 0 or -E_INVALID. */
MUSTCHECK int request_check_model(struct request *request);

/* The body's member as JSON text; TEXT_NONE when it is absent or null. Borrowed from the body. */
struct text request_json(struct request *request, const char *name);

/* "Invalid 'after': …", for a cursor that is not in the list. Returns -E_INVALID. */
int request_cursor_missing(struct request *request);

/* Endpoints. */
SUSPENDS int assistants_create(struct request *request);
SUSPENDS int assistants_list(struct request *request);
SUSPENDS int assistants_get(struct request *request);
SUSPENDS int assistants_update(struct request *request);
SUSPENDS int assistants_delete(struct request *request);
SUSPENDS int assistants_versions(struct request *request);
SUSPENDS int assistants_get_version(struct request *request);

SUSPENDS int thread_create(struct request *request);
SUSPENDS int thread_list(struct request *request);
SUSPENDS int thread_get(struct request *request);
SUSPENDS int thread_update(struct request *request);
SUSPENDS int thread_delete(struct request *request);

SUSPENDS int message_create(struct request *request);
SUSPENDS int message_list(struct request *request);
SUSPENDS int message_get(struct request *request);
SUSPENDS int message_update(struct request *request);
SUSPENDS int message_delete(struct request *request);

SUSPENDS int run_create(struct request *request);
SUSPENDS int run_create_with_thread(struct request *request);
SUSPENDS int run_list(struct request *request);
SUSPENDS int run_list_all(struct request *request);
SUSPENDS int run_get(struct request *request);
SUSPENDS int run_get_any(struct request *request);
SUSPENDS int run_update(struct request *request);
SUSPENDS int run_cancel(struct request *request);
SUSPENDS int run_cancel_any(struct request *request);
SUSPENDS int run_redrive(struct request *request);
SUSPENDS int run_redrive_any(struct request *request);
SUSPENDS int run_submit_outputs(struct request *request);

SUSPENDS int step_list(struct request *request);
SUSPENDS int step_list_any(struct request *request);
SUSPENDS int step_get(struct request *request);
