/* The loop of a run, from its claim to its last write.
 *
 *   resume ──► think ──► act ──┐
 *                ▲             │   until the model answers without calling a tool, a budget or the
 *                └─────────────┘   deadline is reached, or the run is stopped
 *
 * However a stage ends, exactly one of four things is done at the end: finish (after a cancel: as
 * cancelled), hand back, park (until the client gives tool outputs), or drop (the lease is lost:
 * whoever took the run over goes on).
 */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"
#include "shared/store/threads/histories.h"
#include "worker/run/outcome.h"
#include "worker/run/record.h"
#include "worker/run/run.h"
#include "worker/worker.h"

#define STORE_RETRY_MS 1000

int run_end_failed(struct run_task *task, const char *code, const char *format, ...)
{
    char text[600];
    const char *copy;
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    copy = arena_string(&task->arena, text);
    task->ending = (struct run_ending){
        .status = RUN_FAILED,
        .error_code = text_of(code),
        .error_message = copy ? text_of(copy) : TEXT("The run failed."),
    };
    return RUN_FINISH;
}

int run_end_incomplete(struct run_task *task, const char *reason)
{
    task->ending =
        (struct run_ending){.status = RUN_INCOMPLETE, .incomplete_reason = text_of(reason)};
    return RUN_FINISH;
}

int run_end_expired(struct run_task *task)
{
    task->ending = (struct run_ending){.status = RUN_EXPIRED};
    return RUN_FINISH;
}

/* The model answered without calling a tool: that is the end, and its answer the last message. */
static int take_answer(struct run_task *task, struct chat_reply *reply)
{
    switch (reply->finish) {
    case CHAT_FINISH_LENGTH:
        return run_end_incomplete(task, "max_completion_tokens");
    case CHAT_FINISH_FILTER:
        return run_end_incomplete(task, "content_filter");
    case CHAT_FINISH_STOP:
    case CHAT_FINISH_TOOL:
    case CHAT_FINISH_REFUSAL:
        break;
    }
    task->ending = (struct run_ending){.status = RUN_COMPLETED};
    return RUN_FINISH;
}

/* Returns a verdict, or a negative error of a stage. On RUN_FINISH *out_answer says whether `reply`
 * is to be stored as the final message. */
static int work(struct run_task *task, struct chat_reply *reply, bool *out_answer,
                struct error *err)
{
    int r = run_resume(task, err);

    while (r == RUN_GO_ON) {
        if (task->worker->draining) {
            task->give_back = (struct run_return){0};
            return RUN_HAND_BACK;
        }
        r = run_think(task, reply, err);
        if (r != RUN_GO_ON)
            return r;
        if (reply->tool_calls_count == 0) {
            *out_answer = reply->text.len > 0;
            return take_answer(task, reply);
        }
        r = run_act(task, reply, err);
    }
    return r;
}

/* Postgres is away, which says nothing about the run. */
static bool is_of_the_moment(int r)
{
    return r == -E_UNAVAILABLE || r == -E_AMBIGUOUS || r == -E_TIMEOUT;
}

/* From an error of a stage to a verdict. */
static int settle_error(struct run_task *task, int r, const struct error *err)
{
    if (r != -E_CANCELED) {
        log_error("run could not be worked on", LOG_ERROR(err));
        if (!is_of_the_moment(r) && ++task->attempts >= OUTCOME_ATTEMPTS_MAX)
            return run_end_failed(task, "server_error", "%s.", err->text);
        task->give_back = (struct run_return){
            .delay_ms = STORE_RETRY_MS / 2 + (int64_t)random_below(STORE_RETRY_MS),
            .wait_kind = RUN_WAIT_BACKOFF,
        };
        return RUN_HAND_BACK;
    }
    switch (task->stop) {
    case RUN_STOP_CANCEL:
        task->ending = (struct run_ending){.status = RUN_CANCELLED};
        return RUN_FINISH;
    case RUN_STOP_DRAIN:
        task->give_back = (struct run_return){0};
        return RUN_HAND_BACK;
    case RUN_STOP_UNTRUSTED:
        task->worker->strays = true; /* still ours, perhaps: found again when that is known */
        return RUN_DROP;
    case RUN_STOP_NONE:
    case RUN_STOP_FENCED:
        break;
    }
    return RUN_DROP;
}

static void count_ending(struct run_task *task)
{
    struct worker_counters *counters = &task->worker->counters;

    switch (task->ending.status) {
    case RUN_COMPLETED:
        counters->completed++;
        break;
    case RUN_FAILED:
        counters->failed++;
        break;
    case RUN_CANCELLED:
        counters->cancelled++;
        break;
    case RUN_EXPIRED:
        counters->expired++;
        break;
    case RUN_INCOMPLETE:
        counters->incomplete++;
        break;
    case RUN_QUEUED:
    case RUN_IN_PROGRESS:
    case RUN_REQUIRES_ACTION:
    case RUN_CANCELLING:
    case RUN_STATUS_COUNT:
        break;
    }
    log_info("run ended", LOG_STR("status", run_status_name(task->ending.status)),
             LOG_INT("iterations", task->iterations), LOG_INT("input_tokens", task->prompt_tokens),
             LOG_INT("output_tokens", task->completion_tokens));
    if (task->ending.status == RUN_FAILED)
        log_warn("run failed", LOG_STR("error_code", task->ending.error_code.ptr),
                 LOG_STR("error_message", task->ending.error_message.ptr));
}

