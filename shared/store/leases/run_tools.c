#include "shared/store/leases/run_tools.h"

#include "shared/store/rows.h"

/* clang-format off */
static const struct pg_statement read_offered = {
    .name = "run_tools_read",
    .sql = "SELECT offered_tools FROM runs WHERE id = $1 AND tenant_id = $2",
    .types = "uu",
};

static const struct pg_statement keep_offered = {
    .name = "run_tools_keep",
    .sql =
        "UPDATE runs"
        " SET offered_tools = coalesce(offered_tools, $4::text),"
        "     mcp_problems = CASE WHEN offered_tools IS NULL THEN $5::jsonb ELSE mcp_problems END"
        " WHERE id = $1"
        "   AND owner = $2"
        "   AND fence = $3"
        "   AND status IN ('in_progress', 'cancelling')"
        " RETURNING offered_tools",
    .types = "uiitj",
};
/* clang-format on */

static int read_text(struct row *row, void *out, struct error *err)
{
    *(struct text *)out = row_text(row);
    return row_check(row, err);
}

int run_tools_read(const struct store *store, struct uuid run, struct text *out, struct error *err)
{
    static const struct row_kind kind = {read_text, sizeof(struct text), RUN_MISSING};
    struct pg_value values[2] = {pg_uuid(run), pg_uuid(store->tenant)};
    const struct pg_query query = {&read_offered, values};

    return store_one(store, &kind, &query, out, err);
}

int run_tools_keep(const struct store *store, const struct run_lease *lease,
                   const struct run_tools *tools, struct text *out, struct error *err)
{
    static const struct row_kind kind = {read_text, sizeof(struct text), LEASE_FENCED};
    struct pg_value values[5] = {pg_uuid(lease->run), pg_int(lease->owner), pg_int(lease->fence),
                                 pg_text(tools->offered), pg_json(tools->problems)};
    const struct pg_query query = {&keep_offered, values};

    return store_one(store, &kind, &query, out, err);
}
