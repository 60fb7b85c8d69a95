#include "shared/trace/span.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/memory.h"
#include "shared/trace/tracer_internal.h"

#define MESSAGE_SIZE 256

struct span {
    struct tracer *tracer;
    struct trace_context context;
    struct trace_context parent;
    bool has_parent;
    bool parent_is_remote;
    enum span_kind kind;
    bool failed;
    int64_t start_us; /* wall clock */
    int64_t since_us; /* clock_us: the wall clock may be set meanwhile */
    size_t charged;
    char *state; /* that of the context */
    struct buf attributes;
    struct buf links;
    char name[SPAN_NAME_SIZE];
    char message[MESSAGE_SIZE];
};

static struct trace_context begin_context(const struct span_start *start)
{
    struct trace_context context =
        start->parent ? trace_context_child(start->parent) : trace_context_new();

    if (start->linked && !start->parent && !start->apart) { /* in the same trace, below nobody */
        memcpy(context.trace_id, start->linked->trace_id, TRACE_ID_BYTES);
        context.state = start->linked->state;
    }
    return context;
}

struct span *span_begin(struct tracer *tracer, const struct span_start *start, const char *format,
                        ...)
{
    struct trace_context context;
    struct span *span;
    size_t bytes;
    va_list args;

    if (!tracer)
        return NULL;
    context = begin_context(start);
    if (!tracer_samples(tracer, start, &context))
        return NULL;
    bytes = sizeof(*span) + context.state.len;
    if (!span_queue_charge(&tracer->queue, bytes)) {
        tracer->queue.dropped++;
        return NULL;
    }
    context.flags |= TRACE_SAMPLED;
    span = xcalloc(1, sizeof(*span));
    *span = (struct span){
        .tracer = tracer,
        .context = context,
        .has_parent = start->parent != NULL,
        .parent_is_remote = start->parent_is_remote,
        .kind = start->kind,
        .start_us = clock_wall_us(),
        .since_us = clock_us(),
        .charged = bytes,
    };
    if (start->parent)
        span->parent = *start->parent;
    if (context.state.len > 0) {
        span->state = xstrndup(context.state.ptr, context.state.len);
        span->context.state.ptr = span->state;
    }
    buf_init(&span->attributes, SPAN_BYTES_MAX);
    buf_init(&span->links, 0);
    if (start->linked)
        otlp_add_link(&span->links, start->linked);
    va_start(args, format);
    (void)vsnprintf(span->name, sizeof(span->name), format, args);
    va_end(args);
    return span;
}

void span_rename(struct span *span, const char *format, ...)
{
    va_list args;

    if (!span)
        return;
    va_start(args, format);
    (void)vsnprintf(span->name, sizeof(span->name), format, args);
    va_end(args);
}

static void write_ended(const struct span *span, struct buf *out)
{
    const struct otlp_span ended = {
        .context = span->context,
        .parent = span->parent,
        .has_parent = span->has_parent,
        .parent_is_remote = span->parent_is_remote,
        .name = span->name,
        .kind = span->kind,
        .start_us = span->start_us,
        .end_us = span->start_us + clock_us() - span->since_us,
        .attributes = buf_text(&span->attributes),
        .links = buf_text(&span->links),
        .failed = span->failed,
        .message = span->message,
    };

    otlp_write_span(&ended, out);
}

void span_end(struct span *span)
{
    struct buf json;

    if (!span)
        return;
    buf_init(&json, SPAN_BYTES_MAX + 8192);
    write_ended(span, &json);
    span_queue_give_back(&span->tracer->queue, span->charged);
    tracer_take(span->tracer, &json);
    buf_deinit(&json);
    buf_deinit(&span->attributes);
    buf_deinit(&span->links);
    free(span->state);
    free(span);
}

const struct trace_context *span_context(const struct span *span,
                                         const struct trace_context *otherwise)
{
    return span ? &span->context : otherwise;
}

/* An attribute that does not fit, or that there is no room for, is left out. `before` is how long
 * the attributes were without it. */
static void settle(struct span *span, size_t before)
{
    struct buf *all = &span->attributes;
    size_t more = all->len - before;

    if (!all->failed && span_queue_charge(&span->tracer->queue, more)) {
        span->charged += more;
        return;
    }
    all->failed = false;
    all->len = before;
    if (all->ptr)
        all->ptr[before] = '\0';
}

void span_text(struct span *span, const char *key, struct text value)
{
    size_t before;

    if (!span || !value.ptr)
        return;
    before = span->attributes.len;
    otlp_add_text(&span->attributes, key, text_prefix(value, SPAN_TEXT_BYTES));
    settle(span, before);
}

void span_int(struct span *span, const char *key, int64_t value)
{
    size_t before;

    if (!span)
        return;
    before = span->attributes.len;
    otlp_add_int(&span->attributes, key, value);
    settle(span, before);
}

void span_double(struct span *span, const char *key, double value)
{
    size_t before;

    if (!span)
        return;
    before = span->attributes.len;
    otlp_add_double(&span->attributes, key, value);
    settle(span, before);
}

void span_bool(struct span *span, const char *key, bool value)
{
    size_t before;

    if (!span)
        return;
    before = span->attributes.len;
    otlp_add_bool(&span->attributes, key, value);
    settle(span, before);
}

void span_texts(struct span *span, const char *key, const struct text *values, size_t count)
{
    size_t before;

    if (!span)
        return;
    before = span->attributes.len;
    otlp_add_texts(&span->attributes, key, values, count);
    settle(span, before);
}

bool span_takes_content(const struct span *span)
{
    return span && span->tracer->content;
}

void span_content(struct span *span, const char *key, struct text value)
{
    size_t before;

    if (!span_takes_content(span) || !value.ptr)
        return;
    before = span->attributes.len;
    otlp_add_text(&span->attributes, key, text_prefix(value, SPAN_VALUE_BYTES));
    settle(span, before);
}

void span_fail(struct span *span, const char *type, const char *message)
{
    if (!span)
        return;
    span->failed = true;
    span_text(span, "error.type", text_of(type));
    text_excerpt(text_of(message), span->message, sizeof(span->message));
}
