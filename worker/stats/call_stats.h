#pragma once
/* What is counted of runs and of the calls of models and tools, by names, for the page of metrics.
 *
 * A provider is one of the configuration. Names of models and tools are what clients say, so their
 * number is bounded (series.h), and a model has its own line only once it has answered: names that
 * no provider knows take no places from those that are real.
 */

#include "providers/provider.h"
#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct buf;
struct metric_table;

#define CALL_STATS_MODELS    64
#define CALL_STATS_PROVIDERS 32
#define CALL_STATS_TOOLS     64
#define CALL_STATS_AGENTS    64

struct call_stats;

/* Lifetime: process. */
struct call_stats *call_stats_new(void);
void call_stats_free(struct call_stats *stats); /* accepts NULL */

/* A call of a model that ended: with PROVIDER_OK, or with the class of its failure. */
void call_stats_model(struct call_stats *stats, const struct provider_target *target,
                      enum provider_failure failure, const struct chat_usage *usage, int64_t us);

/* A reply that is streamed has begun, so long after the call of its model did. */
void call_stats_first_token(struct call_stats *stats, const struct provider_target *target,
                            int64_t us);

/* A run has ended, so long after it was claimed for the first time. `agent` is the slug of its
 * agent; empty: it has none. */
void call_stats_run(struct call_stats *stats, struct text agent, bool completed, int64_t us);

/* A call of a tool that ended. `source` is where the tool comes from. */
void call_stats_tool(struct call_stats *stats, struct text source, struct text tool, bool is_error,
                     int64_t us);

/* What became of calls that need an approval, as workers see it. */
enum call_approval {
    CALL_APPROVAL_ASKED,
    CALL_APPROVAL_ALLOWED,
    CALL_APPROVAL_DENIED,
    CALL_APPROVAL_EXPIRED,
    CALL_APPROVAL_COUNT,
};
void call_stats_approval(struct call_stats *stats, enum call_approval what);

extern const struct metric_table call_stats_table; /* of a struct call_stats */
