/* The way of a request: head (admit.c), body, room, idempotency, endpoint, reply.
 *
 * Everything a client can do wrong is answered here or in the endpoint with a 4xx before anything
 * is written; a 5xx means that it was not the client's doing. What is a 503 may be sent again, and
 * says so in its headers. Failures of the server are logged once, here.
 */

#include "scheduler/api/api.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "scheduler/api/access/claim_returns.h"
#include "scheduler/api/access/key_cache.h"
#include "scheduler/api/access/seats.h"
#include "scheduler/api/access/shares.h"
#include "scheduler/api/admit.h"
#include "scheduler/api/body.h"
#include "scheduler/api/files/message_files.h"
#include "scheduler/api/hooks/hook_check.h"
#include "scheduler/api/idempotency.h"
#include "scheduler/api/listing.h"
#include "scheduler/api/request.h"
#include "scheduler/api/surfaces.h"
#include "scheduler/api/trace.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/blob/blob.h"
#include "shared/fiber/fiber.h"
#include "shared/store/polls/run_reader.h"

#define REPLY_BYTES_MAX ((size_t)64 << 20)
#define ALL_LARGE_BYTES ((size_t)512 << 20) /* of all tenants: see shares.h */
#define ALL_SMALL_BYTES ((size_t)128 << 20)
#define ALL_FILES_BYTES ((size_t)256 << 20)
/* What may be large is held three times: as the database has it, as rows, as JSON. */
#define COPIES         3
#define LARGE_ROOM     (COPIES * LISTING_BYTES_MAX)
#define FILE_ROOM      ((size_t)1 << 20) /* beside what the store of its bytes holds */
#define OBJECT_ROOM    ((size_t)256 << 10)
#define SMALL_ROOM_MAX ((size_t)1 << 20)

enum {
    ERROR_LINES_A_SECOND = 5,
    ROOM_WAIT_MS = 2000,
    FILE_WAIT_MS = 30000,      /* what is sent as a stream can't be sent again */
    GO_ON_WAIT_MS = 15000,     /* ten thousand may go on at the same moment */
    RESPONSE_WAIT_MS = 590000, /* stock clients give up after ten minutes */
    INNER_WAIT_MS = 30000,
};

struct api *api_new(const struct api_options *options)
{
    struct api *api = xcalloc(1, sizeof(*api));
    struct submit_options submit = {
        .pg = options->pg,
        .shards = options->shards,
        .run_ttl_ms = options->run_ttl_ms,
        .limits = &api->limits,
        .events = options->events,
        .check_models = body_check_models,
        .check_webhook = hook_check_of_run,
        .webhook_arg = (void *)options->hook_guard,
        .arg = api,
    };

    ASSERT(options->pg && options->registry);
    api->pg = options->pg;
    api->registry = options->registry;
    api->run_ttl_ms = options->run_ttl_ms < 1 ? INT64_C(24) * 3600 * 1000 : options->run_ttl_ms;
    api->shards = options->shards < 1 ? 1 : options->shards;
    api->schedules_max = options->schedules_max < 1 ? 10000 : options->schedules_max;
    api->budgets_max = options->budgets_max < 1 ? 100000 : options->budgets_max;
    api->events = options->events;
    api->limits = options->limits;
    if (api->limits.thread_bytes < 1)
        api->limits = (struct thread_limits){INT64_MAX, INT64_MAX};
    if (options->tables)
        endpoints_init(&api->endpoints, options->tables, options->tables_count);
    else
        endpoints_init(&api->endpoints, surfaces, surfaces_count);
    api_metrics_init(&api->metrics, &api->endpoints);
    api->pg_search = options->pg_search;
    api->pg_large = options->pg_large ? options->pg_large : options->pg;
    api->keys = key_cache_new();
    api->shares = shares_new();
    budget_init(&api->large, ALL_LARGE_BYTES);
    budget_init(&api->small, ALL_SMALL_BYTES);
    budget_init(&api->files, ALL_FILES_BYTES);
    api->blobs = options->blobs;
    api->pg_files = options->pg_files ? options->pg_files : options->pg;
    api->file_limits = (struct file_limits){options->file_max_bytes, options->upload_max_bytes,
                                            options->tenant_max_bytes};
    api->submitter = submitter_new(&submit);
    api->run_reader = run_reader_new(options->pg);
    api->waits = options->waits;
    api->live = options->live;
    api->gateway = options->gateway;
    api->hooks = options->hooks;
    api->hook_guard = options->hook_guard;
    api->tool_guard = options->tool_guard;
    api->web = options->web;
    api->mcp_servers = options->mcp_servers;
    api->mcp_servers_count = options->mcp_servers_count;
    api->master_keys = options->master_keys;
    api->claim_returns = claim_returns_new();
    api->tracer = options->tracer;
    api->seats = seats_new(options->key_sockets);
    api->response_wait_ms =
        options->response_wait_ms ? options->response_wait_ms : RESPONSE_WAIT_MS;
    api->mcp_origins = options->mcp_origins;
    api->poll.average_ms = 2000;
    return api;
}

