/* Think: one model call, with the run's budgets before it and the retry policy (outcome.h) behind
 * it. */

#include <inttypes.h>

#include "providers/call.h"
#include "providers/registry.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/config/config.h"
#include "shared/fiber/fiber.h"
#include "worker/context/repair.h"
#include "worker/lease/heartbeat.h"
#include "worker/run/outcome.h"
#include "worker/run/run.h"
#include "worker/worker.h"

#define TRUST_POLL_MS 100

int run_wait_for_trust(struct run_task *task, struct error *err)
{
    while (!heartbeat_trusted(task->worker->heartbeat)) {
        int r = fiber_sleep(TRUST_POLL_MS, err);

        if (r < 0)
            return r;
    }
    return 0;
}

/* What is left of the run's output budget; 0: no limit, negative: nothing. */
static int64_t output_budget(const struct run_task *task)
{
    int64_t left = task->agent.max_completion_tokens - task->completion_tokens;

    if (task->agent.max_completion_tokens == 0)
        return 0;
    return left > 0 ? left : -1;
}

static int check_budgets(struct run_task *task)
{
    int64_t most = task->agent.max_iterations ? task->agent.max_iterations
                                              : task->worker->config->worker.max_iterations;

    if (clock_ms() >= task->deadline_ms)
        return run_end_expired(task);
    if (output_budget(task) < 0)
        return run_end_incomplete(task, "max_completion_tokens");
    if (task->agent.max_prompt_tokens > 0 && task->prompt_tokens >= task->agent.max_prompt_tokens)
        return run_end_incomplete(task, "max_prompt_tokens");
    if (task->iterations >= most)
        return run_end_incomplete(task, "max_iterations");
    return RUN_GO_ON;
}

/* A forced tool holds for the first call only: forced again and again it would never answer. */
static struct chat_tool_choice tool_choice(const struct run_task *task)
{
    struct chat_tool_choice choice = task->agent.tool_choice;

    if (task->iterations == 0 || choice.kind == CHAT_TOOL_CHOICE_NONE ||
        choice.kind == CHAT_TOOL_CHOICE_AUTO)
        return choice;
    return (struct chat_tool_choice){.kind = CHAT_TOOL_CHOICE_UNSET};
}

/* Whatever came together in memory, what is sent is well formed. */
static int repair(struct run_task *task, struct error *err)
{
    struct chat_message *messages;
    size_t count;
    int r;

    if (!repair_is_needed(task->messages, task->message_count))
        return RUN_GO_ON;
    log_warn("conversation repaired", LOG_INT("messages", (int64_t)task->message_count));
    r = repair_conversation(task->messages, task->message_count, REPAIR_NONE, &task->arena,
                            &messages, &count, err);
    if (r < 0)
        return run_end_failed(task, "server_error", "%s.", err->text);
    task->messages = messages;
    task->message_count = task->message_room = count;
    return RUN_GO_ON;
}

static void fill_request(const struct run_task *task, const char *key, struct chat_request *out)
{
    const struct agent_setup *agent = &task->agent;
    int64_t budget = output_budget(task);

    *out = (struct chat_request){
        .instructions = agent->instructions,
        .messages = task->messages,
        .messages_count = task->message_count,
        .tools = agent->chat_tools,
        .tools_count = agent->tools_count,
        .tool_choice = tool_choice(task),
        .parallel_tool_calls = agent->parallel_tool_calls,
        .response_format = agent->response_format,
        .has_temperature = agent->has_temperature,
        .has_top_p = agent->has_top_p,
        .temperature = agent->temperature,
        .top_p = agent->top_p,
        .max_completion_tokens = budget,
        .reasoning_effort = agent->reasoning_effort,
        .idempotency_key = text_of(key),
        .deadline_ms = task->deadline_ms,
        .answer_bytes_max = (size_t)task->worker->config->worker.answer_max_bytes,
    };
}

