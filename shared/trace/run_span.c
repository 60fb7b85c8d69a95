#include "shared/trace/run_span.h"

#include "shared/trace/span.h"

struct span *run_span_begin(struct tracer *tracer, const struct span_start *start,
                            const char *operation, struct uuid run)
{
    struct span *span = span_begin(tracer, start, "%s runs", operation);
    char id[ID_TEXT_SIZE];

    if (!span_records(span))
        return NULL;
    id_format(ID_RUN, run, id);
    span_text(span, "messaging.system", TEXT("penstock"));
    span_text(span, "messaging.operation.name", text_of(operation));
    span_text(span, "messaging.operation.type", text_of(operation));
    span_text(span, "messaging.destination.name", TEXT("runs"));
    span_text(span, "messaging.message.id", text_of(id));
    return span;
}

void run_span_end(struct span *span, int result, bool found)
{
    if (result < 0)
        span_fail(span, "not_made", "");
    else if (found)
        span_bool(span, "penstock.run.found", true); /* an earlier attempt has made it */
    span_end(span);
}
