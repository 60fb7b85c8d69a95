/* A connection: one fiber that reads a request, lets the handler reply, and begins again.
 *
 *     await the first byte ──► read the request ──► handler ──► keep alive? ──► await …
 *       idle deadline          request deadline    reply deadline     └──► linger, close
 *
 * While it waits for a request it owns no buffer: a thousand idle connections cost their stacks.
 *
 * Closing a socket whose input was not read makes the kernel send a reset, which may overtake the
 * reply. So after the last reply the sending side is shut, and what the client still sends is read
 * and dropped for a short while (RFC 9112, section 9.6).
 *
 * A cancel (http_server_close at its deadline) makes every wait fail: the fiber unwinds and closes
 * without lingering. A fiber whose socket is always ready never waits, so it yields now and then,
 * and looks at the clock and for cancels itself.
 */

#include "shared/http_server/connection.h"

#include <errno.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/base/log.h"
#include "shared/fiber/fiber.h"

#define READS_PER_YIELD    16
#define REQUESTS_PER_YIELD 16
#define LINGER_READ_BYTES  4096
#define LINGER_MAX_BYTES   ((size_t)64 << 20)
#define REQUEST_ID_MAX     40

enum { CONNECTION_OVER = HTTP_RECEIVE_OVER, CONNECTION_ANSWERED = 3 };

_Static_assert((int)CONNECTION_OVER != (int)HTTP_PARSE_MORE, "two conditions");

/* Drops what is sent of the parts' front. */
static void advance_parts(struct iovec **parts, size_t *count, size_t sent)
{
    while (*count > 0 && sent >= (*parts)->iov_len) {
        sent -= (*parts)->iov_len;
        (*parts)++;
        (*count)--;
    }
    if (*count > 0) {
        (*parts)->iov_base = (char *)(*parts)->iov_base + sent;
        (*parts)->iov_len -= sent;
    }
}

static int write_parts(struct http_connection *connection, struct iovec *parts, size_t count,
                       struct error *err)
{
    /* A handler may move its deadline (a long stream); no single write outlasts the option. */
    int64_t deadline_ms = deadline_min(connection->exchange.deadline_ms,
                                       deadline_in(connection->server->options.reply_timeout_ms));

    if (fiber_canceled())
        return error_set(err, E_CANCELED, "cancelled before the reply was written");
    if (clock_ms() >= deadline_ms)
        return error_set(err, E_TIMEOUT, "the reply's deadline has passed");
    for (;;) {
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
        ssize_t sent = sendmsg(connection->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        int r;

        if (sent >= 0) {
            advance_parts(&parts, &count, (size_t)sent);
            if (count == 0)
                return 0;
        } else if (errno == EPIPE || errno == ECONNRESET) {
            return error_set(err, E_CLOSED, "the peer closed the connection");
        } else if (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK) {
            return error_set_errno(err, errno, "sendmsg");
        }
        r = io_wait(connection->fd, IO_WRITE, deadline_ms, err);
        if (r < 0)
            return r;
    }
}

int http_connection_write(struct http_connection *connection, struct iovec *parts, size_t count,
                          struct error *err)
{
    int r = write_parts(connection, parts, count, err);

    if (r < 0)
        connection->broken = true;
    return r;
}

/* ---- reading ---- */

int http_connection_receive(struct http_connection *connection, int64_t deadline_ms,
                            size_t *out_len, struct error *err)
{
    size_t size;
    char *to = http_parse_space(&connection->parse, &size);
    int r;

    if (!to) {
        connection->parse.status = 503;
        return error_set(err, E_LIMIT, "no memory for the request");
    }
    r = io_read(connection->fd, to, size, deadline_ms, out_len, err);
    return r == IO_EOF ? HTTP_RECEIVE_OVER : r;
}

/* Waits for the first byte of a request, with no memory held. Returns 0 with what was received,
 * CONNECTION_OVER (closed, drained, idle for too long), or an error. */
static int await_request(struct http_connection *connection, size_t *out_len, struct error *err)
{
    const struct http_server_options *options = &connection->server->options;
    int64_t deadline_ms =
        deadline_in(connection->served ? options->idle_timeout_ms : options->first_byte_timeout_ms);
    int r;

    http_parse_release(&connection->parse);
    if (connection->server->draining)
        return CONNECTION_OVER;
    connection->idle = true;
    http_connection_waits(connection, connection->served ? WAITING_NEXT : WAITING_FIRST);
    r = io_wait(connection->fd, IO_READ, deadline_ms, err);
    connection->idle = false;
    http_connection_waits(connection, WAITING_NOTHING);
    if (r == -E_TIMEOUT)
        return CONNECTION_OVER;
    if (r < 0)
        return r;
    return http_connection_receive(connection, deadline_ms, out_len, err);
}

/* ---- one exchange ---- */

static bool is_sane_id(struct text id)
{
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];

