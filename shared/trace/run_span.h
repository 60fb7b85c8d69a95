#pragma once
/* The span of a run that is made, in the words of OpenTelemetry's conventions for messaging: the
 * run is the message, and the queue of runs is where it goes. */

#include "shared/base/compiler.h"
#include "shared/base/id.h"

struct span;
struct span_start;
struct tracer;

/* `operation`: "send", or "create" where it is sent with others. */
struct span *run_span_begin(struct tracer *tracer, const struct span_start *start,
                            const char *operation, struct uuid run);

/* What came of it: as submit returns. `found`: it was there already. */
void run_span_end(struct span *span, int result, bool found);
