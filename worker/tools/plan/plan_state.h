#pragma once
/* The state of a thread as its run's tools and prompt read it, and which tools change it. */

#include "shared/base/compiler.h"
#include "shared/json/json.h"
#include "shared/store/store.h"

#define PLAN_TOOLS 3

/* "plan_set", "plan_update", …; NULL behind the last one. */
const char *plan_tool_name(size_t at);

/* *out is an object, which the caller puts, also where nothing is kept. Returns 0, or
 * THREAD_MISSING. */
SUSPENDS MUSTCHECK int plan_state_read(const struct store *store, struct uuid thread,
                                       struct json_object **out, int64_t *out_version,
                                       struct error *err);
