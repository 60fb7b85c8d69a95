/* A handler that waits for something else than its client, and for its client to go away; or, once
 * the connection has another protocol, to say something.
 *
 * The descriptor is watched for input, since the end of it is input, too. A client may send its
 * next request before it has the reply to this one: those bytes stay where they are, and would
 * make the descriptor ready again and again, so it is not watched any further then.
 */

#include <ev.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "shared/http_server/connection.h"

struct peer_watch {
    ev_io watcher;
    struct http_exchange *exchange;
    struct fiber *fiber;
    bool gone;
    bool readable;
};

static void on_input(struct ev_loop *ev, ev_io *watcher, int events)
{
    struct peer_watch *watch = CONTAINER_OF(watcher, struct peer_watch, watcher);

    (void)events;
    ev_io_stop(ev, watcher);
    if (!http_peer_gone(watch->exchange))
        return;
    watch->gone = true;
    fiber_wake(watch->fiber);
}

static void on_readable(struct ev_loop *ev, ev_io *watcher, int events)
{
    struct peer_watch *watch = CONTAINER_OF(watcher, struct peer_watch, watcher);

    (void)events;
    ev_io_stop(ev, watcher);
    watch->readable = true;
    fiber_wake(watch->fiber);
}

static int await(struct peer_watch *watch, const char *reason, int64_t deadline_ms,
                 struct error *err)
{
    enum wait_result result;

    ASSERT(watch->fiber);
    fiber_trim_stack();
    ev_io_start(loop_ev(), &watch->watcher);
    result = fiber_wait(reason, deadline_ms);
    ev_io_stop(loop_ev(), &watch->watcher);
    switch (result) {
    case WAIT_WOKEN:
        return 0;
    case WAIT_TIMEOUT:
        return error_set(err, E_TIMEOUT, "timed out waiting to be woken");
    case WAIT_CANCELED:
        break;
    }
    return error_set(err, E_CANCELED, "cancelled while waiting to be woken");
}

int http_await_wake(struct http_exchange *exchange, const char *reason, int64_t deadline_ms,
                    struct error *err)
{
    struct peer_watch watch = {.exchange = exchange, .fiber = fiber_self()};
    int64_t from_ms = clock_ms();
    int r;

    ev_io_init(&watch.watcher, on_input, exchange->connection->fd, EV_READ);
    r = await(&watch, reason, deadline_ms, err);
    if (exchange->deadline_ms != DEADLINE_NONE)
        exchange->deadline_ms += clock_ms() - from_ms;
    return r == 0 && watch.gone ? HTTP_PEER_GONE : r;
}

int http_upgraded_wait(struct http_exchange *exchange, const char *reason, int64_t deadline_ms,
                       struct error *err)
{
    struct peer_watch watch = {.exchange = exchange, .fiber = fiber_self()};
    int r;

    ASSERT(exchange->connection->upgraded);
    if (http_parse_behind(&exchange->connection->parse).len > 0)
        return HTTP_INPUT;
    ev_io_init(&watch.watcher, on_readable, exchange->connection->fd, EV_READ);
    r = await(&watch, reason, deadline_ms, err);
    return r >= 0 && watch.readable ? HTTP_INPUT : r;
}
