/* Reports of usage
 *
 * Hours that are folded and what is not yet are read alike, and what they are not to be taken apart
 * by is left out before they are summed: so a report is as many rows as it has lines, whatever the
 * tenant has in its hours. */

#include "shared/store/usage/usage_report.h"

#include "shared/store/rows.h"
#include "shared/store/usage/usage_rows.h"

#define NO_AGENT "'00000000-0000-0000-0000-000000000000'::uuid"

/* $1 tenant, $2 and $3 from when until when, $4 by the day, $5 to $8 by what, $9 agent, $10 user,
 * $11 provider, $12 model, $13 limit. */
/* clang-format off */
#define HOURS(table) \
    "SELECT" \
    "    CASE WHEN $4::bool THEN date_trunc('day', u.hour, 'UTC') ELSE u.hour END AS begins," \
    "    CASE WHEN $5::bool THEN u.agent_id ELSE " NO_AGENT " END AS agent_id," \
    "    CASE WHEN $6::bool THEN u.user_id ELSE '' END AS user_id," \
    "    CASE WHEN $7::bool THEN u.provider ELSE '' END AS provider," \
    "    CASE WHEN $8::bool THEN u.model ELSE '' END AS model," \
    "    u.calls, " USAGE_COLUMNS("u") \
    " FROM " table " u" \
    " WHERE u.tenant_id = $1" \
    "   AND u.hour >= to_timestamp($2)" \
    "   AND u.hour < to_timestamp($3)" \
    "   AND " SQL_CHECKED("$9::uuid IS NULL OR u.agent_id = $9") \
    "   AND " SQL_CHECKED("$10::text IS NULL OR u.user_id = $10") \
    "   AND " SQL_CHECKED("$11::text IS NULL OR u.provider = $11") \
    "   AND " SQL_CHECKED("$12::text IS NULL OR u.model = $12")

static const struct pg_statement report = {
    .name = "usage_report",
    .sql =
        "SELECT " SQL_SECONDS("h.begins") ", h.agent_id, h.user_id, h.provider, h.model,"
        "    sum(h.calls)::int8, sum(h.prompt_tokens)::int8, sum(h.completion_tokens)::int8,"
        "    sum(h.cached_tokens)::int8, sum(h.cache_write_tokens)::int8,"
        "    sum(h.reasoning_tokens)::int8, sum(h.cost_micros)::int8"
        " FROM (" HOURS("usage_hourly") " UNION ALL " HOURS("usage_deltas") ") h"
        " GROUP BY h.begins, h.agent_id, h.user_id, h.provider, h.model"
        " ORDER BY h.begins, sum(h.cost_micros) DESC, sum(h.calls) DESC, h.agent_id, h.user_id,"
        "    h.provider, h.model"
        " LIMIT $13",
    .types = "uiibbbbbuttti",
};
/* clang-format on */

static int read_line(struct row *row, void *out, struct error *err)
{
    struct usage_line *line = out;

    line->begins = row_int(row);
    line->agent = row_uuid(row);
    line->user = row_text(row);
    line->provider = row_text(row);
    line->model = row_text(row);
    line->calls = row_int(row);
    line->used = usage_read(row);
    return row_check(row, err);
}

static const struct row_kind lines = {
    .size = sizeof(struct usage_line),
    .read = read_line,
};

int usage_report(const struct store *store, const struct usage_query *query,
                 struct usage_lines *out, struct error *err)
{
    struct pg_value values[] = {
        pg_uuid(store->tenant),
        pg_int(query->from),
        pg_int(query->until),
        pg_bool(query->by_day),
        pg_bool(query->parts & USAGE_BY_AGENT),
        pg_bool(query->parts & USAGE_BY_USER),
        pg_bool(query->parts & USAGE_BY_PROVIDER),
        pg_bool(query->parts & USAGE_BY_MODEL),
        query->of_agent ? pg_uuid(query->agent) : pg_null(),
        pg_text(query->user),
        pg_text(query->provider),
        pg_text(query->model),
        pg_int(USAGE_LINES_MAX + 1),
    };
    struct rows rows;
    int r = rows_page(store, &lines, &(struct pg_query){&report, values}, NULL, &rows, err);

    if (r < 0)
        return r;
    *out = (struct usage_lines){rows.items, rows.count, rows.count > USAGE_LINES_MAX};
    if (out->has_more)
        out->count = USAGE_LINES_MAX;
    return 0;
}
