/* Who has ready runs, and which
 *
 * The tenants of a shard and priority are found by a loose index scan: one probe of runs_ready per
 * tenant, however many runs it has. Then the oldest runs of each are read, in index order. What is
 * excluded is looked up in a hash (NOT IN over a subquery), which keeps that order. A tenant's
 * settings are looked up one by one (OFFSET 0), since a join would read all tenants there are.
 */

#include "shared/store/dispatch/dispatch.h"

#include <string.h>

#include "shared/store/rows.h"

/* clang-format off */
#define READY(priority) \
    "r.shard = $1::int8::int2" \
    " AND r.status = 'queued'" \
    " AND r.held IS NULL" \
    " AND r.priority = " priority

/* t: tenants by priority, from `after` on; u: those found, with their settings. */
#define TENANTS_WITH_WORK(after, running) \
    "WITH RECURSIVE t (priority, tenant_id, n) AS (" \
    "    SELECT p.priority, p.after, 0" \
    "    FROM unnest('{0,1,2}'::int2[], " after ") AS p (priority, after)" \
    "    UNION ALL" \
    "    SELECT t.priority, (" \
    "        SELECT r.tenant_id" \
    "        FROM runs r" \
    "        WHERE " READY("t.priority") \
    "          AND r.tenant_id > t.tenant_id" \
    "        ORDER BY r.tenant_id" \
    "        LIMIT 1), t.n + 1" \
    "    FROM t" \
    "    WHERE t.tenant_id IS NOT NULL" \
    "      AND t.n < " SQL_STRING(DISPATCH_TENANTS_MAX) ")," \
    " u AS MATERIALIZED (" \
    "    SELECT t.priority, t.tenant_id, t.n," \
    "        count(*) OVER (PARTITION BY t.priority) AS tenants," \
    "        e.weight, e.max_running" running \
    "    FROM t" \
    "    LEFT JOIN LATERAL (" \
    "        SELECT weight, max_running" \
    "        FROM tenants" \
    "        WHERE id = t.tenant_id" \
    "        OFFSET 0) e ON true" \
    "    WHERE t.n > 0" \
    "      AND t.tenant_id IS NOT NULL)"

#define RUNNING(more) \
    "CASE WHEN e.max_running IS NOT NULL THEN (" \
    "    SELECT count(*)" \
    "    FROM runs r" \
    "    WHERE r.tenant_id = t.tenant_id" \
    "      AND r.status IN ('in_progress', 'cancelling')" more ") END"

static const struct pg_statement offer = {
    .name = "dispatch_offer",
    .sql =
        TENANTS_WITH_WORK("$4",
            ", " RUNNING("") " AS running"
            ", " RUNNING(" AND r.shard = ANY ($5::int2[])") " AS running_here")
        " SELECT u.priority, u.tenant_id, coalesce(u.weight, 1), coalesce(u.max_running, 0),"
        "     coalesce(u.running, 0), coalesce(u.running_here, 0), x.id, x.fence"
        " FROM u"
        " LEFT JOIN LATERAL ("
        "    SELECT r.id, r.fence, r.due_at"
        "    FROM runs r"
        "    WHERE " READY("u.priority")
        "      AND r.tenant_id = u.tenant_id"
        "      AND r.due_at <= now()"
        "      AND r.id NOT IN (SELECT unnest($3::uuid[]))"
        "    ORDER BY r.due_at, r.id"
        "    LIMIT least($2, greatest(4, 2 * $2 / u.tenants))) x ON true"
        " ORDER BY u.priority, u.n, x.due_at, x.id",
    .types = "iiUUI",
};
/* clang-format on */

static void write_ints(struct buf *out, const int64_t *values, size_t count)
{
    pg_array_begin(out);
    for (size_t i = 0; i < count; i++)
        pg_array_add_int(out, values[i]);
}

/* As the statement says: how many runs of each tenant were asked for, where so many have work. */
static size_t each(int limit, size_t tenants)
{
    size_t share = 2 * (size_t)limit / (tenants ? tenants : 1);

    if (share < 4)
        share = 4;
    return share < (size_t)limit ? share : (size_t)limit;
}

