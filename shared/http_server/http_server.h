#pragma once
/* The HTTP/1.1 server: a fiber per connection that reads, routes and writes as straight-line code.
 * One implementation for the API, for health and metrics, and for the rehearsal LLM.
 *
 * http-parser parses, behind parse.c; what it is lax about is refused before the handler sees the
 * request (docs/http-server.md lists each point with its test). Limits: request line, header bytes
 * and count, body bytes, a deadline for the whole request, an idle deadline, connections at once.
 *
 * Memory: a request lives in its exchange's arena and body buffer, freed when the handler returns.
 */

#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/io/io.h"

struct budget;
struct error;
struct http_server;

enum http_method {
    HTTP_METHOD_GET,
    HTTP_METHOD_HEAD,
    HTTP_METHOD_POST,
    HTTP_METHOD_PUT,
    HTTP_METHOD_PATCH,
    HTTP_METHOD_DELETE,
    HTTP_METHOD_OPTIONS,
};

struct http_field {
    struct text name;
    struct text value;
};

#define HTTP_PATH_PARAMS_MAX 4

struct http_exchange {
    enum http_method method;
    struct text target; /* as received: path and query */
    struct text path;   /* as received, still percent-encoded */
    struct text query;  /* as received, without '?'; empty when absent */
    const struct http_field *headers;
    size_t headers_count;
    struct text body;
    size_t body_bytes_max; /* of this request: see http_head_fn */
    bool body_streams;     /* the same */
    struct budget *share;  /* the same; NULL: none */
    char peer[ADDRESS_TEXT_SIZE];
    struct arena arena;                       /* of this request */
    int64_t deadline_ms;                      /* of the whole request */
    struct text params[HTTP_PATH_PARAMS_MAX]; /* what {…} of the route matched, decoded */
    char request_id[48]; /* x-request-id of the reply: taken from the request when it is sane */
    void *user;          /* the application's */
    void (*on_end)(struct http_exchange *exchange); /* called last, whatever came of it; or NULL */

    struct http_connection *connection; /* the server's */
    struct buf extra_headers;
    size_t charged; /* bytes of the body, in the server's budget and in the share */
    int status;     /* of the reply, 0 until it is begun */
    bool streaming;
    bool sized; /* the stream has a length */
};

/* Handles one request in the connection's fiber: it must reply exactly once (http_reply, or
 * http_stream_begin … http_stream_end). When it does not, the server replies 500. */
typedef void (*http_handler_fn)(struct http_exchange *exchange, void *arg);

/* Looks at a request whose head has come and whose body has not, before "100 Continue" is sent
 * and before memory is taken for the body. It may reply, as when the sender may not send: then
 * the body is not read, and the connection is closed. It may lower exchange->body_bytes_max
 * (413), and name a budget of the sender's group in exchange->share. A request whose body came
 * along with its head goes to the handler at once, so that must look at all of this, too.
 *
 * Where it sets exchange->body_streams the body is not gathered: the handler is called at once, and
 * reads the body with http_body_read. Such a body may have up to max_stream_bytes, and less where
 * exchange->body_bytes_max says so. */
typedef void (*http_head_fn)(struct http_exchange *exchange, void *arg);

/* Writes the body of an error that the server itself raises (400, 408, 413, 414, 431, 503, …) in
 * the application's format: append to `body`, return its content type. NULL: text/plain. */
typedef const char *(*http_error_fn)(int status, const char *message, struct buf *body);

struct http_server_options {
    const char *host; /* numeric address or unix path; required */
    int port;         /* 0: any free one */
    http_handler_fn handler;
    http_head_fn head; /* NULL: bodies are read whoever sends them */
    void *arg;
    http_error_fn error_body;
    /* Which requests are served on the few connections that are taken beyond max_connections,
     * such as health checks; others get 503 there. NULL: there are no such connections. */
    bool (*spare)(const struct http_exchange *exchange);

