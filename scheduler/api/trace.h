#pragma once
/* The trace id of a request: what joins the logs of caller, scheduler and worker. */

#include "shared/base/compiler.h"

struct http_exchange;

#define TRACE_SIZE 48

/* The trace-id of the request's traceparent header (W3C Trace Context, section 3.2), else the
 * request's id. */
void trace_of(const struct http_exchange *exchange, char out[TRACE_SIZE]);
