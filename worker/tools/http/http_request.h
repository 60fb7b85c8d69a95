#pragma once
/* The http_request tool: one HTTP request of the model's choosing, to a host that the agent's owner
 * listed.
 *
 * Three gates, in this order: the agent's allow-list (http_target.h), the SSRF guard on every
 * address the name resolves to, and a pin on the address that was checked. No redirect is
 * followed: the model sees it and asks again, through the same gates.
 */

#include <json-c/json.h>

#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/net/guard.h"
#include "shared/store/runs/call_state.h"
#include "shared/store/tools/call_report.h"

struct error;
struct http_client;
struct trace_context;

#define HTTP_REQUEST_TIMEOUT_MS     30000
#define HTTP_REQUEST_MAX_BODY_BYTES ((size_t)64 << 10)

struct http_request_options {
    const char *const *allow; /* the agent's http_allow */
    size_t allow_count;
    struct guard_options guard;
    struct text idempotency_key;       /* sent with what may change something; TEXT_NONE: none */
    const struct trace_context *trace; /* told to the server; NULL: none */
    int64_t deadline_ms;               /* clock_ms; 0: none but the timeout */
    int64_t timeout_ms;                /* in total, resolving included; default 30 000 */
    size_t max_response_body_bytes;    /* a longer reply is cut, with a note; default 64 KiB */
    struct call_report *out_report;    /* gets whether it was; NULL: not wanted */
};

/* What the model is told, and the JSON Schema of the arguments. */
extern const char http_request_description[];
extern const char http_request_parameters[];

/* What RFC 9110 (9.2.2) says of the method: POST and PATCH are CALL_ONCE, since nobody knows
 * whether the server heeds the idempotency key; all others may be repeated. Pure. */
enum call_class http_request_class(struct json_object *arguments);

/* Appends " GET example.com", as far as it can be read. Pure. */
void http_request_describe(struct json_object *arguments, struct buf *out);

/* Appends {"status":…,"headers":{…},"body":"…"} and, where something was left out, "note".
 * Returns 0 for any complete reply, whatever its status; -E_INVALID (arguments, or no such host),
 * -E_DENIED (allow-list, address), -E_TIMEOUT, -E_LIMIT (the result does not fit into `out`), and
 * what else http_call returns. The text of each is for the model. */
SUSPENDS MUSTCHECK int http_request_run(struct http_client *client,
                                        const struct http_request_options *options,
                                        struct json_object *arguments, struct buf *out,
                                        struct error *err);
