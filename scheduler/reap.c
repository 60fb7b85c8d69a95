/* One fiber that sweeps. Periods have jitter, so that several schedulers do not sweep in step. What
 * it ended or gave back is logged, since it is what operators look for after a crash; the sweeps
 * that found nothing are not. */

#include "scheduler/reap.h"

#include <inttypes.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"
#include "shared/queue/queue.h"
#include "shared/store/reaper.h"

enum {
    PERIOD_MS = 800,
    JITTER_MS = 400,
    UPKEEP_MS = 60000,
    CONSUMER_IDLE_MS = 120000,
};

struct reap {
    struct reap_options options;
    struct fiber *fiber;
    struct reaper_report total;
    uint64_t sweeps;
    uint64_t failures;
    int64_t upkeep_ms; /* when the queue was looked after last */
    bool trouble;
    bool paused;
};

static void add(struct reap *reap, const struct reaper_report *report)
{
    reap->total.workers_dead += report->workers_dead;
    reap->total.requeued += report->requeued;
    reap->total.failed += report->failed;
    reap->total.cancelled += report->cancelled;
    reap->total.expired += report->expired;
    reap->total.promoted += report->promoted;
    reap->total.rows_deleted += report->rows_deleted;
    if (report->workers_dead || report->requeued || report->failed || report->cancelled ||
        report->expired)
        log_info("reaped", LOG_INT("workers", report->workers_dead),
                 LOG_INT("requeued", report->requeued), LOG_INT("failed", report->failed),
                 LOG_INT("cancelled", report->cancelled), LOG_INT("expired", report->expired));
    if (report->paused && !reap->paused)
        log_warn("many workers lapsed at once; not reaping them yet, since it may be the database "
                 "or its clock that stood still");
    reap->paused = report->paused;
}

/* Returns 0, or what failed. */
static int sweep(struct reap *reap, struct error *err)
{
    struct reaper_report report;
    int r;

    do {
        report = (struct reaper_report){0};
        r = reaper_sweep(reap->options.pg, &report, err);
        add(reap, &report);
        reap->sweeps++;
    } while (r == 0 && report.more && !fiber_canceled());
    return r;
}

static void note(struct reap *reap, int r, const struct error *err)
{
    if (r < 0)
        reap->failures++;
    if (r < 0 && r != -E_CANCELED && !reap->trouble)
        log_warn("reaping has to wait", LOG_ERROR(err));
    if (r == 0 && reap->trouble)
        log_info("reaping goes on");
    reap->trouble = r < 0;
}

/* Consumers of workers that are gone. Redis may be away: then there is nothing to look after. */
static void look_after_queue(struct reap *reap)
{
    struct error err;
    size_t dropped;

    if (clock_ms() - reap->upkeep_ms < UPKEEP_MS)
        return;
    reap->upkeep_ms = clock_ms();
    for (int shard = 0; shard < reap->options.shards; shard++)
        if (queue_collect(reap->options.queue, shard, CONSUMER_IDLE_MS, &dropped, &err) < 0)
            log_debug("upkeep of the queue failed", LOG_ERROR(&err));
}

static void reap_run(void *arg)
{
    struct reap *reap = arg;
    struct error err;

    while (fiber_sleep(PERIOD_MS + (int64_t)random_below(JITTER_MS), &err) == 0) {
        note(reap, sweep(reap, &err), &err);
        look_after_queue(reap);
    }
}

struct reap *reap_start(const struct reap_options *options)
{
    struct reap *reap = xcalloc(1, sizeof(*reap));

    reap->options = *options;
    if (reap->options.shards < 1)
        reap->options.shards = 1;
    reap->upkeep_ms = clock_ms();
    reap->fiber = fiber_start("reap", reap_run, reap);
    return reap;
}

void reap_stop(struct reap *reap)
{
    if (!reap)
        return;
    fiber_cancel(reap->fiber);
    fiber_join(reap->fiber);
    free(reap);
}

void reap_metrics_render(const struct reap *reap, struct buf *out)
{
    const struct {
        const char *what;
        int64_t count;
    } lines[] = {
        {"worker_dead", reap->total.workers_dead}, {"run_requeued", reap->total.requeued},
        {"run_failed", reap->total.failed},        {"run_cancelled", reap->total.cancelled},
        {"run_expired", reap->total.expired},      {"run_promoted", reap->total.promoted},
        {"row_deleted", reap->total.rows_deleted},
    };

    buf_add_string(out, "# HELP penstock_reaped_total What the reaper ended or gave back.\n"
                        "# TYPE penstock_reaped_total counter\n");
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++)
        buf_printf(out, "penstock_reaped_total{what=\"%s\"} %" PRId64 "\n", lines[i].what,
                   lines[i].count);
    buf_printf(out,
               "# HELP penstock_reaper_sweeps_total Sweeps, and those that failed.\n"
               "# TYPE penstock_reaper_sweeps_total counter\n"
               "penstock_reaper_sweeps_total %" PRIu64 "\n"
               "# TYPE penstock_reaper_failures_total counter\n"
               "penstock_reaper_failures_total %" PRIu64 "\n",
               reap->sweeps, reap->failures);
}
