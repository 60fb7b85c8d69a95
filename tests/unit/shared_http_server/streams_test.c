/* Replies in pieces, and readers that do not read. */

#include "harness.h"

#include <stdlib.h>

#define HOST "Host: x\r\n"

static void chunked(void)
{
    int fd = client_open();

    for (int i = 0; i < 3; i++) {
        struct reply reply;

        client_send(fd, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
        reply = client_read(fd);
        cr_assert_eq(reply.status, 200);
        cr_assert_not(reply.cut);
        cr_assert_str_eq(reply_header(&reply, "Transfer-Encoding"), "chunked");
        cr_assert_str_eq(reply_header(&reply, "Content-Length"), "");
        cr_assert_str_eq(buf_string(&reply.body), "onetwothree");
        reply_deinit(&reply);
    }
    client_close(&fd);
}

Test(streams, a_stream_is_chunked_and_the_connection_goes_on)
{
    serve(NULL, chunked);
}

static void until_close(void)
{
    struct reply reply = ask("GET /stream HTTP/1.0\r\n\r\n");

    cr_assert_eq(reply.status, 200);
    cr_assert_str_eq(reply_header(&reply, "Transfer-Encoding"), "");
    cr_assert_str_eq(reply_header(&reply, "Connection"), "close");
    cr_assert_str_eq(buf_string(&reply.body), "onetwothree");
    reply_deinit(&reply);
}

Test(streams, for_http_1_0_a_stream_ends_with_the_connection)
{
    serve(NULL, until_close);
}

static void at_once(void)
{
    int fd = client_open();
    struct reply reply;

    for (int i = 0; i < 2; i++) {
        client_send(fd, "GET /whole HTTP/1.1\r\n" HOST "\r\n");
        reply = client_read(fd);
        cr_assert_eq(reply.status, 200);
        cr_assert_not(reply.cut);
        cr_assert_str_eq(reply_header(&reply, "Transfer-Encoding"), "chunked");
        cr_assert_str_eq(buf_string(&reply.body), "onetwothree");
        reply_deinit(&reply);
    }
    client_send(fd, "HEAD /whole HTTP/1.1\r\n" HOST "\r\n");
    reply = client_read_bodyless(fd);
    cr_assert_eq(reply.status, 200);
    reply_deinit(&reply);
    client_close(&fd);
    reply = ask("GET /whole HTTP/1.0\r\n\r\n");
    cr_assert_str_eq(buf_string(&reply.body), "onetwothree");
    reply_deinit(&reply);
}

Test(streams, a_head_its_only_piece_and_the_end_can_leave_together)
{
    serve(NULL, at_once);
}

static void nothing_sent(void)
{
    int fd = client_open();

    client_send(fd, "GET /whole?lost HTTP/1.1\r\n" HOST "\r\n");
    cr_assert(client_sees_end(fd, WAIT_MS));
    client_close(&fd);
}

Test(streams, a_stream_that_is_open_has_sent_nothing)
{
    serve(NULL, nothing_sent);
}

static void cut(void)
{
    struct reply reply = ask("GET /cut HTTP/1.1\r\n" HOST "\r\n");

    cr_assert_eq(reply.status, 200);
    cr_assert(reply.cut);
    reply_deinit(&reply);
}

Test(streams, a_stream_that_its_handler_does_not_end_is_seen_as_cut)
{
    serve(NULL, cut);
}

/* A client that takes little into its own kernel buffer and reads nothing. */
static int open_mute(void)
{
    int bytes = 65536;
    int fd = client_open();

    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    client_send(fd, "GET /flood HTTP/1.1\r\n" HOST "\r\n");
    return fd;
}

static void mute(void)
{
    int fd = open_mute();
    size_t stuck_at;
    struct reply other;

    nap(100);
    stuck_at = flooded_bytes;
    cr_assert_lt(stuck_at, 512 * 1024, "%zu bytes are held for a mute reader", stuck_at);
    nap(100);
    cr_assert_eq(flooded_bytes, stuck_at);

    /* The others go on meanwhile, and the writer when its reader reads. */
    other = ask("GET /what HTTP/1.1\r\n" HOST "\r\n");
    cr_assert_eq(other.status, 200);
    reply_deinit(&other);
    for (size_t total = 0; total < 4 * 1024 * 1024;) {
        char bytes[8192];
        size_t len;

        cr_assert_eq(io_read(fd, bytes, sizeof(bytes), deadline_in(WAIT_MS), &len, NULL), 0);
        total += len;
    }
    cr_assert_geq(flooded_bytes, stuck_at + 3 * 1024 * 1024);
    client_close(&fd);
    for (int i = 0; i < 200 && flood_error == 0; i++)
        nap(5);
    cr_assert_eq(flood_error, E_CLOSED);
}

Test(streams, a_slow_reader_suspends_the_writer_and_holds_little_memory)
{
    serve(NULL, mute);
}

static void mute_for_too_long(void)
{
    int64_t begun_ms = clock_ms();
    int fd = open_mute();

    while (flood_error == 0 && clock_ms() < begun_ms + 2000)
        nap(5);
    cr_assert_eq(flood_error, E_TIMEOUT);
    cr_assert_geq(clock_ms() - begun_ms, 140);
    client_close(&fd);
}

Test(streams, a_reader_that_never_reads_is_cut_at_the_replys_deadline)
{
    struct http_server_options options = {.reply_timeout_ms = 150};

    serve(&options, mute_for_too_long);
}

static void large_handler(struct http_exchange *exchange, void *arg)
{
    static char body[3000000];

    (void)arg;
    memset(body, 'L', sizeof(body));
    (void)http_reply(exchange, 200, "text/plain", (struct text){body, sizeof(body)});
}

static void large(void)
{
    struct reply reply = ask("GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");

    cr_assert_eq(reply.status, 200);
    cr_assert_not(reply.cut);
    cr_assert_eq(reply.body.len, 3000000);
    reply_deinit(&reply);
}

Test(streams, a_large_reply_arrives_whole_before_the_connection_closes)
{
    struct http_server_options options = {.handler = large_handler};

    serve(&options, large);
}

/* Echoes in capitals, piece by piece, until the client ends or says "bye". */
static void upgrading_handler(struct http_exchange *exchange, void *arg)
{
    struct error err = {0};
    char bytes[4];
    size_t len;

    (void)arg;
    if (!http_offers_upgrade(exchange, "capitals")) {
        (void)http_reply(exchange, 426, "text/plain", TEXT("speak capitals"));
        return;
    }
    http_add_header(exchange, "X-Loud", TEXT("yes"));
    if (http_upgrade(exchange, "capitals", &err) < 0)
        return;
    while (http_upgraded_read(exchange, bytes, sizeof(bytes), deadline_in(WAIT_MS), &len, &err) ==
           0) {
        if (len == 3 && memcmp(bytes, "bye", 3) == 0)
            return;
        for (size_t i = 0; i < len; i++)
            bytes[i] = (char)(bytes[i] & ~0x20);
        if (http_upgraded_write(exchange, (struct text){bytes, len}, &err) < 0)
            return;
    }
}

static void read_exactly(int fd, const char *wanted)
{
    char bytes[256];
    size_t have = 0;

    while (have < strlen(wanted)) {
        size_t len;

        cr_assert_eq(
            io_read(fd, bytes + have, strlen(wanted) - have, deadline_in(WAIT_MS), &len, NULL), 0);
        have += len;
    }
    cr_assert_eq(memcmp(bytes, wanted, have), 0, "%.*s", (int)have, bytes);
}

static void upgraded(void)
{
    static const char *const others[] = {
        "GET / HTTP/1.1\r\n" HOST "\r\n",
        "GET / HTTP/1.1\r\n" HOST "Upgrade: capitals\r\n\r\n",
        "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: capitals\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST
        "Connection: upgrade\r\nUpgrade: capitals\r\nContent-Length: 0\r\n\r\n",
    };
    int fd = client_open();

    client_send(fd, "GET / HTTP/1.1\r\n" HOST "Connection: keep-alive, Upgrade\r\n"
                    "Upgrade: other, Capitals\r\n\r\nearly");
    read_exactly(fd, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                     "Upgrade: capitals\r\nX-Loud: yes\r\n\r\nEARLY");
    client_send(fd, "late");
    read_exactly(fd, "LATE");
    client_send(fd, "bye");
    cr_assert(client_sees_end(fd, WAIT_MS));
    client_close(&fd);

    /* Who does not offer it, or may not, is answered as by any handler. */
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
        struct reply reply = ask(others[i]);

        cr_assert_eq(reply.status, 426, "%s: %d", others[i], reply.status);
        reply_deinit(&reply);
    }
}

