#include "shared/store/users/memory_marks.h"

#include "shared/store/rows.h"

#define MARK        "m.thread_id = $2 AND m.user_id = $3 AND m.agent_id = $4"
#define MARK_TYPES  "uutu"
#define MARK_VALUES 4

/* clang-format off */
/* $5, the run that asks, NULL: nobody's. Who deletes its user waits until the mark is there, and
 * deletes it then. */
static const struct pg_statement mark_open = {
    .name = "memory_mark_open",
    .sql =
        "WITH asker AS MATERIALIZED ("
        "    SELECT"
        "    FROM runs"
        "    WHERE id = $5"
        "    FOR KEY SHARE),"
        " made AS ("
        "    INSERT INTO memory_marks (thread_id, user_id, agent_id, tenant_id)"
        "    SELECT t.id, $3, $4, $1"
        "    FROM threads t"
        "    WHERE t.id = $2"
        "      AND t.tenant_id = $1"
        "      AND ($5 IS NULL OR EXISTS (SELECT FROM asker))"
        "    ON CONFLICT DO NOTHING"
        "    RETURNING position, pending)"
        " SELECT position, pending"
        " FROM made"
        " UNION ALL"
        " SELECT m.position, m.pending"
        " FROM memory_marks m"
        " WHERE " MARK
        "   AND m.tenant_id = $1",
    .types = MARK_TYPES "u",
};

static const struct pg_statement mark_pend = {
    .name = "memory_mark_pend",
    .sql =
        "UPDATE memory_marks m"
        " SET pending = $6"
        " WHERE " MARK
        "   AND m.tenant_id = $1"
        "   AND m.position = $5"
        "   AND m.pending IS NULL"
        " RETURNING 1",
    .types = MARK_TYPES "iw",
};

static const struct pg_statement mark_settle = {
    .name = "memory_mark_settle",
    .sql =
        "UPDATE memory_marks m"
        " SET pending = NULL, position = $6"
        " WHERE " MARK
        "   AND m.tenant_id = $1"
        "   AND m.position = $5",
    .types = MARK_TYPES "ii",
};

/* A message belongs to the run that it came with, or that wrote it; one that was added without any,
 * to the run that came next. Ids of runs begin with the time. */
#define NEXT_RUN \
    "(SELECT r.id" \
    " FROM runs r" \
    " WHERE r.thread_id = o.thread_id" \
    "   AND r.id > penstock_uuid7_least(o.created_at - interval '1 minute')" \
    "   AND " SQL_CHECKED("r.created_at >= o.created_at AND r.kind = 'agent'") \
    " ORDER BY r.id" \
    " LIMIT 1)"

/* Whether anything may be learned of what belongs to run `r`. */
#define LEARNS(r) \
    "(json_typeof(" r ".spec -> 'memories') = 'object'" \
    " AND coalesce(" r ".spec #>> '{memories,learn}', 'true') <> 'false')"

static const struct pg_statement sayings = {
    .name = "thread_sayings",
    .sql =
        "WITH o AS MATERIALIZED ("
        "    SELECT o.thread_id, o.position, o.role, o.run_id, o.submitted_with, o.created_at,"
        "        o.hidden, o.content"
        "    FROM messages o"
        "    WHERE o.thread_id = $2"
        "      AND o.position > $5"
        "      AND " SQL_CHECKED("o.tenant_id = $1")
        "    ORDER BY o.position"
        "    LIMIT $6),"
        " k AS MATERIALIZED ("
        "    SELECT o.*, coalesce(o.run_id, o.submitted_with, " NEXT_RUN ") AS of_run"
        "    FROM o),"
        " w AS MATERIALIZED ("
        "    SELECT r.id, r.user_id, " LEARNS("r") " AS learns"
        "    FROM (SELECT DISTINCT of_run FROM k) d"
        "    JOIN runs r ON r.id = ANY (ARRAY[d.of_run]))"
        " SELECT k.position, k.role,"
        "     CASE WHEN k.hidden OR k.role = 'tool' OR w.learns IS NOT TRUE THEN NULL"
        "         WHEN CASE WHEN k.run_id IS NULL AND k.submitted_with IS NULL"
        "                 THEN coalesce(t.user_id, w.user_id) ELSE w.user_id END"
        "             IS DISTINCT FROM $3::text THEN NULL"
        "         ELSE left(penstock_text(k.content), $7::int4) END"
        " FROM k"
        " JOIN threads t ON t.id = $2"
        " LEFT JOIN w ON w.id = k.of_run"
        " WHERE $4::uuid IS NOT NULL"
        " ORDER BY k.position",
    .types = MARK_TYPES "iii",
};
/* clang-format on */

