/* Groups of writes
 *
 * One statement writes a group, whatever the kinds and the number of its writes. The first parts,
 * `l` and `ok`, are the compare-and-set on the rows of the runs. Everything else is selected FROM
 * ok, so it happens together with the compare-and-set or not at all. A write whose compare-and-set
 * fails is absent from the answer; the other writes of the group are done all the same. A second
 * statement then looks why it failed. A third one, right after the first, promotes what waits
 * behind the runs that ended, in threads where something ever has waited. Should it not come to
 * that, the reaper's sweep does it.
 *
 * A group never waits for the row of a run, nor for the row of a thread which it releases. A cancel
 * or a person at a prompt may have locked such a row: this delays the write of that run alone.
 * Cancels take several runs in an order of their own, so a group that waited for them would now and
 * then be in a deadlock with one.
 *
 * The rows come as one array for each of their columns, whatever the number of rows: to parse them
 * as JSON, with the names of the columns in each, took a tenth of the time of the statement.
 *
 * The plan must not depend on how large Postgres thinks the tables are: a prepared statement keeps
 * the plan that it got in a young database, whose tables were never analysed. So a run is found by
 * a condition that can serve only as a probe of its primary key (Postgres makes no hash or merge
 * join of "= ANY"), and the rest of its row is compared in a way that serves no join and no other
 * index.
 *
 * To write another column of a run, add it to HEAD_ROWS (write_columns.h), SET and encode_head
 * (write_rows.c).
 */

#include "shared/store/leases/run_group.h"

#include "shared/base/memory.h"
#include "shared/store/leases/run_verdict.h"
#include "shared/store/leases/write_rows.h"
#include "shared/store/rows.h"
#include "shared/store/runs/memory_runs.h"
#include "shared/store/runs/run_ends.h"
#include "shared/store/threads/promotions.h"
#include "shared/store/tools/tool_times.h"

/* clang-format off */
#define HEADS "i AS MATERIALIZED (" SQL_FEW_ROWS(HEAD_ROWS, "$1") ")"
#define STEPS "y AS MATERIALIZED (" SQL_MANY_ROWS(STEP_ROWS, "$61") ")"
#define MADE "x AS MATERIALIZED (" SQL_MANY_ROWS(CALL_ROWS, "$49") ")"

#define TOOLS "($35)[i.tools_from:i.tools_to]"
#define LAST_ERROR \
    "CASE WHEN i.error_code IS NOT NULL THEN jsonb_build_object(" \
    "    'code', i.error_code, 'message', coalesce(i.error_message, '')) END"

#define SET \
    "step = r.step + 1," \
    " prompt_tokens = r.prompt_tokens + i.prompt," \
    " completion_tokens = r.completion_tokens + i.completion," \
    " cached_tokens = r.cached_tokens + coalesce(i.cached, 0)," \
    " cache_write_tokens = r.cache_write_tokens + coalesce(i.cache_write, 0)," \
    " reasoning_tokens = r.reasoning_tokens + coalesce(i.reasoning, 0)," \
    " cost_micros = r.cost_micros + coalesce(i.cost, 0)," \
    " messages_left_out = greatest(r.messages_left_out, i.left_out)," \
    " message_count = r.message_count + coalesce(i.messages, 0)," \
    " total_bytes = r.total_bytes + coalesce(i.bytes, 0)," \
    " token_count = r.token_count + coalesce(i.tokens, 0)," \
    " iterations = coalesce(i.iterations, r.iterations)," \
    " first_token_ms = coalesce(r.first_token_ms, i.first_ms)," \
    " tools_used = CASE WHEN i.tools_from IS NULL THEN r.tools_used" \
    "     WHEN r.tools_used IS NULL THEN " TOOLS \
    "     ELSE r.tools_used || array(" \
    "         SELECT name" \
    "         FROM unnest(" TOOLS ") WITH ORDINALITY AS called (name, place)" \
    "         WHERE name <> ALL (r.tools_used)" \
    "         ORDER BY place) END," \
    " " SQL_BECOMES("i.becomes", LAST_ERROR) "," \
    " wait_kind = i.wait_kind," \
    " required_action = i.action," \
    " open_calls = coalesce(i.open, 0::int2)," \
    " wakes_at = now() + i.wakes_ms * interval '1 ms'," \
    " parked_at = CASE WHEN i.open > 0 OR i.wait_kind = 'budget' THEN now() END," \
    " owner = CASE WHEN i.becomes IN ('queued', 'requires_action') THEN NULL ELSE r.owner END," \
    " due_at = CASE WHEN i.open > 0 THEN r.expires_at" \
    "     WHEN i.delay_ms IS NULL THEN r.due_at" \
    "     ELSE now() + i.delay_ms * interval '1 ms' END," \
    " errors = r.errors + coalesce(i.errors, 0::int2)," \
    " result_message = i.message," \
    " result = i.result," \
    " incomplete_reason = i.reason"

