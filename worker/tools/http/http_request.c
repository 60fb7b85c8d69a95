/* The http_request tool: check the arguments, pass the gates, call, and write what the model reads.
 *
 * The reply is cut, not refused, when it is long; bodies that are no text are described, not shown;
 * of the headers only those that help to decide what to do next are passed on.
 *
 * Texts of errors go to the model, so they say what to do instead and never an internal address.
 */

#include "worker/tools/http/http_request.h"

#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/utf8.h"
#include "shared/check/header_rules.h"
#include "shared/http_client/http_client.h"
#include "shared/http_client/http_target.h"
#include "shared/json/json.h"
#include "shared/tools/reply_text.h"
#include "shared/trace/trace_context.h"

#define HEADERS_MAX        TOOL_HEADERS_MAX
#define HEADERS_BYTES      ((size_t)32 << 10)
#define REQUEST_BODY_BYTES ((size_t)1 << 20)
#define SHOWN_HEADER_BYTES 1024
#define CONNECT_TIMEOUT_MS 10000
#define OWN_HEADERS        4 /* Content-Type, Idempotency-Key, traceparent, tracestate */
#define REPLY_HEADER_BYTES ((size_t)32 << 10)

const char http_request_description[] =
    "Makes one HTTP request and returns status, headers and body. Only hosts that the agent's "
    "owner "
    "listed can be reached. Redirects are not followed: request the Location yourself. Long bodies "
    "are cut.";

const char http_request_parameters[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"method\":{\"type\":\"string\",\"enum\":[\"GET\",\"POST\",\"PUT\",\"PATCH\",\"DELETE\","
    "\"HEAD\"]},"
    "\"url\":{\"type\":\"string\",\"description\":\"http or https, with host\",\"minLength\":1,"
    "\"maxLength\":8192},"
    "\"headers\":{\"type\":\"object\",\"description\":\"Names and values\","
    "\"additionalProperties\":{\"type\":\"string\"}},"
    "\"body\":{\"type\":\"string\",\"description\":\"Not with GET or HEAD\"}},"
    "\"required\":[\"method\",\"url\"],\"additionalProperties\":false}";

struct request {
    const char *method;
    struct http_target target;
    struct http_header headers[HEADERS_MAX + OWN_HEADERS];
    struct trace_headers trace;
    size_t headers_count;
    struct text body;
    struct resolved pins;
};

enum call_class http_request_class(struct json_object *arguments)
{
    struct text method = json_get_text(arguments, "method");

    return text_is(method, "POST") || text_is(method, "PATCH") ? CALL_ONCE : CALL_IDEMPOTENT;
}

void http_request_describe(struct json_object *arguments, struct buf *out)
{
    struct text url = json_get_text(arguments, "url");
    struct http_target target = {.url = NULL};
    char method[16];

    text_excerpt(json_get_text(arguments, "method"), method, sizeof(method));
    buf_printf(out, " %s", method);
    if (url.ptr && strlen(url.ptr) == url.len && http_target_parse(url.ptr, &target, NULL) == 0)
        buf_printf(out, " %s", target.host);
    http_target_deinit(&target);
}

static bool changes_something(const char *method)
{
    return strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0;
}

static int read_method(struct json_object *arguments, struct request *request, struct error *err)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"};
    struct text method = json_get_text(arguments, "method");

    for (size_t i = 0; i < ARRAY_LENGTH(methods); i++) {
        if (text_is(method, methods[i])) {
            request->method = methods[i];
            return 0;
        }
    }
    return error_set(err, E_INVALID,
                     "\"method\" must be one of GET, POST, PUT, PATCH, DELETE and HEAD");
}

static int read_body(struct json_object *arguments, struct request *request, struct error *err)
{
    struct json_object *body = json_get(arguments, "body");

    if (body && !json_object_is_type(body, json_type_string))
        return error_set(err, E_INVALID, "\"body\" must be a string; write JSON as its text");
    request->body = json_string(body);
    if (request->body.len > 0 && !changes_something(request->method))
        return error_set(err, E_INVALID, "a %s request has no body: leave \"body\" out",
                         request->method);
    if (request->body.len > REQUEST_BODY_BYTES)
        return error_set(err, E_INVALID, "\"body\" is larger than %zu bytes", REQUEST_BODY_BYTES);
    return 0;
}