/* Rows of one tenant and priority follow each other; one without a run has none. */
static int offer_read(const struct pg_result *result, int limit, struct arena *arena,
                      struct dispatch_offer *out, struct error *err)
{
    struct dispatch_offer read = {.tenants = NULL};
    size_t rows = (size_t)pg_rows(result);
    size_t found[DISPATCH_PRIORITIES] = {0};
    struct ready_run *runs;
    void *tenants, *room;
    int r = rows_alloc(arena, rows, sizeof(struct ready_tenant), &tenants, err);

    if (r == 0)
        r = rows_alloc(arena, rows, sizeof(struct ready_run), &room, err);
    if (r < 0)
        return r;
    read.tenants = tenants;
    runs = room;
    for (size_t i = 0; i < rows; i++) {
        struct row row = row_at(result, (int)i, arena);
        struct ready_tenant *last = read.tenants + read.tenant_count;
        struct ready_tenant tenant = {.priority = (int)row_int(&row)};

        tenant.id = row_uuid(&row);
        ASSERT(tenant.priority >= 0 && tenant.priority < DISPATCH_PRIORITIES);
        if (read.tenant_count == 0 || last[-1].priority != tenant.priority ||
            !uuid_equal(last[-1].id, tenant.id)) {
            tenant.weight = row_int(&row);
            tenant.max_running = row_int(&row);
            tenant.running = row_int(&row);
            tenant.running_here = row_int(&row);
            tenant.runs = runs + read.run_count;
            *last++ = tenant;
            read.tenant_count++;
            read.after[tenant.priority] = tenant.id;
            found[tenant.priority]++;
        }
        row.column = 6;
        runs[read.run_count].id = row_uuid(&row);
        runs[read.run_count].fence = row_int(&row);
        if (uuid_is_zero(runs[read.run_count].id))
            continue;
        last[-1].run_count++;
        read.run_count++;
    }
    for (size_t i = 0; i < read.tenant_count; i++)
        read.tenants[i].more =
            read.tenants[i].run_count >= each(limit, found[read.tenants[i].priority]);
    for (int i = 0; i < DISPATCH_PRIORITIES; i++)
        if (found[i] < DISPATCH_TENANTS_MAX)
            memset(&read.after[i], 0, sizeof(read.after[i]));
    *out = read;
    return 0;
}

int dispatch_offer(struct pg *pg, struct arena *arena, const struct dispatch_query *query,
                   struct dispatch_offer *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    CLEANUP(buf_deinit) struct buf exclude;
    CLEANUP(buf_deinit) struct buf after;
    CLEANUP(buf_deinit) struct buf owned;
    int r;

    ASSERT(query->limit >= 1 && query->limit <= DISPATCH_LIMIT_MAX);
    buf_init(&exclude, 0);
    buf_init(&after, 0);
    buf_init(&owned, 0);
    if (query->exclude_count > DISPATCH_EXCLUDE_MAX)
        return error_set(err, E_LIMIT, "more than %d runs to exclude", DISPATCH_EXCLUDE_MAX);
    pg_array_of_uuids(&exclude, query->exclude, query->exclude_count);
    pg_array_of_uuids(&after, query->after, DISPATCH_PRIORITIES);
    write_ints(&owned, query->owned_shards, query->owned_count);
    r = buf_check(&exclude, err);
    if (r < 0)
        return r;

    struct pg_value values[5] = {pg_int(query->shard), pg_int(query->limit),
                                 pg_array('U', &exclude), pg_array('U', &after),
                                 pg_array('I', &owned)};
    r = pg_exec(pg, &offer, values, &result, err);
    if (r < 0)
        return r;
    return offer_read(result, query->limit, arena, out, err);
}

