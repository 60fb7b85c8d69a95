/* Another protocol on a connection (RFC 9110, section 7.8).
 *
 * The handler decides: it looks whether its client offers the protocol, answers 101, and then has
 * the connection's bytes in both directions. What the client sent right behind its request comes
 * first. When the handler returns the connection is closed, as after any reply that has no frame of
 * its own.
 */

#include <string.h>

#include "shared/base/error.h"
#include "shared/http_server/connection.h"

/* Whether a list of words in the headers of this name has the word, in any case. */
static bool header_has(const struct http_exchange *exchange, const char *name, const char *word)
{
    for (size_t i = 0; i < exchange->headers_count; i++) {
        struct text rest = exchange->headers[i].value;

        if (!text_is_nocase(exchange->headers[i].name, name))
            continue;
        while (rest.len > 0) {
            struct text item = rest;

            if (!text_cut(rest, ',', &item, &rest))
                rest = TEXT_NONE;
            if (text_is_nocase(text_trim(item), word))
                return true;
        }
    }
    return false;
}

bool http_offers_upgrade(const struct http_exchange *exchange, const char *protocol)
{
    return exchange->method == HTTP_METHOD_GET && exchange->body.len == 0 &&
           !exchange->connection->parse.request.http_1_0 &&
           header_has(exchange, "connection", "upgrade") &&
           header_has(exchange, "upgrade", protocol);
}

int http_upgrade(struct http_exchange *exchange, const char *protocol, struct error *err)
{
    struct http_connection *connection = exchange->connection;
    CLEANUP(buf_deinit) struct buf head;
    struct iovec part;

    ASSERT(exchange->status == 0);
    ASSERT(http_offers_upgrade(exchange, protocol));
    buf_init(&head, 0);
    if (connection->broken)
        return error_set(err, E_CLOSED, "the connection is closed");
    exchange->status = 101;
    connection->closing = true;
    connection->chunked = false;
    connection->upgraded = true;
    buf_printf(&head, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n",
               protocol);
    buf_add_text(&head, buf_text(&exchange->extra_headers));
    buf_add_string(&head, "\r\n");
    http_connection_shrink_send_buffer(connection);
    part = (struct iovec){head.ptr, head.len};
    return http_connection_write(connection, &part, 1, err);
}

int http_upgraded_read(struct http_exchange *exchange, void *to, size_t size, int64_t deadline_ms,
                       size_t *out_len, struct error *err)
{
    struct http_connection *connection = exchange->connection;
    struct text early = http_parse_behind(&connection->parse);

    ASSERT(connection->upgraded && size > 0);
    if (connection->broken)
        return error_set(err, E_CLOSED, "the connection is closed");
    if (early.len == 0)
        return io_read(connection->fd, to, size, deadline_ms, out_len, err);
    *out_len = early.len < size ? early.len : size;
    memcpy(to, early.ptr, *out_len);
    http_parse_take_behind(&connection->parse, *out_len);
    return 0;
}

int http_upgraded_write(struct http_exchange *exchange, struct text bytes, struct error *err)
{
    struct iovec part = {(void *)(uintptr_t)bytes.ptr, bytes.len};

    ASSERT(exchange->connection->upgraded);
    if (exchange->connection->broken)
        return error_set(err, E_CLOSED, "the connection is closed");
    return bytes.len == 0 ? 0 : http_connection_write(exchange->connection, &part, 1, err);
}
