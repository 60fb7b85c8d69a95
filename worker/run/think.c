/* Think: one model call, with the run's budgets before it and the retry policy (outcome.h) behind
 * it. */

#include <inttypes.h>

#include "providers/call.h"
#include "providers/call_span.h"
#include "providers/embed.h"
#include "providers/gate/gate.h"
#include "providers/models/cost.h"
#include "providers/models/registry.h"
#include "providers/wire/failure.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/config/config.h"
#include "shared/fiber/fiber.h"
#include "shared/trace/tracer.h"
#include "worker/context/context.h"
#include "worker/lease/trust.h"
#include "worker/live/speaker.h"
#include "worker/run/outcome.h"
#include "worker/run/spend.h"
#include "worker/run/stages.h"
#include "worker/run/task/model_chain.h"
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

/* What a model says while it says it. */
static void on_event(void *arg, const struct chat_event *event)
{
    struct run_task *task = arg;

    if (event->kind != CHAT_EVENT_USAGE && event->kind != CHAT_EVENT_FINISH) {
        int64_t now_us = clock_us();

        meter_hear(&task->meter, now_us);
        if (task->spoken_us == 0)
            task->spoken_us = now_us;
    }
    speaker_hear(task->worker->speaker, &task->voice, event);
}

static bool wants_events(const struct run_task *task)
{
    return task->voice.speaks || !task->meter.has_first_token;
}

/* What the conversation and the agent say. */
static void fill_words(const struct run_task *task, struct chat_request *out)
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
        .max_completion_tokens = meter_output_of_call(&task->meter, &setup->budgets),
        .reasoning_effort = options->reasoning_effort,
        .verbosity = options->verbosity,
    };
}

static void fill_request(struct run_task *task, const struct provider_target *target,
                         const char *key, struct chat_request *out)
{
    if (task->setup.asked)
        *out = *task->setup.asked;
    else
        fill_words(task, out);
    out->stream = target->stream || (target->may_stream && task->voice.heard);
    out->idempotency_key = text_of(key);
    out->deadline_ms = task->deadline_ms;
    out->answer_bytes_max = (size_t)task->worker->config->worker.answer_max_bytes;
    out->sink = wants_events(task) ? &task->listener : NULL;
    out->has_room = has_room;
    out->arg = task;
}

/* What a step's tries share. */
struct thinking {
    struct model_chain chain;
    struct provider_registry *registry; /* held, as the target borrows from it */
    struct provider_target target;      /* the model whose turn it is */
    bool resolved;                      /* the target is that model */
    const char *key;
    struct context_fit fit;               /* how much of the conversation is sent */
    struct provider_failure_info failure; /* of the last try */
    bool other_key;     /* the failure is this key's: the same call may be made with another */
    bool held;          /* the failure is of no call: its provider is left alone for a while */
    size_t keys_failed; /* of the model whose turn it is, in a row */
    struct uuid reply;  /* the id of what it is about to say */
    bool replied;
};

static void thinking_deinit(struct thinking *thinking)
{
    provider_registry_free(thinking->registry);
}

/* The same key for each try of a model in a step, until the run is handed back: that is a write,
 * and what is tried after it has another key. NULL: the arena is full. */
static const char *step_key(struct run_task *task, size_t turn)
{
    const struct run_lease *lease = &task->claim.row.lease;
    char id[ID_TEXT_SIZE];

    id_format(ID_RUN, lease->run, id);
    if (turn > 0)
        return arena_printf(&task->arena, "%s:step-%" PRId64 ":fallback-%zu", id, lease->step,
                            turn);
    return arena_printf(&task->arena, "%s:step-%" PRId64, id, lease->step);
}

/* Makes the target the model whose turn it is. Returns 0, or as provider_registry_resolve and
 * meter_expect do. */
static int resolve(struct run_task *task, struct thinking *thinking, struct error *err)
{
    struct text model = model_chain_model(&thinking->chain);
    int r = 0;

    if (provider_registry_follow(&thinking->registry, task->worker->registry))
        thinking->resolved = false;
    if (thinking->resolved)
        return 0;
    r = provider_registry_resolve(thinking->registry, model, &thinking->target, err);
    if (r == 0)
        r = meter_expect(&task->meter, &thinking->target, err);
    if (r < 0)
        return r;
    thinking->key = step_key(task, thinking->chain.turn);
    thinking->fit = (struct context_fit){0};
    thinking->keys_failed = 0;
    thinking->resolved = true;
    return 0;
}

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

