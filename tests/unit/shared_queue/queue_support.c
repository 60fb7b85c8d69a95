/* Helpers of these tests: see the header. */

#include "queue_support.h"

#include <stdio.h>
#include <stdlib.h>

void bench_open(struct bench *bench, int db)
{
    const char *url = getenv("REDIS_URL");
    struct redis_options options;
    struct error err = {0};

    cr_assert(url, "REDIS_URL is not set: run this under tests/lib/with-servers");
    snprintf(bench->url, sizeof(bench->url), "%s?db=%d", url, db);
    options = (struct redis_options){.url = bench->url};
    cr_assert_eq(redis_open(&options, &bench->redis, &err), 0, "%s", err.text);
    cr_assert_eq(redis_wait_ready(bench->redis, deadline_in(3000), &err), 0, "%s", err.text);
    bench->queue = queue_new(bench->redis);
    bench_flush(bench); /* an earlier round of the same tests on the same server */
}

void bench_close(struct bench *bench)
{
    bench->queue = queue_free(bench->queue);
    cr_assert_null(bench->queue);
    redis_close(bench->redis);
}

void bench_redis(struct bench *bench, const char *words)
{
    struct text argv[16], rest = text_of(words);
    struct error err = {0};
    size_t argc = 0;

    while (text_cut(rest, ' ', &argv[argc], &rest))
        argc++;
    argv[argc++] = rest;
    cr_assert_eq(redis_command(bench->redis, argv, argc, NULL, &err), 0, "%s: %s", words, err.text);
}

void bench_flush(struct bench *bench)
{
    bench_redis(bench, "FLUSHDB");
}

struct uuid run_number(uint32_t number)
{
    struct uuid run = {.bytes = {1, 2, 3, 4, 5, 6, 0x70, 8, 0x80}};

    for (int i = 0; i < 4; i++)
        run.bytes[15 - i] = (uint8_t)(number >> (8 * i));
    return run;
}

uint32_t number_of_run(struct uuid run)
{
    uint32_t number = 0;

    for (int i = 12; i < 16; i++)
        number = number << 8 | run.bytes[i];
    return number;
}

int bench_dispatch(struct bench *bench, int shard, int lane, uint32_t first, size_t count,
                   size_t window, size_t *out_accepted)
{
    struct queue_hint *hints = calloc(count + 1, sizeof(*hints));
    struct queue_batch batch = {shard, lane, hints, count, window};
    struct error err = {0};
    int r;

    for (size_t i = 0; i < count; i++)
        hints[i] = (struct queue_hint){run_number(first + (uint32_t)i), 3, i % 2 == 1};
    r = queue_dispatch(bench->queue, &batch, out_accepted, &err);
    cr_assert_geq(r, 0, "%s", err.text);
    free(hints);
    return r;
}

void bench_add(struct bench *bench, int shard, int lane, uint32_t first, size_t count)
{
    size_t accepted = 0;

    cr_assert_eq(bench_dispatch(bench, shard, lane, first, count, 10000, &accepted), 0);
    cr_assert_eq(accepted, count);
}

struct queue_reader *bench_reader(struct bench *bench, int64_t worker, const int *shards,
                                  size_t count)
{
    struct queue_reader_options options = {bench->url, worker, shards, count};
    struct queue_reader *reader = NULL;
    struct error err = {0};

    cr_assert_eq(queue_reader_open(&options, deadline_in(2000), &reader, &err), 0, "%s", err.text);
    return reader;
}
