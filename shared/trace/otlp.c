#include "shared/trace/otlp.h"

#include <inttypes.h>

#include "shared/base/error.h"
#include "shared/json/json.h"
#include "shared/json/json_write.h"
#include "shared/trace/span_queue.h"

#define ANSWER_DEPTH  8
#define HAS_IS_REMOTE 0x100 /* of a span's flags: it says whether its parent is of elsewhere */
#define IS_REMOTE     0x200
#define STATUS_ERROR  2
#define SCOPE         "penstock"

static void open_attribute(struct buf *out, const char *key)
{
    if (out->len > 0)
        buf_add_char(out, ',');
    buf_add_string(out, "{\"key\":");
    buf_add_json_string(out, key);
    buf_add_string(out, ",\"value\":{");
}

/* Any bytes: what is no UTF-8 is replaced. */
static void add_string(struct buf *out, struct text value)
{
    CLEANUP(buf_deinit) struct buf clean;

    buf_init(&clean, 3 * value.len + 1);
    if (!text_is_utf8(value)) {
        buf_add_utf8(&clean, value);
        value = buf_text(&clean);
    }
    buf_add_json(out, value);
}

void otlp_add_text(struct buf *out, const char *key, struct text value)
{
    open_attribute(out, key);
    buf_add_string(out, "\"stringValue\":");
    add_string(out, value);
    buf_add_string(out, "}}");
}

void otlp_add_int(struct buf *out, const char *key, int64_t value)
{
    open_attribute(out, key);
    buf_printf(out, "\"intValue\":\"%" PRId64 "\"}}", value);
}

void otlp_add_double(struct buf *out, const char *key, double value)
{
    struct json_write write;

    open_attribute(out, key);
    buf_add_string(out, "\"doubleValue\":");
    json_write_init(&write, out);
    json_write_double(&write, NULL, value);
    buf_add_string(out, "}}");
}

void otlp_add_bool(struct buf *out, const char *key, bool value)
{
    open_attribute(out, key);
    buf_printf(out, "\"boolValue\":%s}}", value ? "true" : "false");
}

void otlp_add_texts(struct buf *out, const char *key, const struct text *values, size_t count)
{
    open_attribute(out, key);
    buf_add_string(out, "\"arrayValue\":{\"values\":[");
    for (size_t i = 0; i < count; i++) {
        buf_add_string(out, i > 0 ? ",{\"stringValue\":" : "{\"stringValue\":");
        add_string(out, values[i]);
        buf_add_char(out, '}');
    }
    buf_add_string(out, "]}}}");
}

static void add_id(struct buf *out, const char *member, const uint8_t *id, size_t len)
{
    char hex[2 * TRACE_ID_BYTES + 1];

    *text_put_hex(hex, id, len) = '\0';
    buf_printf(out, "\"%s\":\"%s\"", member, hex);
}

static void add_state(struct buf *out, struct text state)
{
    if (state.len == 0)
        return;
    buf_add_string(out, ",\"traceState\":");
    add_string(out, state);
}

void otlp_add_link(struct buf *out, const struct trace_context *to)
{
    buf_add_string(out, out->len > 0 ? ",{" : "{");
    add_id(out, "traceId", to->trace_id, TRACE_ID_BYTES);
    buf_add_char(out, ',');
    add_id(out, "spanId", to->span_id, SPAN_ID_BYTES);
    add_state(out, to->state);
    buf_printf(out, ",\"flags\":%d}", to->flags | HAS_IS_REMOTE | IS_REMOTE);
}

static void add_list(struct buf *out, const char *member, struct text items)
{
    if (items.len == 0)
        return;
    buf_printf(out, ",\"%s\":[", member);
    buf_add_text(out, items);
    buf_add_char(out, ']');
}

void otlp_write_span(const struct otlp_span *span, struct buf *out)
{
    int flags = span->context.flags | HAS_IS_REMOTE | (span->parent_is_remote ? IS_REMOTE : 0);

    buf_add_char(out, '{');
    add_id(out, "traceId", span->context.trace_id, TRACE_ID_BYTES);
    buf_add_char(out, ',');
    add_id(out, "spanId", span->context.span_id, SPAN_ID_BYTES);
    add_state(out, span->context.state);
    if (span->has_parent) {
        buf_add_char(out, ',');
        add_id(out, "parentSpanId", span->parent.span_id, SPAN_ID_BYTES);
    }
    buf_printf(out, ",\"flags\":%d,\"name\":", flags);
    add_string(out, text_of(span->name));
    buf_printf(out,
               ",\"kind\":%d,\"startTimeUnixNano\":\"%" PRId64 "000\",\"endTimeUnixNano\":"
               "\"%" PRId64 "000\"",
               (int)span->kind, span->start_us, span->end_us);
    add_list(out, "attributes", span->attributes);
    add_list(out, "links", span->links);
    if (span->failed) {
        buf_printf(out, ",\"status\":{\"code\":%d", STATUS_ERROR);
        if (span->message[0]) {
            buf_add_string(out, ",\"message\":");
            add_string(out, text_of(span->message));
        }
        buf_add_char(out, '}');
    }
    buf_add_char(out, '}');
}

void otlp_write_request(struct text resource, const struct span_queue *queue, size_t count,
                        struct buf *out)
{
    buf_add_string(out, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[");
    buf_add_text(out, resource);
    buf_add_string(out, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"" SCOPE
                        "\",\"version\":\"" PENSTOCK_VERSION "\"},\"spans\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        buf_add_text(out, span_queue_at(queue, i));
    }
    buf_add_string(out, "]}]}]}");
}

/* A number, or its digits: JSON has an int64 as a string. */
static int64_t count_of(struct json_object *value)
{
    struct text digits = json_string(value);
    int64_t count = 0;

    if (digits.ptr)
        (void)!text_to_int(digits, &count); /* else it stays 0 */
    else if (json_object_is_type(value, json_type_int))
        count = json_object_get_int64(value);
    return count > 0 ? count : 0;
}

void otlp_read_answer(int status, struct text body, struct otlp_answer *out)
{
    CLEANUP(json_freep) struct json_object *answer = NULL;
    struct json_object *partial;
    struct error err;

    *out = (struct otlp_answer){.verdict = OTLP_REFUSED};
    if (status == 429 || status == 502 || status == 503 || status == 504)
        out->verdict = OTLP_AGAIN;
    if (status == 413)
        out->verdict = OTLP_LARGE;
    if (status < 200 || status > 299)
        return;
    out->verdict = OTLP_TAKEN;
    if (body.len == 0 || json_decode(body, ANSWER_DEPTH, &answer, &err) < 0)
        return;
    partial = json_get(answer, "partialSuccess");
    out->rejected = count_of(json_get(partial, "rejectedSpans"));
    text_excerpt(json_get_text(partial, "errorMessage"), out->message, sizeof(out->message));
}

int64_t otlp_retry_after_ms(struct text header, int64_t max_ms)
{
    int64_t seconds;

    if (!text_to_int(text_trim(header), &seconds) || seconds < 0)
        return -1;
    return seconds < max_ms / 1000 ? seconds * 1000 : max_ms;
}
