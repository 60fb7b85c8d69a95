/* The misbehaving server: raw sockets, no HTTP library, so that it can send anything. */

#include "misbehaving_server.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/fiber/fiber.h"
#include "shared/io/io.h"

struct connection {
    struct list link;
    struct misbehaving_server *server;
    struct fiber *fiber;
    int fd;
    size_t requests;
    struct buf in;
    struct text head;
    struct text body;
    char path[128];
};

enum next { KEEP, CLOSE };

static bool send_text(struct connection *connection, const void *bytes, size_t len)
{
    return io_write(connection->fd, bytes, len, DEADLINE_NONE, NULL) == 0;
}

static enum next say(struct connection *connection, const char *text)
{
    return send_text(connection, text, strlen(text)) ? KEEP : CLOSE;
}

static enum next reply(struct connection *connection, struct text body)
{
    char head[128];

    snprintf(head, sizeof(head),
             "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n",
             body.len);
    if (say(connection, head) == CLOSE)
        return CLOSE;
    if (text_starts(connection->head, "HEAD "))
        return KEEP;
    return send_text(connection, body.ptr, body.len) ? KEEP : CLOSE;
}

static void wait_for_peer_to_close(struct connection *connection)
{
    char byte;
    size_t len;

    while (io_read(connection->fd, &byte, 1, DEADLINE_NONE, &len, NULL) == 0)
        ;
}

static enum next fill(struct connection *connection, const char *prefix, size_t bytes)
{
    char *text = xmalloc(bytes);
    enum next next;

    memset(text, 'x', bytes);
    next = prefix ? say(connection, prefix) : KEEP;
    if (next == KEEP && !prefix)
        next = reply(connection, (struct text){text, bytes});
    else if (next == KEEP && !send_text(connection, text, bytes))
        next = CLOSE;
    free(text);
    return next;
}

static enum next endless(struct connection *connection)
{
    enum next next = say(connection, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");

    while (next == KEEP)
        next = say(connection, "10\r\n0123456789abcdef\r\n");
    return next;
}

static enum next headers(struct connection *connection, int count)
{
    enum next next = say(connection, "HTTP/1.1 200 OK\r\n");

    for (int i = 0; i < count && next == KEEP; i++) {
        char line[64];

        snprintf(line, sizeof(line), "X-Filler-%d: 0123456789\r\n", i);
        next = say(connection, line);
    }
    return next == KEEP ? say(connection, "Content-Length: 0\r\n\r\n") : CLOSE;
}

static enum next trickle(struct connection *connection)
{
    enum next next = say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");

