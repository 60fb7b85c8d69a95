#include "shared/store/leases/agent_states.h"

#include "shared/store/rows.h"

/* clang-format off */
static const struct pg_statement state_read = {
    .name = "agent_state_read",
    .sql = "SELECT agent_state, agent_state_version FROM threads WHERE id = $1 AND tenant_id = $2",
    .types = "uu",
};

static const struct pg_statement state_change = {
    .name = "agent_state_change",
    .sql =
        "UPDATE threads t"
        " SET agent_state = coalesce(t.agent_state, '{}') || $6::jsonb,"
        "     agent_state_version = t.agent_state_version + 1"
        " FROM runs r"
        " WHERE r.id = $1"
        "   AND r.tenant_id = $2"
        "   AND r.owner = $3"
        "   AND r.fence = $4"
        "   AND r.status IN ('in_progress', 'cancelling')"
        "   AND t.id = r.thread_id"
        "   AND t.tenant_id = $2"
        "   AND t.agent_state_version = $5"
        " RETURNING t.agent_state, t.agent_state_version",
    .types = "uuiiij",
};
/* clang-format on */

static int read_state(struct row *row, void *out, struct error *err)
{
    struct agent_state *state = out;

    state->json = row_text(row);
    state->version = row_int(row);
    return row_check(row, err);
}

int agent_state_read(const struct store *store, struct uuid thread, struct agent_state *out,
                     struct error *err)
{
    static const struct row_kind kind = {read_state, sizeof(*out), THREAD_MISSING};
    struct pg_value values[2] = {pg_uuid(thread), pg_uuid(store->tenant)};

    return store_one(store, &kind, &(struct pg_query){&state_read, values}, out, err);
}

int agent_state_change(const struct store *store, const struct run_lease *lease, int64_t version,
                       struct text changes, struct error *err)
{
    static const struct row_kind kind = {read_state, sizeof(struct agent_state), STATE_CHANGED};
    struct pg_value values[6] = {pg_uuid(lease->run),  pg_uuid(store->tenant), pg_int(lease->owner),
                                 pg_int(lease->fence), pg_int(version),        pg_json(changes)};
    struct agent_state now;

    return store_one(store, &kind, &(struct pg_query){&state_change, values}, &now, err);
}
