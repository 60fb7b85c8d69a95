#pragma once
/* What one process tells the next of a trace: the headers traceparent and tracestate of W3C Trace
 * Context, https://www.w3.org/TR/trace-context/. Pure, but for the two functions that make ids. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

#define TRACE_ID_BYTES   16
#define SPAN_ID_BYTES    8
#define TRACEPARENT_SIZE 56 /* 55 characters and the zero */

#define TRACE_SAMPLED 0x01
#define TRACE_RANDOM  0x02 /* the right 7 bytes of the trace id are random */

struct trace_context {
    uint8_t trace_id[TRACE_ID_BYTES];
    uint8_t span_id[SPAN_ID_BYTES];
    uint8_t flags;
    struct text state; /* tracestate, which goes on as it came (trace_state.h). Borrowed */
};

/* Version, trace-id, parent-id and flags in lower-case hex, joined by dashes. Versions after 00 may
 * add fields behind, and are read as 00; ff, and ids that are zero, are invalid. The context has no
 * state. False, output untouched, for what is none: then a trace begins here. */
MUSTCHECK bool traceparent_parse(struct text header, struct trace_context *out);

/* As version 00. */
void traceparent_format(const struct trace_context *context, char out[TRACEPARENT_SIZE]);

/* Both headers. */
struct trace_headers {
    char parent[TRACEPARENT_SIZE];
    struct text state; /* empty: it is not sent. Borrowed from the context */
};
void trace_headers_of(const struct trace_context *context, struct trace_headers *out);

/* A new trace whose first span has this context; not sampled yet. */
struct trace_context trace_context_new(void);

/* The context of a new span of the same trace. */
struct trace_context trace_context_child(const struct trace_context *parent);
