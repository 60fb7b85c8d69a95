/* Taking in what steers a run. The run's row is locked first, so that a message which comes at the
 * same time is either among those that are taken, or sets `steered` again. */

#include "shared/store/leases/run_steers.h"

#include "shared/store/rows.h"
#include "shared/store/threads/message_rows.h"

/* clang-format off */
static const struct pg_statement lock = {
    .name = "run_steers_lock",
    .sql =
        "SELECT 1"
        " FROM runs r"
        " WHERE r.id = $1"
        "   AND (r.owner, r.fence, r.step) IS NOT DISTINCT FROM ($2, $3, $4)"
        "   AND r.status = 'in_progress'"
        " FOR NO KEY UPDATE",
    .types = "uiii",
};

/* The last columns of each row: whether there is more. */
static const struct pg_statement take = {
    .name = "run_steers_take",
    .sql =
        "WITH l AS MATERIALIZED ("
        "    SELECT r.id, r.thread_id"
        "    FROM runs r"
        "    WHERE r.id = $1"
        "      AND (r.owner, r.fence, r.step) IS NOT DISTINCT FROM ($2, $3, $4)"
        "      AND r.status = 'in_progress'),"
        " w AS MATERIALIZED ("
        "    SELECT i.id, sum(i.bytes) OVER v - i.bytes AS before, row_number() OVER v AS turn,"
        "        count(*) OVER () AS waiting"
        "    FROM l"
        "    JOIN thread_inputs i ON i.thread_id = l.thread_id"
        "      AND i.steers"
        "    WINDOW v AS (ORDER BY i.place ROWS UNBOUNDED PRECEDING)),"
        " c AS MATERIALIZED ("
        "    SELECT w.id, w.waiting"
        "    FROM w"
        "    WHERE w.turn <= " SQL_STRING(STEERS_MAX)
        "      AND w.before < " SQL_STRING(STEERS_BYTES_MAX) "),"
        " q AS ("
        "    DELETE FROM thread_inputs i"
        "    USING c"
        "    WHERE i.id = ANY (ARRAY[c.id])"
        "    RETURNING i.*, c.waiting),"
        " m AS ("
        "    INSERT INTO messages AS m ("
        "        id, tenant_id, thread_id, role, content, attachments, metadata, bytes,"
        "        token_count, created_at)"
        "    SELECT q.id, q.tenant_id, q.thread_id, q.role, q.content, q.attachments, q.metadata,"
        "        q.bytes, q.token_count, q.created_at"
        "    FROM q"
        "    ORDER BY q.place"
        "    RETURNING m.*),"
        " u AS ("
        "    UPDATE runs r"
        "    SET steered = EXISTS (SELECT 1 FROM c WHERE c.waiting > (SELECT count(*) FROM c))"
        "    FROM l"
        "    WHERE r.id = l.id)"
        " SELECT " HISTORY_COLUMNS ", (SELECT count(*) FROM c) < (SELECT max(c.waiting) FROM c)"
        " FROM m"
        " ORDER BY m.position DESC",
    .types = "uiii",
};
/* clang-format on */

int run_steers_take(struct pg *pg, struct run_lease *lease, struct arena *arena,
                    struct message_list *out, struct error *err)
{
    struct pg_value values[4] = {pg_uuid(lease->run), pg_int(lease->owner), pg_int(lease->fence),
                                 pg_int(lease->step)};
    const struct pg_query queries[2] = {{&lock, values}, {&take, values}};
    struct pg_result *results[2] = {NULL, NULL};
    struct message_list list = {.has_more = false};
    int r = pg_exec_all(pg, queries, 2, results, err);

    if (r < 0)
        return r;
    list.count = (size_t)pg_rows(results[1]);
    r = history_read(arena, results[1], 0, list.count, &list.items, err);
    if (r == 0) {
        lease->steered = list.count > 0 && pg_get_bool(results[1], 0, HISTORY_COLUMNS_COUNT);
        *out = list;
    }
    pg_result_free(results[0]);
    pg_result_free(results[1]);
    return r;
}
