#pragma once
/* When a delivery is tried again. Pure. */

#include "shared/base/compiler.h"

#define HOOK_TRIES_MAX          10
#define HOOK_RETRY_AFTER_MAX_MS ((int64_t)3600 * 1000)

/* How long to wait after this many tries, of which the last one failed: 5 s, 5 min, 30 min, 2 h,
 * 5 h, 10 h, 14 h, 20 h, 24 h, each up to a fifth longer, so that what failed together does not
 * come back together. `random` is uniform over its range. -1: it was the last one. */
int64_t hook_wait_ms(int tries, uint32_t random);

/* A Retry-After in seconds, as milliseconds within bounds; 0: there is none that we know. */
int64_t hook_retry_after_ms(int64_t seconds);
