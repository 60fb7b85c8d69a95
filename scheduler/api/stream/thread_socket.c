/* A WebSocket of a thread: the handshake.
 *
 * A page learns nothing of an upgrade that is refused, so one that is offered as it should be is
 * taken whatever is wrong with the request: then an error and a close with its code say what. Other
 * requests get the status that they would.
 */

#include "scheduler/api/access/seats.h"
#include "scheduler/api/request.h"
#include "scheduler/api/stream/resources.h"
#include "scheduler/api/stream/socket.h"
#include "shared/base/clock.h"
#include "shared/store/polls/thread_standings.h"
#include "shared/websocket/handshake.h"

#define PROTOCOL "penstock.v1"

/* The value of Sec-WebSocket-Accept. False: this is no handshake as it should be. */
static bool read_handshake(const struct http_exchange *exchange,
                           char out_accept[WEBSOCKET_ACCEPT_SIZE])
{
    struct text version = text_trim(http_header_get(exchange, "sec-websocket-version"));
    struct text key = text_trim(http_header_get(exchange, "sec-websocket-key"));

    return http_offers_upgrade(exchange, "websocket") && text_is(version, WEBSOCKET_VERSION) &&
           websocket_accept(key, out_accept);
}

static int check_handshake(struct request *request, char out_accept[WEBSOCKET_ACCEPT_SIZE])
{
    struct http_exchange *exchange = request->exchange;

    if (read_handshake(exchange, out_accept))
        return 0;
    http_add_header(exchange, "Upgrade", TEXT("websocket"));
    http_add_header(exchange, "Sec-WebSocket-Version", TEXT(WEBSOCKET_VERSION));
    return failure_param(&request->failure, 426, NULL, "upgrade_required",
                         "This is a WebSocket of version " WEBSOCKET_VERSION
                         ": 'Upgrade: websocket', "
                         "'Connection: Upgrade', 'Sec-WebSocket-Version: " WEBSOCKET_VERSION
                         "', and a 'Sec-WebSocket-Key' of 16 bytes in base64 are needed.");
}

/* Only our own name: what else is offered may be a ticket, which is a secret. */
static bool offers_protocol(const struct http_exchange *exchange)
{
    struct text offered = http_header_get(exchange, "sec-websocket-protocol");
    struct text name;

    while (websocket_protocol_next(&offered, &name))
        if (text_is(name, PROTOCOL))
            return true;
    return false;
}

static int upgrade(struct request *request, const char *accept)
{
    struct http_exchange *exchange = request->exchange;
    struct error err;

    http_add_header(exchange, "Sec-WebSocket-Accept", text_of(accept));
    if (offers_protocol(exchange))
        http_add_header(exchange, "Sec-WebSocket-Protocol", TEXT(PROTOCOL));
    return http_upgrade(exchange, "websocket", &err);
}

static int code_of(const struct failure *failure)
{
    switch (failure->status) {
    case 401:
        return SOCKET_UNAUTHORIZED;
    case 403:
        return SOCKET_FORBIDDEN;
    case 404:
        return SOCKET_NOT_FOUND;
    case 429:
        return SOCKET_TOO_MANY;
    case 503:
        return WEBSOCKET_TRY_LATER;
    default:
        return failure->status >= 500 ? WEBSOCKET_INTERNAL : WEBSOCKET_POLICY;
    }
}

static int refuse(struct request *request)
{
    const struct failure *failure = &request->failure;
    struct socket socket = {.request = request};
    char accept[WEBSOCKET_ACCEPT_SIZE];

    if (!read_handshake(request->exchange, accept))
        return -E_INVALID;
    if (upgrade(request, accept) < 0)
        return 0;
    buf_init(&socket.out, 0);
    socket_send_error(&socket, TEXT_NONE, failure);
    websocket_write_close(&socket.out, code_of(failure), text_of(failure->message));
    (void)socket_flush(&socket);
    buf_deinit(&socket.out);
    return 0;
}

static int crowded(struct request *request, int status, const char *code, const char *message)
{
    (void)failure_param(&request->failure, status, NULL, code, "%s", message);
    request->failure.retry = RETRY_YES;
    request->failure.retry_after_s = 5;
    return -E_INVALID;
}

/* The present, and that the thread is there. */
static int find_thread(struct request *request, struct socket *socket)
{
    const struct thread_place present = {.us = -1};
    struct thread_next next;
    struct error err;
    int r = thread_next_run(&request->store, socket->thread, &present, &next, &err);

    if (r == THREAD_MISSING)
        return request_missing(request, "thread", request->exchange->params[0]);
    if (r < 0)
        return request_failed(request, &err);
    socket->place.us = next.us;
    return 0;
}

/* How long it is open is no time of the request's. */
static void serve(struct request *request, struct socket *socket, const char *accept)
{
    struct api_metrics *metrics = &request->api->metrics;
    int64_t from_us = clock_us();

    if (upgrade(request, accept) < 0)
        return;
    request_let_go(request);
    metrics->sockets++;
    socket_serve(socket);
    metrics->sockets--;
    request->start_us += clock_us() - from_us;
}

/* With a place among the readers, and one among its key's. */
static int sit_down(struct request *request, struct socket *socket, const char *accept)
{
    struct live *live = request->api->live;

    if (!live ||
        !live_join_thread(live, &socket->thread_reader, socket->thread, request_readers(request)))
        return crowded(request, 503, "service_unavailable",
                       "As many streams are open as may be. Please try again.");
    serve(request, socket, accept);
    live_leave(live, &socket->thread_reader);
    return 0;
}

static int thread_socket(struct request *request)
{
    struct socket socket = {.request = request};
    char accept[WEBSOCKET_ACCEPT_SIZE];
    int r = request_id(request, 0, ID_THREAD, "thread", &socket.thread);

    if (r == 0)
        r = check_handshake(request, accept);
    if (r == 0)
        r = request_check_ticket(request, socket.thread);
    if (r == 0)
        r = find_thread(request, &socket);
    if (r < 0)
        return r;
    socket.seat = seat_take(request->api->seats, request->key);
    if (!socket.seat)
        return crowded(request, 429, "too_many_sockets",
                       "As many sockets of this API key are open as may be.");
    r = sit_down(request, &socket, accept);
    seat_give(request->api->seats, socket.seat);
    return r;
}

static const char *const query[] = {"ticket", NULL};

static const struct endpoint table[] = {
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/threads/{thread_id}/ws",
     .handle = thread_socket,
     .refuse = refuse,
     .gives = GIVES_SOCKET,
     .query = query,
     .flags = ENDPOINT_TICKET},
};

const struct endpoint_table thread_socket_endpoints = ENDPOINT_TABLE(table);
