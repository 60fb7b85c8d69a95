/* Bodies that their handler reads as they come. */

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/memory.h"

#define HEAD "POST /read HTTP/1.1\r\nHost: x\r\n"

static struct http_exchange *reading; /* that waits for `go_on` */
static bool go_on;
static size_t largest_piece;
static size_t pieces;
static size_t taken; /* bytes, so far */
static int64_t piece_ms;
static size_t heads;

static void look_at_head(struct http_exchange *exchange, void *arg)
{
    (void)arg;
    heads++;
    if (!text_starts(exchange->path, "/read"))
        return;
    exchange->body_streams = true;
    exchange->body_bytes_max = text_is(exchange->path, "/read-little") ? 1000 : (size_t)64 << 20;
}

/* Ten bytes, or fewer than were promised. */
static void reply_sized(struct http_exchange *exchange)
{
    size_t promised = text_is(exchange->path, "/sized-short") ? 11 : 10;

    if (http_stream_begin_sized(exchange, 206, "text/plain", promised, NULL) < 0 ||
        http_stream_write(exchange, TEXT("hello "), NULL) < 0 ||
        http_stream_write(exchange, TEXT("file"), NULL) < 0)
        return;
    (void)http_stream_end(exchange, NULL);
}

/* Replies with how many bytes there were, and their sum; or what went wrong. */
static void read_handler(struct http_exchange *exchange, void *arg)
{
    char said[400];
    uint64_t sum = 0;
    struct error err;
    int status = 200;
    int r = 0;

    (void)arg;
    pieces = largest_piece = taken = 0;
    if (text_starts(exchange->path, "/sized")) {
        reply_sized(exchange);
        return;
    }
    if (text_is(exchange->path, "/read-nothing")) {
        (void)http_reply(exchange, 400, "text/plain", TEXT("unread"));
        return;
    }
    while (text_is(exchange->path, "/read-later") && !go_on) {
        reading = exchange;
        nap(1);
    }
    reading = NULL;
    while (r == 0) {
        struct text piece;

        r = http_body_read(exchange, deadline_in(piece_ms), &piece, &err);
        if (r != 0)
            break;
        pieces++;
        taken += piece.len;
        largest_piece = piece.len > largest_piece ? piece.len : largest_piece;
        for (size_t i = 0; i < piece.len; i++)
            sum += (unsigned char)piece.ptr[i];
    }
    if (r == HTTP_BODY_END)
        snprintf(said, sizeof(said), "%zu bytes, sum %llu", taken, (unsigned long long)sum);
    else
        snprintf(said, sizeof(said), "%s: %.300s", error_name(err.code), err.text);
    if (r < 0)
        status = r == -E_LIMIT ? 413 : r == -E_TIMEOUT ? 408 : 400;
    (void)http_reply(exchange, status, "text/plain", text_of(said));
}

static void serve_bodies(void (*test)(void))
{
    const struct http_server_options options = {
        .handler = read_handler,
        .head = look_at_head,
        .max_body_bytes = 100,
        .max_stream_bytes = (size_t)64 << 20,
        .linger_timeout_ms = 200,
    };

    go_on = false;
    piece_ms = WAIT_MS;
    heads = 0;
    serve(&options, test);
}

static void says(const struct reply *reply, int status, const char *body)
{
    cr_assert_eq(reply->status, status, "%d %s", reply->status, buf_string(&reply->body));
    cr_assert_str_eq(buf_string(&reply->body), body);
}

static void with_length(void)
{
    size_t bytes = 3000000;
    char *body = xmalloc(bytes);
    int fd = client_open();
    char head[200];
    struct reply reply;

    memset(body, 1, bytes);
    snprintf(head, sizeof(head), HEAD "Content-Length: %zu\r\n\r\n", bytes);
    for (int i = 0; i < 2; i++) { /* the connection goes on */
        client_send(fd, head);
        client_send_bytes(fd, body, bytes);
        reply = client_read(fd);
        says(&reply, 200, "3000000 bytes, sum 3000000");
        cr_assert(largest_piece <= 65536, "%zu", largest_piece);
        reply_deinit(&reply);
    }
    client_close(&fd);
    free(body);
}

Test(body, a_body_with_a_length_comes_in_pieces_of_64_KiB_at_most)
{
    serve_bodies(with_length);
}

