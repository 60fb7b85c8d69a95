/* One fiber per shard ticks while the shard is owned, one sends the API's hints on, and one counts
 * what tenants have in work.
 *
 * The fast way must not let a tenant overtake others, so it is open to those alone who would be
 * next anyway: tenants with next to nothing in work, by the express lane, and everybody while no
 * run waits without a hint. A tenant that floods the shard has its runs hinted by the tick, in its
 * turn. Tenants with a limit always take the tick, which alone counts exactly. A process that does
 * not own the shard knows less of it and gives fewer fast hints.
 *
 * While Redis or Postgres is away the ticks back off a little and a change is logged once. Nothing
 * is lost by that: Postgres has the runs, and workers poll it themselves when Redis is gone.
 */

#include "scheduler/dispatch/dispatcher.h"

#include <inttypes.h>
#include <stdlib.h>

#include "scheduler/dispatch/dispatch_shard.h"
#include "scheduler/dispatch/ownership.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/fiber/cond.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/watchdog.h"
#include "shared/metrics/metric.h"

enum {
    BACKOFF_MAX_MS = 250,
    COUNT_MS = 1000,
    COUNT_JITTER_MS = 500,
    WINDOW_MIN = 64,
    WINDOW_MAX = 10000,
    EXPRESS_WINDOW_MIN = 16,
    EXPRESS_WINDOW_MAX = 1000,
    SMALL_MIN = 4,
    STUCK_MS = 30000,
    FAST_MAX = 4096, /* the API's hints that wait to be sent */
};

struct fast_hint {
    struct new_run run;
    int lane;
};

/* A shard's fiber. */
struct ticker {
    struct dispatcher *dispatcher;
    struct dispatch_shard *shard;
    struct fiber *fiber;
    struct cond told; /* of a run, or that shards changed hands */
    bool trouble;     /* the last tick failed */
    struct pulse pulse;
};

struct dispatcher {
    struct dispatch_common common;
    struct ticker *tickers;
    struct fiber *fast_fiber;
    struct fiber *count_fiber;
    struct fast_hint *fast;
    size_t fast_count;
    struct cond fast_told;
    int64_t slots;
    int64_t ready;
    uint64_t failures;
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
    dispatcher->slots = counts->slots;
    dispatcher->ready = ready;
}

/* The first failure of a row is told, and so is its end. */
static void note(struct ticker *ticker, int r, const struct error *err)
{
    struct dispatch_shard *shard = ticker->shard;

    if (r == 0 && ticker->trouble)
        log_info("dispatch goes on", LOG_INT("shard", shard->number));
    if (r < 0 && !ticker->trouble)
        log_warn("dispatch has to wait", LOG_INT("shard", shard->number), LOG_ERROR(err));
    ticker->trouble = r < 0;
    if (r == 0)
        return;
    ticker->dispatcher->failures++;
    shard->backlog = true;
    shard->wait_ms = clamp(2 * shard->wait_ms, TICK_BUSY_MS, BACKOFF_MAX_MS);
}

/* Until the next tick, or until something is told. Returns 0, or -E_CANCELED. */
static int wait_for_tick(struct ticker *ticker, struct error *err)
{
    int64_t wait_ms = ticker->shard->wait_ms;
    int64_t jitter_ms = (int64_t)random_below((uint64_t)wait_ms / 2 + 1);
    int r;

    if (ticker->trouble)
        return fiber_sleep(wait_ms - wait_ms / 4 + jitter_ms, err);
    r = cond_wait(&ticker->told, deadline_in(wait_ms - wait_ms / 4 + jitter_ms), err);
    return r == -E_TIMEOUT ? 0 : r;
}

static void ticker_run(void *arg)
{
    struct ticker *ticker = arg;
    struct dispatch_shard *shard = ticker->shard;
    struct error err;
    int r = 0;

    while (r != -E_CANCELED && !fiber_canceled()) {
        int64_t before_ms = shard->wait_ms;

        pulse_beat(&ticker->pulse);
        if (!ownership_has(shard->common->ownership, shard->number)) {
            dispatch_shard_forget(shard);
            shard->wait_ms = TICK_IDLE_MS;
        } else {
            r = dispatch_shard_tick(shard, &err);
            if (r < 0)
                shard->wait_ms = before_ms;
            if (r != -E_CANCELED)
                note(ticker, r, &err);
        }
        if (r != -E_CANCELED)
            r = wait_for_tick(ticker, &err);
    }
}

static void on_ownership(void *arg)
{
    struct dispatcher *dispatcher = arg;

    for (int i = 0; i < dispatcher->common.shard_count; i++)
        cond_signal(&dispatcher->tickers[i].told);
}

enum fast_way dispatcher_fast_way(const struct fast_view *view)
{
    bool small = view->priority <= EXPRESS_PRIORITY_MAX && view->busy < view->small;

