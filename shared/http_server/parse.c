/* Requests out of bytes, by http-parser behind this one file.
 *
 * The head is collected in `input` and scanned as it comes (scan.c). When it is complete
 * http-parser reads it in one go and its fields point into `input`, which has its final place by
 * then. Framing is decided in headers_complete (framing.c).
 *
 * A body with Content-Length stays behind the head when it fits into the room that is there, and is
 * received into a buffer of its own otherwise, which grows as bytes come, never ahead of them. A
 * chunked body is decoded by http-parser, which is given the size line, the data and the CR LF one
 * after the other, since it would take extensions, trailers and a wrong end of data in silence.
 *
 * http-parser's enum http_method has the name of ours, so it is renamed while its header is read.
 */

#include "shared/http_server/parse.h"

#include <stdlib.h>

#define http_method http_parser_method
#include <http_parser.h>
#undef http_method

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/http_server/framing.h"

#define INPUT_BYTES           8192 /* first size; most requests fit with their body */
#define INPUT_STEP_BYTES      2048
#define BODY_ROOM_BYTES       4096 /* at least this much behind a head */
#define BODY_STEP_BYTES       65536
#define CHUNK_SIZE_DIGITS_MAX 16

struct http_parse_work {
    struct http_parser parser;
    struct error *err; /* of the call that runs */
    bool in_value;
    size_t fields_max;
    struct http_field fields[];
};

static int refuse(struct http_parse *parse, int status, const char *why, struct error *err)
{
    parse->state = HTTP_PARSE_REFUSED;
    parse->status = status;
    return error_set(err, E_PROTOCOL, "%s", why);
}

static int refuse_large(struct http_parse *parse, struct error *err)
{
    parse->state = HTTP_PARSE_REFUSED;
    parse->status = 413;
    return error_set(err, E_LIMIT, "request body is larger than %zu bytes", parse->body_bytes_max);
}

static int on_url(struct http_parser *parser, const char *at, size_t len)
{
    struct http_parse *parse = parser->data;
    struct text *target = &parse->request.target;

    if (!target->ptr)
        target->ptr = at;
    target->len += len;
    return 0;
}

static int on_field(struct http_parser *parser, const char *at, size_t len)
{
    struct http_parse *parse = parser->data;
    struct http_parse_work *work = parse->work;
    struct http_request *request = &parse->request;

    if (request->headers_count == 0 || work->in_value) {
        ASSERT(request->headers_count < work->fields_max);
        work->fields[request->headers_count++] = (struct http_field){.name = {at, 0}};
        work->in_value = false;
    }
    work->fields[request->headers_count - 1].name.len += len;
    return 0;
}

static int on_value(struct http_parser *parser, const char *at, size_t len)
{
    struct http_parse *parse = parser->data;
    struct text *value = &parse->work->fields[parse->request.headers_count - 1].value;

    parse->work->in_value = true;
    if (!value->ptr)
        value->ptr = at;
    value->len += len;
    return 0;
}

/* -1 is "error" to http-parser; 1 would be "no body". */
static int on_headers_complete(struct http_parser *parser)
{
    struct http_parse *parse = parser->data;
    struct http_request *request = &parse->request;
    struct http_framing framing = {0};
    const char *why = NULL;
    int status = 0;

    request->headers = parse->work->fields;
    request->http_1_0 = parser->http_minor == 0;
    request->keep_alive = !request->http_1_0 && http_should_keep_alive(parser);
    if (!http_method_parse(text_of(http_method_str((enum http_parser_method)parser->method)),
                           &request->method))
        return -1;
    for (size_t i = 0; status == 0 && i < request->headers_count; i++) {
        request->headers[i].value = text_trim(request->headers[i].value);
        status = http_framing_take(&framing, &request->headers[i], &why);
    }
    if (status == 0)
        status = http_framing_check(&framing, request->http_1_0, &why);
    if (status != 0) {
        (void)refuse(parse, status, why, parse->work->err);
        return -1;
    }
    /* Where bodies may stream, how large this one may be is said when its head is looked at. */
    if (framing.lengths > 0 && parser->content_length > parse->limits->body_bytes &&
        parse->body_bytes_max == parse->limits->body_bytes) {
        (void)refuse_large(parse, parse->work->err);
        return -1;
    }
    request->expects_continue = framing.expects_continue;
    request->request_id = framing.request_id;
    parse->left = framing.lengths > 0 ? parser->content_length : 0;
    parse->state = framing.codings > 0 ? HTTP_PARSE_CHUNK_LINE : HTTP_PARSE_BODY_IN_PLACE;
    return 0;
}

