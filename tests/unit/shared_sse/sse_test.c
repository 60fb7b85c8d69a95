/* Framing of streams: whatever way the bytes are cut, the same events come out. */

#include <stdlib.h>

#include <criterion/criterion.h>

#include "shared/base/error.h"
#include "shared/sse/ndjson.h"
#include "shared/sse/sse.h"

#define LIMIT 64

/* "name=data|…" of a stream that arrives in pieces of `piece` bytes. */
static const char *events_of(struct text stream, size_t piece, int expected)
{
    static struct buf found;
    struct sse_reader reader;
    struct sse_event event;
    struct error err;
    int r = SSE_NONE;

    buf_deinit(&found);
    buf_init(&found, 0);
    sse_init(&reader, LIMIT);
    while (stream.len > 0 && r >= 0) {
        /* A copy: what lies behind the piece must not be needed. */
        size_t len = piece < stream.len ? piece : stream.len;
        char *copy = malloc(len);
        struct text bytes = {copy, len};

        memcpy(copy, stream.ptr, len);
        stream.ptr += len;
        stream.len -= len;
        while ((r = sse_next(&reader, &bytes, &event, &err)) == 0)
            buf_printf(&found, "%.*s%s%.*s=%.*s|", TEXT_ARGS(event.id), event.id.len ? "#" : "",
                       TEXT_ARGS(event.name), TEXT_ARGS(event.data));
        free(copy);
    }
    if (r >= 0 && sse_end(&reader, &event))
        buf_printf(&found, "end %.*s=%.*s|", TEXT_ARGS(event.name), TEXT_ARGS(event.data));
    cr_assert_eq(r, expected, "%d", r);
    sse_deinit(&reader);
    return buf_string(&found);
}

static void check(const char *stream, const char *expected)
{
    for (size_t piece = 1; piece <= strlen(stream); piece++)
        cr_assert_str_eq(events_of(text_of(stream), piece, SSE_NONE), expected, "%s by %zu", stream,
                         piece);
}

Test(sse, events_end_with_a_blank_line_whatever_ends_lines)
{
    check("data: a\n\ndata: b\n\n", "=a|=b|");
    check("data: a\r\n\r\ndata: b\r\n\r\n", "=a|=b|");
    check("data: a\r\rdata: b\r\r", "=a|=b|");
    check("data:a\n\n\n\n\ndata:  b\n\n", "=a|= b|");
}

Test(sse, data_of_several_lines_is_joined_and_names_go_with_their_event)
{
    check("event: x\ndata: a\ndata: b\n\ndata: c\n\n", "x=a\nb|=c|");
    check("event: x\nevent: y\ndata\n\n", "y=|");
    check("event: lost\n\ndata: a\n\n", "=a|");
}

Test(sse, comments_and_what_nobody_knows_are_passed_over)
{
    check(": keep-alive\n\nid: 7\nretry: 10\nunknown: z\ndata: a\n: between\ndata: b\n\n",
          "7#=a\nb|");
    check("\xEF\xBB\xBF"
          "data: a\n\n",
          "=a|");
    check("dat: a\nadata: b\n\n", "");
}

/* It stays until another one is said; an empty one is none. */
Test(sse, an_id_is_that_of_the_last_event_that_had_one)
{
    check("id: 1\nevent: x\ndata: a\n\ndata: b\n\nid:2\ndata: c\n\n", "1#x=a|1#=b|2#=c|");
    check("id: 1\n\ndata: a\n\nid\ndata: b\n\n", "1#=a|=b|");
    cr_assert_str_eq(events_of(TEXT("id: 1\ndata: a\n\nid: 2\0003\ndata: b\n\n"), 1, SSE_NONE),
                     "1#=a|1#=b|");
}

Test(sse, what_the_stream_breaks_off_is_given_at_the_end)
{
    check("data: a\n\ndata: b", "=a|end =b|");
    check("event: x\ndata: b\n", "end x=b|");
    check("event: x\n", "");
    check("", "");
}

Test(sse, lines_and_events_have_a_limit)
{
    struct buf stream;

    buf_init(&stream, 0);
    buf_add_string(&stream, "data: ");
    for (int i = 0; i < LIMIT - 6; i++)
        buf_add_char(&stream, 'x');
    for (size_t piece = 1; piece < 70; piece++)
        (void)events_of(buf_text(&stream), piece, SSE_NONE);
    buf_add_char(&stream, 'x');
    for (size_t piece = 1; piece < 70; piece++)
        cr_assert_str_eq(events_of(buf_text(&stream), piece, -E_LIMIT), "");
    buf_reset(&stream);
    for (int i = 0; i < LIMIT; i++)
        buf_add_string(&stream, "data: x\n");
    for (size_t piece = 1; piece < 70; piece++)
        cr_assert_str_eq(events_of(buf_text(&stream), piece, -E_LIMIT), "");
    buf_deinit(&stream);
}

Test(sse, what_is_written_is_read_again)
{
    struct buf stream;

    buf_init(&stream, 0);
    sse_write(&stream, TEXT(""), TEXT("a"));
    sse_write(&stream, TEXT("x.y"), TEXT("a\nb\r\nc\rd\n"));
    sse_write(&stream, TEXT(""), TEXT_NONE);
    cr_assert_str_eq(events_of(buf_text(&stream), 5, SSE_NONE), "=a|x.y=a\nb\nc\nd\n|=|");
    buf_deinit(&stream);
}

static const char *documents_of(struct text stream, size_t piece, int expected)
{
    static struct buf found;
    struct ndjson_reader reader;
    struct text document;
    struct error err;
    int r = NDJSON_NONE;

    buf_deinit(&found);
    buf_init(&found, 0);
    ndjson_init(&reader, LIMIT);
    while (stream.len > 0 && r >= 0) {
        size_t len = piece < stream.len ? piece : stream.len;
        struct text bytes = {stream.ptr, len};

        stream.ptr += len;
        stream.len -= len;
        while ((r = ndjson_next(&reader, &bytes, &document, &err)) == 0)
            buf_printf(&found, "%.*s|", TEXT_ARGS(document));
    }
    if (r >= 0 && ndjson_end(&reader, &document))
        buf_printf(&found, "end %.*s|", TEXT_ARGS(document));
    cr_assert_eq(r, expected);
    ndjson_deinit(&reader);
    return buf_string(&found);
}

Test(ndjson, a_document_a_line)
{
    struct text stream = TEXT("{\"a\":1}\r\n\n  \n{\"b\":\"\r\"}\n{\"c\":3}");

    for (size_t piece = 1; piece <= stream.len; piece++)
        cr_assert_str_eq(documents_of(stream, piece, NDJSON_NONE),
                         "{\"a\":1}|{\"b\":\"\r\"}|end {\"c\":3}|");
    cr_assert_str_eq(documents_of(TEXT("{}\n"), 1, NDJSON_NONE), "{}|");
    cr_assert_str_eq(documents_of(TEXT("\n\n"), 1, NDJSON_NONE), "");
}

Test(ndjson, documents_have_a_limit)
{
    char stream[LIMIT + 2];

    memset(stream, 'x', sizeof(stream));
    stream[LIMIT] = '\n';
    for (size_t piece = 1; piece <= LIMIT + 1; piece++)
        (void)documents_of((struct text){stream, LIMIT + 1}, piece, NDJSON_NONE);
    stream[LIMIT] = 'x';
    stream[LIMIT + 1] = '\n';
    for (size_t piece = 1; piece <= LIMIT + 1; piece++)
        (void)documents_of((struct text){stream, LIMIT + 2}, piece, -E_LIMIT);
}
