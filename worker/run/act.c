/* Act: execute the calls of the ledger's step, several at once, and record what came of them.
 *
 * Whatever goes wrong in a call is told to the model as the call's result: an unknown tool,
 * arguments that do not fit, a tool that fails or takes too long. Only a cancel of the run ends the
 * step. Where somebody outside brings a result, or is to allow a call, the run is parked, when all
 * else of the step is done and recorded; what was allowed is made by the attempt that follows. Or
 * the run ends with the step, where its maker wants that of calls of the client.
 */

#include "providers/genai.h"
#include "providers/reply/reply_form.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/config/config.h"
#include "shared/fiber/cond.h"
#include "shared/fiber/fiber.h"
#include "shared/json/json_raw.h"
#include "shared/trace/span.h"
#include "worker/lease/trust.h"
#include "worker/run/record/checkpoint.h"
#include "worker/run/stages.h"
#include "worker/run/task/task.h"
#include "worker/state.h"
#include "worker/stats/call_stats.h"

#define CALLS_AT_ONCE 16
#define HOLD_US       5000 /* pure calls compute: so long at once, then others have their turn */

#define NOT_MADE                                                                                   \
    "This call was not made: the results of this step take more memory than there is. "            \
    "Nothing was changed. Make it again, with fewer calls at once."

struct batch;

enum lane_kind {
    LANE_WAITING, /* calls that may wait: several at once */
    LANE_ORDERED, /* of sources whose calls build on each other: one fiber, in their order */
    LANE_PURE,    /* calls that never wait: one fiber, which lets others run in between */
    LANES,
};

/* Calls of a batch that are made by the same fibers, in their order. */
struct lane {
    struct batch *batch;
    enum lane_kind kind;
    size_t next; /* to be looked at */
};

/* The calls of a step while they run. */
struct batch {
    struct run_task *task;
    const struct log_context *log; /* the run's */
    struct lane lanes[LANES];
    bool began; /* a call was made */
    bool full;  /* there is no room for more results */
    bool left;  /* calls were left for the next attempt */
    size_t running;
    size_t started;
    struct cond done;
    struct fiber *fibers[CALLS_AT_ONCE + LANES - 1];
};

static void log_failure(const struct ledger_call *call)
{
    CLEANUP(buf_deinit) struct buf what;

    buf_init(&what, 0);
    tool_describe(call->tool, call->arguments, &what);
    log_debug("tool call failed", LOG_STR("call", buf_string(&what)));
}

static struct span *begin_span(const struct run_task *task, const struct ledger_call *call)
{
    const struct span_start start = {.kind = SPAN_INTERNAL,
                                     .parent = run_trace_context(&task->trace)};
    struct span *span = start.parent
                            ? span_begin(task->trace.tracer, &start, GENAI_EXECUTE_TOOL " %.*s",
                                         TEXT_ARGS(text_prefix(call->tool->name, 120)))
                            : NULL;

    if (!span_records(span))
        return NULL;
    span_text(span, GENAI_OPERATION, TEXT(GENAI_EXECUTE_TOOL));
    span_text(span, GENAI_TOOL_NAME, call->tool->name);
    span_text(span, GENAI_TOOL_CALL, call->call_id);
    span_text(span, GENAI_TOOL_TYPE, TEXT("function"));
    span_text(span, "penstock.tool.source", text_of(call->tool->source->name));
    span_content(span, GENAI_TOOL_ARGUMENTS, call->arguments);
    return span;
}

static void end_span(struct span *span, int r, const struct tool_outcome *outcome,
                     const struct buf *result)
{
    if (r < 0)
        span_fail(span, "cancelled", "");
    else if (outcome->end == TOOL_PARKED)
        span_bool(span, "penstock.tool.parked", true);
    else
        span_content(span, GENAI_TOOL_RESULT, buf_text(result));
    if (r >= 0 && outcome->end == TOOL_ERROR)
        span_fail(span, "tool_error", "");
    span_end(span);
}

static struct tool_place place_of(const struct run_task *task)
{
    const struct run_claim *row = &task->claim.row;

    return (struct tool_place){
        .tenant = row->tenant_id,
        .thread = row->thread_id,
        .lease = row->lease,
        .user = task->recall.user,
        .agent = task->recall.agent,
        .requests_per_minute = row->requests_per_minute,
        .tokens_per_minute = row->tokens_per_minute,
    };
}

/* Makes the call. Returns as tool_run. */
static int call_tool(struct run_task *task, struct ledger_call *call, struct buf *result,
                     struct tool_outcome *outcome, struct error *err)
{
    struct worker *worker = task->worker;
    struct span *span = begin_span(task, call);
    int64_t timeout_ms = call->tool->timeout_ms > 0 ? call->tool->timeout_ms
                                                    : worker->config->worker.tool_timeout_ms;
    const struct tool_call made = {
        .tool = call->tool,
        .arguments = call->arguments,
        .key = call->key,
        .deadline_ms = deadline_min(deadline_in(timeout_ms), task->deadline_ms),
        .expires_ms = task->expires_ms,
        .place = place_of(task),
        .services = &worker->tools,
        .permissions = &task->setup.tools.permissions,
        .trace = span_context(span, run_trace_context(&task->trace)),
    };
    int r = tool_run(&made, result, outcome, err);