#define THE_LEASE \
    "r.id = ANY (ARRAY[i.id])" \
    " AND (r.owner, r.fence, r.step) IS NOT DISTINCT FROM (i.owner, i.fence, i.step)" \
    " AND (r.status = i.was OR r.status = i.or_was)" \
    " AND NOT (r.steered AND i.becomes = 'completed')"

/* A row that somebody else has locked is left out, not waited for. */
#define LOCKED \
    "l AS MATERIALIZED (" \
    "    SELECT i.*, r.thread_id" \
    "    FROM i" \
    "    JOIN runs r ON " THE_LEASE \
    "    FOR NO KEY UPDATE OF r SKIP LOCKED)," \
    " " SQL_LOCK_ENDING("l")

#define OK \
    "ok AS (" \
    "    UPDATE runs r" \
    "    SET " SET \
    "    FROM l AS i" \
    "    WHERE r.id = ANY (ARRAY[i.id])" \
    "      AND " SQL_MAY_BECOME("i") \
    "    RETURNING i.n, i.u, coalesce(i.calls, 1) AS calls, i.prompt, i.completion, i.cached," \
    "        i.cache_write, i.reasoning, i.cost, r.tenant_id, r.agent_id, r.agent_version," \
    "        r.shard, r.user_id, r.budgets," \
    "        " ENDED_COLUMNS("r") ", r.steered)"

#define MESSAGES \
    "m AS (" \
    "    INSERT INTO messages (" \
    "        id, tenant_id, thread_id, run_id, agent_id, seq, role, hidden, content," \
    "        tool_calls, tool_call_id, tool_name, opaque, status, incomplete_reason, bytes," \
    "        token_count)" \
    "    SELECT x.id, ok.tenant_id, ok.thread_id, ok.id, ok.agent_id, x.seq, x.role," \
    "        coalesce(x.hidden, false), x.content, x.tool_calls, x.tool_call_id, x.tool_name," \
    "        x.opaque," \
    "        CASE WHEN x.incomplete IS NULL THEN 'completed' ELSE 'incomplete' END, x.incomplete," \
    "        x.bytes, coalesce(x.tokens, 0)" \
    "    FROM ok" \
    "    JOIN (" SQL_MANY_ROWS(MESSAGE_ROWS, "$36") ") x USING (n)" \
    "    ORDER BY ok.n, x.seq)"

#define CALLS \
    "c AS (" \
    "    INSERT INTO tool_calls (" \
    "        run_id, call_no, call_id, name, arguments, class, state, idempotency_key," \
    "        result, is_error, kind, due_at, took_ms, went)" \
    "    SELECT ok.id, x.call_no, x.call_id, x.name, x.arguments, x.class, x.state," \
    "        x.idempotency_key, x.result, x.is_error, x.kind," \
    "        now() + x.due_ms * interval '1 ms', x.took_ms, x.went" \
    "    FROM ok" \
    "    JOIN x USING (n)" \
    "    ON CONFLICT (run_id, call_no) DO UPDATE" \
    "    SET state = excluded.state," \
    "        result = excluded.result," \
    "        is_error = excluded.is_error," \
    "        kind = excluded.kind," \
    "        due_at = excluded.due_at," \
    "        took_ms = excluded.took_ms," \
    "        went = excluded.went)"

/* A call is written once with what came of it. */
#define COUNT_CALLS \
    "g AS (" \
    SQL_COUNT_CALLS( \
        "SELECT ok.tenant_id, x.name, x.state, x.is_error, x.took_ms" \
        " FROM ok" \
        " JOIN x USING (n)" \
        " WHERE x.took_ms IS NOT NULL" \
        "    OR x.state = 'unknown'") ")"

