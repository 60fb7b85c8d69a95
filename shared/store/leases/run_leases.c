/* A worker's hold on runs: taking them, and finding out where they stand
 *
 * A claim is a batch of compare-and-sets. It never waits for a row that somebody else has locked
 * (SKIP LOCKED). The hint of a run may be given to two workers; the one that finds the row locked
 * has lost the run already, so it has nothing to wait for.
 */

#include "shared/store/leases/run_leases.h"

#include "shared/store/rows.h"
#include "shared/store/runs/run_rows.h"
#include "shared/store/threads/histories.h"

/* clang-format off */
/* "REQUESTS TOKENS" of a tenant that has limits, in one look at its row. */
#define SQL_TENANT_LIMITS \
    "(SELECT coalesce(t.requests_per_minute, 0) || ' ' || coalesce(t.tokens_per_minute, 0)" \
    " FROM tenants t" \
    " WHERE t.id = r.tenant_id" \
    "   AND (t.requests_per_minute IS NOT NULL OR t.tokens_per_minute IS NOT NULL))"

#define CLAIM_COLUMNS \
    "r.id, r.owner, r.fence, r.step, r.tenant_id, r.thread_id, r.spec, r.prompt_tokens," \
    " r.completion_tokens, r.cost_micros, r.errors, r.crashes," \
    " " SQL_SECONDS("r.started_at") "," \
    " " SQL_SECONDS("r.expires_at") "," \
    " floor(date_part('epoch', r.expires_at - now()) * 1000)::int8," \
    " r.status = 'cancelling'," \
    " floor(date_part('epoch', now() - r.due_at) * 1000000)::int8," \
    " r.kind, coalesce(r.parked_ms, 0), r.priority, r.steered," \
    " r.thread_bytes + r.total_bytes, r.user_bytes_left - r.total_bytes," \
    " r.first_token_ms IS NOT NULL," \
    " " SQL_TENANT_LIMITS ", array_to_string(r.budgets, ' ')"
/* clang-format on */

static void read_limits(struct text limits, struct run_claim *claim)
{
    struct text requests;
    struct text tokens;

    if (!limits.ptr || !text_cut(limits, ' ', &requests, &tokens))
        return;
    (void)!text_to_int(requests, &claim->requests_per_minute);
    (void)!text_to_int(tokens, &claim->tokens_per_minute);
}

/* Ids with blanks between. */
static void read_budgets(struct text ids, struct run_claim *claim)
{
    while (ids.len > 0 && claim->budgets_count < RUN_BUDGETS_MAX) {
        struct text id = ids;
        struct text rest = TEXT("");

        (void)text_cut(ids, ' ', &id, &rest);
        claim->budgets_count += uuid_parse(id, &claim->budgets[claim->budgets_count]);
        ids = rest;
    }
}

static int claim_read(struct row *row, void *out, struct error *err)
{
    struct run_claim claim = {.place = 0};

    claim.lease.run = row_uuid(row);
    claim.lease.owner = row_int(row);
    claim.lease.fence = row_int(row);
    claim.lease.step = row_int(row);
    claim.tenant_id = row_uuid(row);
    claim.thread_id = row_uuid(row);
    claim.spec = row_text(row);
    claim.prompt_tokens = row_int(row);
    claim.completion_tokens = row_int(row);
    claim.cost_micros = row_int(row);
    claim.errors = (int)row_int(row);
    claim.crashes = (int)row_int(row);
    claim.started_at = row_int(row);
    claim.expires_at = row_int(row);
    claim.expires_in_ms = row_int(row);
    claim.cancelling = row_bool(row);
    claim.waited_us = row_int(row);
    claim.kind = row_text(row);
    claim.parked_ms = row_int(row);
    claim.priority = (int)row_int(row);
    claim.lease.steered = row_bool(row);
    claim.thread_bytes = row_int(row);
    claim.user_bytes_left = row_int_or(row, INT64_MAX);
    claim.has_first_token = row_bool(row);
    read_limits(row_word(row), &claim);
    read_budgets(row_word(row), &claim);
    claim.place = (size_t)row_int(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct run_claim *)out = claim;
    return 0;
}

