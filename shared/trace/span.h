#pragma once
/* A span: a piece of work within a trace, from span_begin to span_end.
 *
 * NULL is a span that is not recorded: telemetry is off, the trace is not sampled, or there is no
 * room. Every function takes it and does nothing, so whoever makes spans asks nothing before; what
 * only serves an attribute is computed where span_records says so.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/trace/otlp.h"
#include "shared/trace/trace_context.h"

struct span;
struct tracer;

#define SPAN_NAME_SIZE   160
#define SPAN_TEXT_BYTES  1024                /* of a text's value; more is cut */
#define SPAN_VALUE_BYTES ((size_t)32 << 10)  /* of a content's value */
#define SPAN_BYTES_MAX   ((size_t)128 << 10) /* of all attributes; more of them are left out */

struct span_start {
    enum span_kind kind;
    const struct trace_context *parent; /* NULL: a trace begins here */
    bool parent_is_remote;
    const struct trace_context *linked; /* another span that it follows from; NULL: none */
    bool apart; /* that span is of another trace; else a span without a parent is of the same */
};

/* `tracer` may be NULL: then nothing is recorded. The name is as printf makes it. */
struct span *span_begin(struct tracer *tracer, const struct span_start *start, const char *format,
                        ...) PRINTF(3, 4);
void span_rename(struct span *span, const char *format, ...) PRINTF(2, 3);
void span_end(struct span *span); /* frees; NULL does nothing */

static inline bool span_records(const struct span *span)
{
    return span != NULL;
}

/* What is told to whoever goes on with the trace: of this span; `otherwise` where it is NULL. */
const struct trace_context *span_context(const struct span *span,
                                         const struct trace_context *otherwise);

void span_text(struct span *span, const char *key, struct text value); /* TEXT_NONE: left out */
void span_int(struct span *span, const char *key, int64_t value);
void span_double(struct span *span, const char *key, double value);
void span_bool(struct span *span, const char *key, bool value);
void span_texts(struct span *span, const char *key, const struct text *values, size_t count);

/* What people and models said: recorded only where that is switched on. */
bool span_takes_content(const struct span *span);
void span_content(struct span *span, const char *key, struct text value);

/* It failed: error.type, which must be one of a few words, and for people a message. */
void span_fail(struct span *span, const char *type, const char *message);
