/* Consume: one fiber reads hints and claims runs, batch by batch.
 *
 * Invariants: no claim is under way while strays are looked for, so a run that Postgres says is
 * ours and that nobody works on is one whose claim's answer was lost. Never more runs than slots. A
 * hint that wins nothing costs one row in one statement.
 */

#include "worker/consume.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/arena.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/base/log.h"
#include "shared/base/memory.h"
#include "shared/config/config.h"
#include "shared/fiber/fiber.h"
#include "shared/queue/queue.h"
#include "shared/store/dispatch.h"
#include "shared/store/run_leases.h"
#include "worker/heartbeat.h"
#include "worker/run.h"
#include "worker/worker.h"

#define BATCH_MAX        256
#define BLOCK_MS         1000
#define OPEN_WAIT_MS     2000
#define FULL_WAIT_MS     200
#define TRUST_WAIT_MS    100
#define POLL_MIN_MS      250
#define POLL_MAX_MS      1000
#define RECONNECT_MIN_MS 250
#define RECONNECT_MAX_MS 5000

struct consumer {
    struct worker *worker;
    struct queue_reader *reader;
    int64_t reopen_ms; /* not before */
    int64_t reopen_wait_ms;
    struct queue_entry entries[BATCH_MAX];
};

static bool may_go_on(const struct worker *worker)
{
    return !worker->draining && !fiber_canceled() && !heartbeat_dead(worker->heartbeat);
}

static size_t free_slots(const struct worker *worker)
{
    size_t slots = (size_t)worker->config->worker.slots;
    size_t left = worker->busy < slots ? slots - worker->busy : 0;

    return left < BATCH_MAX ? left : BATCH_MAX;
}

static void start_claimed(struct worker *worker, const struct run_claim_list *claims)
{
    for (size_t i = 0; i < claims->count; i++)
        run_start(worker, &claims->items[i]);
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
    int r;

    arena_init(&arena, 0);
    r = run_leases_held(worker->pg, &arena, worker->id, &claims, err);
    if (r == 0) {
        keep_strays(worker, &claims);
        start_claimed(worker, &claims);
        worker->strays = false;
    }
    arena_deinit(&arena);
    return r;
}

static int claim(struct consumer *consumer, const struct uuid *runs, size_t count,
                 struct error *err)
{
    struct worker *worker = consumer->worker;
    struct run_claim_list claims = {0};
    struct arena arena;
    int r;

    arena_init(&arena, 0);
    r = run_leases_claim(worker->pg, &arena, worker->id, runs, count, &claims, err);
    if (r == 0)
        start_claimed(worker, &claims);
    arena_deinit(&arena);
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

    *out_count = 0;
    if (r < 0)
        return r;
    r = queue_read(consumer->reader, consumer->entries, free_slots(consumer->worker), BLOCK_MS,
                   out_count, err);
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
    struct error ignored;
    int r;

    for (size_t i = 0; i < count; i++)
        runs[i] = consumer->entries[i].hint.run;
    r = claim(consumer, runs, count, err);
    /* Hints that could not be removed are found by queue_collect. */
    IGNORE(queue_ack(consumer->worker->queue, consumer->entries, count, &ignored));
    return r;
}

/* Without Redis: what is ready, from Postgres. */
static int poll_postgres(struct consumer *consumer, struct error *err)
{
    struct worker *worker = consumer->worker;
    struct uuid runs[BATCH_MAX];
    struct arena arena;
    size_t count = 0;
    int r = 0;

    arena_init(&arena, 0);
    for (int shard = 0; r == 0 && shard < worker->config->shards; shard++) {
        struct ready_query query = {.shard = shard, .limit = (int)(free_slots(worker) - count)};
        struct ready_list ready = {0};

        if (query.limit <= 0)
            break;
        r = dispatch_ready(worker->pg, &arena, &query, &ready, err);
        for (size_t i = 0; r == 0 && i < ready.count; i++)
            runs[count++] = ready.items[i].id;
    }
    arena_deinit(&arena);
    if (r == 0 && count > 0)
        r = claim(consumer, runs, count, err);
    if (r == 0)
        worker->last_poll_ms = clock_ms();
    return r;
}

static int wait_for_slot(struct worker *worker, struct error *err)
{
    int r = cond_wait(&worker->changed, deadline_in(FULL_WAIT_MS), err);

    worker->last_poll_ms = clock_ms(); /* full is progress, too */
    return r == -E_TIMEOUT ? 0 : r;
}

static int64_t poll_wait_ms(void)
{
    return POLL_MIN_MS + (int64_t)random_below(POLL_MAX_MS - POLL_MIN_MS);
}

/* One round. Returns a negative error only when cancelled. */
static int consume_once(struct consumer *consumer, struct error *err)
{
    struct worker *worker = consumer->worker;
    size_t count = 0;
    int r = 0;

    if (!heartbeat_trusted(worker->heartbeat))
        return fiber_sleep(TRUST_WAIT_MS, err);
    if (worker->strays)
        r = adopt_strays(consumer, err);
    if (r == -E_CANCELED)
        return r;
    if (free_slots(worker) == 0)
        return wait_for_slot(worker, err);
    r = read_hints(consumer, &count, err);
    if (r == -E_CANCELED)
        return r;
    if (r < 0) {
        if (poll_postgres(consumer, err) == -E_CANCELED)
            return -E_CANCELED;
        return fiber_sleep(poll_wait_ms(), err);
    }
    worker->last_poll_ms = clock_ms();
    if (count == 0)
        return 0;
    r = claim_hints(consumer, count, err);
    if (r < 0 && r != -E_CANCELED) /* Postgres is away: the hints come again */
        return fiber_sleep(poll_wait_ms(), err);
    return r;
}

void consume(struct worker *worker)
{
    struct consumer *consumer = xcalloc(1, sizeof(*consumer));
    struct error err;

    consumer->worker = worker;
    consumer->reopen_wait_ms = RECONNECT_MIN_MS;
    while (may_go_on(worker) && consume_once(consumer, &err) >= 0)
        ;
    close_reader(consumer);
    free(consumer);
}
