#pragma once
/* A request in its trace: what joins the logs of caller, scheduler and worker, and the span of the
 * request. */

#include "shared/base/compiler.h"
#include "shared/trace/trace_context.h"

struct buf;
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

/* The same as JSON, {"parent", "state"}, for what is stored. Nothing: in none. */
void request_trace_write(const struct request *request, struct buf *out);

/* The span of a run that the request makes, from before it is stored to after. The submission is
 * told in which trace it is made, until run_span_end. */
struct span *request_trace_make_run(const struct request *request, struct submission *submission);
