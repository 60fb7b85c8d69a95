/* Keep-alive, pipelining, half-close, Expect, HEAD, OPTIONS, and what each reply carries. */

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define HOST "Host: x\r\n"

static void expect_reply(int fd, const char *body)
{
    struct reply reply = client_read(fd);

    cr_assert_eq(reply.status, 200, "%d %s", reply.status, buf_string(&reply.body));
    cr_assert_str_eq(buf_string(&reply.body), body);
    reply_deinit(&reply);
}

static void keep_alive(void)
{
    int fd = client_open();

    for (int i = 0; i < 50; i++) {
        client_send(fd, "POST /what HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc");
        expect_reply(fd, "POST|/what|x|abc");
    }
    client_close(&fd);
}

Test(connections, one_connection_serves_many_requests)
{
    serve(NULL, keep_alive);
}

static void closing(void)
{
    static const char *const requests[] = {
        "GET /what HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n",
        "GET /what HTTP/1.1\r\n" HOST "Connection: foo, CLOSE\r\n\r\n",
        "GET /what HTTP/1.0\r\n" HOST "\r\n",
        "GET /what HTTP/1.0\r\n" HOST "Connection: keep-alive\r\n\r\n",
    };

    for (size_t i = 0; i < ARRAY_LENGTH(requests); i++) {
        int fd = client_open();
        struct reply reply;

        client_send(fd, requests[i]);
        reply = client_read(fd);
        cr_assert_eq(reply.status, 200);
        cr_assert_str_eq(reply_header(&reply, "Connection"), "close");
        cr_assert(client_sees_end(fd, 500));
        reply_deinit(&reply);
        client_close(&fd);
    }
}

Test(connections, connection_close_and_http_1_0_end_the_connection_after_the_reply)
{
    serve(NULL, closing);
}

static const char pipeline[] = "GET /what?1 HTTP/1.1\r\n" HOST "\r\n"
                               "POST /what HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"
                               "\r\n" /* the one empty line that may come before */
                               "POST /what HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                               "2\r\nde\r\n1\r\nf\r\n0\r\n\r\n"
                               "GET /what?2 HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n";

static void expect_pipeline(int fd)
{
    expect_reply(fd, "GET|/what?1|x|");
    expect_reply(fd, "POST|/what|x|abc");
    expect_reply(fd, "POST|/what|x|def");
    expect_reply(fd, "GET|/what?2|x|");
    cr_assert(client_sees_end(fd, 500));
}

static void pipelined(void)
{
    int fd = client_open();

    client_send(fd, pipeline);
    expect_pipeline(fd);
    client_close(&fd);
}

Test(connections, requests_in_one_packet_are_answered_in_order)
{
    serve(NULL, pipelined);
}

static void split(void)
{
    for (size_t at = 1; at < sizeof(pipeline) - 1; at++) {
        int fd = client_open();

        client_send_bytes(fd, pipeline, at);
        nap(2); /* the server has read it */
        client_send_bytes(fd, pipeline + at, sizeof(pipeline) - 1 - at);
        expect_pipeline(fd);
        client_close(&fd);
    }
}

Test(connections, a_request_cut_at_any_byte_gets_the_same_reply)
{
    serve(NULL, split);
}

static void blank_after_body(void)
{
    int fd = client_open();

    client_send(fd, "POST /what HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc\r\n");
    expect_reply(fd, "POST|/what|x|abc");
    cr_assert(client_sees_end(fd, 1000), "closed as idle, with no 408");
    client_close(&fd);
}

Test(connections, an_empty_line_after_a_body_does_not_begin_a_request)
{
    struct http_server_options options = {.idle_timeout_ms = 150, .request_timeout_ms = 50};

    serve(&options, blank_after_body);
}

static void half_close(void)
{
    int fd = client_open();

    client_send(fd, "POST /what HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc");
    shutdown(fd, SHUT_WR);
    expect_reply(fd, "POST|/what|x|abc");
    cr_assert(client_sees_end(fd, 500));
    client_close(&fd);
}

