/* The way of a request: route, key, body, idempotency, endpoint, reply.
 *
 * Everything a client can do wrong is answered here or in the endpoint with a 4xx before anything
 * is written; a 5xx means that it was not the client's doing. What is a 503 may be sent again, and
 * says so in its headers. Failures of the server are logged once, here.
 */

#include "scheduler/api/api.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "providers/registry.h"
#include "scheduler/api/claim_returns.h"
#include "scheduler/api/idempotency.h"
#include "scheduler/api/key_cache.h"
#include "scheduler/api/request.h"
#include "scheduler/api/surfaces.h"
#include "scheduler/api/trace.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"

enum { REPLY_BYTES_MAX = 64 * 1024 * 1024, ERROR_LINES_A_SECOND = 5 };
enum { DATABASE_WAIT_MS = 2000 };

static int check_model(void *arg, struct text model, struct failure *failure)
{
    const struct api *api = arg;
    struct provider_target target;
    struct error err;

    if (provider_registry_resolve(api->registry, model, &target, &err) < 0)
        return failure_param(failure, 400, "model", "model_not_found", "%s.", err.text);
    return 0;
}

int request_check_model(struct request *request)
{
    struct text model = json_get_text(request->body, "model");

    return model.ptr ? check_model(request->api, model, &request->failure) : 0;
}

struct api *api_new(const struct api_options *options)
{
    struct api *api = xcalloc(1, sizeof(*api));
    struct submit_options submit = {
        .shards = options->shards,
        .run_ttl_ms = options->run_ttl_ms,
        .events = options->events,
        .check_model = check_model,
        .arg = api,
    };

    ASSERT(options->pg && options->registry);
    api->pg = options->pg;
    api->registry = options->registry;
    api->run_ttl_ms = options->run_ttl_ms < 1 ? INT64_C(24) * 3600 * 1000 : options->run_ttl_ms;
    api->events = options->events;
    if (options->tables)
        endpoints_init(&api->endpoints, options->tables, options->tables_count);
    else
        endpoints_init(&api->endpoints, surfaces, surfaces_count);
    api_metrics_init(&api->metrics, &api->endpoints);
    api->keys = key_cache_new();
    api->submitter = submitter_new(&submit);
    api->claim_returns = claim_returns_new();
    api->poll.average_ms = 2000;
    return api;
}

