#include "tests/unit/shared_websocket/frames.h"

#include <stdlib.h>

#include "shared/websocket/websocket.h"

static const unsigned char mask[4] = {0x37, 0xfa, 0x00, 0x81};

void client_frame(struct buf *to, unsigned head, struct text payload)
{
    buf_add_char(to, (char)(unsigned char)head);
    if (payload.len < 126) {
        buf_add_char(to, (char)(unsigned char)(0x80 | payload.len));
    } else {
        int bytes = payload.len < 65536 ? 2 : 8;

        buf_add_char(to, (char)(unsigned char)(0x80 | (bytes == 2 ? 126 : 127)));
        for (int i = bytes - 1; i >= 0; i--)
            buf_add_char(to, (char)(unsigned char)((uint64_t)payload.len >> (8 * i)));
    }
    buf_add(to, mask, sizeof(mask));
    for (size_t i = 0; i < payload.len; i++)
        buf_add_char(to, (char)((unsigned char)payload.ptr[i] ^ mask[i % 4]));
}

static void show(struct buf *found, const struct websocket_reader *reader,
                 enum websocket_event event, struct text what)
{
    switch (event) {
    case WEBSOCKET_MORE:
        break;
    case WEBSOCKET_TEXT:
        buf_printf(found, "text %.*s|", TEXT_ARGS(what));
        break;
    case WEBSOCKET_PING:
        buf_printf(found, "ping %.*s|", TEXT_ARGS(what));
        break;
    case WEBSOCKET_PONG:
        buf_printf(found, "pong %.*s|", TEXT_ARGS(what));
        break;
    case WEBSOCKET_CLOSE:
        buf_printf(found, "close %d %.*s|", reader->code, TEXT_ARGS(what));
        break;
    case WEBSOCKET_FAILED:
        buf_printf(found, "failed %d|", reader->code);
        break;
    }
}

int64_t length_of(struct text bytes, size_t piece)
{
    struct websocket_reader reader;
    int64_t length = -1;
    struct text what;

    websocket_reader_init(&reader, 1 << 20, 1 << 20);
    while (bytes.len > 0 && length < 0) {
        size_t len = piece < bytes.len ? piece : bytes.len;

        websocket_feed(&reader, (struct text){bytes.ptr, len});
        bytes.ptr += len;
        bytes.len -= len;
        if (websocket_next(&reader, &what) == WEBSOCKET_TEXT)
            length = (int64_t)what.len;
    }
    websocket_reader_deinit(&reader);
    return bytes.len == 0 ? length : -1;
}

const char *events_of(struct text bytes, size_t piece)
{
    static struct buf found;
    struct websocket_reader reader;
    enum websocket_event event;
    struct text what;

    buf_deinit(&found);
    buf_init(&found, 0);
    websocket_reader_init(&reader, FRAME_MAX, MESSAGE_MAX);
    while (bytes.len > 0) {
        /* A copy: what lies behind the piece must not be needed. */
        size_t len = piece < bytes.len ? piece : bytes.len;
        char *copy = malloc(len);

        memcpy(copy, bytes.ptr, len);
        bytes.ptr += len;
        bytes.len -= len;
        websocket_feed(&reader, (struct text){copy, len});
        while ((event = websocket_next(&reader, &what)) != WEBSOCKET_MORE) {
            show(&found, &reader, event, what);
            if (event == WEBSOCKET_CLOSE || event == WEBSOCKET_FAILED)
                break;
        }
        free(copy);
    }
    websocket_reader_deinit(&reader);
    return buf_string(&found);
}