        if ((c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '_' &&
            c != '-')
            return false;
    }
    return id.len > 0 && id.len <= REQUEST_ID_MAX;
}

/* Does nothing when it has begun already, with the head. */
static void begin_exchange(struct http_connection *connection)
{
    struct http_exchange *exchange = &connection->exchange;
    const struct http_request *request = &connection->parse.request;

    if (connection->begun)
        return;
    connection->begun = true;
    *exchange = (struct http_exchange){
        .method = request->method,
        .target = request->target,
        .path = request->target,
        .headers = request->headers,
        .headers_count = request->headers ? request->headers_count : 0,
        .body_bytes_max = connection->server->options.max_body_bytes,
        .deadline_ms = deadline_in(connection->server->options.reply_timeout_ms),
        .connection = connection,
    };
    (void)text_cut(request->target, '?', &exchange->path, &exchange->query);
    memcpy(exchange->peer, connection->peer, sizeof(exchange->peer));
    arena_init(&exchange->arena, 0);
    buf_init(&exchange->extra_headers, 0);
    if (is_sane_id(request->request_id))
        memcpy(exchange->request_id, request->request_id.ptr, request->request_id.len);
    else
        id_format(ID_REQUEST, uuid_new(), exchange->request_id);
}

static void give_back(struct http_exchange *exchange)
{
    if (exchange->charged == 0)
        return;
    budget_give(&exchange->connection->server->held, exchange->charged);
    if (exchange->share)
        budget_give(exchange->share, exchange->charged);
    exchange->charged = 0;
}

void http_drop_body(struct http_exchange *exchange)
{
    http_parse_drop_body(&exchange->connection->parse);
    exchange->body = TEXT("");
    give_back(exchange);
}

static void end_exchange(struct http_connection *connection)
{
    struct http_exchange *exchange = &connection->exchange;

    if (!connection->begun)
        return;
    connection->begun = connection->continued = false;
    give_back(exchange);
    if (exchange->on_end)
        exchange->on_end(exchange);
    arena_deinit(&exchange->arena);
    buf_deinit(&exchange->extra_headers);
    buf_deinit(&connection->head);
}

/* Shows the application the head. Returns 0, CONNECTION_ANSWERED, or an error with parse.status. */
static int show_head(struct http_connection *connection, int64_t deadline_ms, struct error *err)
{
    struct http_exchange *exchange = &connection->exchange;
    const struct http_server_options *options = &connection->server->options;

    begin_exchange(connection);
    exchange->deadline_ms = deadline_ms;
    if (!options->head)
        return http_parse_limit_body(&connection->parse, options->max_body_bytes, err);
    options->head(exchange, options->arg);
    if (exchange->status != 0)
        return CONNECTION_ANSWERED;
    if (!exchange->body_streams && exchange->body_bytes_max > options->max_body_bytes)
        exchange->body_bytes_max = options->max_body_bytes;
    return http_parse_limit_body(&connection->parse, exchange->body_bytes_max, err);
}

static int take_room(struct budget *budget, size_t bytes, int64_t deadline_ms,
                     struct http_connection *connection, struct error *err)
{
    int r = budget_take(budget, bytes, deadline_ms, err);

    if (r == -E_TIMEOUT)
        return http_parse_refuse(&connection->parse, 503,
                                 "there is no room for the body at the moment: too many bytes of "
                                 "requests are being held; try again",
                                 err);
    return r;
}

