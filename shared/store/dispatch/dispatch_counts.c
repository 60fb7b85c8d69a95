/* How many runs there are of each kind
 *
 * What is in work is counted through the index of owners, the backlog through that of ready runs
 * alone, without a look at the rows where the visibility map allows it.
 */

#include "shared/store/dispatch/dispatch.h"
#include "shared/store/rows.h"

/* clang-format off */
static const struct pg_statement counts = {
    .name = "dispatch_counts",
    .sql =
        "WITH o AS ("
        "    SELECT count(*) FILTER (WHERE status = 'in_progress') AS in_progress,"
        "        count(*) FILTER (WHERE status = 'cancelling') AS cancelling"
        "    FROM runs"
        "    WHERE status IN ('in_progress', 'cancelling')),"
        " a AS ("
        "    SELECT count(*) AS waiting"
        "    FROM runs"
        "    WHERE status = 'requires_action'"
        "      AND status IN ('queued', 'in_progress', 'requires_action', 'cancelling')),"
        " w AS ("
        "    SELECT count(*) AS up, coalesce(sum(slots), 0)::int8 AS slots"
        "    FROM workers"
        "    WHERE state = 'up'"
        "      AND lease_until > now()),"
        " x AS ("
        "    SELECT coalesce(max(floor(date_part('epoch', now() - xact_start) * 1000)), 0)"
        "        ::int8 AS oldest"
        "    FROM pg_stat_activity"
        "    WHERE datname = current_database()"
        "      AND pid <> pg_backend_pid())"
        " SELECT o.in_progress, a.waiting, o.cancelling, w.up, w.slots, x.oldest"
        " FROM o, a, w, x",
    .types = "",
};
/* clang-format on */

int dispatch_count(struct pg *pg, struct dispatch_counts *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct row row;
    int r;

    r = pg_exec(pg, &counts, NULL, &result, err);
    if (r < 0)
        return r;
    row = row_at(result, 0, NULL);
    out->in_progress = row_int(&row);
    out->requires_action = row_int(&row);
    out->cancelling = row_int(&row);
    out->workers_up = row_int(&row);
    out->slots = row_int(&row);
    out->oldest_transaction_ms = row_int(&row);
    return 0;
}

/* clang-format off */
static const struct pg_statement waiting_lanes = {
    .name = "dispatch_waiting_lanes",
    .sql =
        "SELECT shard, priority,"
        "     count(*) FILTER (WHERE due_at <= now()),"
        "     count(*) FILTER (WHERE due_at > now()),"
        "     greatest(0, floor(date_part('epoch', now() - min(due_at)) * 1000)::int8)"
        " FROM runs"
        " WHERE status = 'queued'"
        "   AND held IS NULL"
        " GROUP BY shard, priority"
        " ORDER BY shard, priority",
    .types = "",
};

static const struct pg_statement waiting_kinds = {
    .name = "dispatch_waiting_kinds",
    .sql =
        "SELECT count(*) FILTER (WHERE wait_kind = 'backoff'),"
        "     count(*) FILTER (WHERE wait_kind = 'rate_limit'),"
        "     count(*) FILTER (WHERE wait_kind = 'calls'),"
        "     count(*) FILTER (WHERE wait_kind = 'budget'),"
        "     (SELECT count(*) FROM runs WHERE status = 'queued' AND held IS NOT NULL)"
        " FROM runs"
        " WHERE status = 'queued'"
        "   AND wait_kind IS NOT NULL"
        "   AND due_at > now()",
    .types = "",
};
/* clang-format on */

static int waiting_read(struct pg_result *const results[2], struct arena *arena,
                        struct dispatch_waiting *out, struct error *err)
{
    struct dispatch_waiting read = {
        .lane_count = (size_t)pg_rows(results[0]),
        .backoff = pg_get_int(results[1], 0, 0),
        .rate_limit = pg_get_int(results[1], 0, 1),
        .calls = pg_get_int(results[1], 0, 2),
        .budget = pg_get_int(results[1], 0, 3),
        .held = pg_get_int(results[1], 0, 4),
    };
    void *room;
    int r = rows_alloc(arena, read.lane_count, sizeof(*read.lanes), &room, err);

    if (r < 0)
        return r;
    read.lanes = room;
    for (size_t i = 0; i < read.lane_count; i++) {
        struct dispatch_lane_counts *lane = &read.lanes[i];
        struct row row = row_at(results[0], (int)i, arena);

        lane->shard = (int)row_int(&row);
        lane->priority = (int)row_int(&row);
        lane->ready = row_int(&row);
        read.delayed += row_int(&row);
        lane->oldest_ready_ms = row_int(&row);
        read.ready += lane->ready;
        if (read.oldest_ready_ms < lane->oldest_ready_ms)
            read.oldest_ready_ms = lane->oldest_ready_ms;
    }
    *out = read;
    return 0;
}

int dispatch_count_waiting(struct pg *pg, struct arena *arena, struct dispatch_waiting *out,
                           struct error *err)
{
    struct pg_result *results[2] = {NULL, NULL};
    struct pg_query queries[2] = {{&waiting_lanes, NULL}, {&waiting_kinds, NULL}};
    int r = pg_exec_all(pg, queries, 2, results, err);

    if (r < 0)
        return r;
    r = waiting_read(results, arena, out, err);
    pg_result_free(results[0]);
    pg_result_free(results[1]);
    return r;
}
