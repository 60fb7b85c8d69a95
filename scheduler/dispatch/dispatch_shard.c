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
 * Order: a tenant that has next to nothing in work takes the express lane, as far as its small
 * share goes; all the rest goes through fair.c into the lanes of priorities. A tenant with a limit
 * gets what its limit leaves, counted with the hints that are on their way. That is only exact when
 * no other shard gives out the same at the same time, so ticks with such tenants go one by one; one
 * that meets the first of them gives it nothing and comes again at once, in that way.
 */

#include "scheduler/dispatch/dispatch_shard.h"

#include <stdlib.h>
#include <string.h>

#include "scheduler/dispatch/ownership.h"
#include "scheduler/dispatch/window.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"

#define LOST_AFTER_MS 500 /* hinted, gone from the stream, and still queued */

/* What one tick works with; all in its arena. */
struct tick {
    struct dispatch_shard *shard;
    struct arena arena;
    int64_t now_ms;
    size_t unread; /* hints in the lanes of priorities that no worker has read */
    size_t room;
    size_t express_room;
    struct hinted_run *on_way;
    size_t on_way_count;
    struct dispatch_offer offer;
    struct fair_tenant *tenants; /* each once */
    struct capped *hinted;       /* of each of these */
    size_t tenant_count;
    struct fair_run *runs; /* that want a hint */
    struct queue_hint *hints;
    struct uuid *owners;
    bool *taken;
    size_t run_count;
    size_t left;   /* of these, without a hint, and tenants that have more of them */
    bool sent;     /* some */
    bool limited;  /* something waits for a limit */
    bool counting; /* it alone gives out what limits leave */
};

static int initialise(struct dispatch_shard *shard, struct error *err)
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
    shard->asked_ms = 0;
    shard->resets++;
    if (shard->hinted)
        hinted_clear(shard->hinted);
    log_info("the queue lost its memory; hinting what is ready again",
             LOG_INT("shard", shard->number));
}

void dispatch_shard_forget(struct dispatch_shard *shard)
{
    hinted_free(shard->hinted);
    fair_free(shard->fair);
    shard->hinted = NULL;
    shard->fair = NULL;
    shard->backlog = false;
    shard->window = 0;
    shard->filled = 0;
    shard->eager = false;
    shard->exact = false;
    shard->capped_count = 0;
    shard->waiting_count = 0;
    shard->asked_ms = 0;
}

/* One that is not owned has no window of its own. */
static size_t window_of(const struct dispatch_shard *shard)
{
    return shard->window > shard->common->window ? shard->window : shard->common->window;
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

        if (shard->hinted)
            hinted_add(shard->hinted, &run, clock_ms());
        if (batch->way != HINT_FAST) /* noted when it was asked for */
            loads_note(common->loads, batch->tenants[i]);
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct uuid));
}

bool dispatch_shard_waits(const struct dispatch_shard *shard, struct uuid tenant)
{
    return bsearch(&tenant, shard->waiting, shard->waiting_count, sizeof(tenant), compare);
}

/* Of all shards of this process, the hints of a tenant that were on their way at their last look.
 */
static int64_t hinted_elsewhere(const struct dispatch_shard *shard, struct uuid tenant)
{
    const struct dispatch_common *common = shard->common;
    int64_t sum = 0;

    for (int i = 0; i < common->shard_count; i++) {
        const struct dispatch_shard *other = &common->shards[i];

        for (size_t k = 0; other != shard && k < other->capped_count; k++)
            if (uuid_equal(other->capped[k].tenant, tenant))
                sum += other->capped[k].hinted;
    }
    return sum;
}

