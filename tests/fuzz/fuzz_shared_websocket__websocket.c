/* Bytes of a client: the first one says how they are cut. However they are, the same comes out,
 * nothing of it is above its limit, and texts are UTF-8. */

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/websocket/websocket.h"

#define FRAME_MAX   256
#define MESSAGE_MAX 1024

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(struct buf *found, const struct websocket_reader *reader,
                 enum websocket_event event, struct text what)
{
    ASSERT(event == WEBSOCKET_FAILED || text_is_utf8(what) || event == WEBSOCKET_PING ||
           event == WEBSOCKET_PONG);
    ASSERT(what.len <= (event == WEBSOCKET_TEXT ? MESSAGE_MAX : WEBSOCKET_CONTROL_MAX));
    buf_printf(found, "%d %d ", (int)event, reader->code);
    buf_add_text(found, what);
}

static void read_all(struct text bytes, size_t piece, struct buf *found)
{
    struct websocket_reader reader;
    enum websocket_event event = WEBSOCKET_MORE;
    struct text what;

    buf_init(found, 0);
    websocket_reader_init(&reader, FRAME_MAX, MESSAGE_MAX);
    while (bytes.len > 0) {
        size_t len = piece < bytes.len ? piece : bytes.len;
        char *copy = xmalloc(len);

        memcpy(copy, bytes.ptr, len);
        websocket_feed(&reader, (struct text){copy, len});
        while ((event = websocket_next(&reader, &what)) != WEBSOCKET_MORE)
            take(found, &reader, event, what);
        ASSERT(reader.input.len == 0);
        bytes.ptr += len;
        bytes.len -= len;
        free(copy);
    }
    websocket_reader_deinit(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text bytes = {(const char *)data + 1, size - 1};
    struct buf whole;
    struct buf cut;

    if (size < 2)
        return 0;
    read_all(bytes, size, &whole);
    read_all(bytes, data[0] % 16 + 1, &cut);
    ASSERT(text_equal(buf_text(&whole), buf_text(&cut)));
    buf_deinit(&whole);
    buf_deinit(&cut);
    return 0;
}
