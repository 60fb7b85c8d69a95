#pragma once
/* One request on its way through the API, and what its endpoint's function needs. Private to
 * scheduler/api. */

#include "scheduler/api/endpoints.h"
#include "scheduler/api/metrics.h"
#include "scheduler/api/poll.h"
#include "shared/agent/tools/web_offer.h"
#include "shared/check/failure.h"
#include "shared/check/fields.h"
#include "shared/fiber/budget.h"
#include "shared/http_server/http_server.h"
#include "shared/json/json.h"
#include "shared/store/access/tenants.h"
#include "shared/store/store.h"
#include "shared/store/threads/counts.h"
#include "shared/submit/submit.h"
#include "shared/trace/trace_context.h"

struct blob_stores;
struct claim_returns;
struct config_mcp_server;
struct gateway;
struct guard_options;
struct http_client;
struct key_ring;
struct seats;
struct share;
struct shares;
struct key_cache;
struct live;
struct pg;
struct provider_registry;
struct run_reader;
struct shown;
struct span;
struct tracer;
struct waits;

/* Of files; see struct config. */
struct file_limits {
    int64_t max_bytes;
    int64_t upload_max_bytes;
    int64_t tenant_max_bytes;
};

/* What the requests of a process share. */
struct api {
    struct pg *pg;
    struct pg *pg_large;  /* for what may be megabytes: the same, or another connection */
    struct pg *pg_search; /* NULL: search is off */
    struct provider_registry *registry; /* replaced while requests wait: no target of it is
                                               * kept across a wait */
    struct blob_stores *blobs;          /* NULL: there are no files */
    struct pg *pg_files;                /* for rows of files, beside their bytes */
    struct file_limits file_limits;
    int64_t run_ttl_ms;
    int shards;            /* of runs, at least 1 */
    int64_t schedules_max; /* of a tenant */
    int64_t budgets_max;   /* the same */
    struct thread_limits limits;
    struct run_events events;
    struct endpoints endpoints;
    struct api_metrics metrics;
    struct key_cache *keys;
    struct shares *shares;
    struct budget large; /* bytes of large things asked for and not yet sent, by all tenants */
    struct budget small; /* of small ones */
    struct budget files; /* of files that are sent or fetched */
    struct submitter *submitter;
    struct run_reader *run_reader;
    struct waits *waits;                    /* NULL: none waits */
    struct live *live;                      /* NULL: none reads */
    struct gateway *gateway;                /* NULL: models are called by workers alone */
    struct http_client *hooks;              /* NULL: trials of webhooks are not sent */
    const struct guard_options *hook_guard; /* may be NULL */
    const struct guard_options *tool_guard; /* may be NULL */
    struct web_offer web;
    const struct config_mcp_server *mcp_servers; /* that agents may name by their labels alone */
    unsigned mcp_servers_count;
    struct key_ring *master_keys; /* of secrets */
    struct claim_returns *claim_returns;
    struct seats *seats; /* of sockets */
    int64_t response_wait_ms;
    const char *mcp_origins; /* NULL: none */
    struct poll poll;
    struct tracer *tracer; /* NULL: telemetry is off */
    struct buf document;   /* OpenAPI's, when somebody has asked for it */
    int64_t errors_second; /* the second in which errors were logged last, and how many */
    int errors_logged;
    uint64_t errors_unlogged; /* since the last that was */
};

/* What takes so much is large: hundreds of them a second fill a connection or the loop. */
#define REQUEST_LARGE_BYTES ((size_t)SMALL_BYTES_MAX)

struct request {
    struct api *api;
    struct http_exchange *exchange;  /* NULL: it is a line of a batch */
    const struct endpoint *endpoint; /* NULL: none was found */
    size_t endpoint_place;
    int64_t start_us;
    struct trace_context given; /* what the client's traceparent says */
    bool traced;                /* it says something */
    struct span *span;          /* NULL: not recorded */
    struct store store;         /* of the tenant that asks, with the exchange's arena */
    struct uuid key;            /* the API key that it, or its ticket, came with */
    bool by_ticket;             /* it came with a ticket: no key's holder asks */
    bool by_model;              /* a model of the key's holder asks (/mcp), not he himself */
    struct uuid ticket_thread;  /* the only thread that its ticket is good for; zero: any */
    struct tenant_rates rates;  /* of calls of models, that the tenant may make */
    struct json_object *body;   /* checked; never NULL where the endpoint takes JSON */
    struct uuid object;         /* the id for what the request creates */
    bool replaying;             /* an earlier attempt of this request may have created `object` */
    bool made;                  /* one did, and its reply was not kept */
    bool found;                 /* it has: the reply is about what was there already */
    /* What this try leaves behind for the next one; NULL: nothing. */
    const struct idempotency_trace *first_try;
    struct share *share; /* of the tenant; NULL until he is known, and for a batch's line */
    struct budget *room; /* of the share, and of all: where `held` bytes are taken */
    struct budget *room_of_all;
    size_t held;
    const struct shown *shown; /* what its reader knows of the run's events; NULL: nothing */
    bool head_only;            /* its body is still to come */
    void *work;                /* the endpoint's own */
    /* What stands for a body that is not kept, where requests are told apart by theirs. */
    struct text stands_for;
    bool once;        /* its Idempotency-Key counts, whatever its endpoint */
    struct buf reply; /* JSON */
    struct failure failure;
};

/* The request turns out to be large: waits for room for `bytes` more, and goes on over the
 * connection for what is large. One of nobody's share waits for none. Returns 0, or -E_INVALID with
 * request->failure (429, 503): then it holds nothing. */