    end_span(span, r, outcome, result);
    return r;
}

/* Returns 0 with what came of the call noted, or -E_CANCELED: its state stays as it is. */
static int execute(struct run_task *task, struct ledger_call *call, struct error *err)
{
    struct worker *worker = task->worker;
    CLEANUP(buf_deinit) struct buf result;
    struct tool_outcome outcome;
    int64_t start_us;
    int64_t took_us;
    int r;

    buf_init(&result, TOOL_RESULT_MAX);
    if (call_has_effect(call->class)) {
        r = trust_wait(worker->heartbeat, err);
        if (r < 0)
            return r;
    }
    start_us = clock_us();
    r = call_tool(task, call, &result, &outcome, err);
    if (r < 0)
        return r;
    if (outcome.end == TOOL_PARKED && outcome.wait == WAIT_CLIENT && task->setup.ends_at_calls) {
        ledger_leave(call);
        return 0;
    }
    if (outcome.end == TOOL_PARKED) {
        ledger_park(call, outcome.wait, outcome.due_in_ms);
        return 0;
    }
    took_us = clock_us() - start_us;
    call_stats_tool(worker->calls, text_of(call->tool->source->name), call->tool->name,
                    outcome.end == TOOL_ERROR, took_us);
    ledger_note(&task->ledger, call, buf_text(&result), outcome.end == TOOL_ERROR);
    outcome.report.made = true;
    outcome.report.took_ms = took_us / 1000;
    ledger_report(call, &outcome.report);
    if (outcome.end == TOOL_ERROR)
        log_failure(call);
    return 0;
}

/* What was gathered must fit before more is; but the first call is made always, so that no attempt
 * is in vain. One that can't be left gives way to others later. */
static bool has_room(struct batch *batch, const struct ledger_call *call)
{
    struct room_share *room = &batch->task->room;
    size_t bytes = room_of_arena(batch->task->arena.used);

    if (!batch->began) {
        batch->began = true;
        return true;
    }
    if (!call_may_repeat(call->class))
        return room_insist(room, bytes);
    if (!batch->full && !room_hold(room, bytes))
        batch->full = true;
    return !batch->full;
}

/* A call that may be made once only is refused, since the next attempt could not know that it was
 * not made. */
static void leave(struct batch *batch, struct ledger_call *call)
{
    if (call_may_repeat(call->class))
        batch->left = true;
    else
        ledger_note(&batch->task->ledger, call, TEXT(NOT_MADE), true);
}

static enum lane_kind kind_of(const struct ledger_call *call)
{
    if (call->tool->source->in_order)
        return LANE_ORDERED;
    return call->class == CALL_PURE && !call->tool->source->waits ? LANE_PURE : LANE_WAITING;
}

static bool is_of(const struct lane *lane, const struct ledger_call *call)
{
    return ledger_is_due(call) && kind_of(call) == lane->kind;
}

/* NULL: there is no more. */
static struct ledger_call *take_next(struct lane *lane)
{
    struct ledger *ledger = &lane->batch->task->ledger;

    while (lane->next < ledger->count) {
        struct ledger_call *call = &ledger->calls[lane->next++];

        if (is_of(lane, call))
            return call;
    }
    return NULL;
}

static void batch_fiber(void *arg)
{
    struct lane *lane = arg;
    struct batch *batch = lane->batch;
    int64_t since_us = clock_us();
    struct ledger_call *call;
    struct error err;

    *fiber_log_context() = *batch->log;
    while (!fiber_canceled() && (call = take_next(lane))) {
        if (has_room(batch, call))
            IGNORE(execute(batch->task, call, &err)); /* cancelled: its state stays an intent */
        else
            leave(batch, call);
        cond_broadcast(&batch->done);
        if (lane->kind == LANE_PURE && clock_us() - since_us >= HOLD_US) {
            fiber_yield();
            since_us = clock_us();
        }
    }
    batch->running--;
    cond_broadcast(&batch->done);
}

static void start_lane(struct batch *batch, enum lane_kind kind, size_t fibers_max)
{
    const struct ledger *ledger = &batch->task->ledger;
    struct lane *lane = &batch->lanes[kind];
    size_t fibers = 0;

    *lane = (struct lane){.batch = batch, .kind = kind};
    for (size_t i = 0; i < ledger->count && fibers < fibers_max; i++)
        fibers += is_of(lane, &ledger->calls[i]);
    for (size_t i = 0; i < fibers; i++)
        batch->fibers[batch->started++] = fiber_start("tool", batch_fiber, lane);
    batch->running += fibers;
}