static int handle_failure(struct run_task *task, struct thinking *thinking, struct error *err)
{
    thinking->keys_failed = 0;
    return fall_back(thinking) ? RUN_GO_ON : decide(task, thinking, err);
}

/* The model can't be asked at all: it is not configured any more, or the conversation can't be said
 * in its API. That is no reason to fail while there are others. */
static int not_asked(struct run_task *task, struct thinking *thinking, const struct error *why)
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

/* The provider says that it was too long: whether there is less that can be sent. */
static bool try_with_less(struct run_task *task, struct thinking *thinking,
                          struct chat_request *request)
{
    fill_request(task, &thinking->target, thinking->key, request);
    return context_refused(&thinking->target, &thinking->fit, request);
}

/* The gate does not let it through now: as a call that failed, which it would; or, where only its
 * limits are in the way, as one that waits for its turn. */
static int held_back(struct run_task *task, struct thinking *thinking, bool shut, int64_t wait_ms,
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
    r = handle_failure(task, thinking, err);
    thinking->held = false;
    return r;
}

/* Returns what gate_leave does. */
static bool leave_gate(struct run_task *task, struct gate_visit *visit, int r,
                       const struct provider_failure_info *failure)
{
    const struct chat_reply *reply = &task->reply;
    struct gate_outcome outcome = {.limits = &reply->limits, .usage = reply->usage};

    if (r != 0 && r != PROVIDER_FAILED) {
        gate_give_back(task->worker->gate, visit);
        return false;
    }
    if (r == PROVIDER_FAILED)
        outcome = (struct gate_outcome){
            .failure = failure->failure,
            .status = failure->status,
            .retry_after_ms = failure->retry_after_ms,
            .usage = failure->usage,
            .limits = &failure->limits,
        };
    return gate_leave(task->worker->gate, visit, &outcome);
}

/* What came of a try. Returns RUN_GO_ON with thinking->replied when there is a reply. */
static int take_reply(struct run_task *task, struct thinking *thinking, int r, int64_t took_us,
                      struct chat_request *request, struct error *err)
{
    const struct provider_failure_info *failure = &thinking->failure;
    const struct provider_target *target = &thinking->target;
    struct call_stats *stats = task->worker->calls;

    if (r == PROVIDER_FAILED) {
        meter_add_failure(&task->meter, target, &failure->usage);
        call_stats_model(stats, target, failure->failure, &failure->usage, took_us);
        if (thinking->other_key && ++thinking->keys_failed < target->keys_count)
            return RUN_GO_ON;
        if (failure->failure == PROVIDER_CONTEXT_OVERFLOW && !task->single &&
            try_with_less(task, thinking, request))
            return RUN_GO_ON;
        return handle_failure(task, thinking, err);
    }
    if (r == -E_CANCELED)
        return r;
    if (r < 0)
        return not_asked(task, thinking, err);
    meter_hear(&task->meter, clock_us());
    meter_add_reply(&task->meter, target, &task->reply.usage);
    call_stats_model(stats, target, PROVIDER_OK, &task->reply.usage, took_us);
    task->origin = (struct reply_origin){
        .id = thinking->reply,
        .tried = model_chain_tried(&thinking->chain),
        .left_out = (int64_t)thinking->fit.left_out,
    };
    if (task->single)
        task->single->answered_by =
            arena_printf(&task->arena, "%s/%s", target->provider_name, target->model);
    thinking->replied = true;
    return RUN_GO_ON;
}

/* Vectors: their usage and limits are told as those of a reply. */
static int call_for_vectors(struct run_task *task, struct thinking *thinking,
                            const struct chat_request *request, struct error *err)
{
    const struct provider_target *target = &thinking->target;
    struct embedding_request texts = *task->setup.texts;
    struct embedding_reply *vectors = &task->single->vectors;
    int r;

    texts.idempotency_key = request->idempotency_key;
    texts.deadline_ms = request->deadline_ms;
    texts.trace = request->trace;
    *vectors = (struct embedding_reply){.arena = &task->arena};
    r = provider_embed(task->worker->http, target, &texts, vectors, &thinking->failure, err);
    if (r != 0)
        return r;
    vectors->usage.cost_micros = model_cost_micros(&target->prices, &vectors->usage);
    task->reply.usage = vectors->usage;
    task->reply.limits = vectors->limits;
    return 0;
}

/* The run has another model from now on. */
static int begin_again(struct run_task *task, struct thinking *thinking)
{
    thinking->chain = (struct model_chain){.setup = &task->setup, .arena = &task->arena};
    thinking->resolved = false;
    return RUN_GO_ON;
}

