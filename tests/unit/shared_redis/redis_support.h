#pragma once
/* Helpers of these tests: commands written as words, and a server that misbehaves on demand. */

#include <criterion/criterion.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "shared/redis/redis.h"

/* REDIS_URL, or the test fails: run under tests/lib/with-servers. */
const char *test_redis_url(void);

/* Connected and ready. */
SUSPENDS struct redis *test_redis_open(int64_t command_timeout_ms);
SUSPENDS struct redis *test_redis_open_url(const char *url, int64_t command_timeout_ms);
SUSPENDS struct redis_conn *test_redis_conn(void);

/* Words separated by single blanks. */
SUSPENDS int ask(struct redis *redis, const char *words, redisReply **out, struct error *err);
SUSPENDS int ask_conn(struct redis_conn *conn, const char *words, int64_t wait_ms, redisReply **out,
                      struct error *err);

/* The command must succeed; its reply as an integer, or as a text copied to `out`. */
SUSPENDS long long ask_int(struct redis *redis, const char *words);
SUSPENDS void ask_text(struct redis *redis, const char *words, char *out, size_t size);

/* Serves one connection at a time on 127.0.0.1; closes it when the handler returns. */
struct fake {
    void (*handler)(int fd, int connection); /* counted from 0 */
    int listen_fd;
    int connections;
    struct fiber *fiber;
    char url[64];
};

void fake_start(struct fake *fake, void (*handler)(int fd, int connection));
SUSPENDS void fake_stop(struct fake *fake);

/* For handlers: swallow one chunk of input (false at its end), and write a text. */
SUSPENDS bool fake_read(int fd);
SUSPENDS void fake_write(int fd, const char *string);
SUSPENDS void fake_greet(int fd); /* answers PING */
