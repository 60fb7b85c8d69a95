/* Making runs on threads that have an active one
 *
 * The run is always inserted as a held one. The promotion that follows makes it the active run at
 * once where the thread is free, so all cases go one way. A statement of its own locks the thread's
 * row first. So what comes after it sees the end of an active run whose worker was faster, and
 * places (runs.held) are given in the order of commits.
 *
 * Locks: a worker's writes take the run, then its thread, then the next held run. An interrupt
 * takes them in the same order: it locks the active run before the thread. Should another run
 * become active in between, the order is broken and Postgres may find a deadlock; the driver then
 * runs the whole request again, as with any other (shared/postgres/postgres.h).
 *
 * An interrupt also cancels runs that wait. Their messages go into the input of the new run, so
 * what a person said is not lost. The new run inherits what they were to roll back, too.
 */

#include "shared/store/runs/run_drafts.h"
#include "shared/store/runs/run_ends.h"
#include "shared/store/runs/run_rows.h"
#include "shared/store/threads/drafts.h"
#include "shared/store/threads/message_rows.h"
#include "shared/store/threads/promotions.h"

static const struct pg_statement lock_thread = {
    .name = "multitask_lock_thread",
    .sql = "UPDATE threads t SET waited = true WHERE t.id = $1 AND t.tenant_id = $2",
    .types = "uu",
};

#define IS_HELD "h.status = 'queued' AND h.held IS NOT NULL"

#define INPUTS_OF_THREAD "(SELECT count(*) FROM thread_inputs i WHERE i.thread_id = $19)"

#define HELD_OF_THREAD "FROM runs h WHERE h.thread_id = $19 AND " IS_HELD

/* clang-format off */
/* $19 the thread, $20 whether the messages are input of it. */
static const struct pg_statement enqueue = {
    .name = "multitask_enqueue",
    .sql =
        "WITH t AS MATERIALIZED ("
        "    SELECT t.*"
        "    FROM threads t"
        "    WHERE t.id = $19"
        "      AND t.tenant_id = $2"
        "      AND " SQL_AGENT_EXISTS
        "      AND " SQL_RUN_DRAFT_FITS("t")
        "      AND (SELECT count(*) " HELD_OF_THREAD ") < " SQL_STRING(HELD_RUNS_MAX)
        "      AND (NOT $20::bool"
        "          OR " INPUTS_OF_THREAD " + $12 <= " SQL_STRING(MESSAGE_DRAFTS_MAX) ")),"
        " u AS ("
        "    UPDATE threads o"
        "    SET " SQL_RUN_DRAFT_JOINS("o")
        "    FROM t"
        "    WHERE o.id = t.id"
        "      AND $20),"
        " w AS ("
        "    INSERT INTO thread_inputs ("
        "        id, tenant_id, thread_id, steers, role, content, attachments, metadata, bytes,"
        "        token_count, " DRAFT_CALL_COLUMNS ")"
        "    SELECT d.id, $2, t.id, false, d.role, d.content, d.attachments,"
        "        coalesce(d.metadata, '{}'), d.bytes, d.tokens, " SQL_DRAFT_CALLS("d")
        "    FROM t, " SQL_DRAFTS("$11")
        "    WHERE $20"
        "    ORDER BY d.place)"
        " INSERT INTO runs (" SQL_RUN_DRAFT_COLUMNS ", held, input)"
        " SELECT " SQL_RUN_DRAFT ", nextval('run_places'), CASE WHEN NOT $20 THEN $11::jsonb END"
        " FROM t",
    .types = RUN_DRAFT_TYPES "ub",
};

#define MESSAGES_WAITING "(SELECT coalesce(sum(jsonb_array_length(h.input)), 0) " HELD_OF_THREAD ")"

#define JOINED_INPUT \
    "nullif(" \
    "    coalesce((" \
    "        SELECT jsonb_agg(e.message ORDER BY o.held, e.place)" \
    "        FROM old o, jsonb_array_elements(o.input) WITH ORDINALITY AS e (message, place)" \
    "        WHERE o.held IS NOT NULL), '[]')" \
    "    || coalesce($11, '[]'), '[]')"

#define ROLLED_BACK \
    "nullif(array(" \
    "    SELECT t.active_run" \
    "    FROM t" \
    "    WHERE $20" \
    "      AND t.active_run IS NOT NULL" \
    "    UNION" \
    "    SELECT unnest(o.rolls_back)" \
    "    FROM old o" \
    "    WHERE o.held IS NOT NULL), '{}')"

