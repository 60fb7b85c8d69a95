/* One request of a provider over HTTP.
 *
 * Whether a first byte of the reply came tells a server that is down or overloaded from a reply
 * that was cut. What a waiting exchange holds is the encoded request and a socket.
 *
 * Messages go to tenants, and name the provider. What the client of HTTP says of a connection names
 * hosts and addresses, which may be those of the operator's own network: that is the detail.
 */

#include "providers/exchange.h"

#include "providers/wire/failure.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/trace/trace_context.h"

void provider_exchange_init(struct provider_exchange *exchange, struct http_client *client,
                            const struct provider_target *target)
{
    *exchange = (struct provider_exchange){.client = client, .target = target};
    provider_wire_init(&exchange->wire);
}

void provider_exchange_deinit(struct provider_exchange *exchange)
{
    http_response_deinit(&exchange->response);
    provider_wire_deinit(&exchange->wire);
}

int provider_exchange_check(const struct provider_target *target,
                            struct provider_failure_info *out_failure)
{
    if (!target->key_variable)
        return 0;
    provider_failure_set(out_failure, PROVIDER_AUTH, NULL,
                         "provider '%s' has no API key: set %s for the worker, or api_key of the "
                         "provider in its configuration file",
                         target->provider_name, target->key_variable);
    return PROVIDER_FAILED;
}

/* Of a time-out of the provider (0: the client's default) and what is left of the request's
 * time. */
static int64_t shorter(int64_t timeout_ms, int64_t left_ms)
{
    if (left_ms == DEADLINE_NONE || (timeout_ms > 0 && timeout_ms < left_ms))
        return timeout_ms;
    return left_ms;
}

/* The class of a call without a complete response. */
static int transport_failed(const struct provider_target *target, int code, bool began,
                            struct provider_failure_info *out)
{
    enum provider_failure failure = PROVIDER_OVERLOADED;
    const char *what = "could not be reached";

    switch (code) {
    case -E_TIMEOUT:
        failure = PROVIDER_TIMED_OUT;
        what = began ? "did not finish its reply in time" : "did not reply in time";
        break;
    case -E_CLOSED:
        failure = began ? PROVIDER_STREAM_CUT : PROVIDER_OVERLOADED;
        what = began ? "closed the connection in the midst of its reply"
                     : "closed the connection without a reply";
        break;
    case -E_LIMIT:
        failure = PROVIDER_REPLY_TOO_LARGE;
        what = "sent a reply that is too large";
        break;
    case -E_PROTOCOL:
        failure = PROVIDER_MALFORMED_REPLY;
        what = "sent a reply that is not HTTP";
        break;
    case -E_INVALID:
        failure = PROVIDER_BAD_REQUEST;
        what = "can't be asked as it is configured";
        break;
    case -E_SYSTEM:
    case -E_INTERNAL:
        what = "could not be asked";
        break;
    default:
        break;
    }
    provider_failure_set(out, failure, NULL, "%s %s", target->provider_name, what);
    return PROVIDER_FAILED;
}

static enum http_take on_body(void *arg, struct text bytes)
{
    struct provider_exchange *exchange = arg;

    exchange->began = true;
    return exchange->on_body(exchange->arg, bytes);
}

SUSPENDS static int send_request(struct provider_exchange *exchange, int64_t left_ms,
                                 struct error *err)
{
    const struct provider_target *target = exchange->target;
    struct http_call call = {
        .method = "POST",
        .url = exchange->wire.url,
        .headers = exchange->wire.headers,
        .headers_count = exchange->wire.headers_count,
        .body = buf_text(&exchange->wire.body),
        .connect_timeout_ms = shorter(target->connect_timeout_ms, left_ms),
        .first_byte_timeout_ms = shorter(target->first_byte_timeout_ms, left_ms),
        .idle_timeout_ms = exchange->idle_timeout_ms,
        .total_timeout_ms = shorter(target->total_timeout_ms, left_ms),
        .max_body_bytes = exchange->body_bytes_max,
        .decode_body = true,
        .on_body = on_body,
        .arg = exchange,
    };

    return http_call(exchange->client, &call, &exchange->response, err);
}

static int add_trace(struct provider_exchange *exchange, struct error *err)
{
    const struct trace_headers *trace = exchange->trace;
    int r =
        provider_wire_add_header(&exchange->wire, TEXT("traceparent"), text_of(trace->parent), err);

    if (r == 0 && trace->state.len > 0)
        r = provider_wire_add_header(&exchange->wire, TEXT("tracestate"), trace->state, err);
    return r;
}

int provider_exchange_run(struct provider_exchange *exchange,
                          struct provider_failure_info *out_failure, struct error *err)
{
    const struct provider_target *target = exchange->target;
    struct error detail = {0};
    int64_t left_ms = exchange->deadline_ms ? exchange->deadline_ms - clock_ms() : DEADLINE_NONE;
    int r = 0;

    if (left_ms <= 0)
        return transport_failed(target, -E_TIMEOUT, false, out_failure);
    if (exchange->trace)
        r = add_trace(exchange, err);
    if (r < 0)
        return r;
    r = send_request(exchange, left_ms, &detail);
    if (r == 0)
        return 0;
    if (r == -E_CANCELED) {
        if (err)
            *err = detail;
        return r;
    }
    r = transport_failed(target, r, exchange->began, out_failure);
    provider_message_copy(target, text_of(detail.text), out_failure->detail,
                          sizeof(out_failure->detail));
    return r;
}

struct provider_response provider_exchange_head(const struct provider_exchange *exchange)
{
    return (struct provider_response){
        .status = exchange->response.status,
        .headers = exchange->response.headers,
        .headers_count = exchange->response.headers_count,
        .now_wall_ms = clock_wall_ms(),
    };
}