/* A worker that goes on with a step may know of some of its calls only. */
#define STEP_CALLS_NOW \
    "CASE WHEN jsonb_array_length(excluded.tool_calls) < jsonb_array_length(s.tool_calls)" \
    "         THEN penstock_step_calls(s.tool_calls, excluded.tool_calls)" \
    "     ELSE coalesce(excluded.tool_calls, s.tool_calls) END"

#define WRITE_STEPS \
    "w AS (" \
    "    INSERT INTO run_steps AS s (" \
    "        id, tenant_id, thread_id, run_id, agent_id, seq, type, status, message_id," \
    "        tool_calls, usage, last_error, model, cost_micros, tried," \
    "        messages_left_out, reasoning, ended_at)" \
    "    SELECT y.id, ok.tenant_id, ok.thread_id, ok.id, ok.agent_id, y.seq, y.type, y.status," \
    "        y.message_id, y.tool_calls, y.usage, y.last_error, y.model, y.cost, y.tried," \
    "        y.left_out, y.reasoning," \
    "        CASE WHEN y.status <> 'in_progress' THEN now() END" \
    "    FROM ok" \
    "    JOIN y USING (n)" \
    "    ON CONFLICT (run_id, seq) DO UPDATE" \
    "    SET status = excluded.status," \
    "        message_id = coalesce(excluded.message_id, s.message_id)," \
    "        tool_calls = " STEP_CALLS_NOW "," \
    "        usage = coalesce(excluded.usage, s.usage)," \
    "        last_error = coalesce(excluded.last_error, s.last_error)," \
    "        reasoning = coalesce(excluded.reasoning, s.reasoning)," \
    "        ended_at = excluded.ended_at)"

/* One row a group for each agent and model, not one a run. A write that used one model names it in
 * its head by its place `u` among the models. */
#define WRITE_USAGE \
    "d AS (" \
    "    INSERT INTO usage_deltas (" \
    "        tenant_id, agent_id, user_id, provider, model, calls, prompt_tokens," \
    "        completion_tokens, cached_tokens, cache_write_tokens, reasoning_tokens, cost_micros)" \
    "    SELECT k.tenant_id, coalesce(k.agent_id, '00000000-0000-0000-0000-000000000000')," \
    "        coalesce(k.user_id, ''), v.provider, v.model," \
    "        sum(k.calls), sum(k.prompt), sum(k.completion), coalesce(sum(k.cached), 0)," \
    "        coalesce(sum(k.cache_write), 0), coalesce(sum(k.reasoning), 0)," \
    "        coalesce(sum(k.cost), 0)" \
    "    FROM (" \
    "        SELECT tenant_id, agent_id, user_id, u, calls, prompt, completion, cached," \
    "            cache_write, reasoning, cost" \
    "        FROM ok" \
    "        WHERE u IS NOT NULL" \
    "        UNION ALL" \
    "        SELECT ok.tenant_id, ok.agent_id, ok.user_id, e.u, e.calls, e.prompt, e.completion," \
    "            e.cached, e.cache_write, e.reasoning, e.cost" \
    "        FROM ok" \
    "        JOIN (" SQL_FEW_ROWS(USAGE_ROWS, "$77") ") e USING (n)) k" \
    "    JOIN (" SQL_FEW_ROWS(MODEL_ROWS, "$74") ") v ON v.n = k.u" \
    "    GROUP BY k.tenant_id, k.agent_id, k.user_id, v.provider, v.model)"

/* The same for the budgets that its runs count on. */
#define WRITE_BUDGETS \
    "z AS (" \
    "    INSERT INTO budget_deltas (budget_id, tokens, cost_micros)" \
    "    SELECT b.id, sum(ok.prompt + ok.completion), sum(coalesce(ok.cost, 0))" \
    "    FROM ok" \
    "    CROSS JOIN LATERAL unnest(ok.budgets) AS b (id)" \
    "    WHERE ok.budgets IS NOT NULL" \
    "      AND ok.prompt + ok.completion + coalesce(ok.cost, 0) > 0" \
    "    GROUP BY b.id)"

