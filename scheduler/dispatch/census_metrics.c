/* The counts of the census as metrics. */

#include <stdio.h>

#include "scheduler/dispatch/census.h"

/* What the census counted. */
struct counted {
    const struct dispatch_counts *counts;
    const struct dispatch_waiting *waiting;
    int64_t ready;
    int64_t delayed;
    int64_t oldest_ready_ms;
    int64_t workers_up;
    int64_t slots;
    int64_t slots_busy;
    int64_t oldest_transaction_ms;
};

static void add_runs(struct buf *out, const char *name, const void *from)
{
    const struct dispatch_counts *counts = ((const struct counted *)from)->counts;
    const struct dispatch_waiting *waiting = ((const struct counted *)from)->waiting;

    metric_sample(out, name, waiting->ready + waiting->delayed + waiting->held, "status", "queued",
                  NULL);
    metric_sample(out, name, counts->in_progress, "status", "in_progress", NULL);
    metric_sample(out, name, counts->requires_action, "status", "requires_action", NULL);
    metric_sample(out, name, counts->cancelling, "status", "cancelling", NULL);
}

static void add_waiting(struct buf *out, const char *name, const void *from)
{
    const struct counted *counted = from;
    const struct dispatch_waiting *waiting = counted->waiting;
    const struct {
        const char *kind;
        int64_t count;
    } kinds[] = {
        {"backoff", waiting->backoff},
        {"rate_limit", waiting->rate_limit},
        {"budget", waiting->budget},
        {"tool_outputs", counted->counts->requires_action},
        {"held", waiting->held},
        {"delayed", waiting->delayed - waiting->backoff - waiting->rate_limit - waiting->budget},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
        metric_sample(out, name, kinds[i].count > 0 ? kinds[i].count : 0, "kind", kinds[i].kind,
                      NULL);
}

/* The labels of a lane. */
struct lane_labels {
    char shard[12];
    char priority[12];
};

static struct lane_labels labels_of(const struct dispatch_lane_counts *lane)
{
    struct lane_labels labels;

    snprintf(labels.shard, sizeof(labels.shard), "%d", lane->shard);
    snprintf(labels.priority, sizeof(labels.priority), "%d", lane->priority);
    return labels;
}

static void add_lanes_ready(struct buf *out, const char *name, const void *from)
{
    const struct dispatch_waiting *waiting = ((const struct counted *)from)->waiting;

    for (size_t i = 0; i < waiting->lane_count; i++) {
        struct lane_labels labels = labels_of(&waiting->lanes[i]);

        metric_sample(out, name, waiting->lanes[i].ready, "shard", labels.shard, "priority",
                      labels.priority, NULL);
    }
}

static void add_lanes_oldest(struct buf *out, const char *name, const void *from)
{
    const struct dispatch_waiting *waiting = ((const struct counted *)from)->waiting;

    for (size_t i = 0; i < waiting->lane_count; i++) {
        struct lane_labels labels = labels_of(&waiting->lanes[i]);

        metric_sample_seconds(out, name, waiting->lanes[i].oldest_ready_ms, "shard", labels.shard,
                              "priority", labels.priority, NULL);
    }
}

static const struct metric rows[] = {
    METRIC_LABELLED(METRIC_GAUGE, "penstock_runs", "status", "Runs that have not ended, by status.",
                    add_runs),
    METRIC_SHOWS(counted, METRIC_INT64, ready, "penstock_runs_ready",
                 "Runs that wait for a worker."),
    METRIC_SHOWS(counted, METRIC_INT64, delayed, "penstock_runs_delayed",
                 "Runs that are due later."),
    METRIC_SHOWS(counted, METRIC_MS, oldest_ready_ms, "penstock_oldest_ready_seconds",
                 "How long the oldest ready run has waited."),
    METRIC_LABELLED(METRIC_GAUGE, "penstock_shard_runs_ready", "shard, priority",
                    "Runs that wait for a worker, by shard and priority.", add_lanes_ready),
    METRIC_LABELLED(METRIC_GAUGE, "penstock_shard_oldest_ready_seconds", "shard, priority",
                    "How long the oldest of them has waited.", add_lanes_oldest),
    METRIC_LABELLED(METRIC_GAUGE, "penstock_runs_waiting", "kind", "Runs that wait, by what for.",
                    add_waiting),
    METRIC_SHOWS(counted, METRIC_INT64, workers_up, "penstock_workers_up",
                 "Workers with a good lease."),
    METRIC_SHOWS(counted, METRIC_INT64, slots, "penstock_slots",
                 "Runs that the workers can have in hand at once."),
    METRIC_SHOWS(counted, METRIC_INT64, slots_busy, "penstock_slots_busy",
                 "Runs that the workers have in hand."),
    METRIC_SHOWS(counted, METRIC_MS, oldest_transaction_ms,
                 "penstock_postgres_oldest_transaction_seconds",
                 "How long the oldest transaction in the database has been open."),
};

const struct metric_table census_metrics = METRIC_TABLE(rows);

void census_metrics_render(const struct census *census, struct buf *out)
{
    const struct dispatch_counts *counts = census_counts(census);
    const struct dispatch_waiting *waiting = census_waiting(census);
    struct counted counted = {
        .counts = counts,
        .waiting = waiting,
        .ready = waiting->ready,
        .delayed = waiting->delayed,
        .oldest_ready_ms = waiting->oldest_ready_ms,
        .workers_up = counts->workers_up,
        .slots = counts->slots,
        .slots_busy = counts->in_progress + counts->cancelling,
        .oldest_transaction_ms = counts->oldest_transaction_ms,
    };

    metric_table_render(&census_metrics, &counted, out);
}
