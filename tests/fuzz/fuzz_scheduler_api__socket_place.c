/* Ids of events of sockets, as clients bring them: one that is read is written as one that reads
 * the same. */

#include "scheduler/api/stream/socket_place.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buf_deinit) struct buf written;
    CLEANUP(buf_deinit) struct buf again;
    struct socket_place place;
    struct socket_place same;

    buf_init(&written, 0);
    buf_init(&again, 0);
    if (!socket_place_parse((struct text){(const char *)data, size}, &place))
        return 0;
    socket_place_write(&place, &written);
    ASSERT(socket_place_parse(buf_text(&written), &same));
    socket_place_write(&same, &again);
    ASSERT(text_equal(buf_text(&written), buf_text(&again)));
    return 0;
}