Test(connections, a_client_that_shuts_its_sending_side_still_gets_its_reply)
{
    serve(NULL, half_close);
}

static void ends_early(void)
{
    int fd = client_open();
    struct reply reply;

    client_send(fd, "POST /what HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nabc");
    shutdown(fd, SHUT_WR);
    reply = client_read(fd);
    cr_assert_eq(reply.status, 400);
    cr_assert_str_eq(buf_string(&reply.body), "request ended before it was complete\n");
    reply_deinit(&reply);
    client_close(&fd);
}

Test(connections, a_request_that_ends_too_early_is_not_handled)
{
    serve(NULL, ends_early);
}

static void expect_continue(void)
{
    int fd = client_open();
    struct reply reply;

    client_send(fd, "POST /what HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
                    "Content-Length: 3\r\n\r\n");
    reply = client_read_bodyless(fd);
    cr_assert_str_eq(buf_string(&reply.head), "HTTP/1.1 100 Continue\r\n\r\n");
    reply_deinit(&reply);
    client_send(fd, "abc");
    expect_reply(fd, "POST|/what|x|abc");

    /* Whoever does not wait for it, gets none. */
    client_send(fd, "POST /what HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
                    "Content-Length: 3\r\n\r\nabc");
    expect_reply(fd, "POST|/what|x|abc");
    client_send(fd, "GET /what HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n\r\n");
    expect_reply(fd, "GET|/what|x|");
    client_close(&fd);
}

Test(connections, expect_100_continue_is_answered_when_the_client_waits)
{
    serve(NULL, expect_continue);
}

static void head(void)
{
    int fd = client_open();
    struct reply reply;

    client_send(fd, "HEAD /what HTTP/1.1\r\n" HOST "\r\n"
                    "HEAD /stream HTTP/1.1\r\n" HOST "\r\n"
                    "GET /what HTTP/1.1\r\n" HOST "\r\n");
    reply = client_read_bodyless(fd);
    cr_assert_eq(reply.status, 200);
    cr_assert_str_eq(reply_header(&reply, "Content-Length"), "13"); /* HEAD|/what|x| */
    reply_deinit(&reply);
    reply = client_read_bodyless(fd);
    cr_assert_eq(reply.status, 200);
    cr_assert_str_eq(reply_header(&reply, "Transfer-Encoding"), "chunked");
    reply_deinit(&reply);
    expect_reply(fd, "GET|/what|x|");
    client_close(&fd);
}

Test(connections, head_has_the_length_and_no_body)
{
    serve(NULL, head);
}

