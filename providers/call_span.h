#pragma once
/* The span of one call of a model, by the conventions of OpenTelemetry for generative AI
 * (https://github.com/open-telemetry/semantic-conventions-genai). They still change: all their names
 * are in call_span.c and genai.h. */

#include "providers/embed.h"
#include "providers/provider.h"
#include "providers/wire/failure.h"
#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/trace/span.h"

struct call_span_start {
    const struct trace_context *parent; /* NULL: nobody traces, and nothing is recorded */
    const struct provider_target *target;
    const struct chat_request *request;    /* of an embedding: not looked at */
    const struct embedding_request *texts; /* NULL: it asks for an answer */
    struct uuid thread;                    /* zero: none */
};

struct span *call_span_begin(struct tracer *tracer, const struct call_span_start *start);

/* Each ends the span; NULL does nothing. */
void call_span_answered(struct span *span, const struct chat_reply *reply);
void call_span_failed(struct span *span, const struct provider_failure_info *failure);
void call_span_given_up(struct span *span);