static bool is_reserved(struct text name, const struct http_request_options *options)
{
    return header_is_reserved(name) ||
           (options->idempotency_key.len > 0 && text_is_nocase(name, "idempotency-key"));
}

static int add_header(struct request *request, const struct http_request_options *options,
                      struct http_header header, struct error *err)
{
    if (!header_name_fits(header.name))
        return error_set(err, E_INVALID, "\"headers\" holds a name that is no header name");
    if (is_reserved(header.name, options))
        return error_set(err, E_INVALID,
                         "the header %.*s can't be set by a tool call: leave it out",
                         TEXT_ARGS(header.name));
    if (!header_value_fits(header.value))
        return error_set(err, E_INVALID,
                         "the value of the header %.*s holds a line break or another control "
                         "character, or is longer than %zu bytes",
                         TEXT_ARGS(header.name), TOOL_HEADER_VALUE_BYTES);
    request->headers[request->headers_count++] = header;
    return 0;
}

static bool has_header(const struct request *request, const char *name)
{
    for (size_t i = 0; i < request->headers_count; i++)
        if (text_is_nocase(request->headers[i].name, name))
            return true;
    return false;
}

static struct text guess_type(struct text body)
{
    struct text trimmed = text_trim(body);

    if (trimmed.len > 0 && (trimmed.ptr[0] == '{' || trimmed.ptr[0] == '['))
        return TEXT("application/json");
    return TEXT("text/plain; charset=utf-8");
}

static int read_headers(struct json_object *arguments, const struct http_request_options *options,
                        struct request *request, struct error *err)
{
    struct json_object *headers = json_get(arguments, "headers");
    size_t bytes = 0;

    if (headers && !json_object_is_type(headers, json_type_object))
        return error_set(err, E_INVALID, "\"headers\" must be an object of strings");
    if (headers && json_object_object_length(headers) > HEADERS_MAX)
        return error_set(err, E_INVALID, "\"headers\" holds more than %d headers", HEADERS_MAX);
    if (headers) {
        json_object_object_foreach(headers, name, value)
        {
            struct http_header header = {text_of(name), json_string(value)};
            int r;

            if (!header.value.ptr)
                return error_set(err, E_INVALID, "the values in \"headers\" must be strings");
            bytes += header.name.len + header.value.len;
            if (bytes > HEADERS_BYTES)
                return error_set(err, E_INVALID, "\"headers\" is larger than %zu bytes",
                                 HEADERS_BYTES);
            r = add_header(request, options, header, err);
            if (r < 0)
                return r;
        }
    }
    if (request->body.len > 0 && !has_header(request, "content-type"))
        request->headers[request->headers_count++] =
            (struct http_header){TEXT("Content-Type"), guess_type(request->body)};
    if (options->idempotency_key.len > 0 && changes_something(request->method))
        request->headers[request->headers_count++] =
            (struct http_header){TEXT("Idempotency-Key"), options->idempotency_key};
    if (options->trace && !has_header(request, "traceparent")) {
        trace_headers_of(options->trace, &request->trace);
        request->headers[request->headers_count++] =
            (struct http_header){TEXT("traceparent"), text_of(request->trace.parent)};
        if (request->trace.state.len > 0 && !has_header(request, "tracestate"))
            request->headers[request->headers_count++] =
                (struct http_header){TEXT("tracestate"), request->trace.state};
    }
    return 0;
}

static int read_url(struct json_object *arguments, struct request *request, struct error *err)
{
    struct text url = json_get_text(arguments, "url");

    if (!url.ptr || url.len == 0)
        return error_set(err, E_INVALID, "\"url\" must be a string such as https://host/path");
    if (strlen(url.ptr) != url.len)
        return error_set(err, E_INVALID, "\"url\" holds a NUL character");
    return http_target_parse(url.ptr, &request->target, err);
}

static int read_arguments(struct json_object *arguments, const struct http_request_options *options,
                          struct request *request, struct error *err)
{
    int r;

    if (!json_object_is_type(arguments, json_type_object))
        return error_set(err, E_INVALID, "the arguments must be a JSON object");
    r = read_method(arguments, request, err);
    if (r == 0)
        r = read_body(arguments, request, err);
    if (r == 0)
        r = read_headers(arguments, options, request, err);
    if (r == 0)
        r = read_url(arguments, request, err);
    return r;
}

