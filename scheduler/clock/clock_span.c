#include "scheduler/clock/clock_internal.h"
#include "shared/store/schedules/schedule_clock.h"
#include "shared/time/rfc3339.h"
#include "shared/trace/run_span.h"
#include "shared/trace/span.h"

struct span *clock_span_begin(struct tracer *tracer, const struct firing_taken *taken)
{
    const struct firing *firing = &taken->firing;
    const struct span_start start = {.kind = SPAN_PRODUCER};
    struct span *span = run_span_begin(tracer, &start, "send", firing->id);
    char id[ID_TEXT_SIZE];
    char at[RFC3339_SIZE];

    if (!span_records(span))
        return NULL;
    id_format(ID_SCHEDULE, firing->schedule, id);
    rfc3339_format(firing->nominal, 0, at);
    span_text(span, "penstock.schedule.id", text_of(id));
    span_text(span, "penstock.schedule.fire_time", text_of(at));
    span_text(span, "penstock.schedule.cause", text_of(firing_causes[firing->cause]));
    return span;
}
