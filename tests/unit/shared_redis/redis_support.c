/* Helpers of these tests: see the header. */

#include "redis_support.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/io/io.h"

#define WORDS_MAX 32

const char *test_redis_url(void)
{
    const char *url = getenv("REDIS_URL");

    cr_assert(url, "REDIS_URL is not set: run this under tests/lib/with-servers");
    return url;
}

struct redis *test_redis_open_url(const char *url, int64_t command_timeout_ms)
{
    struct redis_options options = {.url = url, .command_timeout_ms = command_timeout_ms};
    struct redis *redis = NULL;
    struct error err = {0};

    cr_assert_eq(redis_open(&options, &redis, &err), 0, "%s", err.text);
    cr_assert_eq(redis_wait_ready(redis, deadline_in(3000), &err), 0, "%s", err.text);
    return redis;
}

struct redis *test_redis_open(int64_t command_timeout_ms)
{
    return test_redis_open_url(test_redis_url(), command_timeout_ms);
}

struct redis_conn *test_redis_conn(void)
{
    struct redis_options options = {.url = test_redis_url()};
    struct redis_conn *conn = NULL;
    struct error err = {0};

    cr_assert_eq(redis_conn_open(&options, deadline_in(3000), &conn, &err), 0, "%s", err.text);
    return conn;
}

static size_t split(const char *words, struct text argv[WORDS_MAX])
{
    struct text rest = text_of(words);
    struct text head;
    size_t argc = 0;

    while (text_cut(rest, ' ', &head, &rest))
        argv[argc++] = head;
    argv[argc++] = rest;
    return argc;
}

int ask(struct redis *redis, const char *words, redisReply **out, struct error *err)
{
    struct text argv[WORDS_MAX];
    size_t argc = split(words, argv);

    return redis_command(redis, argv, argc, out, err);
}

int ask_conn(struct redis_conn *conn, const char *words, int64_t wait_ms, redisReply **out,
             struct error *err)
{
    struct text argv[WORDS_MAX];
    size_t argc = split(words, argv);

    return redis_conn_command(conn, argv, argc, deadline_in(wait_ms), out, err);
}

long long ask_int(struct redis *redis, const char *words)
{
    CLEANUP(redis_reply_freep) redisReply *reply = NULL;
    struct error err = {0};

    cr_assert_eq(ask(redis, words, &reply, &err), 0, "%s: %s", words, err.text);
    cr_assert_eq(reply->type, REDIS_REPLY_INTEGER);
    return reply->integer;
}

void ask_text(struct redis *redis, const char *words, char *out, size_t size)
{
    CLEANUP(redis_reply_freep) redisReply *reply = NULL;
    struct error err = {0};

    cr_assert_eq(ask(redis, words, &reply, &err), 0, "%s: %s", words, err.text);
    snprintf(out, size, "%.*s", TEXT_ARGS(redis_reply_text(reply)));
}

SUSPENDS static void serve_fake(void *arg)
{
    struct fake *fake = arg;
    struct address peer;
    int fd = -1;

    while (io_accept(fake->listen_fd, DEADLINE_NONE, &fd, &peer, NULL) == 0) {
        fake->handler(fd, fake->connections++);
        io_close(&fd);
    }
}

void fake_start(struct fake *fake, void (*handler)(int fd, int connection))
{
    struct address address;
    struct error err = {0};

    *fake = (struct fake){.handler = handler, .listen_fd = -1};
    cr_assert_eq(address_parse("127.0.0.1", 0, &address, &err), 0, "%s", err.text);
    cr_assert_eq(io_listen(&address, 16, &fake->listen_fd, &err), 0, "%s", err.text);
    snprintf(fake->url, sizeof(fake->url), "redis://127.0.0.1:%d", io_local_port(fake->listen_fd));
    fake->fiber = fiber_start("fake redis", serve_fake, fake);
}

void fake_stop(struct fake *fake)
{
    fiber_cancel(fake->fiber);
    fiber_join(fake->fiber);
    io_close(&fake->listen_fd);
}

bool fake_read(int fd)
{
    char bytes[4096];
    size_t len;

    return io_read(fd, bytes, sizeof(bytes), DEADLINE_NONE, &len, NULL) == 0;
}

void fake_write(int fd, const char *string)
{
    (void)!io_write(fd, string, strlen(string), deadline_in(2000), NULL);
}

void fake_greet(int fd)
{
    if (fake_read(fd))
        fake_write(fd, "+PONG\r\n");
}
