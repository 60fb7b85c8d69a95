/* Replies.
 *
 * Head and body leave in one system call. What frames the reply (Content-Length, Transfer-Encoding,
 * Connection) is decided here alone; the application adds other headers.
 *
 * A stream gets a small send buffer: with the kernel's own sizing a reader that never reads would
 * hold megabytes there, and the writer would not notice for as long.
 */

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/http_server/connection.h"

#define HEAD_BYTES          512
#define EXTRA_HEADERS_BYTES 65536
#define STREAM_SNDBUF_BYTES 16384  /* the kernel doubles it, for its own accounts */
#define SIZED_SNDBUF_BYTES  131072 /* of what is long, and read as fast as can be */
#define CHUNK_LINE_BYTES    20

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {424, "Failed Dependency"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
    {529, "Overloaded"},
};

static const char *reason_of(int status)
{
    for (size_t i = 0; i < ARRAY_LENGTH(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Other";
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, section 5.6.7), made once a second. */
static struct text date_now(void)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    static time_t made = -1;
    static char date[64];
    time_t now = (time_t)(clock_wall_ms() / 1000);

    if (now != made) {
        struct tm tm;

        gmtime_r(&now, &tm);
        snprintf(date, sizeof(date), "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
                 days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900,
                 tm.tm_hour, tm.tm_min, tm.tm_sec);
        made = now;
    }
    return text_of(date);
}

static void add_number(struct buf *buf, size_t number, unsigned base)
{
    char digits[24];
    size_t at = sizeof(digits);

    do {
        digits[--at] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number > 0);
    buf_add(buf, digits + at, sizeof(digits) - at);
}

static void add_header(struct buf *buf, const char *name, struct text value)
{
    buf_add_string(buf, name);
    buf_add(buf, ": ", 2);
    buf_add_text(buf, value);
    buf_add(buf, "\r\n", 2);
}

static bool is_one_line(struct text value)
{
    return value.len == 0 ||
           (!memchr(value.ptr, '\r', value.len) && !memchr(value.ptr, '\n', value.len));
}

void http_add_header(struct http_exchange *exchange, const char *name, struct text value)
{
    ASSERT(exchange->status == 0);
    ASSERT(is_one_line(value));
    ASSERT(is_one_line(text_of(name)));
    add_header(&exchange->extra_headers, name, value);
}

/* Up to what the framing adds. Statuses without a body have no Content-Length either. */
static void begin_head(struct http_exchange *exchange, int status, const char *content_type,
                       struct buf *head)
{
    struct http_connection *connection = exchange->connection;
    const struct http_request *request = &connection->parse.request;

    ASSERT(exchange->status == 0);
    ASSERT(status >= 200 && status <= 599);
    ASSERT(!content_type || is_one_line(text_of(content_type)));
    exchange->status = status;
    if (!request->keep_alive || connection->server->draining ||
        connection->parse.state != HTTP_PARSE_DONE)
        connection->closing = true;

    buf_init(head, HEAD_BYTES + EXTRA_HEADERS_BYTES);
    buf_reserve(head, HEAD_BYTES + exchange->extra_headers.len);
    buf_add(head, "HTTP/1.1 ", 9);
    add_number(head, (size_t)status, 10);
    buf_add_char(head, ' ');
    buf_add_string(head, reason_of(status));
    buf_add(head, "\r\nDate: ", 8);
    buf_add_text(head, date_now());
    buf_add(head, "\r\n", 2);
    if (content_type)
        add_header(head, "Content-Type", text_of(content_type));
    add_header(head, "x-request-id", text_of(exchange->request_id));
    if (connection->closing)
        buf_add_string(head, "Connection: close\r\n");
    buf_add_text(head, buf_text(&exchange->extra_headers));
}

static bool has_no_body(int status)
{
    return status == 204 || status == 304;
}

static int send_reply(struct http_exchange *exchange, int status, const char *content_type,
                      struct text body)
{
    bool bodyless = has_no_body(status);
    CLEANUP(buf_deinit) struct buf head;
    struct error err = {0};
    struct iovec parts[2];
    size_t count = 1;

    begin_head(exchange, status, content_type, &head);
    if (!bodyless) {
        buf_add_string(&head, "Content-Length: ");
        add_number(&head, body.len, 10);
        buf_add(&head, "\r\n", 2);
    }
    buf_add(&head, "\r\n", 2);
    if (buf_check(&head, &err) < 0) {
        exchange->connection->broken = true;
        return -E_LIMIT;
    }
    parts[0] = (struct iovec){head.ptr, head.len};
    if (!bodyless && exchange->method != HTTP_METHOD_HEAD && body.len > 0)
        parts[count++] = (struct iovec){(void *)(uintptr_t)body.ptr, body.len};
    return http_connection_write(exchange->connection, parts, count, &err);
}

int http_reply(struct http_exchange *exchange, int status, const char *content_type,
               struct text body)
{
    ASSERT(exchange->status == 0);
    if (exchange->connection->broken) {
        exchange->status = status;
        return -E_CLOSED;
    }
    if (exchange->extra_headers.failed)
        return http_reply_error(exchange, 500, "the reply has too many headers");
    return send_reply(exchange, status, content_type, body);
}

int http_reply_error(struct http_exchange *exchange, int status, const char *message)
{
    http_error_fn error_body = exchange->connection->server->options.error_body;
    const char *content_type = "text/plain; charset=utf-8";
    CLEANUP(buf_deinit) struct buf body;

    buf_init(&body, 0);
    if (exchange->extra_headers.failed)
        buf_reset(&exchange->extra_headers);
    if (error_body) {
        content_type = error_body(status, message, &body);
    } else {
        buf_add_string(&body, message);
        buf_add_char(&body, '\n');
    }
    return send_reply(exchange, status, content_type, buf_text(&body));
}

static void set_send_buffer(struct http_connection *connection, int bytes)
{
    if (connection->send_buffer == bytes)
        return;
    setsockopt(connection->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    connection->send_buffer = bytes;
}

void http_connection_shrink_send_buffer(struct http_connection *connection)
{
    set_send_buffer(connection, STREAM_SNDBUF_BYTES);
}

/* `bytes`: how many there will be; NULL: that is not known. */
static int open_stream(struct http_exchange *exchange, int status, const char *content_type,
                       const uint64_t *bytes, struct error *err)
{
    struct http_connection *connection = exchange->connection;
    struct buf *head = &connection->head;
    int r;

    ASSERT(exchange->status == 0);
    ASSERT(!has_no_body(status));
    exchange->streaming = true; /* from here on writes and the end only report the failure */
    if (connection->broken)
        return error_set(err, E_CLOSED, "the connection is closed");
    set_send_buffer(connection, bytes ? SIZED_SNDBUF_BYTES : STREAM_SNDBUF_BYTES);
    connection->chunked = !bytes && !connection->parse.request.http_1_0;
    connection->owed = bytes && exchange->method != HTTP_METHOD_HEAD ? *bytes : 0;
    begin_head(exchange, status, content_type, head);
    if (connection->chunked)
        buf_add_string(head, "Transfer-Encoding: chunked\r\n");
    if (bytes)
        buf_printf(head, "Content-Length: %" PRIu64 "\r\n", *bytes);
    buf_add(head, "\r\n", 2);
    r = exchange->extra_headers.failed ? error_set(err, E_LIMIT, "the reply has too many headers")
                                       : buf_check(head, err);
    if (r < 0)
        connection->broken = true;
    return r;
}

int http_stream_open(struct http_exchange *exchange, int status, const char *content_type,
                     struct error *err)
{
    return open_stream(exchange, status, content_type, NULL, err);
}

/* The size of a chunk, and the end of that line. */
static struct iovec chunk_size(char line[CHUNK_LINE_BYTES], size_t len)
{
    static const char hex[] = "0123456789abcdef";
    size_t at = CHUNK_LINE_BYTES;

    line[--at] = '\n';
    line[--at] = '\r';
    for (; len > 0; len /= 16)
        line[--at] = hex[len % 16];
    return (struct iovec){line + at, CHUNK_LINE_BYTES - at};
}

/* What is left of the head, bytes as they are framed, and (last) the end: in one system call. An
 * empty chunk would end the stream. */
static int send_piece(struct http_exchange *exchange, struct text bytes, bool last,
                      struct error *err)
{
    struct http_connection *connection = exchange->connection;
    bool bodyless = exchange->method == HTTP_METHOD_HEAD;
    uint64_t owing = exchange->sized && !bodyless ? bytes.len : 0;
    char line[CHUNK_LINE_BYTES];
    struct iovec parts[4];
    size_t count = 0;
    int r;

    if (connection->broken)
        return error_set(err, E_CLOSED, "the connection is closed");
    ASSERT(owing <= connection->owed);
    connection->owed -= owing;
    if (connection->head.len > 0)
        parts[count++] = (struct iovec){connection->head.ptr, connection->head.len};
    if (bytes.len > 0 && !bodyless) {
        if (connection->chunked)
            parts[count++] = chunk_size(line, bytes.len);
        parts[count++] = (struct iovec){(void *)(uintptr_t)bytes.ptr, bytes.len};
    }
    if (connection->chunked && !bodyless) {
        struct text end = last ? TEXT("\r\n0\r\n\r\n") : TEXT("\r\n");
        size_t skipped = bytes.len > 0 ? 0 : 2;

        if (end.len > skipped)
            parts[count++] =
                (struct iovec){(void *)(uintptr_t)(end.ptr + skipped), end.len - skipped};
    }
    if (count == 0)
        return 0;
    r = http_connection_write(connection, parts, count, err);
    buf_deinit(&connection->head);
    return r;
}

int http_stream_begin(struct http_exchange *exchange, int status, const char *content_type,
                      struct error *err)
{
    int r = http_stream_open(exchange, status, content_type, err);

    return r < 0 ? r : send_piece(exchange, TEXT(""), false, err);
}

int http_stream_begin_sized(struct http_exchange *exchange, int status, const char *content_type,
                            uint64_t bytes, struct error *err)
{
    int r;

    exchange->sized = true;
    r = open_stream(exchange, status, content_type, &bytes, err);
    return r < 0 ? r : send_piece(exchange, TEXT(""), false, err);
}

int http_stream_write(struct http_exchange *exchange, struct text bytes, struct error *err)
{
    ASSERT(exchange->streaming);
    return send_piece(exchange, bytes, false, err);
}

int http_stream_end_with(struct http_exchange *exchange, struct text bytes, struct error *err)
{
    int r;

    ASSERT(exchange->streaming);
    exchange->streaming = false;
    r = send_piece(exchange, bytes, true, err);
    if (r < 0 || !exchange->sized || exchange->connection->owed == 0)
        return r;
    http_abort(exchange);
    return error_set(err, E_CLOSED, "the reply was cut");
}

int http_stream_end(struct http_exchange *exchange, struct error *err)
{
    return http_stream_end_with(exchange, TEXT(""), err);
}