    size_t max_connections;        /* default 10 000; further ones: see server.c */
    size_t max_held_bytes;         /* of all bodies together; default 128 MiB; 503 */
    size_t max_request_line_bytes; /* default 8 KiB; 414 */
    size_t max_header_bytes;       /* default 32 KiB; 431 */
    size_t max_headers;            /* default 100; 431 */
    size_t max_body_bytes;         /* default 4 MiB; 413 */
    size_t max_stream_bytes;       /* of bodies that stream; default: as max_body_bytes; 413 */
    int64_t
        first_byte_timeout_ms;  /* of a new connection to its first byte; default 10 000, or idle */
    int64_t request_timeout_ms; /* first byte to the last of the request; default 30 000; 408 */
    int64_t body_room_timeout_ms; /* waiting for room for a body; default 2 000; 503 */
    int64_t reply_timeout_ms;     /* handler and writing the reply; default 120 000 */
    int64_t idle_timeout_ms;      /* between requests; default 75 000 */
    int64_t linger_timeout_ms;    /* draining input after an early error reply; default 1 000 */
};

/* Listens and serves in the background. Returns 0 with *out, or -E_SYSTEM (address in use, …). */
MUSTCHECK int http_server_open(const struct http_server_options *options, struct http_server **out,
                               struct error *err);
int http_server_port(const struct http_server *server);

/* Graceful: stop accepting, close idle connections, let requests in work finish (their replies say
 * Connection: close), cut what is left at the deadline; then free. Accepts NULL. */
SUSPENDS void http_server_close(struct http_server *server, int64_t deadline_ms);

/* True once http_server_close has begun: streams should end. */
bool http_server_draining(const struct http_server *server);

/* "GET", "HEAD", … */
const char *http_method_name(enum http_method method);

/* The next piece of the body, as it comes: 0 with *out, which has at least one byte and is valid
 * until the next call; HTTP_BODY_END behind the last one; -E_TIMEOUT; -E_CLOSED when the client has
 * gone in the midst of it; -E_PROTOCOL or -E_LIMIT when the client is to be told what the text says
 * (400, 413); -E_CANCELED. Each piece moves exchange->deadline_ms on. A body that was gathered is
 * one piece. Who replies before the end gives the rest up, and the connection with it. */
enum { HTTP_BODY_END = 1 };
SUSPENDS MUSTCHECK int http_body_read(struct http_exchange *exchange, int64_t deadline_ms,
                                      struct text *out, struct error *err);

/* Fields of the request. The first header of that name, any case; TEXT_NONE when absent. */
struct text http_header_get(const struct http_exchange *exchange, const char *name);

/* The first query parameter of that name, percent-decoded into the arena; TEXT_NONE when absent.
 * `index` walks repeated ones (limit[]=…): 0, 1, … */
struct text http_query_get(struct http_exchange *exchange, const char *name, size_t index);

/* The name of the next query parameter, decoded into the arena (as received where that can't be).
 * *rest begins as exchange->query. False: there are no more. */
bool http_query_next(struct http_exchange *exchange, struct text *rest, struct text *out_name);

/* Percent-decode into the arena ('+' is a blank when plus_is_blank). False: malformed or %00. */
MUSTCHECK bool http_decode(struct arena *arena, struct text in, bool plus_is_blank,
                           struct text *out);

/* Add a header to the reply, before it is begun. Values with CR or LF are a programmer error. */
void http_add_header(struct http_exchange *exchange, const char *name, struct text value);

/* The whole reply at once. Returns 0, or the error that closed the connection (the handler has
 * nothing left to do then, so ignoring it with (void) is fine after logging). */
SUSPENDS int http_reply(struct http_exchange *exchange, int status, const char *content_type,
                        struct text body);