static int64_t room_of(const struct tick *tick, const struct ready_tenant *tenant, int64_t hinted)
{
    struct dispatch_common *common = tick->shard->common;
    struct cap_view view = {
        .max_running = tenant->max_running,
        .running = tenant->running,
        .running_here = tenant->running_here,
        .hinted = hinted + hinted_elsewhere(tick->shard, tenant->id),
        .shards = common->shard_count,
        .owned = ownership_count(common->ownership),
    };

    if (tenant->max_running == 0)
        return FAIR_NO_CAP;
    if (!tick->counting)
        return 0;
    view.turn = ownership_has(common->ownership,
                              cap_turn(tenant->id, common->shard_count, clock_wall_ms()));
    return cap_room(&view);
}

/* Puts the tenant into the tick's table. Returns its place. */
static size_t add_tenant(struct tick *tick, const struct ready_tenant *tenant)
{
    for (size_t i = 0; i < tick->tenant_count; i++)
        if (uuid_equal(tick->tenants[i].id, tenant->id))
            return i;
    tick->tenants[tick->tenant_count] = (struct fair_tenant){tenant->id, tenant->weight, 0};
    tick->hinted[tick->tenant_count].tenant = tenant->id;
    for (size_t i = 0; tenant->max_running > 0 && i < tick->on_way_count; i++)
        if (uuid_equal(tick->on_way[i].tenant, tenant->id))
            tick->hinted[tick->tenant_count].hinted++;
    return tick->tenant_count++;
}

/* The tenant's runs that want a hint; those hinted a moment ago may be on their way still. */
static void add_runs(struct tick *tick, const struct ready_tenant *tenant, size_t place)
{
    struct dispatch_shard *shard = tick->shard;

    for (size_t i = 0; i < tenant->run_count; i++) {
        const struct ready_run *run = &tenant->runs[i];
        int64_t age_ms = hinted_age_ms(shard->hinted, run->id, tick->now_ms);

        if (age_ms >= 0 && age_ms < LOST_AFTER_MS) {
            tick->hinted[place].hinted++;
            continue;
        }
        tick->runs[tick->run_count] = (struct fair_run){place, tenant->priority};
        tick->hints[tick->run_count] = (struct queue_hint){run->id, run->fence};
        tick->owners[tick->run_count++] = tenant->id;
    }
}

static int arrange(struct tick *tick, struct error *err)
{
    struct dispatch_offer *offer = &tick->offer;
    struct arena *arena = &tick->arena;
    size_t runs = offer->run_count + 1;
    size_t tenants = offer->tenant_count + 1;
    size_t *places = arena_calloc(arena, tenants, sizeof(*places));

    tick->tenants = arena_calloc(arena, tenants, sizeof(*tick->tenants));
    tick->hinted = arena_calloc(arena, tenants, sizeof(*tick->hinted));
    tick->runs = arena_calloc(arena, runs, sizeof(*tick->runs));
    tick->hints = arena_calloc(arena, runs, sizeof(*tick->hints));
    tick->owners = arena_calloc(arena, runs, sizeof(*tick->owners));
    tick->taken = arena_calloc(arena, runs, sizeof(*tick->taken));
    if (!places || !tick->tenants || !tick->hinted || !tick->runs || !tick->hints ||
        !tick->owners || !tick->taken)
        return error_set(err, E_LIMIT, "too many ready runs at once");
    for (size_t i = 0; i < offer->tenant_count; i++) {
        places[i] = add_tenant(tick, &offer->tenants[i]);
        add_runs(tick, &offer->tenants[i], places[i]);
    }
    for (size_t i = 0; i < offer->tenant_count; i++)
        tick->tenants[places[i]].room =
            room_of(tick, &offer->tenants[i], tick->hinted[places[i]].hinted);
    return 0;
}

/* Sends the runs at these places, of one lane. */
static int send_some(struct tick *tick, int lane, const size_t *order, size_t count,
                     struct error *err)
{
    struct dispatch_shard *shard = tick->shard;
    struct queue_hint *hints = arena_calloc(&tick->arena, count + 1, sizeof(*hints));
    struct uuid *tenants = arena_calloc(&tick->arena, count + 1, sizeof(*tenants));
    struct dispatch_batch batch = {HINT_TICK, lane, hints, tenants, 0};
    size_t *places = arena_calloc(&tick->arena, count + 1, sizeof(*places));
    size_t sent = 0;
    int r;

