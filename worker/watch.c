/* The watch: pub/sub for speed, Postgres for certainty, and the clock for trust. Beside it
 * the number of workers is looked at, and which models fail. */

#include "worker/watch.h"

#include <stdlib.h>

#include "providers/gate/gate.h"
#include "shared/base/arena.h"
#include "shared/base/backoff.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/config/config.h"
#include "shared/events/teller.h"
#include "shared/fiber/service.h"
#include "shared/queue/queue.h"
#include "shared/store/fleet/workers.h"
#include "worker/lease/heartbeat.h"
#include "worker/run/run.h"
#include "worker/state.h"
#include "worker/tools/web/web.h"

#define CANCEL_POLL_MS    1000
#define OPEN_WAIT_MS      5000
#define NUDGE_WAIT_MS     5000 /* then the worker's id is looked at again */
#define NUDGE_BACKOFF_MS  250
#define NUDGE_BACKOFF_CAP 5000
#define TRUST_POLL_MS     100
#define STRAYS_MS         10000
#define FLEET_MS          10000
#define SHARE_MS          1000
#define STUCK_MS          20000 /* a request to Postgres ends within 15 s */

struct watch {
    struct worker *worker;
    struct service cancels;
    struct service nudges;
    struct service trust;
    struct service fleet;
    struct service share;
    struct backoff nudges_backoff;
    int64_t counted_ms; /* when the runs were counted last */
    bool nudged;        /* somebody said that there is something to be looked for */
};

static void cancel_runs(struct worker *worker, const struct uuid *runs, size_t count)
{
    CLEANUP(run_index_deinit) struct run_index index;

    run_index_init(&index, worker);
    for (size_t i = 0; i < count; i++) {
        struct run_task *task = run_index_find(&index, runs[i]);

        if (task)
            run_stop(task, RUN_STOP_CANCEL);
        else
            worker->strays = true;
    }
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
    if (r == 0 && count > 0)
        cancel_runs(worker, runs, count);
    arena_deinit(&arena);
    return r;
}

/* Runs that ended here while Postgres could not be told, or that were lost in a way that nobody
 * thought of: without this they would wait for their expiry. */
static int count_runs(struct watch *watch, struct error *err)
{
    struct worker *worker = watch->worker;
    uint64_t claimed = worker->counters.claimed;
    size_t busy = worker->busy;
    int64_t held = 0;
    int r;

    if (clock_ms() - watch->counted_ms < STRAYS_MS)
        return 0;
    watch->counted_ms = clock_ms();
    r = workers_count_runs(worker->pg, worker->id, &held, err);
    if (r == 0 && claimed == worker->counters.claimed && held > (int64_t)busy)
        worker->strays = true;
    return r;
}

static int cancels_round(void *arg, struct error *err)
{
    struct watch *watch = arg;
    bool nudged = watch->nudged;
    int r = 0;

    watch->nudged = false;
    if (nudged || watch->worker->busy > 0) /* a nudge may be about a run that is not known here */
        r = poll_cancels(watch->worker, err);
    service_beat(&watch->cancels);
    if (r != -E_CANCELED)
        r = count_runs(watch, err);
    return r;
}

static void cut_off(struct worker *worker)
{
    size_t count = 0;

    list_for_each_safe (item, &worker->runs) {
        struct run_task *task = CONTAINER_OF(item, struct run_task, link);

        if (task->writing || task->stop != RUN_STOP_NONE)
            continue;
        run_stop(task, RUN_STOP_UNTRUSTED);
        count++;
    }
    if (count > 0)
        log_warn("the lease could not be renewed in time: calls under way are cut off",
                 LOG_STR("worker", worker->id_text), LOG_INT("runs", count));
}

static int trust_round(void *arg, struct error *err)
{
    struct worker *worker = ((struct watch *)arg)->worker;

    (void)err;
    heartbeat_set_busy(worker->heartbeat, (int64_t)worker->busy);
    if (heartbeat_dead(worker->heartbeat))
        run_stop_all(worker, RUN_STOP_FENCED);
    else if (!heartbeat_trusted(worker->heartbeat))
        cut_off(worker);
    return 0;
}

/* Nudges of one subscription, until it breaks or the worker has another id. A nudge is a hint: it
 * may be stale, or come from anybody who can write to Redis. So Postgres is asked; nudges that come
 * meanwhile are one look. Beside them somebody may ask to be told of runs that end. */
static int nudges_round(void *arg, struct error *err)
{
    struct watch *watch = arg;
    struct worker *worker = watch->worker;
    struct queue_control *control = NULL;
    int64_t id = worker->id;
    int r =
        queue_control_open(worker->config->redis_url, id, deadline_in(OPEN_WAIT_MS), &control, err);

    while (r >= 0 && id == worker->id) {
        struct uuid run;

        r = queue_control_next(control, deadline_in(NUDGE_WAIT_MS), &run, err);
        if (r == 0) {
            watch->nudged = true;
            service_wake(&watch->cancels);
        } else if (r == QUEUE_NEWS_WANTED) {
            teller_wanted(worker->teller);
        } else if (r == -E_TIMEOUT) {
            r = 0;
        }
        if (r >= 0)
            backoff_reset(&watch->nudges_backoff);
    }
    queue_control_close(control);
    return r;
}

static int64_t nudges_wait_ms(void *arg)
{
    return backoff_next_ms(&((struct watch *)arg)->nudges_backoff);
}

/* How many share the limits, should Redis go away. */
static int fleet_round(void *arg, struct error *err)
{
    const struct worker *worker = ((struct watch *)arg)->worker;
    int64_t workers;
    int r = workers_count_live(worker->pg, &workers, err);

    if (r == 0) {
        gate_set_workers(worker->gate, workers);
        web_set_workers(worker->tools.web, workers);
    }
    return r;
}

static int share_round(void *arg, struct error *err)
{
    return gate_share(((struct watch *)arg)->worker->gate, err);
}

struct watch *watch_open(struct worker *worker)
{
    struct watch *watch = xcalloc(1, sizeof(*watch));
    struct service_options cancels = {
        .name = "watch",
        .round = cancels_round,
        .arg = watch,
        .period_ms = CANCEL_POLL_MS,
        .stuck_ms = STUCK_MS,
        .late = true,
    };
    struct service_options nudges = {
        .name = "watch nudges",
        .round = nudges_round,
        .arg = watch,
        .wait_ms = nudges_wait_ms,
    };
    struct service_options trust = {
        .name = "watch trust",
        .round = trust_round,
        .arg = watch,
        .period_ms = TRUST_POLL_MS,
        .late = true,
    };
    struct service_options fleet = {
        .name = "watch fleet",
        .round = fleet_round,
        .arg = watch,
        .period_ms = FLEET_MS,
    };
    struct service_options share = {
        .name = "watch share",
        .round = share_round,
        .arg = watch,
        .period_ms = SHARE_MS,
    };

    watch->worker = worker;
    watch->counted_ms = clock_ms();
    watch->nudges_backoff.policy = (struct backoff_policy){NUDGE_BACKOFF_MS, NUDGE_BACKOFF_CAP};
    service_start(&watch->cancels, &cancels);
    service_start(&watch->nudges, &nudges);
    service_start(&watch->trust, &trust);
    service_start(&watch->fleet, &fleet);
    service_start(&watch->share, &share);
    return watch;
}

void watch_close(struct watch *watch)
{
    if (!watch)
        return;
    service_stop(&watch->cancels);
    service_stop(&watch->nudges);
    service_stop(&watch->trust);
    service_stop(&watch->fleet);
    service_stop(&watch->share);
    free(watch);
}
