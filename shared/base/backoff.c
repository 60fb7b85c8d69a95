/* Backoff with jitter. */

#include "shared/base/backoff.h"

#include "shared/base/id.h"

int64_t backoff_wait_ms(const struct backoff_policy *policy, int tries, uint32_t random)
{
    int64_t wait_ms = policy->base_ms;
    int64_t half;

    ASSERT(policy->base_ms > 0 && tries >= 0);
    while (tries-- > 0 && wait_ms < policy->cap_ms)
        wait_ms *= 2;
    if (wait_ms > policy->cap_ms)
        wait_ms = policy->cap_ms;
    half = wait_ms / 2;
    return wait_ms - half + (int64_t)((uint64_t)random * (uint64_t)(half + 1) >> 32);
}

int64_t backoff_next_ms(struct backoff *backoff)
{
    int tries = backoff->tries;

    if (backoff->tries < INT32_MAX)
        backoff->tries++;
    return backoff_wait_ms(&backoff->policy, tries, (uint32_t)random_below((uint64_t)1 << 32));
}

void backoff_reset(struct backoff *backoff)
{
    backoff->tries = 0;
}
