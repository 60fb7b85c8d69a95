#pragma once
/* A line of a batch's input: {"custom_id", "method": "POST", "url", "body"}, and the endpoints that
 * lines may be for, one table. Pure. */

#include "shared/base/compiler.h"
#include "shared/check/failure.h"
#include "shared/json/json.h"

struct batch_endpoint {
    const char *url;
    const char *kind; /* of its runs, which are made with their lines (worker/kinds); NULL: of an
                       * agent, that shared/submit makes */
    bool responses;   /* which are responses */
    int64_t lines_max;
    /* Whether a body is one of the endpoint's. Returns 0, or -E_INVALID with what its client would
     * be told. */
    MUSTCHECK int (*check)(struct json_object *body, struct failure *failure);
};

/* NULL: none. */
const struct batch_endpoint *batch_endpoint_find(struct text url);

/* The urls, ended by NULL. */
extern const char *const batch_endpoint_urls[];

#define BATCH_CUSTOM_ID_MAX 512

/* What is wrong with a line, as a member of the batch's errors. */
struct batch_fault {
    const char *code;  /* static */
    const char *param; /* static; NULL: null */
    char message[320];
};

struct batch_ask {
    struct json_object *line; /* the caller's to json_free, also after a fault */
    struct text custom_id;    /* borrowed, as the next */
    struct json_object *body;
};

/* Returns 0, or -E_INVALID with *fault. */
MUSTCHECK int batch_line_read(struct text text, const struct batch_endpoint *endpoint,
                              struct batch_ask *out, struct batch_fault *fault);
