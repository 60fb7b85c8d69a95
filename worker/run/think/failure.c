/* What becomes of a step when a model could not be asked, or did not answer: another key, another
 * model, the retry policy (outcome.h), or the end of the run. */

#include <inttypes.h>

#include "providers/wire/failure.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/fiber/fiber.h"
#include "worker/run/outcome.h"
#include "worker/run/task/task.h"
#include "worker/run/think/thinking.h"

/* Whether another model is asked instead, at once. */
static bool fall_back(struct thinking *thinking)
{
    struct provider_failure_info *failure = &thinking->failure;
    struct text failed = model_chain_model(&thinking->chain);
    bool on = model_chain_failed(&thinking->chain, failure);
    struct text next = model_chain_model(&thinking->chain);

    thinking->resolved = thinking->resolved && text_equal(failed, next);
    if (on)
        log_info("a model can't answer, the next one is asked", LOG_STR("model", failed.ptr),
                 LOG_STR("next", next.ptr),
                 LOG_STR("class", provider_failure_name(failure->failure)),
                 LOG_INT("status", failure->status), LOG_STR("message", failure->message),
                 LOG_STR("detail", failure->detail));
    return on;
}

static int fail(struct run_task *task, const char *code,
                const struct provider_failure_info *failure)
{
    if (task->single)
        return single_call_failed(task->single, failure, code, &task->ending);
    return ending_failed(&task->ending, code, "%s", failure->message);
}

/* Decides on a failure; sleeps when that is the decision. Returns RUN_GO_ON to call again. */
static int decide(struct run_task *task, const struct thinking *thinking, struct error *err)
{
    const struct provider_failure_info *failure = &thinking->failure;
    struct outcome_input input = {
        .failure = failure->failure,
        .retry_after_ms = failure->retry_after_ms,
        .left_ms = task->deadline_ms - clock_ms(),
        .attempts = task->meter.attempts,
        .limited = task->meter.limited,
        .gave_way = task->room.gave_way,
        .held = thinking->held,
        .random = (uint32_t)random_below(UINT32_MAX),
    };
    struct outcome outcome = outcome_decide(&input);

    task->meter.attempts += outcome.counts;
    task->meter.limited += failure->failure == PROVIDER_RATE_LIMITED;
    if (clock_ms() >= task->deadline_ms)
        return ending_expired(&task->ending);
    log_info("model call failed", LOG_STR("class", provider_failure_name(failure->failure)),
             LOG_INT("status", failure->status), LOG_STR("message", failure->message),
             LOG_STR("detail", failure->detail), LOG_INT("wait_ms", outcome.wait_ms),
             LOG_INT("attempts", task->meter.attempts));
    switch (outcome.action) {
    case OUTCOME_RETRY:
        return fiber_sleep(outcome.wait_ms, err);
    case OUTCOME_HAND_BACK:
        return ending_hand_back(&task->ending, outcome.wait_ms,
                                failure->failure == PROVIDER_RATE_LIMITED ? RUN_WAIT_RATE_LIMIT
                                                                          : RUN_WAIT_BACKOFF);
    case OUTCOME_FAIL:
        return fail(task, outcome.code, failure);
    case OUTCOME_INCOMPLETE:
        break;
    }
    if (task->single)
        return fail(task, "invalid_prompt", failure);
    return ending_incomplete(&task->ending, outcome.code);
}

int thinking_failed(struct run_task *task, struct thinking *thinking, struct error *err)
{
    thinking->keys_failed = 0;
    return fall_back(thinking) ? RUN_GO_ON : decide(task, thinking, err);
}

int thinking_not_asked(struct run_task *task, struct thinking *thinking, const struct error *why)
{
    provider_failure_set(&thinking->failure, PROVIDER_BAD_REQUEST, NULL, "%s", why->text);
    if (fall_back(thinking))
        return RUN_GO_ON;
    return fail(task, "server_error", &thinking->failure);
}

/* Back to the queue, until its turn is near. */
static int wait_in_line(struct run_task *task, int64_t wait_ms)
{
    int64_t left_ms = task->deadline_ms - clock_ms();

    if (left_ms <= 0)
        return ending_expired(&task->ending);
    return ending_hand_back(&task->ending, wait_ms < left_ms ? wait_ms : left_ms,
                            RUN_WAIT_RATE_LIMIT);
}

int thinking_held_back(struct run_task *task, struct thinking *thinking, bool shut, int64_t wait_ms,
                       struct error *err)
{
    struct provider_failure_info *failure = &thinking->failure;
    const char *name = thinking->target.provider_name;
    int r;

    if (shut)
        provider_failure_set(failure, PROVIDER_OVERLOADED, NULL,
                             "%s has failed again and again, and is left alone for a while", name);
    else if (thinking->chain.setup->fallbacks_count > 0 && wait_ms >= CHAIN_WAIT_MS)
        provider_failure_set(failure, PROVIDER_RATE_LIMITED, NULL,
                             "the limits of %s let no call through for %" PRId64 " s", name,
                             wait_ms / 1000);
    else
        return wait_in_line(task, wait_ms);
    failure->retry_after_ms = wait_ms;
    thinking->held = shut;
    r = thinking_failed(task, thinking, err);
    thinking->held = false;
    return r;
}
