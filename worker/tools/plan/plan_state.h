#pragma once
/* The state of a thread as its run's tools and prompt read it. */

#include "shared/base/compiler.h"
#include "shared/json/json.h"
#include "shared/store/store.h"

/* *out is an object, which the caller puts, also where nothing is kept. Returns 0, or
 * THREAD_MISSING. */
SUSPENDS MUSTCHECK int plan_state_read(const struct store *store, struct uuid thread,
                                       struct json_object **out, int64_t *out_version,
                                       struct error *err);