static void write_headers(const struct http_response *response, struct buf *out)
{
    static const char *const shown[] = {
        "content-type", "location",      "retry-after", "etag",
        "link",         "last-modified", "allow",       "www-authenticate"};
    const char *separator = "";

    buf_add_string(out, ",\"headers\":{");
    for (size_t i = 0; i < ARRAY_LENGTH(shown); i++) {
        struct text value = http_response_header(response, shown[i]);

        if (!value.ptr)
            continue;
        value = text_prefix(value, SHOWN_HEADER_BYTES);
        if (!reply_is_readable(value))
            continue;
        buf_printf(out, "%s\"%s\":", separator, shown[i]);
        buf_add_json(out, value);
        separator = ",";
    }
    buf_add_char(out, '}');
}

static void write_body(const struct http_response *response, struct buf *out)
{
    struct text body = response->body;

    if (response->truncated)
        body.len = utf8_without_half(body.ptr, body.len);
    if (!reply_is_readable(body)) {
        buf_printf(out,
                   ",\"body\":\"\",\"note\":\"the body is left out: %s%zu bytes that are no UTF-8 "
                   "text\"",
                   response->truncated ? "more than " : "", response->body.len);
        return;
    }
    buf_add_string(out, ",\"body\":");
    buf_add_json(out, body);
    if (response->truncated)
        buf_printf(out, ",\"note\":\"the body was longer and is cut after %zu bytes\"", body.len);
}

static int write_result(const struct http_response *response, struct buf *out, struct error *err)
{
    buf_printf(out, "{\"status\":%d", response->status);
    write_headers(response, out);
    write_body(response, out);
    buf_add_char(out, '}');
    if (buf_check(out, NULL) < 0)
        return error_set(err, E_LIMIT, "the reply is too large to be shown; ask for less of it");
    return 0;
}

/* Where the server says how long its body is, that. */
static void report_cut(const struct http_response *response, struct call_report *report)
{
    int64_t said = 0;

    report->is_cut = response->truncated;
    if (response->truncated &&
        text_to_int(http_response_header(response, "content-length"), &said) &&
        said > (int64_t)response->body.len)
        report->bytes = said;
}

static int send_request(struct http_client *client, const struct http_request_options *options,
                        struct request *request, int64_t deadline_ms, struct buf *out,
                        struct error *err)
{
    struct http_response response = {0};
    struct http_call call = {
        .method = request->method,
        .url = request->target.url,
        .headers = request->headers,
        .headers_count = request->headers_count,
        .body = request->body,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .max_header_bytes = REPLY_HEADER_BYTES,
        .truncate_body = true,
        .once = true,
    };
    int r = guard_resolve_named(&options->guard, request->target.host, request->target.port,
                                deadline_ms, &request->pins, err);

    if (r < 0)
        return r;
    call.max_body_bytes = options->max_response_body_bytes ? options->max_response_body_bytes
                                                           : HTTP_REQUEST_MAX_BODY_BYTES;
    call.total_timeout_ms = deadline_ms - clock_ms();
    if (call.total_timeout_ms <= 0)
        return error_set(err, E_TIMEOUT, "no time was left for the request");
    r = http_call_pinned(client, &call, request->pins.addresses, request->pins.count, &response,
                         err);
    if (r < 0)
        return r;
    r = write_result(&response, out, err);
    if (options->out_report)
        report_cut(&response, options->out_report);
    http_response_deinit(&response);
    return r;
}

int http_request_run(struct http_client *client, const struct http_request_options *options,
                     struct json_object *arguments, struct buf *out, struct error *err)
{
    int64_t deadline_ms =
        deadline_in(options->timeout_ms > 0 ? options->timeout_ms : HTTP_REQUEST_TIMEOUT_MS);
    struct request request = {0};
    int r;

    if (options->deadline_ms > 0)
        deadline_ms = deadline_min(deadline_ms, options->deadline_ms);
    r = read_arguments(arguments, options, &request, err);
    if (r == 0)
        r = http_target_check(&request.target, options->allow, options->allow_count, err);
    if (r == 0)
        r = send_request(client, options, &request, deadline_ms, out, err);
    http_target_deinit(&request.target);
    return r;
}