void api_free(struct api *api)
{
    if (!api)
        return;
    buf_deinit(&api->document);
    claim_returns_free(api->claim_returns);
    run_reader_free(api->run_reader);
    seats_free(api->seats);
    key_cache_free(api->keys);
    shares_free(api->shares);
    submitter_free(api->submitter);
    api_metrics_deinit(&api->metrics);
    endpoints_deinit(&api->endpoints);
    free(api);
}

void api_set_registry(struct api *api, struct provider_registry *registry)
{
    api->registry = registry;
}

void api_set_load(struct api *api, const struct api_load *load)
{
    api->poll.load = *load;
}

void api_metrics_render(const struct api *api, struct buf *out)
{
    api_metrics_write(&api->metrics, out);
}

const char *api_error_body(int status, const char *message, struct buf *body)
{
    struct failure failure;

    (void)failure_param(&failure, status, NULL, NULL, "%s", message);
    failure_render(&failure, body);
    return "application/json";
}

static int crowded(struct request *request, const struct error *err, int status,
                   const char *message)
{
    if (err->code != E_TIMEOUT)
        return request_failed(request, err);
    (void)failure_param(&request->failure, status, NULL,
                        status == 429 ? "rate_limit_exceeded" : "service_unavailable", "%s",
                        message);
    request->failure.retry = RETRY_YES;
    request->failure.retry_after_s = 1;
    return -E_INVALID;
}

int request_crowded(struct request *request, const struct error *err)
{
    return crowded(request, err, 429,
                   "Too many of your requests are being worked on at once. Please try again.");
}

static size_t room_of(const struct request *request)
{
    if (request->endpoint->flags & ENDPOINT_LARGE)
        return LARGE_ROOM;
    return OBJECT_ROOM + COPIES * request->exchange->body.len;
}

/* Room for what the request will make of memory, guessed before and set right after it: of the
 * tenant's share first, so that who waits for that holds nothing of what all share. */
static int take_room(struct request *request, size_t bytes, int64_t deadline_ms)
{
    struct error err;

    if (budget_take(request->room, bytes, deadline_ms, &err) < 0)
        return request_crowded(request, &err);
    if (budget_take(request->room_of_all, bytes, deadline_ms, &err) < 0) {
        budget_give(request->room, bytes);
        return crowded(request, &err, 503,
                       "Too many requests are being worked on at once. Please try again.");
    }
    request->held = bytes;
    return 0;
}

static void set_room(struct request *request, size_t bytes)
{
    if (!request->share)
        return;
    if (bytes > request->held) {
        budget_charge(request->room, bytes - request->held);
        budget_charge(request->room_of_all, bytes - request->held);
    } else if (bytes < request->held) {
        budget_give(request->room, request->held - bytes);
        budget_give(request->room_of_all, request->held - bytes);
    }
    request->held = bytes;
}

static int take_large_room(struct request *request, size_t bytes)
{
    request->room = &request->share->large;
    request->room_of_all = &request->api->large;
    return take_room(request, bytes, deadline_in(ROOM_WAIT_MS));
}

/* What moves a file holds its room for as long as that takes, so it has a share of its own. */
static int take_file_room(struct request *request)
{
    size_t bytes = FILE_ROOM;

    if (request->api->blobs && request->endpoint->method == HTTP_METHOD_POST)
        bytes += blob_held_bytes(request->api->blobs);
    request->room = &request->share->files;
    request->room_of_all = &request->api->files;
    return take_room(request, bytes, deadline_in(FILE_WAIT_MS));
}

/* What it has is given back first: who waits for large room keeps nobody from small room. */
int request_enlarge(struct request *request, size_t bytes)
{
    size_t all = request->held + bytes;

    set_room(request, 0);
    request->store.pg = request->api->pg_large;
    if (!request->share)
        return 0;
    return take_large_room(request, all);
}

size_t *request_waiters(struct request *request)
{
    return &request->share->waiters;
}

size_t *request_readers(struct request *request)
{
    return &request->share->event_readers;
}

void request_rest(struct request *request)
{
    set_room(request, 0);
}

void request_let_go(struct request *request)
{
    json_free(request->body);
    request->body = NULL;
    buf_deinit(&request->reply);
    http_drop_body(request->exchange);
    request_rest(request);
}

/* What was found to be large may be small now. */
int request_go_on(struct request *request)
{
    request->store.pg = request->api->pg;
    request->room = &request->share->small;
    request->room_of_all = &request->api->small;
    return take_room(request, OBJECT_ROOM, deadline_in(GO_ON_WAIT_MS));
}

