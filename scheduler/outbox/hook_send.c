/* A try ends with the head of the answer: what comes behind it is looked at for as long as it takes
 * to arrive with it, and never decides. So a receiver that sends a gigabyte, or a byte a second,
 * costs no more than any. */

#include "scheduler/outbox/hook_send.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "scheduler/outbox/hook_url.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/utf8.h"
#include "shared/hooks/hook_tries.h"
#include "shared/http_client/http_client.h"
#include "shared/http_client/http_target.h"
#include "shared/json/json_write.h"
#include "shared/net/guard.h"
#include "shared/secrets/redactor.h"
#include "shared/time/rfc3339.h"
#include "shared/trace/span.h"

#define CONNECT_TIMEOUT_MS 10000
#define HEADER_BYTES_MAX   ((size_t)32 << 10)
#define HEADERS_MAX        6
#define URL_BYTES_MAX      ((size_t)64 << 10) /* with secrets */

void hook_body_write(const struct hook_event *event, struct buf *out)
{
    char id[ID_TEXT_SIZE];
    char at[RFC3339_SIZE];
    struct json_write write;
    struct text data = event->data;

    id_format(ID_EVENT, event->id, id);
    rfc3339_format(event->created_at, 0, at);
    json_write_init(&write, out);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "id", id);
    json_write_string(&write, "object", "event");
    json_write_int(&write, "created_at", event->created_at);
    json_write_text(&write, "type", event->type);
    json_write_string(&write, "timestamp", at);
    if (event->texts.len > 2 && data.len > 2) { /* neither is {} */
        json_write_raw(&write, "data", (struct text){data.ptr, data.len - 1});
        buf_add_char(out, ',');
        buf_add_text(out, (struct text){event->texts.ptr + 1, event->texts.len - 1});
    } else {
        json_write_raw(&write, "data", data);
    }
    json_write_close(&write);
}

static enum http_take keep_some(void *arg, struct text bytes)
{
    struct buf *answer = arg;
    size_t room = HOOK_ANSWER_BYTES - answer->len;

    buf_add(answer, bytes.ptr, bytes.len < room ? bytes.len : room);
    return HTTP_TAKE_ENOUGH;
}

static void judge(const struct http_response *response, struct hook_reply *out)
{
    int64_t seconds = 0;

    out->status = response->status;
    if (response->status >= 200 && response->status < 300) {
        out->result = HOOK_OK;
        return;
    }
    out->result = response->status == 410 ? HOOK_GONE : HOOK_FAILED;
    if (text_to_int(http_response_header(response, "retry-after"), &seconds))
        out->retry_after_ms = hook_retry_after_ms(seconds);
    if (response->status >= 300 && response->status < 400)
        snprintf(out->error, sizeof(out->error),
                 "It answered %d: redirects are not followed. Set the URL that it names.",
                 response->status);
    else
        snprintf(out->error, sizeof(out->error), "It answered %d.", response->status);
}

/* What is known of an address that may not be reached is not told. */
static void fail(int r, const char *host, const struct error *err, struct hook_reply *out)
{
    out->result = r == -E_CANCELED ? HOOK_CANCELED : HOOK_FAILED;
    if (r == -E_DENIED)
        snprintf(out->error, sizeof(out->error), "%.100s has no public address.", host);
    else if (r == -E_NOT_FOUND)
        snprintf(out->error, sizeof(out->error), "There is no host named %.100s.", host);
    else
        snprintf(out->error, sizeof(out->error), "%.190s", err->text);
}

static size_t write_signatures(const struct hook_message *message, int64_t now,
                               char out[2 * HOOK_SIGNATURE_SIZE])
{
    const struct hook_signed what = {message->id, now, message->body};
    char signature[HOOK_SIGNATURE_SIZE];
    int len;

    hook_sign(message->secret, &what, signature);
    len = snprintf(out, 2 * HOOK_SIGNATURE_SIZE, "%s", signature);
    if (message->previous && message->previous->len > 0) {
        hook_sign(message->previous, &what, signature);
        len += snprintf(out + len, 2 * HOOK_SIGNATURE_SIZE - (size_t)len, " %s", signature);
    }
    return (size_t)len;
}