/* Charges what the body takes, of its sender's share first, so that who waits for that holds
 * nothing of what all share. */
static int charge_body(struct http_connection *connection, struct error *err)
{
    struct http_exchange *exchange = &connection->exchange;
    struct http_server *server = connection->server;
    size_t bytes = http_parse_body_bytes(&connection->parse);
    size_t more = bytes > exchange->charged ? bytes - exchange->charged : 0;
    int64_t deadline_ms = deadline_in(server->options.body_room_timeout_ms);
    int r;

    if (more == 0)
        return 0;
    if (exchange->share) {
        r = take_room(exchange->share, more, deadline_ms, connection, err);
        if (r < 0)
            return r;
    }
    r = take_room(&server->held, more, deadline_ms, connection, err);
    if (r < 0 && exchange->share)
        budget_give(exchange->share, more);
    if (r == 0)
        exchange->charged += more;
    return r;
}

int http_connection_continue(struct http_connection *connection, struct error *err)
{
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct iovec part = {(void *)(uintptr_t)interim, sizeof(interim) - 1};

    return http_connection_write(connection, &part, 1, err);
}

/* A body that may stream can be complete, and yet larger than one that is gathered may be. */
static int judge_complete(struct http_connection *connection, int64_t deadline_ms,
                          struct error *err)
{
    if (connection->begun ||
        connection->parse.request.body.len <= connection->server->options.max_body_bytes)
        return 0;
    return show_head(connection, deadline_ms, err);
}

/* Reads until the request is complete, or its head is where the body streams. `received` bytes of
 * it are there. */
static int read_rest(struct http_connection *connection, size_t received, struct error *err)
{
    struct http_parse *parse = &connection->parse;
    int64_t deadline_ms = deadline_in(connection->server->options.request_timeout_ms);

    for (size_t reads = 1;; reads++) {
        int r = http_parse_advance(parse, received, err);

        if (r == 0)
            return judge_complete(connection, deadline_ms, err);
        if (r != HTTP_PARSE_MORE)
            return r;
        if (!http_parse_begun(parse))
            return HTTP_PARSE_MORE;
        if (http_parse_awaits_body(parse)) {
            http_connection_waits(connection, WAITING_NOTHING); /* it is our turn */
            r = connection->begun ? 0 : show_head(connection, deadline_ms, err);
            if (r == 0 && connection->exchange.body_streams) {
                http_parse_stream(parse);
                return 0;
            }
            if (r == 0)
                r = charge_body(connection, err);
            if (r != 0)
                return r;
            http_connection_waits(connection, WAITING_REST);
        }
        if (!connection->continued && http_parse_wants_continue(parse)) {
            connection->continued = true;
            r = http_connection_continue(connection, err);
            if (r < 0)
                return r;
        }
        if (reads % READS_PER_YIELD == 0)
            fiber_yield();
        if (fiber_canceled())
            return error_set(err, E_CANCELED, "cancelled while reading a request");
        r = clock_ms() >= deadline_ms
                ? -E_TIMEOUT
                : http_connection_receive(connection, deadline_ms, &received, err);
        if (r == -E_TIMEOUT) {
            parse->status = 408;
            return error_set(err, E_TIMEOUT, "request took longer than %lld ms to arrive",
                             (long long)connection->server->options.request_timeout_ms);
        }
        if (r == CONNECTION_OVER) {
            parse->status = 400;
            return error_set(err, E_CLOSED, "request ended before it was complete");
        }
        if (r < 0)
            return r;
    }
}

/* Returns 0 with a complete request, CONNECTION_OVER, or an error: with parse.status when the
 * client is to be told. */
static int read_request(struct http_connection *connection, struct error *err)
{
    for (;;) {
        size_t received = 0;
        int r = 0;

        if (!http_parse_begun(&connection->parse))
            r = await_request(connection, &received, err);
        if (r == 0) {
            http_connection_waits(connection, WAITING_REST);
            r = read_rest(connection, received, err);
            http_connection_waits(connection, WAITING_NOTHING);
        }
        if (r != HTTP_PARSE_MORE)
            return r;
    }
}

