/* Of a request that is not sampled there is no span; and where its client has told a traceparent,
 * that goes on to whoever is called for it, as it came. */

#include "scheduler/api/trace.h"

#include <stdio.h>

#include "scheduler/api/request.h"
#include "shared/http_server/http_server.h"
#include "shared/json/json_write.h"
#include "shared/submit/submission.h"
#include "shared/trace/run_span.h"
#include "shared/trace/span.h"
#include "shared/trace/trace_state.h"

static bool read_header(const struct http_exchange *exchange, struct trace_context *out)
{
    return traceparent_parse(http_header_get(exchange, "traceparent"), out);
}

/* A state means nothing without a parent. It is kept as long as the request. */
static bool read_headers(struct http_exchange *exchange, struct trace_context *out)
{
    CLEANUP(buf_deinit) struct buf text;
    struct trace_state state = {.count = 0};
    char *copy;

    buf_init(&text, TRACESTATE_BYTES_MAX);
    if (!read_header(exchange, out))
        return false;
    for (size_t i = 0; i < exchange->headers_count; i++)
        if (text_is_nocase(exchange->headers[i].name, "tracestate"))
            trace_state_add(&state, exchange->headers[i].value);
    trace_state_write(&state, &text);
    copy = text.len > 0 ? arena_copy(&exchange->arena, buf_text(&text)) : NULL;
    if (copy)
        out->state = (struct text){copy, text.len};
    return true;
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
    request->traced = read_headers(request->exchange, &request->given);
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

void request_trace_write(const struct request *request, struct buf *out)
{
    const struct trace_context *context = request_trace(request);
    struct trace_headers told;
    struct json_write write;

    if (!context)
        return;
    trace_headers_of(context, &told);
    json_write_init(&write, out);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "parent", told.parent);
    if (told.state.len > 0)
        json_write_text(&write, "state", told.state);
    json_write_close(&write);
}

struct span *request_trace_make_run(const struct request *request, struct submission *submission)
{
    const struct trace_context *above = request_trace(request);
    const struct span_start start = {.kind = SPAN_PRODUCER, .parent = above};
    struct span *span =
        above ? run_span_begin(request->api->tracer, &start, "send", submission->id) : NULL;

    submission->made_in = span_context(span, above);
    return span;
}
