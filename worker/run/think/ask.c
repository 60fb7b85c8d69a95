/* One try: through the gate, to the provider, and what came of it. */

#include "providers/call.h"
#include "providers/call_span.h"
#include "providers/context/context.h"
#include "providers/embed.h"
#include "providers/gate/gate.h"
#include "providers/models/cost.h"
#include "providers/wire/failure.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/trace/tracer.h"
#include "worker/live/speaker.h"
#include "worker/run/task/task.h"
#include "worker/run/think/spend.h"
#include "worker/run/think/thinking.h"
#include "worker/state.h"
#include "worker/stats/call_stats.h"

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

int thinking_call(struct run_task *task, struct thinking *thinking, struct chat_request *request,
                  struct error *err)
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

bool thinking_leave_gate(struct run_task *task, struct gate_visit *visit, int r,
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

static struct context_plan plan_of(struct run_task *task)
{
    struct conversation *conversation = &task->conversation;

    return (struct context_plan){&task->setup.memory, conversation->first, &conversation->joined};
}

/* The request becomes what is sent of it. */
static void leave_out(struct run_task *task, struct thinking *thinking,
                      struct chat_request *request)
{
    const struct context_plan plan = plan_of(task);
    size_t before = thinking->fit.left_out;
    size_t count = request->messages_count;

    context_fit(&thinking->target, &plan, &thinking->fit, request);
    if (request->messages_count < count && count - request->messages_count > before)
        log_info("messages are left out: there is no room for all of them",
                 LOG_INT("left_out", count - request->messages_count), LOG_INT("of", count));
}

/* The provider says that it was too long: whether there is less that can be sent. */
static bool try_with_less(struct run_task *task, struct thinking *thinking,
                          struct chat_request *request)
{
    const struct context_plan plan = plan_of(task);

    thinking_fill(task, thinking, request);
    return context_refused(&thinking->target, &plan, &thinking->fit, request);
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
        if (failure->failure == PROVIDER_CONTEXT_OVERFLOW && !task->setup.asked &&
            try_with_less(task, thinking, request))
            return RUN_GO_ON;
        return thinking_failed(task, thinking, err);
    }
    if (r == -E_CANCELED)
        return r;
    if (r < 0)
        return thinking_not_asked(task, thinking, err);
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

/* The run has another model from now on. */
static int begin_again(struct run_task *task, struct thinking *thinking)
{
    thinking->chain = (struct model_chain){.setup = &task->setup, .arena = &task->arena};
    thinking->resolved = false;
    return RUN_GO_ON;
}

struct gate_call thinking_gate_call(const struct run_task *task,
                                    const struct provider_target *target,
                                    const struct chat_request *request)
{
    const struct run_claim *row = &task->claim.row;

    return (struct gate_call){
        .target = target,
        .request = request,
        .run = row->lease.run,
        .priority = row->priority,
        .tenant = row->tenant_id,
        .tenant_requests_per_minute = row->requests_per_minute,
        .tenant_tokens_per_minute = row->tokens_per_minute,
        .call_ms = target->total_timeout_ms,
    };
}

/* One try, when the limits allow it. Returns RUN_GO_ON with thinking->replied. */
static int ask_model(struct run_task *task, struct thinking *thinking, struct error *err)
{
    const struct provider_target *target = &thinking->target;
    struct chat_request request;
    struct gate_visit visit;
    struct gate_call call;
    int64_t wait_ms;
    int64_t start_us;
    int r;

    thinking_fill(task, thinking, &request);
    if (!task->setup.asked)
        leave_out(task, thinking, &request);
    r = spend_before(task, target, &request, err);
    if (r == SPEND_OTHER_MODEL)
        return begin_again(task, thinking);
    if (r != RUN_GO_ON)
        return r;
    call = thinking_gate_call(task, target, &request);
    r = gate_enter(task->worker->gate, &call, &visit, &wait_ms, err);
    if (r == GATE_LATER || r == GATE_SHUT)
        return thinking_held_back(task, thinking, r == GATE_SHUT, wait_ms, err);
    if (r < 0)
        return r;
    provider_target_use(&thinking->target, visit.key);
    task->spoken_us = 0;
    start_us = clock_us();
    r = thinking_call_kept(task, thinking, &request, err);
    if (request.stream && task->spoken_us > 0)
        call_stats_first_token(task->worker->calls, target, task->spoken_us - start_us);
    room_settle(&task->room, room_of_arena(task->arena.used));
    thinking->other_key = thinking_leave_gate(task, &visit, r, &thinking->failure);
    return take_reply(task, thinking, r, clock_us() - start_us, &request, err);
}

int thinking_ask(struct run_task *task, struct thinking *thinking, struct error *err)
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