/* $19 the thread, $20 whether to roll back. */
static const struct pg_statement interrupt = {
    .name = "multitask_interrupt",
    .sql =
        "WITH t AS MATERIALIZED ("
        "    SELECT t.*"
        "    FROM threads t"
        "    WHERE t.id = $19"
        "      AND t.tenant_id = $2"
        "      AND " SQL_AGENT_EXISTS
        "      AND " SQL_RUN_DRAFT_FITS("t")
        "      AND " SQL_UNUSED_TEXT("$15")
        "      AND ($20 OR " MESSAGES_WAITING " + coalesce(jsonb_array_length($11), 0)"
        "          <= " SQL_STRING(MESSAGE_DRAFTS_MAX) ")),"
        " x AS MATERIALIZED ("
        "    SELECT t.active_run AS id"
        "    FROM t"
        "    WHERE t.active_run IS NOT NULL"
        "    UNION ALL"
        "    SELECT h.id"
        "    FROM t"
        "    JOIN runs h ON h.thread_id = t.id"
        "    WHERE " IS_HELD "),"
        " old AS ("
        "    UPDATE runs r"
        "    SET " SQL_BECOMES(SQL_CANCELLED("r.status"), "NULL::jsonb") ","
        "        " SQL_WAITS_NO_MORE
        "    FROM x"
        "    WHERE r.id = ANY (ARRAY[x.id])"
        "      AND " SQL_CHECKED("r.status IN ('queued', 'requires_action', 'in_progress')")
        "    RETURNING r.*),"
        " ended AS ("
        "    SELECT " ENDED_COLUMNS("old")
        "    FROM old"
        "    WHERE " SQL_IS_END("status") "),"
        " " SQL_AFTER_END("ended", "") ","
        " i AS ("
        "    INSERT INTO runs (" SQL_RUN_DRAFT_COLUMNS ", held, input, rolls_back)"
        "    SELECT " SQL_RUN_DRAFT ", nextval('run_places'),"
        "        CASE WHEN $20 THEN $11 ELSE " JOINED_INPUT " END,"
        "        " ROLLED_BACK
        "    FROM t)"
        " SELECT id, owner, status = 'cancelling'"
        " FROM old",
    .types = RUN_DRAFT_TYPES "ub",
};
/* clang-format on */

static const struct pg_statement made = {
    .name = "multitask_made",
    .sql = "SELECT " RUN_COLUMNS " FROM runs r WHERE r.id = $1 AND r.tenant_id = $2",
    .types = "uu",
};

/* Why no run was made. Where neither the thread nor the agent is missing, the only reason left is
 * that the thread has no room. */
static int refused(const struct store *store, const struct run_draft *draft, struct error *err)
{
    int r = run_create_look(store, draft, NULL, err);

    return r == 0 || r == THREAD_BUSY ? THREAD_FULL : r;
}

/* The rows of the interrupt. */
static int read_stopped(const struct store *store, const struct pg_result *result,
                        struct run_stopped *out, struct error *err)
{
    int rows = pg_rows(result);
    struct uuid *ended;

    *out = (struct run_stopped){.owner = 0};
    if (rows == 0)
        return 0;
    ended = arena_calloc(store->arena, (size_t)rows, sizeof(*ended));
    if (!ended)
        return error_set(err, E_LIMIT, "no room for the runs that had to give way");
    out->ended = ended;
    for (int row = 0; row < rows; row++) {
        if (pg_get_bool(result, row, 2)) {
            out->id = pg_get_uuid(result, row, 0);
            out->owner = pg_get_int(result, row, 1);
        } else {
            ended[out->ended_count++] = pg_get_uuid(result, row, 0);
        }
    }
    return 0;
}

static int read_made(const struct store *store, struct pg_result *const *results,
                     const struct run_draft *draft, struct run *out,
                     struct run_stopped *out_stopped, struct error *err)
{
    int r;

    if (pg_rows(results[4]) == 0)
        return refused(store, draft, err);
    r = row_read_at(store, &run_rows, results[4], 0, out, err);
    return r < 0 ? r : read_stopped(store, results[2], out_stopped, err);
}

int runs_enqueue(const struct store *store, const struct run_draft *draft, enum multitask how,
                 struct run *out, struct run_stopped *out_stopped, struct error *err)
{
    struct pg_value thread[2] = {pg_uuid(draft->thread), pg_uuid(store->tenant)};
    struct pg_value run[2] = {pg_uuid(draft->id), pg_uuid(store->tenant)};
    struct pg_value values[RUN_DRAFT_VALUES + 2];
    const struct pg_query queries[] = {
        {&thread_lock_active, thread},
        {&lock_thread, thread},
        {how == MULTITASK_ENQUEUE ? &enqueue : &interrupt, values},
        {&promote_at, thread},
        {&made, run},
        store->rider ? *store->rider : (struct pg_query){NULL, NULL},
    };
    struct pg_result *results[ARRAY_LENGTH(queries)] = {NULL};
    size_t first = how == MULTITASK_ENQUEUE ? 1 : 0; /* an enqueue ends no run, so it locks none */
    size_t count = ARRAY_LENGTH(queries) - (store->rider ? 0 : 1) - first;
    struct message_counts counts = drafts_counts(draft->messages, draft->message_count);
    CLEANUP(buf_deinit) struct buf messages;
    int r;

    buf_init(&messages, 0);
    r = drafts_encode(&messages, draft->messages, draft->message_count, err);
    if (r < 0)
        return r;
    run_draft_values(store, draft, drafts_value(&messages, draft->message_count), &counts, values);
    values[RUN_DRAFT_VALUES] = pg_uuid(draft->thread);
    values[RUN_DRAFT_VALUES + 1] =
        pg_bool(how == MULTITASK_ENQUEUE ? draft->as_input : how == MULTITASK_ROLLBACK);
    r = pg_exec_all(store->pg, queries + first, count, results + first, err);
    if (r < 0)
        return r;
    r = read_made(store, results, draft, out, out_stopped, err);
    for (size_t i = 0; i < ARRAY_LENGTH(results); i++)
        pg_result_free(results[i]);
    return r;
}
