#include "shared/program/process.h"

#include "shared/base/log.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "shared/fiber/watchdog.h"
#include "shared/program/reload.h"

struct shown {
    struct loop_stats loop;
    int64_t lag_ms;
    size_t fibers;
    uint64_t lines_dropped;
    struct reload_counts reloads;
};

static void add_build(struct buf *out, const char *name, const void *from)
{
    (void)from;
    metric_sample(out, name, 1, "version", PENSTOCK_VERSION, NULL);
}

static const struct metric rows[] = {
    METRIC_SHOWS(shown, METRIC_MS, lag_ms, "penstock_loop_lag_seconds",
                 "How late the loop came to a timer: the worst of the last half minute."),
    METRIC_SHOWS(shown, METRIC_US, loop.longest_us, "penstock_loop_longest_seconds",
                 "The longest that a fiber held the loop: the worst of the last half minute."),
    METRIC_COUNTS(shown, METRIC_UINT64, loop.slow_holds, "penstock_loop_slow_holds_total",
                  "Times that a fiber held the loop for over 100 ms."),
    METRIC_COUNTS(shown, METRIC_UINT64, loop.turns, "penstock_loop_turns_total",
                  "Turns of the loop."),
    METRIC_SHOWS(shown, METRIC_SIZE, fibers, "penstock_fibers", "Fibers that have not ended."),
    METRIC_COUNTS(shown, METRIC_UINT64, lines_dropped, "penstock_log_lines_dropped_total",
                  "Log lines that nobody read in time."),
    METRIC_COUNTS(shown, METRIC_UINT64, reloads.done, "penstock_config_reloads_total",
                  "Times that the configuration was read again (SIGHUP) and holds."),
    METRIC_COUNTS(shown, METRIC_UINT64, reloads.refused, "penstock_config_reloads_refused_total",
                  "Times that it was wrong or could not be read: all stayed as before."),
    METRIC_LABELLED(METRIC_GAUGE, "penstock_build_info", "version", "The version of this program.",
                    add_build),
};

const struct metric_table process_metrics = METRIC_TABLE(rows);

void process_metrics_render(struct buf *out)
{
    struct shown shown = {
        .lag_ms = watchdog_lag_ms(),
        .fibers = fiber_count(),
        .lines_dropped = log_dropped(),
        .reloads = reload_counts(),
    };

    loop_stats_get(&shown.loop);
    metric_table_render(&process_metrics, &shown, out);
}
