/* A real server and raw-socket clients in one loop. */

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shared/fiber/loop.h"

struct http_server *server;
struct http_exchange *last_exchange;
bool released;
bool saw_peer_gone;
struct fiber *sleeper;
int await_result;
int awaits;
size_t drops;
size_t flooded_bytes;
int flood_error;

struct plan {
    struct http_server_options options;
    void (*test)(void);
};

void nap(int64_t wait_ms)
{
    (void)!fiber_sleep(wait_ms, NULL);
}

static void reply_what(struct http_exchange *exchange)
{
    struct text host = http_header_get(exchange, "host");
    CLEANUP(buf_deinit) struct buf body;

    buf_init(&body, 0);
    buf_printf(&body, "%s|%.*s|%.*s|", http_method_name(exchange->method),
               TEXT_ARGS(exchange->target), TEXT_ARGS(host));
    buf_add_text(&body, exchange->body);
    (void)http_reply(exchange, 200, "text/plain", buf_text(&body));
}

static void hold(struct http_exchange *exchange)
{
    last_exchange = exchange;
    while (!released && !fiber_canceled())
        nap(5);
    last_exchange = NULL;
    (void)http_reply(exchange, 200, "text/plain", TEXT("held"));
}

static void drop_and_hold(struct http_exchange *exchange)
{
    char left[32];

    http_drop_body(exchange);
    drops++;
    while (!released && !fiber_canceled())
        nap(5);
    snprintf(left, sizeof(left), "%zu left", exchange->body.len);
    (void)http_reply(exchange, 200, "text/plain", text_of(left));
}

static void stream(struct http_exchange *exchange, bool end)
{
    if (http_stream_begin(exchange, 200, "text/event-stream", NULL) < 0 ||
        http_stream_write(exchange, TEXT("one"), NULL) < 0 ||
        http_stream_write(exchange, TEXT(""), NULL) < 0 ||
        http_stream_write(exchange, TEXT("two"), NULL) < 0)
        return;
    nap(10);
    if (http_stream_write(exchange, TEXT("three"), NULL) < 0)
        return;
    if (end)
        (void)http_stream_end(exchange, NULL);
}

/* Its head is made before it is known whether there is anything to say. */
static void stream_whole(struct http_exchange *exchange)
{
    bool lost = text_is(exchange->query, "lost");

    if (http_stream_open(exchange, 200, "text/event-stream", NULL) < 0)
        return;
    if (lost)
        http_abort(exchange);
    else
        (void)http_stream_end_with(exchange, TEXT("onetwothree"), NULL);
}

static void flood(struct http_exchange *exchange)
{
    static char piece[4096];
    int r = http_stream_begin(exchange, 200, "text/event-stream", NULL);

    memset(piece, 'f', sizeof(piece));
    while (r == 0 && !released) {
        r = http_stream_write(exchange, (struct text){piece, sizeof(piece)}, NULL);
        if (r == 0)
            flooded_bytes += sizeof(piece);
    }
    flood_error = -r;
    if (r == 0)
        (void)http_stream_end(exchange, NULL);
}

static void await_peer_gone(struct http_exchange *exchange)
{
    for (int i = 0; i < 400 && !http_peer_gone(exchange); i++)
        nap(5);
    saw_peer_gone = http_peer_gone(exchange);
    (void)http_reply(exchange, 200, NULL, TEXT("late"));
}

/* Waits until a test wakes it, its client is gone, or 5 s have passed. */
static void await_wake(struct http_exchange *exchange)
{
    sleeper = fiber_self();
    await_result = http_await_wake(exchange, "a test", deadline_in(5000), NULL);
    sleeper = NULL;
    awaits++;
    (void)http_reply(exchange, 200, NULL, await_result == 0 ? TEXT("woken") : TEXT("not woken"));
}

static void reply_with_headers(struct http_exchange *exchange)
{
    http_add_header(exchange, "Retry-After", TEXT("7"));
    http_add_header(exchange, "X-Peer", text_of(exchange->peer));
    (void)http_reply(exchange, 200, "text/plain", TEXT("x"));
}

void standard_handler(struct http_exchange *exchange, void *arg)
{
    (void)arg;
    if (text_is(exchange->path, "/hold"))
        hold(exchange);
    else if (text_is(exchange->path, "/drop"))
        drop_and_hold(exchange);
    else if (text_is(exchange->path, "/silent"))
        return;
    else if (text_is(exchange->path, "/stream"))
        stream(exchange, true);
    else if (text_is(exchange->path, "/whole"))
        stream_whole(exchange);
    else if (text_is(exchange->path, "/cut"))
        stream(exchange, false);
    else if (text_is(exchange->path, "/flood"))
        flood(exchange);
    else if (text_is(exchange->path, "/abort"))
        http_abort(exchange);
    else if (text_is(exchange->path, "/gone"))
        await_peer_gone(exchange);
    else if (text_is(exchange->path, "/await"))
        await_wake(exchange);
    else if (text_is(exchange->path, "/204"))
        (void)http_reply(exchange, 204, NULL, TEXT_NONE);
    else if (text_is(exchange->path, "/headers"))
        reply_with_headers(exchange);
    else
        reply_what(exchange);
}

static void root(void *arg)
{
    struct plan *plan = arg;
    struct error err = {0};
    int r = http_server_open(&plan->options, &server, &err);

    cr_assert_eq(r, 0, "%s", err.text);
    plan->test();
    http_server_close(server, deadline_in(WAIT_MS));
    server = NULL;
}

