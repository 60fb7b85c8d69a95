#pragma once
/* A request in its trace: what joins the logs of caller, scheduler and worker, and the span of the
 * request. */

#include "shared/base/compiler.h"
#include "shared/trace/trace_context.h"

struct http_exchange;
struct request;
struct submission;

#define TRACE_SIZE 48

/* The trace-id of the request's traceparent header, else the request's id. */
void trace_of(const struct http_exchange *exchange, char out[TRACE_SIZE]);

void request_trace_begin(struct request *request);
void request_trace_note(struct request *request, int status); /* what came of it */
void request_trace_end(struct request *request);

/* In which trace others are called for it. NULL: in none. */
const struct trace_context *request_trace(const struct request *request);

/* The span of a run that the request makes, from before it is stored to after; `traceparent` is
 * what the run is told, "" where that is nothing. */
struct span *request_trace_make_run(const struct request *request,
                                    const struct submission *submission,
                                    char traceparent[TRACEPARENT_SIZE]);
void request_trace_made_run(struct span *span, int result, bool found);