/* clang-format off */
static const struct pg_statement poll = {
    .name = "dispatch_poll",
    .sql =
        TENANTS_WITH_WORK("array_fill('00000000-0000-0000-0000-000000000000'::uuid, '{3}')",
            ", " RUNNING("") " AS running")
        " SELECT x.id"
        " FROM u, LATERAL ("
        "    SELECT r.id, r.due_at,"
        "        row_number() OVER (ORDER BY r.due_at, r.id) AS place"
        "    FROM runs r"
        "    WHERE " READY("u.priority")
        "      AND r.tenant_id = u.tenant_id"
        "      AND r.due_at <= now()"
        "    ORDER BY r.due_at, r.id"
        "    LIMIT least($2, greatest(4, 2 * $2 / u.tenants))) x"
        " WHERE u.max_running IS NULL OR x.place <= u.max_running - u.running"
        " ORDER BY u.priority, x.place, x.due_at, x.id"
        " LIMIT $2",
    .types = "ii",
};
/* clang-format on */

int dispatch_poll(struct pg *pg, int shard, int limit, struct uuid *out_runs, size_t *out_count,
                  struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[2] = {pg_int(shard), pg_int(limit)};
    int r;

    ASSERT(limit >= 1 && limit <= DISPATCH_LIMIT_MAX);
    r = pg_exec(pg, &poll, values, &result, err);
    if (r < 0)
        return r;
    for (int i = 0; i < pg_rows(result); i++)
        out_runs[i] = pg_get_uuid(result, i, 0);
    *out_count = (size_t)pg_rows(result);
    return 0;
}

/* clang-format off */
static const struct pg_statement tenants_running = {
    .name = "dispatch_tenants_running",
    .sql =
        "SELECT tenant_id, count(*)"
        " FROM runs"
        " WHERE status IN ('in_progress', 'cancelling')"
        " GROUP BY tenant_id"
        " ORDER BY 2 DESC"
        " LIMIT " SQL_STRING(DISPATCH_SETTINGS_MAX),
    .types = "",
};

static const struct pg_statement tenants_special = {
    .name = "dispatch_tenants_special",
    .sql =
        "SELECT id, weight, coalesce(max_running, 0)"
        " FROM tenants"
        " WHERE weight <> 1 OR max_running IS NOT NULL"
        " ORDER BY id"
        " LIMIT " SQL_STRING(DISPATCH_SETTINGS_MAX),
    .types = "",
};
/* clang-format on */

static int tenants_read(struct pg_result *const results[2], struct arena *arena,
                        struct dispatch_tenants *out, struct error *err)
{
    struct dispatch_tenants read = {.running_count = (size_t)pg_rows(results[0]),
                                    .settings_count = (size_t)pg_rows(results[1])};
    void *room;
    int r = rows_alloc(arena, read.running_count, sizeof(*read.running), &room, err);

    if (r < 0)
        return r;
    read.running = room;
    for (size_t i = 0; i < read.running_count; i++)
        read.running[i] = (struct tenant_running){pg_get_uuid(results[0], (int)i, 0),
                                                  pg_get_int(results[0], (int)i, 1)};
    r = rows_alloc(arena, read.settings_count, sizeof(*read.settings), &room, err);
    if (r < 0)
        return r;
    read.settings = room;
    for (size_t i = 0; i < read.settings_count; i++)
        read.settings[i] = (struct tenant_setting){pg_get_uuid(results[1], (int)i, 0),
                                                   pg_get_int(results[1], (int)i, 1),
                                                   pg_get_int(results[1], (int)i, 2)};
    *out = read;
    return 0;
}

int dispatch_tenants(struct pg *pg, struct arena *arena, struct dispatch_tenants *out,
                     struct error *err)
{
    struct pg_result *results[2] = {NULL, NULL};
    struct pg_query queries[2] = {{&tenants_running, NULL}, {&tenants_special, NULL}};
    int r = pg_exec_all(pg, queries, 2, results, err);

    if (r < 0)
        return r;
    r = tenants_read(results, arena, out, err);
    pg_result_free(results[0]);
    pg_result_free(results[1]);
    return r;
}