static const struct row_kind claim_rows = {claim_read, sizeof(struct run_claim), RUN_MISSING};

/* Columns: CLAIM_COLUMNS, the place. */
static int claims_read(const struct pg_result *result, struct arena *arena,
                       struct run_claim_list *out, struct error *err)
{
    struct rows rows;
    int r = rows_read(arena, &claim_rows, result, NULL, &rows, err);

    if (r == 0)
        *out = (struct run_claim_list){rows.items, rows.count};
    return r;
}

/* Expired runs are left to the reaper. A row that somebody else has locked is skipped: its run is
 * being taken or changed. */
/* clang-format off */
#define PARKED_MS \
    "CASE WHEN r.parked_at IS NULL THEN r.parked_ms" \
    "     ELSE coalesce(r.parked_ms, 0)" \
    "         + floor(date_part('epoch', now() - r.parked_at) * 1000)::int8 END"

static const struct pg_statement run_claim = {
    .name = "run_claim",
    .sql =
        "WITH c AS MATERIALIZED ("
        "    SELECT f.id, i.n, sum(f.bytes) OVER (ORDER BY i.n) - f.bytes AS before"
        "    FROM unnest($1::uuid[]) WITH ORDINALITY i (id, n)"
        "    CROSS JOIN LATERAL ("
        "        SELECT r.id, " SQL_SPEC_SENT("r") " AS bytes"
        "        FROM runs r"
        "        WHERE r.id = i.id"
        "          AND " SQL_CHECKED(
        "              r.status = 'queued'"
        "              AND r.held IS NULL"
        "              AND r.due_at <= now()"
        "              AND r.expires_at > now()")
        "        FOR NO KEY UPDATE SKIP LOCKED) f"
        "    WHERE EXISTS ("
        "        SELECT 1"
        "        FROM workers w"
        "        WHERE w.worker_id = $2"
        "          AND w.state = 'up'"
        "          AND w.lease_until > now()))"
        " UPDATE runs r"
        " SET status = 'in_progress', owner = $2, fence = r.fence + 1,"
        "     wait_kind = NULL, required_action = NULL,"
        "     parked_ms = " PARKED_MS ", parked_at = NULL,"
        "     started_at = coalesce(r.started_at, now()), updated_at = now()"
        " FROM c"
        " WHERE r.id = ANY (ARRAY[c.id])"
        "   AND c.before < " SQL_STRING(CLAIM_SPEC_BYTES)
        "   AND " SQL_CHECKED("r.status = 'queued'")
        " RETURNING " CLAIM_COLUMNS ", c.n - 1",
    .types = "Ui",
};
/* clang-format on */

static int encode_ids(const struct uuid *runs, size_t count, struct buf *out, struct error *err)
{
    pg_array_of_uuids(out, runs, count);
    return buf_check(out, err);
}

/* Sends the claim and, where `statements` is 2, what reads the histories, in one request. */
static int send_claim(struct pg *pg, int64_t owner, const struct uuid *runs, size_t count,
                      struct pg_result *results[2], size_t statements, struct error *err)
{
    CLEANUP(buf_deinit) struct buf ids;
    struct pg_value values[2];
    struct pg_query queries[2] = {{&run_claim, values}, {&histories_claimed, values}};
    int r;

    buf_init(&ids, 0);
    if (count > CLAIM_BATCH_MAX)
        return error_set(err, E_LIMIT, "%zu runs to claim at once, where %d are allowed", count,
                         CLAIM_BATCH_MAX);
    r = encode_ids(runs, count, &ids, err);
    if (r < 0)
        return r;
    values[0] = pg_array('U', &ids);
    values[1] = pg_int(owner);
    return pg_exec_all(pg, queries, statements, results, err);
}

