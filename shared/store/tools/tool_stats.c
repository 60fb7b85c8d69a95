/* The hours of tools, as those of usage are folded and read (usage/usage.c). */

#include "shared/store/tools/tool_stats.h"

#include "shared/store/rows.h"

/* The hours are written in the order of their key, so that two schedulers are in no deadlock. */
/* clang-format off */
static const struct pg_statement fold = {
    .name = "tool_stats_fold",
    .sql =
        "WITH d AS ("
        "    DELETE FROM tool_deltas d"
        "    WHERE d.ctid = ANY (ARRAY("
        "        SELECT o.ctid"
        "        FROM tool_deltas o"
        "        LIMIT " SQL_STRING(TOOL_STATS_FOLD_ROWS)
        "        FOR UPDATE SKIP LOCKED))"
        "    RETURNING *),"
        " h AS ("
        "    INSERT INTO tool_hourly AS t ("
        "        tenant_id, tool, hour, bucket, calls, errors, took_ms, max_ms)"
        "    SELECT d.tenant_id, d.tool, d.hour, d.bucket, sum(d.calls), sum(d.errors),"
        "        sum(d.took_ms), max(d.max_ms)"
        "    FROM d"
        "    GROUP BY d.tenant_id, d.tool, d.hour, d.bucket"
        "    ORDER BY d.tenant_id, d.tool, d.hour, d.bucket"
        "    ON CONFLICT (tenant_id, tool, hour, bucket) DO UPDATE"
        "    SET calls = t.calls + excluded.calls,"
        "        errors = t.errors + excluded.errors,"
        "        took_ms = t.took_ms + excluded.took_ms,"
        "        max_ms = greatest(t.max_ms, excluded.max_ms)),"
        " old AS ("
        "    DELETE FROM tool_hourly t"
        "    WHERE t.hour < now() - " SQL_STRING(TOOL_STATS_KEEP_DAYS) " * interval '1 day')"
        " SELECT count(*)"
        " FROM d",
    .types = "",
};
/* clang-format on */

int tool_stats_fold(struct pg *pg, bool *out_more, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    int r = pg_exec(pg, &fold, NULL, &result, err);

    if (r == 0)
        *out_more = pg_get_int(result, 0, 0) >= TOOL_STATS_FOLD_ROWS;
    return r;
}

/* clang-format off */
#define HOURS(table) \
    "SELECT CASE WHEN $5::bool THEN date_trunc('day', t.hour, 'UTC') ELSE t.hour END AS begins," \
    "    t.bucket, t.calls, t.errors, t.took_ms, t.max_ms" \
    " FROM " table " t" \
    " WHERE t.tenant_id = $1" \
    "   AND t.tool = $2::text" \
    "   AND t.hour >= to_timestamp($3)" \
    "   AND t.hour < to_timestamp($4)"

static const struct pg_statement stats = {
    .name = "tool_stats",
    .sql =
        "SELECT " SQL_SECONDS("h.begins") ", h.bucket::int8, sum(h.calls)::int8,"
        "    sum(h.errors)::int8, sum(h.took_ms)::int8, max(h.max_ms)"
        " FROM (" HOURS("tool_hourly") " UNION ALL " HOURS("tool_deltas") ") h"
        " GROUP BY h.begins, h.bucket"
        " ORDER BY h.begins, h.bucket",
    .types = "utiib",
};
/* clang-format on */

/* clang-format off */
#define WITHIN(table) \
    "SELECT t.tool, t.bucket, t.calls, t.errors, t.took_ms, t.max_ms" \
    " FROM " table " t" \
    " WHERE t.tenant_id = $1" \
    "   AND t.hour >= to_timestamp($2)" \
    "   AND t.hour < to_timestamp($3)"

static const struct pg_statement list = {
    .name = "tool_stats_list",
    .sql =
        "WITH h AS (" WITHIN("tool_hourly") " UNION ALL " WITHIN("tool_deltas") ")"
        " SELECT h.tool, h.bucket::int8, sum(h.calls)::int8, sum(h.errors)::int8,"
        "    sum(h.took_ms)::int8, max(h.max_ms)"
        " FROM h"
        " WHERE h.tool IN ("
        "     SELECT n.tool FROM h n GROUP BY n.tool ORDER BY n.tool"
        "     LIMIT " SQL_STRING(TOOL_STATS_LISTED) ")"
        " GROUP BY h.tool, h.bucket"
        " ORDER BY h.tool, h.bucket",
    .types = "uii",
};
/* clang-format on */

static void read_times(struct row *row, struct tool_times_row *out)
{
    out->bucket = row_int(row);
    out->calls = row_int(row);
    out->errors = row_int(row);
    out->took_ms = row_int(row);
    out->max_ms = row_int(row);
}

struct named_part {
    struct text tool;
    struct tool_times_row row;
};

static int read_named(struct row *row, void *out, struct error *err)
{
    struct named_part *part = out;

    part->tool = row_text(row);
    read_times(row, &part->row);
    return row_check(row, err);
}

int tool_stats_list(const struct store *store, const struct tool_stats_query *query,
                    struct tool_stats_names *out, struct error *err)
{
    static const struct row_kind parts = {.size = sizeof(struct named_part), .read = read_named};
    struct pg_value values[] = {pg_uuid(store->tenant), pg_int(query->from), pg_int(query->until)};
    struct tool_stats_name *names;
    struct rows rows;
    size_t count = 0;
    int r = rows_page(store, &parts, &(struct pg_query){&list, values}, NULL, &rows, err);

    if (r < 0)
        return r;
    names = arena_calloc(store->arena, rows.count + 1, sizeof(*names));
    if (!names)
        return error_set(err, E_LIMIT, "too many tools");
    for (size_t i = 0; i < rows.count; i++) {
        const struct named_part *part = &((const struct named_part *)rows.items)[i];

        if (count == 0 || !text_equal(names[count - 1].tool, part->tool))
            names[count++].tool = part->tool;
        tool_times_add(&names[count - 1].times, &part->row);
    }
    *out = (struct tool_stats_names){names, count};
    return 0;
}

struct part {
    int64_t begins;
    struct tool_times_row row;
};

static int read_part(struct row *row, void *out, struct error *err)
{
    struct part *part = out;

    part->begins = row_int(row);
    read_times(row, &part->row);
    return row_check(row, err);
}

int tool_stats_read(const struct store *store, const struct tool_stats_query *query,
                    struct tool_stats_lines *out, struct error *err)
{
    static const struct row_kind parts = {.size = sizeof(struct part), .read = read_part};
    struct pg_value values[] = {pg_uuid(store->tenant), pg_text(query->tool), pg_int(query->from),
                                pg_int(query->until), pg_bool(query->by_day)};
    struct tool_stats_line *lines;
    struct rows rows;
    size_t count = 0;
    int r = rows_page(store, &parts, &(struct pg_query){&stats, values}, NULL, &rows, err);

    if (r < 0)
        return r;
    lines = arena_calloc(store->arena, rows.count + 1, sizeof(*lines));
    if (!lines)
        return error_set(err, E_LIMIT, "too many hours");
    for (size_t i = 0; i < rows.count; i++) {
        const struct part *part = &((const struct part *)rows.items)[i];

        if (count == 0 || lines[count - 1].begins != part->begins)
            lines[count++].begins = part->begins;
        tool_times_add(&lines[count - 1].times, &part->row);
    }
    *out = (struct tool_stats_lines){lines, count};
    return 0;
}
