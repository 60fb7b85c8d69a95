/* Sending replies, and the faults in it.
 *
 * Events leave in one write where nothing is to happen between them, else each in its own, so that
 * a client reads them as they come.
 */

#include "providers/rehearsal/sending.h"

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/fiber/fiber.h"

#define CALL_MAX_MS    ((int64_t)3600 * 1000)
#define LOOK_MS        500 /* how often a waiting call looks whether its client is there */
#define BODY_MAX_BYTES ((size_t)64 << 20)

void sending_init(struct sending *sending, struct http_exchange *exchange,
                  struct http_server *server, enum event_framing framing)
{
    *sending = (struct sending){.exchange = exchange, .server = server};
    buf_init(&sending->body, BODY_MAX_BYTES);
    event_list_init(&sending->events, framing);
    event_list_init(&sending->breaking, framing);
}

void sending_deinit(struct sending *sending)
{
    buf_deinit(&sending->body);
    event_list_deinit(&sending->events);
    event_list_deinit(&sending->breaking);
}

/* Returns false when the client has gone, or the wait was cancelled; one that has no end is
 * cancelled by a drain. */
SUSPENDS static bool wait_for(struct sending *sending, int64_t wait_ms, bool endless)
{
    int64_t until_ms = deadline_in(wait_ms);

    for (;;) {
        int64_t left_ms = until_ms - clock_ms();

        if (left_ms <= 0)
            break;
        if (left_ms > LOOK_MS * 3)
            left_ms = LOOK_MS;
        if (fiber_sleep(left_ms, NULL) < 0)
            return false;
        if (http_peer_gone(sending->exchange)) {
            sending->closed = true;
            return false;
        }
        if (endless && http_server_draining(sending->server))
            return false;
    }
    return !endless;
}

bool sending_wait(struct sending *sending, int64_t wait_ms)
{
    bool endless = sending->action->fault == SCRIPT_FAULT_STALL;

    if (wait_for(sending, endless ? CALL_MAX_MS : wait_ms, endless))
        return true;
    http_abort(sending->exchange);
    return false;
}

/* ---- streams ---- */

/* False: the client has gone. */
SUSPENDS static bool send_bytes(struct sending *sending, struct text bytes)
{
    struct error err;

    if (sending->keep)
        buf_add_text(&sending->body, bytes);
    if (http_stream_write(sending->exchange, bytes, &err) == 0)
        return true;
    sending->closed = true;
    return false;
}

/* Events from `from` up to `to`. */
SUSPENDS static bool send_events(struct sending *sending, size_t from, size_t to)
{
    const struct event_list *events = &sending->events;

    if (from >= to)
        return true;
    if (!sending->chunk_ms) {
        struct text first = event_list_at(events, from);
        struct text last = event_list_at(events, to - 1);

        return send_bytes(sending,
                          (struct text){first.ptr, (size_t)(last.ptr + last.len - first.ptr)});
    }
    for (size_t i = from; i < to; i++) {
        if (i > 0 && !wait_for(sending, sending->chunk_ms, false))
            return false;
        if (!send_bytes(sending, event_list_at(events, i)))
            return false;
    }
    return true;
}

SUSPENDS static bool send_malformed(struct sending *sending, size_t i)
{
    CLEANUP(buf_deinit) struct buf event = {0};

    if (i >= sending->events.count)
        return true;
    buf_init(&event, 0);
    event_list_add_malformed(&sending->events, i, &event);
    return send_bytes(sending, buf_text(&event));
}

