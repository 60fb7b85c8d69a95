#include "shared/store/runs/memory_runs.h"

#include "shared/store/budgets/run_budgets.h"
#include "shared/store/rows.h"
#include "shared/store/runs/run_ends.h"
#include "shared/store/runs/run_rows.h"

/* clang-format off */
static const struct pg_statement make = {
    .name = "memory_run_make",
    .sql =
        "WITH t AS MATERIALIZED ("
        "    SELECT t.id"
        "    FROM threads t"
        "    WHERE t.id = $3"
        "      AND " SQL_CHECKED("t.tenant_id = $2") "),"
        " made AS ("
        "    INSERT INTO runs ("
        "        id, tenant_id, kind, thread_id, agent_id, agent_version, shard, priority, spec,"
        "        spec_bytes, due_at, expires_at, user_id, budgets, about)"
        "    SELECT $1, $2, 'memory', t.id, $4, $5, $6, 2, $7,"
        "        octet_length($7::text), now() + $8 * interval '1 ms',"
        "        now() + $8 * interval '1 ms' + " SQL_STRING(MEMORY_RUN_TTL_S) " * interval '1 s',"
        "        $9::text, " SQL_RUN_BUDGETS("$2", "$4::uuid", "$9::text", "$3") ", $10"
        "    FROM t"
        "    ON CONFLICT (tenant_id, about) WHERE " SQL_ABOUT_WAITS " DO NOTHING"
        "    RETURNING id)"
        " SELECT (SELECT id FROM made)"
        " FROM t",
    .types = "uuuuiiwitt",
};

static const struct pg_statement waiting = {
    .name = "memory_run_waiting",
    .sql =
        "SELECT id"
        " FROM runs"
        " WHERE tenant_id = $1"
        "   AND about = $2"
        "   AND " SQL_ABOUT_WAITS,
    .types = "ut",
};

static const struct pg_statement sweep = {
    .name = "memory_run_sweep",
    .sql =
        "DELETE FROM runs o"
        " USING runs r"
        " WHERE r.id = $1"
        "   AND o.tenant_id = r.tenant_id"
        "   AND o.about = r.about"
        "   AND " SQL_CHECKED("o.id <> r.id")
        "   AND " SQL_CHECKED(SQL_IS_END("o.status")),
    .types = "u",
};
/* clang-format on */

_Static_assert(RUN_PRIORITY_LOW == 2, "as the statement has it");

static int try_to_make(const struct store *store, const struct memory_run_of *of,
                       const struct memory_run *draft, struct uuid *out_id, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[10] = {
        pg_uuid(draft->id),
        pg_uuid(store->tenant),
        pg_uuid(of->thread),
        value_uuid_or_null(of->agent),
        pg_int(of->agent_version),
        pg_int(of->shard),
        pg_json_as_written(draft->spec),
        pg_int(draft->delay_ms),
        pg_text(of->user),
        pg_text(draft->about),
    };
    int r = pg_exec(store->pg, &make, values, &result, err);

    if (r < 0)
        return r;
    if (pg_rows(result) == 0)
        return THREAD_MISSING;
    *out_id = pg_is_null(result, 0, 0) ? (struct uuid){{0}} : pg_get_uuid(result, 0, 0);
    return 0;
}

static int find_waiting(const struct store *store, struct text about, struct uuid *out_id,
                        struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[2] = {pg_uuid(store->tenant), pg_text(about)};
    int r = pg_exec(store->pg, &waiting, values, &result, err);

    if (r == 0)
        *out_id = pg_rows(result) == 0 ? (struct uuid){{0}} : pg_get_uuid(result, 0, 0);
    return r;
}

/* One that waits may begin between the two looks: then there is none, and another one is made. */
int memory_runs_make(const struct store *store, const struct memory_run_of *of,
                     const struct memory_run *draft, struct run *out, bool *out_made,
                     struct error *err)
{
    for (int tries = 0; tries < 10; tries++) {
        struct uuid id = {{0}};
        int r = try_to_make(store, of, draft, &id, err);

        *out_made = r == 0 && !uuid_is_zero(id);
        if (r == 0 && !*out_made)
            r = find_waiting(store, draft->about, &id, err);
        if (r != 0)
            return r;
        if (!uuid_is_zero(id)) {
            r = runs_get(store, of->thread, id, out, err);
            if (r != RUN_MISSING)
                return r;
        }
    }
    return error_set(err, E_INTERNAL, "memory runs about the same begin again and again");
}

int memory_runs_sweep(struct pg *pg, struct uuid run, struct error *err)
{
    struct pg_value values[1] = {pg_uuid(run)};

    return pg_exec(pg, &sweep, values, NULL, err);
}
