/* One fiber per shard ticks, and one sends the API's hints on.
 *
 * A tick asks the queue how full the shard is, and Postgres for what is ready when there is room
 * for a good part of the window (or some time has passed: reading up to a window of rows for every
 * freed place would cost more than it brings). Rows hinted a moment ago are skipped. When the
 * streams are empty and a row that was hinted is still there half a second later, its hint was
 * lost, in Redis or in a reader, and it is hinted again; QUEUE_FORGOTTEN says so outright and
 * clears the memory of hints.
 *
 * Order: by priority, then by due time, as Postgres gives it. New runs take the fast way only when
 * the last tick saw no backlog; else they would overtake what waits.
 *
 * While Redis or Postgres is away the ticks back off to 2 s and a change is logged once. Nothing is
 * lost by that: Postgres has the runs, and workers poll it themselves when Redis is gone.
 */

#include "scheduler/dispatcher.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "scheduler/hinted.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/fiber/cond.h"
#include "shared/fiber/fiber.h"
#include "shared/queue/queue.h"

enum {
    TICK_BUSY_MS = 25,
    TICK_IDLE_MS = 250,
    BACKOFF_MAX_MS = 2000,
    LOST_AFTER_MS = 500, /* hinted, gone from the stream, and still queued */
    WINDOW_MIN = 64,
    WINDOW_MAX = 10000,
    FAST_MAX = 4096, /* the API's hints that wait to be sent */
};

struct fast_hint {
    struct uuid run;
    int shard;
    int priority;
};

struct lane {
    struct dispatcher *dispatcher;
    struct fiber *fiber;
    int shard;
    bool initialised;
    bool backlog; /* the last tick left ready runs without a hint */
    bool trouble; /* the last tick failed */
    int64_t wait_ms;
    int64_t asked_ms; /* when Postgres was asked last */
};

struct dispatcher {
    struct dispatcher_options options;
    struct hinted *hinted;
    struct lane *lanes;
    struct fiber *fast_fiber;
    struct fast_hint *fast;
    size_t fast_count;
    struct cond fast_told;
    size_t window;
    uint64_t hints_fast;
    uint64_t hints_tick;
    uint64_t forgotten;
    uint64_t failures;
};

size_t dispatcher_window(const struct dispatch_counts *counts)
{
    int64_t free_slots = counts->slots - counts->in_progress - counts->cancelling;
    int64_t window = WINDOW_MIN;

    /* The counts are a second old: what runs now may be done, so a part of the busy slots counts.
     */
    if (window < counts->slots / 4)
        window = counts->slots / 4;
    if (window < 2 * free_slots)
        window = 2 * free_slots;
    return (size_t)(window < WINDOW_MAX ? window : WINDOW_MAX);
}

void dispatcher_set_counts(struct dispatcher *dispatcher, const struct dispatch_counts *counts)
{
    dispatcher->window = dispatcher_window(counts);
}

static int initialise(struct lane *lane, struct error *err)
{
    int r;

    if (lane->initialised)
        return 0;
    r = queue_init(lane->dispatcher->options.queue, lane->shard, err);
    if (r < 0)
        return r;
    lane->initialised = true;
    return 0;
}

static void forget(struct lane *lane)
{
    struct dispatcher *dispatcher = lane->dispatcher;

    lane->initialised = false;
    hinted_clear(dispatcher->hinted);
    dispatcher->forgotten++;
    log_info("the queue lost its memory; hinting what is ready again",
             LOG_INT("shard", lane->shard));
}

/* Sends hints of one priority. Returns 0 with how many went, also 0 when the queue had forgotten:
 * then the next tick begins anew. */
static int send(struct lane *lane, int priority, const struct queue_hint *hints, size_t count,
                size_t *out_sent, struct error *err)
{
    struct dispatcher *dispatcher = lane->dispatcher;
    struct queue_batch batch = {
        .shard = lane->shard,
        .lane = priority,
        .hints = hints,
        .count = count,
        .window = dispatcher->window,
    };
    int r;

    *out_sent = 0;
    r = initialise(lane, err);
    if (r < 0)
        return r;
    r = queue_dispatch(dispatcher->options.queue, &batch, out_sent, err);
    if (r == QUEUE_FORGOTTEN) {
        forget(lane);
        return 0;
    }
    if (r < 0)
        return r;
    for (size_t i = 0; i < *out_sent; i++)
        hinted_add(dispatcher->hinted, hints[i].run, clock_ms());
    return 0;
}