void api_free(struct api *api)
{
    if (!api)
        return;
    claim_returns_free(api->claim_returns);
    key_cache_free(api->keys);
    submitter_free(api->submitter);
    api_metrics_deinit(&api->metrics);
    endpoints_deinit(&api->endpoints);
    free(api);
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

static int find_endpoint(struct request *request)
{
    struct http_exchange *exchange = request->exchange;
    const struct endpoints *endpoints = &request->api->endpoints;
    struct error err;
    char allow[64];
    char path[160];
    int r = endpoints_find(endpoints, exchange, &request->endpoint_place, allow, &err);

    if (r == 0) {
        request->endpoint = endpoints->items[request->endpoint_place];
        return 0;
    }
    request->endpoint_place = endpoints->count;
    text_excerpt(exchange->path, path, sizeof(path));
    if (r == ROUTE_NOT_FOUND)
        return failure_param(&request->failure, 404, NULL, "unknown_url",
                             "Unknown request URL: %s %s. Please check the URL for typos, or see "
                             "docs/openapi.yaml for what is served.",
                             http_method_name(exchange->method), path);
    if (r < 0)
        return failure_param(&request->failure, 400, NULL, NULL, "Malformed request URL: %s.",
                             err.text);
    http_add_header(exchange, "Allow", text_of(allow));
    return failure_param(&request->failure, 405, NULL, "method_not_supported",
                         "Not allowed to %s on %s. Allowed: %s.",
                         http_method_name(exchange->method), path, allow);
}

static int unauthorized(struct request *request, const char *code, const char *message)
{
    http_add_header(request->exchange, "WWW-Authenticate", TEXT("Bearer"));
    return failure_param(&request->failure, 401, NULL, code, "%s", message);
}

static int authenticate(struct request *request)
{
    struct text header = http_header_get(request->exchange, "authorization");
    struct text scheme = TEXT_NONE;
    struct text key = TEXT_NONE;
    struct error err;
    int r;

    if (!text_cut(text_trim(header), ' ', &scheme, &key) || !text_is_nocase(scheme, "bearer") ||
        text_trim(key).len == 0)
        return unauthorized(request, NULL,
                            "You didn't provide an API key. You need to provide your API key in an "
                            "Authorization header using Bearer auth (i.e. Authorization: Bearer "
                            "YOUR_KEY). Make one with `penstock keys create`.");
    r = key_cache_find(request->api->keys, request->api->pg, text_trim(key), &request->store.tenant,
                       &err);
    if (r == KEY_MISSING)
        return unauthorized(request, "invalid_api_key",
                            "Incorrect API key provided. Make one with `penstock keys create`.");
    return r < 0 ? request_failed(request, &err) : 0;
}

static bool is_json_type(struct text type)
{
    struct text head = type;
    struct text rest;

    (void)text_cut(type, ';', &head, &rest);
    return text_is_nocase(text_trim(head), "application/json");
}

static int read_body(struct request *request)
{
    struct text body = request->exchange->body;
    struct text type = http_header_get(request->exchange, "content-type");
    char shown[64];
    struct error err;
    int r;

    if (request->endpoint->takes != TAKES_JSON)
        return 0;
    if (text_trim(body).len == 0)
        body = TEXT("{}");
    else if (type.ptr && !is_json_type(type)) {
        text_excerpt(type, shown, sizeof(shown));
        return failure_param(&request->failure, 415, NULL, "unsupported_content_type",
                             "Unsupported content type: '%s'. This API accepts 'application/json'.",
                             shown);
    }
    r = json_decode(body, JSON_DEPTH_DEFAULT, &request->body, &err);
    if (r < 0)
        return failure_param(&request->failure, 400, NULL, NULL,
                             "We could not parse the JSON body of your request: %s. The body must "
                             "be one JSON object in UTF-8.",
                             err.text);
    r = fields_expect(FIELD_OBJECT, request->body, NULL, &request->failure);
    return r < 0 ? r
                 : fields_check(*request->endpoint->body, request->body, NULL, &request->failure);
}

/* A short absence is waited for, a longer one told soon: many that wait long would only pile up. */
static int wait_for_database(struct request *request)
{
    struct pg *pg = request->store.pg;
    struct error err;

    if (pg_is_ready(pg) || pg_wait_ready(pg, deadline_in(DATABASE_WAIT_MS), &err) == 0)
        return 0;
    return request_failed(request, &err);
}

static int check_size(struct request *request)
{
    const struct endpoint *endpoint = request->endpoint;
    size_t max = endpoint->takes == TAKES_NOTHING ? ENDPOINT_IGNORED_MAX : endpoint->body_bytes_max;

    if (max == 0 || request->exchange->body.len <= max)
        return 0;
    return failure_param(&request->failure, 413, NULL, NULL,
                         "The body of this request is larger than %zu bytes.", max);
}

/* Returns the status of the reply, whose body is then in request->reply, or was sent already. */
static int answer(struct request *request)
{
    int r = find_endpoint(request);

    if (r == 0)
        r = wait_for_database(request);
    if (r == 0)
        r = authenticate(request);
    if (r == 0)
        r = check_size(request);
    if (r == 0)
        r = read_body(request);
    if (r == 0)
        r = idempotent_call(request);
    if (r == 0 && buf_check(&request->reply, NULL) < 0)
        r = failure_param(&request->failure, 400, "limit", NULL,
                          "The reply would be too large: ask for less with a smaller 'limit'.");
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

    if (failure->retry != RETRY_UNSAID)
        http_add_header(exchange, "x-should-retry",
                        failure->retry == RETRY_YES ? TEXT("true") : TEXT("false"));
    if (failure->retry_after_s > 0) {
        snprintf(seconds, sizeof(seconds), "%d", failure->retry_after_s);
        http_add_header(exchange, "retry-after", text_of(seconds));
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

static void reply(struct request *request, int status, int64_t took_us)
{
    struct http_exchange *exchange = request->exchange;
    char took[24];

    snprintf(took, sizeof(took), "%" PRId64, took_us / 1000);
    http_add_header(exchange, "openai-processing-ms", text_of(took));
    http_add_header(exchange, "openai-version", TEXT("2020-10-01"));
    if (status >= 400)
        add_retry_headers(exchange, &request->failure);
    (void)http_reply(exchange, status, "application/json", buf_text(&request->reply));
}

void api_handle(struct http_exchange *exchange, void *arg)
{
    struct api *api = arg;
    struct request request = {
        .api = api,
        .exchange = exchange,
        .endpoint_place = api->endpoints.count,
        .start_us = clock_us(),
        .store = {.pg = api->pg, .arena = &exchange->arena},
    };
    int64_t took_us;
    int status;

    trace_of(exchange, fiber_log_context()->trace);
    buf_init(&request.reply, REPLY_BYTES_MAX);
    status = answer(&request);
    took_us = clock_us() - request.start_us;
    if (exchange->status == 0)
        reply(&request, status, took_us);
    else
        status = exchange->status; /* the endpoint has replied by itself */
    api_metrics_count(&api->metrics, request.endpoint_place, status, took_us);
    log_request(&request, status, took_us);
    json_free(request.body);
    buf_deinit(&request.reply);
}
