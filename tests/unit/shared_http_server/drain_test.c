/* http_server_close: what ends when. */

#include "harness.h"

#define HOST "Host: x\r\n"

static struct http_server_stats closed_stats;

static void close_server(int64_t wait_ms)
{
    http_server_close(server, deadline_in(wait_ms));
    server = NULL;
}

static void closer(void *arg)
{
    (void)arg;
    close_server(2000);
}

static void idle(void)
{
    int64_t begun_ms = clock_ms();
    int fresh = client_open();
    int used = client_open();
    struct reply reply;

    client_send(used, "GET /what HTTP/1.1\r\n" HOST "\r\n");
    reply = client_read(used);
    reply_deinit(&reply);
    close_server(2000);
    cr_assert_lt(clock_ms() - begun_ms, 500, "idle connections are not waited for");
    cr_assert(client_sees_end(fresh, 100));
    cr_assert(client_sees_end(used, 100));
    client_close(&fresh);
    client_close(&used);
}

Test(drain, idle_connections_are_closed_at_once)
{
    serve(NULL, idle);
}

static void in_work(void)
{
    int fd = client_open();
    int port = http_server_port(server);
    struct address address;
    struct reply reply;
    int late = -1;
    struct fiber *closing;

    client_send(fd, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    nap(30);
    closing = fiber_start("closer", closer, NULL);
    nap(30);
    cr_assert(http_server_draining(server));
    cr_assert_eq(address_parse("127.0.0.1", port, &address, NULL), 0);
    cr_assert_eq(io_connect(&address, deadline_in(WAIT_MS), &late, NULL), -E_UNAVAILABLE,
                 "nobody listens any more");
    released = true;
    reply = client_read(fd);
    cr_assert_eq(reply.status, 200);
    cr_assert_str_eq(buf_string(&reply.body), "held");
    cr_assert_str_eq(reply_header(&reply, "Connection"), "close");
    reply_deinit(&reply);
    cr_assert(client_sees_end(fd, 500));
    client_close(&fd);
    fiber_join(closing);
}

Test(drain, requests_in_work_finish_and_say_connection_close)
{
    serve(NULL, in_work);
}

static void arriving(void)
{
    int fd = client_open();
    struct fiber *closing;
    struct reply reply;

    client_send(fd, "POST /what HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\na");
    nap(30);
    closing = fiber_start("closer", closer, NULL);
    nap(30);
    client_send(fd, "bc");
    reply = client_read(fd);
    cr_assert_eq(reply.status, 200);
    cr_assert_str_eq(buf_string(&reply.body), "POST|/what|x|abc");
    reply_deinit(&reply);
    client_close(&fd);
    fiber_join(closing);
}

Test(drain, a_request_that_has_begun_to_arrive_is_still_answered)
{
    serve(NULL, arriving);
}

static void just_arrived(void)
{
    int fd = client_open();
    struct reply reply;

    nap(30);
    client_send(fd, "GET /what HTTP/1.1\r\n" HOST "\r\n");
    /* The server has had no turn to read it. */
    close_server(2000);
    reply = client_read(fd);
    cr_assert_eq(reply.status, 200);
    reply_deinit(&reply);
    client_close(&fd);
}

Test(drain, a_request_that_has_arrived_unread_is_still_answered)
{
    struct http_server_options options = {.linger_timeout_ms = 50};

    serve(&options, just_arrived);
}

static void stream_handler(struct http_exchange *exchange, void *arg)
{
    (void)arg;
    if (http_stream_begin(exchange, 200, "text/event-stream", NULL) < 0)
        return;
    while (!http_server_draining(server)) {
        if (http_stream_write(exchange, TEXT("tick "), NULL) < 0)
            return;
        nap(10);
    }
    (void)http_stream_end(exchange, NULL);
}

static void streaming(void)
{
    int fd = client_open();
    struct fiber *closing;
    struct reply reply;

    client_send(fd, "GET / HTTP/1.1\r\n" HOST "\r\n");
    nap(30);
    closing = fiber_start("closer", closer, NULL);
    reply = client_read(fd);
    cr_assert_eq(reply.status, 200);
    cr_assert_not(reply.cut, "the stream ends cleanly");
    cr_assert(client_sees_end(fd, 500), "and so does its connection");
    reply_deinit(&reply);
    client_close(&fd);
    fiber_join(closing);
}

Test(drain, streams_can_see_the_drain_and_end_cleanly)
{
    struct http_server_options options = {.handler = stream_handler};

    serve(&options, streaming);
}

static void cut(void)
{
    int64_t begun_ms = clock_ms();
    int holding = client_open();
    int arriving_fd = client_open();
    int mute = client_open();
    struct reply reply;

    client_send(holding, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    client_send(arriving_fd, "GET /what HTTP/1.1\r\n");
    client_send(mute, "GET /flood HTTP/1.1\r\n" HOST "\r\n");
    nap(50);
    close_server(100);
    cr_assert_geq(clock_ms() - begun_ms, 140);
    cr_assert_lt(clock_ms() - begun_ms, 1000);
    cr_assert_eq(flood_error, E_CANCELED);
    cr_assert_eq(fiber_count(), 1, "no fiber of the server is left");
    reply = client_read(holding);
    cr_assert(reply.cut);
    reply_deinit(&reply);
    client_close(&holding);
    client_close(&arriving_fd);
    client_close(&mute);
}

Test(drain, what_is_left_at_the_deadline_is_cut_and_unwinds)
{
    serve(NULL, cut);
}

static void canceled_closer(void *arg)
{
    (void)arg;
    close_server(2000);
}

static void canceled(void)
{
    int fd = client_open();
    struct fiber *closing;
    struct reply reply;

    client_send(fd, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    nap(30);
    closing = fiber_start("closer", canceled_closer, NULL);
    fiber_cancel(closing);
    nap(30);
    released = true;
    reply = client_read(fd);
    cr_assert_eq(reply.status, 200, "a cancelled program still drains");
    reply_deinit(&reply);
    client_close(&fd);
    fiber_join(closing);
}

Test(drain, closing_works_in_a_cancelled_fiber)
{
    serve(NULL, canceled);
}

static void lingering(void)
{
    int fd = client_open();
    struct reply reply;

    client_send(fd, "bad\r\n");
    reply = client_read(fd);
    cr_assert_eq(reply.status, 400);
    reply_deinit(&reply);
    http_server_stats_get(server, &closed_stats);
    cr_assert_eq(closed_stats.connections, 1, "it lingers");
    close_server(50);
    client_close(&fd);
}

Test(drain, a_lingering_connection_is_cut_at_the_deadline)
{
    struct http_server_options options = {.linger_timeout_ms = 60000};

    serve(&options, lingering);
}