Test(streams, a_handler_can_take_the_connection_for_another_protocol)
{
    struct http_server_options options = {.handler = upgrading_handler};

    serve(&options, upgraded);
}

struct waiting {
    struct fiber *fiber; /* of the handler, while it waits */
    struct fiber *client;
};

/* Says what each wait gave, until there is nothing more to read. */
static void waiting_handler(struct http_exchange *exchange, void *arg)
{
    struct waiting *waiting = arg;
    struct error err = {0};
    char bytes[16];
    size_t len;

    cr_assert_eq(http_upgrade(exchange, "capitals", &err), 0);
    for (;;) {
        int r;

        waiting->fiber = fiber_self();
        fiber_wake(waiting->client);
        r = http_upgraded_wait(exchange, "a test", deadline_in(WAIT_MS), &err);
        waiting->fiber = NULL;
        if (r == 0) {
            cr_assert_eq(http_upgraded_write(exchange, TEXT("woken "), &err), 0);
            continue;
        }
        cr_assert_eq(r, HTTP_INPUT);
        if (http_upgraded_read(exchange, bytes, sizeof(bytes), clock_ms(), &len, &err) != 0)
            return;
        cr_assert_eq(http_upgraded_write(exchange, (struct text){bytes, len}, &err), 0);
    }
}

static struct waiting waiting;

static void wakes_and_inputs(void)
{
    int fd = client_open();

    waiting.client = fiber_self();
    client_send(fd, "GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\n"
                    "Upgrade: capitals\r\n\r\nearly ");
    read_exactly(fd, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                     "Upgrade: capitals\r\n\r\nearly ");
    for (int i = 0; i < 3; i++) {
        while (!waiting.fiber)
            cr_assert_eq(fiber_wait("the handler", deadline_in(WAIT_MS)), WAIT_WOKEN);
        fiber_wake(waiting.fiber);
        read_exactly(fd, "woken ");
        client_send(fd, "said ");
        read_exactly(fd, "said ");
    }
    client_close(&fd);
}

Test(streams, a_handler_of_another_protocol_waits_for_input_and_to_be_woken)
{
    struct http_server_options options = {.handler = waiting_handler, .arg = &waiting};

    serve(&options, wakes_and_inputs);
}
