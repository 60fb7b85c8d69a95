#pragma once
/* The limits that a script may set for a key and a model, and where a call found them. */

#include "shared/base/compiler.h"

/* In the order in which they are judged. */
enum limit_kind {
    LIMIT_CONCURRENT,
    LIMIT_REQUESTS_DAY,
    LIMIT_REQUESTS, /* a minute; so are the next three */
    LIMIT_TOKENS,
    LIMIT_INPUT_TOKENS,
    LIMIT_OUTPUT_TOKENS,
    LIMIT_KINDS,
};

/* Of one limit, as the headers of a reply say it. */
struct limit_state {
    int64_t allowed; /* 0: there is no such limit */
    int64_t remaining;
    int64_t reset_ms;      /* from now, until all of it is there again */
    int64_t reset_wall_ms; /* the same as wall time */
};
