#pragma once
/* An HTTP server on 127.0.0.1, on fibers of the test's own loop, whose paths misbehave:
 *
 *   /ok /echo /dump (the request's head as body) /chunked /empty /redirect /interim
 *   /slow/MS /stall (part of the body, then nothing) /trickle (a byte each 20 ms)
 *   /close-before /close-after-headers /close-mid-body /die-on-reuse (a second request on a
 *   connection is read and answered by closing it)
 *   /big/BYTES /endless (chunks for ever) /header/BYTES (one header) /headers/COUNT
 *   /garbage /bad-chunk /folded
 */

#include "shared/base/list.h"
#include "shared/base/text.h"
#include "shared/fiber/cond.h"

struct misbehaving_server {
    int listen_fd;
    int port;
    struct fiber *acceptor;
    struct list connections;
    struct cond closed;
    size_t accepted;
    size_t open;
    size_t requests;
    int64_t last_closed_ms;
    struct buf last_body; /* of a request */
};

void misbehaving_server_start(struct misbehaving_server *server);
SUSPENDS void misbehaving_server_stop(struct misbehaving_server *server);
