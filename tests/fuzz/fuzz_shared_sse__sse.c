/* Framing of streams. The first byte says where the rest is cut in two: the events (and lines of
 * NDJSON) of the stream in one piece are those of its pieces. What a reader gave, written by
 * sse_write, is read as the same. */

#include <stdlib.h>

#include "shared/base/error.h"
#include "shared/sse/ndjson.h"
#include "shared/sse/sse.h"

#define LIMIT 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Appends all events; `again`, when not NULL, gets them as sse_write writes them. */
static void read_events(struct text whole, size_t cut, struct buf *out, struct buf *again)
{
    struct text pieces[2] = {{whole.ptr, cut}, {whole.ptr + cut, whole.len - cut}};
    struct sse_reader reader;
    struct sse_event event;
    int r = SSE_NONE;

    sse_init(&reader, LIMIT);
    for (size_t i = 0; i < 2 && r >= 0; i++)
        while ((r = sse_next(&reader, &pieces[i], &event, NULL)) == 0) {
            buf_add_json(out, event.name);
            buf_add_json(out, event.data);
            if (again && !memchr(event.data.ptr, '\r', event.data.len))
                sse_write(again, event.name, event.data);
        }
    buf_printf(out, "%d", r);
    if (r >= 0 && sse_end(&reader, &event))
        buf_add_json(out, event.data);
    sse_deinit(&reader);
}

static void read_documents(struct text whole, size_t cut, struct buf *out)
{
    struct text pieces[2] = {{whole.ptr, cut}, {whole.ptr + cut, whole.len - cut}};
    struct ndjson_reader reader;
    struct text document;
    int r = NDJSON_NONE;

    ndjson_init(&reader, LIMIT);
    for (size_t i = 0; i < 2 && r >= 0; i++)
        while ((r = ndjson_next(&reader, &pieces[i], &document, NULL)) == 0)
            buf_add_json(out, document);
    buf_printf(out, "%d", r);
    if (r >= 0 && ndjson_end(&reader, &document))
        buf_add_json(out, document);
    ndjson_deinit(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buf_deinit) struct buf one = {0};
    CLEANUP(buf_deinit) struct buf two = {0};
    CLEANUP(buf_deinit) struct buf written = {0};
    CLEANUP(buf_deinit) struct buf read_back = {0};
    struct text whole;
    size_t cut;

    if (size < 1)
        return 0;
    whole = (struct text){(const char *)data + 1, size - 1};
    buf_init(&one, 0);
    buf_init(&two, 0);
    buf_init(&written, 0);
    buf_init(&read_back, 0);
    cut = size > 1 ? data[0] * whole.len / 255 : 0;
    read_events(whole, whole.len, &one, &written);
    read_events(whole, cut, &two, NULL);
    ASSERT(text_equal(buf_text(&one), buf_text(&two)));
    buf_reset(&two);
    read_events(buf_text(&written), written.len, &read_back, NULL);
    ASSERT(read_back.len <= one.len);
    buf_reset(&one);
    read_documents(whole, whole.len, &one);
    read_documents(whole, cut, &two);
    ASSERT(text_equal(buf_text(&one), buf_text(&two)));
    return 0;
}
