/* Idempotency keys around the endpoints that create.
 *
 * The key is claimed before the work, together with the id for what will be created, and the reply
 * is kept with it after the work. A failure that changed nothing gives the key free. Where it is
 * not known whether something was done, the claim stays: after a minute it is taken over with the
 * same id, and the endpoint (request->replaying) then looks for what that id may already name.
 */

#include "scheduler/api/idempotency.h"

#include "scheduler/api/request.h"
#include "shared/base/log.h"
#include "shared/store/idempotency.h"

static int conflict(struct request *request, enum failure_retry retry, const char *message)
{
    (void)failure_param(&request->failure, 409, NULL, "idempotency_key_in_use", "%s", message);
    request->failure.retry = retry;
    request->failure.retry_after_s = retry == RETRY_YES ? 1 : 0;
    return -E_INVALID;
}

static void fingerprint(struct request *request, struct text key, struct idempotency_request *out)
{
    char body[SHA256_TEXT_SIZE];
    struct buf all;

    sha256_hex(request->exchange->body, body);
    buf_init(&all, 0);
    buf_add_string(&all, api_method_name(request->exchange->method));
    buf_add_char(&all, ' ');
    buf_add_text(&all, request->exchange->path);
    buf_add_char(&all, '\n');
    buf_add_string(&all, body);
    out->key = key;
    out->object = uuid_new();
    sha256(buf_text(&all), out->hash);
    buf_deinit(&all);
}

/* Returns 0 when the work is ours to do, else as idempotent_call. */
static int claim(struct request *request, struct text key, bool *out_replayed)
{
    struct idempotency_request ask;
    struct idempotency_reply reply;
    struct error err;
    int r;

    fingerprint(request, key, &ask);
    r = idempotency_begin(&request->store, &ask, &reply, &err);
    if (r < 0)
        return request_failed(request, &err);
    if (r == REQUEST_DIFFERS)
        return conflict(request, RETRY_NO,
                        "This Idempotency-Key was used for another request. Use a new key for each "
                        "request, and the same key only to send the same request again.");
    if (r == REQUEST_RUNNING)
        return conflict(request, RETRY_YES,
                        "The first request with this Idempotency-Key is still being worked on.");
    if (r == REQUEST_REPLAYED) {
        http_add_header(request->exchange, "Idempotency-Replayed", TEXT("true"));
        request->api->metrics.replays++;
        buf_add_text(&request->reply, reply.body);
        *out_replayed = true;
        return reply.status_code == 200 ? 0 : reply.status_code;
    }
    request->replaying = !uuid_equal(ask.object, reply.object);
    request->object = reply.object;
    return 0;
}

/* The reply counts even when it can't be kept: the client has what it asked for. */
static void settle(struct request *request, struct text key, int r)
{
    struct error err;
    int kept = 0;

    if (r == 0)
        kept = idempotency_complete(&request->store, key, 200, buf_text(&request->reply), &err);
    else if (!request->failure.ambiguous)
        kept = idempotency_abandon(&request->store, key, &err);
    if (kept < 0)
        log_warn("could not settle an idempotency key", LOG_ERROR(&err));
}

int idempotent_call(struct request *request)
{
    struct text key = http_header_get(request->exchange, "idempotency-key");
    bool replayed = false;
    int r;

    request->object = uuid_new();
    if (!(request->endpoint->flags & ENDPOINT_CREATES) || !key.ptr)
        return request->endpoint->handle(request);
    key = text_trim(key);
    if (key.len < 1 || key.len > IDEMPOTENCY_KEY_MAX || !text_is_utf8(key))
        return failure_param(&request->failure, 400, "Idempotency-Key", "invalid_value",
                             "Invalid Idempotency-Key: expected 1 to %d characters.",
                             IDEMPOTENCY_KEY_MAX);
    r = claim(request, key, &replayed);
    if (r != 0 || replayed)
        return r;
    r = request->endpoint->handle(request);
    settle(request, key, r);
    return r;
}
