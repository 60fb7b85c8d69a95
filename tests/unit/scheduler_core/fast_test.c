/* Fast hints on a private Redis. */

#include <criterion/criterion.h>
#include <stdlib.h>

#include "scheduler/dispatch/fast.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "shared/fiber/offload.h"
#include "shared/fiber/service.h"
#include "shared/redis/redis.h"

static int tick(void *arg, struct error *err)
{
    struct dispatch_shard *shard = arg;

    (void)err;
    shard->told = false; /* it has asked Postgres */
    return 0;
}

static bool ticks(const struct service *ticker, uint64_t rounds)
{
    int64_t deadline_ms = deadline_in(10000);
    struct error err;

    while (ticker->rounds < rounds && clock_ms() < deadline_ms)
        cr_assert_eq(fiber_sleep(5, &err), 0);
    return ticker->rounds >= rounds;
}

static void await_redis(struct queue *queue)
{
    int64_t deadline_ms = deadline_in(10000);
    struct error err;
    int r;

    while ((r = queue_init(queue, 0, &err)) < 0 && clock_ms() < deadline_ms)
        cr_assert_eq(fiber_sleep(20, &err), 0);
    cr_assert_eq(r, 0, "%s", err.text);
}

/* Its lanes have room for one hint. */
static void overflow(void *arg)
{
    struct redis_options options = {.url = getenv("REDIS_URL")};
    struct dispatch_common common = {
        .loads = loads_new(), .shard_count = 1, .window = 1, .express_window = 1};
    struct dispatch_shard *shard = calloc(1, sizeof(*shard));
    struct service ticker;
    struct service_options service = {
        .name = "tick", .round = tick, .arg = shard, .period_ms = 3600000, .late = true};
    struct redis *redis;
    struct fast *fast;
    struct error err;

    (void)arg;
    cr_assert(options.url, "run this under tests/lib/with-servers");
    cr_assert_eq(redis_open(&options, &redis, &err), 0, "%s", err.text);
    common.queue = queue_new(redis);
    await_redis(common.queue);
    common.shards = shard;
    shard->common = &common;
    shard->ticker = &ticker;
    service_start(&ticker, &service);
    fast = fast_start(&common);
    for (uint64_t rounds = 1; rounds <= 2; rounds++) {
        for (int i = 0; i < 2; i++) {
            struct new_run run = {uuid_new(), uuid_new(), 0, 1};

            cr_assert_eq(fast_hint(fast, &run), FAST_ORDINARY);
        }
        cr_assert(ticks(&ticker, rounds), "of the hints no more than one found room");
        cr_assert(shard->backlog);
    }
    fast_stop(fast);
    service_stop(&ticker);
    loads_free(common.loads);
    queue_free(common.queue);
    redis_close(redis);
    free(shard);
    offload_stop();
}

Test(fast, what_found_no_room_is_looked_for_at_once)
{
    log_init("unit", LOG_LEVEL_OFF, LOG_FORMAT_LOGFMT);
    loop_run(overflow, NULL);
}
