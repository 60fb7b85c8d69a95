#pragma once
/* Giving claims of idempotency keys back in the background. Private to scheduler/api. */

#include "shared/base/compiler.h"
#include "shared/store/access/idempotency.h"

struct settler;

struct settler *settler_new(void);
SUSPENDS void settler_free(struct settler *settler); /* gives up what is under way; accepts NULL */

/* Gives the claim of this begin back, as soon as the database allows it: forgets it, or with
 * `done_unknown` keeps the object's id for the next one. Copies what it needs. */
void settler_give_back(struct settler *settler, const struct store *store,
                       const struct idempotency_request *request, bool done_unknown);
