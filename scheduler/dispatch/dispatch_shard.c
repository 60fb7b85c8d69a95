/* A tick asks the queue how full the shard is, and Postgres for what is ready when there is room
 * for a good part of the window, or some time has passed, or somebody told of a run that must not
 * wait: reading for every freed place would cost more than it brings.
 *
 * Hints that are still in the streams are excluded from the question. What was hinted, is in no
 * stream and is still queued half a second later was lost, in Redis or in a reader, and is hinted
 * again; so is, after a second, what was read and not claimed, since its reader may be gone; and
 * after 3 s whatever is queued. A generation that is not ours says outright that all is lost, and
 * clears the memory of hints.
 *
 * The steps of a tick are a file each (tick/tick.h). A tenant with a limit gets what its limit
 * leaves, counted with the hints that are on their way. That is only exact when no other shard
 * gives out the same at the same time, so ticks with such tenants go one by one; one that meets the
 * first of them gives it nothing and comes again at once, in that way.
 */

#include "scheduler/dispatch/dispatch_shard.h"

#include <stdlib.h>
#include <string.h>

#include "scheduler/dispatch/tick/tick.h"
#include "scheduler/dispatch/window.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/fiber/service.h"

SUSPENDS static int initialise(struct dispatch_shard *shard, struct error *err)
{
    int r;

    if (shard->initialised)
        return 0;
    r = queue_init(shard->common->queue, shard->number, err);
    if (r < 0)
        return r;
    shard->initialised = true;
    return 0;
}

static void lost_memory(struct dispatch_shard *shard)
{
    shard->initialised = false;
    shard->memory.asked_ms = 0;
    shard->resets++;
    if (shard->memory.hinted)
        hinted_clear(shard->memory.hinted);
    log_info("the queue lost its memory; hinting what is ready again",
             LOG_INT("shard", shard->number));
}

/* While the tick has not asked yet, it will find this run, too. */
void dispatch_shard_wake(struct dispatch_shard *shard)
{
    if (shard->told)
        return;
    shard->told = true;
    if (shard->ticker)
        service_wake(shard->ticker);
}

bool dispatch_is_read(const struct dispatch_common *common, struct uuid run)
{
    return common->is_read && common->is_read(run, common->arg);
}

void dispatch_shard_forget(struct dispatch_shard *shard)
{
    hinted_free(shard->memory.hinted);
    fair_free(shard->memory.fair);
    memset(&shard->memory, 0, sizeof(shard->memory)); /* a temporary would not fit on the stack */
    shard->window = (struct shard_window){0};
    shard->backlog = false;
}

/* One that is not owned has no window of its own. */
static size_t window_of(const struct dispatch_shard *shard)
{
    return shard->window.size > shard->common->window ? shard->window.size : shard->common->window;
}

/* Returns 0, QUEUE_FORGOTTEN, or what failed. */
SUSPENDS static int send_once(struct dispatch_shard *shard, const struct queue_batch *batch,
                              size_t *out_sent, struct error *err)
{
    int r;

    *out_sent = 0;
    r = initialise(shard, err);
    if (r < 0)
        return r;
    r = queue_dispatch(shard->common->queue, batch, out_sent, err);
    if (r == QUEUE_FORGOTTEN)
        lost_memory(shard);
    return r;
}

/* Ticks and fast hints may send at the same time. When all is forgotten, the tick begins anew; a
 * fast hint is sent again, since no tick follows while the shard's owner is dead. */
int dispatch_shard_send(struct dispatch_shard *shard, const struct dispatch_batch *batch,
                        size_t *out_sent, struct error *err)
{
    struct dispatch_common *common = shard->common;
    struct queue_batch queued = {
        .shard = shard->number,
        .lane = batch->lane,
        .hints = batch->hints,
        .count = batch->count,
        .window = batch->lane == QUEUE_EXPRESS ? common->express_window : window_of(shard),
    };
    int r = send_once(shard, &queued, out_sent, err);

    if (r == QUEUE_FORGOTTEN && batch->way == HINT_FAST)
        r = send_once(shard, &queued, out_sent, err);
    if (r < 0)
        return r;
    common->hints[batch->way][batch->lane] += *out_sent;
    for (size_t i = 0; i < *out_sent; i++) {
        struct hinted_run run = {batch->hints[i].run, batch->tenants[i], batch->lane};

        if (shard->memory.hinted)
            hinted_add(shard->memory.hinted, &run, clock_ms());
        if (batch->way != HINT_FAST) /* noted when it was asked for */
            loads_note(common->loads, batch->tenants[i]);
    }
    return 0;
}

