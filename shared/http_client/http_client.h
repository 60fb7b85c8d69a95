#pragma once
/* HTTP for fibers over curl_multi_socket_action: pooled handles, connection reuse, HTTP/2 where the
 * server offers it by ALPN, deadlines for connecting, for the first byte, between bytes and in
 * total, caps on header and body sizes, redirects off, no proxy from the environment, no cookies. A
 * cancel or a time-out closes the transfer's connection at once.
 *
 * Names are resolved on the offload pool, once for all calls that need the same one at the same
 * time, and kept for less than a minute.
 *
 * Transfers are spread over several multi handles once there are many (a multi walks all
 * connections of a host: 10,000 in one cost three to six times the CPU of 1,000).
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct address;
struct error;
struct http_client;

struct http_client_options {
    size_t max_transfers;       /* at once; more wait in order; default 20 000 */
    size_t transfers_per_shard; /* default 1 000 */
    /* To one host by https, in each shard. With HTTP/2 a connection carries a hundred transfers,
     * and a burst opens one each unless this says otherwise: 8 is plenty. A host that speaks
     * HTTP/1.1 only gets no more at once than this. Plain http, pinned and once calls are not
     * counted. 0, the default: no cap. */
    long max_host_connections;
    const char *user_agent; /* default "penstock/VERSION" */
    const char *ca_file;    /* NULL: the system's */
};

struct http_header {
    struct text name;
    struct text value;
};

/* What a receiver of a reply's body says to a piece of it. */
enum http_take {
    HTTP_TAKE_MORE,   /* go on */
    HTTP_TAKE_ENOUGH, /* all that is wanted is here: the call succeeds when the body ends, or after
                       * HTTP_END_MS, and what comes meanwhile is dropped. A body that ends in that
                       * time leaves its connection to the next call */
    HTTP_TAKE_REFUSE, /* end the transfer with -E_LIMIT */
};
#define HTTP_END_MS 500

struct http_call {
    const char *method; /* "GET", "POST", … */
    const char *url;    /* http or https only */
    const struct http_header *headers;
    size_t headers_count;
    struct text body; /* borrowed until the call returns; with a HEAD it must be empty */

    int64_t connect_timeout_ms;    /* default 10 000 */
    int64_t first_byte_timeout_ms; /* from the start to the reply's first byte; default: total */
    int64_t idle_timeout_ms;       /* without a byte, once the reply has begun; default: total */
    int64_t total_timeout_ms;      /* default 600 000 */
    size_t max_body_bytes;         /* of the reply; default 16 MiB */
    size_t max_header_bytes;       /* of the reply; default 64 KiB */
    bool truncate_body;            /* end a longer body at max_body_bytes instead of -E_LIMIT */

    /* Decode a body that comes as gzip, deflate, br or zstd although none of them is asked for
     * ("Accept-Encoding: identity"): max_body_bytes and on_body are about what it decodes to. What
     * can't be decoded is -E_PROTOCOL. */
    bool decode_body;

    /* Connect to this checked address (IPv4 or IPv6), whatever the name resolves to now. A pinned
     * call opens a connection of its own and closes it afterwards: nobody else's is ever used. */
    const struct address *pin;

    /* Send it once at most, on a fresh connection. Without it, a request that went out on a
     * kept-alive connection which the server closed without any byte of reply is sent again on a
     * fresh one, whatever its method (a pinned call never is). */
    bool once;

    /* When set, body bytes go here as they arrive instead of into the response; it runs on the
     * loop's stack and must not wait. */
    enum http_take (*on_body)(void *arg, struct text bytes);
    void *arg;
};

struct http_response {
    int status;
    struct http_header *headers; /* in order of arrival; names as received */
    size_t headers_count;
    struct text body;      /* ended by a zero that is not counted */
    bool truncated;        /* the server had more to send */
    int64_t first_byte_ms; /* since the start */
    int64_t total_ms;
    char *storage; /* owns headers and body */
    char *body_storage;
};

/* Returns 0 or -E_SYSTEM. `options` may be NULL; its strings are copied. Close it from a fiber of
 * the loop on which it was used, when no call is under way. */
MUSTCHECK int http_client_open(const struct http_client_options *options, struct http_client **out,
                               struct error *err);
SUSPENDS void http_client_close(struct http_client *client); /* accepts NULL */

/* Make one call. Returns 0 for any complete response, whatever its status; *out is the caller's to
 * http_response_deinit. Otherwise -E_UNAVAILABLE (could not resolve or connect, also not within
 * connect_timeout_ms, or TLS failed: nothing was sent), -E_CLOSED (closed before the response was
 * complete), -E_TIMEOUT (of first byte, silence or total), -E_LIMIT (larger than the caps, or
 * refused by its receiver), -E_PROTOCOL (not HTTP), -E_INVALID (url, method, headers or pin),
 * -E_CANCELED. Texts name host and port, never the rest of the url. */
SUSPENDS MUSTCHECK int http_call(struct http_client *client, const struct http_call *call,
                                 struct http_response *out, struct error *err);

/* The same over the first of these addresses that takes a connection, in their order: each becomes
 * call->pin, and all but the last have HTTP_PIN_CONNECT_MS to connect. Time limits hold for all
 * together. */
SUSPENDS MUSTCHECK int http_call_pinned(struct http_client *client, const struct http_call *call,
                                        const struct address *pins, size_t count,
                                        struct http_response *out, struct error *err);
#define HTTP_PIN_CONNECT_MS 3000

void http_response_deinit(struct http_response *response);

/* The first header of that name (any case); TEXT_NONE when absent. */
struct text http_response_header(const struct http_response *response, const char *name);

struct http_client_stats {
    uint64_t calls;
    uint64_t failures;
    size_t active;
    size_t waiting;
    uint64_t connections_opened;
};
void http_client_stats_get(const struct http_client *client, struct http_client_stats *out);