/* What was done so far is stored, and the run goes back to the queue with the calls that are
 * left. */
static int hand_back_part(struct run_task *task, struct error *err)
{
    int r = task->ledger.opened ? RUN_GO_ON : checkpoint_intents(task, err);

    if (r == RUN_GO_ON && ledger_has_unrecorded(&task->ledger))
        r = checkpoint_some(task, err);
    if (r != RUN_GO_ON)
        return r;
    return ending_hand_back(&task->ending, room_turn_away(&task->worker->room), RUN_WAIT_BACKOFF);
}

/* Several at once. What had an effect is recorded while others still run, so that a crash leaves as
 * little as possible in doubt. Returns as checkpoint_some does. */
static int execute_many(struct run_task *task, struct error *err)
{
    struct ledger *ledger = &task->ledger;
    struct batch batch = {.task = task, .log = fiber_log_context()};
    int r = RUN_GO_ON;

    cond_init(&batch.done);
    start_lane(&batch, LANE_WAITING, CALLS_AT_ONCE);
    start_lane(&batch, LANE_ORDERED, 1);
    start_lane(&batch, LANE_PURE, 1);
    while (batch.running > 0 && r == RUN_GO_ON)
        r = ledger_has_unrecorded(ledger) ? checkpoint_some(task, err)
                                          : cond_wait(&batch.done, DEADLINE_NONE, err);
    for (size_t i = 0; i < batch.started; i++) {
        if (r != RUN_GO_ON)
            fiber_cancel(batch.fibers[i]);
        fiber_join(batch.fibers[i]);
    }
    if (r == -E_CANCELED && ledger_has_unrecorded(ledger))
        IGNORE(checkpoint_some(task, err)); /* that came at the same moment */
    return r == RUN_GO_ON && batch.left ? hand_back_part(task, err) : r;
}

static int execute_all(struct run_task *task, struct error *err)
{
    struct ledger *ledger = &task->ledger;

    if (ledger->count > 1)
        return execute_many(task, err);
    return ledger_is_due(&ledger->calls[0]) ? execute(task, &ledger->calls[0], err) : RUN_GO_ON;
}

/* By the id under which the conversation has the call: the ledger keeps it as it is stored, which
 * may be how an earlier version took it from the model. */
static int tell_results(struct run_task *task, struct error *err)
{
    const struct ledger *ledger = &task->ledger;

    for (size_t i = 0; i < ledger->count; i++) {
        const struct ledger_call *call = &ledger->calls[i];
        struct text id;

        if (reply_form_id(call->call_id, &task->arena, &id, err) < 0 ||
            !conversation_add_result(&task->conversation, id, call->result))
            return ending_out_of_memory(&task->ending);
    }
    return RUN_GO_ON;
}

/* What was decided of a call, for one that its run was parked for. */
static enum call_approval decision_of(const struct ledger_call *call)
{
    struct text decision = json_raw_get(call->approval, "decision");

    if (json_raw_is(decision, "denied"))
        return CALL_APPROVAL_DENIED;
    return json_raw_is(decision, "expired") ? CALL_APPROVAL_EXPIRED : CALL_APPROVAL_ALLOWED;
}

/* Of a step that begins who is asked, of one that goes on what they said. */
static void count_approvals(const struct run_task *task)
{
    const struct ledger *ledger = &task->ledger;

    for (size_t i = 0; i < ledger->count; i++) {
        const struct ledger_call *call = &ledger->calls[i];

        if (!ledger->opened && call->state == CALL_OPEN && call->kind == WAIT_APPROVAL)
            call_stats_approval(task->worker->calls, CALL_APPROVAL_ASKED);
        if (ledger->opened && call->approval.ptr)
            call_stats_approval(task->worker->calls, decision_of(call));
    }
}

int stage_act(struct run_task *task, struct error *err)
{
    struct ledger *ledger = &task->ledger;
    int r = RUN_GO_ON;

    if (ledger->count == 0)
        return RUN_GO_ON;
    if (!ledger->opened && room_gives_way(&task->room) && ledger_may_be_left(ledger))
        return hand_back_part(task, err); /* the answer was its step */
    count_approvals(task);
    if (!ledger->opened && ledger_has_effects(ledger))
        r = checkpoint_intents(task, err);
    if (r == RUN_GO_ON && ledger_begin_approved(ledger, &task->setup.tools))
        r = checkpoint_begun(task, err);
    if (r == RUN_GO_ON)
        r = execute_all(task, err);
    if (r != RUN_GO_ON)
        return r;
    if (ledger_waits(ledger))
        return checkpoint_park(task, err);
    if (ledger_leaves(ledger)) {
        task->ending.with_calls = true;
        return ending_completed(&task->ending);
    }
    r = checkpoint_results(task, err);
    if (r == RUN_GO_ON)
        r = tell_results(task, err);
    ledger_close(ledger);
    return r;
}
