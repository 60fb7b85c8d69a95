/* The server: listens, accepts, and ends.
 *
 * One fiber accepts. At the limit of connections, one that waits for its client gives way to the
 * new one: first those that never said anything, the longest silent first; then those whose request
 * does not come to its end (for a second and more); then those between requests. So a client that
 * opens connections and keeps silent takes the places of its own kind, and nobody waits for it.
 * Where all are at work, further clients stay in the kernel's backlog until one ends, but for a few
 * spare places, where health checks are answered. Out of descriptors the fiber pauses a little,
 * since what is free a moment later nobody announces.
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

#define BACKLOG           1024
#define ACCEPT_PAUSE_MS   50
#define ACCEPTS_PER_YIELD 16
#define FULL_PAUSE_MS     100  /* until those that wait are looked at again */
#define SLOW_REQUEST_MS   1000 /* a request that takes longer to arrive may give way to others */
#define SPARE_PLACES      16

void http_connection_waits(struct http_connection *connection, enum http_waiting what)
{
    list_remove(&connection->waiting);
    connection->waiting_since_ms = clock_ms();
    if (what != WAITING_NOTHING)
        list_add(&connection->server->waiting[what], &connection->waiting);
}

/* The connection that has waited longest, if that is at least so long; NULL: none. */
static struct http_connection *longest_waiting(struct http_server *server, enum http_waiting what,
                                               int64_t least_ms)
{
    struct list *list = &server->waiting[what];
    struct http_connection *first;

    if (list_empty(list))
        return NULL;
    first = CONTAINER_OF(list->next, struct http_connection, waiting);
    return clock_ms() - first->waiting_since_ms >= least_ms ? first : NULL;
}

/* Ends one that waits for its client. False: there is none. */
static bool make_room(struct http_server *server)
{
    struct http_connection *victim = longest_waiting(server, WAITING_FIRST, 0);

    if (!victim)
        victim = longest_waiting(server, WAITING_REST, SLOW_REQUEST_MS);
    if (!victim)
        victim = longest_waiting(server, WAITING_NEXT, 0);
    if (!victim)
        return false;
    http_connection_waits(victim, WAITING_NOTHING);
    server->stats.evicted++;
    fiber_cancel(victim->fiber);
    return true;
}

static void start_connection(struct http_server *server, int fd, const struct address *peer)
{
    struct http_connection *connection = xcalloc(1, sizeof(*connection));

    connection->server = server;
    connection->fd = fd;
    address_format(peer, connection->peer);
    http_parse_init(&connection->parse, &server->limits);
    list_add(&server->connections, &connection->link);
    list_init(&connection->waiting);
    connection->spare = server->stats.connections >= server->options.max_connections;
    server->stats.connections++;
    server->stats.accepted++;
    connection->fiber = fiber_spawn("http connection", http_connection_run, connection);
}

/* One that was cancelled ends within a turn of the loop. */
static void await_end(struct http_server *server)
{
    (void)!cond_wait(&server->ended, deadline_in(FULL_PAUSE_MS), NULL);
}

/* Returns 0, or -E_CANCELED when the server is closing. While there are places, accepting is all
 * that waits: several that come together need no look at the socket in between. */
static int accept_one(struct http_server *server, struct error *err)
{
    size_t places = server->options.max_connections + (server->options.spare ? SPARE_PLACES : 0);
    struct address peer;
    int fd;
    int r =
        server->stats.connections < places ? 0 : io_wait(server->fd, IO_READ, DEADLINE_NONE, err);

    while (r == 0 && server->stats.connections >= places) {
        if (!make_room(server))
            r = cond_wait(&server->ended, deadline_in(FULL_PAUSE_MS), err);
        else
            await_end(server);
        r = r == -E_TIMEOUT ? 0 : r;
        if (fiber_canceled())
            return error_set(err, E_CANCELED, "the server is closing");
    }
    if (r == 0)
        r = io_accept(server->fd, DEADLINE_NONE, &fd, &peer, err);
    if (r != 0)
        return r;
    if (server->stats.connections >= server->options.max_connections && make_room(server))
        await_end(server);
    start_connection(server, fd, &peer);
    return 0;
}

static void accept_run(void *arg)
{
    struct http_server *server = arg;
    struct error err = {0};

    for (size_t accepted = 1; !fiber_canceled(); accepted++) {
        int r = accept_one(server, &err);

        if (accepted % ACCEPTS_PER_YIELD == 0)
            fiber_yield();
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
    options->max_stream_bytes = or_default(options->max_stream_bytes, options->max_body_bytes);
    options->max_held_bytes = or_default(options->max_held_bytes, 128 << 20);
    options->body_room_timeout_ms = or_default_ms(options->body_room_timeout_ms, 2000);
    options->request_timeout_ms = or_default_ms(options->request_timeout_ms, 30000);
    options->reply_timeout_ms = or_default_ms(options->reply_timeout_ms, 120000);
    options->idle_timeout_ms = or_default_ms(options->idle_timeout_ms, 75000);
    options->first_byte_timeout_ms = or_default_ms(options->first_byte_timeout_ms,
                                                   deadline_min(10000, options->idle_timeout_ms));
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
        .stream_bytes = server->options.max_stream_bytes,
    };
    server->fd = fd;
    server->port = io_local_port(fd);
    list_init(&server->connections);
    for (size_t i = 0; i < ARRAY_LENGTH(server->waiting); i++)
        list_init(&server->waiting[i]);
    cond_init(&server->ended);
    budget_init(&server->held, server->options.max_held_bytes);
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
