/* Consume: one fiber reads hints and claims runs, batch by batch; a second one reads the express
 * lane alone, so that its read can block while the first one waits for a slot (slots.h).
 *
 *     round:   trusted? ── no ──► wait        strays? ──► adopt them
 *              a free slot? ── no ──► wait
 *              read hints ──► claim ──► acknowledge
 *                  ├─ Redis does not serve ──► what is ready, from Postgres ──► claim ──► wait
 *                  └─ none for a while ──► the same, of some shards
 *
 * Never more runs than slots: the first fiber reads as far as the ordinary slots are free, the
 * second no more than the reserve and what the first has left. While Redis does not serve
 * (queue_state) the reserve stays empty: what is polled says nothing of express.
 */

#include "worker/intake/consume.h"

#include <stdlib.h>

#include "shared/base/backoff.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/base/memory.h"
#include "shared/config/config.h"
#include "shared/fiber/fiber.h"
#include "shared/queue/queue.h"
#include "shared/store/dispatch/dispatch.h"
#include "worker/intake/claims.h"
#include "worker/intake/hints.h"
#include "worker/intake/slots.h"
#include "worker/lease/heartbeat.h"
#include "worker/live/speaker.h"
#include "worker/state.h"

#define FULL_WAIT_MS  200
#define TRUST_WAIT_MS 100
#define POLL_MIN_MS   250
#define POLL_MAX_MS   1000
#define POLL_SOON_MS  25   /* after a poll that found something; then twice as long each time */
#define QUIET_MS      5000 /* without a hint: then Postgres is asked, whatever the reason */
#define QUIET_SHARDS  8    /* so many shards at a time */

/* What the two fibers share. */
struct consumption {
    struct worker *worker;
    struct claims claims;
    size_t promised; /* slots for what the first fiber is reading, or asking Postgres for */
};

struct consumer {
    struct consumption *shared;
    bool express;         /* the second fiber */
    struct backoff polls; /* while Redis does not serve */
    int64_t quiet_ms;     /* when a hint was read last, or Postgres was asked instead */
    int quiet_shard;      /* where the next quiet poll begins */
    struct hints hints;
};

static bool may_go_on(const struct worker *worker)
{
    return !worker->draining && !fiber_canceled() && !heartbeat_dead(worker->heartbeat);
}

/* How many runs this fiber may take now. */
static size_t free_slots(const struct consumer *consumer)
{
    const struct worker *worker = consumer->shared->worker;
    size_t slots = (size_t)worker->config->worker.slots;
    size_t left = consumer->express
                      ? slots_free_express(slots, worker->busy, consumer->shared->promised)
                      : slots_free(slots, worker->busy);

    return left < HINTS_MAX ? left : HINTS_MAX;
}

static int wait_for_slot(struct worker *worker, struct error *err)
{
    int r = cond_wait(&worker->changed, deadline_in(FULL_WAIT_MS), err);

    return r == -E_TIMEOUT ? 0 : r;
}

static int read_hints(struct consumer *consumer, struct error *err)
{
    int r = hints_open(&consumer->hints, err);
    struct queue_room room;

    if (r < 0)
        return r;
    room.all = free_slots(consumer);
    room.ordinary = consumer->express ? 0 : room.all;
    if (room.all == 0) /* taken while the connection was made */
        return 0;
    if (!consumer->express)
        consumer->shared->promised = room.all;
    return hints_read(&consumer->hints, room, err);
}

static int claim_hints(struct consumer *consumer, struct error *err)
{
    struct hints *hints = &consumer->hints;
    struct uuid runs[HINTS_MAX];
    int r;

    for (size_t i = 0; i < hints->count; i++) {
        runs[i] = hints->entries[i].hint.run;
        if (hints->entries[i].hint.read)
            speaker_expect(consumer->shared->worker->speaker, runs[i]);
    }
    r = claims_take(&consumer->shared->claims, runs, hints->count, err);
    hints_ack(hints);
    return r;
}

static int wait_to_poll(struct error *err)
{
    return fiber_sleep(POLL_MIN_MS + (int64_t)random_below(POLL_MAX_MS - POLL_MIN_MS), err);
}

/* Without hints: what is ready in so many shards from `first` on, from Postgres. Of the first fiber
 * alone. Returns 0 and how many were found, or what failed. */
static int poll_postgres(struct consumer *consumer, int first, int shards, size_t *out_found,
                         struct error *err)
{
    struct worker *worker = consumer->shared->worker;
    struct uuid runs[HINTS_MAX];
    size_t count = 0;
    int r = 0;