/* With the room that there is. */
SUSPENDS static int dispatch(struct tick *tick, const struct queue_stats *stats, struct error *err)
{
    int r = tick_ask(tick, stats, err);

    if (r == 0)
        r = tick_arrange(tick, err);
    if (r == 0)
        r = tick_push(tick, err);
    if (r == 0)
        tick_conclude(tick);
    return r;
}

/* Whether it is worth asking Postgres. */
static bool worth_asking(const struct tick *tick)
{
    const struct dispatch_shard *shard = tick->shard;
    int64_t since_ms = tick->now_ms - shard->memory.asked_ms;

    if (shard->window.eager)
        return true;
    if (shard->told)
        return since_ms >= TICK_BUSY_MS;
    return tick->room.ordinary >= shard->window.size / 4 ||
           (tick->counting && since_ms >= TICK_CAPPED_MS) || since_ms >= TICK_IDLE_MS;
}

static void follow(struct dispatch_shard *shard, size_t left)
{
    struct shard_window *window = &shard->window;
    struct window_look look = {
        .least = shard->common->window,
        .most = shard->common->slots,
        .filled = window->filled,
        .left = left,
        .backlog = shard->backlog,
    };

    if (window_ran_dry(&look))
        window->eager = true;
    else if (window_lasts(&look))
        window->eager = false;
    window->size = window_follow(window->size, &look);
}

/* What was read and not removed fills no window: its removal may have been lost. */
static size_t unread_of(const struct queue_stats *stats, int lane)
{
    int64_t unread = stats->length[lane] - stats->pending[lane];

    return unread > 0 ? (size_t)unread : 0;
}

static struct tick_room room_in(struct dispatch_shard *shard, const struct queue_stats *stats)
{
    size_t express_window = shard->common->express_window;
    size_t express = shard->express_unread = unread_of(stats, QUEUE_EXPRESS);
    struct tick_room room = {0};

    for (int lane = 0; lane < QUEUE_PRIORITIES; lane++)
        room.unread += unread_of(stats, lane);
    follow(shard, room.unread);
    room.ordinary = room.unread < shard->window.size ? shard->window.size - room.unread : 0;
    room.express = express < express_window ? express_window - express : 0;
    return room;
}

SUSPENDS static int tick_once(struct dispatch_shard *shard, bool counting, struct error *err)
{
    struct tick tick = {.shard = shard, .counting = counting, .now_ms = clock_ms()};
    struct queue_stats stats;
    int r = initialise(shard, err);

    if (!shard->memory.hinted)
        shard->memory.hinted = hinted_new(HINTED_MAX);
    if (!shard->memory.fair)
        shard->memory.fair = fair_new();
    if (r == 0)
        r = queue_stats(shard->common->queue, shard->number, &stats, err);
    if (r < 0)
        return r;
    shard->wait_ms = TICK_BUSY_MS;
    if (!stats.known) {
        lost_memory(shard);
        return 0;
    }
    tick.room = room_in(shard, &stats);
    shard->wait_ms = shard->backlog || shard->told ? TICK_BUSY_MS : TICK_IDLE_MS;
    if (!worth_asking(&tick))
        return 0;
    shard->memory.asked_ms = tick.now_ms;
    shard->told = false;
    arena_init(&tick.arena, 0);
    r = dispatch(&tick, &stats, err);
    arena_deinit(&tick.arena);
    return r;
}

int dispatch_shard_tick(struct dispatch_shard *shard, struct error *err)
{
    struct dispatch_common *common = shard->common;
    bool counting = shard->memory.exact;
    int r;

    while (counting && common->counting) {
        r = cond_wait(&common->counted, DEADLINE_NONE, err);
        if (r < 0)
            return r;
    }
    if (counting)
        common->counting = true;
    r = tick_once(shard, counting, err);
    if (counting) {
        common->counting = false;
        cond_signal(&common->counted);
    }
    return r;
}
