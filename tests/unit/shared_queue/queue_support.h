#pragma once
/* Helpers of these tests. Each test has a database of its own on the server, so that it may flush
 * that without harming its neighbours. */

#include <criterion/criterion.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/text.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "shared/queue/queue.h"
#include "shared/redis/redis.h"

struct bench {
    char url[256];
    struct redis *redis;
    struct queue *queue;
};

SUSPENDS void bench_open(struct bench *bench, int db);
SUSPENDS void bench_close(struct bench *bench);

/* Everything of this test is gone, as after FLUSHALL or a restart. */
SUSPENDS void bench_flush(struct bench *bench);

/* Words separated by single blanks; must succeed. */
SUSPENDS void bench_redis(struct bench *bench, const char *words);

/* The run whose last four bytes are this number. */
struct uuid run_number(uint32_t number);
uint32_t number_of_run(struct uuid run);

/* Hints first, first + 1, …; returns what queue_dispatch returned. */
SUSPENDS int bench_dispatch(struct bench *bench, int shard, int lane, uint32_t first, size_t count,
                            size_t window, size_t *out_accepted);

/* Must all be accepted. */
SUSPENDS void bench_add(struct bench *bench, int shard, int lane, uint32_t first, size_t count);

SUSPENDS struct queue_reader *bench_reader(struct bench *bench, int64_t worker, const int *shards,
                                           size_t count);
