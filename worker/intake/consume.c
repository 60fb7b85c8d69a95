/* Consume: one fiber reads hints and claims runs, batch by batch; a second one reads the express
 * lane alone.
 *
 * A sixteenth of the slots is a reserve for express hints, which are those of tenants that have
 * next to nothing in work: however many runs a tenant has, and however long they take, another's
 * first run finds a slot. The second fiber exists so that its read can block while the first one
 * waits for a slot. While Redis does not serve (queue_state) the first fiber polls Postgres, and
 * the reserve stays empty: what is polled says nothing of express.
 *
 * Claims have a connection of their own, whose commits are answered before they are on disk: a run
 * begins without waiting for the writes of others, nor for the disk. A crash of Postgres may so
 * undo a claim whose run is in work. That is as if the claim had never been: the run is queued, the
 * first write of the worker finds that it is not the owner, and since a later claim has another
 * owner, no write of the two can be taken for the other's. What such a run did until then was not
 * stored.
 *
 * Invariants: one claim at a time, and none while strays are looked for, so a run that Postgres
 * says is ours and that nobody works on is one whose claim's answer was lost. Never more runs than
 * slots: the first fiber reads as far as the ordinary slots are free, the second no more than the
 * reserve and what the first has left. A hint that wins nothing costs one row in one statement.
 */

#include "worker/intake/consume.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/arena.h"
#include "shared/base/backoff.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/config/config.h"
#include "shared/fiber/fiber.h"
#include "shared/queue/queue.h"
#include "shared/store/dispatch/dispatch.h"
#include "shared/store/leases/run_leases.h"
#include "shared/store/threads/histories.h"
#include "worker/lease/heartbeat.h"
#include "worker/run/run.h"
#include "worker/worker.h"

#define BATCH_MAX        256
#define BLOCK_MS         1000
#define OPEN_WAIT_MS     2000
#define FULL_WAIT_MS     200
#define TRUST_WAIT_MS    100
#define POLL_MIN_MS      250
#define POLL_MAX_MS      1000
#define POLL_SOON_MS     25   /* after a poll that found something; then twice as long each time */
#define QUIET_MS         5000 /* without a hint: then Postgres is asked, whatever the reason */
#define QUIET_SHARDS     8    /* so many shards at a time */
#define RECONNECT_MIN_MS 250
#define RECONNECT_MAX_MS 5000
#define RESERVE_PART     16
#define RESERVE_FROM     8 /* fewer slots have no reserve */

/* What the two fibers share. */
struct consumption {
    bool claiming;
    struct cond claimed;
    bool bare;       /* claims read no histories: the last one failed, perhaps for one of these */
    size_t promised; /* slots for what the first fiber is reading */
};

struct consumer {
    struct consumption *shared;
    struct worker *worker;
    bool express;         /* the second fiber */
    struct backoff polls; /* while Redis does not serve */
    int64_t quiet_ms;     /* when a hint was read last, or Postgres was asked instead */
    int quiet_shard;      /* where the next quiet poll begins */
    struct queue_reader *reader;
    int64_t reopen_ms; /* not before */
    int64_t reopen_wait_ms;
    struct queue_entry entries[BATCH_MAX];
};

static bool may_go_on(const struct worker *worker)
{
    return !worker->draining && !fiber_canceled() && !heartbeat_dead(worker->heartbeat);
}

size_t consume_reserve(size_t slots)
{
    size_t reserve = slots / RESERVE_PART;

    return slots < RESERVE_FROM ? 0 : (reserve ? reserve : 1);
}

/* How many runs this fiber may take now. */
static size_t free_slots(const struct consumer *consumer)
{
    const struct worker *worker = consumer->worker;
    size_t slots = (size_t)worker->config->worker.slots;
    size_t reserve = consume_reserve(slots);
    size_t taken = worker->busy + (consumer->express ? consumer->shared->promised : reserve);
    size_t left = taken < slots ? slots - taken : 0;
    size_t most = consumer->express && reserve < BATCH_MAX ? reserve : BATCH_MAX;

    return left < most ? left : most;
}

