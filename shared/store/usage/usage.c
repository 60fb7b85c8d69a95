/* Usage, and its hours. */

#include "shared/store/usage/usage_rows.h"

void usage_add(struct usage *usage, const struct usage *more)
{
    usage->prompt_tokens += more->prompt_tokens;
    usage->completion_tokens += more->completion_tokens;
    usage->cached_tokens += more->cached_tokens;
    usage->cache_write_tokens += more->cache_write_tokens;
    usage->reasoning_tokens += more->reasoning_tokens;
    usage->cost_micros += more->cost_micros;
}

struct usage usage_read(struct row *row)
{
    struct usage usage = {.prompt_tokens = row_int(row)};

    usage.completion_tokens = row_int(row);
    usage.cached_tokens = row_int(row);
    usage.cache_write_tokens = row_int(row);
    usage.reasoning_tokens = row_int(row);
    usage.cost_micros = row_int(row);
    return usage;
}

/* clang-format off */
static const struct pg_statement append = {
    .name = "usage_append",
    .sql =
        "WITH b AS ("
        "    INSERT INTO budget_deltas (budget_id, tokens, cost_micros)"
        "    SELECT x.id, $6 + $7, $11"
        "    FROM unnest($12::uuid[]) AS x (id))"
        " INSERT INTO usage_deltas ("
        "    tenant_id, agent_id, user_id, provider, model, calls, prompt_tokens,"
        "    completion_tokens, cached_tokens, cache_write_tokens, reasoning_tokens, cost_micros)"
        " VALUES ($1, '00000000-0000-0000-0000-000000000000', $2::text, $3::text, $4::text, $5, $6,"
        "    $7, $8, $9, $10, $11)",
    .types = "utttiiiiiiiU",
};
/* clang-format on */

int usage_append(struct pg *pg, const struct usage_owner *owner, const struct model_usage *usage,
                 struct error *err)
{
    const struct usage *used = &usage->used;
    CLEANUP(buf_deinit) struct buf budgets;
    struct pg_value values[] = {
        pg_uuid(owner->tenant),
        pg_text(owner->user.len > 0 ? owner->user : TEXT("")),
        pg_text(usage->provider),
        pg_text(usage->model),
        pg_int(usage->calls),
        pg_int(used->prompt_tokens),
        pg_int(used->completion_tokens),
        pg_int(used->cached_tokens),
        pg_int(used->cache_write_tokens),
        pg_int(used->reasoning_tokens),
        pg_int(used->cost_micros),
        pg_null(),
    };
    int r;

    buf_init(&budgets, 0);
    pg_array_of_uuids(&budgets, owner->budgets, owner->budgets_count);
    r = buf_check(&budgets, err);
    if (r < 0)
        return r;
    values[ARRAY_LENGTH(values) - 1] = pg_array('U', &budgets);
    return pg_exec(pg, &append, values, NULL, err);
}

/* The hours are written in the order of their key, so that two schedulers are in no deadlock. */
/* clang-format off */
static const struct pg_statement fold = {
    .name = "usage_fold",
    .sql =
        "WITH d AS ("
        "    DELETE FROM usage_deltas d"
        "    WHERE d.ctid = ANY (ARRAY("
        "        SELECT o.ctid"
        "        FROM usage_deltas o"
        "        LIMIT " SQL_STRING(USAGE_FOLD_ROWS)
        "        FOR UPDATE SKIP LOCKED))"
        "    RETURNING *),"
        " h AS ("
        "    INSERT INTO usage_hourly AS u ("
        "        tenant_id, hour, agent_id, user_id, provider, model, calls, prompt_tokens,"
        "        completion_tokens, cached_tokens, cache_write_tokens, reasoning_tokens,"
        "        cost_micros)"
        "    SELECT d.tenant_id, d.hour, d.agent_id, d.user_id, d.provider, d.model, sum(d.calls),"
        "        sum(d.prompt_tokens), sum(d.completion_tokens), sum(d.cached_tokens),"
        "        sum(d.cache_write_tokens), sum(d.reasoning_tokens), sum(d.cost_micros)"
        "    FROM d"
        "    GROUP BY d.tenant_id, d.hour, d.agent_id, d.user_id, d.provider, d.model"
        "    ORDER BY d.tenant_id, d.hour, d.agent_id, d.user_id, d.provider, d.model"
        "    ON CONFLICT (tenant_id, hour, agent_id, user_id, provider, model) DO UPDATE"
        "    SET calls = u.calls + excluded.calls,"
        "        " SQL_USAGE_CHANGES("u", "+", "excluded") "),"
        " old AS ("
        "    DELETE FROM usage_hourly u"
        "    WHERE u.hour < now() - " SQL_STRING(USAGE_KEEP_DAYS) " * interval '1 day')"
        " SELECT count(*)"
        " FROM d",
    .types = "",
};
/* clang-format on */

int usage_fold(struct pg *pg, bool *out_more, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    int r = pg_exec(pg, &fold, NULL, &result, err);

    if (r == 0)
        *out_more = pg_get_int(result, 0, 0) >= USAGE_FOLD_ROWS;
    return r;
}
