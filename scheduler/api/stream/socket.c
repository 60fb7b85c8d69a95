/* The life of a socket.
 *
 *     read what is there ──► clocks ──► tell ──► write ──► sleep until input, news, or a clock
 *       ▲                                                        │
 *       └────────────────────────────────────────────────────────┘
 *
 * A close is sent and not waited for: the server reads on for a moment when the handler has
 * returned, as behind any reply.
 */

#include "scheduler/api/stream/socket.h"

#include <stdio.h>

#include "scheduler/api/access/seats.h"
#include "scheduler/api/stream/slices.h"
#include "shared/base/clock.h"
#include "shared/fiber/fiber.h"

enum {
    READ_BYTES = 4096,
    READS_AT_ONCE = 16,
};

#define OUT_KEPT ((size_t)1 << 10)

void socket_close(struct socket *socket, int code, const char *reason)
{
    if (socket->close_code != 0)
        return;
    socket->close_code = code;
    text_excerpt(text_of(reason), socket->close_reason, sizeof(socket->close_reason));
}

size_t socket_begin(struct socket *socket, const char *type)
{
    size_t begun = websocket_begin(&socket->out, WEBSOCKET_OP_TEXT);

    buf_add_string(&socket->out, "{\"type\":\"");
    buf_add_string(&socket->out, type);
    buf_add_char(&socket->out, '"');
    return begun;
}

void socket_end(struct socket *socket, size_t begun)
{
    buf_add_char(&socket->out, '}');
    websocket_end(&socket->out, begun);
}

void socket_send_error(struct socket *socket, struct text id, const struct failure *failure)
{
    struct buf *json = &socket->out;
    size_t begun = socket_begin(socket, "error");
    int64_t wait_ms = failure->retry_after_ms;

    if (wait_ms == 0)
        wait_ms = (int64_t)failure->retry_after_s * 1000;
    if (id.ptr) {
        buf_add_string(json, ",\"id\":");
        buf_add_json(json, id);
    }
    buf_add_string(json, ",\"code\":");
    buf_add_json_string(json, failure->code ? failure->code : failure->type);
    buf_add_string(json, ",\"message\":");
    buf_add_json_string(json, failure->message);
    if (failure->param[0]) {
        buf_add_string(json, ",\"param\":");
        buf_add_json_string(json, failure->param);
    }
    if (wait_ms > 0)
        buf_printf(json, ",\"retry_after_ms\":%lld", (long long)wait_ms);
    socket_end(socket, begun);
}

bool socket_flush(struct socket *socket)
{
    struct error err;

    if (socket->broken || socket->out.len == 0)
        return !socket->broken;
    if (buf_check(&socket->out, &err) < 0 ||
        slices_write(socket->request->exchange, buf_text(&socket->out), http_upgraded_write, &err) <
            0)
        socket->broken = true;
    if (socket->out.size > OUT_KEPT) {
        buf_deinit(&socket->out);
        buf_init(&socket->out, SOCKET_OUT_BYTES);
    }
    buf_reset(&socket->out);
    return !socket->broken;
}

/* In how many milliseconds it may say something; 0: now. */
static int64_t wait_of(struct socket *socket)
{
    int64_t wait_ms = socket_rate_take(&socket->rate, clock_ms());

    if (wait_ms > 0 && socket_rate_is_spent(&socket->rate))
        socket_close(socket, SOCKET_TOO_MANY, "too many messages");
    return wait_ms;
}

static void take_text(struct socket *socket, struct text text)
{
    int64_t wait_ms = wait_of(socket);

    socket->request->api->metrics.socket_messages++;
    if (wait_ms == 0)
        socket_take(socket, text);
    else if (socket_is_open(socket))
        socket_refuse(socket, text, wait_ms);
}

static void take(struct socket *socket, enum websocket_event event, struct text what)
{
    switch (event) {
    case WEBSOCKET_MORE:
        break;
    case WEBSOCKET_TEXT:
        take_text(socket, what);
        break;
    case WEBSOCKET_PING: /* a frame is sent in return, so control frames count, too */
        if (wait_of(socket) == 0)
            websocket_write(&socket->out, WEBSOCKET_OP_PONG, what);
        break;
    case WEBSOCKET_PONG:
        (void)wait_of(socket);
        break;
    case WEBSOCKET_CLOSE:
        socket_close(socket, socket->reader.code, "");
        break;
    case WEBSOCKET_FAILED: {
        char why[WEBSOCKET_REASON_MAX + 1];

        (void)snprintf(why, sizeof(why), "%.*s", TEXT_ARGS(what));
        socket_close(socket, socket->reader.code, why);
        break;
    }
    }
}

static void take_all(struct socket *socket, struct text bytes)
{
    enum websocket_event event;
    struct text what;

    websocket_feed(&socket->reader, bytes);
    do {
        event = websocket_next(&socket->reader, &what);
        take(socket, event, what);
    } while (event != WEBSOCKET_MORE && socket_is_open(socket));
}

