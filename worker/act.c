/* Act: execute the tool calls of a step, several at once, and record what came of them.
 *
 * Whatever goes wrong in a call is told to the model as the call's result: an unknown tool,
 * arguments that do not fit, a tool that fails or takes too long. Only a cancel of the run, or a
 * function that the client would have to run, ends the step.
 */

#include <stdio.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/config/config.h"
#include "shared/fiber/cond.h"
#include "shared/fiber/fiber.h"
#include "worker/record.h"
#include "worker/run.h"
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
    CLEANUP(buf_deinit)
    struct buf buf;

    buf_init(&buf, 4096);
    buf_printf(&buf, "Error: %s.", text);
    set_result(task, work, buf_text(&buf), true);
}

static void refuse_unknown(struct run_task *task, struct tool_work *work)
{
    CLEANUP(buf_deinit)
    struct buf buf;

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
    CLEANUP(buf_deinit)
    struct buf out;
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

    id_format(ID_RUN, task->claim.lease.run, id);
    snprintf(key, sizeof(key), "%s:%d", id, (int)work->call_no);
    context.idempotency_key = text_of(key);
    buf_init(&out, TOOL_RESULT_MAX);
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

static void batch_fiber(void *arg)
{
    struct batch *batch = arg;
    struct error err;

    *fiber_log_context() = *batch->log;
    while (batch->next < batch->count && !fiber_canceled()) {
        struct tool_work *work = &batch->work[batch->next++];

        if (work->state == CALL_INTENT)
            IGNORE(execute(batch->task, work, &err)); /* cancelled: its state stays an intent */
    }
    batch->running--;
    cond_broadcast(&batch->done);
}

/* Runs every call that has no result yet. Returns 0 or -E_CANCELED. */
static int run_all(struct run_task *task, struct tool_work *work, size_t count, struct error *err)
{
    struct batch batch = {.task = task, .log = fiber_log_context(), .work = work, .count = count};
    size_t fibers = count < CALLS_AT_ONCE ? count : CALLS_AT_ONCE;
    int r = 0;

    if (count == 1)
        return work->state == CALL_INTENT ? execute(task, work, err) : 0;
    cond_init(&batch.done);
    batch.running = fibers;
    for (size_t i = 0; i < fibers; i++)
        batch.fibers[i] = fiber_start("tool", batch_fiber, &batch);
    while (batch.running > 0 && r == 0)
        r = cond_wait(&batch.done, DEADLINE_NONE, err);
    for (size_t i = 0; i < fibers; i++) {
        if (r < 0)
            fiber_cancel(batch.fibers[i]);
        fiber_join(batch.fibers[i]);
    }
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

/* Fills work from the calls. Returns RUN_GO_ON, or RUN_FINISH when the client would have to act. */
static int plan(struct run_task *task, const struct chat_reply *reply, struct tool_work *work)
{
    for (size_t i = 0; i < reply->tool_calls_count; i++) {
        const struct chat_tool_call *call = &reply->tool_calls[i];
        const struct agent_tool *known = agent_find_tool(&task->agent, call->name);

        if (known && !known->tool)
            return run_end_failed(task, "server_error",
                                  "The model called the function '%.*s', which the client has to "
                                  "run: functions are not offered here yet.",
                                  (int)(call->name.len < 64 ? call->name.len : 64), call->name.ptr);
        work[i] = (struct tool_work){
            .tool = known ? known->tool : NULL,
            .call_id = call->id,
            .name = call->name,
            .arguments = call->arguments,
            .call_no = task->next_call_no + (int64_t)i,
            .state = CALL_INTENT,
        };
        if (!known)
            refuse_unknown(task, &work[i]);
    }
    task->next_call_no += (int64_t)reply->tool_calls_count;
    return RUN_GO_ON;
}

static bool all_pure(const struct tool_work *work, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (work[i].tool && work[i].tool->class != TOOL_PURE)
            return false;
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

int run_act(struct run_task *task, const struct chat_reply *reply, struct error *err)
{
    size_t count = reply->tool_calls_count;
    struct tool_work *work;
    bool pure;
    int r;

    if (count > CALLS_MAX)
        return run_end_failed(task, "server_error",
                              "The model made %zu tool calls at once, at most %d are allowed.",
                              count, CALLS_MAX);
    work = arena_calloc(&task->arena, count, sizeof(*work));
    if (!work)
        return end_out_of_memory(task);
    r = plan(task, reply, work);
    if (r == RUN_GO_ON)
        r = append_reply(task, reply);
    if (r != RUN_GO_ON)
        return r;
    pure = all_pure(work, count);
    if (!pure)
        r = record_calls(task, reply, work, false, err);
    if (r == RUN_GO_ON)
        r = run_all(task, work, count, err);
    if (r == RUN_GO_ON)
        r = pure ? record_calls(task, reply, work, true, err)
                 : record_results(task, work, count, err);
    return r == RUN_GO_ON ? append_results(task, work, count) : r;
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
        .state = call->state,
        .result = call->result,
        .is_error = call->is_error,
    };

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
        if (!work[i].tool && work[i].state == CALL_INTENT)
            refuse_unknown(task, &work[i]);
    }
    r = run_all(task, work, count, err);
    if (r == 0)
        r = record_results(task, work, count, err);
    return r == RUN_GO_ON ? append_results(task, work, count) : r;
}
