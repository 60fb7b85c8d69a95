/* A circuit breaker. */

#include "shared/limits/breaker.h"

#include "shared/base/backoff.h"

static const struct backoff_policy policy = {.base_ms = BREAKER_BASE_MS, .cap_ms = BREAKER_CAP_MS};

enum breaker_state breaker_ask(struct breaker *breaker, int64_t now_ms, int64_t *out_wait_ms)
{
    if (breaker->open_until_ms == 0)
        return BREAKER_CLOSED;
    if (now_ms >= breaker->open_until_ms && now_ms >= breaker->trial_until_ms) {
        breaker->trial_until_ms = now_ms + BREAKER_TRIAL_MS;
        return BREAKER_TRIAL;
    }
    *out_wait_ms =
        now_ms < breaker->open_until_ms ? breaker->open_until_ms - now_ms : BREAKER_BASE_MS;
    return BREAKER_OPEN;
}

bool breaker_succeeded(struct breaker *breaker)
{
    bool was_open = breaker->open_until_ms != 0;

    *breaker = (struct breaker){.failures = 0};
    return was_open;
}

bool breaker_failed(struct breaker *breaker, int64_t now_ms, uint32_t random)
{
    breaker->failures++;
    if (now_ms < breaker->open_until_ms)
        return false; /* it was under way when the breaker opened */
    if (breaker->failures < BREAKER_FAILURES && breaker->open_until_ms == 0)
        return false;
    breaker->open_until_ms = now_ms + backoff_wait_ms(&policy, breaker->opened, random);
    breaker->trial_until_ms = 0;
    breaker->opened++;
    return true;
}

void breaker_unknown(struct breaker *breaker)
{
    breaker->trial_until_ms = 0;
}

void breaker_told(struct breaker *breaker, int64_t open_until_ms)
{
    if (open_until_ms == 0)
        *breaker = (struct breaker){.failures = 0};
    else if (open_until_ms > breaker->open_until_ms)
        breaker->open_until_ms = open_until_ms;
}