static void options(void)
{
    accepted("OPTIONS|/what|x|", "OPTIONS /what HTTP/1.1\r\n" HOST "\r\n");
    accepted("OPTIONS|*|x|", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n");
    accepted("PATCH|/what|x|a", "PATCH /what HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\na");
    accepted("PUT|/what|x|", "PUT /what HTTP/1.1\r\n" HOST "\r\n");
    accepted("DELETE|/what|x|", "DELETE /what HTTP/1.1\r\n" HOST "\r\n");
    accepted("GET|/what||", "GET /what HTTP/1.0\r\n\r\n");
    accepted("GET|/what||", "GET /what HTTP/1.1\r\nHost:\r\n\r\n");
    accepted("GET|/what|[::1]:80|", "GET /what HTTP/1.1\r\nhOST:\t[::1]:80 \t\r\n\r\n");
}

Test(connections, the_methods_and_the_forms_of_host_that_are_served)
{
    serve(NULL, options);
}

static void upgrade(void)
{
    accepted("POST|/what|x|abc", "POST /what HTTP/1.1\r\n" HOST
                                 "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                                 "Content-Length: 3\r\n\r\nabc");
    accepted("GET|/what|x|",
             "GET /what HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n");
}

Test(connections, an_offer_to_upgrade_is_ignored)
{
    serve(NULL, upgrade);
}

static void headers(void)
{
    struct reply reply = ask("GET /headers HTTP/1.1\r\n" HOST "\r\n");
    const char *id = reply_header(&reply, "x-request-id");

    cr_assert_eq(strlen(id), 36);
    cr_assert_eq(strncmp(id, "req_", 4), 0);
    cr_assert_str_eq(reply_header(&reply, "Content-Type"), "text/plain");
    cr_assert_str_eq(reply_header(&reply, "Content-Length"), "1");
    cr_assert_str_eq(reply_header(&reply, "Retry-After"), "7");
    cr_assert_eq(strncmp(reply_header(&reply, "X-Peer"), "127.0.0.1:", 10), 0);
    cr_assert_eq(strlen(reply_header(&reply, "Date")), strlen("Sun, 06 Nov 1994 08:49:37 GMT"));
    reply_deinit(&reply);
}

Test(connections, a_reply_carries_date_length_type_request_id_and_what_was_added)
{
    serve(NULL, headers);
}

static void dated(void)
{
    struct reply reply;

    clock_freeze(1000, 784111777000);
    reply = ask("GET /headers HTTP/1.1\r\n" HOST "\r\n");
    clock_thaw();
    cr_assert_str_eq(reply_header(&reply, "Date"), "Sun, 06 Nov 1994 08:49:37 GMT");
    reply_deinit(&reply);
}

Test(connections, the_date_has_the_format_of_rfc_9110)
{
    serve(NULL, dated);
}

static void ids(void)
{
    static const char *const taken[] = {"a", "Az_09-", "0123456789012345678901234567890123456789"};
    static const char *const ours[] = {
        "", "a b", "a<b>", "caf\xC3\xA9", "a;b", "01234567890123456789012345678901234567890"};
    char request[200];
    struct reply reply;

    for (size_t i = 0; i < ARRAY_LENGTH(taken); i++) {
        snprintf(request, sizeof(request), "GET / HTTP/1.1\r\n" HOST "X-Request-Id: %s\r\n\r\n",
                 taken[i]);
        reply = ask(request);
        cr_assert_str_eq(reply_header(&reply, "x-request-id"), taken[i]);
        reply_deinit(&reply);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(ours); i++) {
        snprintf(request, sizeof(request), "GET / HTTP/1.1\r\n" HOST "X-Request-Id: %s\r\n\r\n",
                 ours[i]);
        reply = ask(request);
        cr_assert_eq(strncmp(reply_header(&reply, "x-request-id"), "req_", 4), 0);
        reply_deinit(&reply);
    }
}

Test(connections, the_request_id_is_the_clients_when_it_is_sane)
{
    serve(NULL, ids);
}

static void unanswered(void)
{
    struct reply reply = ask("GET /silent HTTP/1.1\r\n" HOST "\r\n");

    cr_assert_eq(reply.status, 500);
    reply_deinit(&reply);
}

Test(connections, a_handler_that_does_not_reply_gets_500_sent)
{
    serve(NULL, unanswered);
}

static void no_content(void)
{
    int fd = client_open();
    struct reply reply;

    client_send(fd, "GET /204 HTTP/1.1\r\n" HOST "\r\nGET /what HTTP/1.1\r\n" HOST "\r\n");
    reply = client_read(fd);
    cr_assert_eq(reply.status, 204);
    cr_assert_str_eq(reply_header(&reply, "Content-Length"), "");
    reply_deinit(&reply);
    expect_reply(fd, "GET|/what|x|");
    client_close(&fd);
}

Test(connections, a_204_has_neither_body_nor_length)
{
    serve(NULL, no_content);
}

static void aborted(void)
{
    int fd = client_open();

    client_send(fd, "GET /abort HTTP/1.1\r\n" HOST "\r\n");
    cr_assert(client_sees_end(fd, 500));
    client_close(&fd);
}

Test(connections, abort_closes_without_a_reply)
{
    serve(NULL, aborted);
}

static void gone(void)
{
    int fd = client_open();

    client_send(fd, "GET /gone HTTP/1.1\r\n" HOST "\r\n");
    nap(50);
    cr_assert_not(saw_peer_gone);
    client_close(&fd);
    for (int i = 0; i < 100 && !saw_peer_gone; i++)
        nap(5);
    cr_assert(saw_peer_gone);
}

Test(connections, a_handler_can_see_that_its_client_gave_up)
{
    serve(NULL, gone);
}

static void wait_for_sleeper(void)
{
    for (int i = 0; i < 200 && !sleeper; i++)
        nap(5);
    cr_assert(sleeper);
}

static void wait_for_awaits(int count)
{
    for (int i = 0; i < 200 && awaits < count; i++)
        nap(5);
    cr_assert_eq(awaits, count);
}

static void woken(void)
{
    int fd = client_open();

    for (int i = 1; i <= 2; i++) {
        client_send(fd, "GET /await HTTP/1.1\r\n" HOST "\r\n");
        wait_for_sleeper();
        fiber_wake(sleeper);
        expect_reply(fd, "woken");
        cr_assert_eq(await_result, 0);
    }
    client_close(&fd);
}

Test(connections, a_handler_that_waits_is_woken)
{
    serve(NULL, woken);
}

static void wait_for_long(void)
{
    int fd = client_open();

    for (int i = 1; i <= 2; i++) {
        client_send(fd, "GET /await HTTP/1.1\r\n" HOST "\r\n");
        wait_for_sleeper();
        nap(150); /* more than the time of a reply, which is behind it */
        fiber_wake(sleeper);
        expect_reply(fd, "woken");
    }
    client_close(&fd);
}

Test(connections, the_time_of_a_reply_is_none_that_its_handler_waits)
{
    serve(&(struct http_server_options){.reply_timeout_ms = 100}, wait_for_long);
}

static void gone_while_waiting(void)
{
    int fd = client_open();

    client_send(fd, "GET /await HTTP/1.1\r\n" HOST "\r\n");
    wait_for_sleeper();
    cr_assert_eq(awaits, 0);
    client_close(&fd);
    wait_for_awaits(1);
    cr_assert_eq(await_result, HTTP_PEER_GONE);
}

Test(connections, a_handler_that_waits_sees_at_once_that_its_client_gave_up)
{
    serve(NULL, gone_while_waiting);
}

static void pipelined_while_waiting(void)
{
    int fd = client_open();

    client_send(fd, "GET /await HTTP/1.1\r\n" HOST "\r\n");
    wait_for_sleeper();
    client_send(fd, "GET /what HTTP/1.1\r\n" HOST "\r\n");
    nap(50);
    cr_assert_eq(awaits, 0, "a further request is no reason to end the wait");
    fiber_wake(sleeper);
    expect_reply(fd, "woken");
    expect_reply(fd, "GET|/what|x|");
    client_close(&fd);
}

Test(connections, a_request_that_comes_while_a_handler_waits_is_served_after_it)
{
    serve(NULL, pipelined_while_waiting);
}

static void out_of_descriptors(void)
{
    struct http_server_stats stats;
    struct rlimit limit;
    struct rlimit tight;
    int fd = client_open();
    int free_number = dup(fd);
    int late;

    client_send(fd, "GET /what HTTP/1.1\r\n" HOST "\r\n");
    expect_reply(fd, "GET|/what|x|");
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    tight = limit;
    tight.rlim_cur = (rlim_t)free_number + 1; /* the client takes it, the server has none left */
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &tight), 0);
    io_close(&free_number);
    late = client_open();
    nap(120);
    http_server_stats_get(server, &stats);
    cr_assert_eq(stats.accepted, 1);
    client_send(fd, "GET /what HTTP/1.1\r\n" HOST "\r\n");
    expect_reply(fd, "GET|/what|x|");
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    client_send(late, "GET /what HTTP/1.1\r\n" HOST "\r\n");
    expect_reply(late, "GET|/what|x|");
    client_close(&fd);
    client_close(&late);
}

Test(connections, a_process_out_of_descriptors_accepts_again_when_some_are_free)
{
    serve(NULL, out_of_descriptors);
}
