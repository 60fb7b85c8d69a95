/* Events as server-sent events. */

#include <string.h>

#include "scheduler/api/stream/event_format.h"

static size_t begin(struct event_sink *sink, const struct shown *shown, const char *family,
                    const char *name)
{
    struct buf *out = sink->out;

    if (shown) {
        buf_add_string(out, "id: ");
        shown_write(shown, out);
        buf_add_char(out, '\n');
    }
    buf_add_string(out, "event: ");
    buf_add_string(out, family);
    buf_add_string(out, name);
    buf_add_string(out, "\ndata: ");
    return out->len;
}

/* JSON that is kept as it was written may go over several lines, which a line of data may not:
 * where JSON has a line's end, a blank says the same. */
static void end(struct event_sink *sink, size_t data)
{
    struct buf *out = sink->out;
    char *at = out->ptr + data;

    if (out->failed)
        return;
    for (char *next = at; (next = memchr(next, '\n', out->len - (size_t)(next - out->ptr)));)
        *next = ' ';
    for (char *next = at; (next = memchr(next, '\r', out->len - (size_t)(next - out->ptr)));)
        *next = ' ';
    buf_add(out, "\n\n", 2);
}

struct event_sink event_sink(const void *memory, struct buf *out)
{
    static const struct event_sink sse = {NULL, begin, end, NULL};
    struct event_sink sink = memory ? *(const struct event_sink *)memory : sse;

    sink.out = out;
    return sink;
}
