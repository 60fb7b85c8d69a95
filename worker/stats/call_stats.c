/* Counts of calls, one array beside each table of names. */

#include "worker/stats/call_stats.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/metrics/histogram.h"
#include "shared/metrics/metric.h"
#include "shared/metrics/metric_table.h"
#include "shared/metrics/series.h"

#define FAILURES 32 /* more than there are classes */
#define US_PER_S 1000000

/* Models take from a tenth of a second to minutes. */
static const struct histogram_shape model_shape = {
    .count = 13,
    .bounds = {50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 20000000,
               40000000, 80000000, 160000000, 600000000},
};

/* Tools from microseconds, for a calculation, to their time-out. */
static const struct histogram_shape tool_shape = {
    .count = 12,
    .bounds = {100, 1000, 5000, 25000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000,
               30000000},
};

struct model_stats {
    uint64_t calls;
    uint64_t input_tokens;
    uint64_t output_tokens;
};

struct provider_stats {
    uint64_t failures[FAILURES];
    struct histogram answered_us;
    struct histogram first_token_us;
    struct histogram failed_us;
};

/* Runs from milliseconds to hours. */
static const struct histogram_shape run_shape = {
    .count = 14,
    .bounds = {10000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000,
               60000000, 300000000, 1800000000, 7200000000},
};

struct agent_stats {
    struct histogram completed_us;
    struct histogram other_us;
};

struct tool_stats {
    uint64_t calls;
    uint64_t errors;
    struct histogram took_us;
};

/* One place more for all others. */
struct call_stats {
    struct series models; /* provider, model */
    struct series providers;
    struct series tools; /* source, tool */
    struct series agents;
    struct series_key model_keys[CALL_STATS_MODELS + 1];
    struct series_key provider_keys[CALL_STATS_PROVIDERS + 1];
    struct series_key tool_keys[CALL_STATS_TOOLS + 1];
    struct series_key agent_keys[CALL_STATS_AGENTS + 1];
    struct model_stats of_model[CALL_STATS_MODELS + 1];
    struct provider_stats of_provider[CALL_STATS_PROVIDERS + 1];
    struct tool_stats of_tool[CALL_STATS_TOOLS + 1];
    struct agent_stats of_agent[CALL_STATS_AGENTS + 1];
    uint64_t approvals[CALL_APPROVAL_COUNT];
};

struct call_stats *call_stats_new(void)
{
    struct call_stats *stats = xcalloc(1, sizeof(*stats));

    series_init(&stats->models, stats->model_keys, ARRAY_LENGTH(stats->model_keys));
    series_init(&stats->providers, stats->provider_keys, ARRAY_LENGTH(stats->provider_keys));
    series_init(&stats->tools, stats->tool_keys, ARRAY_LENGTH(stats->tool_keys));
    series_init(&stats->agents, stats->agent_keys, ARRAY_LENGTH(stats->agent_keys));
    for (size_t i = 0; i < ARRAY_LENGTH(stats->of_provider); i++) {
        stats->of_provider[i].answered_us.shape = &model_shape;
        stats->of_provider[i].failed_us.shape = &model_shape;
        stats->of_provider[i].first_token_us.shape = &model_shape;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(stats->of_agent); i++) {
        stats->of_agent[i].completed_us.shape = &run_shape;
        stats->of_agent[i].other_us.shape = &run_shape;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(stats->of_tool); i++)
        stats->of_tool[i].took_us.shape = &tool_shape;
    return stats;
}

void call_stats_free(struct call_stats *stats)
{
    free(stats);
}

void call_stats_model(struct call_stats *stats, const struct provider_target *target,
                      enum provider_failure failure, const struct chat_usage *usage, int64_t us)
{
    struct text provider = text_of(target->provider_name);
    bool answered = failure == PROVIDER_OK;
    struct model_stats *of_model =
        &stats->of_model[series_place(&stats->models, provider, text_of(target->model), answered)];
    struct provider_stats *of_provider =
        &stats->of_provider[series_place(&stats->providers, provider, TEXT_NONE, true)];

    ASSERT((unsigned)failure < FAILURES);
    of_model->calls++;
    of_model->input_tokens += (uint64_t)usage->input_tokens;
    of_model->output_tokens += (uint64_t)usage->output_tokens;
    of_provider->failures[failure] += !answered;
    histogram_add(answered ? &of_provider->answered_us : &of_provider->failed_us, us);
}

