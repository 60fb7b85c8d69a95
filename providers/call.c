/* One call of a model: adapted to what the model takes, encoded, sent, decoded while the reply
 * arrives, put into form. */

#include "providers/call.h"

#include "providers/adaptation.h"
#include "providers/exchange.h"
#include "providers/models/cost.h"
#include "providers/reply/decoder.h"
#include "providers/reply/reply_form.h"
#include "providers/wire/failure.h"
#include "shared/base/error.h"

/* A reply may take this much for an answer: each byte of it may be an escape ("\\u00e9" for two
 * bytes), and there is more in a reply than the answer: reasoning, log probabilities. */
#define BODY_PER_ANSWER_BYTE 4
#define BODY_MORE_BYTES      ((size_t)1 << 20)

/* Of a stream so much goes by for a byte that is held: each token comes with an envelope of some
 * 250 bytes. */
#define STREAM_PER_BODY_BYTE 100

/* What one call works on. */
struct call {
    struct provider_exchange exchange;
    const struct chat_request *request;
    struct adaptation adaptation;
    struct provider_decoder decoder;
    size_t asked_bytes; /* there is room for */
    bool no_room;
};

static bool has_room(struct call *call)
{
    const struct chat_request *request = call->request;
    size_t held = provider_decoder_held(&call->decoder);

    if (!request->has_room || held < call->asked_bytes + CHAT_ROOM_STEP)
        return true;
    call->asked_bytes = held;
    call->no_room = !request->has_room(request->arg, held);
    return !call->no_room;
}

static enum http_take on_body(void *arg, struct text bytes)
{
    struct call *call = arg;
    enum http_take take = provider_decoder_feed(&call->decoder, bytes);

    return has_room(call) ? take : HTTP_TAKE_REFUSE;
}

static size_t answer_max(const struct chat_request *request)
{
    return request->answer_bytes_max ? request->answer_bytes_max : CHAT_ANSWER_BYTES_MAX;
}

/* Returns 0, or what adaptation_init does. */
static int call_init(struct call *call, struct http_client *client,
                     const struct provider_target *target, const struct chat_request *request,
                     struct provider_failure_info *out_failure, struct error *err)
{
    size_t held_max = answer_max(request) * BODY_PER_ANSWER_BYTE + BODY_MORE_BYTES;
    int r;

    *call = (struct call){.request = request};
    r = adaptation_init(&call->adaptation, target, request, err);
    provider_exchange_init(&call->exchange, client, target);
    call->exchange.deadline_ms = request->deadline_ms;
    call->exchange.trace = request->trace;
    call->exchange.idle_timeout_ms = request->stream ? target->idle_timeout_ms : 0;
    call->exchange.body_bytes_max = held_max * (request->stream ? STREAM_PER_BODY_BYTE : 1);
    call->exchange.on_body = on_body;
    call->exchange.arg = call;
    provider_decoder_init(&call->decoder, target, held_max, call->adaptation.request.sink,
                          out_failure);
    call->decoder.behind = request->previous;
    return r;
}

static void call_deinit(struct call *call)
{
    provider_decoder_deinit(&call->decoder);
    provider_exchange_deinit(&call->exchange);
    adaptation_deinit(&call->adaptation);
}

static int empty_reply(const struct call *call, const struct provider_response *head,
                       const struct chat_reply *reply, struct provider_failure_info *out)
{
    provider_failure_set(out, PROVIDER_EMPTY_REPLY, head,
                         "%s gave an empty answer: no text and no tool call",
                         call->exchange.target->provider_name);
    out->usage = reply->usage;
    return PROVIDER_FAILED;
}

/* What ids are made of that the provider did not give: the same for the same reply. */
static struct text seed_of(const struct call *call)
{
    struct text key = call->request->idempotency_key;

    return key.len > 0 ? key : buf_text(&call->decoder.body);
}

/* What answered, for people. Returns 0, or -E_LIMIT. */
static int name_answerer(const struct provider_target *target, struct chat_reply *reply,
                         struct error *err)
{
    struct text model = reply->model.len > 0 ? reply->model : text_of(target->model);
    const char *name =
        arena_printf(reply->arena, "%s/%.*s", target->provider_name, TEXT_ARGS(model));

    if (!name)
        return error_set(err, E_LIMIT, "the reply leaves no room for the name of the model");
    reply->answered_by = text_of(name);
    return 0;
}

/* Puts it into form and says what it cost. Returns as reply_form does. */
static int form(const struct call *call, struct chat_reply *reply, struct error *err)
{
    const struct provider_target *target = call->exchange.target;
    int r = reply_form(reply, answer_max(call->request), seed_of(call), err);

    if (r < 0)
        return r;
    reply->usage.cost_micros = model_cost_micros(&target->prices, &reply->usage);
    return r == 0 ? name_answerer(target, reply, err) : r;
}

/* Decodes what came, and puts it into form. */
static int finish(struct call *call, struct chat_reply *out,
                  struct provider_failure_info *out_failure)
{
    struct provider_response head = provider_exchange_head(&call->exchange);
    struct chat_reply reply = {.arena = out->arena};
    struct error err;
    int r = provider_decoder_finish(&call->decoder, &head, &reply);

    if (r != 0)
        return r;
    r = adaptation_read(&call->adaptation, &reply, &err);
    if (r == 0)
        r = form(call, &reply, &err);
    if (r == REPLY_EMPTY)
        return empty_reply(call, &head, &reply, out_failure);
    if (r < 0) {
        provider_failure_set(out_failure, PROVIDER_REPLY_TOO_LARGE, &head, "%s: %s",
                             call->exchange.target->provider_name, err.text);
        return PROVIDER_FAILED;
    }
    *out = reply;
    return 0;
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
    CLEANUP(call_deinit) struct call call;
    int r;

    r = call_init(&call, client, target, request, out_failure, err);
    if (r == 0)
        r = provider_exchange_check(target, out_failure);
    if (r == 0)
        r = target->provider->encode(target, &call.adaptation.request, &call.exchange.wire, err);
    if (r != 0)
        return r;
    r = provider_exchange_run(&call.exchange, out_failure, err);
    if (r == 0 || (r != -E_CANCELED && provider_decoder_has_reply(&call.decoder)))
        return finish(&call, out, out_failure);
    return r == PROVIDER_FAILED && call.no_room ? no_room(target, out_failure) : r;
}
