/* Deadlines, and what connections may hold: what the client reads when it goes over them. */

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/fiber/budget.h"

#define HOST "Host: x\r\n"

static void loris(void)
{
    static const char request[] = "GET /what HTTP/1.1\r\nHost: x\r\nA: bbbbbbbbbbbbbbbbbbbbbbb";
    int64_t begun_ms = clock_ms();
    int fd = client_open();
    struct reply reply;

    /* A byte now and then: never idle, never complete. */
    for (size_t i = 0; i < sizeof(request) - 1 && clock_ms() < begun_ms + 250; i++) {
        client_send_bytes(fd, request + i, 1);
        nap(10);
    }
    reply = client_read(fd);
    cr_assert_eq(reply.status, 408);
    cr_assert_str_eq(buf_string(&reply.body), "request took longer than 200 ms to arrive\n");
    cr_assert_lt(clock_ms() - begun_ms, 1000);
    reply_deinit(&reply);
    client_close(&fd);
}

Test(limits, a_request_that_arrives_too_slowly_is_refused_with_408)
{
    struct http_server_options options = {.request_timeout_ms = 200};

    serve(&options, loris);
}

static void idle(void)
{
    int64_t begun_ms = clock_ms();
    int fresh = client_open();
    int used = client_open();
    struct reply reply;

    client_send(used, "GET /what HTTP/1.1\r\n" HOST "\r\n");
    reply = client_read(used);
    cr_assert_eq(reply.status, 200);
    reply_deinit(&reply);
    cr_assert(client_sees_end(fresh, 1000));
    cr_assert(client_sees_end(used, 1000));
    cr_assert_geq(clock_ms() - begun_ms, 100);
    client_close(&fresh);
    client_close(&used);
}

Test(limits, an_idle_connection_is_closed_without_a_word_at_its_deadline)
{
    struct http_server_options options = {.idle_timeout_ms = 100};

    serve(&options, idle);
}

static void linger_ends(void)
{
    int64_t begun_ms = clock_ms();
    int fd = client_open();
    struct http_server_stats stats;
    struct reply reply;

    client_send(fd, "bad\r\n");
    reply = client_read(fd);
    cr_assert_eq(reply.status, 400);
    reply_deinit(&reply);
    do { /* the client never closes */
        nap(10);
        http_server_stats_get(server, &stats);
    } while (stats.connections > 0 && clock_ms() < begun_ms + 2000);
    cr_assert_eq(stats.connections, 0);
    cr_assert_eq(stats.refused, 1);
    cr_assert_geq(clock_ms() - begun_ms, 90);
    client_close(&fd);
}

Test(limits, lingering_after_an_error_is_bounded)
{
    struct http_server_options options = {.linger_timeout_ms = 100};

    serve(&options, linger_ends);
}

static void await_stats(size_t connections, uint64_t evicted)
{
    struct http_server_stats stats;
    int64_t deadline_ms = deadline_in(WAIT_MS);

    do {
        nap(5);
        http_server_stats_get(server, &stats);
    } while ((stats.connections != connections || stats.evicted != evicted) &&
             clock_ms() < deadline_ms);
    cr_assert_eq(stats.connections, connections);
    cr_assert_eq(stats.evicted, evicted);
}

static void served(int fd)
{
    struct reply reply;

    client_send(fd, "GET /what HTTP/1.1\r\n" HOST "\r\n");
    reply = client_read(fd);
    cr_assert_eq(reply.status, 200);
    reply_deinit(&reply);
}