static int on_body(struct http_parser *parser, const char *at, size_t len)
{
    struct http_parse *parse = parser->data;

    buf_add(&parse->body, at, len);
    return parse->body.failed ? -1 : 0;
}

static int on_message_complete(struct http_parser *parser)
{
    struct http_parse *parse = parser->data;

    /* Only a chunked body is http-parser's to end. */
    if (parse->state == HTTP_PARSE_CHUNK_END)
        parse->state = HTTP_PARSE_DONE;
    return 0;
}

static const struct http_parser_settings settings = {
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* Gives http-parser exactly these bytes. */
static int execute(struct http_parse *parse, const char *bytes, size_t len, struct error *err)
{
    struct http_parser *parser = &parse->work->parser;
    size_t taken;

    parse->work->err = err;
    taken = http_parser_execute(parser, &settings, bytes, len);
    if (parse->state == HTTP_PARSE_REFUSED)
        return err ? -err->code : -E_PROTOCOL;
    if (parse->body.failed)
        return refuse(parse, 503, "no memory for the request body", err);
    if (HTTP_PARSER_ERRNO(parser) == HPE_UNEXPECTED_CONTENT_LENGTH)
        return refuse(parse, 400,
                      "request has Content-Length twice or together with Transfer-Encoding", err);
    if (HTTP_PARSER_ERRNO(parser) != HPE_OK)
        return refuse(parse, 400, http_errno_description(HTTP_PARSER_ERRNO(parser)), err);
    if (taken != len)
        return refuse(parse, 400, "request is malformed", err);
    return 0;
}

static size_t body_bytes_max(const struct http_limits *limits)
{
    return limits->stream_bytes > limits->body_bytes ? limits->stream_bytes : limits->body_bytes;
}

static int take_head(struct http_parse *parse, struct error *err)
{
    int r = http_scan_head(&parse->scan, buf_text(&parse->input), parse->limits, err);
    size_t fields_max = parse->scan.headers;

    if (r == HTTP_SCAN_MORE)
        return HTTP_PARSE_MORE;
    if (r < 0) {
        parse->state = HTTP_PARSE_REFUSED;
        parse->status = parse->scan.status;
        return r;
    }
    /* Room for what follows is made before fields point into the input. */
    parse->head_bytes = parse->at = parse->scan.at;
    parse->body_bytes_max = body_bytes_max(parse->limits);
    if (parse->head_bytes + BODY_ROOM_BYTES >= parse->input.size &&
        !buf_reserve(&parse->input, BODY_ROOM_BYTES))
        return refuse(parse, 503, "no memory for the request", err);
    parse->work = xmalloc(sizeof(*parse->work) + fields_max * sizeof(parse->work->fields[0]));
    parse->work->in_value = false;
    parse->work->fields_max = fields_max;
    http_parser_init(&parse->work->parser, HTTP_REQUEST);
    parse->work->parser.data = parse;
    return execute(parse, parse->input.ptr, parse->head_bytes, err);
}

static size_t input_room(const struct http_parse *parse)
{
    return parse->input.size - 1 - parse->input.len;
}

static int finish(struct http_parse *parse, struct text body)
{
    parse->request.body = body;
    parse->state = HTTP_PARSE_DONE;
    return 0;
}

/* What is there of a body with a length gets a buffer of its own. */
static void move_apart(struct http_parse *parse)
{
    buf_init(&parse->body, (size_t)parse->left);
    buf_add(&parse->body, parse->input.ptr + parse->head_bytes,
            parse->input.len - parse->head_bytes);
    parse->input.len = parse->head_bytes;
    parse->state = HTTP_PARSE_BODY_APART;
}

static int take_body_in_place(struct http_parse *parse)
{
    size_t there = parse->input.len - parse->head_bytes;

    if (there >= parse->left) {
        parse->at = parse->head_bytes + (size_t)parse->left;
        return finish(parse,
                      (struct text){parse->input.ptr + parse->head_bytes, (size_t)parse->left});
    }
    if (parse->left - there > input_room(parse))
        move_apart(parse);
    return HTTP_PARSE_MORE;
}

static int take_body_apart(struct http_parse *parse)
{
    if (parse->taken + parse->body.len < parse->left)
        return HTTP_PARSE_MORE;
    return finish(parse, buf_text(&parse->body));
}

/* The size line: hex digits, CR, LF, and nothing else. */
static int take_chunk_line(struct http_parse *parse, struct error *err)
{
    const char *line = parse->input.ptr + parse->at;
    size_t there = parse->input.len - parse->at;
    size_t *i = &parse->chunk_line_at;
    int r;

    for (; *i < there; (*i)++) {
        if (*i > 0 && line[*i - 1] == '\r') {
            if (line[*i] != '\n')
                return refuse(parse, 400, "chunk size has a CR that no LF follows", err);
            break;
        }
        if (line[*i] == '\r' && *i > 0)
            continue;
        if (line[*i] == ';')
            return refuse(parse, 400, "chunk extensions are not accepted", err);
        if (text_hex_digit(line[*i]) < 0 || *i == CHUNK_SIZE_DIGITS_MAX)
            return refuse(parse, 400, "chunk size must be a hexadecimal number", err);
    }
    if (*i == there)
        return HTTP_PARSE_MORE;
    r = execute(parse, line, *i + 1, err);
    if (r < 0)
        return r;
    parse->at += *i + 1;
    parse->chunk_line_at = 0;
    parse->left = parse->work->parser.content_length;
    if (parse->left > parse->body_bytes_max - parse->taken - parse->body.len)
        return refuse_large(parse, err);
    parse->last_chunk = parse->left == 0;
    parse->state = parse->last_chunk ? HTTP_PARSE_CHUNK_END : HTTP_PARSE_CHUNK_DATA;
    return 0;
}

static int take_chunk_data(struct http_parse *parse, struct error *err)
{
    size_t there = parse->input.len - parse->at;
    size_t take = there < parse->left ? there : (size_t)parse->left;
    int r;

    if (take == 0)
        return HTTP_PARSE_MORE;
    r = execute(parse, parse->input.ptr + parse->at, take, err);
    if (r < 0)
        return r;
    parse->at += take;
    parse->left -= take;
    if (parse->left == 0)
        parse->state = HTTP_PARSE_CHUNK_END;
    return 0;
}

static int take_chunk_end(struct http_parse *parse, struct error *err)
{
    const char *end = parse->input.ptr + parse->at;
    size_t there = parse->input.len - parse->at;
    int r;

    if (there > 0 && end[0] != '\r')
        return refuse(parse, 400,
                      parse->last_chunk ? "trailers are not accepted"
                                        : "chunk is longer than its size says",
                      err);
    if (there > 1 && end[1] != '\n')
        return refuse(parse, 400, "chunk ends with a CR that no LF follows", err);
    if (there < 2)
        return HTTP_PARSE_MORE;
    r = execute(parse, end, 2, err);
    if (r < 0)
        return r;
    parse->at += 2;
    if (!parse->last_chunk)
        parse->state = HTTP_PARSE_CHUNK_LINE;
    else if (parse->state == HTTP_PARSE_DONE)
        parse->request.body = buf_text(&parse->body);
    else
        return refuse(parse, 400, "request is malformed", err);
    return 0;
}

/* What is decoded of a chunked body makes room for what comes. */
static void drop_decoded(struct http_parse *parse)
{
    size_t left = parse->input.len - parse->at;

    memmove(parse->input.ptr + parse->head_bytes, parse->input.ptr + parse->at, left);
    parse->input.len = parse->head_bytes + left;
    parse->at = parse->head_bytes;
}

static int take_chunks(struct http_parse *parse, struct error *err)
{
    int r = 0;

    while (r == 0 && parse->state != HTTP_PARSE_DONE) {
        if (parse->state == HTTP_PARSE_CHUNK_LINE)
            r = take_chunk_line(parse, err);
        else if (parse->state == HTTP_PARSE_CHUNK_DATA)
            r = take_chunk_data(parse, err);
        else
            r = take_chunk_end(parse, err);
    }
    if (r == HTTP_PARSE_MORE)
        drop_decoded(parse);
    return r;
}

int http_parse_advance(struct http_parse *parse, size_t received, struct error *err)
{
    int r;

    if (parse->state == HTTP_PARSE_BODY_APART)
        parse->body.len += received;
    else
        parse->input.len += received;

    if (parse->state == HTTP_PARSE_HEAD) {
        r = take_head(parse, err);
        if (r != 0)
            return r;
        if (parse->state == HTTP_PARSE_CHUNK_LINE)
            buf_init(&parse->body, parse->body_bytes_max);
    }
    switch (parse->state) {
    case HTTP_PARSE_BODY_IN_PLACE:
        return take_body_in_place(parse);
    case HTTP_PARSE_BODY_APART:
        return take_body_apart(parse);
    case HTTP_PARSE_CHUNK_LINE:
    case HTTP_PARSE_CHUNK_DATA:
    case HTTP_PARSE_CHUNK_END:
        return take_chunks(parse, err);
    case HTTP_PARSE_HEAD:
    case HTTP_PARSE_DONE:
    case HTTP_PARSE_REFUSED:
        break;
    }
    ASSERT(parse->state == HTTP_PARSE_DONE);
    return 0;
}

char *http_parse_space(struct http_parse *parse, size_t *out_size)
{
    if (parse->state == HTTP_PARSE_BODY_APART) {
        uint64_t left = parse->left - parse->taken - parse->body.len;

        *out_size = left < BODY_STEP_BYTES ? (size_t)left : BODY_STEP_BYTES;
        return buf_reserve(&parse->body, *out_size);
    }
    if (parse->state == HTTP_PARSE_HEAD) {
        size_t want = parse->input.size == 0 ? INPUT_BYTES : INPUT_STEP_BYTES;

        if ((parse->input.size == 0 || input_room(parse) < INPUT_STEP_BYTES) &&
            !buf_reserve(&parse->input, want))
            return NULL;
    }
    *out_size = input_room(parse);
    return parse->input.ptr + parse->input.len;
}

bool http_parse_begun(const struct http_parse *parse)
{
    if (parse->state != HTTP_PARSE_HEAD || parse->scan.headers_at > 0)
        return true;
    return parse->input.len > (parse->scan.skipped_blank ? parse->scan.line_at : 0);
}

bool http_parse_wants_continue(const struct http_parse *parse)
{
    if (!parse->request.expects_continue || parse->request.http_1_0)
        return false;
    return (parse->state == HTTP_PARSE_BODY_IN_PLACE || parse->state == HTTP_PARSE_CHUNK_LINE ||
            parse->state == HTTP_PARSE_BODY_APART) &&
           parse->input.len == parse->head_bytes && parse->body.len == 0 && parse->taken == 0;
}

static void reset(struct http_parse *parse)
{
    free(parse->work);
    parse->work = NULL;
    buf_deinit(&parse->body);
    parse->body.failed = false;
    parse->state = HTTP_PARSE_HEAD;
    parse->scan = (struct http_scan){0};
    parse->request = (struct http_request){0};
    parse->head_bytes = parse->at = 0;
    parse->left = 0;
    parse->streams = false;
    parse->taken = 0;
}

bool http_parse_awaits_body(const struct http_parse *parse)
{
    switch (parse->state) {
    case HTTP_PARSE_BODY_IN_PLACE:
    case HTTP_PARSE_BODY_APART:
    case HTTP_PARSE_CHUNK_LINE:
    case HTTP_PARSE_CHUNK_DATA:
    case HTTP_PARSE_CHUNK_END:
        return true;
    case HTTP_PARSE_HEAD:
    case HTTP_PARSE_DONE:
    case HTTP_PARSE_REFUSED:
        break;
    }
    return false;
}

static bool has_length(const struct http_parse *parse)
{
    return parse->state == HTTP_PARSE_BODY_IN_PLACE || parse->state == HTTP_PARSE_BODY_APART;
}

int http_parse_limit_body(struct http_parse *parse, size_t bytes_max, struct error *err)
{
    if (bytes_max < parse->body_bytes_max)
        parse->body_bytes_max = bytes_max;
    bytes_max = parse->body_bytes_max;
    if (parse->state == HTTP_PARSE_DONE)
        return parse->request.body.len > bytes_max ? refuse_large(parse, err) : 0;
    ASSERT(http_parse_awaits_body(parse));
    if (has_length(parse) ? parse->left > bytes_max : parse->body.len + parse->left > bytes_max)
        return refuse_large(parse, err);
    return 0;
}

void http_parse_stream(struct http_parse *parse)
{
    ASSERT(http_parse_awaits_body(parse) || parse->state == HTTP_PARSE_DONE);
    parse->streams = true;
    if (parse->state == HTTP_PARSE_BODY_IN_PLACE)
        move_apart(parse);
}

/* The memory stays the buffer's: the next bytes come to the same place. */
struct text http_parse_take_piece(struct http_parse *parse)
{
    struct text piece = buf_text(&parse->body);

    ASSERT(parse->streams);
    parse->taken += piece.len;
    parse->body.len = 0;
    return piece;
}

size_t http_parse_body_bytes(const struct http_parse *parse)
{
    if (parse->state == HTTP_PARSE_BODY_APART)
        return (size_t)parse->left;
    return parse->body.size;
}

int http_parse_refuse(struct http_parse *parse, int status, const char *why, struct error *err)
{
    parse->state = HTTP_PARSE_REFUSED;
    parse->status = status;
    return error_set(err, E_LIMIT, "%s", why);
}

struct text http_parse_behind(const struct http_parse *parse)
{
    ASSERT(parse->state == HTTP_PARSE_DONE);
    return (struct text){parse->input.ptr + parse->at, parse->input.len - parse->at};
}

void http_parse_take_behind(struct http_parse *parse, size_t len)
{
    ASSERT(len <= parse->input.len - parse->at);
    parse->at += len;
}

void http_parse_drop_body(struct http_parse *parse)
{
    ASSERT(parse->state == HTTP_PARSE_DONE);
    buf_deinit(&parse->body);
    parse->request.body = TEXT("");
}

void http_parse_next(struct http_parse *parse)
{
    ASSERT(parse->state == HTTP_PARSE_DONE);
    buf_consume(&parse->input, parse->at);
    reset(parse);
}

void http_parse_release(struct http_parse *parse)
{
    bool skipped_blank = parse->scan.skipped_blank;

    ASSERT(!http_parse_begun(parse));
    reset(parse);
    parse->scan.skipped_blank = skipped_blank;
    buf_deinit(&parse->input);
}

void http_parse_init(struct http_parse *parse, const struct http_limits *limits)
{
    /* Ours are the limits; http-parser's own is one for the process. */
    http_parser_set_max_header_size(UINT32_MAX);
    *parse = (struct http_parse){.limits = limits};
    buf_init(&parse->input, limits->request_line_bytes + limits->header_bytes + 4 * INPUT_BYTES);
    buf_init(&parse->body, 0);
}

void http_parse_deinit(struct http_parse *parse)
{
    reset(parse);
    buf_deinit(&parse->input);
}
