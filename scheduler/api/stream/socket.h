#pragma once
/* A socket: a client that reads a thread and may send to it, over one WebSocket
 * (docs/websocket.md).
 *
 *     thread_socket.c   the endpoint: handshake, refusals
 *     socket.c          its life: reads, tells, writes, sleeps; clocks; the close
 *     socket_frames.c   what the client says, done by the endpoints that do it over HTTP
 *     socket_events.c   the runs of the thread, one after the other, as events
 *
 * It has one fiber, which sleeps until there is input or something to tell. Nothing is queued for
 * a client: events are what there is when it comes to write (telling.h), and what a client may ask
 * for at once is limited. While a client takes nothing, nothing is read from it either. Private to
 * scheduler/api/stream.
 */

#include "scheduler/api/request.h"
#include "scheduler/api/stream/socket_place.h"
#include "scheduler/api/stream/socket_rate.h"
#include "scheduler/api/stream/telling.h"
#include "shared/websocket/websocket.h"

struct seat;

#define SOCKET_FRAME_BYTES   ((size_t)64 << 10)
#define SOCKET_MESSAGE_BYTES ((size_t)256 << 10)
#define SOCKET_OUT_BYTES     ((size_t)32 << 20)
#define SOCKET_PING_MS       25000
#define SOCKET_SILENCE_MS    60000
#define SOCKET_HELLO_MS      10000

/* Ours, beside those of the RFC. */
enum socket_code {
    SOCKET_UNAUTHORIZED = 4401,
    SOCKET_FORBIDDEN = 4403,
    SOCKET_NOT_FOUND = 4404,
    SOCKET_IDLE = 4408,
    SOCKET_TOO_MANY = 4429,
};

struct socket {
    struct request *request;
    struct uuid thread;
    struct seat *seat;
    struct websocket_reader reader;
    struct socket_rate rate;
    struct buf out;
    bool broken;    /* the client is gone */
    int close_code; /* it is to be closed; 0: not */
    char close_reason[WEBSOCKET_REASON_MAX + 1];
    int64_t opened_ms;
    int64_t heard_ms; /* from the client, last */
    int64_t pinged_ms;

    struct waiter thread_reader;
    struct event_sink sink;
    size_t event_begun; /* the message that is being appended to `out` */
    const struct event_format *format;
    bool reads; /* the client has said hello */
    struct socket_place place;
    bool look;          /* there may be a next run */
    int64_t look_at_ms; /* not before: the database has failed */
    uint64_t seen;      /* live_stored of the thread, when it was looked */
    bool is_telling;
    struct telling telling;
};

/* From a handshake that is done to the close that is sent. */
SUSPENDS void socket_serve(struct socket *socket);

/* It is to be closed; the first reason counts. */
void socket_close(struct socket *socket, int code, const char *reason);
static inline bool socket_is_open(const struct socket *socket)
{
    return !socket->broken && socket->close_code == 0;
}

/* Appends the beginning of a message, whose members are appended to socket->out then, each behind a
 * comma; and its end, with what the beginning returned. */
MUSTCHECK size_t socket_begin(struct socket *socket, const char *type);
void socket_end(struct socket *socket, size_t begun);
void socket_send_error(struct socket *socket, struct text id, const struct failure *failure);

/* Writes what was appended, as fast as the client takes it. Returns whether it still does. */
SUSPENDS bool socket_flush(struct socket *socket);

/* A message of the client's; and one that came too soon. */
SUSPENDS void socket_take(struct socket *socket, struct text message);
void socket_refuse(struct socket *socket, struct text message, int64_t retry_after_ms);

/* Events. */
void socket_events_init(struct socket *socket);
SUSPENDS void socket_tell(struct socket *socket);  /* what there is by now */
bool socket_has_told(const struct socket *socket); /* nothing came since */
void socket_stop_telling(struct socket *socket);

/* Begins there, where that is a place in this thread; else in the present. */
SUSPENDS void socket_begin_at(struct socket *socket, const struct socket_place *place);
MUSTCHECK bool socket_set_format(struct socket *socket, struct text name);
