/* One service per shard ticks while the shard is owned, one sends the API's hints on (fast.h), and
 * one counts what tenants have in work.
 *
 * While Redis takes no hints (queue_state) or Postgres is away the ticks back off a little and a
 * change is logged once. Nothing is lost by that: Postgres has the runs, and workers poll it
 * themselves then.
 */

#include "scheduler/dispatch/dispatcher.h"

#include <stdio.h>
#include <stdlib.h>

#include "scheduler/dispatch/dispatch_shard.h"
#include "scheduler/dispatch/fast.h"
#include "scheduler/dispatch/ownership.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/fiber/cond.h"
#include "shared/fiber/service.h"
#include "shared/store/dispatch/shards.h"

enum {
    BACKOFF_MAX_MS = 250,
    COUNT_MS = 1250,
    COUNT_SOON_MS = 100, /* the least between two, where somebody waits for one */
    WINDOW_MIN = 64,
    WINDOW_MAX = 10000,
    EXPRESS_WINDOW_MIN = 16,
    EXPRESS_WINDOW_MAX = 1000,
    SMALL_MIN = 4,
    STUCK_MS = 30000,
};

struct ticker {
    struct dispatch_shard *shard;
    struct service service;
};

struct dispatcher {
    struct dispatch_common common;
    struct ticker *tickers; /* of each shard */
    struct fast *fast;
    struct service counter;
    int64_t counted_ms; /* when the tenants' runs were counted last */
    int64_t gathered_ms;
    struct pg *leases;
};

static int64_t clamp(int64_t value, int64_t least, int64_t most)
{
    if (value < least)
        return least;
    return value < most ? value : most;
}

size_t dispatcher_window(const struct dispatch_counts *counts)
{
    int64_t free_slots = counts->slots - counts->in_progress - counts->cancelling;
    int64_t window = counts->slots / 4;

    /* The counts are a second old. What ran then may be done, so some busy slots count, too. */
    if (window < 2 * free_slots)
        window = 2 * free_slots;
    return (size_t)clamp(window, WINDOW_MIN, WINDOW_MAX);
}

void dispatcher_set_counts(struct dispatcher *dispatcher, const struct dispatch_counts *counts,
                           int64_t ready)
{
    struct dispatch_common *common = &dispatcher->common;

    common->window = dispatcher_window(counts);
    common->slots = (size_t)clamp(counts->slots, 0, WINDOW_MAX);
    common->express_window =
        (size_t)clamp(counts->slots / 8, EXPRESS_WINDOW_MIN, EXPRESS_WINDOW_MAX);
    common->small = clamp(counts->slots / 32, SMALL_MIN, INT64_MAX);
    fast_set_counts(dispatcher->fast, &(struct fast_counts){ready, counts->slots});
}

/* A tick that failed leaves the shard as one with a backlog. That Redis does not serve is told
 * elsewhere, once for all shards, and no failure of theirs. */
SUSPENDS static int ticker_round(void *arg, struct error *err)
{
    struct ticker *ticker = arg;
    struct dispatch_shard *shard = ticker->shard;
    const struct queue *queue = shard->common->queue;
    int64_t before_ms = shard->wait_ms;
    int r = 0;

    if (!ownership_has(shard->common->ownership, shard->number)) {
        dispatch_shard_forget(shard);
        shard->wait_ms = TICK_IDLE_MS;
        return 0;
    }
    if (queue_serves(queue))
        r = dispatch_shard_tick(shard, err);
    if (r == 0 && queue_serves(queue))
        return 0;
    shard->backlog = true;
    shard->wait_ms = clamp(2 * before_ms, TICK_BUSY_MS, BACKOFF_MAX_MS);
    return queue_serves(queue) ? r : 0;
}

static int64_t ticker_wait_ms(void *arg)
{
    return service_spread_ms(((struct ticker *)arg)->shard->wait_ms);
}

static void on_ownership(void *arg)
{
    struct dispatcher *dispatcher = arg;

    for (int i = 0; i < dispatcher->common.shard_count; i++)
        service_wake(&dispatcher->tickers[i].service);
}

/* A tenant whose runs are short has next to nothing in work, however many of them were hinted since
 * the last count. While others have a backlog it would wait behind that. Hints that nobody has
 * read are in no count: while there are such, one tells nothing. */