    if (!hints || !tenants || !places)
        return error_set(err, E_LIMIT, "too many ready runs at once");
    for (size_t i = 0; i < count; i++) {
        if (lane != QUEUE_EXPRESS && tick->runs[order[i]].priority != lane)
            continue;
        places[batch.count] = order[i];
        tenants[batch.count] = tick->owners[order[i]];
        hints[batch.count++] = tick->hints[order[i]];
    }
    if (batch.count == 0)
        return 0;
    for (size_t i = 0; i < batch.count; i++)
        if (hinted_age_ms(shard->hinted, hints[i].run, tick->now_ms) >= 0)
            shard->repeated++;
    r = dispatch_shard_send(shard, &batch, &sent, err);
    if (lane != QUEUE_EXPRESS)
        tick->unread += sent;
    for (size_t i = 0; i < sent; i++) {
        tick->taken[places[i]] = true;
        tick->hinted[tick->runs[places[i]].tenant].hinted++;
    }
    tick->sent = tick->sent || sent > 0;
    return r;
}

/* First runs of tenants that have next to nothing in work. */
static int send_express(struct tick *tick, struct error *err)
{
    struct dispatch_common *common = tick->shard->common;
    int64_t *left = arena_calloc(&tick->arena, tick->tenant_count + 1, sizeof(*left));
    size_t *order = arena_calloc(&tick->arena, tick->express_room + 1, sizeof(*order));
    size_t count = 0;

    if (!left || !order)
        return error_set(err, E_LIMIT, "too many ready runs at once");
    for (size_t i = 0; i < tick->tenant_count; i++) {
        struct tenant_load load = loads_of(common->loads, tick->tenants[i].id);

        left[i] = load.busy < common->small ? common->small - load.busy : 0;
    }
    for (size_t i = 0; i < tick->run_count && count < tick->express_room; i++) {
        const struct fair_run *run = &tick->runs[i];
        struct fair_tenant *tenant = &tick->tenants[run->tenant];

        if (run->priority > EXPRESS_PRIORITY_MAX || left[run->tenant] <= 0 || tenant->room <= 0)
            continue;
        left[run->tenant]--;
        if (tenant->room != FAIR_NO_CAP)
            tenant->room--;
        fair_charge(tick->shard->fair, run->priority, tenant->id, tenant->weight);
        order[count++] = i;
    }
    return send_some(tick, QUEUE_EXPRESS, order, count, err);
}

/* The rest, in fair order. */
static int send_fair(struct tick *tick, struct error *err)
{
    struct fair_run *runs = arena_calloc(&tick->arena, tick->run_count + 1, sizeof(*runs));
    size_t *from = arena_calloc(&tick->arena, tick->run_count + 1, sizeof(*from));
    size_t *order = arena_calloc(&tick->arena, tick->run_count + 1, sizeof(*order));
    struct fair_offer offer = {tick->tenants, tick->tenant_count, runs, 0};
    size_t count;
    int r = 0;

    if (!runs || !from || !order)
        return error_set(err, E_LIMIT, "too many ready runs at once");
    for (size_t i = 0; i < tick->run_count; i++) {
        if (tick->taken[i])
            continue;
        from[offer.run_count] = i;
        runs[offer.run_count++] = tick->runs[i];
    }
    count = fair_order(tick->shard->fair, &offer, tick->room, order);
    for (size_t i = 0; i < count; i++)
        order[i] = from[order[i]];
    for (int lane = 0; lane < QUEUE_PRIORITIES && r == 0; lane++)
        r = send_some(tick, lane, order, count, err);
    return r;
}

static bool has_room(const struct tick *tick, struct uuid tenant)
{
    for (size_t i = 0; i < tick->tenant_count; i++)
        if (uuid_equal(tick->tenants[i].id, tenant))
            return tick->tenants[i].room != 0;
    return false;
}