static void crowd(void)
{
    int first = client_open();
    int second = client_open();
    int third;
    struct reply reply;

    client_send(first, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    client_send(second, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    await_stats(2, 0);
    third = client_open(); /* the kernel's backlog takes it */
    client_send(third, "GET /what HTTP/1.1\r\n" HOST "\r\n");
    nap(30);
    await_stats(2, 0);
    released = true;
    reply = client_read(third);
    cr_assert_eq(reply.status, 200);
    reply_deinit(&reply);
    client_close(&first);
    client_close(&second);
    client_close(&third);
}

Test(limits, at_the_limit_of_connections_further_ones_wait_until_one_ends)
{
    struct http_server_options options = {.max_connections = 2};

    serve(&options, crowd);
}

#define MANY 1000

static void thousand(void)
{
    static int clients[MANY];

    for (size_t i = 0; i < MANY; i++)
        clients[i] = client_open();
    for (size_t i = 0; i < MANY; i++)
        client_send(clients[i], "GET /what HTTP/1.1\r\n" HOST "\r\n");
    for (size_t i = 0; i < MANY; i++) {
        struct reply reply = client_read(clients[i]);

        cr_assert_eq(reply.status, 200);
        reply_deinit(&reply);
    }
    for (size_t i = 0; i < MANY; i++)
        client_close(&clients[i]);
}

Test(limits, a_thousand_connections_are_served_at_once)
{
    cr_assert_geq(io_raise_descriptor_limit(), 2100);
    serve(NULL, thousand);
}

/* The silent ones give way, the longest silent first, before one between two requests does. */
static void silent_crowd(void)
{
    int used = client_open();
    int silent[2];
    int newer[2];

    served(used);
    for (size_t i = 0; i < 2; i++) {
        silent[i] = client_open();
        await_stats(2 + i, 0);
    }
    for (size_t i = 0; i < 2; i++) {
        newer[i] = client_open();
        await_stats(3, i + 1);
        cr_assert(client_sees_end(silent[i], WAIT_MS));
        served(newer[i]);
    }
    served(used);

    /* With nobody silent the one that has had nothing to do for longest goes: newer[0]. */
    client_close(&silent[0]);
    silent[0] = client_open();
    await_stats(3, 3);
    cr_assert(client_sees_end(newer[0], WAIT_MS));
    served(used);
    served(newer[1]);
    client_close(&used);
    for (size_t i = 0; i < 2; i++) {
        client_close(&silent[i]);
        client_close(&newer[i]);
    }
}

Test(limits, at_the_limit_of_connections_the_longest_silent_one_gives_way)
{
    struct http_server_options options = {.max_connections = 3};

    serve(&options, silent_crowd);
}

/* Requests that never end hold no place for longer than a second. */
static void dripping_crowd(void)
{
    int dripping[2];
    int fd;

    for (size_t i = 0; i < 2; i++) {
        dripping[i] = client_open();
        client_send(dripping[i], "GET /what HTTP/1.1\r\nX");
        await_stats(1 + i, 0);
    }
    fd = client_open();
    served(fd);
    await_stats(2, 1);
    cr_assert(client_sees_end(dripping[0], WAIT_MS));
    client_close(&fd);
    client_close(&dripping[0]);
    client_close(&dripping[1]);
}

Test(limits, at_the_limit_of_connections_a_request_that_does_not_end_gives_way)
{
    struct http_server_options options = {.max_connections = 2};

    serve(&options, dripping_crowd);
}

static bool is_what(const struct http_exchange *exchange)
{
    return text_is(exchange->path, "/what");
}

static void spare_places(void)
{
    int busy = client_open();
    int fd;
    struct reply reply;

    client_send(busy, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    await_stats(1, 0);
    fd = client_open();
    served(fd);
    cr_assert(client_sees_end(fd, WAIT_MS), "a spare place is for one request");
    client_close(&fd);
    reply = ask("GET /other HTTP/1.1\r\n" HOST "\r\n");
    cr_assert_eq(reply.status, 503);
    cr_assert_str_eq(reply_header(&reply, "Retry-After"), "1");
    reply_deinit(&reply);
    released = true;
    client_close(&busy);
}

Test(limits, beyond_the_limit_of_connections_there_are_places_for_health_checks)
{
    struct http_server_options options = {.max_connections = 1, .spare = is_what};

    serve(&options, spare_places);
}

static void first_byte(void)
{
    int silent = client_open();
    int used = client_open();

    served(used);
    cr_assert(client_sees_end(silent, 1000));
    cr_assert_not(client_sees_end(used, 100));
    client_close(&silent);
    client_close(&used);
}

Test(limits, a_new_connection_that_keeps_silent_is_closed_sooner_than_one_between_requests)
{
    struct http_server_options options = {.first_byte_timeout_ms = 50};

    serve(&options, first_byte);
}

/* ---- bodies ---- */

static struct budget share;
static int heads_seen;
static int ended;

static void count_end(struct http_exchange *exchange)
{
    (void)exchange;
    ended++;
}

/* Who says "X-Key: bad" may not send; "X-Share" has a share of his own; /small takes 10 bytes. */
static void judge(struct http_exchange *exchange, void *arg)
{
    (void)arg;
    heads_seen++;
    exchange->on_end = count_end;
    if (text_is(http_header_get(exchange, "x-key"), "bad"))
        (void)http_reply(exchange, 401, "text/plain", TEXT("who are you?"));
    if (text_is(exchange->path, "/small"))
        exchange->body_bytes_max = 10;
    if (http_header_get(exchange, "x-share").ptr)
        exchange->share = &share;
}

static void judged(void)
{
    struct reply reply = ask("POST /what HTTP/1.1\r\n" HOST "X-Key: bad\r\nExpect: 100-continue\r\n"
                             "Content-Length: 1000000\r\n\r\n");

    cr_assert_eq(reply.status, 401, "not 100: %d", reply.status);
    cr_assert_str_eq(reply_header(&reply, "Connection"), "close");
    cr_assert_eq(heads_seen, 1);
    reply_deinit(&reply);
    reply = ask("POST /what HTTP/1.1\r\n" HOST "X-Key: bad\r\nContent-Length: 1000000\r\n\r\nabc");
    cr_assert_eq(reply.status, 401);
    reply_deinit(&reply);
    reply = ask("POST /what HTTP/1.1\r\n" HOST "X-Key: bad\r\nTransfer-Encoding: chunked\r\n\r\n");
    cr_assert_eq(reply.status, 401);
    reply_deinit(&reply);
    refused(413, "POST /small HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n");
    refused(413, "POST /small HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n"
                 "5\r\n");
    cr_assert_eq(heads_seen, 5);
    cr_assert_eq(ended, 5);
    accepted("POST|/small|x|abc", "POST /small HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc");
}

Test(limits, a_head_is_judged_before_its_body_is_read)
{
    struct http_server_options options = {.head = judge};

    serve(&options, judged);
}

#define LARGE 60000

/* Sends a large body but for its last byte. */
static int send_most_to(const char *path, const char *headers)
{
    static char body[LARGE];
    int fd = client_open();
    char head[256];

    memset(body, 'b', sizeof(body));
    snprintf(head, sizeof(head), "POST %s HTTP/1.1\r\n" HOST "%sContent-Length: %d\r\n\r\n", path,
             headers, LARGE);
    client_send(fd, head);
    client_send_bytes(fd, body, LARGE - 1);
    return fd;
}

static int send_most(const char *headers)
{
    return send_most_to("/what", headers);
}

static void finish_body(int fd, int status)
{
    struct reply reply;

    client_send(fd, "b");
    reply = client_read(fd);
    cr_assert_eq(reply.status, status, "%d", reply.status);
    if (status == 503)
        cr_assert_str_eq(reply_header(&reply, "Retry-After"), "1");
    reply_deinit(&reply);
}

static void held_bytes(void)
{
    int first = send_most("X-Share: 1\r\n");
    int second;
    int other;
    struct reply reply;

    nap(30);
    cr_assert_eq(share.used, LARGE);
    second = send_most("X-Share: 1\r\n"); /* waits for the share, and is refused in the end */
    other = send_most("");                /* has no share, and fits */
    finish_body(other, 200);
    reply = client_read(second);
    cr_assert_eq(reply.status, 503);
    reply_deinit(&reply);
    finish_body(first, 200);
    nap(10);
    cr_assert_eq(share.used, 0);
    client_close(&second);
    second = send_most("X-Share: 1\r\n");
    finish_body(second, 200);
    client_close(&first);
    client_close(&second);
    client_close(&other);
}

Test(limits, bytes_that_bodies_hold_are_bounded_for_a_sender_and_for_all)
{
    struct http_server_options options = {
        .head = judge, .max_held_bytes = 2 * LARGE, .body_room_timeout_ms = 200};

    budget_init(&share, LARGE);
    serve(&options, held_bytes);
}

static void all_held(void)
{
    int first = send_most("");
    int second;

    nap(30);
    second = send_most("");
    nap(30);
    finish_body(first, 200); /* and then there is room for the second */
    finish_body(second, 200);
    client_close(&first);
    client_close(&second);
}

Test(limits, a_body_that_does_not_fit_waits_for_room)
{
    struct http_server_options options = {.max_held_bytes = LARGE};

    serve(&options, all_held);
}

/* Who waits for our room is not slow: he keeps his place. */
static void not_slow(void)
{
    int waiting;
    int other;

    budget_charge(&share, LARGE);
    waiting = send_most("X-Share: 1\r\n");
    await_stats(1, 0);
    other = client_open();
    nap(1500); /* longer than a request may take that somebody else's place depends on */
    await_stats(1, 0);
    budget_give(&share, LARGE);
    finish_body(waiting, 200);
    client_close(&waiting);
    served(other);
    client_close(&other);
}

Test(limits, a_body_that_waits_for_room_does_not_give_way)
{
    struct http_server_options options = {
        .head = judge, .max_connections = 1, .body_room_timeout_ms = 10000};

    budget_init(&share, LARGE);
    serve(&options, not_slow);
}

/* Each drops its body when that has come, and then holds its connection. */
static void dropped(void)
{
    int held[3];

    for (size_t i = 0; i < ARRAY_LENGTH(held); i++) {
        held[i] = send_most_to("/drop", "X-Share: 1\r\n");
        client_send(held[i], "b");
        while (drops <= i)
            nap(5);
        cr_assert_eq(share.used, 0);
    }
    released = true;
    for (size_t i = 0; i < ARRAY_LENGTH(held); i++) {
        struct reply reply = client_read(held[i]);

        cr_assert_eq(reply.status, 200);
        cr_assert_str_eq(buf_string(&reply.body), "0 left");
        reply_deinit(&reply);
        client_send(held[i], "POST /what HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc");
        reply = client_read(held[i]);
        cr_assert_str_eq(buf_string(&reply.body), "POST|/what|x|abc");
        reply_deinit(&reply);
        client_close(&held[i]);
    }
    cr_assert_eq(share.used, 0);
}

Test(limits, a_body_that_its_handler_drops_is_held_no_longer)
{
    struct http_server_options options = {.head = judge, .max_held_bytes = LARGE};

    budget_init(&share, LARGE);
    serve(&options, dropped);
}
