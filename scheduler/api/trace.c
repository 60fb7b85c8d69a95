/* Of a request that is not sampled there is no span; and where its client has told a traceparent,
 * that goes on to whoever is called for it, as it came. */

#include "scheduler/api/trace.h"

#include <stdio.h>

#include "scheduler/api/request.h"
#include "shared/http_server/http_server.h"
#include "shared/trace/span.h"

static bool read_header(const struct http_exchange *exchange, struct trace_context *out)
{
    return traceparent_parse(http_header_get(exchange, "traceparent"), out);
}

void trace_of(const struct http_exchange *exchange, char out[TRACE_SIZE])
{
    struct trace_context given;

    if (read_header(exchange, &given))
        *text_put_hex(out, given.trace_id, TRACE_ID_BYTES) = '\0';
    else
        (void)snprintf(out, TRACE_SIZE, "%s", exchange->request_id);
}

void request_trace_begin(struct request *request)
{
    const char *method = http_method_name(request->exchange->method);
    struct span_start start = {.kind = SPAN_SERVER, .parent_is_remote = true};

    if (!request->api->tracer)
        return;
    request->traced = read_header(request->exchange, &request->given);
    start.parent = request->traced ? &request->given : NULL;
    request->span = span_begin(request->api->tracer, &start, "%s", method);
    span_text(request->span, "http.request.method", text_of(method));
    span_text(request->span, "url.path", request->exchange->path);
    span_text(request->span, "penstock.request.id", text_of(request->exchange->request_id));
}

void request_trace_note(struct request *request, int status)
{
    char type[16];

    if (!span_records(request->span))
        return;
    if (request->endpoint) {
        span_rename(request->span, "%s %s", http_method_name(request->exchange->method),
                    request->endpoint->pattern);
        span_text(request->span, "http.route", text_of(request->endpoint->pattern));
    }
    span_int(request->span, "http.response.status_code", status);
    (void)snprintf(type, sizeof(type), "%d", status);
    if (status >= 500)
        span_fail(request->span, type, "");
    else if (status >= 400)
        span_text(request->span, "error.type", text_of(type));
}

void request_trace_end(struct request *request)
{
    span_end(request->span);
    request->span = NULL;
}

const struct trace_context *request_trace(const struct request *request)
{
    return span_context(request->span, request->traced ? &request->given : NULL);
}

struct span *request_trace_make_run(const struct request *request,
                                    const struct submission *submission,
                                    char traceparent[TRACEPARENT_SIZE])
{
    const struct trace_context *above = request_trace(request);
    const struct span_start start = {.kind = SPAN_PRODUCER, .parent = above};
    struct span *span = above ? span_begin(request->api->tracer, &start, "send runs") : NULL;
    char run[ID_TEXT_SIZE];

    traceparent[0] = '\0';
    if (above)
        traceparent_format(span_context(span, above), traceparent);
    if (!span_records(span))
        return NULL;
    id_format(ID_RUN, submission->id, run);
    span_text(span, "messaging.system", TEXT("penstock"));
    span_text(span, "messaging.operation.name", TEXT("send"));
    span_text(span, "messaging.operation.type", TEXT("send"));
    span_text(span, "messaging.destination.name", TEXT("runs"));
    span_text(span, "messaging.message.id", text_of(run));
    return span;
}

void request_trace_made_run(struct span *span, int result, bool found)
{
    if (result < 0)
        span_fail(span, "not_made", "");
    else if (found)
        span_bool(span, "penstock.run.found", true); /* by an earlier attempt of the request */
    span_end(span);
}