void serve(const struct http_server_options *options, void (*test)(void))
{
    struct plan plan = {.test = test};

    if (options)
        plan.options = *options;
    plan.options.host = "127.0.0.1";
    if (!plan.options.handler)
        plan.options.handler = standard_handler;
    loop_run(root, &plan);
}

int client_open(void)
{
    struct address address;
    struct error err = {0};
    int fd = -1;

    cr_assert_eq(address_parse("127.0.0.1", http_server_port(server), &address, &err), 0);
    cr_assert_eq(io_connect(&address, deadline_in(WAIT_MS), &fd, &err), 0, "%s", err.text);
    return fd;
}

void client_send_bytes(int fd, const void *bytes, size_t len)
{
    struct error err = {0};

    cr_assert_eq(io_write(fd, bytes, len, deadline_in(WAIT_MS), &err), 0, "%s", err.text);
}

void client_send(int fd, const char *bytes)
{
    client_send_bytes(fd, bytes, strlen(bytes));
}

void client_close(int *fd)
{
    io_close(fd);
}

void reply_deinit(struct reply *reply)
{
    buf_deinit(&reply->head);
    buf_deinit(&reply->body);
}

const char *reply_header(const struct reply *reply, const char *name)
{
    static char value[1024];
    struct text rest = buf_text(&reply->head);
    struct text line;

    value[0] = '\0';
    while (text_cut(rest, '\n', &line, &rest)) {
        struct text key;
        struct text found;

        if (!text_cut(line, ':', &key, &found) || !text_is_nocase(key, name))
            continue;
        found = text_trim(found);
        snprintf(value, sizeof(value), "%.*s", TEXT_ARGS(found));
        break;
    }
    return value;
}

/* Byte by byte, so that nothing of the next reply is taken. Returns false at the end of input. */
static bool read_byte(int fd, struct buf *to)
{
    char byte;
    size_t len;

    if (io_read(fd, &byte, 1, deadline_in(WAIT_MS), &len, NULL) != 0)
        return false;
    buf_add_char(to, byte);
    return true;
}

static bool read_until(int fd, struct buf *to, const char *end)
{
    while (!text_ends(buf_text(to), end))
        if (!read_byte(fd, to))
            return false;
    return true;
}

static bool read_count(int fd, struct buf *to, size_t count)
{
    for (size_t goal = to->len + count; to->len < goal;) {
        size_t want = goal - to->len;
        size_t len;
        char *at = buf_reserve(to, want);

        if (!at || io_read(fd, at, want, deadline_in(WAIT_MS), &len, NULL) != 0)
            return false;
        to->len += len;
        to->ptr[to->len] = '\0';
    }
    return true;
}

static bool read_chunks(int fd, struct buf *to)
{
    for (;;) {
        CLEANUP(buf_deinit) struct buf line;
        size_t size;

        buf_init(&line, 64);
        if (!read_until(fd, &line, "\r\n"))
            return false;
        size = strtoul(buf_string(&line), NULL, 16);
        if (size > 0 && !read_count(fd, to, size))
            return false;
        buf_reset(&line);
        if (!read_count(fd, &line, 2) || !text_is(buf_text(&line), "\r\n"))
            return false;
        if (size == 0)
            return true;
    }
}

static struct reply read_reply(int fd, bool bodyless)
{
    struct reply reply = {0};
    bool whole;

    buf_init(&reply.head, 0);
    buf_init(&reply.body, 0);
    whole = read_until(fd, &reply.head, "\r\n\r\n");
    if (!whole || sscanf(buf_string(&reply.head), "HTTP/1.1 %d ", &reply.status) != 1) {
        reply.cut = true;
        return reply;
    }
    if (bodyless || reply.status == 204)
        return reply;
    if (*reply_header(&reply, "Content-Length")) {
        size_t length = strtoul(reply_header(&reply, "Content-Length"), NULL, 10);

        reply.cut = !read_count(fd, &reply.body, length);
    } else if (strcmp(reply_header(&reply, "Transfer-Encoding"), "chunked") == 0) {
        reply.cut = !read_chunks(fd, &reply.body);
    } else {
        while (read_byte(fd, &reply.body))
            ;
    }
    return reply;
}

struct reply client_read(int fd)
{
    return read_reply(fd, false);
}

struct reply client_read_bodyless(int fd)
{
    return read_reply(fd, true);
}

bool client_sees_end(int fd, int64_t wait_ms)
{
    char byte;
    size_t len;
    int r = io_read(fd, &byte, 1, deadline_in(wait_ms), &len, NULL);

    return r == IO_EOF || r == -E_CLOSED;
}

struct reply ask(const char *request)
{
    int fd = client_open();
    struct reply reply;

    client_send(fd, request);
    reply = client_read(fd);
    client_close(&fd);
    return reply;
}

void refused(int status, const char *request)
{
    int fd = client_open();
    struct reply reply;

    client_send(fd, request);
    reply = client_read(fd);
    cr_assert_eq(reply.status, status, "got %d (%s) for: %s", reply.status, buf_string(&reply.body),
                 request);
    cr_assert_not(reply.cut);
    cr_assert_str_eq(reply_header(&reply, "Connection"), "close");
    cr_assert_gt(reply.body.len, 10, "an error says what is wrong");
    cr_assert(client_sees_end(fd, WAIT_MS), "open after: %s", request);
    reply_deinit(&reply);
    client_close(&fd);
}

void accepted(const char *body, const char *request)
{
    struct reply reply = ask(request);

    cr_assert_eq(reply.status, 200, "got %d (%s) for: %s", reply.status, buf_string(&reply.body),
                 request);
    cr_assert_str_eq(buf_string(&reply.body), body);
    reply_deinit(&reply);
}
