/* By the index of a tenant's agents: those without a slug are passed over, so a page of a tenant
 * that has a hundred thousand of these takes as long as it takes to pass over them. */

#include "shared/store/agents/offered.h"

#include "shared/store/rows.h"

static int offered_read(struct row *row, void *out, struct error *err)
{
    struct offered_agent agent;

    agent.id = row_uuid(row);
    agent.slug = row_text(row);
    agent.name = row_text(row);
    agent.description = row_text(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct offered_agent *)out = agent;
    return 0;
}

static const struct row_kind offered_rows = {offered_read, sizeof(struct offered_agent),
                                             AGENT_MISSING};

/* clang-format off */
static const struct pg_statement agent_offered = {
    .name = "agent_offered",
    .sql =
        "SELECT id, slug, name,"
        "     left(spec ->> 'description', " SQL_STRING(OFFERED_DESCRIPTION_MAX) ")"
        " FROM agents"
        " WHERE tenant_id = $1"
        "   AND deleted_at IS NULL"
        "   AND id > $2"
        "   AND " SQL_CHECKED("slug IS NOT NULL")
        "   AND " SQL_CHECKED("spec ->> 'is_active' IS DISTINCT FROM 'false'")
        " ORDER BY id"
        " LIMIT $3",
    .types = "uui",
};
/* clang-format on */

int agents_offered(const struct store *store, struct uuid after, struct offered_agents *out,
                   struct error *err)
{
    struct pg_value values[3] = {pg_uuid(store->tenant), pg_uuid(after),
                                 pg_int(OFFERED_PAGE_MAX + 1)};
    struct rows rows;
    int r = rows_page(store, &offered_rows, &(struct pg_query){&agent_offered, values}, NULL, &rows,
                      err);

    if (r < 0)
        return r;
    *out = (struct offered_agents){.items = rows.items, .count = rows.count};
    out->has_more = rows.count > OFFERED_PAGE_MAX;
    if (out->has_more)
        out->count = OFFERED_PAGE_MAX;
    return 0;
}
