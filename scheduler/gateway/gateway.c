/* What calls of models share, and how it keeps up with the workers: which models fail, and how many
 * there are that share the limits should Redis go away. */

#include "scheduler/gateway/gateway.h"

#include <stdlib.h>

#include "providers/gate/gate.h"
#include "shared/base/memory.h"
#include "shared/metrics/metric_table.h"
#include "shared/store/fleet/workers.h"

enum { SHARE_MS = 1000, WORKERS_MS = 10000 };

static int share_round(void *arg, struct error *err)
{
    return gate_share(((struct gateway *)arg)->gate, err);
}

/* This process is one more than the workers. */
static int workers_round(void *arg, struct error *err)
{
    struct gateway *gateway = arg;
    int64_t workers;
    int r = workers_count_live(gateway->fleet, &workers, err);

    if (r == 0)
        gate_set_workers(gateway->gate, workers + 1);
    return r;
}

struct gateway *gateway_start(const struct gateway_options *options)
{
    struct gateway *gateway = xcalloc(1, sizeof(*gateway));
    const struct service_options share = {
        .name = "gateway share",
        .round = share_round,
        .arg = gateway,
        .period_ms = SHARE_MS,
    };
    const struct service_options workers = {
        .name = "gateway workers",
        .round = workers_round,
        .arg = gateway,
        .period_ms = WORKERS_MS,
    };

    gateway->pg = options->pg;
    gateway->fleet = options->fleet;
    gateway->redis = options->redis;
    gateway->http = options->http;
    gateway->registry = options->registry;
    gateway->tracer = options->tracer;
    gateway->calls_max = options->calls_max;
    gateway->wait_ms = options->wait_ms;
    gateway->gate = gate_new(options->redis);
    spending_book_start(&gateway->spendings, options->redis);
    budget_init(&gateway->replies, GATEWAY_REPLY_BYTES);
    cond_init(&gateway->ended);
    service_start(&gateway->share, &share);
    service_start(&gateway->workers, &workers);
    return gateway;
}

void gateway_end(struct gateway *gateway)
{
    if (!gateway)
        return;
    gateway->ending = true;
    cond_broadcast(&gateway->ended);
}

void gateway_stop(struct gateway *gateway)
{
    if (!gateway)
        return;
    ASSERT(gateway->calls == 0);
    service_stop(&gateway->share);
    service_stop(&gateway->workers);
    spending_book_stop(&gateway->spendings);
    gate_free(gateway->gate);
    free(gateway);
}

void gateway_set_registry(struct gateway *gateway, struct provider_registry *registry)
{
    gateway->registry = registry;
}

struct vectors_means gateway_vectors(struct gateway *gateway, struct provider_registry *registry)
{
    if (!gateway)
        return (struct vectors_means){.registry = registry};
    return (struct vectors_means){
        .pg = gateway->pg,
        .redis = gateway->redis,
        .http = gateway->http,
        .gate = gateway->gate,
        .spendings = &gateway->spendings,
        .registry = registry,
    };
}

static void add_left_alone(struct buf *out, const char *name, const void *from)
{
    struct gate_stats stats;

    gate_stats_get(((const struct gateway *)from)->gate, &stats);
    metric_sample(out, name, (int64_t)stats.left_alone, NULL);
}

static void add_own(struct buf *out, const char *name, const void *from)
{
    struct gate_stats stats;

    gate_stats_get(((const struct gateway *)from)->gate, &stats);
    metric_sample(out, name, (int64_t)stats.limits.local, NULL);
}

static const struct metric rows[] = {
    METRIC_SHOWS(gateway, METRIC_SIZE, calls, "penstock_gateway_calls",
                 "Calls of models for clients that are under way."),
    METRIC_SHOWS(gateway, METRIC_SIZE, waiting, "penstock_gateway_waiting",
                 "Of these, those that stand in line for a limit or a budget."),
    METRIC_COUNTS(gateway, METRIC_UINT64, crowded, "penstock_gateway_crowded_total",
                  "Calls that were refused, since too many were under way."),
    METRIC_COUNTS(gateway, METRIC_UINT64, gone, "penstock_gateway_cancelled_total",
                  "Calls that were given up, since their client had gone."),
    METRIC_LABELLED(METRIC_COUNTER, "penstock_gateway_limits_own_total", NULL,
                    "Times that calls went by this process's own share of limits, since Redis was "
                    "away.",
                    add_own),
    METRIC_LABELLED(METRIC_GAUGE, "penstock_gateway_models_left_alone", NULL,
                    "Models that are left alone now, since they failed again and again.",
                    add_left_alone),
};

const struct metric_table gateway_metrics = METRIC_TABLE(rows);

void gateway_metrics_render(const struct gateway *gateway, struct buf *out)
{
    metric_table_render(&gateway_metrics, gateway, out);
}
