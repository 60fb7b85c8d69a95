/* Act: execute the tool calls of a step, several at once, and record what came of them.
 *
 * Whatever goes wrong in a call is told to the model as the call's result: an unknown tool,
 * arguments that do not fit, a tool that fails or takes too long. Only a cancel of the run ends the
 * step. Functions that the client runs come last: when all else of the step is done and recorded,
 * the run is parked until their outputs are given.
 *
 * What a call's class says about repeating it is decided when the call is planned, recorded with
 * its intent, and read from there after a crash.
 */

#include <stdio.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/config/config.h"
#include "shared/fiber/cond.h"
#include "shared/fiber/fiber.h"
#include "worker/run/record.h"
#include "worker/run/run.h"
#include "worker/tools/tool.h"
#include "worker/worker.h"

#define CALLS_MAX     128
#define CALLS_AT_ONCE 16
#define UNKNOWN_RESULT                                                                             \
    "This call was interrupted, and whether it took effect is not known. Do not repeat it "        \
    "without "                                                                                     \
    "checking."

/* The calls of a step while they run. */
struct batch {
    struct run_task *task;
    const struct log_context *log; /* the run's */
    struct tool_work *work;
    size_t count;
    size_t next; /* to be started */
    size_t running;
    struct cond done;
    struct fiber *fibers[CALLS_AT_ONCE];
};

static int end_out_of_memory(struct run_task *task)
{
    return run_end_failed(task, "server_error", "The run needs too much memory.");
}

static void set_result(struct run_task *task, struct tool_work *work, struct text result,
                       bool is_error)
{
    char *copy = arena_copy(&task->arena, result);

    work->state = CALL_DONE;
    work->is_error = is_error || !copy;
    work->result = copy ? (struct text){copy, result.len}
                        : TEXT("Error: the result is too large for the run's memory.");
}

static void set_error(struct run_task *task, struct tool_work *work, const char *text)
{
    CLEANUP(buf_deinit) struct buf buf;

    buf_init(&buf, 4096);
    buf_printf(&buf, "Error: %s.", text);
    set_result(task, work, buf_text(&buf), true);
}

static void refuse_unknown(struct run_task *task, struct tool_work *work)
{
    CLEANUP(buf_deinit) struct buf buf;

    buf_init(&buf, 16384);
    buf_printf(&buf, "there is no tool named '%.*s'; tools here:",
               (int)(work->name.len < 64 ? work->name.len : 64), work->name.ptr);
    for (size_t i = 0; i < task->agent.tools_count; i++)
        buf_printf(&buf, "%s %.*s", i ? "," : "", TEXT_ARGS(task->agent.tools[i].name));
    if (task->agent.tools_count == 0)
        buf_add_string(&buf, " none");
    set_error(task, work, buf_string(&buf));
}

/* Returns 0 with work->result, or -E_CANCELED. */
static int execute(struct run_task *task, struct tool_work *work, struct error *err)
{
    const struct config *config = task->worker->config;
    CLEANUP(buf_deinit) struct buf out;
    char id[ID_TEXT_SIZE];
    char key[80];
    struct tool_context context = {
        .http = task->worker->http,
        .http_allow = task->agent.http_allow,
        .http_allow_count = task->agent.http_allow_count,
        .guard = {(const char *const *)config->worker.private_addresses,
                  config->worker.private_addresses_count},
        .deadline_ms = deadline_min(deadline_in(config->worker.tool_timeout_ms), task->deadline_ms),
        .now_wall_ms = clock_wall_ms(),
    };
    int r;

    buf_init(&out, TOOL_RESULT_MAX);
    if (work->class != CALL_PURE) {
        r = run_wait_for_trust(task, err);
        if (r < 0)
            return r;
    }
    id_format(ID_RUN, task->claim.lease.run, id);
    snprintf(key, sizeof(key), "%s:%d", id, (int)work->call_no);
    context.idempotency_key = text_of(key);
    task->worker->counters.tool_calls++;
    r = tool_call(work->tool, &context, work->arguments, &out, err);
    if (r == -E_CANCELED)
        return r;
    if (r == 0)
        r = buf_check(&out, err);
    if (r == 0) {
        set_result(task, work, buf_text(&out), false);
        return 0;
    }
    task->worker->counters.tool_errors++;
    set_error(task, work, err->text);
    return 0;
}

/* Is it to be executed here and now? */
static bool is_due(const struct tool_work *work)
{
    return work->state == CALL_INTENT && work->kind == WAIT_NONE;
}

