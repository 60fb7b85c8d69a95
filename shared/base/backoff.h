#pragma once
/* How long to wait before the next try: exponential backoff with jitter, min(cap, base * 2^n) times
 * a random factor between a half and one ("equal jitter"; the reason for jitter: Marc Brooker,
 * "Exponential Backoff And Jitter", AWS Architecture Blog, 2015). The half that is sure keeps a
 * single waiter from trying at once, the half that is random keeps many waiters apart.
 */

#include "shared/base/compiler.h"

struct backoff_policy {
    int64_t base_ms; /* before the first repetition; at least 1 */
    int64_t cap_ms;  /* no wait is longer */
};

/* The wait after `tries` failures in a row before this one (0: this was the first). `random` is
 * uniform over its range. Pure. Returns between base_ms / 2 and cap_ms. */
int64_t backoff_wait_ms(const struct backoff_policy *policy, int tries, uint32_t random);

/* The same with its count and its own chance. Start with {.policy = …}. */
struct backoff {
    struct backoff_policy policy;
    int tries; /* failures in a row */
};

/* Counts a failure. Returns the wait after it. */
int64_t backoff_next_ms(struct backoff *backoff);

/* It went well: the next failure is a first one. */
void backoff_reset(struct backoff *backoff);
