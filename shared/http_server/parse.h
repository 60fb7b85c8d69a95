#pragma once
/* Requests out of bytes: the strict scan (scan.h), then http-parser, which nothing else in the
 * project sees. Pure: bytes in, a request or the status of an error reply out.
 *
 * Give it bytes by http_parse_space() and http_parse_advance() until that returns 0; take the
 * request; then http_parse_next(), which keeps what came after it (pipelining), and again
 * http_parse_advance() with 0 bytes.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/http_server/http_server.h"
#include "shared/http_server/scan.h"

struct error;

/* Everything in it points into the parse and is valid until http_parse_next. */
struct http_request {
    enum http_method method;
    struct text target;
    struct http_field *headers;
    size_t headers_count;
    struct text body;
    struct text request_id; /* the X-Request-Id header; TEXT_NONE when absent */
    bool http_1_0;
    bool keep_alive;
    bool expects_continue;
};

/* How the states follow each other. A request without a body has one of 0 bytes.
 *
 *   HEAD ──┬─ no body, or a length ──► BODY_IN_PLACE ── all is there ────────────────► DONE
 *          │                                 │                                        ▲  ▲
 *          │                                 └─ no room ──► BODY_APART ─ all is there ┘  │
 *          │                                                                             │
 *          │                                                        after the last chunk │
 *          └─ chunked ──► CHUNK_LINE ── a size ──► CHUNK_DATA ──► CHUNK_END ─────────────┘
 *                            ▲  │                                    ▲  │
 *                            │  └─ size 0: the last chunk ───────────┘  │
 *                            └──────────── after another chunk ─────────┘
 *
 * All but DONE lead to REFUSED, too.
 *
 * A body may stream instead (http_parse_stream): what has come of it is taken away piece by piece,
 * and `body` has what came since. One with a length is BODY_APART from then on. */
enum http_parse_state {
    HTTP_PARSE_HEAD,
    HTTP_PARSE_BODY_IN_PLACE, /* with Content-Length, behind the head in `input` */
    HTTP_PARSE_BODY_APART,    /* with Content-Length, in `body`: it would not fit there */
    HTTP_PARSE_CHUNK_LINE,
    HTTP_PARSE_CHUNK_DATA,
    HTTP_PARSE_CHUNK_END, /* the CR LF after a chunk's data, or after the last chunk */
    HTTP_PARSE_DONE,
    HTTP_PARSE_REFUSED,
};

struct http_parse {
    const struct http_limits *limits; /* borrowed */
    enum http_parse_state state;
    struct http_scan scan;
    struct buf input; /* from the first byte of the request on; stays in place behind a head */
    struct buf body;
    size_t head_bytes;
    size_t at;             /* bytes of the input that are dealt with */
    size_t body_bytes_max; /* of this request; the larger of the limits until it is lowered */
    bool streams;          /* the body is taken away as it comes */
    uint64_t taken;        /* bytes of it that were */
    uint64_t left;         /* bytes of the body (all of them) or of the chunk still to come */
    size_t chunk_line_at;  /* bytes of the chunk's size line that are looked at */
    bool last_chunk;
    struct http_parse_work *work; /* http-parser's state and the fields, while there is a head */
    struct http_request request;
    int status; /* of the error reply, when refused */
};

enum { HTTP_PARSE_MORE = 1 };

void http_parse_init(struct http_parse *parse, const struct http_limits *limits);
void http_parse_deinit(struct http_parse *parse);

/* Where the next received bytes go, and how many at most (> 0). NULL when memory ran out. */
MUSTCHECK char *http_parse_space(struct http_parse *parse, size_t *out_size);

/* `received` bytes are there. Returns 0 when parse->request is complete; HTTP_PARSE_MORE;
 * -E_PROTOCOL or -E_LIMIT with parse->status and a message for the client: the connection can't be
 * used for further requests then. */
MUSTCHECK int http_parse_advance(struct http_parse *parse, size_t received, struct error *err);

/* Whether any byte of a request is there (an empty line before it is none). */
bool http_parse_begun(const struct http_parse *parse);

/* Whether the client waits for "100 Continue": the head is complete and nothing came after it. */
bool http_parse_wants_continue(const struct http_parse *parse);

/* The head is there and the body is not (complete). */
bool http_parse_awaits_body(const struct http_parse *parse);

/* Lowers the limit of this body, whose head is there. Returns 0, or -E_LIMIT as http_parse_advance
 * when the body is known to be larger. */
MUSTCHECK int http_parse_limit_body(struct http_parse *parse, size_t bytes_max, struct error *err);

/* From now on the body, whose head is there, is taken away in pieces. */
void http_parse_stream(struct http_parse *parse);

/* Takes what has come since the last piece. It is valid until the next http_parse_space. */
struct text http_parse_take_piece(struct http_parse *parse);

/* How much memory the body takes beside the head's: all of it, where its length is known, else what
 * has come. */
size_t http_parse_body_bytes(const struct http_parse *parse);

/* Refuse the request for a reason of the caller's. Returns -E_LIMIT. */
int http_parse_refuse(struct http_parse *parse, int status, const char *why, struct error *err);

/* What came behind the complete request, and how much of it was taken elsewhere. */
struct text http_parse_behind(const struct http_parse *parse);
void http_parse_take_behind(struct http_parse *parse, size_t len);

/* The body of the complete request is not looked at any more: its memory is given back. One that
 * came in place has none of its own. */
void http_parse_drop_body(struct http_parse *parse);

/* Forget the complete request, keep what came after it. */
void http_parse_next(struct http_parse *parse);

/* Give the memory back while no request has begun. */
void http_parse_release(struct http_parse *parse);