void call_stats_first_token(struct call_stats *stats, const struct provider_target *target,
                            int64_t us)
{
    size_t place = series_place(&stats->providers, text_of(target->provider_name), TEXT_NONE, true);

    histogram_add(&stats->of_provider[place].first_token_us, us);
}

void call_stats_run(struct call_stats *stats, struct text agent, bool completed, int64_t us)
{
    struct text name = agent.len > 0 ? agent : TEXT("none");
    struct agent_stats *of = &stats->of_agent[series_place(&stats->agents, name, TEXT_NONE, true)];

    histogram_add(completed ? &of->completed_us : &of->other_us, us);
}

void call_stats_tool(struct call_stats *stats, struct text source, struct text tool, bool is_error,
                     int64_t us)
{
    struct tool_stats *of_tool = &stats->of_tool[series_place(&stats->tools, source, tool, true)];

    of_tool->calls++;
    of_tool->errors += is_error;
    histogram_add(&of_tool->took_us, us);
}

void call_stats_approval(struct call_stats *stats, enum call_approval what)
{
    ASSERT((unsigned)what < CALL_APPROVAL_COUNT);
    stats->approvals[what]++;
}

static void add_approvals(struct buf *out, const char *name, const void *from)
{
    static const char *const words[CALL_APPROVAL_COUNT] = {"asked", "approved", "denied",
                                                           "expired"};
    const struct call_stats *stats = from;

    for (size_t i = 0; i < CALL_APPROVAL_COUNT; i++)
        if (stats->approvals[i] > 0)
            metric_sample(out, name, (int64_t)stats->approvals[i], "decision", words[i], NULL);
}

static void add_models(const struct call_stats *stats, struct buf *out, const char *name,
                       size_t offset)
{
    for (size_t i = 0; i < stats->models.size; i++) {
        const struct model_stats *model = &stats->of_model[i];
        uint64_t value = *(const uint64_t *)((const char *)model + offset);

        if (model->calls > 0)
            metric_sample(out, name, (int64_t)value, "provider", stats->model_keys[i].first,
                          "model", stats->model_keys[i].second, NULL);
    }
}

static void add_model_calls(struct buf *out, const char *name, const void *from)
{
    add_models(from, out, name, offsetof(struct model_stats, calls));
}

static void add_input_tokens(struct buf *out, const char *name, const void *from)
{
    add_models(from, out, name, offsetof(struct model_stats, input_tokens));
}

static void add_output_tokens(struct buf *out, const char *name, const void *from)
{
    add_models(from, out, name, offsetof(struct model_stats, output_tokens));
}

static void add_failures(struct buf *out, const char *name, const void *from)
{
    const struct call_stats *stats = from;

    for (size_t i = 0; i < stats->providers.size; i++)
        for (enum provider_failure k = PROVIDER_OK; k < FAILURES; k++)
            if (stats->of_provider[i].failures[k] > 0)
                metric_sample(out, name, (int64_t)stats->of_provider[i].failures[k], "provider",
                              stats->provider_keys[i].first, "class", provider_failure_name(k),
                              NULL);
}

static void add_model_seconds(struct buf *out, const char *name, const void *from)
{
    const struct call_stats *stats = from;

    for (size_t i = 0; i < stats->providers.size; i++) {
        const struct provider_stats *of = &stats->of_provider[i];
        const char *provider = stats->provider_keys[i].first;

        if (of->answered_us.count > 0)
            metric_sample_histogram(out, name, &of->answered_us, US_PER_S, "provider", provider,
                                    "outcome", "answered", NULL);
        if (of->failed_us.count > 0)
            metric_sample_histogram(out, name, &of->failed_us, US_PER_S, "provider", provider,
                                    "outcome", "failed", NULL);
    }
}

static void add_first_tokens(struct buf *out, const char *name, const void *from)
{
    const struct call_stats *stats = from;

    for (size_t i = 0; i < stats->providers.size; i++)
        if (stats->of_provider[i].first_token_us.count > 0)
            metric_sample_histogram(out, name, &stats->of_provider[i].first_token_us, US_PER_S,
                                    "provider", stats->provider_keys[i].first, NULL);
}

