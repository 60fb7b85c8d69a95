#pragma once
/* What the files of the server share: the server, and the connection with its fiber. */

#include <sys/uio.h>

#include "shared/base/compiler.h"
#include "shared/base/list.h"
#include "shared/fiber/budget.h"
#include "shared/fiber/cond.h"
#include "shared/http_server/http_server.h"
#include "shared/http_server/parse.h"

struct error;
struct fiber;

/* What a connection waits for from its client. Those that wait are on a list each, the longest
 * waiting first: who gives way when a further client comes (server.c). */
enum http_waiting {
    WAITING_FIRST, /* the first byte of the first request */
    WAITING_NEXT,  /* the first byte of a further one */
    WAITING_REST,  /* the rest of a request */
    WAITING_NOTHING,
};

struct http_server {
    struct http_server_options options; /* with the defaults filled in */
    struct http_limits limits;
    int fd;
    int port;
    struct fiber *acceptor;
    bool draining;
    struct list connections;
    struct list waiting[WAITING_NOTHING]; /* the connections that wait, by what for */
    struct cond ended;                    /* a connection has ended */
    struct budget held;                   /* bytes of bodies */
    struct http_server_stats stats;
};

struct http_connection {
    struct list link;
    struct list waiting; /* in server->waiting */
    int64_t waiting_since_ms;
    uint64_t served; /* requests */
    bool spare;      /* over the limit of connections: for what options.spare says only */
    struct http_server *server;
    struct fiber *fiber;
    int fd;
    bool idle;       /* waits for a request of which nothing has come */
    bool begun;      /* the exchange has */
    bool closing;    /* the reply said Connection: close */
    bool broken;     /* a write failed, a reply was cut or aborted: nothing more can be sent */
    bool chunked;    /* the reply in work is */
    uint64_t owed;   /* bytes of a reply with a length that are still to be written */
    bool upgraded;   /* the handler has its bytes now */
    bool continued;  /* "100 Continue" was sent for this request */
    size_t pieces;   /* of its body that were read */
    int send_buffer; /* bytes; 0: the kernel's own */
    struct buf head; /* of a stream that is open and has sent nothing */
    char peer[ADDRESS_TEXT_SIZE];
    struct http_parse parse;
    struct http_exchange exchange;
};

/* Serves the connection until it ends, then frees it; a fiber's function, `arg` is the connection.
 * */
SUSPENDS void http_connection_run(void *arg);

/* Puts it on the list of those that wait for this, or on none. */
void http_connection_waits(struct http_connection *connection, enum http_waiting what);

/* Ask an idle connection to end; what it has received already it still answers. */
void http_connection_end_idle(struct http_connection *connection);

/* Writes all of it, with one system call when the socket takes it. Returns 0, or an error after
 * which the connection is broken. */
SUSPENDS MUSTCHECK int http_connection_write(struct http_connection *connection,
                                             struct iovec *parts, size_t count, struct error *err);

/* Reads some bytes of the request. Returns 0 with *out_len, HTTP_RECEIVE_OVER at the end of the
 * input, or an error; a refusal is in parse.status. */
enum { HTTP_RECEIVE_OVER = 2 }; /* beside HTTP_PARSE_MORE, which is 1 */
SUSPENDS MUSTCHECK int http_connection_receive(struct http_connection *connection,
                                               int64_t deadline_ms, size_t *out_len,
                                               struct error *err);

/* Tells the client to go on with its body. */
SUSPENDS MUSTCHECK int http_connection_continue(struct http_connection *connection,
                                                struct error *err);

/* What goes on for long is written into a small buffer of the kernel's, so that a slow reader
 * suspends its writer early. */
void http_connection_shrink_send_buffer(struct http_connection *connection);

/* Replies with an error of the server's own, in the application's format. */
SUSPENDS int http_reply_error(struct http_exchange *exchange, int status, const char *message);
