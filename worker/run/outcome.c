/* The retry policy for model calls. Reads classes and numbers, never texts. */

#include "worker/run/outcome.h"

#include "shared/base/backoff.h"

#define MALFORMED_MAX 3
#define EMPTY_MAX     2

static const struct backoff_policy failed = {.base_ms = 250, .cap_ms = 60000};

/* When the provider does not say how long. */
static const struct backoff_policy rate_limited = {.base_ms = 1000, .cap_ms = 30000};

/* Never before the provider said; up to a tenth (at most 5 s) after. */
static int64_t asked_ms(int64_t retry_after_ms, uint32_t random)
{
    int64_t spread_ms = retry_after_ms / 10 + 50;

    if (spread_ms > 5000)
        spread_ms = 5000;
    return retry_after_ms + (int64_t)((uint64_t)random * (uint64_t)spread_ms >> 32);
}

static struct outcome wait_for(const struct outcome_input *input, bool counts, const char *code)
{
    struct outcome outcome = {.counts = counts, .code = code};

    if (input->retry_after_ms >= 0)
        outcome.wait_ms = asked_ms(input->retry_after_ms, input->random);
    else if (counts)
        outcome.wait_ms = backoff_wait_ms(&failed, input->attempts, input->random);
    else
        outcome.wait_ms = backoff_wait_ms(&rate_limited, input->limited, input->random);
    if (outcome.wait_ms > input->left_ms)
        outcome.wait_ms = input->left_ms > 0 ? input->left_ms : 0;
    outcome.action = outcome.wait_ms <= OUTCOME_HOLD_MS ? OUTCOME_RETRY : OUTCOME_HAND_BACK;
    return outcome;
}

static struct outcome fail(const char *code)
{
    return (struct outcome){.action = OUTCOME_FAIL, .code = code};
}

/* The next try is a while away, whatever its number: memory does not come free at once. */
static const struct backoff_policy no_room = {.base_ms = 2000, .cap_ms = 60000};

static struct outcome leave_for(const struct outcome_input *input)
{
    struct outcome outcome = wait_for(input, !input->gave_way, "server_error");

    outcome.action = OUTCOME_HAND_BACK;
    outcome.wait_ms = backoff_wait_ms(&no_room, input->attempts, input->random);
    if (outcome.wait_ms > input->left_ms)
        outcome.wait_ms = input->left_ms > 0 ? input->left_ms : 0;
    return outcome;
}

struct outcome outcome_decide(const struct outcome_input *input)
{
    int attempts_max = OUTCOME_ATTEMPTS_MAX;

    if (input->held)
        return wait_for(input, false, "server_error");
    switch (input->failure) {
    case PROVIDER_RATE_LIMITED:
        return wait_for(input, false, "rate_limit_exceeded");
    case PROVIDER_MALFORMED_REPLY:
        attempts_max = MALFORMED_MAX;
        break;
    case PROVIDER_EMPTY_REPLY:
        attempts_max = EMPTY_MAX;
        break;
    case PROVIDER_OVERLOADED:
    case PROVIDER_TIMED_OUT:
    case PROVIDER_STREAM_CUT:
    case PROVIDER_NO_ROOM:
        break;
    case PROVIDER_QUOTA:
        return fail("rate_limit_exceeded");
    case PROVIDER_CONTEXT_OVERFLOW:
        return (struct outcome){.action = OUTCOME_INCOMPLETE, .code = "max_prompt_tokens"};
    case PROVIDER_REPLY_TOO_LARGE:
    case PROVIDER_BAD_REQUEST:
    case PROVIDER_AUTH:
        return fail("server_error");
    case PROVIDER_OK:
        ASSERT(input->failure != PROVIDER_OK);
    }
    if (input->failure == PROVIDER_NO_ROOM && input->gave_way)
        return leave_for(input);
    if (input->attempts + 1 >= attempts_max)
        return fail("server_error");
    if (input->failure == PROVIDER_NO_ROOM)
        return leave_for(input);
    return wait_for(input, true, "server_error");
}
