#pragma once
/* The tenant's own tools that an agent or a request names, from the database. */

#include "shared/agent/tools/declared.h"
#include "shared/store/store.h"

/* Those of `tools` (JSON array as text) and of `said` (an array; may be NULL). Asks nothing where
 * there are none. Texts live in store->arena. Returns 0 or what the store failed with; names of
 * which there is no tool are not in *out. */
SUSPENDS MUSTCHECK int declared_load(const struct store *store, struct text tools,
                                     struct json_object *said, struct declared_tools *out,
                                     struct error *err);