    while (next == KEEP && fiber_sleep(20, NULL) == 0)
        next = say(connection, "x");
    return CLOSE;
}

static enum next stall(struct connection *connection)
{
    if (say(connection, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart") == KEEP)
        wait_for_peer_to_close(connection);
    return CLOSE;
}

static enum next answer_fixed(struct connection *connection)
{
    static const struct {
        const char *path;
        const char *text;
        enum next next;
    } fixed[] = {
        {"/chunked",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n"
         "X-Trailer: late\r\n\r\n",
         KEEP},
        {"/empty", "HTTP/1.1 204 No Content\r\n\r\n", KEEP},
        {"/redirect", "HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 5\r\n\r\nmoved",
         KEEP},
        {"/interim",
         "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nX-Final: yes\r\n"
         "Content-Length: 2\r\n\r\nok",
         KEEP},
        {"/close-before", "", CLOSE},
        {"/close-after-headers", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", CLOSE},
        {"/close-mid-body", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", CLOSE},
        {"/close-mid-headers", "HTTP/1.1 200 OK\r\nContent-Le", CLOSE},
        {"/close-mid-chunk",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n w", CLOSE},
        {"/garbage", "\x16\x03\x01 this is no HTTP\r\n\r\n", CLOSE},
        {"/bad-chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
         CLOSE},
        {"/folded", "HTTP/1.1 200 OK\r\nX-A: 1\r\n folded\r\nContent-Length: 0\r\n\r\n", CLOSE},
        {"/gzip-claim", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nraw",
         KEEP},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(fixed); i++) {
        if (strcmp(connection->path, fixed[i].path) != 0)
            continue;
        if (say(connection, fixed[i].text) == CLOSE)
            return CLOSE;
        return fixed[i].next;
    }
    cr_assert_fail("the misbehaving server knows no %s", connection->path);
    return CLOSE;
}

static enum next answer(struct connection *connection)
{
    const char *path = connection->path;
    int number;

    if (strcmp(path, "/ok") == 0)
        return reply(connection, TEXT("hello"));
    if (strcmp(path, "/echo") == 0)
        return reply(connection, connection->body);
    if (strcmp(path, "/dump") == 0)
        return reply(connection, connection->head);
    if (sscanf(path, "/slow/%d", &number) == 1)
        return fiber_sleep(number, NULL) == 0 ? reply(connection, TEXT("late")) : CLOSE;
    if (strcmp(path, "/stall") == 0)
        return stall(connection);
    if (strcmp(path, "/trickle") == 0)
        return trickle(connection);
    if (strcmp(path, "/die-on-reuse") == 0)
        return connection->requests > 1 ? CLOSE : reply(connection, TEXT("once"));
    if (sscanf(path, "/big/%d", &number) == 1)
        return fill(connection, NULL, (size_t)number);
    if (sscanf(path, "/header/%d", &number) == 1)
        return fill(connection, "HTTP/1.1 200 OK\r\nX-Filler: ", (size_t)number) == KEEP
                   ? say(connection, "\r\nContent-Length: 0\r\n\r\n")
                   : CLOSE;
    if (sscanf(path, "/headers/%d", &number) == 1)
        return headers(connection, number);
    if (strcmp(path, "/endless") == 0)
        return endless(connection);
    return answer_fixed(connection);
}

/* Reads until `in` holds at least `want` bytes. */
static bool fetch(struct connection *connection, size_t want)
{
    while (connection->in.len < want) {
        char *at = buf_reserve(&connection->in, 4096);
        size_t len;

        if (!at || io_read(connection->fd, at, 4096, DEADLINE_NONE, &len, NULL) != 0)
            return false;
        connection->in.len += len;
        at[len] = '\0';
    }
    return true;
}

static bool read_request(struct connection *connection)
{
    char *end;
    char *length;
    size_t head_bytes;
    size_t body_bytes;

    while (!connection->in.ptr || !strstr(connection->in.ptr, "\r\n\r\n"))
        if (!fetch(connection, connection->in.len + 1))
            return false;
    end = strstr(connection->in.ptr, "\r\n\r\n");
    head_bytes = (size_t)(end - connection->in.ptr) + 4;
    length = strcasestr(connection->in.ptr, "\r\ncontent-length:");
    body_bytes = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
    if (!fetch(connection, head_bytes + body_bytes))
        return false;
    connection->head = (struct text){connection->in.ptr, head_bytes};
    connection->body = (struct text){connection->in.ptr + head_bytes, body_bytes};
    cr_assert_eq(sscanf(connection->in.ptr, "%*s %127[^ ?]", connection->path), 1);
    connection->requests++;
    connection->server->requests++;
    buf_reset(&connection->server->last_body);
    buf_add_text(&connection->server->last_body, connection->body);
    return true;
}

static void serve(void *arg)
{
    struct connection *connection = arg;
    struct misbehaving_server *server = connection->server;

    connection->fiber = fiber_self();
    buf_init(&connection->in, 0);
    while (read_request(connection) && answer(connection) == KEEP)
        buf_consume(&connection->in, connection->head.len + connection->body.len);
    io_close(&connection->fd);
    server->open--;
    server->last_closed_ms = clock_ms();
    list_remove(&connection->link);
    cond_broadcast(&server->closed);
    buf_deinit(&connection->in);
    free(connection);
}

static void accept_all(void *arg)
{
    struct misbehaving_server *server = arg;
    struct address peer;
    int fd;

    while (io_accept(server->listen_fd, DEADLINE_NONE, &fd, &peer, NULL) == 0) {
        struct connection *connection = xcalloc(1, sizeof(*connection));

        connection->server = server;
        connection->fd = fd;
        list_add(&server->connections, &connection->link);
        server->accepted++;
        server->open++;
        connection->fiber = fiber_spawn("serve", serve, connection);
    }
}

void misbehaving_server_start(struct misbehaving_server *server)
{
    struct address address;

    *server = (struct misbehaving_server){0};
    list_init(&server->connections);
    cond_init(&server->closed);
    buf_init(&server->last_body, 0);
    cr_assert_eq(address_parse("127.0.0.1", 0, &address, NULL), 0);
    cr_assert_eq(io_listen(&address, 1024, &server->listen_fd, NULL), 0);
    server->port = io_local_port(server->listen_fd);
    server->acceptor = fiber_start("accept", accept_all, server);
}

void misbehaving_server_stop(struct misbehaving_server *server)
{
    fiber_cancel(server->acceptor);
    fiber_join(server->acceptor);
    list_for_each (item, &server->connections)
        fiber_cancel(CONTAINER_OF(item, struct connection, link)->fiber);
    while (!list_empty(&server->connections)) {
        int r = cond_wait(&server->closed, DEADLINE_NONE, NULL);

        cr_assert_eq(r, 0);
    }
    io_close(&server->listen_fd);
    buf_deinit(&server->last_body);
}