/* A tenant may be noted more than once. */
static void note_waiting(struct dispatch_shard *shard, struct uuid tenant)
{
    size_t count = shard->waiting_count;

    if (count > 0 && uuid_equal(shard->waiting[count - 1], tenant))
        return;
    if (count < ARRAY_LENGTH(shard->waiting))
        shard->waiting[shard->waiting_count++] = tenant;
}

/* What the tick leaves behind for the next one and for the fast way. */
static void conclude(struct tick *tick)
{
    struct dispatch_shard *shard = tick->shard;
    bool work[FAIR_LANES] = {false};

    shard->waiting_count = shard->capped_count = 0;
    for (size_t i = 0; i < tick->run_count; i++) {
        const struct fair_tenant *tenant = &tick->tenants[tick->runs[i].tenant];

        if (tick->taken[i])
            continue;
        if (tenant->room == 0)
            tick->limited = true;
        else
            tick->left++;
        note_waiting(shard, tenant->id);
    }
    for (size_t i = 0; i < tick->offer.tenant_count; i++) {
        const struct ready_tenant *tenant = &tick->offer.tenants[i];

        if (!tenant->more)
            continue;
        if (has_room(tick, tenant->id))
            tick->left++;
        note_waiting(shard, tenant->id);
    }
    qsort(shard->waiting, shard->waiting_count, sizeof(*shard->waiting), compare);
    for (size_t i = 0; i < tick->tenant_count; i++)
        if (tick->tenants[i].room != FAIR_NO_CAP)
            shard->capped[shard->capped_count++] = tick->hinted[i];
    shard->exact = shard->capped_count > 0;
    for (size_t i = 0; i < tick->offer.tenant_count; i++)
        work[tick->offer.tenants[i].priority] = true;
    for (int i = 0; i < FAIR_LANES; i++) {
        if (!work[i] && uuid_is_zero(shard->after[i]))
            fair_rest(shard->fair, i);
        shard->after[i] = tick->offer.after[i];
    }
    shard->backlog = tick->left > 0;
    shard->filled = tick->unread;
    if (tick->sent || tick->left > 0 || (shard->exact && !tick->counting))
        shard->wait_ms = TICK_BUSY_MS;
    else
        shard->wait_ms = tick->limited ? TICK_CAPPED_MS : TICK_IDLE_MS;
    for (int i = 0; i < FAIR_LANES; i++)
        if (!uuid_is_zero(shard->after[i]))
            shard->wait_ms = TICK_BUSY_MS;
    if (shard->eager && tick->left > 0)
        shard->wait_ms = TICK_EAGER_MS;
}

static int ask(struct tick *tick, struct error *err)
{
    struct dispatch_shard *shard = tick->shard;
    struct dispatch_common *common = shard->common;
    size_t places = tick->room > tick->express_room ? tick->room : tick->express_room;
    int64_t owned[QUEUE_SHARDS_MAX];
    struct uuid *exclude = arena_calloc(&tick->arena, tick->on_way_count + 1, sizeof(*exclude));
    struct dispatch_query query = {.shard = shard->number, .exclude = exclude};

    if (!exclude)
        return error_set(err, E_LIMIT, "too many hints on their way");
    query.limit = places < 1 ? 1 : (int)places;
    for (size_t i = 0; i < tick->on_way_count; i++)
        exclude[query.exclude_count++] = tick->on_way[i].run;
    for (int i = 0; i < common->shard_count; i++)
        if (ownership_has(common->ownership, i))
            owned[query.owned_count++] = i;
    query.owned_shards = owned;
    memcpy(query.after, shard->after, sizeof(query.after));
    return dispatch_offer(common->pg, &tick->arena, &query, &tick->offer, err);
}