/* A reply in pieces, chunked (or until close for HTTP/1.0). A slow reader suspends the writer. */
SUSPENDS MUSTCHECK int http_stream_begin(struct http_exchange *exchange, int status,
                                         const char *content_type, struct error *err);
/* The same for a reply of exactly so many bytes, which has a Content-Length: where fewer were
 * written when it ends, the connection is cut. */
SUSPENDS MUSTCHECK int http_stream_begin_sized(struct http_exchange *exchange, int status,
                                               const char *content_type, uint64_t bytes,
                                               struct error *err);
SUSPENDS MUSTCHECK int http_stream_write(struct http_exchange *exchange, struct text bytes,
                                         struct error *err);
SUSPENDS int http_stream_end(struct http_exchange *exchange, struct error *err);

/* The same in fewer packets: http_stream_open sends nothing, so that the head leaves with the first
 * write; the other writes the last piece with the end. */
MUSTCHECK int http_stream_open(struct http_exchange *exchange, int status, const char *content_type,
                               struct error *err);
SUSPENDS int http_stream_end_with(struct http_exchange *exchange, struct text bytes,
                                  struct error *err);

/* Another protocol on the connection, such as a WebSocket: where the client offers it (GET of
 * HTTP/1.1 without a body, "Connection: Upgrade", "Upgrade: PROTOCOL"), http_upgrade answers 101
 * with the headers added so far, and from then on the handler reads and writes bytes as they are.
 * The connection is closed when it returns. Each write has until exchange->deadline_ms, which the
 * handler moves on as long as it likes. An offer that no handler takes is ignored. */
bool http_offers_upgrade(const struct http_exchange *exchange, const char *protocol);
SUSPENDS MUSTCHECK int http_upgrade(struct http_exchange *exchange, const char *protocol,
                                    struct error *err);
/* As io_read: 0 with *out_len > 0 bytes, IO_EOF, or an error. */
SUSPENDS MUSTCHECK int http_upgraded_read(struct http_exchange *exchange, void *to, size_t size,
                                          int64_t deadline_ms, size_t *out_len, struct error *err);
SUSPENDS MUSTCHECK int http_upgraded_write(struct http_exchange *exchange, struct text bytes,
                                           struct error *err);
/* Until somebody calls fiber_wake for the handler's fiber, as http_await_wake: 0; or there is
 * something to read, or the end of it: HTTP_INPUT. */
enum { HTTP_INPUT = 2 };
SUSPENDS MUSTCHECK int http_upgraded_wait(struct http_exchange *exchange, const char *reason,
                                          int64_t deadline_ms, struct error *err);

/* For a handler that replies for long: the body was read, and what it takes is given back, to the
 * budgets, too. exchange->body is empty then. */
void http_drop_body(struct http_exchange *exchange);

/* Close the connection without (or in the midst of) a reply: the rehearsal LLM's misbehaviour. */
void http_abort(struct http_exchange *exchange);

/* Whether the peer has closed its end while the handler works (a client that gave up). */
bool http_peer_gone(struct http_exchange *exchange);

/* For a handler that waits for long: until somebody calls fiber_wake for its fiber. Returns 0;
 * HTTP_PEER_GONE as soon as the peer has closed its end (a client that only shuts its sending side
 * looks the same); -E_TIMEOUT; -E_CANCELED. A peer that sends its next request meanwhile is not
 * seen to go any more. exchange->deadline_ms moves on by the time that was waited. `reason` is a
 * static string, for the dump of fibers. */
enum { HTTP_PEER_GONE = 1 };
SUSPENDS MUSTCHECK int http_await_wake(struct http_exchange *exchange, const char *reason,
                                       int64_t deadline_ms, struct error *err);

struct http_server_stats {
    size_t connections;
    uint64_t accepted;
    uint64_t requests;
    uint64_t evicted; /* closed to make room for another client */
    uint64_t refused; /* malformed, too large, too slow */
};
void http_server_stats_get(const struct http_server *server, struct http_server_stats *out);
