/* One number is the whole bucket: when it would be full again. */

#include "scheduler/api/stream/socket_rate.h"

enum { EACH_MS = 1000 / SOCKET_RATE };

int64_t socket_rate_take(struct socket_rate *rate, int64_t now_ms)
{
    int64_t full_ms = rate->full_ms > now_ms ? rate->full_ms : now_ms;
    int64_t late_ms = full_ms + EACH_MS - now_ms - SOCKET_BURST * EACH_MS;

    if (late_ms > 0) {
        rate->excess++;
        return late_ms;
    }
    if (full_ms == now_ms)
        rate->excess = 0;
    rate->full_ms = full_ms + EACH_MS;
    return 0;
}
