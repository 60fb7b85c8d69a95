/* A tick's questions: of its own memory, which hints are on their way; of Postgres, which runs are
 * ready beside them. */

#include <string.h>

#include "scheduler/dispatch/ownership.h"
#include "scheduler/dispatch/tick/tick.h"
#include "shared/base/error.h"

int tick_too_many(struct error *err)
{
    return error_set(err, E_LIMIT, "too many ready runs at once");
}

static int find_on_way(struct tick *tick, const struct queue_stats *stats, struct error *err)
{
    struct hinted *hinted = tick->shard->memory.hinted;
    size_t max = 0;

    hinted_expire(hinted, tick->now_ms);
    for (int lane = 0; lane < QUEUE_LANES; lane++)
        max += (size_t)stats->length[lane];
    if (max > hinted_count(hinted))
        max = hinted_count(hinted);
    tick->on_way = arena_calloc(&tick->arena, max + 1, sizeof(*tick->on_way));
    if (!tick->on_way)
        return error_set(err, E_LIMIT, "too many hints on their way");
    tick->on_way_count = hinted_on_way(hinted, stats, tick->now_ms, tick->on_way, max);
    return 0;
}

int tick_ask(struct tick *tick, const struct queue_stats *stats, struct error *err)
{
    struct dispatch_shard *shard = tick->shard;
    struct dispatch_common *common = shard->common;
    const struct tick_room *room = &tick->room;
    size_t places = room->ordinary > room->express ? room->ordinary : room->express;
    int64_t owned[QUEUE_SHARDS_MAX];
    struct dispatch_query query = {.shard = shard->number, .owned_shards = owned};
    struct uuid *exclude;
    int r = find_on_way(tick, stats, err);

    if (r < 0)
        return r;
    exclude = arena_calloc(&tick->arena, tick->on_way_count + 1, sizeof(*exclude));
    if (!exclude)
        return error_set(err, E_LIMIT, "too many hints on their way");
    query.limit = places < 1 ? 1 : (int)places;
    for (size_t i = 0; i < tick->on_way_count; i++)
        exclude[query.exclude_count++] = tick->on_way[i].run;
    query.exclude = exclude;
    for (int i = 0; i < common->shard_count; i++)
        if (ownership_has(common->ownership, i))
            owned[query.owned_count++] = i;
    memcpy(query.after, shard->memory.after, sizeof(query.after));
    return dispatch_offer(common->pg, &tick->arena, &query, &tick->offer, err);
}
