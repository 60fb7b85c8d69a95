#include "scheduler/batches/batch_span.h"

#include "scheduler/batches/batch_task.h"
#include "scheduler/batches/batches_internal.h"
#include "shared/trace/run_span.h"
#include "shared/trace/span.h"

bool batch_span_line(const struct batch_task *task, struct uuid run, struct trace_context *out)
{
    struct trace_context asked;
    struct span_start start = {.kind = SPAN_PRODUCER, .apart = true};
    struct span *span;

    if (!task->batches->options.tracer)
        return false;
    if (traceparent_parse(task->row.traceparent, &asked))
        start.linked = &asked;
    span = run_span_begin(task->batches->options.tracer, &start, "create", run);
    if (!span_records(span))
        return false;
    span_text(span, "penstock.batch.id", text_of(task->name));
    *out = *span_context(span, NULL);
    span_end(span);
    return true;
}
