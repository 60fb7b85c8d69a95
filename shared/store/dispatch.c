/* What the dispatcher reads
 *
 * The ready runs are read in index order, each priority by itself: in one scan, runs of a higher
 * priority that are due later (timers, backoff) would be walked over again on every tick. What is
 * excluded is looked up in a hash (NOT IN over a subquery), which keeps the index order.
 */

#include "shared/store/dispatch.h"

#include "shared/store/rows.h"

static const struct pg_statement ready_runs = {
    .name = "dispatch_ready",
    .sql = "SELECT x.id, x.tenant_id, x.priority, x.fence,"
           "   floor(date_part('epoch', now() - x.due_at) * 1000)::int8"
           " FROM (VALUES (0::int2), (1::int2), (2::int2)) AS p (priority), LATERAL ("
           "   SELECT r.id, r.tenant_id, r.priority, r.fence, r.due_at FROM runs r"
           "   WHERE r.shard = $1::int8::int2 AND r.priority = p.priority AND r.status = 'queued'"
           "     AND r.held IS NULL"
           "     AND r.due_at <= now() AND r.id NOT IN (SELECT unnest($3::uuid[]))"
           "   ORDER BY r.due_at, r.id LIMIT $2) x"
           " ORDER BY x.priority, x.due_at, x.id LIMIT $2",
    .types = "iiU",
};

int dispatch_ready(struct pg *pg, struct arena *arena, const struct ready_query *query,
                   struct ready_list *out, struct error *err)
{
    CLEANUP(pg_result_freep)
    struct pg_result *result = NULL;
    CLEANUP(buf_deinit)
    struct buf exclude;
    struct ready_run *items;
    void *room;
    int r;

    ASSERT(query->limit >= 1 && query->limit <= DISPATCH_LIMIT_MAX);
    if (query->exclude_count > DISPATCH_EXCLUDE_MAX)
        return error_set(err, E_LIMIT, "more than %d runs to exclude", DISPATCH_EXCLUDE_MAX);
    buf_init(&exclude, 0);
    pg_array_begin(&exclude);
    for (size_t i = 0; i < query->exclude_count; i++)
        pg_array_add_uuid(&exclude, query->exclude[i]);
    pg_array_end(&exclude);
    r = buf_check(&exclude, err);
    if (r < 0)
        return r;

    struct pg_value values[3] = {pg_int(query->shard), pg_int(query->limit),
                                 pg_array('U', &exclude)};
    r = pg_exec(pg, &ready_runs, values, &result, err);
    if (r < 0)
        return r;
    r = rows_alloc(arena, (size_t)pg_rows(result), sizeof(struct ready_run), &room, err);
    if (r < 0)
        return r;
    items = room;
    for (int i = 0; i < pg_rows(result); i++) {
        struct row row = row_at(result, i, arena);

        items[i].id = row_uuid(&row);
        items[i].tenant_id = row_uuid(&row);
        items[i].priority = (int)row_int(&row);
        items[i].fence = row_int(&row);
        items[i].waited_ms = row_int(&row);
    }
    *out = (struct ready_list){items, (size_t)pg_rows(result)};
    return 0;
}

static const struct pg_statement dispatch_counts = {
    .name = "dispatch_counts",
    .sql = "WITH q AS (SELECT count(*) FILTER (WHERE due_at <= now()) AS ready,"
           "     count(*) FILTER (WHERE due_at > now()) AS delayed, min(due_at) AS oldest"
           "   FROM runs WHERE status = 'queued' AND held IS NULL),"
           " o AS (SELECT count(*) FILTER (WHERE status = 'in_progress') AS in_progress,"
           "     count(*) FILTER (WHERE status = 'cancelling') AS cancelling"
           "   FROM runs WHERE status IN ('in_progress', 'cancelling')),"
           " a AS (SELECT count(*) AS waiting FROM runs WHERE status = 'requires_action'"
           "   AND status IN ('queued', 'in_progress', 'requires_action', 'cancelling')),"
           " w AS (SELECT count(*) AS up, coalesce(sum(slots), 0)::int8 AS slots FROM workers"
           "   WHERE state = 'up' AND lease_until > now())"
           " SELECT q.ready, q.delayed, o.in_progress, a.waiting, o.cancelling, greatest(0,"
           "   floor(date_part('epoch', now() - q.oldest) * 1000)::int8), w.up, w.slots"
           " FROM q, o, a, w",
    .types = "",
};

int dispatch_count(struct pg *pg, struct dispatch_counts *out, struct error *err)
{
    CLEANUP(pg_result_freep)
    struct pg_result *result = NULL;
    struct row row;
    int r;

    r = pg_exec(pg, &dispatch_counts, NULL, &result, err);
    if (r < 0)
        return r;
    row = row_at(result, 0, NULL);
    out->ready = row_int(&row);
    out->delayed = row_int(&row);
    out->in_progress = row_int(&row);
    out->requires_action = row_int(&row);
    out->cancelling = row_int(&row);
    out->oldest_ready_ms = row_int(&row);
    out->workers_up = row_int(&row);
    out->slots = row_int(&row);
    return 0;
}