int run_leases_claim(struct pg *pg, struct arena *arena, int64_t owner, const struct uuid *runs,
                     size_t count, struct run_claim_list *out, struct error *err)
{
    struct pg_result *results[2] = {NULL, NULL};
    int r = send_claim(pg, owner, runs, count, results, 1, err);

    if (r == 0)
        r = claims_read(results[0], arena, out, err);
    pg_result_free(results[0]);
    return r;
}

int run_leases_claim_read(struct pg *pg, struct arena *arena, int64_t owner,
                          const struct uuid *runs, size_t count, struct run_claim_list *out,
                          struct histories *histories, struct error *err)
{
    struct pg_result *results[2] = {NULL, NULL};
    int r;

    *histories = (struct histories){.result = NULL};
    r = send_claim(pg, owner, runs, count, results, 2, err);
    if (r == 0)
        r = histories_read(results[1], count, arena, histories, err);
    if (r == 0)
        r = claims_read(results[0], arena, out, err);
    pg_result_free(results[0]);
    if (r < 0)
        histories_deinit(histories);
    return r;
}

/* clang-format off */
static const struct pg_statement run_held = {
    .name = "run_held",
    .sql =
        "WITH c AS MATERIALIZED ("
        "    SELECT h.id, sum(h.bytes) OVER (ORDER BY h.id) - h.bytes AS before"
        "    FROM ("
        "        SELECT r.id, " SQL_SPEC_SENT("r") " AS bytes"
        "        FROM runs r"
        "        WHERE r.owner = $1"
        "          AND r.status IN ('in_progress', 'cancelling')"
        "          AND r.id <> ALL ($2)"
        "        ORDER BY r.id"
        "        LIMIT " SQL_STRING(CLAIM_BATCH_MAX) ") h)"
        " SELECT " CLAIM_COLUMNS ", 0"
        " FROM c"
        " JOIN runs r ON r.id = c.id"
        " WHERE c.before < " SQL_STRING(CLAIM_SPEC_BYTES)
        " ORDER BY r.id",
    .types = "iU",
};
/* clang-format on */

int run_leases_held(struct pg *pg, struct arena *arena, int64_t owner, const struct uuid *known,
                    size_t count, struct run_claim_list *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    CLEANUP(buf_deinit) struct buf ids;
    struct pg_value values[2];
    int r;

    buf_init(&ids, 0);
    r = encode_ids(known, count, &ids, err);
    if (r < 0)
        return r;
    values[0] = pg_int(owner);
    values[1] = pg_array('U', &ids);
    r = pg_exec(pg, &run_held, values, &result, err);
    if (r < 0)
        return r;
    return claims_read(result, arena, out, err);
}

/* clang-format off */
static const struct pg_statement run_counters = {
    .name = "run_counters",
    .sql =
        "SELECT (SELECT coalesce(max(seq), 0) + 1 FROM messages WHERE run_id = $1),"
        "     (SELECT coalesce(max(seq), 0) + 1 FROM run_steps WHERE run_id = $1),"
        "     (SELECT coalesce(max(call_no), 0) + 1 FROM tool_calls WHERE run_id = $1),"
        "     (SELECT count(*) FROM messages WHERE run_id = $1 AND role = 'assistant')",
    .types = "u",
};

static const struct pg_statement run_open_step = {
    .name = "run_open_step",
    .sql =
        "SELECT s.id, s.seq"
        " FROM run_steps s"
        " WHERE s.run_id = $1"
        "   AND s.status = 'in_progress'"
        " ORDER BY s.seq DESC"
        " LIMIT 1",
    .types = "u",
};

