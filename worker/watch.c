/* The watch over cancels: pub/sub for speed, Postgres for certainty. */

#include "worker/watch.h"

#include "shared/base/arena.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/base/log.h"
#include "shared/config/config.h"
#include "shared/fiber/fiber.h"
#include "shared/queue/queue.h"
#include "shared/store/workers.h"
#include "worker/run.h"
#include "worker/worker.h"

#define CANCEL_POLL_MS    1000
#define OPEN_WAIT_MS      5000
#define NUDGE_WAIT_MS     5000 /* then the worker's id is looked at again */
#define NUDGE_BACKOFF_MS  250
#define NUDGE_BACKOFF_CAP 5000

static void cancel_run(struct worker *worker, struct uuid run)
{
    struct run_task *task = worker_find_run(worker, run);

    if (task)
        run_stop(task, RUN_STOP_CANCEL);
    else
        worker->strays = true;
}

/* One look into Postgres. */
static int poll_cancels(struct worker *worker, struct error *err)
{
    struct arena arena;
    struct uuid *runs = NULL;
    size_t count = 0;
    int r;

    arena_init(&arena, 0);
    r = workers_cancelled_runs(worker->pg, &arena, worker->id, &runs, &count, err);
    for (size_t i = 0; r == 0 && i < count; i++)
        cancel_run(worker, runs[i]);
    arena_deinit(&arena);
    return r;
}

static void cancels_main(void *arg)
{
    struct watch *watch = arg;
    struct error err;

    while (fiber_sleep(CANCEL_POLL_MS, &err) == 0) {
        if (watch->worker->busy == 0)
            continue;
        if (poll_cancels(watch->worker, &err) == -E_CANCELED)
            return;
    }
}

/* Nudges of one subscription, until it breaks. */
static int follow_nudges(struct worker *worker, struct error *err)
{
    struct queue_control *control = NULL;
    int64_t id = worker->id;
    int r =
        queue_control_open(worker->config->redis_url, id, deadline_in(OPEN_WAIT_MS), &control, err);

    while (r >= 0 && id == worker->id) {
        struct uuid run;

        r = queue_control_next(control, deadline_in(NUDGE_WAIT_MS), &run, err);
        if (r == 0)
            cancel_run(worker, run);
        else if (r == -E_TIMEOUT)
            r = 0;
    }
    queue_control_close(control);
    return r;
}

static void nudges_main(void *arg)
{
    struct watch *watch = arg;
    struct error err;
    int64_t wait_ms = NUDGE_BACKOFF_MS;

    for (;;) {
        int64_t start_ms = clock_ms();
        int r = follow_nudges(watch->worker, &err);

        if (r == -E_CANCELED)
            return;
        if (clock_ms() - start_ms > NUDGE_BACKOFF_CAP)
            wait_ms = NUDGE_BACKOFF_MS;
        if (fiber_sleep(wait_ms / 2 + (int64_t)random_below((uint64_t)wait_ms), &err) < 0)
            return;
        wait_ms = wait_ms * 2 < NUDGE_BACKOFF_CAP ? wait_ms * 2 : NUDGE_BACKOFF_CAP;
    }
}

void watch_open(struct watch *watch, struct worker *worker)
{
    watch->worker = worker;
    watch->cancels = fiber_start("watch cancels", cancels_main, watch);
    watch->nudges = fiber_start("watch nudges", nudges_main, watch);
}

void watch_close(struct watch *watch)
{
    fiber_cancel(watch->cancels);
    fiber_cancel(watch->nudges);
    fiber_join(watch->cancels);
    fiber_join(watch->nudges);
}
