/* Tips of threads. */

#include "shared/store/threads/tips.h"

#include "shared/store/rows.h"

/* The last message of run $3: that it wrote, or brought, or, of one that did neither, that was
 * there when it was made. */
/* clang-format off */
#define LAST_OF_RUN \
    "coalesce((" \
    "        SELECT m.position" \
    "        FROM messages m" \
    "        WHERE m.run_id = $3" \
    "        ORDER BY m.seq DESC" \
    "        LIMIT 1), (" \
    "        SELECT m.position" \
    "        FROM messages m" \
    "        WHERE m.thread_id = $1" \
    "          AND " SQL_CHECKED("m.submitted_with = $3") \
    "        ORDER BY m.position DESC" \
    "        LIMIT 1), (" \
    "        SELECT m.position" \
    "        FROM messages m" \
    "        WHERE m.thread_id = $1" \
    "          AND " SQL_CHECKED("m.created_at <= r.created_at") \
    "        ORDER BY m.position DESC" \
    "        LIMIT 1), 0)"

/* e: the tip. a: the last answer before it. c: calls behind that. */
static const struct pg_statement thread_tip = {
    .name = "thread_tip",
    .sql =
        "WITH n AS MATERIALIZED ("
        "    SELECT t.id, t.active_run, coalesce(("
        "        SELECT m.position"
        "        FROM messages m"
        "        WHERE m.thread_id = t.id"
        "        ORDER BY m.position DESC"
        "        LIMIT 1), 0) AS newest"
        "    FROM threads t"
        "    WHERE t.id = $1"
        "      AND t.tenant_id = $2),"
        " e AS MATERIALIZED ("
        "    SELECT n.*, CASE WHEN $3::uuid IS NULL THEN n.newest ELSE ("
        "        SELECT " LAST_OF_RUN
        "        FROM runs r"
        "        WHERE r.id = $3"
        "          AND " SQL_CHECKED("r.tenant_id = $2 AND r.thread_id = $1") ") END AS last"
        "    FROM n),"
        " a AS MATERIALIZED ("
        "    SELECT coalesce(("
        "        SELECT m.position"
        "        FROM messages m"
        "        WHERE m.thread_id = e.id"
        "          AND m.position <= e.last"
        "          AND " SQL_CHECKED(
                  "m.role = 'assistant' AND NOT m.hidden AND m.tool_calls IS NULL")
        "        ORDER BY m.position DESC"
        "        LIMIT 1), 0) AS answer"
        "    FROM e),"
        " c AS MATERIALIZED ("
        "    SELECT m.position, x.place, x.call ->> 'id' AS id"
        "    FROM e"
        "    CROSS JOIN a"
        "    JOIN messages m ON m.thread_id = e.id"
        "      AND m.position > a.answer"
        "      AND m.position <= e.last"
        "    LEFT JOIN runs r ON r.id = ANY (ARRAY[m.run_id])"
        "    CROSS JOIN LATERAL jsonb_array_elements(m.tool_calls)"
        "        WITH ORDINALITY AS x (call, place)"
        "    WHERE " SQL_CHECKED("m.tool_calls IS NOT NULL")
        "      AND " SQL_CHECKED("m.run_id IS NULL OR r.status = 'completed'")
        "      AND " SQL_CHECKED("$3::uuid IS NULL OR m.run_id = $3 OR m.submitted_with = $3")
        "      AND NOT EXISTS ("
        "          SELECT 1"
        "          FROM messages o"
        "          WHERE o.thread_id = e.id"
        "            AND o.position > m.position"
        "            AND o.position <= e.last"
        "            AND " SQL_CHECKED("o.tool_call_id = x.call ->> 'id'") "))"
        " SELECT e.last, e.last = e.newest, e.active_run, c.id"
        " FROM e"
        " LEFT JOIN c ON true"
        " ORDER BY c.position, c.place",
    .types = "uuu",
};
/* clang-format on */

static int read_calls(const struct store *store, const struct pg_result *result,
                      struct thread_tip *tip, struct error *err)
{
    int rows = pg_rows(result);
    struct text *calls;

    if (pg_is_null(result, 0, 3))
        return 0;
    calls = arena_calloc(store->arena, (size_t)rows, sizeof(*calls));
    for (int row = 0; calls && row < rows; row++) {
        struct text id = pg_get_text(result, row, 3);

        calls[row] = (struct text){arena_copy(store->arena, id), id.len};
        if (!calls[row].ptr)
            calls = NULL;
    }
    if (!calls)
        return error_set(err, E_LIMIT, "no room for the calls that nobody has answered");
    tip->calls = calls;
    tip->call_count = (size_t)rows;
    return 0;
}

int threads_tip(const struct store *store, struct uuid thread, struct uuid run,
                struct thread_tip *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[3] = {pg_uuid(thread), pg_uuid(store->tenant), value_uuid_or_null(run)};
    struct thread_tip tip = {.position = 0};
    int r = pg_exec(store->pg, &thread_tip, values, &result, err);

    if (r < 0)
        return r;
    if (pg_rows(result) == 0)
        return THREAD_MISSING;
    if (pg_is_null(result, 0, 0))
        return RUN_MISSING;
    tip.position = pg_get_int(result, 0, 0);
    tip.is_newest = pg_get_bool(result, 0, 1);
    if (!pg_is_null(result, 0, 2))
        tip.active_run = pg_get_uuid(result, 0, 2);
    r = read_calls(store, result, &tip, err);
    if (r == 0)
        *out = tip;
    return r;
}
