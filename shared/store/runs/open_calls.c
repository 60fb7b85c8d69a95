/* Settling open calls: see open_calls.h
 *
 * The sweep is one statement. It locks the runs first and then updates the calls that its snapshot
 * shows as due. A run that was settled, cancelled or claimed in between is looked at again when it
 * is locked (Postgres evaluates the conditions on its newest version), and so is each call.
 */

#include "shared/store/runs/open_calls.h"

#include "shared/store/rows.h"

/* clang-format off */
static const struct pg_statement calls_due = {
    .name = "open_calls_due",
    .sql =
        "WITH l AS MATERIALIZED ("
        "    SELECT r.id"
        "    FROM runs r"
        "    WHERE r.wakes_at <= now()"
        "      AND " SQL_CHECKED("r.status IN ('queued', 'requires_action') AND r.open_calls > 0")
        "    ORDER BY r.wakes_at"
        "    LIMIT " SQL_STRING(OPEN_CALLS_BATCH)
        "    FOR NO KEY UPDATE OF r SKIP LOCKED),"
        " given AS MATERIALIZED ("
        "    SELECT c.run_id, c.call_no, 'done' AS state, " SQL_WAIT_LAPSED("c.kind") " AS result,"
        "        c.kind <> 'time' AS is_error,"
        "        CASE c.kind WHEN 'approval' THEN jsonb_build_object("
        "            'decision', 'expired', 'at', " SQL_SECONDS("now()") ") END AS approval,"
        "        NULL::text AS arguments"
        "    FROM l"
        "    JOIN tool_calls c ON c.run_id = ANY (ARRAY[l.id])"
        "      AND " SQL_CHECKED("c.state = 'open' AND c.due_at <= now()") "),"
        " " SQL_SETTLE
        " SELECT (SELECT count(*) FROM settled), (SELECT count(*) FROM l)",
    .types = "",
};
/* clang-format on */

int open_calls_sweep(struct pg *pg, int64_t *out_settled, bool *out_more, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    int r = pg_exec(pg, &calls_due, NULL, &result, err);

    if (r < 0)
        return r;
    *out_settled = pg_get_int(result, 0, 0);
    *out_more = pg_get_int(result, 0, 1) == OPEN_CALLS_BATCH;
    return 0;
}
