/* The HTTP call between encoding and decoding.
 *
 * The body of the reply is collected here and not by the client, because whether a first byte came
 * tells a server that is down or overloaded from a reply that was cut. JSON trees live only before
 * and after the wait, never across it: what a waiting call holds is the encoded request and a
 * socket.
 */

#include "providers/call.h"

#include "providers/failure.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/http_client/http_client.h"

#define REPLY_MAX_BYTES ((size_t)16 << 20)

static bool on_body(void *arg, struct text bytes)
{
    struct buf *body = arg;

    buf_add_text(body, bytes);
    return !body->failed;
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
        failure = PROVIDER_MALFORMED_REPLY;
        what = "sent a reply over 16 MiB";
        break;
    case -E_PROTOCOL:
        failure = PROVIDER_MALFORMED_REPLY;
        what = "sent a reply that is not HTTP";
        break;
    default:
        break;
    }
    provider_failure_set(out, failure, NULL, "%s %s", target->provider_name, what);
    return PROVIDER_FAILED;
}

/* Adds the client's own words: "could not connect to …". */
static void add_detail(struct provider_failure_info *out, const struct provider_target *target,
                       const struct error *detail)
{
    size_t len = strlen(out->message);

    if (!detail->text[0] || len + 4 >= sizeof(out->message))
        return;
    memcpy(out->message + len, ": ", 3);
    provider_message_copy(target, text_of(detail->text), out->message + len + 2,
                          sizeof(out->message) - len - 2);
}

/* What one call works on. */
struct exchange {
    struct http_client *client;
    const struct provider_target *target;
    struct provider_wire wire;
    struct buf body; /* of the reply, as it arrives */
    struct http_response response;
};

static void exchange_init(struct exchange *exchange, struct http_client *client,
                          const struct provider_target *target)
{
    exchange->client = client;
    exchange->target = target;
    provider_wire_init(&exchange->wire);
    buf_init(&exchange->body, REPLY_MAX_BYTES);
    exchange->response = (struct http_response){0};
}

static void exchange_deinit(struct exchange *exchange)
{
    http_response_deinit(&exchange->response);
    buf_deinit(&exchange->body);
    provider_wire_deinit(&exchange->wire);
}

SUSPENDS static int exchange_run(struct exchange *exchange, int64_t left_ms, struct error *err)
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
        .total_timeout_ms = shorter(target->total_timeout_ms, left_ms),
        .max_body_bytes = REPLY_MAX_BYTES,
        .on_body = on_body,
        .arg = &exchange->body,
    };

    return http_call(exchange->client, &call, &exchange->response, err);
}

static int decode(const struct exchange *exchange, struct chat_reply *out,
                  struct provider_failure_info *out_failure)
{
    struct provider_response raw = {
        .status = exchange->response.status,
        .headers = exchange->response.headers,
        .headers_count = exchange->response.headers_count,
        .body = buf_text(&exchange->body),
        .now_wall_ms = clock_wall_ms(),
    };

    return exchange->target->provider->decode(exchange->target, &raw, out, out_failure);
}

int provider_call(struct http_client *client, const struct provider_target *target,
                  const struct chat_request *request, struct chat_reply *out,
                  struct provider_failure_info *out_failure, struct error *err)
{
    CLEANUP(exchange_deinit) struct exchange exchange;
    struct error detail = {0};
    int64_t left_ms;
    int r;

    exchange_init(&exchange, client, target);
    r = target->provider->encode(target, request, &exchange.wire, err);
    if (r < 0)
        return r;
    left_ms = request->deadline_ms ? request->deadline_ms - clock_ms() : DEADLINE_NONE;
    if (left_ms <= 0)
        return transport_failed(target, -E_TIMEOUT, false, out_failure);

    r = exchange_run(&exchange, left_ms, &detail);
    if (r == 0)
        return decode(&exchange, out, out_failure);
    if (r == -E_CANCELED || r == -E_INVALID || r == -E_INTERNAL || r == -E_SYSTEM) {
        if (err)
            *err = detail;
        return error_wrap(err, "%s", target->provider_name);
    }
    r = transport_failed(target, r, exchange.body.len > 0, out_failure);
    add_detail(out_failure, target, &detail);
    return r;
}