/* What is made of memory later, unless the same waits already (runs/memory_runs.h). */
#define WRITE_FOLLOWS \
    "f AS (" \
    "    INSERT INTO runs (" \
    "        id, tenant_id, kind, thread_id, agent_id, agent_version, shard, priority, spec," \
    "        spec_bytes, due_at, expires_at, user_id, budgets, about)" \
    "    SELECT x.id, ok.tenant_id, 'memory', ok.thread_id, ok.agent_id, ok.agent_version," \
    "        ok.shard, 2, x.spec, octet_length(x.spec::text)," \
    "        now() + x.delay_ms * interval '1 ms'," \
    "        now() + x.delay_ms * interval '1 ms'" \
    "            + " SQL_STRING(MEMORY_RUN_TTL_S) " * interval '1 s'," \
    "        ok.user_id, ok.budgets, x.about" \
    "    FROM ok" \
    "    JOIN (" SQL_FEW_ROWS(FOLLOW_ROWS, "$90") ") x USING (n)" \
    "    ON CONFLICT (tenant_id, about) WHERE " SQL_ABOUT_WAITS " DO NOTHING)"

/* A step that `w` writes must not be updated a second time. */
#define NOT_WRITTEN_HERE "AND NOT EXISTS (SELECT 1 FROM y WHERE y.n = e.n AND y.seq = s.seq)"

static const char types[] = {WRITE_ROWS(COLUMN_TYPE) [WRITE_COLUMNS] = '\0'};
_Static_assert(sizeof(types) == WRITE_COLUMNS + 1, "each number has its column");

static const struct pg_statement run_group = {
    .name = "run_group",
    .sql =
        "WITH " HEADS ","
        " " STEPS ","
        " " MADE ","
        " " LOCKED ","
        " " OK ","
        " " MESSAGES ","
        " " CALLS ","
        " " COUNT_CALLS ","
        " " WRITE_STEPS ","
        " " WRITE_USAGE ","
        " " WRITE_BUDGETS ","
        " " WRITE_FOLLOWS ","
        " ended AS ("
        "    SELECT *"
        "    FROM ok"
        "    WHERE " SQL_IS_END("ok.status") "),"
        " " SQL_AFTER_END("ended", NOT_WRITTEN_HERE)
        " SELECT n, steered, NULL::uuid"
        " FROM ok"
        " UNION ALL"
        " SELECT NULL, NULL, id"
        " FROM released"
        " WHERE waited",
    .types = types,
};
/* clang-format on */

/* What a group needs while it is being written. */
struct group {
    struct gather_batch *batch;
    size_t from;
    size_t to;
    struct write_rows rows;
    struct buf waited; /* threads where a run has ended and something may wait */
    bool promotes;
};

static void group_init(struct group *group)
{
    write_rows_init(&group->rows);
    buf_init(&group->waited, 0);
}

static void group_deinit(struct group *group)
{
    write_rows_deinit(&group->rows);
    buf_deinit(&group->waited);
}

static void settle(struct run_write *write, int status, bool steered)
{
    write->status = status;
    write->steered = steered;
    write->known = true;
}

static void add_waited(struct group *group, struct uuid thread)
{
    if (!group->promotes)
        pg_array_begin(&group->waited);
    pg_array_add_uuid(&group->waited, thread);
    group->promotes = true;
}

/* A row of the answer: a write that is written, or a thread. */
static void take_row(struct group *group, const struct pg_result *result, int row)
{
    struct run_write *write;

    if (pg_is_null(result, row, 0)) {
        add_waited(group, pg_get_uuid(result, row, 2));
        return;
    }
    write = GATHER_ASK(group->batch, (size_t)pg_get_int(result, row, 0), struct run_write);
    if (write)
        settle(write, 0, pg_get_bool(result, row, 1));
}

/* What fails here is done by the sweep. */
static void promote(struct pg *pg, struct group *group)
{
    struct pg_result *result = NULL;
    struct pg_value values[1];
    struct error err;

    if (!group->promotes)
        return;
    if (buf_check(&group->waited, &err) < 0)
        return;
    values[0] = pg_array('U', &group->waited);
    if (pg_exec(pg, &promote_in, values, &result, &err) == 0)
        pg_result_free(result);
}

