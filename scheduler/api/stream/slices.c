/* A rest that is less than two slices goes out at once: a small one behind a whole one would be a
 * packet of its own. */

#include "scheduler/api/stream/slices.h"

#include "shared/base/clock.h"
#include "shared/http_server/http_server.h"

int slices_write(struct http_exchange *exchange, struct text bytes, slices_write_fn write,
                 struct error *err)
{
    int r = 0;

    while (r == 0 && bytes.len > 0) {
        size_t len = bytes.len < 2 * SLICE_BYTES ? bytes.len : SLICE_BYTES;

        exchange->deadline_ms = deadline_in(SLICE_WAIT_MS);
        r = write(exchange, (struct text){bytes.ptr, len}, err);
        bytes.ptr += len;
        bytes.len -= len;
    }
    return r;
}
