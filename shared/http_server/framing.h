#pragma once
/* What the headers of a request say of its frame: Host, Content-Length, Transfer-Encoding, Expect.
 * Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct http_field;

/* Zeroed before the first header. */
struct http_framing {
    size_t hosts;
    size_t lengths;
    size_t codings;
    bool expects_continue;
    struct text request_id; /* the X-Request-Id header; TEXT_NONE when absent */
};

/* What one header, whose value is trimmed, means. Returns 0, or the status of a refusal with
 * *why. */
MUSTCHECK int http_framing_take(struct http_framing *framing, const struct http_field *field,
                                const char **why);

/* What all of them mean together. Returns the same. */
MUSTCHECK int http_framing_check(const struct http_framing *framing, bool http_1_0,
                                 const char **why);
