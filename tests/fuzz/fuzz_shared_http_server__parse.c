/* Requests out of arbitrary bytes. Three properties:
 *
 *   - in one piece or in many, and where bodies are taken away as they come, the same requests and
 *     the same refusal come out;
 *   - what is accepted, http-parser accepts as it was received, with the same method, target and
 *     body, and it ends at the same byte: nothing can be smuggled past either reading;
 *   - nothing accepted is larger than the limits.
 */

#include <stdio.h>
#include <string.h>

#define http_method http_parser_method
#include <http_parser.h>
#undef http_method

#include "shared/base/error.h"
#include "shared/http_server/parse.h"

static const struct http_limits limits = {
    .request_line_bytes = 64,
    .header_bytes = 256,
    .headers = 8,
    .body_bytes = 300,
};

/* Everything that came out, as bytes to compare. */
static void record(struct buf *log, const struct http_request *request)
{
    buf_printf(log, "%s %.*s %d %d %d\n", http_method_name(request->method),
               TEXT_ARGS(request->target), request->http_1_0, request->keep_alive,
               request->expects_continue);
    for (size_t i = 0; i < request->headers_count; i++)
        buf_printf(log, "[%.*s]=[%.*s]\n", TEXT_ARGS(request->headers[i].name),
                   TEXT_ARGS(request->headers[i].value));
    buf_printf(log, "%zu:", request->body.len);
    buf_add_text(log, request->body);
    ASSERT(request->body.len <= limits.body_bytes);
    ASSERT(request->headers_count <= limits.headers);
    ASSERT(request->target.len > 0 && request->target.len <= limits.request_line_bytes);
}

struct feed {
    const uint8_t *data;
    size_t size;
    size_t fed;
    size_t done;   /* bytes of the requests that are complete */
    unsigned seed; /* 0: as much as there is room for */
    bool stream;   /* bodies are taken away as they come */
};

/* Where complete requests end, for the second property. */
struct ends {
    size_t at[64];
    size_t count;
};

static size_t next_piece(struct feed *feed, size_t room)
{
    size_t len = feed->size - feed->fed;

    if (len > room)
        len = room;
    if (feed->seed != 0 && len > 0) {
        feed->seed = feed->seed * 1103515245U + 12345U;
        len = 1 + (feed->seed >> 16) % (len < 9 ? len : 9);
    }
    return len;
}

static void run(struct feed *feed, struct buf *log, struct ends *ends)
{
    struct http_parse parse;
    struct error err = {0};
    struct buf body;
    size_t received = 0;

    buf_init(&body, 0);
    http_parse_init(&parse, &limits);
    for (;;) {
        int r = http_parse_advance(&parse, received, &err);

        received = 0;
        if (feed->stream && http_parse_awaits_body(&parse) && !parse.streams)
            http_parse_stream(&parse);
        if (parse.streams) {
            buf_add_text(&body, http_parse_take_piece(&parse));
            parse.request.body = buf_text(&body);
        }
        if (r < 0) {
            ASSERT(r == -err.code && parse.status >= 400 && parse.status <= 505);
            buf_printf(log, "refused %d %s\n", parse.status, err.text);
            break;
        }
        if (r == 0) {
            record(log, &parse.request);
            /* What was fed and is not left over belongs to this request and those before. */
            feed->done =
                feed->fed - (parse.state == HTTP_PARSE_DONE ? parse.input.len - parse.at : 0);
            if (ends && ends->count < ARRAY_LENGTH(ends->at))
                ends->at[ends->count++] = feed->done;
            http_parse_next(&parse);
            buf_reset(&body);
            continue;
        }
        ASSERT(r == HTTP_PARSE_MORE);
        if (feed->fed == feed->size) {
            buf_printf(log, "more %d %d\n", http_parse_begun(&parse),
                       http_parse_awaits_body(&parse));
            break;
        }
        if (!http_parse_begun(&parse))
            http_parse_release(&parse);
        {
            size_t room = 0;
            char *to = http_parse_space(&parse, &room);

            ASSERT(to && room > 0);
            received = next_piece(feed, room);
            memcpy(to, feed->data + feed->fed, received);
            feed->fed += received;
        }
    }
    http_parse_deinit(&parse);
    buf_deinit(&body);
}

