/* The HTTP call between encoding and decoding.
 *
 * The body of the reply goes to the decoder as it arrives, and whether a first byte came tells a
 * server that is down or overloaded from a reply that was cut. What a waiting call holds is the
 * encoded request and a socket.
 */

#include "providers/call.h"

#include "providers/reply/decoder.h"
#include "providers/reply/reply_form.h"
#include "providers/wire/failure.h"
#include "providers/wire/wire.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/http_client/http_client.h"

/* A reply may take this much for an answer: each byte of it may be an escape ("\\u00e9" for two
 * bytes), and there is more in a reply than the answer: reasoning, log probabilities. */
#define BODY_PER_ANSWER_BYTE 4
#define BODY_MORE_BYTES      ((size_t)1 << 20)

/* Of a stream so much goes by for a byte that is held: each token comes with an envelope of some
 * 250 bytes. */
#define STREAM_PER_BODY_BYTE 100

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
    const struct chat_request *request;
    struct provider_wire wire;
    struct provider_decoder decoder;
    bool began;         /* to reply */
    size_t asked_bytes; /* there is room for */
    bool no_room;
    struct http_response response;
};

static bool has_room(struct exchange *exchange)
{
    const struct chat_request *request = exchange->request;
    size_t held = provider_decoder_held(&exchange->decoder);

    if (!request->has_room || held < exchange->asked_bytes + CHAT_ROOM_STEP)
        return true;
    exchange->asked_bytes = held;
    exchange->no_room = !request->has_room(request->arg, held);
    return !exchange->no_room;
}

static enum http_take on_body(void *arg, struct text bytes)
{
    struct exchange *exchange = arg;

    enum http_take take = provider_decoder_feed(&exchange->decoder, bytes);

    exchange->began = true;
    return has_room(exchange) ? take : HTTP_TAKE_REFUSE;
}

static size_t answer_max(const struct chat_request *request)
{
    return request->answer_bytes_max ? request->answer_bytes_max : CHAT_ANSWER_BYTES_MAX;
}

static void exchange_init(struct exchange *exchange, struct http_client *client,
                          const struct provider_target *target, const struct chat_request *request,
                          struct provider_failure_info *out_failure)
{
    *exchange = (struct exchange){.client = client, .target = target, .request = request};
    provider_wire_init(&exchange->wire);
    provider_decoder_init(&exchange->decoder, target,
                          answer_max(request) * BODY_PER_ANSWER_BYTE + BODY_MORE_BYTES,
                          request->sink, out_failure);
}

static void exchange_deinit(struct exchange *exchange)
{
    http_response_deinit(&exchange->response);
    provider_decoder_deinit(&exchange->decoder);
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
        .idle_timeout_ms = exchange->request->stream ? target->idle_timeout_ms : 0,
        .total_timeout_ms = shorter(target->total_timeout_ms, left_ms),
        .max_body_bytes =
            exchange->decoder.body.limit * (exchange->request->stream ? STREAM_PER_BODY_BYTE : 1),
        .decode_body = true,
        .on_body = on_body,
        .arg = exchange,
    };

    return http_call(exchange->client, &call, &exchange->response, err);
}

static int empty_reply(const struct exchange *exchange, const struct provider_response *head,
                       const struct chat_reply *reply, struct provider_failure_info *out)
{
    provider_failure_set(out, PROVIDER_EMPTY_REPLY, head,
                         "%s gave an empty answer: no text and no tool call",
                         exchange->target->provider_name);
    out->usage = reply->usage;
    return PROVIDER_FAILED;
}

/* What ids are made of that the provider did not give: the same for the same reply. */
static struct text seed_of(const struct exchange *exchange)
{
    struct text key = exchange->request->idempotency_key;

    return key.len > 0 ? key : buf_text(&exchange->decoder.body);
}

/* Decodes what came, and puts it into form. */
static int finish(struct exchange *exchange, const struct chat_request *request,
                  struct chat_reply *out, struct provider_failure_info *out_failure)
{
    struct provider_response head = {
        .status = exchange->response.status,
        .headers = exchange->response.headers,
        .headers_count = exchange->response.headers_count,
        .now_wall_ms = clock_wall_ms(),
    };
    struct chat_reply reply = {.arena = out->arena};
    struct error err;
    int r = provider_decoder_finish(&exchange->decoder, &head, &reply);

    if (r != 0)
        return r;
    r = reply_form(&reply, answer_max(request), seed_of(exchange), &err);
    if (r == REPLY_EMPTY)
        return empty_reply(exchange, &head, &reply, out_failure);
    if (r < 0) {
        provider_failure_set(out_failure, PROVIDER_REPLY_TOO_LARGE, &head, "%s: %s",
                             exchange->target->provider_name, err.text);
        return PROVIDER_FAILED;
    }
    *out = reply;
    return 0;
}

static int no_key(const struct provider_target *target, struct provider_failure_info *out)
{
    provider_failure_set(out, PROVIDER_AUTH, NULL,
                         "provider '%s' has no API key: set %s for the worker, or api_key of the "
                         "provider in its configuration file",
                         target->provider_name, target->key_variable);
    return PROVIDER_FAILED;
}

static int no_room(const struct provider_target *target, struct provider_failure_info *out)
{
    provider_failure_set(out, PROVIDER_NO_ROOM, NULL,
                         "there was no memory left for the reply of %s", target->provider_name);
    return PROVIDER_FAILED;
}

int provider_call(struct http_client *client, const struct provider_target *target,
                  const struct chat_request *request, struct chat_reply *out,
                  struct provider_failure_info *out_failure, struct error *err)
{
    CLEANUP(exchange_deinit) struct exchange exchange;
    struct error detail = {0};
    int64_t left_ms;
    int r;

    exchange_init(&exchange, client, target, request, out_failure);
    if (target->key_variable)
        return no_key(target, out_failure);
    r = target->provider->encode(target, request, &exchange.wire, err);
    if (r < 0)
        return r;
    left_ms = request->deadline_ms ? request->deadline_ms - clock_ms() : DEADLINE_NONE;
    if (left_ms <= 0)
        return transport_failed(target, -E_TIMEOUT, false, out_failure);

    r = exchange_run(&exchange, left_ms, &detail);
    if (r == 0 || (r != -E_CANCELED && provider_decoder_has_reply(&exchange.decoder)))
        return finish(&exchange, request, out, out_failure);
    if (r == -E_CANCELED || r == -E_INVALID || r == -E_INTERNAL || r == -E_SYSTEM) {
        if (err)
            *err = detail;
        return error_wrap(err, "%s", target->provider_name);
    }
    if (exchange.no_room)
        return no_room(target, out_failure);
    r = transport_failed(target, r, exchange.began, out_failure);
    add_detail(out_failure, target, &detail);
    return r;
}
