/* Head and tail. */

#include "worker/tools/sandbox/capture.h"

#include <inttypes.h>
#include <stdlib.h>

#include "shared/base/memory.h"

void capture_init(struct capture *capture, size_t kept)
{
    size_t half = kept / 2 < CAPTURE_HALF_MAX ? kept / 2 : CAPTURE_HALF_MAX;

    *capture = (struct capture){.half = half ? half : 1};
    buf_init(&capture->head, capture->half);
}

void capture_deinit(struct capture *capture)
{
    buf_deinit(&capture->head);
    free(capture->tail);
    capture->tail = NULL;
}

void capture_add(struct capture *capture, struct text bytes)
{
    size_t first = capture->half - capture->head.len;

    first = bytes.len < first ? bytes.len : first;
    buf_add(&capture->head, bytes.ptr, first);
    if (first < bytes.len && !capture->tail)
        capture->tail = xmalloc(capture->half);
    for (size_t i = first; i < bytes.len; i++)
        capture->tail[(capture->bytes + i - capture->half) % capture->half] = bytes.ptr[i];
    capture->bytes += bytes.len;
}

/* The ring from its oldest byte on. */
static void add_tail(const struct capture *capture, uint64_t beyond, struct buf *out)
{
    size_t half = capture->half;
    size_t start = beyond > half ? (size_t)(beyond % half) : 0;
    size_t count = beyond > half ? half : (size_t)beyond;

    buf_add(out, capture->tail + start, count - start);
    buf_add(out, capture->tail, start);
}

uint64_t capture_left_out(const struct capture *capture)
{
    uint64_t beyond = capture->bytes - capture->head.len;

    return beyond > capture->half ? beyond - capture->half : 0;
}

void capture_write(const struct capture *capture, struct buf *out)
{
    uint64_t beyond = capture->bytes - capture->head.len;
    CLEANUP(buf_deinit) struct buf all;

    buf_init(&all, 4 * CAPTURE_HALF_MAX);
    buf_add_text(&all, buf_text(&capture->head));
    if (capture_left_out(capture) > 0)
        buf_printf(&all, "\n[… %" PRIu64 " bytes are left out …]\n", capture_left_out(capture));
    if (beyond > 0)
        add_tail(capture, beyond, &all);
    buf_add_utf8(out, buf_text(&all));
}