static void add_run_seconds(struct buf *out, const char *name, const void *from)
{
    const struct call_stats *stats = from;

    for (size_t i = 0; i < stats->agents.size; i++) {
        const struct agent_stats *of = &stats->of_agent[i];
        const char *agent = stats->agent_keys[i].first;

        if (of->completed_us.count > 0)
            metric_sample_histogram(out, name, &of->completed_us, US_PER_S, "agent", agent,
                                    "outcome", "completed", NULL);
        if (of->other_us.count > 0)
            metric_sample_histogram(out, name, &of->other_us, US_PER_S, "agent", agent, "outcome",
                                    "other", NULL);
    }
}

static void add_tools(const struct call_stats *stats, struct buf *out, const char *name,
                      size_t offset)
{
    for (size_t i = 0; i < stats->tools.size; i++) {
        const struct tool_stats *tool = &stats->of_tool[i];
        uint64_t value = *(const uint64_t *)((const char *)tool + offset);

        if (tool->calls > 0)
            metric_sample(out, name, (int64_t)value, "source", stats->tool_keys[i].first, "tool",
                          stats->tool_keys[i].second, NULL);
    }
}

static void add_tool_calls(struct buf *out, const char *name, const void *from)
{
    add_tools(from, out, name, offsetof(struct tool_stats, calls));
}

static void add_tool_errors(struct buf *out, const char *name, const void *from)
{
    add_tools(from, out, name, offsetof(struct tool_stats, errors));
}

static void add_tool_seconds(struct buf *out, const char *name, const void *from)
{
    const struct call_stats *stats = from;

    for (size_t i = 0; i < stats->tools.size; i++)
        if (stats->of_tool[i].calls > 0)
            metric_sample_histogram(out, name, &stats->of_tool[i].took_us, US_PER_S, "source",
                                    stats->tool_keys[i].first, "tool", stats->tool_keys[i].second,
                                    NULL);
}

#define OF_MODEL "provider, model"
#define OF_TOOL  "source, tool"

static const struct metric rows[] = {
    METRIC_LABELLED(METRIC_COUNTER, "penstock_worker_model_calls_total", OF_MODEL,
                    "Calls of models. Beyond 64 models, and until a model has answered for the "
                    "first time, they are counted as `other`.",
                    add_model_calls),
    METRIC_LABELLED(METRIC_COUNTER, "penstock_worker_input_tokens_total", OF_MODEL,
                    "Tokens sent to models.", add_input_tokens),
    METRIC_LABELLED(METRIC_COUNTER, "penstock_worker_output_tokens_total", OF_MODEL,
                    "Tokens answered by models.", add_output_tokens),
    METRIC_LABELLED(METRIC_COUNTER, "penstock_worker_model_failures_total", "provider, class",
                    "Calls of models that failed, by the class of the failure.", add_failures),
    METRIC_LABELLED(METRIC_HISTOGRAM, "penstock_worker_model_call_seconds", "provider, outcome",
                    "Time to answer (`answered`) or to fail (`failed`), waits between tries not "
                    "included.",
                    add_model_seconds),
    METRIC_LABELLED(METRIC_HISTOGRAM, "penstock_worker_first_token_seconds", "provider",
                    "From a call of a model to the first of its reply, where that is streamed and "
                    "heard as it comes.",
                    add_first_tokens),
    METRIC_LABELLED(METRIC_HISTOGRAM, "penstock_worker_run_seconds", "agent, outcome",
                    "From the first claim of a run to its end, by the slug of its agent (`none`: "
                    "it has no slug; those beyond 64 as `other`) and whether it was `completed`.",
                    add_run_seconds),
    METRIC_LABELLED(METRIC_COUNTER, "penstock_worker_tool_calls_total", OF_TOOL,
                    "Tool calls, those beyond 64 tools as `other`.", add_tool_calls),
    METRIC_LABELLED(METRIC_COUNTER, "penstock_worker_tool_errors_total", OF_TOOL,
                    "Tool calls that failed.", add_tool_errors),
    METRIC_LABELLED(METRIC_HISTOGRAM, "penstock_worker_tool_call_seconds", OF_TOOL,
                    "Time of a tool call.", add_tool_seconds),
    METRIC_LABELLED(METRIC_COUNTER, "penstock_worker_approvals_total", "decision",
                    "Calls about which somebody was asked (`asked`), and with what decision their "
                    "runs went on. A run that goes on twice, after a crash, is counted twice.",
                    add_approvals),
};

const struct metric_table call_stats_table = METRIC_TABLE(rows);
