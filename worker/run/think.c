/* Think: one model call, with the run's budgets before it and the retry policy (outcome.h) behind
 * it. */

#include <inttypes.h>

#include "providers/call.h"
#include "providers/models/registry.h"
#include "providers/wire/failure.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/config/config.h"
#include "shared/fiber/fiber.h"
#include "worker/context/context.h"
#include "worker/gate/gate.h"
#include "worker/lease/trust.h"
#include "worker/run/outcome.h"
#include "worker/run/stages.h"
#include "worker/run/task/task.h"
#include "worker/state.h"
#include "worker/stats/call_stats.h"

static int check_budgets(struct run_task *task)
{
    struct run_budgets budgets = task->setup.budgets;
    const char *used_up;

    if (budgets.max_iterations == 0)
        budgets.max_iterations = task->worker->config->worker.max_iterations;
    if (clock_ms() >= task->deadline_ms)
        return ending_expired(&task->ending);
    used_up = meter_used_up(&task->meter, &budgets);
    return used_up ? ending_incomplete(&task->ending, used_up) : RUN_GO_ON;
}

/* A forced tool holds for the first call only: forced again and again it would never answer. */
static struct chat_tool_choice tool_choice(const struct run_task *task)
{
    struct chat_tool_choice choice = task->setup.options.tool_choice;

    if (task->meter.iterations == 0 || choice.kind == CHAT_TOOL_CHOICE_NONE ||
        choice.kind == CHAT_TOOL_CHOICE_AUTO)
        return choice;
    return (struct chat_tool_choice){.kind = CHAT_TOOL_CHOICE_UNSET};
}

/* A reply is held as it arrives, and once more when it is read. */
static bool has_room(void *arg, size_t reply_bytes)
{
    struct run_task *task = arg;

    return room_insist(&task->room, room_of_arena(task->arena.used + reply_bytes));
}

static void fill_request(struct run_task *task, const struct provider_target *target,
                         const char *key, struct chat_request *out)
{
    const struct run_setup *setup = &task->setup;
    const struct model_options *options = &setup->options;

    *out = (struct chat_request){
        .instructions = setup->instructions,
        .messages = task->conversation.messages,
        .messages_count = task->conversation.count,
        .tools = setup->tools.shown,
        .tools_count = setup->tools.count,
        .tool_choice = tool_choice(task),
        .parallel_tool_calls = options->parallel_tool_calls,
        .response_format = options->response_format,
        .has_temperature = options->has_temperature,
        .has_top_p = options->has_top_p,
        .temperature = options->temperature,
        .top_p = options->top_p,
        .max_completion_tokens = meter_output_left(&task->meter, &setup->budgets),
        .reasoning_effort = options->reasoning_effort,
        .stream = target->stream,
        .idempotency_key = text_of(key),
        .deadline_ms = task->deadline_ms,
        .answer_bytes_max = (size_t)task->worker->config->worker.answer_max_bytes,
        .has_room = has_room,
        .arg = task,
    };
}

/* Decides on a failure; sleeps when that is the decision. Returns RUN_GO_ON to call again. */
static int handle_failure(struct run_task *task, struct provider_failure_info *failure,
                          struct error *err)
{
    struct outcome_input input = {
        .failure = failure->failure,
        .retry_after_ms = failure->retry_after_ms,
        .left_ms = task->deadline_ms - clock_ms(),
        .attempts = task->meter.attempts,
        .limited = task->meter.limited,
        .gave_way = task->room.gave_way,
        .random = (uint32_t)random_below(UINT32_MAX),
    };
    struct outcome outcome = outcome_decide(&input);

    task->meter.attempts += outcome.counts;
    task->meter.limited += failure->failure == PROVIDER_RATE_LIMITED;
    if (clock_ms() >= task->deadline_ms)
        return ending_expired(&task->ending);
    log_info("model call failed", LOG_STR("class", provider_failure_name(failure->failure)),
             LOG_INT("status", failure->status), LOG_STR("message", failure->message),
             LOG_INT("wait_ms", outcome.wait_ms), LOG_INT("attempts", task->meter.attempts));
    switch (outcome.action) {
    case OUTCOME_RETRY:
        return fiber_sleep(outcome.wait_ms, err);
    case OUTCOME_HAND_BACK:
        return ending_hand_back(&task->ending, outcome.wait_ms,
                                failure->failure == PROVIDER_RATE_LIMITED ? RUN_WAIT_RATE_LIMIT
                                                                          : RUN_WAIT_BACKOFF);
    case OUTCOME_FAIL:
        return ending_failed(&task->ending, outcome.code, "%s", failure->message);
    case OUTCOME_INCOMPLETE:
        break;
    }
    return ending_incomplete(&task->ending, outcome.code);
}

/* The same key for each try of a step, until the run is handed back: that is a write, and what is
 * tried after it has another key. NULL: the arena is full. */