static void batch_fiber(void *arg)
{
    struct batch *batch = arg;
    struct error err;

    *fiber_log_context() = *batch->log;
    while (batch->next < batch->count && !fiber_canceled()) {
        struct tool_work *work = &batch->work[batch->next++];

        if (is_due(work))
            IGNORE(execute(batch->task, work, &err)); /* cancelled: its state stays an intent */
        cond_broadcast(&batch->done);
    }
    batch->running--;
    cond_broadcast(&batch->done);
}

static bool has_unrecorded(const struct tool_work *work, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (record_is_due(&work[i]))
            return true;
    return false;
}

/* Runs every call that has no result yet. What had an effect is recorded while others still run, so
 * that a crash leaves as little as possible in doubt. Returns as record_calls does. */
static int run_all(struct run_task *task, struct tool_work *work, size_t count, struct error *err)
{
    struct batch batch = {.task = task, .log = fiber_log_context(), .work = work, .count = count};
    size_t fibers = count < CALLS_AT_ONCE ? count : CALLS_AT_ONCE;
    int r = 0;

    if (count == 1)
        return is_due(work) ? execute(task, work, err) : 0;
    cond_init(&batch.done);
    batch.running = fibers;
    for (size_t i = 0; i < fibers; i++)
        batch.fibers[i] = fiber_start("tool", batch_fiber, &batch);
    while (batch.running > 0 && r == RUN_GO_ON)
        r = has_unrecorded(work, count) ? record_done(task, work, count, err)
                                        : cond_wait(&batch.done, DEADLINE_NONE, err);
    for (size_t i = 0; i < fibers; i++) {
        if (r != RUN_GO_ON)
            fiber_cancel(batch.fibers[i]);
        fiber_join(batch.fibers[i]);
    }
    if (r == -E_CANCELED && has_unrecorded(work, count))
        IGNORE(record_done(task, work, count, err)); /* that came at the same moment */
    return r;
}

static int append_results(struct run_task *task, const struct tool_work *work, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct chat_message message = {
            .role = CHAT_TOOL, .tool_call_id = work[i].call_id, .text = work[i].result};

        if (!run_append_message(task, &message))
            return end_out_of_memory(task);
    }
    return RUN_GO_ON;
}

static enum call_class class_of(const struct agent_tool *known, struct text arguments)
{
    if (!known)
        return CALL_PURE; /* it is refused */
    if (!known->tool)
        return CALL_PURE; /* the client executes it */
    switch (known->has_class ? known->class : tool_class_of(known->tool, arguments)) {
    case TOOL_PURE:
        return CALL_PURE;
    case TOOL_IDEMPOTENT:
        return CALL_IDEMPOTENT;
    case TOOL_ONCE:
        break;
    }
    return CALL_ONCE;
}

static void plan(struct run_task *task, const struct chat_reply *reply, struct tool_work *work)
{
    for (size_t i = 0; i < reply->tool_calls_count; i++) {
        const struct chat_tool_call *call = &reply->tool_calls[i];
        const struct agent_tool *known =
            call->problem.len ? NULL : agent_find_tool(&task->agent, call->name);

        work[i] = (struct tool_work){
            .tool = known ? known->tool : NULL,
            .call_id = call->id,
            .name = call->name,
            .arguments = call->arguments,
            .said = call->said,
            .call_no = task->next_call_no + (int64_t)i,
            .class = class_of(known, call->arguments),
            .state = CALL_INTENT,
            .kind = known && !known->tool ? WAIT_CLIENT : WAIT_NONE,
            .due_in_ms = CALL_NEVER_DUE,
        };
        if (call->problem.len)
            set_error(task, &work[i], call->problem.ptr);
        else if (!known)
            refuse_unknown(task, &work[i]);
    }
    task->next_call_no += (int64_t)reply->tool_calls_count;
}

/* Is there anything whose repetition would have an effect? */
static bool has_effects(const struct tool_work *work, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (work[i].class == CALL_IDEMPOTENT || work[i].class == CALL_ONCE)
            return true;
    return false;
}

static bool waits(const struct tool_work *work, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (work[i].kind != WAIT_NONE && work[i].state == CALL_INTENT)
            return true;
    return false;
}

static bool id_is_used(const struct run_task *task, struct text id)
{
    for (size_t i = 0; i < task->message_count; i++)
        for (size_t k = 0; k < task->messages[i].tool_calls_count; k++)
            if (text_equal(task->messages[i].tool_calls[k].id, id))
                return true;
    return false;
}

