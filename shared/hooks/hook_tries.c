#include "shared/hooks/hook_tries.h"

#define SECOND_MS ((int64_t)1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS   (60 * MINUTE_MS)

int64_t hook_wait_ms(int tries, uint32_t random)
{
    static const int64_t waits[] = {
        5 * SECOND_MS, 5 * MINUTE_MS, 30 * MINUTE_MS, 2 * HOUR_MS,  5 * HOUR_MS,
        10 * HOUR_MS,  14 * HOUR_MS,  20 * HOUR_MS,   24 * HOUR_MS,
    };
    int64_t wait;

    _Static_assert(ARRAY_LENGTH(waits) == HOOK_TRIES_MAX - 1, "a wait after each but the last");
    ASSERT(tries >= 1);
    if (tries >= HOOK_TRIES_MAX)
        return -1;
    wait = waits[tries - 1];
    return wait + (int64_t)((uint64_t)(wait / 5) * random / UINT32_MAX);
}

int64_t hook_retry_after_ms(int64_t seconds)
{
    if (seconds <= 0)
        return 0;
    if (seconds > HOOK_RETRY_AFTER_MAX_MS / SECOND_MS)
        return HOOK_RETRY_AFTER_MAX_MS;
    return seconds * SECOND_MS;
}
