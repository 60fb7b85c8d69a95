/* What is said of retention, and a look at what would go: the walks of sweeps.c without their
 * ends. */

#include "shared/store/retention/retention.h"

#include "shared/base/clock.h"
#include "shared/store/retention/due_rows.h"
#include "shared/store/retention/sweeps.h"

enum { LOOK_ROWS = 5000 };

struct uuid due_id(int64_t age_s)
{
    const uint8_t least[10] = {0};

    return uuid_v7(clock_wall_ms() - age_s * 1000, least);
}

static void due_values(const struct retention_tenant *tenant, const struct retention_cursor *cursor,
                       int64_t rows, struct pg_value values[DUE_VALUES])
{
    values[0] = pg_uuid(tenant->id);
    values[1] = pg_int(cursor->hour);
    values[2] = pg_uuid(cursor->id);
    values[3] = pg_int(rows);
}

void due_thread_values(const struct retention_tenant *tenant, const struct retention_cursor *cursor,
                       int64_t rows, struct pg_value values[DUE_VALUES])
{
    due_values(tenant, cursor, rows, values);
    values[4] = pg_int((clock_wall_ms() / 1000 - tenant->after_s) / 3600);
}

void due_run_values(const struct retention_tenant *tenant, const struct retention_cursor *cursor,
                    int64_t rows, struct pg_value values[DUE_VALUES])
{
    due_values(tenant, cursor, rows, values);
    values[4] = pg_uuid(due_id(tenant->delete_s));
}

/* clang-format off */
#define SHOWN(kind, columns, table) \
    "SELECT coalesce(jsonb_agg(jsonb_build_object(" \
    "        'id', '" kind "_' || replace(o.id::text, '-', ''), " columns ", 'retention'," \
    "        o.retention) ORDER BY o.id), '[]')" \
    " FROM (" \
    "    SELECT *" \
    "    FROM " table " n" \
    "    WHERE n.tenant_id = $1" \
    "      AND n.retention IS NOT NULL" \
    "    ORDER BY n.id" \
    "    LIMIT " SQL_STRING(RETENTION_SHOWN) ") o"

static const struct pg_statement get = {
    .name = "retention_get",
    .sql =
        "SELECT t.retention, (" SHOWN("asst", "'slug', o.slug", "agents") "), ("
        SHOWN("sched", "'name', o.name", "schedules") "), " SQL_SECONDS("s.done_to")
        " FROM tenants t"
        " CROSS JOIN retention_state s"
        " WHERE t.id = $1",
    .types = "u",
};

static const struct pg_statement put = {
    .name = "retention_put",
    .sql = "UPDATE tenants SET retention = $2::jsonb WHERE id = $1 RETURNING 1",
    .types = "uj",
};

#define LOOK_AT_THREADS(hidden) \
    "WITH " DUE_THREADS(hidden) "," \
    " g AS MATERIALIZED (" \
    "    SELECT d.goes" \
    "    FROM d" \
    "    JOIN threads t ON t.id = ANY (ARRAY[d.id])" \
    "    WHERE (d.goes OR d.stored)" \
    "      AND " IS_FREE_THREAD ")" \
    " SELECT (SELECT count(*) FROM g WHERE g.goes), (SELECT count(*) FROM g WHERE NOT g.goes)," \
    "    (SELECT count(*) FROM c) = $4 OR (SELECT count(*) FROM d) < (SELECT count(*) FROM c)," \
    "    d.used_hour, d.id" \
    " FROM d" \
    " ORDER BY d.used_hour DESC, d.id DESC" \
    " LIMIT 1"

static const struct pg_statement look_at_threads = {
    .name = "retention_look_threads",
    .sql = LOOK_AT_THREADS("NOT t.hidden"),
    .types = "uiuii",
};

static const struct pg_statement look_at_hidden = {
    .name = "retention_look_hidden",
    .sql = LOOK_AT_THREADS("t.hidden"),
    .types = "uiuii",
};

static const struct pg_statement look_at_runs = {
    .name = "retention_look_runs",
    .sql =
        "WITH " DUE_RUNS ","
        " g AS MATERIALIZED ("
        "    SELECT 1"
        "    FROM d"
        "    JOIN runs r ON r.id = ANY (ARRAY[d.id])"
        "    WHERE " IS_FREE_RUN
        "      AND (" IS_NOT_LAST_RUN " OR EXISTS ("
        "          SELECT 1 FROM threads t WHERE t.id = r.thread_id"
        "             AND t.last_used_at + d.delete_after <= now())))"
        " SELECT (SELECT count(*) FROM g), (SELECT count(*) FROM d) = $4, d.id"
        " FROM d"
        " ORDER BY d.id DESC"
        " LIMIT 1",
    .types = "uiuiu",
};