/* With the room that there is. */
static int dispatch(struct tick *tick, const struct queue_stats *stats, struct error *err)
{
    struct dispatch_shard *shard = tick->shard;
    size_t max = 0;
    int r;

    hinted_expire(shard->hinted, tick->now_ms);
    for (int lane = 0; lane < QUEUE_LANES; lane++)
        max += (size_t)stats->length[lane];
    if (max > hinted_count(shard->hinted))
        max = hinted_count(shard->hinted);
    tick->on_way = arena_calloc(&tick->arena, max + 1, sizeof(*tick->on_way));
    if (!tick->on_way)
        return error_set(err, E_LIMIT, "too many hints on their way");
    tick->on_way_count = hinted_on_way(shard->hinted, stats, tick->now_ms, tick->on_way, max);
    r = ask(tick, err);
    if (r == 0)
        r = arrange(tick, err);
    if (r == 0 && tick->express_room > 0)
        r = send_express(tick, err);
    if (r == 0)
        r = send_fair(tick, err);
    if (r == 0)
        conclude(tick);
    return r;
}

/* Whether it is worth asking Postgres. */
static bool worth_asking(const struct tick *tick)
{
    const struct dispatch_shard *shard = tick->shard;
    int64_t since_ms = tick->now_ms - shard->asked_ms;

    if (shard->eager)
        return true;
    if (shard->told)
        return since_ms >= TICK_BUSY_MS;
    return tick->room >= shard->window / 4 || (tick->counting && since_ms >= TICK_CAPPED_MS) ||
           since_ms >= TICK_IDLE_MS;
}

static void follow(struct tick *tick, size_t left)
{
    struct dispatch_shard *shard = tick->shard;
    struct window_look look = {
        .least = shard->common->window,
        .most = shard->common->slots,
        .filled = shard->filled,
        .left = left,
        .backlog = shard->backlog,
    };

    if (window_ran_dry(&look))
        shard->eager = true;
    else if (window_lasts(&look))
        shard->eager = false;
    shard->window = window_follow(shard->window, &look);
    tick->unread = left;
}

/* What was read and not removed fills no window: its removal may have been lost. */
static size_t unread_of(const struct queue_stats *stats, int lane)
{
    int64_t unread = stats->length[lane] - stats->pending[lane];

    return unread > 0 ? (size_t)unread : 0;
}

SUSPENDS static int tick_once(struct dispatch_shard *shard, bool counting, struct error *err)
{
    struct dispatch_common *common = shard->common;
    struct tick tick = {.shard = shard, .counting = counting, .now_ms = clock_ms()};
    struct queue_stats stats;
    size_t unread = 0;
    size_t express;
    int r = initialise(shard, err);

    if (!shard->hinted)
        shard->hinted = hinted_new(HINTED_MAX);
    if (!shard->fair)
        shard->fair = fair_new();
    if (r == 0)
        r = queue_stats(common->queue, shard->number, &stats, err);
    if (r < 0)
        return r;
    shard->wait_ms = TICK_BUSY_MS;
    if (!stats.known) {
        lost_memory(shard);
        return 0;
    }
    for (int lane = 0; lane < QUEUE_PRIORITIES; lane++)
        unread += unread_of(&stats, lane);
    express = unread_of(&stats, QUEUE_EXPRESS);
    follow(&tick, unread);
    tick.room = unread < shard->window ? shard->window - unread : 0;
    tick.express_room = express < common->express_window ? common->express_window - express : 0;
    shard->wait_ms = shard->backlog || shard->told ? TICK_BUSY_MS : TICK_IDLE_MS;
    if (!worth_asking(&tick))
        return 0;
    shard->asked_ms = tick.now_ms;
    shard->told = false;
    arena_init(&tick.arena, 0);
    r = dispatch(&tick, &stats, err);
    arena_deinit(&tick.arena);
    return r;
}

int dispatch_shard_tick(struct dispatch_shard *shard, struct error *err)
{
    struct dispatch_common *common = shard->common;
    bool counting = shard->exact;
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
