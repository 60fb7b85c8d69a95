#pragma once
/* What went wrong with a request, as the client is told: a status, a sentence, the field it is
 * about.
 *
 * The API's counterpart of struct error, with the same rule: the caller owns it and passes it down,
 * last parameter; raising is one line; who receives a negative result forwards it unchanged. The
 * body is OpenAI's: {"error":{"message","type","param","code"}}.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;

enum failure_retry { RETRY_UNSAID, RETRY_NO, RETRY_YES }; /* the header x-should-retry */

struct failure {
    int status;
    char message[640];
    const char *type; /* static */
    char param[192];  /* empty: null */
    const char *code; /* static; NULL: null */
    enum failure_retry retry;
    int retry_after_s;      /* 0: no such header */
    int64_t retry_after_ms; /* the same, exactly, for clients that read it; 0: no such header */
    bool ambiguous;         /* it may have been done all the same */
    char cause[240];        /* for the log of 5xx, never shown */
};

/* Where in a body a value is: "tools[0].function.name". A chain on the callers' stacks, spelled out
 * only when something is wrong with the value. */
struct path {
    const struct path *parent; /* NULL: the body itself */
    const char *name;          /* of a member; NULL: item number `index` of the parent */
    size_t index;
};

void path_format(const struct path *path, char *out, size_t size);

/* Fill *failure with a 400 (or `status`) invalid_request_error and return -E_INVALID. `path` may be
 * NULL (param is null then); `code` is static or NULL. */
int failure_set(struct failure *failure, int status, const struct path *path, const char *code,
                const char *format, ...) PRINTF(5, 6);

/* As failure_set, for what a path can't name (query parameters). `param` may be NULL. */
int failure_param(struct failure *failure, int status, const char *param, const char *code,
                  const char *format, ...) PRINTF(5, 6);

/* "No run found with id 'x'.", 404. Returns -E_INVALID. */
int failure_missing(struct failure *failure, const char *what, struct text id);

/* A failure of the store as a reply: 400 for what is too large for one request, 503 to be tried
 * again when Postgres can't be reached or did not answer, 500 otherwise. Returns -E_INVALID. */
int failure_from_error(struct failure *failure, const struct error *err);

/* Append the JSON body. */
void failure_render(const struct failure *failure, struct buf *body);
