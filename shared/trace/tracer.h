#pragma once
/* Where the spans of a process go: to an OpenTelemetry collector, by OTLP/HTTP as JSON.
 *
 * One service sends what has ended, in batches; a collector that is away or slow delays nothing and
 * nobody: spans wait within the bounds of span_queue.h, and what finds no room there is dropped and
 * counted. A batch is sent again only after 429, 502, 503, 504 or no answer at all, when as long as
 * Retry-After says has passed, or with backoff; TRACER_SENDS_MAX times at most.
 */

#include "shared/base/compiler.h"
#include "shared/metrics/metric_table.h"
#include "shared/trace/trace_context.h"

struct buf;
struct error;
struct tracer;

#define TRACER_SENDS_MAX 6

/* As the settings of docs/telemetry.md have them; "" for what is not said. */
struct tracer_options {
    const char *endpoint;        /* of a collector: /v1/traces is appended */
    const char *traces_endpoint; /* as it is; outranks the other */
    const char *headers;
    const char *service_name;
    const char *resource_attributes;
    const char *sampler;
    const char *sampler_argument;
    const char *program; /* the name of the service where none is said */
    bool content;
    bool tell_providers; /* of models, in which trace they are called */
    int64_t period_ms;   /* between two batches; 0: a second */
};

/* Returns 0 with *out, which is NULL where no endpoint is said: telemetry is off and costs nothing.
 * Otherwise -E_INVALID (a setting), or what opening a client of HTTP fails with. */
MUSTCHECK int tracer_start(const struct tracer_options *options, struct tracer **out,
                           struct error *err);

/* Sends an empty batch, to see whether one would be taken. Returns 0: it would; TRACER_OFF: no
 * endpoint is said; -E_INVALID (a setting), -E_UNAVAILABLE (the collector refuses it), or what
 * sending failed with. */
enum { TRACER_OFF = 1 };
SUSPENDS MUSTCHECK int tracer_try(const struct tracer_options *options, struct error *err);

/* What goes to a provider of models, in *out. NULL: nothing, as where `context` is NULL. */
const struct trace_headers *tracer_tell_provider(const struct tracer *tracer,
                                                 const struct trace_context *context,
                                                 struct trace_headers *out);

/* Sends what is left, within two seconds, and frees. No span may be under way. Accepts NULL. */
SUSPENDS void tracer_stop(struct tracer *tracer);

struct tracer_stats {
    uint64_t recorded; /* spans that ended and are to be sent */
    uint64_t sent;
    uint64_t dropped;  /* there was no room, or the collector did not take them */
    uint64_t rejected; /* by a collector that took the others of the batch */
    uint64_t failures; /* requests that failed */
    size_t queued;
};
void tracer_stats_get(const struct tracer *tracer, struct tracer_stats *out);

extern const struct metric_table tracer_metrics;
/* Nothing where telemetry is off. */
void tracer_metrics_render(const struct tracer *tracer, struct buf *out);