/* What a call cost, whatever came of it. */
static void pay(struct run_task *task, const struct chat_usage *usage)
{
    task->prompt_tokens += usage->input_tokens;
    task->completion_tokens += usage->output_tokens;
    task->unsaved.input_tokens += usage->input_tokens;
    task->unsaved.output_tokens += usage->output_tokens;
    task->worker->counters.input_tokens += (uint64_t)usage->input_tokens;
    task->worker->counters.output_tokens += (uint64_t)usage->output_tokens;
}

static void account(struct run_task *task, const struct chat_reply *reply)
{
    task->iterations++;
    task->attempts = task->limited = 0;
    pay(task, &reply->usage);
}

/* Decides on a failure; sleeps when that is the decision. Returns RUN_GO_ON to call again. */
static int handle_failure(struct run_task *task, const struct provider_failure_info *failure,
                          struct error *err)
{
    struct outcome_input input = {
        .failure = failure->failure,
        .retry_after_ms = failure->retry_after_ms,
        .left_ms = task->deadline_ms - clock_ms(),
        .attempts = task->attempts,
        .limited = task->limited,
        .random = (uint32_t)random_below(UINT32_MAX),
    };
    struct outcome outcome = outcome_decide(&input);

    task->worker->counters.model_failures++;
    pay(task, &failure->usage);
    task->attempts += outcome.counts;
    task->limited += failure->failure == PROVIDER_RATE_LIMITED;
    if (clock_ms() >= task->deadline_ms)
        return run_end_expired(task);
    log_info("model call failed", LOG_STR("class", provider_failure_name(failure->failure)),
             LOG_INT("status", failure->status), LOG_STR("message", failure->message),
             LOG_INT("wait_ms", outcome.wait_ms), LOG_INT("attempts", task->attempts));
    switch (outcome.action) {
    case OUTCOME_RETRY:
        return fiber_sleep(outcome.wait_ms, err);
    case OUTCOME_HAND_BACK:
        task->give_back = (struct run_return){.delay_ms = outcome.wait_ms,
                                              .wait_kind = outcome.counts ? RUN_WAIT_BACKOFF
                                                                          : RUN_WAIT_RATE_LIMIT};
        return RUN_HAND_BACK;
    case OUTCOME_FAIL:
        return run_end_failed(task, outcome.code, "%s", failure->message);
    case OUTCOME_INCOMPLETE:
        break;
    }
    return run_end_incomplete(task, outcome.code);
}

int run_think(struct run_task *task, struct chat_reply *out, struct error *err)
{
    struct provider_target target;
    char id[ID_TEXT_SIZE];
    const char *key;
    int r = provider_registry_resolve(task->worker->registry, task->agent.model, &target, err);

    if (r < 0)
        return run_end_failed(task, "server_error", "%s", err->text);
    id_format(ID_RUN, task->claim.lease.run, id);
    key = arena_printf(&task->arena, "%s:step-%" PRId64, id, task->claim.lease.step);
    for (;;) {
        struct provider_failure_info failure;
        struct chat_request request;
        int verdict;

        r = run_wait_for_trust(task, err);
        if (r < 0)
            return r;
        verdict = check_budgets(task);
        if (verdict == RUN_GO_ON)
            verdict = repair(task, err);
        if (verdict != RUN_GO_ON)
            return verdict;
        fill_request(task, key, &request);
        *out = (struct chat_reply){.arena = &task->arena};
        task->worker->counters.model_calls++;
        r = provider_call(task->worker->http, &target, &request, out, &failure, err);
        if (r == 0) {
            account(task, out);
            return RUN_GO_ON;
        }
        if (r == -E_CANCELED)
            return r;
        if (r < 0)
            return run_end_failed(task, "server_error", "%s", err->text);
        verdict = handle_failure(task, &failure, err);
        if (verdict != RUN_GO_ON)
            return verdict;
    }
}