    if (view->capped)
        return view->owned && !view->waits ? FAST_TICK : FAST_NONE;
    if (!view->owned) {
        if (view->priority <= EXPRESS_PRIORITY_MAX && view->busy < view->small / 2)
            return FAST_EXPRESS;
        return view->ready <= view->slots / 4 ? FAST_ORDINARY : FAST_NONE;
    }
    if (view->waits)
        return FAST_NONE;
    if (small)
        return FAST_EXPRESS;
    return view->backlog ? FAST_TICK : FAST_ORDINARY;
}

static enum fast_way fast_way(struct dispatcher *dispatcher, const struct new_run *run)
{
    struct dispatch_common *common = &dispatcher->common;
    const struct dispatch_shard *shard = &common->shards[run->shard];
    struct tenant_load load = loads_of(common->loads, run->tenant);
    struct fast_view view = {
        .owned = common->ownership && ownership_has(common->ownership, run->shard),
        .backlog = shard->backlog,
        .waits = dispatch_shard_waits(shard, run->tenant),
        .capped = load.max_running > 0,
        .priority = run->priority,
        .busy = load.busy,
        .small = common->small,
        .ready = dispatcher->ready,
        .slots = dispatcher->slots,
    };

    return dispatcher_fast_way(&view);
}

void dispatcher_hint(struct dispatcher *dispatcher, const struct new_run *run)
{
    struct dispatch_common *common = &dispatcher->common;
    struct dispatch_shard *shard = &common->shards[run->shard];
    enum fast_way way;

    ASSERT(run->shard >= 0 && run->shard < common->shard_count);
    way = fast_way(dispatcher, run);
    if (way == FAST_TICK && !shard->told) {
        shard->told = true;
        cond_signal(&dispatcher->tickers[run->shard].told);
    }
    if (way == FAST_TICK || way == FAST_NONE || dispatcher->fast_count == FAST_MAX)
        return;
    if (way == FAST_EXPRESS && shard->backlog && shard->fair)
        fair_charge(shard->fair, run->priority, run->tenant,
                    loads_of(common->loads, run->tenant).weight);
    loads_note(common->loads, run->tenant);
    dispatcher->fast[dispatcher->fast_count++] =
        (struct fast_hint){*run, way == FAST_EXPRESS ? QUEUE_EXPRESS : run->priority};
    cond_signal(&dispatcher->fast_told);
}

/* Takes the hints of the first one's shard and lane off the list. */
static struct dispatch_shard *take_fast(struct dispatcher *dispatcher, struct queue_hint *hints,
                                        struct uuid *tenants, struct dispatch_batch *out)
{
    struct fast_hint first = dispatcher->fast[0];
    size_t kept = 0;

    *out = (struct dispatch_batch){HINT_FAST, first.lane, hints, tenants, 0};
    for (size_t i = 0; i < dispatcher->fast_count; i++) {
        struct fast_hint hint = dispatcher->fast[i];

        if (hint.run.shard == first.run.shard && hint.lane == first.lane) {
            tenants[out->count] = hint.run.tenant;
            hints[out->count++] = (struct queue_hint){hint.run.id, 0};
        } else {
            dispatcher->fast[kept++] = hint;
        }
    }
    dispatcher->fast_count = kept;
    return &dispatcher->common.shards[first.run.shard];
}

/* Failures are left to the tick, which meets them too and tells. What found no room is a backlog,
 * and the express lane's overflow is the tick's, too. */
static void send_fast(struct dispatcher *dispatcher, struct queue_hint *hints, struct uuid *tenants)
{
    struct dispatch_batch batch;
    struct dispatch_shard *shard = take_fast(dispatcher, hints, tenants, &batch);
    struct error err;
    size_t sent = 0;
    int r = dispatch_shard_send(shard, &batch, &sent, &err);

    if (r == 0 && sent == batch.count)
        return;
    if (batch.lane != QUEUE_EXPRESS)
        shard->backlog = true;
    if (r == 0)
        shard->told = true;
}

static void fast_run(void *arg)
{
    struct dispatcher *dispatcher = arg;
    struct queue_hint *hints = xcalloc(FAST_MAX, sizeof(*hints));
    struct uuid *tenants = xcalloc(FAST_MAX, sizeof(*tenants));
    struct error err;

    while (!fiber_canceled()) {
        if (dispatcher->fast_count > 0)
            send_fast(dispatcher, hints, tenants);
        else if (cond_wait(&dispatcher->fast_told, DEADLINE_NONE, &err) < 0)
            break;
    }
    free(hints);
    free(tenants);
}

/* Failures need no word: the tick meets them as well. */
static void count_run(void *arg)
{
    struct dispatcher *dispatcher = arg;
    struct error err;

    do {
        struct dispatch_tenants tenants;
        struct arena arena;

        arena_init(&arena, 0);
        if (dispatch_tenants(dispatcher->common.pg, &arena, &tenants, &err) == 0)
            loads_set(dispatcher->common.loads, &tenants);
        arena_deinit(&arena);
    } while (fiber_sleep(COUNT_MS + (int64_t)random_below(COUNT_JITTER_MS), &err) == 0);
}

static bool can_dispatch(void *arg)
{
    const struct dispatcher *dispatcher = arg;

    return queue_is_connected(dispatcher->common.queue);
}

