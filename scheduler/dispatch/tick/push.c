/* From who wants what to hints in the lanes of the queue.
 *
 * A tenant that has next to nothing in work takes the express lane, as far as its small share goes;
 * all the rest goes through fair.c into the lanes of priorities.
 */

#include "scheduler/dispatch/tick/tick.h"

/* Runs in the order in which they are sent, as places in wanted.runs. */
struct order {
    size_t *runs;
    size_t count;
};

/* Sends those of one lane. */
SUSPENDS static int send_lane(struct tick *tick, int lane, const struct order *order,
                              struct error *err)
{
    struct dispatch_shard *shard = tick->shard;
    struct wanted *wanted = &tick->wanted;
    struct queue_hint *hints = arena_calloc(&tick->arena, order->count + 1, sizeof(*hints));
    struct uuid *tenants = arena_calloc(&tick->arena, order->count + 1, sizeof(*tenants));
    struct wanted_run **runs = arena_calloc(&tick->arena, order->count + 1, sizeof(*runs));
    struct dispatch_batch batch = {HINT_TICK, lane, hints, tenants, 0};
    size_t sent = 0;
    int r;

    if (!hints || !tenants || !runs)
        return tick_too_many(err);
    for (size_t i = 0; i < order->count; i++) {
        struct wanted_run *run = &wanted->runs[order->runs[i]];

        if (lane != QUEUE_EXPRESS && run->priority != lane)
            continue;
        runs[batch.count] = run;
        tenants[batch.count] = wanted->tenants[run->tenant].id;
        hints[batch.count] = run->hint;
        hints[batch.count++].read = dispatch_is_read(shard->common, run->hint.run);
    }
    if (batch.count == 0)
        return 0;
    for (size_t i = 0; i < batch.count; i++)
        if (hinted_age_ms(shard->memory.hinted, hints[i].run, tick->now_ms) >= 0)
            shard->repeated++;
    r = dispatch_shard_send(shard, &batch, &sent, err);
    if (lane != QUEUE_EXPRESS)
        tick->room.unread += sent;
    for (size_t i = 0; i < sent; i++) {
        runs[i]->taken = true;
        wanted->hinted[runs[i]->tenant]++;
    }
    tick->sent = tick->sent || sent > 0;
    return r;
}

/* First runs of tenants that have next to nothing in work. */
SUSPENDS static int push_express(struct tick *tick, struct error *err)
{
    struct dispatch_common *common = tick->shard->common;
    struct wanted *wanted = &tick->wanted;
    int64_t *left = arena_calloc(&tick->arena, wanted->tenant_count + 1, sizeof(*left));
    struct order order = {
        arena_calloc(&tick->arena, tick->room.express + 1, sizeof(*order.runs)),
        0,
    };

    if (!left || !order.runs)
        return tick_too_many(err);
    for (size_t i = 0; i < wanted->tenant_count; i++) {
        struct tenant_load load = loads_of(common->loads, wanted->tenants[i].id);

        left[i] = load.busy < common->small ? common->small - load.busy : 0;
    }
    for (size_t i = 0; i < wanted->run_count && order.count < tick->room.express; i++) {
        const struct wanted_run *run = &wanted->runs[i];
        struct fair_tenant *tenant = &wanted->tenants[run->tenant];

        if (run->priority > EXPRESS_PRIORITY_MAX || left[run->tenant] <= 0 || tenant->room <= 0)
            continue;
        left[run->tenant]--;
        if (tenant->room != FAIR_NO_CAP)
            tenant->room--;
        fair_charge(tick->shard->memory.fair, run->priority, tenant->id, tenant->weight);
        order.runs[order.count++] = i;
    }
    return send_lane(tick, QUEUE_EXPRESS, &order, err);
}

/* The rest, in fair order. */
SUSPENDS static int push_fair(struct tick *tick, struct error *err)
{
    struct wanted *wanted = &tick->wanted;
    size_t count = wanted->run_count + 1;
    struct fair_run *runs = arena_calloc(&tick->arena, count, sizeof(*runs));
    size_t *from = arena_calloc(&tick->arena, count, sizeof(*from));
    struct order order = {arena_calloc(&tick->arena, count, sizeof(*order.runs)), 0};
    struct fair_offer offer = {wanted->tenants, wanted->tenant_count, runs, 0};
    int r = 0;

    if (!runs || !from || !order.runs)
        return tick_too_many(err);
    for (size_t i = 0; i < wanted->run_count; i++) {
        if (wanted->runs[i].taken)
            continue;
        from[offer.run_count] = i;
        runs[offer.run_count++] =
            (struct fair_run){wanted->runs[i].tenant, wanted->runs[i].priority};
    }
    order.count = fair_order(tick->shard->memory.fair, &offer, tick->room.ordinary, order.runs);
    for (size_t i = 0; i < order.count; i++)
        order.runs[i] = from[order.runs[i]];
    for (int lane = 0; lane < QUEUE_PRIORITIES && r == 0; lane++)
        r = send_lane(tick, lane, &order, err);
    return r;
}

int tick_push(struct tick *tick, struct error *err)
{
    int r = tick->room.express > 0 ? push_express(tick, err) : 0;

    return r == 0 ? push_fair(tick, err) : r;
}
