/* Bodies that their handler reads as they come.
 *
 * What a client sends ahead waits in its socket: nothing is read before it is asked for, so a
 * handler that is slow slows its client down, and holds one piece. */

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/http_server/connection.h"

#define PIECES_PER_YIELD 16

/* A body that was gathered, or came along with its head. */
static int read_gathered(struct http_exchange *exchange, struct text *out)
{
    if (exchange->body.len == 0)
        return HTTP_BODY_END;
    *out = exchange->body;
    exchange->body = TEXT_NONE;
    return 0;
}

/* Waits for further bytes, and parses them. Returns what http_parse_advance does, or an error. */
static int receive(struct http_connection *connection, int64_t deadline_ms, struct error *err)
{
    size_t received = 0;
    int r = 0;

    if (http_parse_wants_continue(&connection->parse) && !connection->continued) {
        connection->continued = true;
        r = http_connection_continue(connection, err);
    }
    if (r == 0) {
        http_connection_waits(connection, WAITING_REST);
        r = http_connection_receive(connection, deadline_ms, &received, err);
        http_connection_waits(connection, WAITING_NOTHING);
    }
    if (r == HTTP_RECEIVE_OVER)
        r = error_set(err, E_CLOSED, "the body ended before it was complete");
    return r < 0 ? r : http_parse_advance(&connection->parse, received, err);
}

/* A fiber whose socket is always ready never waits. */
static int pause_now_and_then(struct http_connection *connection, struct error *err)
{
    if (++connection->pieces % PIECES_PER_YIELD == 0)
        fiber_yield();
    if (fiber_canceled())
        return error_set(err, E_CANCELED, "cancelled while reading a body");
    return 0;
}

int http_body_read(struct http_exchange *exchange, int64_t deadline_ms, struct text *out,
                   struct error *err)
{
    struct http_connection *connection = exchange->connection;
    struct http_parse *parse = &connection->parse;
    int r = pause_now_and_then(connection, err);

    if (r < 0)
        return r;
    if (connection->broken)
        return error_set(err, E_CLOSED, "the connection is closed");
    if (!parse->streams)
        return read_gathered(exchange, out);
    for (;;) {
        struct text piece;

        if (parse->state == HTTP_PARSE_REFUSED)
            return error_set(err, E_PROTOCOL, "the body was malformed");
        piece = http_parse_take_piece(parse);
        exchange->deadline_ms = deadline_in(connection->server->options.reply_timeout_ms);
        if (piece.len > 0) {
            *out = piece;
            return 0;
        }
        if (parse->state == HTTP_PARSE_DONE)
            return HTTP_BODY_END;
        r = receive(connection, deadline_ms, err);
        if (r < 0)
            return r;
    }
}