/* One try. Returns as provider_call. */
static int ask_provider(struct run_task *task, struct thinking *thinking,
                        struct chat_request *request, struct error *err)
{
    const struct run_trace *trace = &task->trace;
    const struct call_span_start start = {
        .parent = run_trace_context(trace),
        .target = &thinking->target,
        .request = request,
        .texts = task->setup.texts,
        .thread = task->claim.row.thread_id,
    };
    struct span *span = call_span_begin(trace->tracer, &start);
    struct trace_headers told;
    int r;

    request->trace = tracer_tell_provider(trace->tracer, span_context(span, start.parent), &told);
    task->reply = (struct chat_reply){.arena = &task->arena};
    r = task->setup.texts ? call_for_vectors(task, thinking, request, err)
                          : provider_call(task->worker->http, &thinking->target, request,
                                          &task->reply, &thinking->failure, err);
    request->trace = NULL;
    if (r == 0)
        call_span_answered(span, &task->reply);
    else if (r == PROVIDER_FAILED)
        call_span_failed(span, &thinking->failure);
    else
        call_span_given_up(span);
    return r;
}

/* One try, when the limits allow it. Returns RUN_GO_ON with thinking->replied. */
static int ask_model(struct run_task *task, struct thinking *thinking, struct error *err)
{
    const struct provider_target *target = &thinking->target;
    const struct run_claim *row = &task->claim.row;
    struct chat_request request;
    struct gate_visit visit;
    struct gate_call call = {
        .target = target,
        .request = &request,
        .run = row->lease.run,
        .priority = row->priority,
        .tenant = row->tenant_id,
        .tenant_requests_per_minute = row->requests_per_minute,
        .tenant_tokens_per_minute = row->tokens_per_minute,
        .call_ms = target->total_timeout_ms,
    };
    int64_t wait_ms;
    int64_t start_us;
    int r;

    fill_request(task, target, thinking->key, &request);
    if (!task->single)
        context_fit(target, &thinking->fit, &request);
    r = spend_before(task, target, &request, err);
    if (r == SPEND_OTHER_MODEL)
        return begin_again(task, thinking);
    if (r != RUN_GO_ON)
        return r;
    r = gate_enter(task->worker->gate, &call, &visit, &wait_ms, err);
    if (r == GATE_LATER || r == GATE_SHUT)
        return held_back(task, thinking, r == GATE_SHUT, wait_ms, err);
    if (r < 0)
        return r;
    provider_target_use(&thinking->target, visit.key);
    task->spoken_us = 0;
    start_us = clock_us();
    r = ask_provider(task, thinking, &request, err);
    if (request.stream && task->spoken_us > 0)
        call_stats_first_token(task->worker->calls, target, task->spoken_us - start_us);
    room_settle(&task->room, room_of_arena(task->arena.used));
    thinking->other_key = leave_gate(task, &visit, r, &thinking->failure);
    return take_reply(task, thinking, r, clock_us() - start_us, &request, err);
}

/* Those who listen hear it under an id of its own. */
static int call_model(struct run_task *task, struct thinking *thinking, struct error *err)
{
    struct speaker *speaker = task->worker->speaker;
    int r;

    thinking->reply = uuid_new();
    speaker_begin(speaker, &task->voice, &task->claim.row, thinking->reply,
                  thinking->target.stream);
    r = ask_model(task, thinking, err);
    spend_after(task);
    speaker_end(speaker, &task->voice);
    return r;
}

static int try(struct run_task *task, struct thinking *thinking, struct error *err)
{
    int r = resolve(task, thinking, err);

    return r < 0 ? not_asked(task, thinking, err) : call_model(task, thinking, err);
}

int stage_think(struct run_task *task, struct error *err)
{
    CLEANUP(thinking_deinit)
    struct thinking thinking = {.chain = {.setup = &task->setup, .arena = &task->arena}};
    int r;

    task->listener = (struct chat_sink){on_event, task};
    while (!thinking.replied) {
        r = trust_wait(task->worker->heartbeat, err);
        if (r == 0)
            r = check_budgets(task);
        if (r != RUN_GO_ON)
            return r;
        if (conversation_repair(&task->conversation, err) < 0)
            return ending_failed(&task->ending, "server_error", "%s.", err->text);
        r = try(task, &thinking, err);
        if (r != RUN_GO_ON)
            return r;
    }
    return RUN_GO_ON;
}