/* The events, up to the fault and with it. Returns true when the stream is to end well. */
SUSPENDS static bool send_all(struct sending *sending)
{
    size_t count = sending->events.count;
    enum script_fault fault = sending->action->fault;
    size_t n = (size_t)sending->action->fault_events;
    bool broken = fault == SCRIPT_FAULT_CUT_AFTER || fault == SCRIPT_FAULT_STALL_AFTER ||
                  fault == SCRIPT_FAULT_ERROR_AFTER || fault == SCRIPT_FAULT_MALFORMED_AFTER;

    if (!broken || n > count)
        n = count;
    if (!send_events(sending, 0, n))
        return false;
    if (!broken)
        return send_bytes(sending, event_list_closing(&sending->events));
    switch (fault) {
    case SCRIPT_FAULT_STALL_AFTER:
        return wait_for(sending, CALL_MAX_MS, true);
    case SCRIPT_FAULT_ERROR_AFTER:
        return send_bytes(sending, buf_text(&sending->breaking.bytes));
    case SCRIPT_FAULT_MALFORMED_AFTER:
        return send_malformed(sending, n) && send_events(sending, n + 1, count);
    case SCRIPT_FAULT_NONE:
    case SCRIPT_FAULT_CLOSE_BEFORE:
    case SCRIPT_FAULT_CLOSE_WITHIN:
    case SCRIPT_FAULT_MALFORMED:
    case SCRIPT_FAULT_STALL:
    case SCRIPT_FAULT_CUT_AFTER:
        break;
    }
    return false;
}

SUSPENDS static void send_stream(struct sending *sending)
{
    struct error err;

    sending->status_sent = sending->status;
    if (http_stream_begin(sending->exchange, sending->status,
                          event_list_content_type(sending->events.framing), &err) < 0) {
        sending->closed = true;
        return;
    }
    if (!send_all(sending)) {
        http_abort(sending->exchange);
        return;
    }
    if (http_stream_end(sending->exchange, &err) < 0)
        sending->closed = true;
    else
        sending->answered = sending->action->fault == SCRIPT_FAULT_NONE;
}

/* ---- the whole ---- */

/* All bytes of the reply, for faults that count bytes. */
static struct text all_bytes(const struct sending *sending)
{
    return buf_text(sending->stream ? &sending->events.bytes : &sending->body);
}

SUSPENDS static void send_part(struct sending *sending, size_t bytes, bool end)
{
    struct text part = all_bytes(sending);
    const char *content_type =
        sending->stream ? event_list_content_type(sending->events.framing) : sending->content_type;
    struct error err;

    if (part.len > bytes)
        part.len = bytes;
    sending->status_sent = sending->status;
    if (http_stream_begin(sending->exchange, sending->status, content_type, &err) == 0 && part.len)
        (void)(http_stream_write(sending->exchange, part, &err) < 0);
    if (sending->keep && sending->stream)
        buf_add_text(&sending->body, part);
    if (end)
        (void)(http_stream_end(sending->exchange, &err) < 0);
    else
        http_abort(sending->exchange);
}

SUSPENDS static void send_whole(struct sending *sending)
{
    sending->status_sent = sending->status;
    if (http_reply(sending->exchange, sending->status, sending->content_type,
                   buf_text(&sending->body)) < 0)
        sending->closed = true;
    else
        sending->answered = sending->completion && sending->action->fault != SCRIPT_FAULT_MALFORMED;
}

static void cut_json(struct sending *sending)
{
    sending->body.len -= sending->body.len / 3;
}

void sending_send(struct sending *sending)
{
    const struct script_action *action = sending->action;

    for (size_t i = 0; i < action->headers.count; i++)
        http_add_header(sending->exchange, action->headers.items[i].key,
                        text_of(action->headers.items[i].value));
    switch (action->fault) {
    case SCRIPT_FAULT_STALL:
    case SCRIPT_FAULT_CLOSE_BEFORE:
        http_abort(sending->exchange);
        return;
    case SCRIPT_FAULT_CLOSE_WITHIN:
        send_part(sending, (size_t)action->fault_bytes, false);
        return;
    case SCRIPT_FAULT_MALFORMED:
        if (sending->stream)
            send_part(sending, sending->events.bytes.len - sending->events.bytes.len / 3, true);
        else
            cut_json(sending);
        break;
    case SCRIPT_FAULT_NONE:
    case SCRIPT_FAULT_CUT_AFTER:
    case SCRIPT_FAULT_STALL_AFTER:
    case SCRIPT_FAULT_ERROR_AFTER:
    case SCRIPT_FAULT_MALFORMED_AFTER:
        break;
    }
    if (sending->stream && action->fault != SCRIPT_FAULT_MALFORMED)
        send_stream(sending);
    else if (!sending->stream)
        send_whole(sending);
}