static void chunked(void)
{
    int fd = client_open();
    struct reply reply;

    client_send(fd, HEAD "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 200; i++) {
        char chunk[1100];

        memset(chunk, 2, sizeof(chunk));
        memcpy(chunk, "3e8\r\n", 5);
        memcpy(chunk + 5 + 1000, "\r\n", 2);
        client_send_bytes(fd, chunk, 5 + 1000 + 2);
    }
    client_send(fd, "0\r\n\r\n" HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n");
    reply = client_read(fd);
    says(&reply, 200, "200000 bytes, sum 400000");
    reply_deinit(&reply);
    reply = client_read(fd);
    says(&reply, 200, "1 bytes, sum 97");
    reply_deinit(&reply);
    client_close(&fd);
}

Test(body, a_chunked_body_is_read_without_its_frame_and_the_next_request_follows)
{
    serve_bodies(chunked);
}

static void cut_anywhere(void)
{
    static const char one[] = HEAD "Content-Length: 12\r\n\r\nhello, world";
    static const char two[] =
        HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n";
    const struct text requests[] = {text_of(one), text_of(two)};

    for (size_t i = 0; i < ARRAY_LENGTH(requests); i++) {
        for (size_t cut = 1; cut <= requests[i].len; cut++) {
            int fd = client_open();
            struct reply reply;

            client_send_bytes(fd, requests[i].ptr, cut);
            nap(1);
            client_send_bytes(fd, requests[i].ptr + cut, requests[i].len - cut);
            reply = client_read(fd);
            says(&reply, 200, "12 bytes, sum 1160");
            reply_deinit(&reply);
            client_close(&fd);
        }
    }
}

Test(body, it_does_not_matter_where_the_bytes_are_cut)
{
    serve_bodies(cut_anywhere);
}

static void back_pressure(void)
{
    size_t bytes = (size_t)32 << 20;
    int fd = client_open();
    size_t sent = 0;
    char piece[65536] = {0};
    char head[200];
    struct reply reply;

    snprintf(head, sizeof(head),
             "POST /read-later HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", bytes);
    client_send(fd, head);
    while (!reading)
        nap(1);
    for (int idle = 0; idle < 20;) { /* as much as the kernel takes */
        ssize_t got = send(fd, piece, sizeof(piece), MSG_DONTWAIT | MSG_NOSIGNAL);

        sent += got > 0 ? (size_t)got : 0;
        idle = got > 0 ? 0 : idle + 1;
        nap(1);
    }
    cr_assert(sent < bytes / 2, "%zu", sent);
    go_on = true;
    while (sent < bytes) {
        size_t some = bytes - sent < sizeof(piece) ? bytes - sent : sizeof(piece);

        client_send_bytes(fd, piece, some);
        sent += some;
    }
    reply = client_read(fd);
    says(&reply, 200, "33554432 bytes, sum 0");
    reply_deinit(&reply);
    client_close(&fd);
}

Test(body, a_handler_that_does_not_read_holds_its_client_up)
{
    serve_bodies(back_pressure);
}

static void refusals(void)
{
    struct reply reply;
    int fd;

    reply = ask("POST /other HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n");
    cr_assert_eq(reply.status, 413);
    reply_deinit(&reply);
    reply = ask("POST /other HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n");
    cr_assert_eq(reply.status, 413);
    reply_deinit(&reply);
    reply = ask("POST /read-little HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n");
    cr_assert_eq(reply.status, 413);
    cr_assert_not_null(strstr(buf_string(&reply.body), "larger than 1000 bytes"));
    reply_deinit(&reply);
    reply = ask("POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n");
    cr_assert_eq(reply.status, 413);
    reply_deinit(&reply);

    fd = client_open();
    client_send(fd, "POST /read-little HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    nap(5);
    client_send(fd, "3e9\r\n");
    reply = client_read(fd);
    says(&reply, 413, "limit: request body is larger than 1000 bytes");
    cr_assert_str_eq(reply_header(&reply, "Connection"), "close");
    reply_deinit(&reply);
    client_close(&fd);
}

Test(body, each_body_has_its_own_limit)
{
    serve_bodies(refusals);
}

static void with_its_head(void)
{
    char request[400];
    struct reply reply;

    snprintf(request, sizeof(request),
             "POST /other HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n%0101d", 0);
    reply = ask(request);
    cr_assert_eq(reply.status, 413);
    reply_deinit(&reply);
    snprintf(request, sizeof(request), HEAD "Content-Length: 101\r\n\r\n%0101d", 0);
    reply = ask(request);
    says(&reply, 200, "101 bytes, sum 4848");
    reply_deinit(&reply);
    snprintf(request, sizeof(request), HEAD "Content-Length: 3\r\n\r\nabc");
    heads = 0;
    reply = ask(request);
    says(&reply, 200, "3 bytes, sum 294");
    cr_assert_eq(heads, 0);
    reply_deinit(&reply);
}

Test(body, one_that_came_with_its_head_is_one_piece_and_has_the_same_limits)
{
    serve_bodies(with_its_head);
}

static void malformed(void)
{
    int fd = client_open();
    struct reply reply;

    client_send(fd, HEAD "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    nap(5);
    client_send(fd, "x\r\n");
    reply = client_read(fd);
    says(&reply, 400, "protocol: chunk size must be a hexadecimal number");
    cr_assert_str_eq(reply_header(&reply, "Connection"), "close");
    cr_assert(client_sees_end(fd, WAIT_MS));
    reply_deinit(&reply);
    client_close(&fd);
}

Test(body, what_is_malformed_in_its_midst_is_told_and_ends_the_connection)
{
    serve_bodies(malformed);
}

static void ends_early(void)
{
    int fd = client_open();
    struct reply reply;

    client_send(fd, HEAD "Content-Length: 100\r\n\r\nabc");
    nap(5);
    shutdown(fd, SHUT_WR);
    reply = client_read(fd);
    says(&reply, 400, "closed: the body ended before it was complete");
    reply_deinit(&reply);
    client_close(&fd);
}

Test(body, one_that_ends_early_is_told_so)
{
    serve_bodies(ends_early);
}

static void too_slow(void)
{
    int fd = client_open();
    struct reply reply;

    piece_ms = 20;
    client_send(fd, HEAD "Content-Length: 100\r\n\r\nabc");
    reply = client_read(fd);
    cr_assert_eq(reply.status, 408);
    cr_assert_eq(taken, 3);
    reply_deinit(&reply);
    client_close(&fd);
}

Test(body, each_piece_has_the_time_that_the_handler_gives_it)
{
    serve_bodies(too_slow);
}

static void unread(void)
{
    int fd = client_open();
    struct reply reply;

    client_send(fd, "POST /read-nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc");
    reply = client_read(fd);
    says(&reply, 400, "unread");
    cr_assert_str_eq(reply_header(&reply, "Connection"), "close");
    cr_assert(client_sees_end(fd, WAIT_MS));
    reply_deinit(&reply);
    client_close(&fd);
}

Test(body, who_replies_before_its_end_gives_the_connection_up)
{
    serve_bodies(unread);
}

static void expects(void)
{
    int fd = client_open();
    char line[26] = {0};
    struct reply reply;
    size_t got = 0;

    client_send(fd, HEAD "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    while (got < 25) {
        ssize_t some = recv(fd, line + got, 25 - got, MSG_DONTWAIT);

        got += some > 0 ? (size_t)some : 0;
        if (some < 0)
            nap(1);
    }
    cr_assert_str_eq(line, "HTTP/1.1 100 Continue\r\n\r\n");
    client_send(fd, "abc");
    reply = client_read(fd);
    says(&reply, 200, "3 bytes, sum 294");
    reply_deinit(&reply);
    client_send(fd, "POST /read-nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
                    "Expect: 100-continue\r\n\r\n");
    reply = client_read(fd);
    says(&reply, 400, "unread");
    reply_deinit(&reply);
    client_close(&fd);
}

Test(body, a_client_that_waits_to_be_told_is_told_when_its_body_is_read)
{
    serve_bodies(expects);
}

static void sized(void)
{
    int fd = client_open();
    struct reply reply;

    for (int i = 0; i < 2; i++) {
        client_send(fd, "GET /sized HTTP/1.1\r\nHost: x\r\n\r\n");
        reply = client_read(fd);
        says(&reply, 206, "hello file");
        cr_assert_str_eq(reply_header(&reply, "Content-Length"), "10");
        cr_assert_str_eq(reply_header(&reply, "Transfer-Encoding"), "");
        reply_deinit(&reply);
        client_send(fd, "HEAD /sized HTTP/1.1\r\nHost: x\r\n\r\n");
        reply = client_read_bodyless(fd);
        cr_assert_str_eq(reply_header(&reply, "Content-Length"), "10");
        reply_deinit(&reply);
    }
    client_send(fd, "GET /sized-short HTTP/1.1\r\nHost: x\r\n\r\n");
    reply = client_read(fd);
    cr_assert(reply.cut);
    reply_deinit(&reply);
    client_close(&fd);
}

Test(body, a_stream_of_a_known_length_says_it_and_is_cut_where_it_falls_short)
{
    serve_bodies(sized);
}
