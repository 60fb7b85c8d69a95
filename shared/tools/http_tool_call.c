/* Calls of declared HTTP tools. */

#include "shared/tools/http_tool_call.h"

#include <string.h>

#include "shared/base/backoff.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/utf8.h"
#include "shared/fiber/fiber.h"
#include "shared/http_client/http_target.h"
#include "shared/tools/http_tool_request.h"
#include "shared/tools/reply_text.h"
#include "shared/trace/trace_context.h"

#define CONNECT_TIMEOUT_MS 10000
#define REPLY_HEADER_BYTES ((size_t)32 << 10)
#define POINTED_BYTES_MAX  ((size_t)1 << 20)  /* of a reply that a pointer looks into */
#define SECRET_FORM_BYTES  ((size_t)96 << 10) /* of a secret, in its longest form */
#define ERROR_BODY_BYTES   2048
#define RETRY_BASE_MS      200
#define RETRY_CAP_MS       5000
#define OWN_HEADERS        2 /* Idempotency-Key and traceparent */

/* A call while it is made. */
struct making {
    const struct http_tool_call *call;
    const struct redactor *redactor;
    struct http_tool_request request;
    struct http_target target;
    struct http_header headers[TOOL_HEADERS_MAX + 1 + OWN_HEADERS];
    size_t headers_count;
    char traceparent[TRACEPARENT_SIZE];
    int64_t deadline_ms;
};

static void add_headers(struct making *making)
{
    const struct http_tool_call *call = making->call;
    const struct http_tool_request *request = &making->request;

    memcpy(making->headers, request->headers, request->headers_count * sizeof(making->headers[0]));
    making->headers_count = request->headers_count;
    if (call->key.len > 0 && call->tool->class != CALL_PURE)
        making->headers[making->headers_count++] =
            (struct http_header){TEXT("Idempotency-Key"), call->key};
    if (!call->trace || http_tool_header(call->tool, "traceparent").ptr)
        return;
    traceparent_format(call->trace, making->traceparent);
    making->headers[making->headers_count++] =
        (struct http_header){TEXT("traceparent"), text_of(making->traceparent)};
}

/* ---- one try ---- */

static size_t bytes_wanted(const struct http_tool_call *call)
{
    if (call->tool->result_pointer.len > 0)
        return POINTED_BYTES_MAX;
    return call->tool->max_result_bytes + (call->secrets_count > 0 ? SECRET_FORM_BYTES : 0);
}

static int try_once(struct making *making, struct http_response *out, struct error *err)
{
    struct resolved pins;
    struct http_call call = {
        .method = making->request.method,
        .url = making->target.url,
        .headers = making->headers,
        .headers_count = making->headers_count,
        .body = buf_text(&making->request.body),
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .max_header_bytes = REPLY_HEADER_BYTES,
        .max_body_bytes = bytes_wanted(making->call),
        .truncate_body = true,
        .once = true,
    };
    int r = guard_resolve_named(making->call->guard, making->target.host, making->target.port,
                                making->deadline_ms, &pins, err);

    if (r < 0)
        return r;
    call.total_timeout_ms = making->deadline_ms - clock_ms();
    if (call.total_timeout_ms <= 0)
        return error_set(err, E_TIMEOUT, "no time was left for the request");
    return http_call_pinned(making->call->http, &call, pins.addresses, pins.count, out, err);
}

/* ---- tries ---- */

/* Whether another try may go better, and has the effect of one. Where nothing was sent it always
 * has. */
static bool may_try_again(const struct http_tool *tool, int r, int status)
{
    if (r == -E_UNAVAILABLE)
        return true;
    if (tool->class == CALL_ONCE)
        return false;
    return r == -E_CLOSED ||
           (r == 0 && (status == 429 || status == 502 || status == 503 || status == 504));
}

/* What the server asks for, or a backoff; -1: there is no time for it. */
static int64_t wait_of(const struct making *making, const struct http_response *response,
                       struct backoff *backoff)
{
    int64_t wait_ms = backoff_next_ms(backoff);
    struct text said = response ? http_response_header(response, "retry-after") : TEXT_NONE;
    int64_t seconds;

