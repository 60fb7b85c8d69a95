#include "worker/run/task/run_trace.h"

#include <string.h>

#include "providers/genai.h"
#include "shared/base/id.h"
#include "shared/store/leases/run_leases.h"
#include "shared/store/runs/run_state.h"
#include "shared/trace/span.h"
#include "worker/run/task/ending.h"
#include "worker/run/task/meter.h"
#include "worker/run/task/setup.h"

static struct span *begin_claim(const struct run_trace *trace, const struct run_claim *claim,
                                const char *kind)
{
    bool first = claim->lease.fence == 1;
    const struct span_start start = {
        .kind = SPAN_CONSUMER,
        .parent = first ? &trace->made : NULL,
        .parent_is_remote = first,
        .linked = first ? NULL : &trace->made,
    };
    struct span *span = span_begin(trace->tracer, &start, "process runs");
    char run[ID_TEXT_SIZE];

    if (!span_records(span))
        return NULL;
    id_format(ID_RUN, claim->lease.run, run);
    span_text(span, "messaging.system", TEXT("penstock"));
    span_text(span, "messaging.operation.name", TEXT("process"));
    span_text(span, "messaging.operation.type", TEXT("process"));
    span_text(span, "messaging.destination.name", TEXT("runs"));
    span_text(span, "messaging.message.id", text_of(run));
    span_text(span, "penstock.run.kind", text_of(kind));
    span_int(span, "penstock.run.claim", claim->lease.fence);
    span_int(span, "penstock.run.crashes", claim->crashes);
    span_double(span, "penstock.run.waited", (double)claim->waited_us / 1e6);
    return span;
}

static struct span *begin_work(const struct run_trace *trace, const struct run_claim *claim,
                               const struct run_setup *setup)
{
    const struct span_start start = {.kind = SPAN_INTERNAL,
                                     .parent = span_context(trace->claim, NULL)};
    struct text name = setup->agent_name.len > 0 ? setup->agent_name : setup->agent_id;
    struct span *span = span_begin(trace->tracer, &start, GENAI_INVOKE_AGENT "%s%.*s",
                                   name.len > 0 ? " " : "", TEXT_ARGS(text_prefix(name, 120)));
    char thread[ID_TEXT_SIZE];

    if (!span_records(span))
        return NULL;
    span_text(span, GENAI_OPERATION, TEXT(GENAI_INVOKE_AGENT));
    if (setup->agent_id.len > 0)
        span_text(span, GENAI_AGENT_ID, setup->agent_id);
    if (setup->agent_name.len > 0)
        span_text(span, GENAI_AGENT_NAME, setup->agent_name);
    span_text(span, GENAI_REQUEST_MODEL, setup->model);
    if (!uuid_is_zero(claim->thread_id)) {
        id_format(ID_THREAD, claim->thread_id, thread);
        span_text(span, GENAI_CONVERSATION, text_of(thread));
    }
    return span;
}

void run_trace_begin(struct run_trace *trace, struct tracer *tracer, const struct run_claim *claim,
                     const struct run_setup *setup, const char *kind)
{
    *trace = (struct run_trace){.tracer = tracer};
    if (!tracer || !traceparent_parse(setup->traceparent, &trace->made))
        return;
    trace->made.state = setup->tracestate;
    trace->known = true;
    trace->claim = begin_claim(trace, claim, kind);
    if (trace->claim && !setup->asked)
        trace->work = begin_work(trace, claim, setup);
}

const struct trace_context *run_trace_context(const struct run_trace *trace)
{
    const struct trace_context *made = trace->known ? &trace->made : NULL;

    return span_context(trace->work, span_context(trace->claim, made));
}

void run_trace_end(struct run_trace *trace, const char *how, const struct ending *ending,
                   const struct meter *meter)
{
    if (!span_records(trace->claim))
        return;
    span_text(trace->claim, "penstock.run.end", text_of(how));
    span_int(trace->work, GENAI_USAGE_INPUT, meter->prompt_tokens);
    span_int(trace->work, GENAI_USAGE_OUTPUT, meter->completion_tokens);
    if (strcmp(how, run_status_name(RUN_FAILED)) == 0) {
        char code[64];
        char message[256];

        text_excerpt(ending->end.error_code, code, sizeof(code));
        text_excerpt(ending->end.error_message, message, sizeof(message));
        span_fail(trace->work, code, message);
        span_fail(trace->claim, code, message);
    }
    span_end(trace->work);
    span_end(trace->claim);
    trace->work = trace->claim = NULL;
}