/* Claims are made one at a time. Returns 0, or -E_CANCELED. */
static int claim_begin(struct consumption *shared, struct error *err)
{
    while (shared->claiming) {
        int r = cond_wait(&shared->claimed, DEADLINE_NONE, err);

        if (r < 0)
            return r;
    }
    shared->claiming = true;
    return 0;
}

static void claim_end(struct consumption *shared)
{
    shared->claiming = false;
    cond_signal(&shared->claimed);
}

static void start_claimed(struct worker *worker, const struct run_claim_list *claims,
                          const struct histories *histories)
{
    for (size_t i = 0; i < claims->count; i++)
        run_start(worker, &claims->items[i], histories);
    heartbeat_set_busy(worker->heartbeat, (int64_t)worker->busy);
}

static int compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct uuid));
}

/* Drops those that are in work here from the list. */
static void keep_strays(const struct worker *worker, struct run_claim_list *claims)
{
    struct uuid *ids = xcalloc(worker->busy, sizeof(*ids));
    size_t known = 0;
    size_t kept = 0;

    list_for_each (item, &worker->runs)
        ids[known++] = CONTAINER_OF(item, struct run_task, link)->claim.lease.run;
    qsort(ids, known, sizeof(*ids), compare_ids);
    for (size_t i = 0; i < claims->count; i++)
        if (!bsearch(&claims->items[i].lease.run, ids, known, sizeof(*ids), compare_ids))
            claims->items[kept++] = claims->items[i];
    claims->count = kept;
    free(ids);
}

/* After a claim whose answer was lost, or a cancel of a run that is not known here: what Postgres
 * says is ours and nobody works on. */
static int adopt_strays(struct consumer *consumer, struct error *err)
{
    struct worker *worker = consumer->worker;
    struct run_claim_list claims = {0};
    struct arena arena;
    int r = claim_begin(consumer->shared, err);

    if (r < 0)
        return r;
    pulse_beat(&worker->pulse);
    arena_init(&arena, 0);
    r = run_leases_held(worker->pg, &arena, worker->id, &claims, err);
    if (r == 0) {
        keep_strays(worker, &claims);
        start_claimed(worker, &claims, NULL);
        worker->strays = false;
    }
    arena_deinit(&arena);
    claim_end(consumer->shared);
    return r;
}

static int claim(struct consumer *consumer, const struct uuid *runs, size_t count,
                 struct error *err)
{
    struct worker *worker = consumer->worker;
    struct consumption *shared = consumer->shared;
    struct run_claim_list claims = {0};
    struct histories histories = {0};
    struct arena arena;
    int r = claim_begin(shared, err);

    if (r < 0)
        return r;
    pulse_beat(&worker->pulse);
    arena_init(&arena, 0);
    /* A claim that was given up would hold its runs until the drain ends: it is waited for, and its
     * runs are handed back at once. */
    fiber_shield_enter();
    if (!shared->bare)
        r = run_leases_claim_read(worker->intake, &arena, worker->id, runs, count, &claims,
                                  &histories, err);
    if (shared->bare || r == -E_REJECTED) {
        pulse_beat(&worker->pulse);
        r = run_leases_claim(worker->intake, &arena, worker->id, runs, count, &claims, err);
    }
    fiber_shield_leave();
    shared->bare = r < 0;
    for (size_t i = 0; r == 0 && i < claims.count; i++)
        if (claims.items[i].lease.fence == 1)
            histogram_add(&worker->queue_wait_us, claims.items[i].waited_us);
    if (r == 0)
        start_claimed(worker, &claims, &histories);
    histories_deinit(&histories);
    arena_deinit(&arena);
    claim_end(shared);
    if (r < 0 && r != -E_CANCELED) {
        log_warn("claim failed", LOG_ERROR(err));
        worker->strays = true;
    }
    return r;
}

