#pragma once
/* Limits in a real Redis. Each test has a database of its own. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "shared/limits/limits.h"
#include "shared/redis/redis.h"

#define LONG_MS 1000000000

struct bench {
    int db;
    char url[256];
    struct redis *redis;
    struct limits *limits;
    void (*body)(struct bench *bench);
};

static struct error err;

static inline void command(struct bench *bench, const char *words, int64_t *out_number)
{
    redisReply *reply = NULL;
    struct text argv[8];
    struct text rest = text_of(words);
    size_t argc = 0;

    while (text_cut(rest, ' ', &argv[argc], &rest))
        argc++;
    argv[argc++] = rest;
    cr_assert_eq(redis_command(bench->redis, argv, argc, &reply, &err), 0, "%s: %s", words,
                 err.text);
    if (out_number)
        *out_number = reply->integer;
    redis_reply_free(reply);
}

static inline void with_bench(void *arg)
{
    struct bench *bench = arg;
    const char *url = getenv("REDIS_URL");
    struct redis_options options = {.url = bench->url};

    cr_assert(url, "REDIS_URL is not set: run this under tests/lib/with-servers");
    snprintf(bench->url, sizeof(bench->url), "%s?db=%d", url, bench->db);
    cr_assert_eq(redis_open(&options, &bench->redis, &err), 0, "%s", err.text);
    cr_assert_eq(redis_wait_ready(bench->redis, deadline_in(5000), &err), 0, "%s", err.text);
    command(bench, "FLUSHDB", NULL);
    command(bench, "SET penstock:budget:epoch 1", NULL); /* as if for long */
    bench->limits = limits_new(bench->redis);
    bench->body(bench);
    limits_free(bench->limits);
    redis_close(bench->redis);
}

#define LIMITS_TEST(name, number)                                                                  \
    static void name##_body(struct bench *bench);                                                  \
    Test(limits, name)                                                                             \
    {                                                                                              \
        struct bench bench = {.db = number, .body = name##_body};                                  \
        loop_run(with_bench, &bench);                                                              \
    }                                                                                              \
    static void name##_body(struct bench *bench)

static inline struct limit_place place(const char *key, enum limit_rate rate, int64_t a_minute)
{
    struct limit_place place = {.key = text_of(key)};

    place.rates.of[rate] = a_minute;
    return place;
}

static inline struct limit_ask ask_of(const struct limit_place *choice, const char *id)
{
    return (struct limit_ask){
        .choices = choice,
        .choices_count = 1,
        .cost = {.requests = 1},
        .id = text_of(id),
        .hold_ms = LONG_MS,
        .call_ms = 60000,
    };
}

static inline struct limit_settlement settled(int64_t input, int64_t output)
{
    return (struct limit_settlement){
        .real = {1, input, output}, .call_ms = 1, .left = {-1, -1, -1, -1}};
}
