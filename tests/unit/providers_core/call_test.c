/* A call over real sockets: what a server does to it, and which class of failure that is. */

#include <stdio.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "providers/call.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "shared/io/io.h"
#include "support.h"

/* A server for one connection: reads a request, writes these bytes, and closes, or holds on. */
struct server {
    const char *reply; /* NULL: none */
    bool hold;
    int fd;
    char request[4096];
    char url[64];
    struct fiber *fiber;
};

static void accept_one(void *arg)
{
    struct server *server = arg;
    struct address peer;
    size_t len = 0;
    size_t got;
    int fd = -1;

    if (io_accept(server->fd, deadline_in(5000), &fd, &peer, NULL) < 0)
        return;
    while (!strstr(server->request, "\r\n\r\n") || !strstr(server->request, "\"stream\":false}")) {
        if (io_read(fd, server->request + len, sizeof(server->request) - 1 - len, deadline_in(5000),
                    &got, NULL) != 0)
            break;
        len += got;
    }
    if (server->reply)
        (void)(io_write(fd, server->reply, strlen(server->reply), deadline_in(5000), NULL) < 0);
    if (server->hold)
        (void)(fiber_sleep(60000, NULL) < 0);
    io_close(&fd);
}

static void start(struct server *server)
{
    struct address address;
    struct error err;

    cr_assert_eq(address_parse("127.0.0.1", 0, &address, &err), 0);
    cr_assert_eq(io_listen(&address, 8, &server->fd, &err), 0, "%s", err.text);
    snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%d/v1", io_local_port(server->fd));
    server->fiber = fiber_start("server", accept_one, server);
}

static void stop(struct server *server)
{
    fiber_cancel(server->fiber);
    fiber_join(server->fiber);
    io_close(&server->fd);
}

static struct chat_reply reply;
static struct provider_failure_info failure;
static struct error err;

/* Calls the server; returns what provider_call returns. */
static int call(const char *url, int64_t deadline_ms)
{
    static struct arena arena;
    struct http_client_options options = {0};
    struct http_client *client = NULL;
    struct provider_target target = support_target("test");
    struct chat_message message = {.role = CHAT_USER, .text = TEXT("hi")};
    struct chat_request request = {.messages = &message,
                                   .messages_count = 1,
                                   .idempotency_key = TEXT("run_1:0"),
                                   .deadline_ms = deadline_ms};
    int r;

    arena_init(&arena, 0);
    reply.arena = &arena;
    target.base_url = url;
    cr_assert_eq(http_client_open(&options, &client, &err), 0, "%s", err.text);
    r = provider_call(client, &target, &request, &reply, &failure, &err);
    http_client_close(client);
    return r;
}

#define CALL_TEST(name)                                                                            \
    static void name##_body(void *arg);                                                            \
    Test(call, name)                                                                               \
    {                                                                                              \
        loop_run(name##_body, NULL);                                                               \
    }                                                                                              \
    static void name##_body(void *arg __attribute__((unused)))

CALL_TEST(a_reply_comes_back_decoded_and_the_request_was_whole)
{
    struct server server = {
        .reply =
            "HTTP/1.1 200 OK\r\nContent-Length: 51\r\nx-ratelimit-remaining-requests: 7\r\n\r\n"
            "{\"choices\":[{\"message\":{\"content\":\"hello there\"}}]}"};

    start(&server);
    cr_assert_eq(call(server.url, 0), 0, "%s %s", failure.message, err.text);
    cr_assert(text_is(reply.text, "hello there"));
    cr_assert_eq(reply.limits.requests_remaining, 7);
    cr_assert(strstr(server.request, "POST /v1/chat/completions HTTP/1.1\r\n"));
    cr_assert(strcasestr(server.request, "\r\nAuthorization: Bearer sk-test-1234567890\r\n"));
    cr_assert(strcasestr(server.request, "\r\nIdempotency-Key: run_1:0\r\n"));
    cr_assert(strcasestr(server.request, "\r\nContent-Type: application/json\r\n"));
    stop(&server);
    arena_deinit(reply.arena);
}

static enum provider_failure failure_of(struct server *server, int64_t deadline_ms)
{
    start(server);
    cr_assert_eq(call(server->url, deadline_ms), PROVIDER_FAILED);
    stop(server);
    cr_assert(failure.message[0]);
    cr_assert_null(strstr(failure.message, "sk-test"));
    return failure.failure;
}

CALL_TEST(an_error_reply_is_classed_with_its_headers)
{
    struct server server = {
        .reply = "HTTP/1.1 429 Too Many\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n"};

    cr_assert_eq(failure_of(&server, 0), PROVIDER_RATE_LIMITED);
    cr_assert_eq(failure.retry_after_ms, 2000);
}

CALL_TEST(a_connection_closed_before_the_reply_is_overloaded)
{
    struct server server = {.reply = NULL};

    cr_assert_eq(failure_of(&server, 0), PROVIDER_OVERLOADED);
    cr_assert_eq(failure.status, 0);
}

CALL_TEST(a_connection_closed_within_the_reply_is_cut)
{
    struct server server = {.reply = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"choices\":"};

    cr_assert_eq(failure_of(&server, 0), PROVIDER_STREAM_CUT);
}

CALL_TEST(what_is_not_http_is_malformed)
{
    struct server server = {.reply = "220 smtp ready\r\n"};

    cr_assert_eq(failure_of(&server, 0), PROVIDER_MALFORMED_REPLY, "%s", failure.message);
}

CALL_TEST(the_deadline_of_the_request_ends_the_call)
{
    struct server server = {.hold = true};
    int64_t began_ms = clock_ms();

    cr_assert_eq(failure_of(&server, deadline_in(150)), PROVIDER_TIMED_OUT);
    cr_assert_lt(clock_ms() - began_ms, 3000);
}

CALL_TEST(a_deadline_that_has_passed_makes_no_call)
{
    cr_assert_eq(call("http://127.0.0.1:9/v1", clock_ms() - 1), PROVIDER_FAILED);
    cr_assert_eq(failure.failure, PROVIDER_TIMED_OUT);
}

CALL_TEST(a_server_that_is_not_there_is_overloaded)
{
    struct server server = {0};
    struct address address;

    cr_assert_eq(address_parse("127.0.0.1", 0, &address, &err), 0);
    cr_assert_eq(io_listen(&address, 1, &server.fd, &err), 0);
    snprintf(server.url, sizeof(server.url), "http://127.0.0.1:%d/v1", io_local_port(server.fd));
    io_close(&server.fd);
    cr_assert_eq(call(server.url, 0), PROVIDER_FAILED);
    cr_assert_eq(failure.failure, PROVIDER_OVERLOADED);
}

CALL_TEST(a_base_url_that_is_none_is_invalid)
{
    cr_assert_eq(call("ftp://example.org", 0), -E_INVALID);
}

static int canceled_result;

static void call_until_canceled(void *arg)
{
    canceled_result = call(arg, 0);
}

CALL_TEST(a_cancel_ends_the_call_at_once)
{
    struct server server = {.hold = true};
    struct fiber *caller;
    int64_t began_ms;

    start(&server);
    caller = fiber_start("caller", call_until_canceled, server.url);
    while (!strstr(server.request, "\"stream\":false}"))
        cr_assert_eq(fiber_sleep(5, NULL), 0);
    began_ms = clock_ms();
    fiber_cancel(caller);
    fiber_join(caller);
    cr_assert_eq(canceled_result, -E_CANCELED);
    cr_assert_lt(clock_ms() - began_ms, 1000);
    stop(&server);
}