/* A try that is under way, and what its headers point to. */
struct trying {
    const struct hook_message *message;
    const struct trace_context *context; /* NULL: its receiver is told of no trace */
    struct buf url;                      /* with secrets; nothing where it has none */
    struct open_secrets opened;          /* those */
    struct redactor *redactor;           /* of what is said back of them */
    struct http_target target;
    struct resolved pins;
    int64_t deadline_ms;
    struct buf answer;
    struct http_response response;
    char at[24];
    char signatures[2 * HOOK_SIGNATURE_SIZE];
    struct trace_headers trace;
    struct http_header headers[HEADERS_MAX];
    size_t headers_count;
};

static void add_header(struct trying *trying, struct text name, struct text value)
{
    ASSERT(trying->headers_count < HEADERS_MAX);
    trying->headers[trying->headers_count++] = (struct http_header){name, value};
}

static void write_headers(struct trying *trying)
{
    int64_t now = clock_wall_ms() / 1000;
    size_t len = write_signatures(trying->message, now, trying->signatures);
    size_t at_len = (size_t)snprintf(trying->at, sizeof(trying->at), "%" PRId64, now);

    add_header(trying, TEXT("Content-Type"), TEXT("application/json"));
    add_header(trying, TEXT("webhook-id"), text_of(trying->message->id));
    add_header(trying, TEXT("webhook-timestamp"), (struct text){trying->at, at_len});
    add_header(trying, TEXT("webhook-signature"), (struct text){trying->signatures, len});
    if (!trying->context)
        return;
    trace_headers_of(trying->context, &trying->trace);
    add_header(trying, TEXT("traceparent"), text_of(trying->trace.parent));
    if (trying->trace.state.len > 0)
        add_header(trying, TEXT("tracestate"), trying->trace.state);
}

SUSPENDS static int call(struct http_client *http, struct trying *trying, struct error *err)
{
    const struct http_call sent = {
        .method = "POST",
        .url = trying->target.url,
        .headers = trying->headers,
        .headers_count = trying->headers_count,
        .body = trying->message->body,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .total_timeout_ms = trying->deadline_ms - clock_ms(),
        .max_header_bytes = HEADER_BYTES_MAX,
        .on_body = keep_some,
        .arg = &trying->answer,
        .once = true,
    };

    if (sent.total_timeout_ms <= 0)
        return error_set(err, E_TIMEOUT, "the name %.100s could not be resolved in time",
                         trying->target.host);
    return http_call_pinned(http, &sent, trying->pins.addresses, trying->pins.count,
                            &trying->response, err);
}

/* The span of the try, below that of what it tells of. The URL is not in it: parts of it may be
 * secrets. */
static struct span *begin_span(const struct hook_trace *trace, const char *event)
{
    const struct span_start start = {
        .kind = SPAN_CLIENT,
        .parent = trace->context,
        .parent_is_remote = true,
    };
    struct span *span;

    if (!trace->context)
        return NULL;
    span = span_begin(trace->tracer, &start, "POST webhook");
    span_text(span, "http.request.method", TEXT("POST"));
    if (trace->tries > 0)
        span_int(span, "http.request.resend_count", trace->tries);
    span_text(span, "penstock.event.id", text_of(event));
    span_text(span, "penstock.event.type", trace->type);
    return span;
}