/* Calls and results find each other by id, and some servers begin anew with every reply: such a
 * call gets an id of our own. False: the arena is full. */
static bool make_ids_unique(struct run_task *task, struct chat_reply *reply)
{
    for (size_t i = 0; i < reply->tool_calls_count; i++) {
        char id[ID_TEXT_SIZE];
        const char *own;

        if (!id_is_used(task, reply->tool_calls[i].id))
            continue;
        id_format(ID_RUN, uuid_new(), id);
        own = arena_printf(&task->arena, "call_%s", strchr(id, '_') + 1);
        if (!own)
            return false;
        reply->tool_calls[i].id = text_of(own);
    }
    return true;
}

static int append_reply(struct run_task *task, const struct chat_reply *reply)
{
    struct chat_message message = {
        .role = CHAT_ASSISTANT,
        .text = reply->text,
        .tool_calls = reply->tool_calls,
        .tool_calls_count = reply->tool_calls_count,
        .opaque_state = reply->opaque_state,
    };

    if (!run_append_message(task, &message))
        return end_out_of_memory(task);
    return RUN_GO_ON;
}

/* The calls of the last message, executed as far as they are the server's: their results to the
 * record and to the conversation. `reply` is NULL when the calls themselves are recorded. */
static int settle(struct run_task *task, const struct chat_reply *reply,
                  const struct tool_work *work, size_t count, struct error *err)
{
    int r;

    if (waits(work, count))
        return record_park(task, reply, work, count, err);
    r = reply ? record_calls(task, reply, work, true, err) : record_results(task, work, count, err);
    return r == RUN_GO_ON ? append_results(task, work, count) : r;
}

int run_act(struct run_task *task, struct chat_reply *reply, struct error *err)
{
    size_t count = reply->tool_calls_count;
    bool recorded = false;
    struct tool_work *work;
    int r;

    if (count > CALLS_MAX)
        return run_end_failed(task, "server_error",
                              "The model made %zu tool calls at once, at most %d are allowed.",
                              count, CALLS_MAX);
    work = arena_calloc(&task->arena, count, sizeof(*work));
    if (!work || !make_ids_unique(task, reply))
        return end_out_of_memory(task);
    plan(task, reply, work);
    r = append_reply(task, reply);
    if (r == RUN_GO_ON && has_effects(work, count)) {
        r = record_calls(task, reply, work, false, err);
        recorded = true;
    }
    if (r == RUN_GO_ON)
        r = run_all(task, work, count, err);
    return r == RUN_GO_ON ? settle(task, recorded ? NULL : reply, work, count, err) : r;
}

/* A call that an earlier attempt left: replayed when done, unknown when it may not be repeated. */
static struct tool_work recall(const struct run_task *task, const struct run_call *call)
{
    const struct agent_tool *known = agent_find_tool(&task->agent, call->name);
    struct tool_work work = {
        .tool = known ? known->tool : NULL,
        .call_id = call->call_id,
        .name = call->name,
        .arguments = call->arguments,
        .call_no = call->call_no,
        .class = call->class,
        .state = call->state == CALL_CANCELLED ? CALL_INTENT : call->state,
        .kind = call->kind,
        .due_in_ms = call->due_in_ms,
        .result = call->result,
        .is_error = call->is_error,
        .recorded = call->state != CALL_INTENT,
    };

    if (known && !known->tool && work.state == CALL_INTENT)
        work.kind = WAIT_CLIENT;

    if (call->state == CALL_INTENT && call->class == CALL_ONCE) {
        work.state = CALL_UNKNOWN;
        work.result = TEXT(UNKNOWN_RESULT);
        work.is_error = true;
    }
    return work;
}

int run_act_again(struct run_task *task, const struct run_progress *progress, struct error *err)
{
    size_t count = progress->call_count;
    struct tool_work *work = arena_calloc(&task->arena, count, sizeof(*work));
    int r;

    if (!work)
        return end_out_of_memory(task);
    for (size_t i = 0; i < count; i++) {
        work[i] = recall(task, &progress->calls[i]);
        if (!work[i].tool && is_due(&work[i]))
            refuse_unknown(task, &work[i]);
    }
    r = run_all(task, work, count, err);
    return r == RUN_GO_ON ? settle(task, NULL, work, count, err) : r;
}