struct other {
    struct buf target;
    struct buf body;
    bool complete;
};

static int other_url(struct http_parser *parser, const char *at, size_t len)
{
    buf_add(&((struct other *)parser->data)->target, at, len);
    return 0;
}

static int other_body(struct http_parser *parser, const char *at, size_t len)
{
    buf_add(&((struct other *)parser->data)->body, at, len);
    return 0;
}

static int other_complete(struct http_parser *parser)
{
    ((struct other *)parser->data)->complete = true;
    http_parser_pause(parser, 1);
    return 0;
}

/* http-parser alone, over the same bytes. */
static void compare(const uint8_t *data, const struct ends *ends, struct buf *log)
{
    static const struct http_parser_settings settings = {
        .on_url = other_url, .on_body = other_body, .on_message_complete = other_complete};
    size_t from = 0;

    for (size_t i = 0; i < ends->count; i++) {
        struct other other = {0};
        struct http_parser parser;
        size_t taken;

        buf_init(&other.target, 0);
        buf_init(&other.body, 0);
        http_parser_init(&parser, HTTP_REQUEST);
        parser.data = &other;
        taken =
            http_parser_execute(&parser, &settings, (const char *)data + from, ends->at[i] - from);
        ASSERT(other.complete);
        ASSERT(taken == ends->at[i] - from);
        buf_printf(log, "%s %s %zu:", http_method_str((enum http_parser_method)parser.method),
                   buf_string(&other.target), other.body.len);
        buf_add_text(log, buf_text(&other.body));
        buf_deinit(&other.target);
        buf_deinit(&other.body);
        from = ends->at[i];
    }
}

/* The same from ours, in one request after the other. */
static void own_log(const uint8_t *data, const struct ends *ends, struct buf *log)
{
    size_t from = 0;

    for (size_t i = 0; i < ends->count; i++) {
        struct http_parse parse;
        size_t fed = from;
        size_t received = 0;

        http_parse_init(&parse, &limits);
        while (http_parse_advance(&parse, received, NULL) == HTTP_PARSE_MORE) {
            size_t room = 0;
            char *to = http_parse_space(&parse, &room);

            ASSERT(to && fed < ends->at[i]);
            received = ends->at[i] - fed < room ? ends->at[i] - fed : room;
            memcpy(to, data + fed, received);
            fed += received;
        }
        ASSERT(parse.state == HTTP_PARSE_DONE);
        buf_printf(log, "%s %.*s %zu:", http_method_name(parse.request.method),
                   TEXT_ARGS(parse.request.target), parse.request.body.len);
        buf_add_text(log, parse.request.body);
        http_parse_deinit(&parse);
        from = ends->at[i];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct feed whole = {.data = data, .size = size};
    struct feed pieces = {.data = data, .size = size, .seed = 1 + (unsigned)size * 2654435761U};
    struct feed streams = pieces;
    static struct ends ends;
    struct buf a;
    struct buf b;

    buf_init(&a, 0);
    buf_init(&b, 0);
    ends.count = 0;
    run(&whole, &a, &ends);
    run(&pieces, &b, NULL);
    if (!text_equal(buf_text(&a), buf_text(&b)))
        fprintf(stderr, "--- whole:\n%s\n--- pieces:\n%s\n", buf_string(&a), buf_string(&b));
    ASSERT(text_equal(buf_text(&a), buf_text(&b)));
    buf_reset(&b);
    streams.stream = true;
    run(&streams, &b, NULL);
    ASSERT(text_equal(buf_text(&a), buf_text(&b)));
    buf_reset(&a);
    buf_reset(&b);
    compare(data, &ends, &a);
    own_log(data, &ends, &b);
    ASSERT(text_equal(buf_text(&a), buf_text(&b)));
    buf_deinit(&a);
    buf_deinit(&b);
    return 0;
}