static void conclude(struct run_task *task, int verdict, const struct chat_reply *answer)
{
    struct worker_counters *counters = &task->worker->counters;
    int r = LEASE_FENCED;

    if (verdict == RUN_PARKED) {
        counters->parked++;
        log_info("run waits for tool outputs", LOG_INT("iterations", task->iterations));
        return;
    }
    if (verdict == RUN_FINISH)
        r = record_ending(task, answer);
    else if (verdict == RUN_HAND_BACK)
        r = record_hand_back(task);
    if (verdict == RUN_DROP && task->stop == RUN_STOP_UNTRUSTED) {
        counters->suspended++;
        log_info("run dropped for now: whether its lease holds is not known");
    } else if (r == LEASE_FENCED) {
        counters->fenced++;
        log_info("run dropped, its lease is lost");
    } else if (verdict == RUN_FINISH || task->ending.status == RUN_CANCELLED) {
        count_ending(task);
    } else {
        counters->handed_back++;
        log_debug("run handed back", LOG_INT("delay_ms", task->give_back.delay_ms));
    }
}

static void set_log_context(const struct run_task *task)
{
    struct log_context *context = fiber_log_context();

    id_format(ID_RUN, task->claim.lease.run, context->run);
    id_format(ID_THREAD, task->claim.thread_id, context->thread);
    snprintf(context->worker, sizeof(context->worker), "%s", task->worker->id_text);
}

static void set_trace(const struct run_task *task)
{
    struct log_context *context = fiber_log_context();

    if (task->agent.trace.len > 0)
        snprintf(context->trace, sizeof(context->trace), "%.*s", TEXT_ARGS(task->agent.trace));
}

static int64_t deadline_of(const struct run_task *task)
{
    int64_t left_ms = task->claim.expires_in_ms;
    int64_t now_ms = task->claim.expires_at * 1000 - task->claim.expires_in_ms;

    if (task->agent.timeout_ms > 0) {
        int64_t of_timeout_ms =
            task->claim.started_at * 1000 + task->claim.parked_ms + task->agent.timeout_ms - now_ms;

        left_ms = left_ms < of_timeout_ms ? left_ms : of_timeout_ms;
    }
    return deadline_in(left_ms > 0 ? left_ms : 0);
}

static void run_main(void *arg)
{
    struct run_task *task = arg;
    struct worker *worker = task->worker;
    struct chat_reply reply = {0};
    struct error err = {0};
    bool answer = false;
    int verdict;

    set_log_context(task);
    if (task->unfit) {
        verdict = run_end_failed(task, "server_error", "%s.", task->unfit);
    } else {
        set_trace(task);
        task->deadline_ms = deadline_of(task);
        verdict = work(task, &reply, &answer, &err);
    }
    if (verdict < 0) {
        answer = false;
        verdict = settle_error(task, verdict, &err);
    }
    conclude(task, verdict, answer ? &reply : NULL);
    list_remove(&task->link);
    worker->busy--;
    cond_broadcast(&worker->changed);
    arena_deinit(&task->arena);
    free(task);
}

/* The spec is parsed here and now, so that no copy of its text needs to be kept. */
static void read_claim(struct run_task *task, const struct run_claim *claim)
{
    struct error err = {0};

    task->claim = *claim;
    task->claim.spec = task->claim.metadata = task->claim.kind = TEXT_NONE;
    if (agent_parse(claim->spec, &task->arena, &task->agent, &err) == 0)
        return;
    task->unfit = arena_string(&task->arena, err.text);
    if (!task->unfit)
        task->unfit = "the run's spec can't be read";
}

/* One that can't be had here is read later. */
static void take_history(struct run_task *task, size_t place, const struct histories *histories)
{
    struct error ignored;

    if (histories && !task->unfit)
        task->history_known =
            histories_get(histories, place, &task->arena, &task->history, &ignored) == 0;
}

void run_start(struct worker *worker, const struct run_claim *claim,
               const struct histories *histories)
{
    struct run_task *task = xcalloc(1, sizeof(*task));

    task->worker = worker;
    task->next_message_seq = task->next_step_seq = task->next_call_no = 1;
    task->attempts = task->attempts_told = claim->errors;
    task->prompt_tokens = claim->prompt_tokens;
    task->completion_tokens = claim->completion_tokens;
    arena_init(&task->arena, 0);
    read_claim(task, claim);
    take_history(task, claim->place, histories);
    list_add(&worker->runs, &task->link);
    worker->busy++;
    worker->counters.claimed++;
    task->fiber = fiber_spawn("run", run_main, task);
    if (claim->cancelling)
        run_stop(task, RUN_STOP_CANCEL);
}

void run_stop(struct run_task *task, enum run_stop why)
{
    if (task->stop != RUN_STOP_NONE)
        return;
    task->stop = why;
    fiber_cancel(task->fiber);
}
