/* Idempotency keys around the endpoints that create.
 *
 * The key is claimed before the work, together with the id for what will be created, and the reply
 * is kept with it after the work. A failure that changed nothing gives the key free. Where it is
 * not known whether something was done, the id stays: the next try takes the claim over with the
 * same id, and the endpoint (request->replaying) then looks for what that id may already name.
 * While the database is away, a fiber goes on trying to give the claim back (claim_returns.h).
 *
 * OpenAI's SDKs send no such key, but count their tries (x-stainless-retry-count). The first try
 * leaves the id of what it creates with a hash of the request, as a part of the creation's own
 * request to the database; a later one takes that id, so it creates what the first one did, or
 * finds it (docs/runs.md says where this can err). The same first try again is another submission.
 */

#include "scheduler/api/idempotency.h"

#include "scheduler/api/access/claim_returns.h"
#include "scheduler/api/request.h"
#include "shared/base/digest.h"
#include "shared/base/log.h"
#include "shared/store/access/idempotency.h"

static int conflict(struct request *request, enum failure_retry retry, const char *message)
{
    (void)failure_param(&request->failure, 409, NULL, "idempotency_key_in_use", "%s", message);
    request->failure.retry = retry;
    request->failure.retry_after_s = retry == RETRY_YES ? 1 : 0;
    return -E_INVALID;
}

static void fingerprint(struct request *request, uint8_t out[SHA256_BYTES])
{
    char body[SHA256_TEXT_SIZE];
    struct buf all;

    sha256_hex(request->stands_for.ptr ? request->stands_for : request->exchange->body, body);
    buf_init(&all, 0);
    buf_add_string(&all, http_method_name(request->exchange->method));
    buf_add_char(&all, ' ');
    buf_add_text(&all, request->exchange->path);
    buf_add_char(&all, '\n');
    buf_add_string(&all, body);
    sha256(buf_text(&all), out);
    buf_deinit(&all);
}

static void note_replay(struct request *request)
{
    http_add_header(request->exchange, "Idempotency-Replayed", TEXT("true"));
    request->api->metrics.replays++;
}

/* Returns 0 when the work is ours to do, else as idempotent_call. */
static int claim(struct request *request, const struct idempotency_request *ask, bool *out_replayed)
{
    struct idempotency_reply reply;
    struct error err;
    int r = idempotency_begin(&request->store, ask, &reply, &err);

    if (r < 0) {
        (void)request_failed(request, &err);
        if (request->failure.ambiguous)
            claim_returns_add(request->api->claim_returns, &request->store, ask, true);
        return -E_INVALID;
    }
    if (r == REQUEST_DIFFERS)
        return conflict(request, RETRY_NO,
                        "This Idempotency-Key was used for another request. Use a new key for each "
                        "request, and the same key only to send the same request again.");
    if (r == REQUEST_RUNNING)
        return conflict(request, RETRY_YES,
                        "The first request with this Idempotency-Key is still being worked on.");
    if (r == REQUEST_REPLAYED && !reply.body.ptr) {
        request->made = true;
        request->replaying = true;
        request->object = reply.object;
        return 0;
    }
    if (r == REQUEST_REPLAYED) {
        note_replay(request);
        buf_add_text(&request->reply, reply.body);
        *out_replayed = true;
        return reply.status_code == 200 ? 0 : reply.status_code;
    }
    request->replaying = !uuid_equal(ask->object, reply.object);
    request->object = reply.object;
    return 0;
}

/* A reply much larger than its request is not: replays of a few bytes would each bring megabytes. A
 * replay looks for what was created, then. */
static bool is_worth_keeping(const struct request *request)
{
    return request->reply.len <= request->exchange->body.len + REQUEST_LARGE_BYTES;
}

/* The reply counts even when it can't be kept: the client has what it asked for, and a next try
 * finds it by its id. Nor is a claim that was taken over forgotten: its id may name something. */
static void keep_reply(struct request *request, const struct idempotency_request *ask, int r)
{
    bool done_unknown = r == 0 || request->replaying || request->failure.ambiguous;
    struct text reply = is_worth_keeping(request) ? buf_text(&request->reply) : TEXT_NONE;
    struct error err;

    if (r == 0) {
        r = idempotency_complete(&request->store, ask->key, 200, reply, &err);
        if (r == 0)
            return;
        log_warn("could not keep the reply of an idempotency key", LOG_ERROR(&err));
    } else if (!done_unknown && request->failure.status < 500 &&
               idempotency_abandon(&request->store, ask, &err) == 0) {
        return;
    }
    claim_returns_add(request->api->claim_returns, &request->store, ask, done_unknown);
}

static int call_with_key(struct request *request, struct text key, endpoint_fn create)
{
    struct idempotency_request ask = {.key = key, .object = request->object};
    bool replayed = false;
    int r;

    if (key.len < 1 || key.len > IDEMPOTENCY_KEY_MAX || !text_is_utf8(key))
        return failure_param(&request->failure, 400, "Idempotency-Key", "invalid_value",
                             "Invalid Idempotency-Key: expected 1 to %d characters.",
                             IDEMPOTENCY_KEY_MAX);
    fingerprint(request, ask.hash);
    r = claim(request, &ask, &replayed);
    if (r != 0 || replayed)
        return r;
    r = create(request);
    if (!request->made)
        keep_reply(request, &ask, r);
    return r;
}

static int call_try(struct request *request, int64_t tries_before, endpoint_fn create)
{
    struct idempotency_trace trace;
    uint8_t hash[SHA256_BYTES];
    struct uuid object;
    struct error err;
    int r;

    fingerprint(request, hash);
    if (tries_before == 0) {
        idempotency_trace_init(&trace, &request->store, hash, request->object);
        request->first_try = &trace;
        request->store.rider = &trace.rider;
        r = create(request);
        request->store.rider = NULL;
        request->first_try = NULL;
        return r;
    }
    r = idempotency_recall(&request->store, hash, request->object, &object, &err);
    if (r < 0)
        return request_failed(request, &err);
    request->replaying = !uuid_equal(object, request->object);
    request->object = object;
    return create(request);
}

int idempotent_create(struct request *request, endpoint_fn create)
{
    struct text key = http_header_get(request->exchange, "idempotency-key");
    struct text tries = http_header_get(request->exchange, "x-stainless-retry-count");
    int64_t tries_before;
    int r;

    if (key.ptr)
        r = call_with_key(request, text_trim(key), create);
    else if (tries.ptr && text_to_int(text_trim(tries), &tries_before) && tries_before >= 0)
        r = call_try(request, tries_before, create);
    else
        r = create(request);
    if (r == 0 && request->found)
        note_replay(request);
    return r;
}

int idempotent_call(struct request *request)
{
    request->object = uuid_new();
    if (!request->once && !(request->endpoint->flags & ENDPOINT_CREATES))
        return request->endpoint->handle(request);
    return idempotent_create(request, request->endpoint->handle);
}