static void count_soon(struct dispatcher *dispatcher, const struct dispatch_shard *shard,
                       struct uuid tenant)
{
    const struct dispatch_common *common = &dispatcher->common;

    if (shard->backlog && shard->express_unread == 0 &&
        clock_ms() - dispatcher->counted_ms >= COUNT_SOON_MS &&
        loads_want_count(common->loads, tenant, common->small))
        service_wake(&dispatcher->counter);
}

void dispatcher_hint(struct dispatcher *dispatcher, const struct new_run *run)
{
    struct dispatch_shard *shard;
    enum fast_way way;

    /* A run that was made when there were more shards is moved first (shards.h). */
    if (run->shard < 0 || run->shard >= dispatcher->common.shard_count ||
        !queue_serves(dispatcher->common.queue))
        return;
    shard = &dispatcher->common.shards[run->shard];
    way = fast_hint(dispatcher->fast, run);
    count_soon(dispatcher, shard, run->tenant);
    if (way == FAST_TICK)
        dispatch_shard_wake(shard);
}

/* Queued runs of shards that are no more, each time that the count is not an early one. */
SUSPENDS static int gather(struct dispatcher *dispatcher, struct error *err)
{
    int64_t moved = 0;
    int r;

    if (dispatcher->gathered_ms && clock_ms() - dispatcher->gathered_ms < COUNT_MS / 2)
        return 0;
    dispatcher->gathered_ms = clock_ms();
    r = shards_gather(dispatcher->common.pg, dispatcher->common.shard_count, &moved, err);

    if (r == 0 && moved > 0)
        log_info("runs of shards that are no more were moved", LOG_INT("runs", moved));
    return r;
}

/* Failures need no word: the tick meets them as well. */
SUSPENDS static int count_round(void *arg, struct error *err)
{
    struct dispatcher *dispatcher = arg;
    struct dispatch_tenants tenants;
    struct arena arena;
    int r;

    dispatcher->counted_ms = clock_ms();
    arena_init(&arena, 0);
    r = dispatch_tenants(dispatcher->common.pg, &arena, &tenants, err);
    if (r == 0)
        loads_set(dispatcher->common.loads, &tenants);
    arena_deinit(&arena);
    return r == 0 && dispatcher->common.ownership ? gather(dispatcher, err) : r;
}

static bool can_dispatch(void *arg)
{
    const struct dispatcher *dispatcher = arg;

    return queue_serves(dispatcher->common.queue);
}

static void start_ticker(struct dispatcher *dispatcher, int number)
{
    struct ticker *ticker = &dispatcher->tickers[number];
    struct service_options service = {
        .name = "dispatch",
        .round = ticker_round,
        .arg = ticker,
        .wait_ms = ticker_wait_ms,
        .stuck_ms = STUCK_MS,
        .trouble = "dispatch has to wait",
        .recovered = "dispatch goes on",
        .label = "shard",
        .number = number,
    };

    service_start(&ticker->service, &service);
}

static void start_tickers(struct dispatcher *dispatcher)
{
    struct dispatch_common *common = &dispatcher->common;
    struct ownership_options options = {dispatcher->leases, common->shard_count, on_ownership,
                                        can_dispatch, dispatcher};

    common->ownership = ownership_start(&options);
    for (int i = 0; i < common->shard_count; i++)
        start_ticker(dispatcher, i);
}

static void init_common(struct dispatch_common *common, const struct dispatcher_options *options)
{
    common->pg = options->pg;
    common->queue = options->queue;
    common->shard_count = options->shards < 1 ? 1 : options->shards;
    common->loads = loads_new();
    common->shards = xcalloc((size_t)common->shard_count, sizeof(*common->shards));
    cond_init(&common->counted);
    common->is_read = options->is_read;
    common->arg = options->arg;
    for (int i = 0; i < common->shard_count; i++) {
        common->shards[i].common = common;
        common->shards[i].number = i;
        common->shards[i].wait_ms = TICK_IDLE_MS;
    }
}

struct dispatcher *dispatcher_start(const struct dispatcher_options *options)
{
    struct dispatcher *dispatcher = xcalloc(1, sizeof(*dispatcher));
    struct dispatch_common *common = &dispatcher->common;
    struct service_options counter = {
        .name = "dispatch-count",
        .round = count_round,
        .arg = dispatcher,
        .period_ms = COUNT_MS,
    };

