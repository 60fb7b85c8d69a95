#pragma once
/* How many messages a client may send over a socket. Pure: the clock is a parameter. */

#include "shared/base/compiler.h"

#define SOCKET_RATE   20  /* a second, on average, */
#define SOCKET_BURST  40  /* and at once */
#define SOCKET_EXCESS 100 /* refused ones, since it was within the rate last, until it is closed */

struct socket_rate {
    int64_t full_ms; /* when it would be at rest again */
    int excess;
};

/* Returns 0: it may; or in how many milliseconds the next one may. */
int64_t socket_rate_take(struct socket_rate *rate, int64_t now_ms);

static inline bool socket_rate_is_spent(const struct socket_rate *rate)
{
    return rate->excess > SOCKET_EXCESS;
}