static void start_tickers(struct dispatcher *dispatcher)
{
    struct dispatch_common *common = &dispatcher->common;
    struct ownership_options options = {common->pg, common->shard_count, on_ownership, can_dispatch,
                                        dispatcher};

    common->ownership = ownership_start(&options);
    for (int i = 0; i < common->shard_count; i++) {
        pulse_start(&dispatcher->tickers[i].pulse, "dispatch", STUCK_MS);
        dispatcher->tickers[i].fiber = fiber_start("dispatch", ticker_run, &dispatcher->tickers[i]);
    }
}

struct dispatcher *dispatcher_start(const struct dispatcher_options *options)
{
    struct dispatcher *dispatcher = xcalloc(1, sizeof(*dispatcher));
    struct dispatch_common *common = &dispatcher->common;

    common->pg = options->pg;
    common->queue = options->queue;
    common->shard_count = options->shards < 1 ? 1 : options->shards;
    common->loads = loads_new();
    common->shards = xcalloc((size_t)common->shard_count, sizeof(*common->shards));
    dispatcher_set_counts(dispatcher, &(struct dispatch_counts){0}, 0);
    cond_init(&dispatcher->fast_told);
    cond_init(&common->counted);
    dispatcher->fast = xcalloc(FAST_MAX, sizeof(*dispatcher->fast));
    dispatcher->tickers = xcalloc((size_t)common->shard_count, sizeof(*dispatcher->tickers));
    for (int i = 0; i < common->shard_count; i++) {
        struct ticker *ticker = &dispatcher->tickers[i];

        ticker->dispatcher = dispatcher;
        ticker->shard = &common->shards[i];
        cond_init(&ticker->told);
        ticker->shard->common = common;
        ticker->shard->number = i;
        ticker->shard->wait_ms = TICK_IDLE_MS;
    }
    dispatcher->fast_fiber = fiber_start("dispatch-fast", fast_run, dispatcher);
    dispatcher->count_fiber = fiber_start("dispatch-count", count_run, dispatcher);
    if (options->owns)
        start_tickers(dispatcher);
    return dispatcher;
}

static void stop_fiber(struct fiber *fiber)
{
    if (!fiber)
        return;
    fiber_cancel(fiber);
    fiber_join(fiber);
}

void dispatcher_stop(struct dispatcher *dispatcher)
{
    struct dispatch_common *common;

    if (!dispatcher)
        return;
    common = &dispatcher->common;
    stop_fiber(dispatcher->fast_fiber);
    stop_fiber(dispatcher->count_fiber);
    for (int i = 0; i < common->shard_count; i++) {
        stop_fiber(dispatcher->tickers[i].fiber);
        if (dispatcher->tickers[i].fiber)
            pulse_stop(&dispatcher->tickers[i].pulse);
        dispatch_shard_forget(&common->shards[i]);
    }
    ownership_stop(common->ownership);
    loads_free(common->loads);
    free(common->shards);
    free(dispatcher->tickers);
    free(dispatcher->fast);
    free(dispatcher);
}

static void add_hints(const struct dispatch_common *common, struct buf *out)
{
    static const char *const ways[HINT_WAYS] = {"fast", "tick"};
    static const char *const lanes[QUEUE_LANES] = {"p0", "p1", "p2", "express"};

    metric_head(out, "counter", "penstock_hints_total",
                "Hints put onto the queue, by way and lane.");
    for (int way = 0; way < HINT_WAYS; way++)
        for (int lane = 0; lane < QUEUE_LANES; lane++)
            buf_printf(out, "penstock_hints_total{way=\"%s\",lane=\"%s\"} %" PRIu64 "\n", ways[way],
                       lanes[lane], common->hints[way][lane]);
}

static void add_shards(const struct dispatch_common *common, struct buf *out)
{
    metric_head(out, "counter", "penstock_hints_repeated_total",
                "Runs hinted again, since their hint had led to nothing.");
    for (int i = 0; i < common->shard_count; i++)
        buf_printf(out, "penstock_hints_repeated_total{shard=\"%d\"} %" PRIu64 "\n", i,
                   common->shards[i].repeated);
    metric_head(out, "counter", "penstock_queue_forgotten_total",
                "Times that Redis had lost the queue.");
    for (int i = 0; i < common->shard_count; i++)
        buf_printf(out, "penstock_queue_forgotten_total{shard=\"%d\"} %" PRIu64 "\n", i,
                   common->shards[i].resets);
}

void dispatcher_metrics_render(const struct dispatcher *dispatcher, struct buf *out)
{
    const struct dispatch_common *common = &dispatcher->common;

    add_hints(common, out);
    if (common->ownership) {
        add_shards(common, out);
        ownership_metrics_render(common->ownership, out);
    }
    metric_counter(out, "penstock_dispatch_failures_total", "Ticks that failed.",
                   dispatcher->failures);
    metric_gauge(out, "penstock_dispatch_window", "Hints that a shard may hold.",
                 (int64_t)common->window);
}