    if (said.ptr && text_to_int(text_trim(said), &seconds) && seconds >= 0 && seconds < 86400 &&
        seconds * 1000 > wait_ms)
        wait_ms = seconds * 1000;
    return clock_ms() + wait_ms < making->deadline_ms ? wait_ms : -1;
}

static int try_all(struct making *making, struct http_response *out,
                   struct http_tool_result *result, struct error *err)
{
    struct backoff backoff = {.policy = {RETRY_BASE_MS, RETRY_CAP_MS}};

    for (;;) {
        struct error slept;
        int64_t wait_ms = -1;
        int r;

        *out = (struct http_response){0};
        r = try_once(making, out, err);
        result->tries++;
        if (may_try_again(making->call->tool, r, out->status) &&
            result->tries < HTTP_TOOL_TRIES_MAX)
            wait_ms = wait_of(making, r == 0 ? out : NULL, &backoff);
        if (wait_ms < 0)
            return r;
        if (r == 0)
            http_response_deinit(out);
        if (fiber_sleep(wait_ms, &slept) < 0) {
            *err = slept;
            return -slept.code;
        }
    }
}

/* Of a call that may be made once only, what failed behind its sending is not known. */
static int tell_doubt(const struct http_tool *tool, int r, struct error *err)
{
    const struct error failed = *err; /* what is formatted must not be what is written */

    if (tool->class != CALL_ONCE || (r != -E_CLOSED && r != -E_TIMEOUT && r != -E_PROTOCOL))
        return r;
    return error_set(err, failed.code,
                     "%.150s; whether the request took effect is not known, find out before you "
                     "make it again",
                     failed.text);
}

/* ---- what the model is told ---- */

static void cut(struct buf *out, size_t begin, size_t max)
{
    if (out->failed || out->len - begin <= max)
        return;
    out->len = begin + utf8_without_half(out->ptr + begin, max);
    out->ptr[out->len] = '\0';
}

/* The body or its beginning, without secrets. */
static void write_text(const struct making *making, struct text body, bool is_cut, size_t max,
                       struct buf *out)
{
    size_t begin = out->len;

    redactor_write(making->redactor, body, is_cut, out);
    cut(out, begin, max);
}

static void write_error(const struct making *making, const struct http_response *response,
                        struct buf *out)
{
    struct text body = response->body;

    if (response->truncated)
        body.len = utf8_without_half(body.ptr, body.len);
    if (response->status >= 300 && response->status < 400) {
        buf_printf(out, "Error: the server answered %d, a redirect, which is not followed.",
                   response->status);
        return;
    }
    buf_printf(out, "Error: the server answered %d", response->status);
    if (text_trim(body).len == 0 || !reply_is_readable(body)) {
        buf_add_char(out, '.');
        return;
    }
    buf_add_string(out, ": ");
    write_text(making, body, response->truncated, ERROR_BODY_BYTES, out);
}

/* What the pointer names: a string as it is, all else as JSON. */
static int write_pointed(const struct making *making, const struct http_response *response,
                         struct http_tool_result *result, struct buf *out, struct error *err)
{
    const struct http_tool *tool = making->call->tool;
    CLEANUP(json_freep) struct json_object *read = NULL;
    char pointer[HTTP_TOOL_RESULT_POINTER_MAX * 4 + 1];
    struct json_object *found = NULL;
    struct text text;
    size_t begin = out->len;
    int r;

    text_excerpt(tool->result_pointer, pointer, sizeof(pointer));
    if (response->truncated)
        return error_set(err, E_LIMIT,
                         "the server's answer is larger than %zu bytes, and only a "
                         "part of it is wanted",
                         POINTED_BYTES_MAX);
    r = json_decode(response->body, JSON_DEPTH_DEFAULT, &read, NULL);
    if (r < 0)
        return error_set(err, E_PROTOCOL, "the server's answer is no JSON that could be read");
    if (json_pointer_get(read, pointer, &found) != 0)
        return error_set(err, E_PROTOCOL, "the server's answer has nothing at %.100s", pointer);
    text = json_string(found).ptr ? json_string(found) : json_text(found);
    redactor_write(making->redactor, text, false, out);
    result->uncut_bytes = out->len - begin;
    result->is_cut = result->uncut_bytes > tool->max_result_bytes;
    cut(out, begin, tool->max_result_bytes);
    return 0;
}

