#pragma once
/* Calling an endpoint at most once for an Idempotency-Key. Private to scheduler/api. */

#include "scheduler/api/endpoints.h"
#include "shared/base/compiler.h"

struct request;

/* Calls the request's endpoint, or gives the reply that the key got before (with the header
 * Idempotency-Replayed: true). Without the header, or on an endpoint that creates nothing, just
 * calls it. Returns 0 with the reply for a 200, another status > 0 whose reply is given again, or
 * -E_INVALID with request->failure. */
SUSPENDS MUSTCHECK int idempotent_call(struct request *request);

/* The same around a function of an endpoint that has read its body by itself, and says in
 * request->stands_for what came. */
SUSPENDS MUSTCHECK int idempotent_create(struct request *request, endpoint_fn create);
