/* Three services: one plans, one begins, one ends. None waits for another: while thousands begin,
 * the next ones are planned. */

#include "scheduler/clock/clockwork.h"

#include <stdlib.h>

#include "scheduler/clock/clock_internal.h"
#include "shared/base/memory.h"
#include "shared/metrics/metric_table.h"
#include "shared/submit/submit.h"

enum { FIRST_WAIT_MS = 1000 };

static const struct histogram_shape late_shape = {
    .count = 12,
    .bounds = {10000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000,
               60000000, 300000000},
};

static int64_t plan_wait(void *arg)
{
    const struct clockwork *clockwork = arg;

    return clockwork->plan_wait_ms;
}

static int64_t end_wait(void *arg)
{
    const struct clockwork *clockwork = arg;

    return service_spread_ms(clockwork->end_wait_ms);
}

static void start_services(struct clockwork *clockwork)
{
    const struct service_options plan = {
        .name = "schedules",
        .round = clock_plan_round,
        .arg = clockwork,
        .wait_ms = plan_wait,
        .trouble = "schedules can't be read for now",
        .recovered = "schedules are read again",
    };
    const struct service_options begin = {
        .name = "firings of schedules",
        .round = clock_begin_round,
        .arg = clockwork,
        .period_ms = FIRST_WAIT_MS,
        .trouble = "runs of schedules can't be started for now",
        .recovered = "runs of schedules are started again",
    };
    const struct service_options end = {
        .name = "ends of firings",
        .round = clock_end_round,
        .arg = clockwork,
        .wait_ms = end_wait,
        .trouble = "what becomes of runs of schedules can't be noted for now",
        .recovered = "what becomes of runs of schedules is noted again",
    };

    service_start(&clockwork->plan, &plan);
    service_start(&clockwork->begin, &begin);
    service_start(&clockwork->end, &end);
}

struct clockwork *clockwork_start(const struct clockwork_options *options)
{
    struct clockwork *clockwork = xcalloc(1, sizeof(*clockwork));
    struct submit_options submit = {
        .pg = options->pg,
        .shards = options->shards,
        .run_ttl_ms = options->run_ttl_ms,
        .events = options->events,
    };

    clockwork->options = *options;
    submit.limits = &clockwork->options.limits;
    clockwork->submitter = submitter_new(&submit);
    clockwork->late_us.shape = &late_shape;
    clockwork->plan_wait_ms = clockwork->end_wait_ms = FIRST_WAIT_MS;
    start_services(clockwork);
    return clockwork;
}

void clockwork_stop(struct clockwork *clockwork)
{
    if (!clockwork)
        return;
    service_stop(&clockwork->plan);
    service_stop(&clockwork->begin);
    service_stop(&clockwork->end);
    submitter_free(clockwork->submitter);
    free(clockwork);
}

/* clang-format off */
static const struct metric rows[] = {
    METRIC_COUNTS(clockwork, METRIC_UINT64, planned, "penstock_schedules_firings_total",
                  "Firings of schedules that this process planned, those that are skipped or "
                  "missed included."),
    METRIC_COUNTS(clockwork, METRIC_UINT64, started, "penstock_schedules_started_total",
                  "Runs of schedules that this process started."),
    METRIC_COUNTS(clockwork, METRIC_UINT64, failed, "penstock_schedules_failed_total",
                  "Firings whose runs could not be made, for good."),
    METRIC_COUNTS(clockwork, METRIC_UINT64, retried, "penstock_schedules_retried_total",
                  "Firings whose runs could not be made for now."),
    METRIC_COUNTS(clockwork, METRIC_UINT64, ended, "penstock_schedules_ended_total",
                  "Runs of schedules whose ends this process noted."),
    METRIC_COUNTS(clockwork, METRIC_UINT64, paused, "penstock_schedules_paused_total",
                  "Schedules that this process paused, since too many runs in a row had failed."),
    METRIC_COUNTS(clockwork, METRIC_UINT64, told, "penstock_schedules_told_total",
                  "Firings of which this process told a lasting thread what became."),
    METRIC_SHOWS(clockwork, METRIC_INT64, at_work, "penstock_schedules_at_work",
                 "Runs of schedules that are not known to have ended."),
    METRIC_SHOWS(clockwork, METRIC_INT64, waiting, "penstock_schedules_waiting",
                 "Firings that wait for a run of their schedule to end."),
    METRIC_SHOWS(clockwork, METRIC_INT64, due, "penstock_schedules_due",
                 "Firings that are due and whose runs are not made yet."),
    METRIC_SPREADS(clockwork, METRIC_TIMES, late_us, "penstock_schedules_late_seconds",
                   "How late runs of schedules were started, of those that were not caught up."),
    METRIC_COUNTS(clockwork, METRIC_UINT64, plan.failures, "penstock_schedules_plan_failures_total",
                  "Rounds of planning that failed."),
};
/* clang-format on */

const struct metric_table clockwork_metrics = METRIC_TABLE(rows);

void clockwork_metrics_render(const struct clockwork *clockwork, struct buf *out)
{
    metric_table_render(&clockwork_metrics, clockwork, out);
}
