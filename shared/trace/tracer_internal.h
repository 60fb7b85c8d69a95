#pragma once
/* What the files of shared/trace share. Nobody else includes it. */

#include "shared/base/arena.h"
#include "shared/base/backoff.h"
#include "shared/base/text.h"
#include "shared/fiber/service.h"
#include "shared/trace/sampler.h"
#include "shared/trace/span_queue.h"
#include "shared/trace/tracer.h"

struct http_client;
struct http_header;
struct span_start;
struct trace_context;

struct tracer {
    struct sampler sampler;
    bool content;
    bool tell_providers;
    struct span_queue queue;
    struct tracer_stats stats;

    struct service service;
    struct http_client *http;
    struct buf url;
    struct buf resource; /* attributes */
    struct arena arena;  /* of the headers */
    struct http_header *headers;
    size_t headers_count;
    struct backoff backoff;
    int sends;       /* of the first batch, that failed */
    size_t sending;  /* spans of it */
    size_t most;     /* spans of a batch: fewer behind one that was too large */
    int64_t wait_ms; /* until the next round */
    int64_t period_ms;
};

/* Whether a span with this context is recorded. */
bool tracer_samples(const struct tracer *tracer, const struct span_start *start,
                    const struct trace_context *context);

/* A span that has ended. */
void tracer_take(struct tracer *tracer, const struct buf *json);