static int take_first_room(struct request *request)
{
    size_t bytes = room_of(request);

    if (request->endpoint->flags & ENDPOINT_FILES)
        return take_file_room(request);
    return bytes > SMALL_ROOM_MAX ? take_large_room(request, bytes)
                                  : take_room(request, bytes, deadline_in(ROOM_WAIT_MS));
}

static int call(struct request *request)
{
    int r = take_first_room(request);

    if (request->exchange->body.len >= REQUEST_LARGE_BYTES)
        request->store.pg = request->api->pg_large;
    if (r == 0)
        r = body_read(request);
    if (r == 0)
        r = message_files_check(request);
    if (r == 0)
        r = idempotent_call(request);
    if (request->reply.len >= REQUEST_LARGE_BYTES)
        fiber_yield(); /* others have their turn before it is sent */
    if (r == 0 && buf_check(&request->reply, NULL) < 0)
        r = failure_param(&request->failure, 400, "limit", NULL,
                          "The reply would be too large: ask for less with a smaller 'limit'.");
    return r;
}

/* Of what came of it: the status of the reply, whose body is then in request->reply, or was sent
 * already. */
static int status_of(struct request *request, int r)
{
    if (r == 0)
        return 200;
    if (r > 0)
        return r;
    buf_reset(&request->reply);
    failure_render(&request->failure, &request->reply);
    return request->failure.status;
}

static void add_retry_headers(struct http_exchange *exchange, const struct failure *failure)
{
    char seconds[16];
    char ms[24];

    if (failure->retry != RETRY_UNSAID)
        http_add_header(exchange, "x-should-retry",
                        failure->retry == RETRY_YES ? TEXT("true") : TEXT("false"));
    if (failure->retry_after_s > 0) {
        snprintf(seconds, sizeof(seconds), "%d", failure->retry_after_s);
        http_add_header(exchange, "retry-after", text_of(seconds));
    }
    if (failure->retry_after_ms > 0) {
        snprintf(ms, sizeof(ms), "%" PRId64, failure->retry_after_ms);
        http_add_header(exchange, "retry-after-ms", text_of(ms));
    }
}

/* While the database is away every request fails. Some lines a second tell as much as all of them
 * would. */
static bool may_log_error(struct api *api)
{
    int64_t second = clock_ms() / 1000;

    if (second != api->errors_second) {
        api->errors_second = second;
        api->errors_logged = 0;
    }
    if (api->errors_logged++ < ERROR_LINES_A_SECOND)
        return true;
    api->errors_unlogged++;
    return false;
}

static void log_failure(const struct request *request, const char *route, int status)
{
    if (!may_log_error(request->api))
        return;
    log_error("request failed", LOG_STR("method", http_method_name(request->exchange->method)),
              LOG_STR("route", route), LOG_INT("status", status),
              LOG_STR("request", request->exchange->request_id),
              LOG_STR("error", request->failure.cause),
              LOG_INT("not_logged", request->api->errors_unlogged));
    request->api->errors_unlogged = 0;
}

static void log_request(const struct request *request, int status, int64_t took_us)
{
    const char *route = request->endpoint ? request->endpoint->pattern : "other";

    if (status >= 500)
        log_failure(request, route, status);
    else
        log_debug("request", LOG_STR("method", http_method_name(request->exchange->method)),
                  LOG_STR("route", route), LOG_INT("status", status), LOG_INT("us", took_us),
                  LOG_STR("request", request->exchange->request_id));
}

static void refuse(struct request *request, int r)
{
    endpoint_fn in_its_way = request->endpoint ? request->endpoint->refuse : NULL;

    if (r < 0 && in_its_way)
        (void)!in_its_way(request); /* else by a status */
}

static void reply(struct request *request, int r)
{
    struct http_exchange *exchange = request->exchange;
    int status = status_of(request, r);
    int64_t took_us = clock_us() - request->start_us;
    char took[24];

    set_room(request, request->reply.len + exchange->arena.used);
    if (exchange->status != 0) {
        status = exchange->status; /* the endpoint has replied by itself */
    } else {
        snprintf(took, sizeof(took), "%" PRId64, took_us / 1000);
        http_add_header(exchange, "openai-processing-ms", text_of(took));
        http_add_header(exchange, "openai-version", TEXT("2020-10-01"));
        if (status >= 400)
            add_retry_headers(exchange, &request->failure);
    }
    api_metrics_count(&request->api->metrics, request->endpoint_place, status, took_us);
    log_request(request, r < 0 ? request->failure.status : status, took_us);
    request_trace_note(request, r < 0 ? request->failure.status : status);
    if (exchange->status == 0)
        (void)http_reply(exchange, status, "application/json", buf_text(&request->reply));
}