static const struct pg_statement run_open_calls = {
    .name = "run_open_calls",
    .sql =
        "SELECT c.call_no, c.call_id, c.name,"
        "     CASE WHEN c.bytes <= $2 THEN c.arguments ELSE '' END,"
        "     c.class, c.state, c.kind,"
        "     floor(date_part('epoch', c.due_at - now()) * 1000)::int8, c.idempotency_key,"
        "     CASE WHEN c.bytes <= $2 THEN c.result END,"
        "     c.is_error, CASE WHEN c.bytes <= $2 THEN c.approval END, c.took_ms, c.went, c.bytes"
        " FROM ("
        "     SELECT o.*,"
        "         sum("
        "             octet_length(o.arguments)"
        "             + coalesce(octet_length(o.result), 0)"
        "             + coalesce(octet_length(o.approval::text), 0)) OVER () AS bytes"
        "     FROM tool_calls o"
        "     WHERE o.run_id = $1"
        "       AND NOT EXISTS ("
        "           SELECT 1"
        "           FROM messages m"
        "           WHERE m.run_id = $1"
        "             AND m.tool_call_id = o.call_id)) c"
        " ORDER BY c.call_no",
    .types = "ui",
};

#define COLUMN_CALL_BYTES 14
/* clang-format on */

static struct call_report read_report(struct row *row)
{
    int64_t took_ms = row_int_or(row, -1);

    return call_report_read(took_ms, row_word(row));
}

static int call_read(struct row *row, void *out, struct error *err)
{
    struct run_call call = {.call_no = row_int(row)};

    call.call_id = row_text(row);
    call.name = row_text(row);
    call.arguments = row_text(row);
    if (!call_class_parse(row_word(row), &call.class) ||
        !call_state_parse(row_word(row), &call.state) ||
        !wait_kind_parse(row_word(row), &call.kind))
        return error_set(err, E_INTERNAL,
                         "a call is of a class, state or kind that this program "
                         "does not know");
    call.due_in_ms = row_int_or(row, CALL_NEVER_DUE);
    call.idempotency_key = row_text(row);
    call.result = row_text(row);
    call.is_error = row_bool(row);
    call.approval = row_text(row);
    call.report = read_report(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct run_call *)out = call;
    return 0;
}

static const struct row_kind call_rows = {call_read, sizeof(struct run_call), RUN_MISSING};

static int progress_read(struct pg_result *const results[3], struct arena *arena,
                         struct run_progress *out, struct error *err)
{
    struct run_progress progress = {.calls = NULL};
    struct rows rows;
    int r;

    progress.next_message_seq = pg_get_int(results[0], 0, 0);
    progress.next_step_seq = pg_get_int(results[0], 0, 1);
    progress.next_call_no = pg_get_int(results[0], 0, 2);
    progress.answers = pg_get_int(results[0], 0, 3);
    if (pg_rows(results[1]) > 0) {
        progress.open_step = pg_get_uuid(results[1], 0, 0);
        progress.open_step_seq = pg_get_int(results[1], 0, 1);
    }
    if (pg_rows(results[2]) > 0)
        progress.call_bytes = pg_get_int(results[2], 0, COLUMN_CALL_BYTES);
    r = rows_read(arena, &call_rows, results[2], NULL, &rows, err);
    if (r < 0)
        return r;
    progress.calls = rows.items;
    progress.call_count = rows.count;
    *out = progress;
    return 0;
}

int run_leases_progress(struct pg *pg, struct arena *arena, struct uuid run, int64_t call_bytes_max,
                        struct run_progress *out, struct error *err)
{
    struct pg_result *results[3] = {NULL, NULL, NULL};
    struct pg_value values[2] = {pg_uuid(run), pg_int(call_bytes_max)};
    struct pg_query queries[3] = {
        {&run_counters, values}, {&run_open_step, values}, {&run_open_calls, values}};
    int r;

    r = pg_exec_all(pg, queries, 3, results, err);
    if (r < 0)
        return r;
    r = progress_read(results, arena, out, err);
    for (size_t i = 0; i < 3; i++)
        pg_result_free(results[i]);
    return r == 0 && out->call_bytes > call_bytes_max ? PROGRESS_LARGE : r;
}
