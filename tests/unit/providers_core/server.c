/* A server for tests. */

#include "server.h"

#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/io/io.h"

/* Bytes of the request with its body, as far as its head is there. */
static size_t request_bytes(const char *request)
{
    const char *end = strstr(request, "\r\n\r\n");
    const char *length = strcasestr(request, "\r\nContent-Length:");

    if (!end)
        return SIZE_MAX;
    return (size_t)(end + 4 - request) + (length ? strtoul(length + 17, NULL, 10) : 0);
}

static void read_request(int fd, char *request, size_t size)
{
    char rest[4096];
    size_t len = 0;
    size_t got;

    while (len < request_bytes(request)) {
        bool is_cut = len >= size - 1;

        if (io_read(fd, is_cut ? rest : request + len, is_cut ? sizeof(rest) : size - 1 - len,
                    deadline_in(5000), &got, NULL) != 0)
            break;
        len += got;
    }
}

static void write_reply(struct server *server, int fd, size_t number)
{
    struct text reply = TEXT_NONE;

    if (number == 0 && server->reply)
        reply = (struct text){server->reply,
                              server->reply_len ? server->reply_len : strlen(server->reply)};
    else if (number < server->answers_count)
        reply = buf_text(&server->answers[number]);
    if (reply.ptr)
        (void)(io_write(fd, reply.ptr, reply.len, deadline_in(5000), NULL) < 0);
}

static void serve(void *arg)
{
    struct server *server = arg;
    struct address peer;
    int fd = -1;

    while (server->requests_count < SERVER_REQUESTS_MAX &&
           io_accept(server->fd, deadline_in(5000), &fd, &peer, NULL) == 0) {
        size_t number = server->requests_count++;

        read_request(fd, server->requests[number], sizeof(server->requests[number]));
        write_reply(server, fd, number);
        if (server->hold && number + 1 >= server->answers_count)
            (void)(fiber_sleep(60000, NULL) < 0);
        io_close(&fd);
    }
}

void server_start(struct server *server)
{
    struct address address;
    struct error err;

    cr_assert_eq(address_parse("127.0.0.1", 0, &address, &err), 0);
    cr_assert_eq(io_listen(&address, 8, &server->fd, &err), 0, "%s", err.text);
    snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%d/v1", io_local_port(server->fd));
    server->requests_count = 0;
    server->fiber = fiber_start("server", serve, server);
}

void server_stop(struct server *server)
{
    fiber_cancel(server->fiber);
    fiber_join(server->fiber);
    io_close(&server->fd);
    for (size_t i = 0; i < server->answers_count; i++)
        buf_deinit(&server->answers[i]);
    server->answers_count = 0;
}

void server_answer(struct server *server, const char *status, const char *headers, struct text body)
{
    struct buf *answer = &server->answers[server->answers_count++];

    cr_assert_leq(server->answers_count, SERVER_REQUESTS_MAX);
    buf_init(answer, (size_t)64 << 20);
    buf_printf(answer, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n",
               status ? status : "200 OK", body.len, headers);
    buf_add_text(answer, body);
}
