/* The HTTP side of the rehearsal LLM: from a path to its dialect, and the pages beside them. */

#include "providers/rehearsal/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "providers/rehearsal/call.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/http_server/http_server.h"

#define BODY_MAX_BYTES  ((size_t)32 << 20)
#define CALL_MAX_MS     ((int64_t)3600 * 1000)
#define JSON            "application/json"
#define CONNECTIONS_MAX 20000

struct rehearsal {
    struct call_service service;
};

static void write_stats(const struct call_service *service, struct buf *out)
{
    const struct script *script = service->script;

    buf_printf(
        out,
        "{\"calls\":%llu,\"in_flight\":%llu,\"peak_in_flight\":%llu,\"closed_by_client\":%llu,"
        "\"refused\":%llu,\"kept\":%zu,\"rules\":{",
        (unsigned long long)service->calls, (unsigned long long)service->in_flight,
        (unsigned long long)service->peak_in_flight, (unsigned long long)service->closed_by_client,
        (unsigned long long)service->refused, service->kept.count);
    for (size_t i = 0; i < script->rules_count; i++) {
        if (i)
            buf_add_char(out, ',');
        buf_add_json_string(out, script->rules[i].name);
        buf_printf(out, ":%lld", (long long)script->rules[i].used);
    }
    buf_add_string(out, "},\"keys\":");
    meters_write(&service->meters, out);
    buf_add_char(out, '}');
}

/* A page that is no dialect's. False: there is none of that path. */
static bool write_page(const struct call_service *service, struct text path, struct buf *out)
{
    if (text_is(path, "/healthz"))
        buf_add_string(out, "{\"status\":\"ok\"}");
    else if (text_is(path, "/rehearsal/stats"))
        write_stats(service, out);
    else
        return false;
    return true;
}

SUSPENDS static void not_found(struct http_exchange *exchange, const struct dialect *dialect)
{
    CLEANUP(buf_deinit) struct buf body = {0};
    int status;

    buf_init(&body, 0);
    status = call_error(dialect, 404,
                        "Invalid URL or method; here are POST /v1/chat/completions, /v1/responses, "
                        "/v1/embeddings, /v1/messages, /v1beta/models/MODEL:generateContent, "
                        "/api/chat, /api/embed, GET /v1/models, /api/tags, /healthz and "
                        "/rehearsal/stats.",
                        &body);
    (void)http_reply(exchange, status, JSON, buf_text(&body));
}

SUSPENDS static void serve_get(struct rehearsal *rehearsal, struct http_exchange *exchange,
                               const struct route *route)
{
    CLEANUP(buf_deinit) struct buf body = {0};

    buf_init(&body, 0);
    if (route)
        route->dialect->write_models(&body);
    else if (!write_page(&rehearsal->service, exchange->path, &body)) {
        not_found(exchange, &dialect_openai_chat);
        return;
    }
    (void)http_reply(exchange, 200, JSON, buf_text(&body));
}

/* The id in the path of a stored response; TEXT_NONE: it is none. */
static struct text kept_id(struct text path, struct route *out)
{
    static const char folder[] = "/responses/";
    struct text left = path;

    if (text_starts(left, "/v1"))
        left = (struct text){left.ptr + 3, left.len - 3};
    if (!text_starts(left, folder))
        return TEXT_NONE;
    *out = (struct route){.dialect = &dialect_openai_responses};
    return (struct text){left.ptr + sizeof(folder) - 1, left.len - sizeof(folder) + 1};
}

SUSPENDS static void handle(struct http_exchange *exchange, void *arg)
{
    struct rehearsal *rehearsal = arg;
    bool get = exchange->method == HTTP_METHOD_GET || exchange->method == HTTP_METHOD_HEAD;
    struct route route;
    bool known = dialect_route(exchange->path, exchange->query, &route);
    struct text kept = known ? TEXT_NONE : kept_id(exchange->path, &route);

    if (kept.len > 0 && exchange->method == HTTP_METHOD_DELETE)
        call_delete_kept(&rehearsal->service, exchange, &route, kept);
    else if (known && exchange->method == HTTP_METHOD_POST && route.endpoint != ENDPOINT_MODELS)
        call_serve(&rehearsal->service, exchange, &route);
    else if (get && !known)
        serve_get(rehearsal, exchange, NULL);
    else if (get && route.endpoint == ENDPOINT_MODELS)
        serve_get(rehearsal, exchange, &route);
    else
        not_found(exchange, route.dialect);
}

static const char *error_body(int status, const char *message, struct buf *body)
{
    (void)call_error(&dialect_openai_chat, status, message, body);
    return JSON;
}

static int open_ledger(const struct rehearsal_options *options, struct ledger *ledger,
                       struct error *err)
{
    *ledger = (struct ledger){.fd = -1, .bodies = options->bodies};
    if (!options->ledger)
        return 0;
    ledger->fd = open(options->ledger, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (ledger->fd < 0)
        return error_set_errno(err, errno, "cannot open the ledger %s", options->ledger);
    return 0;
}

static void free_rehearsal(struct rehearsal *rehearsal)
{
    meters_deinit(&rehearsal->service.meters);
    kept_deinit(&rehearsal->service.kept);
    io_close(&rehearsal->service.ledger.fd);
    free(rehearsal);
}

int rehearsal_open(const struct rehearsal_options *options, struct rehearsal **out,
                   struct error *err)
{
    struct rehearsal *rehearsal = xcalloc(1, sizeof(*rehearsal));
    struct call_service *service = &rehearsal->service;
    struct http_server_options server = {
        .host = options->host ? options->host : "127.0.0.1",
        .port = options->port,
        .handler = handle,
        .arg = rehearsal,
        .error_body = error_body,
        .max_connections = CONNECTIONS_MAX,
        .max_body_bytes = BODY_MAX_BYTES,
        .reply_timeout_ms = CALL_MAX_MS,
    };
    int r;

    service->script = options->script;
    service->delay_ms = options->delay_ms;
    meters_init(&service->meters, options->script);
    kept_init(&service->kept);
    r = open_ledger(options, &service->ledger, err);
    if (r == 0)
        r = http_server_open(&server, &service->server, err);
    if (r < 0) {
        free_rehearsal(rehearsal);
        return r;
    }
    *out = rehearsal;
    return 0;
}

int rehearsal_port(const struct rehearsal *rehearsal)
{
    return http_server_port(rehearsal->service.server);
}

void rehearsal_close(struct rehearsal *rehearsal, int64_t deadline_ms)
{
    if (!rehearsal)
        return;
    http_server_close(rehearsal->service.server, deadline_ms);
    free_rehearsal(rehearsal);
}