static void end_span(struct span *span, const struct http_target *target,
                     const struct hook_reply *reply)
{
    char type[16];

    if (!span_records(span))
        return;
    if (target->url) {
        span_text(span, "server.address", text_of(target->host));
        span_int(span, "server.port", target->port);
    }
    if (reply->status > 0)
        span_int(span, "http.response.status_code", reply->status);
    (void)snprintf(type, sizeof(type), "%d", reply->status);
    if (reply->result == HOOK_CANCELED)
        span_fail(span, "cancelled", "");
    else if (reply->result != HOOK_OK)
        span_fail(span, reply->status > 0 ? type : "no_answer", "");
    span_end(span);
}

/* Where it goes, with the secrets that the URL refers to. */
SUSPENDS static int find_target(struct trying *trying, struct error *err)
{
    const struct hook_message *message = trying->message;
    struct text names[HOOK_URL_SECRETS_MAX];
    struct text url = text_of(message->url);
    size_t count;
    int r;

    if (!message->vault.pg || !hook_url_has_secrets(url))
        return http_target_parse(message->url, &trying->target, err);
    r = hook_url_read(url, names, &count, err);
    if (r == 0)
        r = open_secrets_read(&message->vault, names, count, &trying->opened, err);
    if (r < 0)
        return r == -E_NOT_FOUND ? -E_CONTENT : r; /* it is no host that is not found */
    trying->redactor = redactor_new(trying->opened.items, trying->opened.count);
    r = hook_url_write(url, trying->opened.items, trying->opened.count, &trying->url, err);
    return r < 0 ? r : http_target_parse(buf_string(&trying->url), &trying->target, err);
}

/* What it answered, or why there is no answer. */
static void keep_reply(struct trying *trying, int r, const struct error *err,
                       struct hook_reply *out)
{
    CLEANUP(buf_deinit) struct buf text;
    struct buf *answer = &trying->answer;

    buf_init(&text, 0);
    if (r < 0) {
        fail(r, trying->target.url ? trying->target.host : "", err, out);
        redactor_write(trying->redactor, text_of(out->error), false, &text);
        text_excerpt(buf_text(&text), out->error, sizeof(out->error));
        return;
    }
    judge(&trying->response, out);
    http_response_deinit(&trying->response);
    buf_add_utf8(&text, (struct text){answer->ptr, utf8_without_half(answer->ptr, answer->len)});
    redactor_write(trying->redactor, buf_text(&text), answer->len == HOOK_ANSWER_BYTES,
                   &out->answer);
}

static void trying_deinit(struct trying *trying)
{
    if (trying->target.url)
        explicit_bzero(trying->target.url, strlen(trying->target.url));
    http_target_deinit(&trying->target);
    if (trying->url.len > 0)
        explicit_bzero(trying->url.ptr, trying->url.len);
    buf_deinit(&trying->url);
    open_secrets_wipe(&trying->opened);
    redactor_free(trying->redactor);
    buf_deinit(&trying->answer);
}

void hook_send(struct http_client *http, const struct guard_options *guard,
               const struct hook_message *message, struct hook_reply *out)
{
    struct span *span = begin_span(&message->trace, message->id);
    struct trying trying = {
        .message = message,
        .context = message->trace.tracer ? span_context(span, message->trace.context) : NULL,
        .deadline_ms = deadline_in(HOOK_TIMEOUT_MS),
    };
    struct http_target *target = &trying.target;
    int64_t start_ms = clock_ms();
    struct error err;
    int r;

    *out = (struct hook_reply){.result = HOOK_FAILED};
    buf_init(&out->answer, 0);
    buf_init(&trying.answer, HOOK_ANSWER_BYTES);
    buf_init(&trying.url, URL_BYTES_MAX);
    write_headers(&trying);
    r = find_target(&trying, &err);
    if (r == 0)
        r = guard_resolve(guard, target->host, target->port, trying.deadline_ms, &trying.pins,
                          &err);
    if (r == 0)
        r = call(http, &trying, &err);
    keep_reply(&trying, r, &err, out);
    out->duration_ms = clock_ms() - start_ms;
    end_span(span, target, out);
    trying_deinit(&trying);
}