static void end(struct http_exchange *exchange)
{
    struct request *request = exchange->user;

    request_trace_end(request);
    json_free(request->body);
    buf_deinit(&request->reply);
    set_room(request, 0);
    if (request->share)
        share_release(request->share);
}

/* NULL, and the exchange is answered: there is no memory. */
static struct request *begin(struct http_exchange *exchange, struct api *api)
{
    struct request *request = arena_calloc(&exchange->arena, 1, sizeof(*request));

    ASSERT(request); /* the first of the arena's bytes */
    request->api = api;
    request->exchange = exchange;
    request->endpoint_place = api->endpoints.count;
    request->start_us = clock_us();
    request->store =
        (struct store){.pg = api->pg, .limits = &api->limits, .arena = &exchange->arena};
    buf_init(&request->reply, REPLY_BYTES_MAX);
    exchange->user = request;
    exchange->on_end = end;
    trace_of(exchange, fiber_log_context()->trace);
    request_trace_begin(request);
    return request;
}

bool request_streams(const struct request *request)
{
    return request->endpoint->stream &&
           (json_get_bool(request->body, "stream", false) ||
            json_get_bool(json_get(request->body, "run"), "stream", false));
}

/* How long somebody listens is no time of the request's. */
static int stream(struct request *request)
{
    int64_t from_us = clock_us();
    int r = request->endpoint->stream(request);

    request->start_us += clock_us() - from_us;
    return r;
}

void api_head(struct http_exchange *exchange, void *arg)
{
    struct request *request = begin(exchange, arg);
    int r;

    request->head_only = true;
    r = request_admit(request);
    if (r < 0) {
        reply(request, r);
        return;
    }
    request->head_only = false;
    exchange->body_streams = request->endpoint->takes == TAKES_FORM;
    exchange->share = exchange->body_streams ? NULL : &request->share->bodies;
    if (exchange->body_streams)
        exchange->body_bytes_max = SIZE_MAX;
    exchange->body_bytes_max = request_body_max(request, exchange->body_bytes_max);
}

void api_handle(struct http_exchange *exchange, void *arg)
{
    struct request *request = exchange->user;
    int r = 0;

    if (!request) {
        request = begin(exchange, arg);
        r = request_admit(request);
    }
    if (r == 0)
        r = call(request);
    if (r == 0 && request_streams(request))
        r = stream(request);
    else if (r == 0 && request->endpoint->finish)
        r = request->endpoint->finish(request);
    refuse(request, r);
    reply(request, r);
}

/* The exchange is the outer one's, as far as somebody is there to be replied to. */
static void begin_inner(const struct request *outer, const struct inner_request *inner,
                        struct http_field headers[2], struct http_exchange *exchange)
{
    size_t count = 0;

    if (inner->once.ptr)
        headers[count++] = (struct http_field){TEXT("idempotency-key"), inner->once};
    if (inner->trace.ptr)
        headers[count++] = (struct http_field){TEXT("traceparent"), inner->trace};
    *exchange = (struct http_exchange){
        .method = HTTP_METHOD_POST,
        .target = inner->path,
        .path = inner->path,
        .headers = headers,
        .headers_count = count,
        .body = inner->body,
        .body_bytes_max = SIZE_MAX,
        .deadline_ms = deadline_in(INNER_WAIT_MS),
        .connection = outer->exchange->connection,
    };
    memcpy(exchange->peer, outer->exchange->peer, sizeof(exchange->peer));
    id_format(ID_REQUEST, uuid_new(), exchange->request_id);
    arena_init(&exchange->arena, 0);
    buf_init(&exchange->extra_headers, 0);
}

static void end_inner(struct http_exchange *exchange)
{
    end(exchange);
    buf_deinit(&exchange->extra_headers);
    arena_deinit(&exchange->arena);
}

int request_inner(const struct request *outer, const struct inner_request *inner,
                  struct json_object **out_reply, struct failure *failure)
{
    struct http_field headers[2];
    struct http_exchange exchange;
    struct request *request;
    struct error err;
    int64_t took_us;
    int r;

    begin_inner(outer, inner, headers, &exchange);
    request = begin(&exchange, outer->api);
    request->once = inner->once.ptr != NULL;
    request->stands_for = inner->stands_for;
    r = request_admit_as(request, outer);
    if (r == 0)
        r = call(request);
    if (r == 0 && json_decode(buf_text(&request->reply), JSON_DEPTH_DEFAULT, out_reply, &err) < 0)
        r = request_failed(request, &err);
    took_us = clock_us() - request->start_us;
    api_metrics_count(&request->api->metrics, request->endpoint_place,
                      r == 0 ? 200 : request->failure.status, took_us);
    log_request(request, r == 0 ? 200 : request->failure.status, took_us);
    request_trace_note(request, r == 0 ? 200 : request->failure.status);
    *failure = request->failure;
    end_inner(&exchange);
    return r;
}
