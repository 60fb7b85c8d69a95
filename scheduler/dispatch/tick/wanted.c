/* From an offer to who wants what. An offer has a tenant once for each priority; here it is once,
 * with the room that its limit leaves. Each list is gone through once, whatever its length. */

#include "scheduler/dispatch/ownership.h"
#include "scheduler/dispatch/tick/tick.h"
#include "shared/base/clock.h"

#define LOST_AFTER_MS 500 /* hinted, gone from the stream, and still queued */

/* Puts the tenant into the table. Returns its place. */
static size_t add_tenant(struct wanted *wanted, const struct ready_tenant *tenant)
{
    size_t place = places_of(&wanted->places, tenant->id);
    struct fair_tenant *added;

    if (place != PLACE_NONE)
        return place;
    place = wanted->tenant_count++;
    added = &wanted->tenants[place];
    *added = (struct fair_tenant){tenant->id, tenant->weight, 0};
    places_add(&wanted->places, &added->id, place);
    return place;
}

/* The tenant's runs that want a hint; those hinted a moment ago may be on their way still. */
static void add_runs(struct tick *tick, const struct ready_tenant *tenant, size_t place)
{
    const struct hinted *hinted = tick->shard->memory.hinted;
    struct wanted *wanted = &tick->wanted;

    for (size_t i = 0; i < tenant->run_count; i++) {
        const struct ready_run *run = &tenant->runs[i];
        int64_t age_ms = hinted_age_ms(hinted, run->id, tick->now_ms);

        if (age_ms >= 0 && age_ms < LOST_AFTER_MS)
            wanted->hinted[place]++;
        else
            wanted->runs[wanted->run_count++] = (struct wanted_run){
                .hint = {run->id, run->fence, false},
                .tenant = place,
                .priority = tenant->priority,
            };
    }
}

/* Of the tenants, the hints that are on their way here. */
static void count_on_way(struct tick *tick)
{
    struct wanted *wanted = &tick->wanted;

    for (size_t i = 0; i < tick->on_way_count; i++) {
        size_t place = places_of(&wanted->places, tick->on_way[i].tenant);

        if (place != PLACE_NONE)
            wanted->hinted[place]++;
    }
}

/* And in the other shards of this process, at their last look. */
static void count_elsewhere(const struct tick *tick, int64_t *elsewhere)
{
    const struct dispatch_common *common = tick->shard->common;

    for (int i = 0; i < common->shard_count; i++) {
        const struct dispatch_shard *other = &common->shards[i];

        for (size_t k = 0; other != tick->shard && k < other->memory.capped_count; k++) {
            const struct capped *capped = &other->memory.capped[k];
            size_t place = places_of(&tick->wanted.places, capped->tenant);

            if (place != PLACE_NONE)
                elsewhere[place] += capped->hinted;
        }
    }
}

static int64_t room_of(const struct tick *tick, const struct ready_tenant *tenant, int64_t hinted)
{
    struct dispatch_common *common = tick->shard->common;
    struct cap_view view = {
        .max_running = tenant->max_running,
        .running = tenant->running,
        .running_here = tenant->running_here,
        .hinted = hinted,
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

int tick_arrange(struct tick *tick, struct error *err)
{
    const struct dispatch_offer *offer = &tick->offer;
    struct arena *arena = &tick->arena;
    struct wanted *wanted = &tick->wanted;
    size_t tenants = offer->tenant_count + 1;
    int64_t *elsewhere = arena_calloc(arena, tenants, sizeof(*elsewhere));

    wanted->tenants = arena_calloc(arena, tenants, sizeof(*wanted->tenants));
    wanted->hinted = arena_calloc(arena, tenants, sizeof(*wanted->hinted));
    wanted->runs = arena_calloc(arena, offer->run_count + 1, sizeof(*wanted->runs));
    if (!elsewhere || !wanted->tenants || !wanted->hinted || !wanted->runs ||
        !places_init(&wanted->places, arena, tenants))
        return tick_too_many(err);
    for (size_t i = 0; i < offer->tenant_count; i++)
        add_runs(tick, &offer->tenants[i], add_tenant(wanted, &offer->tenants[i]));
    count_on_way(tick);
    count_elsewhere(tick, elsewhere);
    for (size_t i = 0; i < offer->tenant_count; i++) {
        size_t place = places_of(&wanted->places, offer->tenants[i].id);

        wanted->tenants[place].room =
            room_of(tick, &offer->tenants[i], wanted->hinted[place] + elsewhere[place]);
    }
    return 0;
}
