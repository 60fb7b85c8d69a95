#pragma once
/* Calling an endpoint at most once for an Idempotency-Key. Private to scheduler/api. */

#include "shared/base/compiler.h"

struct request;

/* Calls the request's endpoint, or gives the reply that the key got before (with the header
 * Idempotency-Replayed: true). Without the header, or on an endpoint that creates nothing, just
 * calls it. Returns 0 with the reply for a 200, another status > 0 whose reply is given again, or
 * -E_INVALID with request->failure. */
SUSPENDS MUSTCHECK int idempotent_call(struct request *request);
