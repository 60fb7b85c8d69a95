#pragma once
/* The strict scan of a request's head, before http-parser sees it: every byte, in the order of
 * arrival, so that the verdict never depends on how the bytes were cut into packets. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/http_server/http_server.h"

struct error;

struct http_limits {
    size_t request_line_bytes; /* without its CR LF */
    size_t header_bytes;       /* all header lines */
    size_t headers;            /* lines */
    size_t body_bytes;
    size_t stream_bytes; /* of a body that is handed out as it comes; 0: as body_bytes */
};

struct http_scan {
    size_t at;         /* bytes looked at; the length of the head once it is complete */
    size_t line_at;    /* where the present line begins */
    size_t headers_at; /* where the header lines begin; 0 while in the request line */
    size_t headers;    /* header lines so far */
    bool after_cr;
    bool skipped_blank; /* the one empty line that may precede a request was seen */
    int status;         /* of the error reply, when the scan failed */
};

enum { HTTP_SCAN_MORE = 1 };

/* Looks at what is new in `bytes`, which begins with the request (or the one empty line before it).
 * A fresh scan is all zeros. Returns 0 when the head is complete, HTTP_SCAN_MORE, -E_PROTOCOL or
 * -E_LIMIT (then scan->status is set and the scan is over). */
MUSTCHECK int http_scan_head(struct http_scan *scan, struct text bytes,
                             const struct http_limits *limits, struct error *err);

/* The method of that exact name. False, output untouched, for any other. */
MUSTCHECK bool http_method_parse(struct text name, enum http_method *out);
