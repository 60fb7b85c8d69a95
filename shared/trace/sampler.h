#pragma once
/* Which traces are recorded. Where the ratio decides it is by the trace id alone, so that all
 * processes with the same ratio agree. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct trace_context;

struct sampler {
    bool by_parent;  /* as the span above was sampled, where there is one */
    uint64_t reject; /* of the 2^56 values that the right 7 bytes of a trace id have */
};

/* A name and an argument as OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG have them; an empty
 * name is parentbased_always_on, an empty argument 1. Returns NULL with *out, or what they must be,
 * in words that follow the setting's name. */
const char *sampler_read(const char *name, const char *argument, struct sampler *out);
const char *sampler_check_name(const char *name);
const char *sampler_check_argument(const char *argument);

/* `parent`: of the span above, NULL: there is none. `own`: of the new span. */
bool sampler_takes(const struct sampler *sampler, const struct trace_context *parent,
                   const struct trace_context *own);
