#pragma once
/* A line of a batch is a trace of its own, since thousands in one could be looked at by nobody; it
 * is linked to the trace in which the batch was asked for. So sampling takes some lines of a batch,
 * and a line that is not taken carries nothing. */

#include "shared/base/compiler.h"
#include "shared/base/id.h"

struct batch_task;
struct trace_context;

/* Whether the run of a line is made in a trace, which *out then is. */
bool batch_span_line(const struct batch_task *task, struct uuid run, struct trace_context *out);
