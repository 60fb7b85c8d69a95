#pragma once
/* One call of a declared HTTP tool: gates, the request, tries again where that is safe, and what
 * the model reads of the reply.
 *
 * Every address that the host has must pass the SSRF guard, and the connection goes to one that was
 * checked. A redirect is not followed: where it leads nobody chose who gave the tool its secrets.
 */

#include "shared/base/compiler.h"
#include "shared/net/guard.h"
#include "shared/secrets/redactor.h"
#include "shared/tools/http_tool.h"

struct error;
struct http_client;
struct trace_context;

#define HTTP_TOOL_TRIES_MAX 3

struct http_tool_call {
    struct http_client *http;
    const struct guard_options *guard;
    const struct http_tool *tool;
    struct text arguments; /* JSON, as the model wrote it */
    const struct known_secret *secrets;
    size_t secrets_count;
    struct text key;                   /* the same in every attempt of this call; TEXT_NONE: none */
    const struct trace_context *trace; /* NULL: none */
    int64_t deadline_ms;               /* clock_ms */
};

struct http_tool_result {
    bool is_error;
    int status; /* of the reply */
    int tries;
    size_t bytes; /* of the reply's body, as far as it was read */
    bool is_cut;
    size_t uncut_bytes; /* with is_cut: of what the model would be told, as far as is known */
    int64_t took_ms;
};

/* Appends what the model is told; with is_error it begins with "Error: ". Returns 0 with *result,
 * also for a reply that is no success; or what failed, in words for the model: -E_INVALID (the
 * arguments, or the host), -E_DENIED, -E_NOT_FOUND (a secret), -E_TIMEOUT, -E_UNAVAILABLE,
 * -E_CLOSED, -E_LIMIT, -E_PROTOCOL, -E_CANCELED. No secret is in `out` or in *err. */
SUSPENDS MUSTCHECK int http_tool_run(const struct http_tool_call *call, struct buf *out,
                                     struct http_tool_result *result, struct error *err);
