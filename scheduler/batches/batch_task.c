/* Rounds of a batch. */

#include "scheduler/batches/batch_task.h"

#include "scheduler/api/openai/batch_line.h"
#include "scheduler/batches/batches_internal.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/fiber/fiber.h"

enum {
    WAIT_MIN_MS = 100,
    WAIT_MAX_MS = 1000,
    WAIT_FAILED_MS = 1000,
};

bool batch_task_at_end(const struct batch_task *task)
{
    return task->input_lost || text_is(task->row.ending, "failed") ||
           task->row.at_byte >= task->row.input_bytes;
}

int batch_task_input(struct batch_task *task, struct error *err)
{
    return file_get(&task->store, task->row.input_file, &task->input, err);
}

int batch_task_lose_input(struct batch_task *task, struct error *err)
{
    task->row.ending = TEXT("failed");
    return batch_stop(task->store.pg, &task->hold, "failed",
                      TEXT("[{\"code\":\"invalid_input_file\",\"message\":\"The input file was "
                           "deleted before all of its lines were begun.\",\"param\":"
                           "\"input_file_id\",\"line\":null}]"),
                      err);
}

/* Its window is over: no further line is begun. */
SUSPENDS static int stop_late(struct batch_task *task, struct error *err)
{
    int r;

    if (!task->row.late || task->row.ending.ptr)
        return 0;
    r = batch_stop(task->store.pg, &task->hold, "expired", TEXT_NONE, err);
    task->row.ending = TEXT("expired");
    return r;
}

SUSPENDS static int work(struct batch_task *task, struct error *err)
{
    bool stopping = task->row.ending.ptr != NULL;
    int r;

    if (text_is(task->row.state, "validating") && !stopping)
        return batch_task_validate(task, err);
    r = batch_task_collect(task, err);
    if (r == 0)
        r = stopping ? batch_task_stop(task, err) : batch_task_begin(task, err);
    if (r == 0 && batch_task_at_end(task) && task->left == 0)
        r = batch_finalize(task->store.pg, &task->hold, err);
    return r;
}

/* A write that found the batch changed, as by a cancel, is no loss: the next round sees what it is
 * by then, and whose. */
SUSPENDS static int go_round(struct batch_task *task, struct error *err)
{
    int r = batch_hold(&task->store, &task->hold, &task->row, &task->beside, err);

    if (r != 0)
        return r;
    task->store.tenant = task->row.tenant;
    task->endpoint = batch_endpoint_find(task->row.endpoint);
    if (!task->endpoint)
        return error_set(err, E_INVALID, "a batch for an endpoint that this version does not know");
    if (text_is(task->row.state, "finalizing"))
        return batch_task_finish(task, err);
    r = stop_late(task, err);
    if (r == 0)
        r = work(task, err);
    return r == BATCH_LOST ? 0 : r;
}

/* More are at work where those that were would have ended within a short round, as long as they
 * do. */
static void follow_pace(struct batch_task *task, int64_t waited_ms)
{
    int64_t pace =
        waited_ms > WAIT_MIN_MS ? task->collected * WAIT_MIN_MS / waited_ms : task->collected;

    if (pace * 2 >= task->at_work_max && task->at_work_max < BATCH_AT_WORK_MAX)
        task->at_work_max *= 2;
    if (task->at_work_max > BATCH_AT_WORK_MAX)
        task->at_work_max = BATCH_AT_WORK_MAX;
}

/* Each round looks at all that are at work, so it should find some that have ended. */
static int64_t wait_after(const struct batch_task *task, int64_t before_ms)
{
    int64_t longer_ms = before_ms * 3 / 2;
    int64_t some = task->at_work_max / 8;

    if (task->collected > some || task->begun > some || before_ms == 0)
        return WAIT_MIN_MS;
    return longer_ms < WAIT_MAX_MS ? longer_ms : WAIT_MAX_MS;
}

static bool is_open(const struct batch_task *task)
{
    return text_is(task->row.state, "validating") || text_is(task->row.state, "in_progress") ||
           text_is(task->row.state, "cancelling");
}

/* Until it is over, or lost. Returns the last result. */
SUSPENDS static int go_round_and_round(struct batch_task *task, struct error *err)
{
    bool troubled = false;
    int64_t wait_ms = 0;
    int r;

    do {
        bool open;

        arena_init(&task->arena, 0);
        task->store.arena = &task->arena;
        task->row = (struct batch){.lines = 0};
        task->collected = task->begun = 0;
        r = go_round(task, err);
        open = is_open(task);
        follow_pace(task, wait_ms);
        arena_deinit(&task->arena);
        if (r > 0 && r != BATCH_LOST)
            r = error_set(err, E_INTERNAL, "a batch met a condition %d that nobody handles", r);
        if (r < 0 && r != -E_CANCELED && !troubled)
            log_warn("a batch can't go on for now", LOG_STR("batch", task->name), LOG_ERROR(err));
        troubled = r < 0;
        if (r == -E_CANCELED || r == BATCH_LOST || (r == 0 && !open))
            break;
        wait_ms = wait_after(task, wait_ms);
        r = fiber_sleep(troubled ? WAIT_FAILED_MS : wait_ms, err);
    } while (r == 0);
    return r;
}

static void main_of_task(void *arg)
{
    struct batch_task *task = arg;
    struct error err;
    int r = go_round_and_round(task, &err);

    if (r == -E_CANCELED) { /* this process leaves: another one goes on at once */
        fiber_shield_enter();
        if (batch_let_go(task->store.pg, &task->hold, &err) < 0)
            log_info("a batch is taken over when its lease has lapsed", LOG_ERROR(&err));
        fiber_shield_leave();
    }
    if (r == BATCH_LOST)
        log_info("a batch is not held any more", LOG_STR("batch", task->name));
    task->over = true;
}

void batch_task_start(struct batch_task *task)
{
    task->store.pg = task->batches->options.pg;
    task->at_work_max = BATCH_AT_WORK_MIN * 2;
    id_format(ID_BATCH, task->hold.id, task->name);
    task->fiber = fiber_start("batch", main_of_task, task);
}
