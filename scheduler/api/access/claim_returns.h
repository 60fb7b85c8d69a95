#pragma once
/* Giving claims of idempotency keys back in the background. Private to scheduler/api. */

#include "shared/base/compiler.h"
#include "shared/store/access/idempotency.h"

struct claim_returns;

struct claim_returns *claim_returns_new(void);
SUSPENDS void
claim_returns_free(struct claim_returns *returns); /* gives up what is under way; accepts NULL */

/* Gives the claim of this begin back, as soon as the database allows it: forgets it, or with
 * `done_unknown` keeps the object's id for the next one. Copies what it needs. */
void claim_returns_add(struct claim_returns *returns, const struct store *store,
                       const struct idempotency_request *request, bool done_unknown);