    for (int i = 0; r == 0 && i < shards; i++) {
        size_t room = free_slots(consumer);
        size_t found = 0;

        if (room <= count)
            break;
        consumer->shared->promised = room;
        r = dispatch_poll(worker->pg, (first + i) % worker->config->shards, (int)(room - count),
                          runs + count, &found, err);
        pulse_beat(&worker->pulse);
        count += found;
    }
    *out_found = count;
    if (r == 0 && count > 0)
        r = claims_take(&consumer->shared->claims, runs, count, err);
    consumer->shared->promised = 0;
    return r;
}

/* While Redis does not serve. Returns 0, or -E_CANCELED. */
static int consume_polled(struct consumer *consumer, struct error *err)
{
    size_t found = 0;
    int r = poll_postgres(consumer, 0, consumer->shared->worker->config->shards, &found, err);

    if (r == -E_CANCELED)
        return r;
    if (r < 0)
        return wait_to_poll(err);
    if (found > 0)
        backoff_reset(&consumer->polls);
    return fiber_sleep(backoff_next_ms(&consumer->polls), err);
}

/* No hint for a while, although there are free slots: mostly there is nothing to do. But should
 * hints not reach this worker for a reason that neither side can see (rights in Redis that only one
 * of them lacks, no scheduler at all), runs must not wait for ever. Returns 0, or -E_CANCELED. */
static int poll_quietly(struct consumer *consumer, struct error *err)
{
    int shards = consumer->shared->worker->config->shards;
    int count = shards < QUIET_SHARDS ? shards : QUIET_SHARDS;
    size_t found;

    if (consumer->express || clock_ms() < consumer->quiet_ms + QUIET_MS)
        return 0;
    consumer->quiet_ms = clock_ms() + (int64_t)random_below(QUIET_MS / 4);
    consumer->quiet_shard = (consumer->quiet_shard + count) % shards;
    return poll_postgres(consumer, consumer->quiet_shard, count, &found, err) == -E_CANCELED
               ? -E_CANCELED
               : 0;
}

/* Returns 0, or -E_CANCELED. */
static int consume_hints(struct consumer *consumer, struct error *err)
{
    int r;

    if (consumer->hints.count == 0)
        return poll_quietly(consumer, err);
    consumer->quiet_ms = clock_ms();
    r = claim_hints(consumer, err);
    /* Postgres is away: the hints come again. */
    return r == 0 || r == -E_CANCELED ? r : wait_to_poll(err);
}

/* Returns 0, or -E_CANCELED. */
static int consume_round(struct consumer *consumer, struct error *err)
{
    struct worker *worker = consumer->shared->worker;
    int r = 0;

    if (!heartbeat_trusted(worker->heartbeat))
        return fiber_sleep(TRUST_WAIT_MS, err);
    if (worker->strays && !consumer->express)
        r = claims_adopt_strays(&consumer->shared->claims, err);
    if (r == -E_CANCELED)
        return r;
    if (free_slots(consumer) == 0)
        return wait_for_slot(worker, err);
    if (!queue_serves(worker->queue) && !consumer->express)
        return consume_polled(consumer, err);
    r = read_hints(consumer, err);
    if (r == 0)
        return consume_hints(consumer, err);
    if (r == -E_CANCELED)
        return r;
    return consumer->express ? wait_to_poll(err) : consume_polled(consumer, err);
}

static void consume_rounds(void *arg)
{
    struct consumer *consumer = arg;
    struct worker *worker = consumer->shared->worker;
    struct error err;
    int r = 0;

    consumer->polls.policy = (struct backoff_policy){POLL_SOON_MS, POLL_MAX_MS};
    consumer->quiet_ms = clock_ms() + (int64_t)random_below(QUIET_MS / 4);
    while (r >= 0 && may_go_on(worker)) {
        if (!consumer->express)
            pulse_beat(&worker->pulse);
        r = consume_round(consumer, &err);
        if (!consumer->express)
            consumer->shared->promised = 0;
    }
    hints_close(&consumer->hints);
}

void consume(struct worker *worker)
{
    struct consumption shared = {.worker = worker};
    struct consumer *consumers = xcalloc(2, sizeof(*consumers));
    struct fiber *express = NULL;

    claims_init(&shared.claims, worker);
    for (int i = 0; i < 2; i++) {
        consumers[i].shared = &shared;
        consumers[i].express = i == 1;
        hints_init(&consumers[i].hints, worker);
    }
    if (slots_reserve((size_t)worker->config->worker.slots) > 0)
        express = fiber_start("express", consume_rounds, &consumers[1]);
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
