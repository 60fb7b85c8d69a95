/* The strict scan of a request's head.
 *
 * http-parser is lax: it takes a bare LF for the end of a line, white space before the colon,
 * folded lines, any version number, and more. Where two parsers on the way disagree, requests are
 * smuggled (RFC 9112, section 11.2), so whatever is doubtful is refused here with 400, and its
 * limits with 414 and 431, before anything is interpreted.
 *
 * The invariant: the verdict is a function of the bytes alone. Each byte is judged when it is
 * looked at, and a line when its LF is; nothing looks ahead. A limit outranks a malformed line that
 * crosses it, in one packet as in a hundred.
 */

#include "shared/http_server/scan.h"

#include "shared/base/error.h"

enum byte_class {
    BYTE_BAD,   /* control characters */
    BYTE_LINE,  /* CR, LF */
    BYTE_PLAIN, /* may stand in a value: tab, blank, visible, 0x80 and above */
    BYTE_TOKEN, /* may stand in a token too (RFC 9110, section 5.6.2) */
};

static const unsigned char classes[256] = {
    ['\t'] = BYTE_PLAIN,          ['\n'] = BYTE_LINE,         ['\r'] = BYTE_LINE,
    [' '] = BYTE_PLAIN,           ['!'] = BYTE_TOKEN,         ['"'] = BYTE_PLAIN,
    ['#' ... '\''] = BYTE_TOKEN,  ['(' ... ')'] = BYTE_PLAIN, ['*' ... '+'] = BYTE_TOKEN,
    [','] = BYTE_PLAIN,           ['-' ... '.'] = BYTE_TOKEN, ['/'] = BYTE_PLAIN,
    ['0' ... '9'] = BYTE_TOKEN,   [':' ... '@'] = BYTE_PLAIN, ['A' ... 'Z'] = BYTE_TOKEN,
    ['[' ... ']'] = BYTE_PLAIN,   ['^' ... 'z'] = BYTE_TOKEN, ['{'] = BYTE_PLAIN,
    ['|'] = BYTE_TOKEN,           ['}'] = BYTE_PLAIN,         ['~'] = BYTE_TOKEN,
    [0x80 ... 0xFF] = BYTE_PLAIN,
};

static const char *const method_names[] = {
    [HTTP_METHOD_GET] = "GET",         [HTTP_METHOD_HEAD] = "HEAD",
    [HTTP_METHOD_POST] = "POST",       [HTTP_METHOD_PUT] = "PUT",
    [HTTP_METHOD_PATCH] = "PATCH",     [HTTP_METHOD_DELETE] = "DELETE",
    [HTTP_METHOD_OPTIONS] = "OPTIONS",
};

const char *http_method_name(enum http_method method)
{
    return method_names[method];
}

bool http_method_parse(struct text name, enum http_method *out)
{
    for (size_t i = 0; i < ARRAY_LENGTH(method_names); i++) {
        if (text_is(name, method_names[i])) {
            *out = (enum http_method)i;
            return true;
        }
    }
    return false;
}

static int refuse(struct http_scan *scan, int status, const char *why, struct error *err)
{
    scan->status = status;
    return error_set(err, E_PROTOCOL, "%s", why);
}

/* How many bytes at the beginning are token characters. */
static size_t token_len(struct text text)
{
    size_t len = 0;

    while (len < text.len && classes[(unsigned char)text.ptr[len]] == BYTE_TOKEN)
        len++;
    return len;
}

static int check_version(struct http_scan *scan, struct text version, struct error *err)
{
    if (text_is(version, "HTTP/1.1") || text_is(version, "HTTP/1.0"))
        return 0;
    if (version.len == 8 && text_starts(version, "HTTP/") && version.ptr[6] == '.' &&
        version.ptr[5] >= '0' && version.ptr[5] <= '9' && version.ptr[7] >= '0' &&
        version.ptr[7] <= '9')
        return refuse(scan, 505, "HTTP version is not supported: use HTTP/1.1", err);
    return refuse(scan, 400, "request line must end with HTTP/1.1", err);
}

static int check_target(struct http_scan *scan, struct text target, struct error *err)
{
    for (size_t i = 0; i < target.len; i++) {
        unsigned char c = (unsigned char)target.ptr[i];
        int high;
        int low;

        if (c <= ' ' || c >= 0x7F)
            return refuse(scan, 400, "request target has a byte that must be percent-encoded", err);
        if (c == '#')
            return refuse(scan, 400, "request target must not have a fragment", err);
        if (c != '%')
            continue;
        high = i + 1 < target.len ? text_hex_digit(target.ptr[i + 1]) : -1;
        low = i + 2 < target.len ? text_hex_digit(target.ptr[i + 2]) : -1;
        if (high < 0 || low < 0)
            return refuse(scan, 400, "request target has a malformed percent escape", err);
        if (high == 0 && low == 0)
            return refuse(scan, 400, "request target must not contain %00", err);
        i += 2;
    }
    return 0;
}