static const char *step_key(struct run_task *task)
{
    const struct run_lease *lease = &task->claim.row.lease;
    char id[ID_TEXT_SIZE];

    id_format(ID_RUN, lease->run, id);
    return arena_printf(&task->arena, "%s:step-%" PRId64, id, lease->step);
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

/* What a step's tries share. */
struct thinking {
    struct provider_target target;
    const char *key;
    struct context_fit fit; /* how much of the conversation is sent */
    bool replied;
};

/* The provider says that it was too long: whether there is less that can be sent. */
static bool try_with_less(struct run_task *task, struct thinking *thinking,
                          struct chat_request *request)
{
    fill_request(task, &thinking->target, thinking->key, request);
    return context_refused(&thinking->target, &thinking->fit, request);
}

/* As a call that failed, which it would. */
static int leave_alone(struct run_task *task, const struct provider_target *target, int64_t wait_ms,
                       struct provider_failure_info *failure, struct error *err)
{
    provider_failure_set(failure, PROVIDER_OVERLOADED, NULL,
                         "%s has failed again and again, and is left alone for a while",
                         target->provider_name);
    failure->retry_after_ms = wait_ms;
    return handle_failure(task, failure, err);
}

static void leave_gate(struct run_task *task, struct gate_visit *visit, int r,
                       const struct provider_failure_info *failure)
{
    const struct chat_reply *reply = &task->reply;
    struct gate_outcome outcome = {.limits = &reply->limits, .usage = reply->usage};

    if (r != 0 && r != PROVIDER_FAILED) {
        gate_give_back(task->worker->gate, visit);
        return;
    }
    if (r == PROVIDER_FAILED)
        outcome = (struct gate_outcome){
            .failure = failure->failure,
            .status = failure->status,
            .retry_after_ms = failure->retry_after_ms,
            .usage = failure->usage,
            .limits = &failure->limits,
        };
    gate_leave(task->worker->gate, visit, &outcome);
}

/* What came of a try. Returns RUN_GO_ON with thinking->replied when there is a reply. */
static int take_reply(struct run_task *task, struct thinking *thinking, int r, int64_t took_us,
                      struct chat_request *request, struct provider_failure_info *failure,
                      struct error *err)
{
    const struct provider_target *target = &thinking->target;
    struct call_stats *stats = task->worker->calls;

    if (r == PROVIDER_FAILED) {
        meter_add_failure(&task->meter, target, &failure->usage);
        call_stats_model(stats, target, failure->failure, &failure->usage, took_us);
        if (failure->failure == PROVIDER_CONTEXT_OVERFLOW && try_with_less(task, thinking, request))
            return RUN_GO_ON;
        return handle_failure(task, failure, err);
    }
    if (r == -E_CANCELED)
        return r;
    if (r < 0)
        return ending_failed(&task->ending, "server_error", "%s", err->text);
    meter_add_reply(&task->meter, target, &task->reply.usage);
    call_stats_model(stats, target, PROVIDER_OK, &task->reply.usage, took_us);
    thinking->replied = true;
    return RUN_GO_ON;
}

/* One try, when the limits allow it. Returns RUN_GO_ON with thinking->replied. */
static int call_model(struct run_task *task, struct thinking *thinking, struct error *err)
{
    const struct provider_target *target = &thinking->target;
    struct provider_failure_info failure;
    struct chat_request request;
    struct gate_visit visit;
    struct gate_call call = {
        .target = target,
        .request = &request,
        .run = task->claim.row.lease.run,
        .priority = task->claim.row.priority,
        .call_ms = target->total_timeout_ms,
    };
    int64_t wait_ms;
    int64_t start_us;
    int r;

    fill_request(task, target, thinking->key, &request);
    context_fit(target, &thinking->fit, &request);
    r = gate_enter(task->worker->gate, &call, &visit, &wait_ms, err);
    if (r == GATE_LATER)
        return wait_in_line(task, wait_ms);
    if (r == GATE_SHUT)
        return leave_alone(task, target, wait_ms, &failure, err);
    if (r < 0)
        return r;
    task->reply = (struct chat_reply){.arena = &task->arena};
    start_us = clock_us();
    r = provider_call(task->worker->http, target, &request, &task->reply, &failure, err);
    room_settle(&task->room, room_of_arena(task->arena.used));
    leave_gate(task, &visit, r, &failure);
    return take_reply(task, thinking, r, clock_us() - start_us, &request, &failure, err);
}

int stage_think(struct run_task *task, struct error *err)
{
    struct thinking thinking = {.replied = false};
    int r =
        provider_registry_resolve(task->worker->registry, task->setup.model, &thinking.target, err);

    if (r == 0)
        r = meter_expect(&task->meter, &thinking.target, err);
    if (r < 0)
        return ending_failed(&task->ending, "server_error", "%s", err->text);
    thinking.key = step_key(task);
    while (!thinking.replied) {
        r = trust_wait(task->worker->heartbeat, err);
        if (r == 0)
            r = check_budgets(task);
        if (r != RUN_GO_ON)
            return r;
        if (conversation_repair(&task->conversation, err) < 0)
            return ending_failed(&task->ending, "server_error", "%s.", err->text);
        r = call_model(task, &thinking, err);
        if (r != RUN_GO_ON)
            return r;
    }
    return RUN_GO_ON;
}