/* Of a body that was not read to its end, as the server says it. */
static size_t whole_bytes(const struct http_response *response, size_t read_bytes)
{
    int64_t said = 0;

    if (response->truncated &&
        text_to_int(http_response_header(response, "content-length"), &said) &&
        said > (int64_t)read_bytes)
        return (size_t)said;
    return read_bytes;
}

static int write_result(const struct making *making, const struct http_response *response,
                        struct http_tool_result *result, struct buf *out, struct error *err)
{
    const struct http_tool *tool = making->call->tool;
    struct text body = response->body;
    size_t begin = out->len;
    int r = 0;

    if (response->truncated)
        body.len = utf8_without_half(body.ptr, body.len);
    if (text_trim(body).len == 0) {
        buf_printf(out, "The server answered %d, without a body.", response->status);
        return 0;
    }
    if (tool->result_pointer.len > 0) {
        r = write_pointed(making, response, result, out, err);
    } else if (!reply_is_readable(body)) {
        buf_printf(out, "The server answered %d, with %s%zu bytes that are no UTF-8 text.",
                   response->status, response->truncated ? "more than " : "", body.len);
        return 0;
    } else {
        redactor_write(making->redactor, body, response->truncated, out);
        result->uncut_bytes = whole_bytes(response, out->len - begin);
        result->is_cut = response->truncated || result->uncut_bytes > tool->max_result_bytes;
        cut(out, begin, tool->max_result_bytes);
    }
    if (r == 0 && result->is_cut)
        buf_printf(out, "\n[The answer was longer, and is cut here after %zu bytes.]",
                   out->len - begin);
    return r;
}

static int call_server(struct making *making, struct buf *out, struct http_tool_result *result,
                       struct error *err)
{
    struct http_response response;
    int r = try_all(making, &response, result, err);

    if (r < 0)
        return tell_doubt(making->call->tool, r, err);
    result->status = response.status;
    result->bytes = response.body.len;
    result->is_error = response.status < 200 || response.status >= 300;
    if (result->is_error)
        write_error(making, &response, out);
    else
        r = write_result(making, &response, result, out, err);
    http_response_deinit(&response);
    return r;
}

int http_tool_run(const struct http_tool_call *call, struct buf *out,
                  struct http_tool_result *result, struct error *err)
{
    CLEANUP(json_freep) struct json_object *arguments = NULL;
    struct template_values values = {.secrets = call->secrets,
                                     .secrets_count = call->secrets_count};
    struct making making = {.call = call};
    struct redactor *redactor;
    int64_t start_ms = clock_ms();
    int r = http_tool_arguments(call->tool, call->arguments, &arguments, err);

    *result = (struct http_tool_result){.status = 0};
    if (r < 0)
        return r;
    making.deadline_ms = call->deadline_ms;
    if (call->tool->timeout_ms > 0)
        making.deadline_ms = deadline_min(making.deadline_ms, deadline_in(call->tool->timeout_ms));
    redactor = redactor_new(call->secrets, call->secrets_count);
    making.redactor = redactor;
    values.arguments = arguments;
    r = http_tool_request_make(call->tool, &values, &making.request, err);
    if (r == 0)
        r = http_target_parse(buf_string(&making.request.url), &making.target, err);
    if (r == 0) {
        add_headers(&making);
        r = call_server(&making, out, result, err);
    }
    if (making.target.url)
        explicit_bzero(making.target.url, strlen(making.target.url));
    http_target_deinit(&making.target);
    http_tool_request_deinit(&making.request);
    redactor_free(redactor);
    result->took_ms = clock_ms() - start_ms;
    return r;
}
