/* From a claim to the last write.
 *
 * The stages of a kind are a list (kind.h): a stage reads and changes the parts of the task and
 * knows no other stage. However one ends, exactly one of four things is done at the end: finish
 * (after a cancel: as cancelled), hand back, park (until somebody outside brings results), or drop
 * (the lease is lost: whoever took the run over goes on).
 */

#include "worker/run/execute.h"

#include <stdio.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/fiber/fiber.h"
#include "shared/store/runs/run_state.h"
#include "worker/run/kind.h"
#include "worker/run/outcome.h"
#include "worker/run/record/end.h"
#include "worker/run/record/parked.h"
#include "worker/run/stages.h"
#include "worker/run/task/task.h"
#include "worker/state.h"

#define STORE_RETRY_MS 1000

int stage_pause(struct run_task *task, struct error *err)
{
    (void)err;
    if (task->worker->draining)
        return ending_hand_back(&task->ending, 0, RUN_WAIT_NONE);
    if (!room_hold(&task->room, room_of_arena(task->arena.used)))
        return ending_hand_back(&task->ending, room_turn_away(&task->worker->room),
                                RUN_WAIT_BACKOFF);
    return RUN_GO_ON;
}

/* For the run's last_error. What the database said is for the log alone. */
static const char *words_for(int r, const struct error *err)
{
    bool of_database = r == -E_REJECTED || r == -E_CONTENT;

    return of_database ? "The database refused what the run needs" : err->text;
}

/* The run goes to another worker, or to this one again, after a while. Too many such failures end
 * it. */
static int give_up_for_now(struct run_task *task, const char *stage, int r, const struct error *err)
{
    log_error("run could not be worked on", LOG_STR("stage", stage), LOG_ERROR(err));
    if (!error_is_transient(r) && ++task->meter.attempts >= OUTCOME_ATTEMPTS_MAX)
        return ending_failed(&task->ending, "server_error", "%s.", words_for(r, err));
    return ending_hand_back(&task->ending,
                            STORE_RETRY_MS / 2 + (int64_t)random_below(STORE_RETRY_MS),
                            RUN_WAIT_BACKOFF);
}

/* The fiber was cancelled: what is next follows from why. */
static int stopped(struct run_task *task)
{
    switch (task->stop) {
    case RUN_STOP_CANCEL:
        return ending_cancelled(&task->ending);
    case RUN_STOP_DRAIN:
        return ending_hand_back(&task->ending, 0, RUN_WAIT_NONE);
    case RUN_STOP_UNTRUSTED:
        task->worker->strays = true; /* still ours, perhaps: found again when that is known */
        break;
    case RUN_STOP_NONE:
    case RUN_STOP_FENCED:
        break;
    }
    return RUN_DROP;
}

/* A list of stages, to its end or to the first that does not say RUN_GO_ON. */
static int work_through(struct run_task *task, const struct run_stage *stages)
{
    for (const struct run_stage *stage = stages; stage->name; stage++) {
        struct error err = {0};
        int r = stage->work(task, &err);

        if (r == -E_CANCELED)
            return stopped(task);
        if (r < 0)
            return give_up_for_now(task, stage->name, r, &err);
        if (r != RUN_GO_ON)
            return r;
    }
    return RUN_GO_ON;
}

/* How the attempt went out, in a word. */
static const char *way_out(const struct run_task *task, int next)
{
    switch ((enum run_next)next) {
    case RUN_FINISH:
        return run_status_name(task->ending.end.status);
    case RUN_HAND_BACK:
        return "handed_back";
    case RUN_PARKED:
        return "parked";
    case RUN_GO_ON:
    case RUN_DROP:
        break;
    }
    return "dropped";
}

static void end_trace(struct run_task *task, int next)
{
    run_trace_end(&task->trace, way_out(task, next), &task->ending, &task->meter);
}

/* Round after round, and the end; and on, where that is not the end. */
static void work(struct run_task *task)
{
    int next = work_through(task, task->kind->begin);
    int left;

    do {
        while (next == RUN_GO_ON)
            next = work_through(task, task->kind->round);
        left = next;
        next = end_run(task, next);
    } while (next == RUN_GO_ON);
    if (left == RUN_HAND_BACK && task->ending.back.wait_kind == RUN_WAIT_BUDGET)
        parked_recheck(task);
    end_trace(task, left);
}

static void set_log_context(const struct run_task *task)
{
    struct log_context *context = fiber_log_context();
    const struct run_claim *row = &task->claim.row;
    struct text trace = task->setup.trace;

    id_format(ID_RUN, row->lease.run, context->run);
    if (!uuid_is_zero(row->thread_id))
        id_format(ID_THREAD, row->thread_id, context->thread);
    snprintf(context->worker, sizeof(context->worker), "%s", task->worker->id_text);
    if (trace.len > 0)
        snprintf(context->trace, sizeof(context->trace), "%.*s", TEXT_ARGS(trace));
}

/* Why the run can't begin; NULL: it can. */
static const char *obstacle(const struct run_task *task)
{
    if (task->unfit)
        return task->unfit;
    if (task->kind->crash == RUN_CRASH_FAILS && task->claim.row.crashes > 0)
        return "the worker that had the run died, and a run of this kind is not begun twice";
    return NULL;
}

void execute_run(struct run_task *task)
{
    const char *unfit = obstacle(task);

    set_log_context(task);
    task->begun_us = clock_us();
    run_trace_begin(&task->trace, task->worker->tracer, &task->claim.row, &task->setup,
                    task->kind ? task->kind->name : "unknown");
    if (unfit) {
        (void)end_run(task, ending_failed(&task->ending, "server_error", "%s.", unfit));
        end_trace(task, RUN_FINISH);
        return;
    }
    task->deadline_ms = claim_deadline_ms(&task->claim, task->setup.timeout_ms);
    task->expires_ms = claim_deadline_ms(&task->claim, 0);
    work(task);
}