static const struct pg_statement look_at_batches = {
    .name = "retention_look_batches",
    .sql = "SELECT count(*) FROM (" DUE_BATCHES(SQL_STRING(RETENTION_COUNTED)) ") b",
    .types = "uu",
};
/* clang-format on */

static int policies_read(struct row *row, void *out, struct error *err)
{
    struct retention retention = {.policy = row_text(row)};

    retention.agents = row_text(row);
    retention.schedules = row_text(row);
    retention.done_to = row_int(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct retention *)out = retention;
    return 0;
}

int retention_get(const struct store *store, struct retention *out, struct error *err)
{
    static const struct row_kind rows = {policies_read, sizeof(struct retention), TENANT_MISSING};
    struct pg_value values[1] = {pg_uuid(store->tenant)};

    return store_one(store, &rows, &(struct pg_query){&get, values}, out, err);
}

int retention_put(const struct store *store, struct text policy, struct error *err)
{
    static const struct row_kind changed = {.missing = TENANT_MISSING};
    struct pg_value values[2] = {pg_uuid(store->tenant), pg_json(policy)};

    return store_one(store, &changed, &(struct pg_query){&put, values}, NULL, err);
}

/* ---- what would go ---- */

struct look {
    const struct store *store;
    const struct retention_tenant *tenant;
    int64_t deadline_ms;
    struct retention_preview *out;
};

/* false: there is no time for another page. */
static bool go_on(struct look *look)
{
    look->out->complete = look->out->complete && clock_ms() < look->deadline_ms;
    return look->out->complete;
}

SUSPENDS static int look_threads(struct look *look, bool hidden, struct error *err)
{
    int64_t *deleted = hidden ? &look->out->hidden_deleted : &look->out->threads_deleted;
    struct retention_cursor cursor = {.hour = 0};
    bool more = look->tenant->after_s >= 0;

    while (more && go_on(look)) {
        CLEANUP(pg_result_freep) struct pg_result *result = NULL;
        struct pg_value values[DUE_VALUES];
        int r;

        due_thread_values(look->tenant, &cursor, LOOK_ROWS, values);
        r = pg_exec(look->store->pg, hidden ? &look_at_hidden : &look_at_threads, values, &result,
                    err);
        if (r < 0)
            return r;
        if (pg_rows(result) == 0)
            break;
        *deleted += pg_get_int(result, 0, 0);
        look->out->threads_archived += pg_get_int(result, 0, 1);
        more = pg_get_bool(result, 0, 2);
        cursor = (struct retention_cursor){pg_get_int(result, 0, 3), pg_get_uuid(result, 0, 4)};
    }
    return 0;
}

SUSPENDS static int look_runs(struct look *look, struct error *err)
{
    struct retention_cursor cursor = {.hour = 0};
    bool more = look->tenant->delete_s >= 0;

    while (more && go_on(look)) {
        CLEANUP(pg_result_freep) struct pg_result *result = NULL;
        struct pg_value values[DUE_VALUES];
        int r;

        due_run_values(look->tenant, &cursor, LOOK_ROWS, values);
        r = pg_exec(look->store->pg, &look_at_runs, values, &result, err);
        if (r < 0)
            return r;
        if (pg_rows(result) == 0)
            break;
        look->out->runs_deleted += pg_get_int(result, 0, 0);
        more = pg_get_bool(result, 0, 1);
        cursor.id = pg_get_uuid(result, 0, 2);
    }
    return 0;
}

SUSPENDS static int look_batches(struct look *look, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    int64_t delete_s = look->tenant->own_delete_s;
    struct pg_value values[2] = {pg_uuid(look->tenant->id), pg_uuid(due_id(delete_s))};
    int r;

    if (delete_s < 0)
        return 0;
    r = pg_exec(look->store->pg, &look_at_batches, values, &result, err);
    if (r == 0)
        look->out->batches_deleted = pg_get_int(result, 0, 0);
    return r;
}

/* The tenant, found as those who sweep find it: as the next one behind the id before its own. */
SUSPENDS static int find_tenant(const struct store *store, struct retention_tenant *out,
                                struct error *err)
{
    struct uuid before = store->tenant;

    for (size_t i = sizeof(before.bytes); i-- > 0;)
        if (before.bytes[i]-- > 0)
            break;
    return retention_next_tenant(store->pg, before, out, err);
}

int retention_look(const struct store *store, int64_t deadline_ms, struct retention_preview *out,
                   struct error *err)
{
    struct retention_tenant tenant;
    struct look look = {store, &tenant, deadline_ms, out};
    int r = find_tenant(store, &tenant, err);

    if (r < 0)
        return r;
    *out = (struct retention_preview){.complete = true};
    if (uuid_equal(tenant.id, store->tenant)) {
        r = look_threads(&look, false, err);
        if (r == 0)
            r = look_threads(&look, true, err);
        if (r == 0)
            r = look_runs(&look, err);
        if (r == 0)
            r = look_batches(&look, err);
    }
    return r;
}