/* Sends the group. */
static int group_send(struct pg *pg, struct group *group, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    CLEANUP(freep) struct pg_value *values = xcalloc(WRITE_COLUMNS, sizeof(*values));
    int r;

    columns_values(group->rows.columns, types, values);
    r = pg_exec(pg, &run_group, values, &result, err);
    if (r < 0)
        return r;
    for (int row = 0; row < pg_rows(result); row++)
        take_row(group, result, row);
    promote(pg, group);
    return 0;
}

/* clang-format off */
static const struct pg_statement run_look = {
    .name = "run_look",
    .sql =
        "SELECT i.n, r.owner, r.fence, r.step, r.status, r.steered"
        " FROM unnest($1, $2) AS i (n, id), runs r"
        " WHERE r.id = ANY (ARRAY[i.id])",
    .types = "IU",
};
/* clang-format on */

/* Why the compare-and-set did not touch this row. */
static int look_verdict(const struct run_write *write, const struct pg_result *result, int row,
                        struct error *err)
{
    const struct run_lease *lease = &write->lease;
    struct run_standing now = {
        .owner = pg_get_int(result, row, 1),
        .fence = pg_get_int(result, row, 2),
        .step = pg_get_int(result, row, 3),
    };
    int r;

    if (!run_status_parse(pg_get_text(result, row, 4), &now.status))
        return error_set(err, E_INTERNAL, "the run has a status that this program does not know");
    if (now.owner == lease->owner && now.fence == lease->fence && now.step == lease->step &&
        run_write_may_follow(now.status, write->leaves))
        return write->leaves == RUN_COMPLETED && pg_get_bool(result, row, 5) ? LEASE_STEERED
                                                                             : RUN_BUSY;
    r = run_verdict(&now, lease, write->leaves);
    return r < 0 ? error_set(err, E_INTERNAL, "nobody asked to cancel this run") : r;
}

static int send_look(struct pg *pg, const struct group *group, struct pg_result **out,
                     struct error *err)
{
    CLEANUP(buf_deinit) struct buf places;
    CLEANUP(buf_deinit) struct buf ids;
    struct pg_value values[2];

    buf_init(&places, 0);
    buf_init(&ids, 0);
    pg_array_begin(&places);
    pg_array_begin(&ids);
    for (size_t n = group->from; n < group->to; n++) {
        const struct run_write *write = GATHER_ASK(group->batch, n, struct run_write);

        if (!write || write->known)
            continue;
        pg_array_add_int(&places, (int64_t)n);
        pg_array_add_uuid(&ids, write->lease.run);
    }
    if (pg_array_count(&ids) == 0)
        return 0;
    values[0] = pg_array('I', &places);
    values[1] = pg_array('U', &ids);
    return pg_exec(pg, &run_look, values, out, err);
}

/* Looks at all that are not known yet. */
static int group_look(struct pg *pg, struct group *group, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct run_write *write;
    int r;

    r = send_look(pg, group, &result, err);
    if (r < 0 || !result)
        return r;
    for (int row = 0; row < pg_rows(result); row++) {
        write = GATHER_ASK(group->batch, (size_t)pg_get_int(result, row, 0), struct run_write);
        if (write)
            settle(write, look_verdict(write, result, row, &write->error),
                   pg_get_bool(result, row, 5));
    }
    for (size_t n = group->from; n < group->to; n++) {
        write = GATHER_ASK(group->batch, n, struct run_write);
        if (write && !write->known)
            settle(write, LEASE_FENCED, false); /* the run is deleted */
    }
    return 0;
}

int run_group_write(struct pg *pg, struct gather_batch *batch, size_t from, size_t to,
                    struct error *err)
{
    CLEANUP(group_deinit) struct group group = {.batch = batch, .from = from, .to = to};
    int r;

    group_init(&group);
    for (size_t n = from; n < to; n++) {
        const struct run_write *write = GATHER_ASK(batch, n, struct run_write);

        if (write && !write->known)
            write_rows_add(&group.rows, n, write);
    }
    if (write_rows_empty(&group.rows))
        return 0;
    r = group_send(pg, &group, err);
    return r < 0 ? r : group_look(pg, &group, err);
}
