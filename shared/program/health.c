#include "shared/program/health.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/base/utf8.h"
#include "shared/fiber/watchdog.h"

#define CLOSE_WAIT_MS   1000
#define MAX_CONNECTIONS 64
#define BODY_MAX_BYTES  1024
#define JSON            "application/json"
#define PROMETHEUS      "text/plain; version=0.0.4; charset=utf-8"

PRINTF(2, 0) static void add_reason(struct buf *out, const char *format, va_list args)
{
    char reason[200];

    utf8_vformat(reason, sizeof(reason), format, args);
    if (out->len > 0)
        buf_add_char(out, ',');
    buf_add_json_string(out, reason);
}

void readiness_missing(struct readiness *readiness, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add_reason(&readiness->missing, format, args);
    va_end(args);
}

void readiness_degraded(struct readiness *readiness, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add_reason(&readiness->degraded, format, args);
    va_end(args);
}

SUSPENDS static void reply_health(struct http_exchange *exchange)
{
    const char *stuck = watchdog_stuck();
    CLEANUP(buf_deinit) struct buf body;

    buf_init(&body, 0);
    if (stuck)
        buf_printf(&body, "{\"status\":\"stuck\",\"part\":\"%s\"}", stuck);
    else
        buf_add_string(&body, "{\"status\":\"alive\"}");
    (void)http_reply(exchange, stuck ? 503 : 200, JSON, buf_text(&body));
}

SUSPENDS static void reply_ready(const struct health_pages *pages, struct http_exchange *exchange)
{
    struct readiness readiness = {0};
    CLEANUP(buf_deinit) struct buf body;
    bool ready;

    buf_init(&body, 0);
    buf_init(&readiness.missing, 0);
    buf_init(&readiness.degraded, 0);
    pages->judge(pages->arg, &readiness);
    if (readiness.draining)
        readiness_missing(&readiness, "shutting down");
    ready = readiness.missing.len == 0;
    buf_printf(&body, "{\"status\":\"%s\",\"missing\":[", ready ? "ready" : "unavailable");
    buf_add_text(&body, buf_text(&readiness.missing));
    buf_add_string(&body, "],\"degraded\":[");
    buf_add_text(&body, buf_text(&readiness.degraded));
    buf_printf(&body, "],\"draining\":%s}", readiness.draining ? "true" : "false");
    buf_deinit(&readiness.missing);
    buf_deinit(&readiness.degraded);
    (void)http_reply(exchange, ready ? 200 : 503, JSON, buf_text(&body));
}

SUSPENDS static void reply_metrics(const struct health_pages *pages, struct http_exchange *exchange)
{
    CLEANUP(buf_deinit) struct buf body;

    buf_init(&body, 0);
    pages->metrics(pages->arg, &body);
    (void)http_reply(exchange, 200, PROMETHEUS, buf_text(&body));
}

bool health_is_path(const struct http_exchange *exchange)
{
    struct text path = exchange->path;

    return text_is(path, "/healthz") || text_is(path, "/readyz") || text_is(path, "/metrics");
}

bool health_handle(const struct health_pages *pages, struct http_exchange *exchange)
{
    struct text path = exchange->path;
    bool metrics = text_is(path, "/metrics") && pages->metrics;

    if (!text_is(path, "/healthz") && !text_is(path, "/readyz") && !metrics)
        return false;
    if (exchange->method != HTTP_METHOD_GET && exchange->method != HTTP_METHOD_HEAD) {
        http_add_header(exchange, "Allow", TEXT("GET, HEAD"));
        (void)http_reply(exchange, 405, "text/plain", TEXT("Only GET is allowed here.\n"));
    } else if (metrics) {
        reply_metrics(pages, exchange);
    } else if (text_is(path, "/healthz")) {
        reply_health(exchange);
    } else {
        reply_ready(pages, exchange);
    }
    return true;
}

struct health_listener {
    struct health_pages pages;
    struct http_server *server;
};

SUSPENDS static void handle(struct http_exchange *exchange, void *arg)
{
    const struct health_listener *listener = arg;

    if (!health_handle(&listener->pages, exchange))
        (void)http_reply(exchange, 404, "text/plain; charset=utf-8",
                         TEXT("here are /healthz, /readyz and /metrics\n"));
}

int health_listen(const struct health_listen_options *options, struct health_listener **out,
                  struct error *err)
{
    struct health_listener *listener = xcalloc(1, sizeof(*listener));
    struct http_server_options server = {
        .host = options->host,
        .port = options->port,
        .handler = handle,
        .arg = listener,
        .max_connections = MAX_CONNECTIONS,
        .max_body_bytes = BODY_MAX_BYTES,
    };
    int r;

    listener->pages = options->pages;
    r = http_server_open(&server, &listener->server, err);
    if (r < 0)
        free(listener);
    else
        *out = listener;
    return r;
}

int health_port(const struct health_listener *listener)
{
    return http_server_port(listener->server);
}

void health_close(struct health_listener *listener)
{
    if (!listener)
        return;
    http_server_close(listener->server, deadline_in(CLOSE_WAIT_MS));
    free(listener);
}