/* Tells the client why its request is refused. */
static void refuse(struct http_connection *connection, const struct error *err)
{
    struct http_server *server = connection->server;

    server->stats.refused++;
    log_debug("request refused", LOG_STR("peer", connection->peer),
              LOG_INT("status", connection->parse.status), LOG_STR("why", err->text));
    begin_exchange(connection);
    buf_reset(&connection->exchange.extra_headers);
    connection->closing = true;
    connection->exchange.deadline_ms = deadline_in(server->options.linger_timeout_ms);
    if (connection->parse.status == 503)
        http_add_header(&connection->exchange, "Retry-After", TEXT("1"));
    (void)http_reply_error(&connection->exchange, connection->parse.status, err->text);
}

static void handle(struct http_connection *connection)
{
    struct http_server *server = connection->server;
    struct http_exchange *exchange = &connection->exchange;

    server->stats.requests++;
    begin_exchange(connection);
    if (!connection->parse.streams)
        exchange->body = connection->parse.request.body;
    exchange->deadline_ms = deadline_in(server->options.reply_timeout_ms);
    if (connection->spare && !server->options.spare(exchange)) {
        connection->parse.status = 503;
        refuse(connection, &(struct error){.text = "the server has no place for more connections"});
        return;
    }
    server->options.handler(exchange, server->options.arg);
    if (exchange->status == 0 && !connection->broken) {
        buf_reset(&exchange->extra_headers);
        (void)http_reply_error(exchange, 500, "the request was not answered");
    }
    if (exchange->streaming) /* never ended: the client must not take it for whole */
        connection->broken = true;
}

/* ---- the life of a connection ---- */

/* Reads and drops until the client closes its end. */
static void linger(struct http_connection *connection)
{
    int64_t deadline_ms = deadline_in(connection->server->options.linger_timeout_ms);
    char scratch[LINGER_READ_BYTES];
    size_t total = 0;
    size_t len;

    shutdown(connection->fd, SHUT_WR);
    for (size_t reads = 1; total < LINGER_MAX_BYTES && clock_ms() < deadline_ms; reads++) {
        if (io_read(connection->fd, scratch, sizeof(scratch), deadline_ms, &len, NULL) != 0 ||
            fiber_canceled())
            return;
        total += len;
        if (reads % READS_PER_YIELD == 0)
            fiber_yield();
    }
}

/* Returns whether to go on with another request. */
static bool serve_one(struct http_connection *connection)
{
    struct error err = {0};
    int r = read_request(connection, &err);

    if (r < 0 && connection->parse.status != 0)
        refuse(connection, &err);
    else if (r == 0)
        handle(connection);
    end_exchange(connection);
    if (r < 0 ? connection->parse.status == 0 : r != 0 && r != CONNECTION_ANSWERED)
        return false;
    if (connection->broken)
        return false;
    if (connection->closing || connection->spare || connection->server->draining) {
        linger(connection);
        return false;
    }
    http_parse_next(&connection->parse);
    return true;
}

void http_connection_run(void *arg)
{
    struct http_connection *connection = arg;
    struct http_server *server = connection->server;

    while (serve_one(connection)) {
        connection->served++;
        if (connection->served % REQUESTS_PER_YIELD == 0 || http_parse_begun(&connection->parse))
            fiber_yield();
    }
    http_parse_deinit(&connection->parse);
    io_close(&connection->fd);
    list_remove(&connection->link);
    server->stats.connections--;
    cond_broadcast(&server->ended);
    free(connection);
}

void http_connection_end_idle(struct http_connection *connection)
{
    /* The waiting read sees an end of input behind what has arrived. */
    if (connection->idle)
        shutdown(connection->fd, SHUT_RD);
}

void http_abort(struct http_exchange *exchange)
{
    exchange->connection->broken = true;
    shutdown(exchange->connection->fd, SHUT_RDWR);
}

bool http_peer_gone(struct http_exchange *exchange)
{
    char byte;
    ssize_t got = recv(exchange->connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}
