#pragma once
/* Idempotency keys: a request that is sent again gets the first one's reply.
 *
 * begin claims the key before the work, complete stores the reply after it. Work that failed gives
 * its claim back: abandon forgets the key when nothing was done, release keeps the object's id for
 * the next one when that is not known. A claim whose process died is taken over after
 * IDEMPOTENCY_CLAIM_MS. A reply need not be kept: then the next one is given the id of what was
 * created. Keys live for a day (reaper.h). `object` is the id chosen for what the
 * request creates: whoever takes a claim over finds with it what was done. It also names the claim,
 * so a begin whose answer was lost may be sent again, and nobody gives back another's claim.
 *
 * Without a key: a client that counts its tries is recognised by the same request. The first try
 * leaves behind which object it creates, in the same request to the database as the creation; a
 * later one finds it and creates that object, unless it is there. Nothing is claimed.
 */

#include "shared/base/digest.h"
#include "shared/store/store.h"

#define IDEMPOTENCY_KEY_MAX  255 /* bytes */
#define IDEMPOTENCY_CLAIM_MS 60000

struct idempotency_request {
    struct text key;            /* 1..IDEMPOTENCY_KEY_MAX bytes, else -E_INVALID */
    uint8_t hash[SHA256_BYTES]; /* of method, path and body */
    struct uuid object;         /* a new id, for what will be created; also names the claim */
};

struct idempotency_reply {
    int status_code;
    struct text body;   /* JSON; TEXT_NONE: it was not kept */
    struct uuid object; /* the id to use: the request's, or that of the first one */
};

/* Returns 0: the key is ours, do the work with out->object. REQUEST_REPLAYED: *out holds the reply.
 * REQUEST_RUNNING, REQUEST_DIFFERS: *out untouched. */
SUSPENDS MUSTCHECK int idempotency_begin(const struct store *store,
                                         const struct idempotency_request *request,
                                         struct idempotency_reply *out, struct error *err);

/* Only the first reply of a key is kept. `body` TEXT_NONE: that there was one. */
SUSPENDS MUSTCHECK int idempotency_complete(const struct store *store, struct text key,
                                            int status_code, struct text body, struct error *err);

/* Give back the claim that a begin with this request made, or may have made; 0 too when there is
 * none. Both may be repeated. */
SUSPENDS MUSTCHECK int idempotency_abandon(const struct store *store,
                                           const struct idempotency_request *request,
                                           struct error *err);
SUSPENDS MUSTCHECK int idempotency_release(const struct store *store,
                                           const struct idempotency_request *request,
                                           struct error *err);

#define IDEMPOTENCY_TRY_MS (15 * 60 * 1000) /* so long after the last try the next is known */

#define TRY_PREFIX " try " /* no client's key begins so, since theirs are trimmed */

/* What a first try leaves behind: set store->rider = &trace.rider, while the trace lives. */
struct idempotency_trace {
    struct pg_value values[4];
    struct pg_query rider;
    char key[sizeof(TRY_PREFIX) + SHA256_TEXT_SIZE]; /* TRY_PREFIX, and the hash in hex digits */
    uint8_t hash[SHA256_BYTES];
    struct uuid object;
};

/* Inside the store. All keys are deleted a day after created_at (reaper.h); these are to go sooner,
 * so theirs is set back. */
/* clang-format off */
#define SQL_TRY_CREATED_AT \
    "now() - interval '1 day' + " SQL_STRING(IDEMPOTENCY_TRY_MS) " * interval '1 ms'"
/* clang-format on */

void idempotency_trace_init(struct idempotency_trace *out, const struct store *store,
                            const uint8_t hash[SHA256_BYTES], struct uuid object);

/* A later try: *out is the object of the one before, or `object`, which is left behind as by a
 * first try. */
SUSPENDS MUSTCHECK int idempotency_recall(const struct store *store,
                                          const uint8_t hash[SHA256_BYTES], struct uuid object,
                                          struct uuid *out, struct error *err);
