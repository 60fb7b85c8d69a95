/* Descriptor I/O over socket pairs and loopback. */

#include <criterion/criterion.h>

#include <string.h>
#include <unistd.h>

#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "shared/io/io.h"

static int pair[2];

static void open_pair(void)
{
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
}

static void late_writer(void *arg)
{
    (void)arg;
    cr_assert_eq(fiber_sleep(10, NULL), 0);
    cr_assert_eq(io_write(pair[1], "hello", 5, DEADLINE_NONE, NULL), 0);
    io_close(&pair[1]);
}

static void read_late(void *arg)
{
    char bytes[16];
    size_t len = 0;

    (void)arg;
    open_pair();
    cr_assert_eq(io_read(pair[0], bytes, sizeof(bytes), deadline_in(5), &len, NULL), -E_TIMEOUT);
    fiber_spawn("writer", late_writer, NULL);
    cr_assert_eq(io_read(pair[0], bytes, sizeof(bytes), deadline_in(5000), &len, NULL), 0);
    cr_assert_eq(len, 5);
    cr_assert_eq(memcmp(bytes, "hello", 5), 0);
    cr_assert_eq(io_read(pair[0], bytes, sizeof(bytes), deadline_in(5000), &len, NULL), IO_EOF);
    io_close(&pair[0]);
    cr_assert_eq(pair[0], -1);
}

Test(io, reads_time_out_then_deliver_then_end)
{
    loop_run(read_late, NULL);
}

#define BULK_BYTES (4 << 20)

static void bulk_reader(void *arg)
{
    static char bytes[65536];
    size_t *total = arg;
    size_t len = 0;

    while (io_read(pair[0], bytes, sizeof(bytes), deadline_in(10000), &len, NULL) == 0)
        *total += len;
}

static void write_bulk(void *arg)
{
    static char bytes[BULK_BYTES];
    size_t total = 0;
    struct fiber *reader;

    (void)arg;
    open_pair();
    reader = fiber_start("reader", bulk_reader, &total);
    cr_assert_eq(io_write(pair[1], bytes, sizeof(bytes), deadline_in(10000), NULL), 0);
    io_close(&pair[1]);
    fiber_join(reader);
    cr_assert_eq(total, BULK_BYTES);
    io_close(&pair[0]);
}

Test(io, a_write_larger_than_the_socket_buffer_waits_for_its_reader)
{
    loop_run(write_bulk, NULL);
}

static void write_mute(void *arg)
{
    static char bytes[BULK_BYTES];

    (void)arg;
    open_pair();
    cr_assert_eq(io_write(pair[1], bytes, sizeof(bytes), deadline_in(20), NULL), -E_TIMEOUT);
    io_close(&pair[0]);
    cr_assert_eq(io_write(pair[1], bytes, sizeof(bytes), deadline_in(20), NULL), -E_CLOSED);
    io_close(&pair[1]);
}

Test(io, writing_to_a_mute_reader_times_out_and_to_a_gone_one_is_closed)
{
    loop_run(write_mute, NULL);
}

static void wait_forever(void *arg)
{
    int *result = arg;

    *result = io_wait(pair[0], IO_READ, DEADLINE_NONE, NULL);
}

static void cancel_wait(void *arg)
{
    int result = 1;
    struct fiber *fiber;

    (void)arg;
    open_pair();
    fiber = fiber_start("waiter", wait_forever, &result);
    fiber_yield();
    fiber_cancel(fiber);
    fiber_join(fiber);
    cr_assert_eq(result, -E_CANCELED);
    io_close(&pair[0]);
    io_close(&pair[1]);
}

Test(io, a_cancel_ends_a_wait)
{
    loop_run(cancel_wait, NULL);
}

static void accept_one(void *arg)
{
    int listen_fd = *(int *)arg;
    struct address peer;
    char text[ADDRESS_TEXT_SIZE];
    int fd = -1;

    cr_assert_eq(io_accept(listen_fd, deadline_in(5000), &fd, &peer, NULL), 0);
    address_format(&peer, text);
    cr_assert_eq(strncmp(text, "127.0.0.1:", 10), 0);
    cr_assert_eq(io_write(fd, "ok", 2, deadline_in(1000), NULL), 0);
    io_close(&fd);
}

static void connect_loopback(void *arg)
{
    struct address address;
    struct error err;
    struct fiber *server;
    char bytes[8];
    size_t len = 0;
    int listen_fd = -1;
    int fd = -1;
    int port;

    (void)arg;
    cr_assert_eq(address_parse("127.0.0.1", 0, &address, NULL), 0);
    cr_assert_eq(io_listen(&address, 16, &listen_fd, NULL), 0);
    port = io_local_port(listen_fd);
    server = fiber_start("server", accept_one, &listen_fd);
    cr_assert_eq(address_parse("127.0.0.1", port, &address, NULL), 0);
    cr_assert_eq(io_connect(&address, deadline_in(1000), &fd, NULL), 0);
    cr_assert_eq(io_read(fd, bytes, sizeof(bytes), deadline_in(1000), &len, NULL), 0);
    cr_assert_eq(len, 2);
    fiber_join(server);
    io_close(&fd);
    io_close(&listen_fd);
    cr_assert_eq(io_connect(&address, deadline_in(1000), &fd, &err), -E_UNAVAILABLE);
    cr_assert(strstr(err.text, "can't connect to 127.0.0.1:"));
    cr_assert(strstr(err.text, "refused"));
}

Test(io, connects_and_accepts_on_loopback_and_says_when_refused)
{
    loop_run(connect_loopback, NULL);
}

Test(address, parses_numeric_hosts_and_unix_paths_only)
{
    struct address address;
    char text[ADDRESS_TEXT_SIZE];
    struct error err;

    cr_assert_eq(address_parse("::1", 80, &address, NULL), 0);
    address_format(&address, text);
    cr_assert_str_eq(text, "[::1]:80");
    cr_assert_eq(address_parse("/tmp/a.sock", 0, &address, NULL), 0);
    address_format(&address, text);
    cr_assert_str_eq(text, "unix:/tmp/a.sock");
    cr_assert_eq(address_parse("localhost", 80, &address, &err), -E_INVALID);
    cr_assert(strstr(err.text, "localhost"));
    cr_assert_eq(address_parse("127.0.0.1", 70000, &address, NULL), -E_INVALID);
    cr_assert_eq(address_parse("/a/very/long/path/that/goes/on/and/on/and/on/and/on/and/on/and/on/"
                               "and/on/and/on/and/on/and/on/and/on/and/on/and/on/and/on",
                               0, &address, NULL),
                 -E_INVALID);
}