/* What is there. A short read tells that there is no more. */
static void take_input(struct socket *socket)
{
    struct http_exchange *exchange = socket->request->exchange;
    char bytes[READ_BYTES];
    size_t len = sizeof(bytes);
    struct error err;

    for (int reads = 0; reads < READS_AT_ONCE && len == sizeof(bytes) && socket_is_open(socket);
         reads++) {
        int r = http_upgraded_read(exchange, bytes, sizeof(bytes), clock_ms(), &len, &err);

        if (r == -E_TIMEOUT)
            return;
        if (r != 0) {
            socket->broken = true;
            return;
        }
        socket->heard_ms = clock_ms();
        take_all(socket, (struct text){bytes, len});
    }
}

static void look_around(struct socket *socket)
{
    const struct live *live = socket->request->api->live;
    int64_t now_ms = clock_ms();

    if (live_has_ended(live))
        socket_close(socket, WEBSOCKET_GOING_AWAY, "the server goes away: connect again");
    if (live_thread_is_gone(&socket->thread_reader))
        socket_close(socket, SOCKET_NOT_FOUND, "the thread was deleted");
    if (now_ms - socket->heard_ms >= SOCKET_SILENCE_MS)
        socket_close(socket, SOCKET_IDLE, "nothing was heard for a minute");
    if (!socket->reads && now_ms - socket->opened_ms >= SOCKET_HELLO_MS)
        socket_close(socket, SOCKET_IDLE, "no hello has come");
    if (now_ms - socket->pinged_ms < SOCKET_PING_MS || !socket_is_open(socket))
        return;
    socket->pinged_ms = now_ms;
    websocket_write(&socket->out, WEBSOCKET_OP_PING, TEXT_NONE);
    if (seat_is_over(socket->seat, socket->request->api->pg))
        socket_close(socket, SOCKET_UNAUTHORIZED, "the API key was revoked");
}

static int64_t next_clock(const struct socket *socket)
{
    int64_t at_ms = socket->pinged_ms + SOCKET_PING_MS;

    at_ms = deadline_min(at_ms, socket->heard_ms + SOCKET_SILENCE_MS);
    if (!socket->reads)
        return deadline_min(at_ms, socket->opened_ms + SOCKET_HELLO_MS);
    return socket_has_told(socket) ? at_ms : deadline_min(at_ms, socket->look_at_ms);
}

static bool was_woken(struct socket *socket)
{
    bool woken =
        socket->thread_reader.woken || (socket->is_telling && socket->telling.reader.woken);

    socket->thread_reader.woken = false;
    if (socket->is_telling)
        socket->telling.reader.woken = false;
    return woken;
}

static void wake_me(struct socket *socket, struct fiber *fiber)
{
    socket->thread_reader.fiber = fiber;
    if (socket->is_telling)
        socket->telling.reader.fiber = fiber;
}

/* A client is silent while somebody listens: not while it is written to, or its messages are
 * done. */
static void was_busy(struct socket *socket, int64_t from_ms)
{
    int64_t now_ms = clock_ms();

    socket->heard_ms = deadline_min(now_ms, socket->heard_ms + now_ms - from_ms);
}

/* Returns whether there is input. */
static bool sleep_a_while(struct socket *socket)
{
    int64_t deadline_ms = was_woken(socket) ? clock_ms() : next_clock(socket);
    struct error err;
    int r;

    if (socket->is_telling)
        telling_rest(&socket->telling);
    wake_me(socket, fiber_self());
    r = http_upgraded_wait(socket->request->exchange, "a socket", deadline_ms, &err);
    wake_me(socket, NULL);
    if (r == -E_CANCELED)
        socket->broken = true;
    return r == HTTP_INPUT;
}

static void say_goodbye(struct socket *socket)
{
    if (socket->broken)
        return;
    websocket_write_close(&socket->out, socket->close_code, text_of(socket->close_reason));
    (void)socket_flush(socket);
}

void socket_serve(struct socket *socket)
{
    bool input = true;

    socket->opened_ms = clock_ms();
    socket->heard_ms = socket->opened_ms;
    socket->pinged_ms = socket->opened_ms;
    websocket_reader_init(&socket->reader, SOCKET_FRAME_BYTES, SOCKET_MESSAGE_BYTES);
    buf_init(&socket->out, SOCKET_OUT_BYTES);
    socket_events_init(socket);
    while (socket_is_open(socket)) {
        int64_t from_ms = clock_ms();

        if (input)
            take_input(socket);
        if (socket_is_open(socket))
            look_around(socket);
        if (socket->reads && socket_is_open(socket))
            socket_tell(socket);
        (void)socket_flush(socket);
        was_busy(socket, from_ms);
        if (socket_is_open(socket))
            input = sleep_a_while(socket);
    }
    say_goodbye(socket);
    socket_stop_telling(socket);
    websocket_reader_deinit(&socket->reader);
    buf_deinit(&socket->out);
}