/* Takes the rows that want a hint, of one priority. */
static size_t pick(struct dispatcher *dispatcher, const struct ready_list *ready, int priority,
                   bool stream_empty, struct queue_hint *out)
{
    int64_t patience_ms = stream_empty ? LOST_AFTER_MS : HINTED_KEEP_MS;
    int64_t now_ms = clock_ms();
    size_t count = 0;

    for (size_t i = 0; i < ready->count; i++) {
        const struct ready_run *run = &ready->items[i];
        int64_t age_ms = hinted_age_ms(dispatcher->hinted, run->id, now_ms);

        if (run->priority != priority || (age_ms >= 0 && age_ms < patience_ms))
            continue;
        out[count++] = (struct queue_hint){run->id, run->fence};
    }
    return count;
}

static int hint_ready(struct lane *lane, const struct ready_list *ready, bool stream_empty,
                      struct arena *arena, struct error *err)
{
    struct queue_hint *hints = arena_calloc(arena, ready->count + 1, sizeof(*hints));
    bool left = false;

    if (!hints)
        return error_set(err, E_LIMIT, "too many ready runs at once");
    for (int priority = 0; priority < QUEUE_PRIORITIES && !left; priority++) {
        size_t count = pick(lane->dispatcher, ready, priority, stream_empty, hints);
        size_t sent;
        int r = count ? send(lane, priority, hints, count, &sent, err) : 0;

        if (r < 0)
            return r;
        if (count == 0)
            continue;
        lane->dispatcher->hints_tick += sent;
        left = sent < count;
        lane->wait_ms = TICK_BUSY_MS;
    }
    lane->backlog = left || ready->count >= lane->dispatcher->window;
    return 0;
}

static int tick(struct lane *lane, struct error *err)
{
    struct dispatcher *dispatcher = lane->dispatcher;
    struct ready_query query = {.shard = lane->shard, .limit = (int)dispatcher->window};
    struct ready_list ready;
    struct queue_stats stats;
    struct arena arena;
    size_t length = 0;
    int r = initialise(lane, err);

    if (r == 0)
        r = queue_stats(dispatcher->options.queue, lane->shard, &stats, err);
    if (r < 0)
        return r;
    for (int i = 0; i < QUEUE_PRIORITIES; i++)
        length += (size_t)stats.length[i];
    lane->wait_ms = lane->backlog ? TICK_BUSY_MS : TICK_IDLE_MS;
    if (length + dispatcher->window / 4 > dispatcher->window &&
        clock_ms() - lane->asked_ms < TICK_IDLE_MS)
        return 0;
    lane->asked_ms = clock_ms();
    arena_init(&arena, 0);
    r = dispatch_ready(dispatcher->options.pg, &arena, &query, &ready, err);
    hinted_expire(dispatcher->hinted, clock_ms());
    if (r == 0)
        r = hint_ready(lane, &ready, length == 0, &arena, err);
    arena_deinit(&arena);
    return r;
}

/* The first failure of a row is told, and so is its end. */
static void note(struct lane *lane, int r, const struct error *err)
{
    if (r == 0 && lane->trouble)
        log_info("dispatch goes on", LOG_INT("shard", lane->shard));
    if (r < 0 && !lane->trouble)
        log_warn("dispatch has to wait", LOG_INT("shard", lane->shard), LOG_ERROR(err));
    lane->trouble = r < 0;
    if (r == 0)
        return;
    lane->dispatcher->failures++;
    lane->backlog = true;
    lane->wait_ms = lane->wait_ms < TICK_BUSY_MS ? TICK_BUSY_MS : lane->wait_ms * 2;
    if (lane->wait_ms > BACKOFF_MAX_MS)
        lane->wait_ms = BACKOFF_MAX_MS;
}

static void lane_run(void *arg)
{
    struct lane *lane = arg;
    struct error err;

    while (!fiber_canceled()) {
        int64_t before_ms = lane->wait_ms;
        int r = tick(lane, &err);

        if (r == -E_CANCELED)
            return;
        if (r < 0)
            lane->wait_ms = before_ms;
        note(lane, r, &err);
        if (fiber_sleep(lane->wait_ms - lane->wait_ms / 4 +
                            (int64_t)random_below((uint64_t)lane->wait_ms / 2 + 1),
                        &err) < 0)
            return;
    }
}

void dispatcher_hint(struct dispatcher *dispatcher, struct uuid run, int shard, int priority)
{
    ASSERT(shard >= 0 && shard < dispatcher->options.shards);
    if (dispatcher->lanes[shard].backlog || dispatcher->fast_count == FAST_MAX)
        return;
    dispatcher->fast[dispatcher->fast_count++] = (struct fast_hint){run, shard, priority};
    cond_signal(&dispatcher->fast_told);
}