static int open_reader(struct consumer *consumer, struct error *err)
{
    struct worker *worker = consumer->worker;
    int shards[QUEUE_SHARDS_MAX];
    struct queue_reader_options options = {
        .url = worker->config->redis_url,
        .worker_id = worker->id,
        .shards = shards,
        .shards_count = (size_t)worker->config->shards,
    };
    int r;

    if (clock_ms() < consumer->reopen_ms)
        return error_set(err, E_UNAVAILABLE, "waiting before another connection to Redis");
    for (int i = 0; i < worker->config->shards; i++)
        shards[i] = i;
    r = queue_reader_open(&options, deadline_in(OPEN_WAIT_MS), &consumer->reader, err);
    if (r == 0) {
        consumer->reopen_wait_ms = RECONNECT_MIN_MS;
        return 0;
    }
    consumer->reopen_ms =
        clock_ms() + (int64_t)random_below((uint64_t)consumer->reopen_wait_ms) + 1;
    if (consumer->reopen_wait_ms < RECONNECT_MAX_MS)
        consumer->reopen_wait_ms *= 2;
    return r;
}

static void close_reader(struct consumer *consumer)
{
    queue_reader_close(consumer->reader);
    consumer->reader = NULL;
}

static int init_shards(struct worker *worker, struct error *err)
{
    for (int i = 0; i < worker->config->shards; i++) {
        int r = queue_init(worker->queue, i, err);

        if (r < 0)
            return r;
    }
    return 0;
}

/* Returns 0 with *out_count entries (may be 0), or an error when Redis can't be read. */
static int read_hints(struct consumer *consumer, size_t *out_count, struct error *err)
{
    int r = consumer->reader ? 0 : open_reader(consumer, err);
    struct queue_room room;

    *out_count = 0;
    if (r < 0)
        return r;
    room.all = free_slots(consumer);
    room.ordinary = consumer->express ? 0 : room.all;
    if (room.all == 0) /* taken while the reader was opened */
        return 0;
    if (!consumer->express)
        consumer->shared->promised = room.all;
    r = queue_read(consumer->reader, consumer->entries, room, BLOCK_MS, out_count, err);
    if (r == QUEUE_FORGOTTEN)
        r = init_shards(consumer->worker, err);
    if (r < 0) {
        close_reader(consumer);
        return r;
    }
    return 0;
}

static int claim_hints(struct consumer *consumer, size_t count, struct error *err)
{
    struct uuid runs[BATCH_MAX];
    int r;

    for (size_t i = 0; i < count; i++)
        runs[i] = consumer->entries[i].hint.run;
    r = claim(consumer, runs, count, err);
    pulse_beat(&consumer->worker->pulse);
    queue_ack(consumer->worker->queue, consumer->entries, count);
    return r;
}

static int64_t poll_wait_ms(void)
{
    return POLL_MIN_MS + (int64_t)random_below(POLL_MAX_MS - POLL_MIN_MS);
}

/* Without hints: what is ready in so many shards from `first` on, from Postgres. Returns 0 and how
 * many were found, or what failed. */
static int poll_postgres(struct consumer *consumer, int first, int shards, size_t *out_found,
                         struct error *err)
{
    struct worker *worker = consumer->worker;
    struct uuid runs[BATCH_MAX];
    size_t count = 0;
    int r = 0;

    for (int i = 0; r == 0 && i < shards; i++) {
        size_t room = free_slots(consumer);
        size_t found = 0;

        if (room <= count)
            break;
        r = dispatch_poll(worker->pg, (first + i) % worker->config->shards, (int)(room - count),
                          runs + count, &found, err);
        pulse_beat(&worker->pulse);
        count += found;
    }
    *out_found = count;
    if (r == 0 && count > 0)
        r = claim(consumer, runs, count, err);
    return r;
}

/* No hint for a while, although there are free slots: mostly there is nothing to do. But should
 * hints not reach this worker for a reason that neither side can see (rights in Redis that only one
 * of them lacks, no scheduler at all), runs must not wait for ever. */
static int poll_quietly(struct consumer *consumer, struct error *err)
{
    int shards = consumer->worker->config->shards;
    int count = shards < QUIET_SHARDS ? shards : QUIET_SHARDS;
    size_t found;

    if (clock_ms() < consumer->quiet_ms + QUIET_MS)
        return 0;
    consumer->quiet_ms = clock_ms() + (int64_t)random_below(QUIET_MS / 4);
    consumer->quiet_shard = (consumer->quiet_shard + count) % shards;
    return poll_postgres(consumer, consumer->quiet_shard, count, &found, err);
}

