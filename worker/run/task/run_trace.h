#pragma once
/* The spans of an attempt at a run: that of its claim, below the one that made the run; below it
 * that of the agent's work; and below that those of models and tools.
 *
 * Claims after the first one are linked to the span that made the run, and stand below nothing:
 * what came of the claim before is not known here, and its worker may be dead.
 */

#include "shared/base/compiler.h"
#include "shared/trace/trace_context.h"

struct ending;
struct meter;
struct run_claim;
struct run_setup;
struct span;
struct tracer;

struct run_trace {
    struct tracer *tracer; /* NULL: telemetry is off */
    bool known;            /* the run was made in a trace */
    struct trace_context made;
    struct span *claim; /* NULL: not recorded; so is work, which a run of one call has none */
    struct span *work;
};

void run_trace_begin(struct run_trace *trace, struct tracer *tracer, const struct run_claim *claim,
                     const struct run_setup *setup, const char *kind);

/* Below which span the next one is, and in which trace others are called. NULL: in none. */
const struct trace_context *run_trace_context(const struct run_trace *trace);

/* How the attempt ended: "completed", "handed_back", … */
void run_trace_end(struct run_trace *trace, const char *how, const struct ending *ending,
                   const struct meter *meter);