static int check_request_line(struct http_scan *scan, struct text line, struct error *err)
{
    enum http_method known;
    struct text method;
    struct text target;
    struct text version;
    int r;

    if (!text_cut(line, ' ', &method, &line) || !text_cut(line, ' ', &target, &version))
        return refuse(scan, 400, "request line must be: method, target, HTTP/1.1", err);
    r = check_version(scan, version, err);
    if (r < 0)
        return r;
    if (!http_method_parse(method, &known)) {
        if (method.len == 0 || token_len(method) < method.len)
            return refuse(scan, 400, "request line has a malformed method", err);
        return refuse(scan, 501, "method is not supported", err);
    }
    if (!text_starts(target, "/") && !(known == HTTP_METHOD_OPTIONS && text_is(target, "*")))
        return refuse(scan, 400, "request target must be a path that begins with /", err);
    return check_target(scan, target, err);
}

static int check_header_line(struct http_scan *scan, struct text line, struct error *err)
{
    size_t len = token_len(line);

    if (line.ptr[0] == ' ' || line.ptr[0] == '\t')
        return refuse(scan, 400, "header lines must not be folded or begin with white space", err);
    if (line.ptr[0] == ':')
        return refuse(scan, 400, "header has an empty name", err);
    if (len == line.len)
        return refuse(scan, 400, "header line has no colon", err);
    if (line.ptr[len] == ' ' || line.ptr[len] == '\t')
        return refuse(scan, 400, "header has white space before its colon", err);
    if (line.ptr[len] != ':')
        return refuse(scan, 400, "header name has a character that names must not have", err);
    return 0;
}

/* A line is complete. Returns 0 when it was the empty one after the headers, else as
 * http_scan_head. */
static int end_line(struct http_scan *scan, struct text line, const struct http_limits *limits,
                    struct error *err)
{
    int r;

    scan->after_cr = false;
    scan->line_at = scan->at;
    if (scan->headers_at == 0) {
        if (line.len == 0) {
            if (scan->skipped_blank)
                return refuse(scan, 400, "request line is empty", err);
            scan->skipped_blank = true;
            return HTTP_SCAN_MORE;
        }
        scan->headers_at = scan->at;
        r = check_request_line(scan, line, err);
    } else {
        if (line.len == 0)
            return 0;
        if (++scan->headers > limits->headers) {
            scan->status = 431;
            return error_set(err, E_LIMIT, "request has more than %zu headers", limits->headers);
        }
        r = check_header_line(scan, line, err);
    }
    return r < 0 ? r : HTTP_SCAN_MORE;
}

static int refuse_long(struct http_scan *scan, const struct http_limits *limits, struct error *err)
{
    if (scan->headers_at == 0) {
        scan->status = 414;
        return error_set(err, E_LIMIT, "request line is longer than %zu bytes",
                         limits->request_line_bytes);
    }
    scan->status = 431;
    return error_set(err, E_LIMIT, "headers are larger than %zu bytes", limits->header_bytes);
}

/* Where the first byte would stand that the present limit forbids. */
static size_t limit_at(const struct http_scan *scan, const struct http_limits *limits)
{
    if (scan->headers_at == 0)
        return scan->line_at + limits->request_line_bytes;
    return scan->headers_at + limits->header_bytes;
}

int http_scan_head(struct http_scan *scan, struct text bytes, const struct http_limits *limits,
                   struct error *err)
{
    size_t end = limit_at(scan, limits);

    while (scan->at < bytes.len) {
        unsigned char c = (unsigned char)bytes.ptr[scan->at];
        struct text line;
        int r;

        if (scan->after_cr && c != '\n')
            return refuse(scan, 400, "request has a CR that no LF follows", err);
        if (classes[c] != BYTE_LINE) {
            if (scan->at >= end)
                return refuse_long(scan, limits, err);
            if (classes[c] == BYTE_BAD)
                return refuse(scan, 400, "request has a control character in its head", err);
            scan->at++;
            continue;
        }
        scan->at++;
        if (c == '\r') {
            scan->after_cr = true;
            continue;
        }
        if (!scan->after_cr)
            return refuse(scan, 400, "request has an LF that no CR precedes", err);
        line = (struct text){bytes.ptr + scan->line_at, scan->at - 2 - scan->line_at};
        r = end_line(scan, line, limits, err);
        if (r != HTTP_SCAN_MORE)
            return r;
        end = limit_at(scan, limits);
    }
    return HTTP_SCAN_MORE;
}