    init_common(common, options);
    dispatcher->leases = options->leases;
    dispatcher->fast = fast_start(common);
    dispatcher_set_counts(dispatcher, &(struct dispatch_counts){0}, 0);
    dispatcher->tickers = xcalloc((size_t)common->shard_count, sizeof(*dispatcher->tickers));
    for (int i = 0; i < common->shard_count; i++) {
        dispatcher->tickers[i].shard = &common->shards[i];
        common->shards[i].ticker = &dispatcher->tickers[i].service;
    }
    service_start(&dispatcher->counter, &counter);
    if (options->owns)
        start_tickers(dispatcher);
    return dispatcher;
}

void dispatcher_stop(struct dispatcher *dispatcher)
{
    struct dispatch_common *common;

    if (!dispatcher)
        return;
    common = &dispatcher->common;
    fast_stop(dispatcher->fast);
    service_stop(&dispatcher->counter);
    for (int i = 0; i < common->shard_count; i++) {
        service_stop(&dispatcher->tickers[i].service);
        dispatch_shard_forget(&common->shards[i]);
    }
    ownership_stop(common->ownership);
    loads_free(common->loads);
    free(common->shards);
    free(dispatcher->tickers);
    free(dispatcher);
}

static void add_hints(struct buf *out, const char *name, const void *from)
{
    static const char *const ways[HINT_WAYS] = {"fast", "tick"};
    static const char *const lanes[QUEUE_LANES] = {"p0", "p1", "p2", "express"};
    const struct dispatcher *dispatcher = from;

    for (int way = 0; way < HINT_WAYS; way++)
        for (int lane = 0; lane < QUEUE_LANES; lane++)
            metric_sample(out, name, (int64_t)dispatcher->common.hints[way][lane], "way", ways[way],
                          "lane", lanes[lane], NULL);
}

/* One sample of each shard that this process may own. */
static void add_shards(struct buf *out, const char *name, const struct dispatcher *dispatcher,
                       size_t offset)
{
    const struct dispatch_common *common = &dispatcher->common;

    for (int i = 0; common->ownership && i < common->shard_count; i++) {
        const uint64_t *count = (const void *)((const char *)&common->shards[i] + offset);
        char shard[12];

        snprintf(shard, sizeof(shard), "%d", i);
        metric_sample(out, name, (int64_t)*count, "shard", shard, NULL);
    }
}

static void add_repeated(struct buf *out, const char *name, const void *from)
{
    add_shards(out, name, from, offsetof(struct dispatch_shard, repeated));
}

static void add_resets(struct buf *out, const char *name, const void *from)
{
    add_shards(out, name, from, offsetof(struct dispatch_shard, resets));
}

static void add_failures(struct buf *out, const char *name, const void *from)
{
    const struct dispatcher *dispatcher = from;
    uint64_t sum = 0;

    for (int i = 0; i < dispatcher->common.shard_count; i++)
        sum += dispatcher->tickers[i].service.failures;
    metric_sample(out, name, (int64_t)sum, NULL);
}

static const struct metric rows[] = {
    METRIC_LABELLED(METRIC_COUNTER, "penstock_hints_total", "way, lane",
                    "Hints put onto the queue, by way and lane.", add_hints),
    METRIC_LABELLED(METRIC_COUNTER, "penstock_hints_repeated_total", "shard",
                    "Runs hinted again, since their hint had led to nothing.", add_repeated),
    METRIC_LABELLED(METRIC_COUNTER, "penstock_queue_forgotten_total", "shard",
                    "Times that Redis had lost the queue.", add_resets),
    METRIC_LABELLED(METRIC_COUNTER, "penstock_dispatch_failures_total", NULL, "Ticks that failed.",
                    add_failures),
    METRIC_SHOWS(dispatcher, METRIC_SIZE, common.window, "penstock_dispatch_window",
                 "Hints that a shard may hold."),
};

const struct metric_table dispatcher_metrics = METRIC_TABLE(rows);

void dispatcher_metrics_render(const struct dispatcher *dispatcher, struct buf *out)
{
    metric_table_render(&dispatcher_metrics, dispatcher, out);
    if (dispatcher->common.ownership)
        ownership_metrics_render(dispatcher->common.ownership, out);
}