SUSPENDS MUSTCHECK int request_enlarge(struct request *request, size_t bytes);

/* A request that waits for long holds nothing of the room meanwhile, and takes anew what a small
 * object needs. The latter returns as request_enlarge does. */
void request_rest(struct request *request);
SUSPENDS MUSTCHECK int request_go_on(struct request *request);

/* The reply is a stream from here on: of what the request brought, and of what else was to be its
 * reply, nothing is needed any more. Holds nothing of the room, as request_rest. */
void request_let_go(struct request *request);

/* How many places the request's tenant holds of those for requests that wait for a run's end, and
 * of those for readers of events. */
size_t *request_waiters(struct request *request);
size_t *request_readers(struct request *request);

/* Whether the reply is to be the events of what the request makes: its body says `stream`, or the
 * run in it does. */
bool request_streams(const struct request *request);

/* A request in the name of another one, as by a message of its socket: to a POST endpoint, from its
 * body to its reply. `once` (TEXT_NONE: none) is its idempotency key, whatever the endpoint;
 * `stands_for` (TEXT_NONE: the body) is what it is compared by then; and `trace` (TEXT_NONE: none)
 * a traceparent. */
struct inner_request {
    struct text path;
    struct text body;
    struct text once;
    struct text stands_for;
    struct text trace;
};

/* Returns 0 with the JSON of the reply in *reply (to be freed), or -E_INVALID with *failure. */
SUSPENDS MUSTCHECK int request_inner(const struct request *outer, const struct inner_request *inner,
                                     struct json_object **out_reply, struct failure *failure);

/* Whether its ticket is good for this thread. Returns 0, or -E_INVALID with request->failure
 * (403). */
MUSTCHECK int request_check_ticket(struct request *request, struct uuid thread);

/* The store failed: fills request->failure. Returns -E_INVALID. */
int request_failed(struct request *request, const struct error *err);

/* The tenant has too much in work to take what was waited for in vain: 429, to be tried again; or
 * what else the error says. Returns -E_INVALID. */
int request_crowded(struct request *request, const struct error *err);

/* "No run found with id 'x'.", 404. Returns -E_INVALID. */
int request_missing(struct request *request, const char *what, struct text id);

/* The reply is {"id","object","deleted":true}. */
void request_tell_deleted(struct request *request, enum id_kind kind, struct uuid id,
                          const char *object);

/* Which agent is meant where one is named by its id: what a deleted one left can still be found. */
enum agent_sought {
    AGENT_THERE,   /* one that is there */
    AGENT_EVER,    /* or that was deleted */
    AGENT_AS_SAID, /* whichever, without a look */
};

/* The agent that a member of a body or a query names by its id or its slug; zero: none is said. A
 * slug is always that of an agent that is there, and an empty name is refused. Returns 0; or
 * -E_INVALID with the failure set. */
SUSPENDS MUSTCHECK int request_agent(struct request *request, const char *param, struct text said,
                                     enum agent_sought sought, struct uuid *out);
/* The same of the query's member. */
SUSPENDS MUSTCHECK int request_query_agent(struct request *request, const char *param,
                                           enum agent_sought sought, struct uuid *out);

/* One of the words, or *out TEXT_NONE where the query says none. Returns 0, or -E_INVALID with the
 * failure. */
MUSTCHECK int request_query_word(struct request *request, const char *name,
                                 const char *const *words, struct text *out);

/* A whole number of min to max; `out` stays where the query says none. Returns as
 * request_query_word. */
MUSTCHECK int request_query_int(struct request *request, const char *name, int64_t min, int64_t max,
                                int64_t *out);

#define REQUEST_TIME_MAX INT64_C(9999999999) /* unix seconds */

/* The same, for a moment: unix seconds, up to REQUEST_TIME_MAX. */
MUSTCHECK int request_query_time(struct request *request, const char *name, int64_t *out);

/* The members of metadata[KEY]=VALUE, as a JSON object in the arena; TEXT_NONE: none. Returns as
 * request_query_word, also for a key that is said twice. */
MUSTCHECK int request_query_metadata(struct request *request, struct text *out);

/* Which version is to be changed: the header If-Match, with quotes or without; -1: any. `what`
 * names it ("a memory's 'version'"), of which `least` is the first. Returns as
 * request_query_word. */
MUSTCHECK int request_if_match(struct request *request, int64_t least, const char *what,
                               int64_t *out);

/* The name of a user, or *out TEXT_NONE. Returns as request_query_word. */
MUSTCHECK int request_query_user(struct request *request, const char *name, struct text *out);

/* The id in path parameter number `index`. Returns 0, or -E_INVALID with the 404 that an unknown id
 * gets, since a malformed one names nothing either. */
MUSTCHECK int request_id(struct request *request, size_t index, enum id_kind kind, const char *what,
                         struct uuid *out);

/* Whether this model is served, which `param` names; TEXT_NONE is none. Returns 0 or -E_INVALID. */
MUSTCHECK int request_check_model(struct request *request, const char *param, struct text model);

/* Whether the models that the body names are served. Returns 0 or -E_INVALID. */
MUSTCHECK int request_check_models(struct request *request);

/* The body's member as JSON text; TEXT_NONE when it is absent or null. Borrowed from the body. */
struct text request_json(struct request *request, const char *name);

/* "Invalid 'after': …", for a cursor that is not in the list. Returns -E_INVALID. */
int request_cursor_missing(struct request *request);
