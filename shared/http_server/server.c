/* The server: listens, accepts, and ends.
 *
 * One fiber accepts. At the limit of connections it waits until one ends, and further clients stay
 * in the kernel's backlog; out of descriptors it pauses a little, since what is free a moment later
 * nobody announces.
 *
 * http_server_close: the acceptor is cancelled, idle connections see an end of input, the others
 * finish what they do; at the deadline they are cancelled. It returns when the last fiber is gone.
 */

#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"
#include "shared/http_server/connection.h"

#define BACKLOG         1024
#define ACCEPT_PAUSE_MS 50

static void start_connection(struct http_server *server, int fd, const struct address *peer)
{
    struct http_connection *connection = xcalloc(1, sizeof(*connection));

    connection->server = server;
    connection->fd = fd;
    address_format(peer, connection->peer);
    http_parse_init(&connection->parse, &server->limits);
    list_add(&server->connections, &connection->link);
    server->stats.connections++;
    server->stats.accepted++;
    connection->fiber = fiber_spawn("http connection", http_connection_run, connection);
}

/* Returns 0, or -E_CANCELED when the server is closing. */
static int accept_one(struct http_server *server, struct error *err)
{
    struct address peer;
    int fd;
    int r;

    while (server->stats.connections >= server->options.max_connections) {
        r = cond_wait(&server->ended, DEADLINE_NONE, err);
        if (r < 0)
            return r;
    }
    r = io_accept(server->fd, DEADLINE_NONE, &fd, &peer, err);
    if (r == 0)
        start_connection(server, fd, &peer);
    return r;
}

static void accept_run(void *arg)
{
    struct http_server *server = arg;
    struct error err = {0};

    while (!fiber_canceled()) {
        int r = accept_one(server, &err);

        if (r == 0)
            continue;
        if (r == -E_CANCELED)
            return;
        log_debug("accept failed", LOG_ERROR(&err));
        if (fiber_sleep(ACCEPT_PAUSE_MS, &err) < 0)
            return;
    }
}

static size_t or_default(size_t value, size_t otherwise)
{
    return value ? value : otherwise;
}

static int64_t or_default_ms(int64_t value_ms, int64_t otherwise_ms)
{
    return value_ms ? value_ms : otherwise_ms;
}

static void fill_defaults(struct http_server_options *options)
{
    options->max_connections = or_default(options->max_connections, 10000);
    options->max_request_line_bytes = or_default(options->max_request_line_bytes, 8 << 10);
    options->max_header_bytes = or_default(options->max_header_bytes, 32 << 10);
    options->max_headers = or_default(options->max_headers, 100);
    options->max_body_bytes = or_default(options->max_body_bytes, 4 << 20);
    options->request_timeout_ms = or_default_ms(options->request_timeout_ms, 30000);
    options->reply_timeout_ms = or_default_ms(options->reply_timeout_ms, 120000);
    options->idle_timeout_ms = or_default_ms(options->idle_timeout_ms, 75000);
    options->linger_timeout_ms = or_default_ms(options->linger_timeout_ms, 1000);
}

int http_server_open(const struct http_server_options *options, struct http_server **out,
                     struct error *err)
{
    struct http_server *server;
    struct address address;
    int fd;
    int r;

    ASSERT(options->host && options->handler);
    r = address_parse(options->host, options->port, &address, err);
    if (r < 0)
        return r;
    r = io_listen(&address, BACKLOG, &fd, err);
    if (r < 0)
        return r;
    server = xcalloc(1, sizeof(*server));
    server->options = *options;
    server->options.host = NULL; /* the caller's */
    fill_defaults(&server->options);
    server->limits = (struct http_limits){
        .request_line_bytes = server->options.max_request_line_bytes,
        .header_bytes = server->options.max_header_bytes,
        .headers = server->options.max_headers,
        .body_bytes = server->options.max_body_bytes,
    };
    server->fd = fd;
    server->port = io_local_port(fd);
    list_init(&server->connections);
    cond_init(&server->ended);
    server->acceptor = fiber_start("http accept", accept_run, server);
    *out = server;
    return 0;
}

int http_server_port(const struct http_server *server)
{
    return server->port;
}

bool http_server_draining(const struct http_server *server)
{
    return server->draining;
}

void http_server_stats_get(const struct http_server *server, struct http_server_stats *out)
{
    *out = server->stats;
}

static void await_connections(struct http_server *server, int64_t deadline_ms)
{
    while (!list_empty(&server->connections))
        if (cond_wait(&server->ended, deadline_ms, NULL) < 0)
            return;
}

void http_server_close(struct http_server *server, int64_t deadline_ms)
{
    if (!server)
        return;
    ASSERT(!server->draining);
    /* The caller may have been cancelled itself: this is how most programs end. */
    fiber_shield_enter();
    server->draining = true;
    fiber_cancel(server->acceptor);
    fiber_join(server->acceptor);
    io_close(&server->fd);
    list_for_each (item, &server->connections)
        http_connection_end_idle(CONTAINER_OF(item, struct http_connection, link));
    await_connections(server, deadline_ms);
    list_for_each (item, &server->connections)
        fiber_cancel(CONTAINER_OF(item, struct http_connection, link)->fiber);
    await_connections(server, DEADLINE_NONE);
    fiber_shield_leave();
    free(server);
}