static void mark_values(const struct store *store, const struct memory_mark *mark,
                        struct pg_value *out)
{
    out[0] = pg_uuid(store->tenant);
    out[1] = pg_uuid(mark->thread);
    out[2] = pg_text(mark->user);
    out[3] = pg_uuid(mark->agent);
}

static int read_state(struct row *row, void *out, struct error *err)
{
    struct memory_mark_state state = {.position = row_int(row)};

    state.pending = row_text(row);
    *(struct memory_mark_state *)out = state;
    return row_check(row, err);
}

int memory_marks_open(const struct store *store, const struct memory_mark *mark, struct uuid run,
                      struct memory_mark_state *out, struct error *err)
{
    static const struct row_kind kind = {read_state, sizeof(struct memory_mark_state),
                                         THREAD_MISSING};
    struct pg_value values[MARK_VALUES + 1];
    const struct pg_query query = {&mark_open, values};

    mark_values(store, mark, values);
    values[MARK_VALUES] = value_uuid_or_null(run);
    return store_one(store, &kind, &query, out, err);
}

int memory_marks_pend(const struct store *store, const struct memory_mark *mark, int64_t position,
                      struct text pending, struct error *err)
{
    static const struct row_kind kind = {NULL, 0, MARK_MOVED};
    struct pg_value values[MARK_VALUES + 2];
    const struct pg_query query = {&mark_pend, values};

    mark_values(store, mark, values);
    values[MARK_VALUES] = pg_int(position);
    values[MARK_VALUES + 1] = pg_json_as_written(pending);
    return store_one(store, &kind, &query, NULL, err);
}

int memory_marks_settle(const struct store *store, const struct memory_mark *mark, int64_t position,
                        int64_t to, struct error *err)
{
    struct pg_value values[MARK_VALUES + 2];

    mark_values(store, mark, values);
    values[MARK_VALUES] = pg_int(position);
    values[MARK_VALUES + 1] = pg_int(to);
    return pg_exec(store->pg, &mark_settle, values, NULL, err);
}

int thread_sayings(const struct store *store, const struct memory_mark *mark, int64_t position,
                   int limit, int chars, struct thread_sayings *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct thread_sayings found = {.to = position};
    struct pg_value values[MARK_VALUES + 3];
    void *items;
    int rows;
    int r;

    mark_values(store, mark, values);
    values[MARK_VALUES] = pg_int(position);
    values[MARK_VALUES + 1] = pg_int(limit + 1);
    values[MARK_VALUES + 2] = pg_int(chars);
    r = pg_exec(store->pg, &sayings, values, &result, err);
    if (r < 0)
        return r;
    rows = pg_rows(result);
    found.has_more = rows > limit;
    rows = found.has_more ? limit : rows;
    r = rows_alloc(store->arena, (size_t)rows, sizeof(*found.items), &items, err);
    if (r < 0)
        return r;
    found.items = items;
    for (int i = 0; i < rows; i++) {
        struct row row = row_at(result, i, store->arena);
        struct thread_saying saying = {.position = row_int(&row)};
        bool of_user = text_is(row_word(&row), "user");

        saying.role = of_user ? MESSAGE_USER : MESSAGE_ASSISTANT;
        saying.text = row_text(&row);
        r = row_check(&row, err);
        if (r < 0)
            return r;
        found.to = saying.position;
        if (saying.text.len > 0)
            found.items[found.count++] = saying;
    }
    *out = found;
    return 0;
}