/* Takes the hints of the first one's shard and priority off the list. */
static size_t take_fast(struct dispatcher *dispatcher, struct queue_hint *out, int *out_shard,
                        int *out_priority)
{
    size_t taken = 0;
    size_t kept = 0;

    *out_shard = dispatcher->fast[0].shard;
    *out_priority = dispatcher->fast[0].priority;
    for (size_t i = 0; i < dispatcher->fast_count; i++) {
        struct fast_hint hint = dispatcher->fast[i];

        if (hint.shard == *out_shard && hint.priority == *out_priority)
            out[taken++] = (struct queue_hint){hint.run, 0};
        else
            dispatcher->fast[kept++] = hint;
    }
    dispatcher->fast_count = kept;
    return taken;
}

/* Failures are left to the tick, which meets them too and tells. */
static void send_fast(struct dispatcher *dispatcher, struct queue_hint *hints)
{
    struct error err;
    size_t sent;
    int priority;
    int shard;
    size_t count = take_fast(dispatcher, hints, &shard, &priority);
    int r = send(&dispatcher->lanes[shard], priority, hints, count, &sent, &err);

    dispatcher->hints_fast += sent;
    if (r < 0 || sent < count)
        dispatcher->lanes[shard].backlog = true;
}

static void fast_run(void *arg)
{
    struct dispatcher *dispatcher = arg;
    struct queue_hint *hints = xcalloc(FAST_MAX, sizeof(*hints));
    struct error err;

    while (!fiber_canceled()) {
        if (dispatcher->fast_count > 0)
            send_fast(dispatcher, hints);
        else if (cond_wait(&dispatcher->fast_told, DEADLINE_NONE, &err) < 0)
            break;
    }
    free(hints);
}

struct dispatcher *dispatcher_start(const struct dispatcher_options *options)
{
    struct dispatcher *dispatcher = xcalloc(1, sizeof(*dispatcher));

    dispatcher->options = *options;
    if (dispatcher->options.shards < 1)
        dispatcher->options.shards = 1;
    dispatcher->window = WINDOW_MIN;
    cond_init(&dispatcher->fast_told);
    dispatcher->hinted = hinted_new(HINTED_MAX);
    dispatcher->fast = xcalloc(FAST_MAX, sizeof(*dispatcher->fast));
    dispatcher->lanes = xcalloc((size_t)dispatcher->options.shards, sizeof(*dispatcher->lanes));
    dispatcher->fast_fiber = fiber_start("dispatch-fast", fast_run, dispatcher);
    for (int shard = 0; shard < dispatcher->options.shards; shard++) {
        struct lane *lane = &dispatcher->lanes[shard];

        lane->dispatcher = dispatcher;
        lane->shard = shard;
        lane->wait_ms = TICK_BUSY_MS;
        lane->fiber = fiber_start("dispatch", lane_run, lane);
    }
    return dispatcher;
}

void dispatcher_stop(struct dispatcher *dispatcher)
{
    if (!dispatcher)
        return;
    fiber_cancel(dispatcher->fast_fiber);
    for (int shard = 0; shard < dispatcher->options.shards; shard++)
        fiber_cancel(dispatcher->lanes[shard].fiber);
    fiber_join(dispatcher->fast_fiber);
    for (int shard = 0; shard < dispatcher->options.shards; shard++)
        fiber_join(dispatcher->lanes[shard].fiber);
    hinted_free(dispatcher->hinted);
    free(dispatcher->lanes);
    free(dispatcher->fast);
    free(dispatcher);
}

void dispatcher_metrics_render(const struct dispatcher *dispatcher, struct buf *out)
{
    buf_printf(out,
               "# HELP penstock_hints_total Hints put onto the queue, by way.\n"
               "# TYPE penstock_hints_total counter\n"
               "penstock_hints_total{way=\"fast\"} %" PRIu64 "\n"
               "penstock_hints_total{way=\"tick\"} %" PRIu64 "\n"
               "# HELP penstock_queue_forgotten_total Times that Redis had lost the queue.\n"
               "# TYPE penstock_queue_forgotten_total counter\n"
               "penstock_queue_forgotten_total %" PRIu64 "\n"
               "# HELP penstock_dispatch_failures_total Ticks that failed.\n"
               "# TYPE penstock_dispatch_failures_total counter\n"
               "penstock_dispatch_failures_total %" PRIu64 "\n"
               "# HELP penstock_dispatch_window Hints that a shard may hold.\n"
               "# TYPE penstock_dispatch_window gauge\n"
               "penstock_dispatch_window %zu\n",
               dispatcher->hints_fast, dispatcher->hints_tick, dispatcher->forgotten,
               dispatcher->failures, dispatcher->window);
}