/* While Redis does not serve. Returns a negative error only when cancelled. */
static int consume_polled(struct consumer *consumer, struct error *err)
{
    size_t found = 0;
    int r = poll_postgres(consumer, 0, consumer->worker->config->shards, &found, err);

    if (r == -E_CANCELED)
        return r;
    if (r < 0)
        return fiber_sleep(poll_wait_ms(), err);
    if (found > 0)
        backoff_reset(&consumer->polls);
    return fiber_sleep(backoff_next_ms(&consumer->polls), err);
}

static int wait_for_slot(struct worker *worker, struct error *err)
{
    int r = cond_wait(&worker->changed, deadline_in(FULL_WAIT_MS), err);

    return r == -E_TIMEOUT ? 0 : r;
}

/* A round of the second fiber. Returns a negative error only when cancelled. */
static int consume_express(struct consumer *consumer, struct error *err)
{
    struct worker *worker = consumer->worker;
    size_t count = 0;
    int r;

    if (!heartbeat_trusted(worker->heartbeat))
        return fiber_sleep(TRUST_WAIT_MS, err);
    if (free_slots(consumer) == 0) {
        r = cond_wait(&worker->changed, deadline_in(FULL_WAIT_MS), err);
        return r == -E_TIMEOUT ? 0 : r;
    }
    r = read_hints(consumer, &count, err);
    if (r == 0 && count > 0)
        r = claim_hints(consumer, count, err);
    if (r < 0 && r != -E_CANCELED)
        return fiber_sleep(poll_wait_ms(), err);
    return r;
}

/* A round of the first fiber. Returns a negative error only when cancelled. */
static int consume_once(struct consumer *consumer, struct error *err)
{
    struct worker *worker = consumer->worker;
    size_t count = 0;
    int r = 0;

    pulse_beat(&worker->pulse);
    if (!heartbeat_trusted(worker->heartbeat))
        return fiber_sleep(TRUST_WAIT_MS, err);
    if (worker->strays)
        r = adopt_strays(consumer, err);
    pulse_beat(&worker->pulse);
    if (r == -E_CANCELED)
        return r;
    if (free_slots(consumer) == 0)
        return wait_for_slot(worker, err);
    if (!queue_serves(worker->queue))
        return consume_polled(consumer, err);
    r = read_hints(consumer, &count, err);
    pulse_beat(&worker->pulse);
    if (r == -E_CANCELED)
        return r;
    if (r < 0)
        return consume_polled(consumer, err);
    if (count == 0)
        return poll_quietly(consumer, err) == -E_CANCELED ? -E_CANCELED : 0;
    consumer->quiet_ms = clock_ms();
    r = claim_hints(consumer, count, err);
    if (r < 0 && r != -E_CANCELED) /* Postgres is away: the hints come again */
        return fiber_sleep(poll_wait_ms(), err);
    return r;
}

static void consume_rounds(struct consumer *consumer)
{
    struct error err;
    int r = 0;

    consumer->reopen_wait_ms = RECONNECT_MIN_MS;
    consumer->polls.policy = (struct backoff_policy){POLL_SOON_MS, POLL_MAX_MS};
    consumer->quiet_ms = clock_ms() + (int64_t)random_below(QUIET_MS / 4);
    while (r >= 0 && may_go_on(consumer->worker)) {
        r = consumer->express ? consume_express(consumer, &err) : consume_once(consumer, &err);
        if (!consumer->express)
            consumer->shared->promised = 0;
    }
    close_reader(consumer);
}

static void express_run(void *arg)
{
    consume_rounds(arg);
}

void consume(struct worker *worker)
{
    struct consumption shared = {.claiming = false};
    struct consumer *consumers = xcalloc(2, sizeof(*consumers));
    struct fiber *express = NULL;

    cond_init(&shared.claimed);
    for (int i = 0; i < 2; i++) {
        consumers[i].shared = &shared;
        consumers[i].worker = worker;
        consumers[i].express = i == 1;
    }
    if (consume_reserve((size_t)worker->config->worker.slots) > 0)
        express = fiber_start("express", express_run, &consumers[1]);
    consume_rounds(&consumers[0]);
    if (express) {
        if (fiber_canceled())
            fiber_cancel(express);
        fiber_shield_enter();
        fiber_join(express);
        fiber_shield_leave();
    }
    free(consumers);
}
