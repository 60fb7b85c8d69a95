/* From runs that have ended to what is known of their schedules. */

#include "shared/store/columns.h"
#include "shared/store/runs/run_ends.h"
#include "shared/store/schedules/schedule_clock.h"
#include "shared/store/schedules/schedule_rows.h"

#define TELL_MAX "100"
#define WHY_MAX  "500" /* characters of why a run has failed */

/* clang-format off */
/* Of those that end together, only what comes behind the last one that was completed has failed in
 * a row. A person's cancel is neither. */
static const struct pg_statement settle = {
    .name = "firings_settle",
    .sql =
        "WITH e AS MATERIALIZED ("
        "    SELECT f.schedule_id, f.id, coalesce(r.status, 'deleted') AS outcome,"
        "        coalesce(r.updated_at, now()) AS at,"
        "        CASE WHEN r.status IN ('failed', 'expired', 'incomplete')"
        "            THEN left("
        "                coalesce(r.incomplete_reason, r.last_error ->> 'message'), " WHY_MAX ")"
        "            END AS why"
        "    FROM schedule_firings f"
        "    LEFT JOIN runs r ON r.id = f.id"
        "    WHERE f.state = 'started'"
        "      AND " SQL_CHECKED("r.id IS NULL OR " SQL_IS_END("r.status"))
        "    LIMIT " SQL_STRING(FIRINGS_SETTLE_MAX) "),"
        " l AS MATERIALIZED ("
        "    SELECT s.id, s.lasting"
        "    FROM schedules s"
        "    WHERE s.id IN (SELECT schedule_id FROM e)"
        "    FOR NO KEY UPDATE OF s SKIP LOCKED),"
        " f AS ("
        "    UPDATE schedule_firings f"
        "    SET state = 'ended',"
        "        outcome = e.outcome,"
        "        detail = coalesce(e.why, f.detail),"
        "        ended_at = e.at,"
        "        taken_until = 'epoch',"
        "        tell = l.lasting AND e.outcome <> 'completed'"
        "    FROM e"
        "    JOIN l ON l.id = e.schedule_id"
        "    WHERE f.schedule_id = e.schedule_id"
        "      AND f.id = e.id"
        "      AND f.state = 'started'"
        "    RETURNING f.schedule_id, f.id, f.outcome, f.ended_at, f.detail),"
        " o AS ("
        "    SELECT f.*, max(f.ended_at) FILTER (WHERE f.outcome = 'completed')"
        "        OVER (PARTITION BY f.schedule_id) AS completed_at"
        "    FROM f),"
        " a AS ("
        "    SELECT o.schedule_id,"
        "        bool_or(o.outcome = 'completed') AS completed,"
        "        count(*) FILTER ("
        "            WHERE o.outcome IN ('failed', 'expired', 'incomplete')"
        "              AND (o.completed_at IS NULL OR o.ended_at > o.completed_at)) AS failed,"
        "        (array_agg(o.id ORDER BY o.ended_at DESC, o.id DESC))[1] AS last_run,"
        "        (array_agg(o.outcome ORDER BY o.ended_at DESC, o.id DESC))[1] AS last_outcome,"
        "        (array_agg(o.detail ORDER BY o.ended_at DESC, o.id DESC)"
        "            FILTER (WHERE o.outcome IN ('failed', 'expired', 'incomplete')))[1] AS why,"
        "        (array_agg(o.id ORDER BY o.ended_at DESC, o.id DESC)"
        "            FILTER (WHERE o.outcome = 'completed'))[1] AS last_completed"
        "    FROM o"
        "    GROUP BY o.schedule_id),"
        " c AS ("
        "    SELECT a.*, s.state = 'active' AND a.failed > 0 AND s.max_failures > 0"
        "            AND a.failed + CASE WHEN a.completed THEN 0 ELSE s.failures END"
        "                >= s.max_failures AS pauses,"
        "        a.failed + CASE WHEN a.completed THEN 0 ELSE s.failures END AS failures"
        "    FROM a"
        "    JOIN schedules s ON s.id = a.schedule_id),"
        " u AS ("
        "    UPDATE schedules s"
        "    SET failures = c.failures,"
        "        last_run = c.last_run,"
        "        last_outcome = c.last_outcome,"
        "        last_completed = coalesce(c.last_completed, s.last_completed),"
        "        turn = s.turn + CASE WHEN c.pauses THEN 1 ELSE 0 END,"
        "        state = CASE WHEN c.pauses THEN 'paused' ELSE s.state END,"
        "        pause_code = CASE WHEN c.pauses THEN 'failures' ELSE s.pause_code END,"
        "        pause_message = CASE"
        "            WHEN c.pauses THEN c.failures || ' runs in a row have failed.'"
        "                || coalesce(' The last one: ' || c.why, '')"
        "            ELSE s.pause_message"
        "            END"
        "    FROM c"
        "    WHERE s.id = c.schedule_id"
        "    RETURNING " SCHEDULE_TOLD("s") ", c.pauses)"
        " SELECT (SELECT count(*) FROM f), (SELECT count(" SCHEDULE_TELL_PAUSED("u") ")"
        "     FROM u"
        "     WHERE u.pauses)",
    .types = "",
};

/* A paused schedule starts nothing but what is asked for by hand, of which one at most waits,
 * before all that is caught up. Schedules are found by leaps through the index, and of each the
 * first one that waits, however many do. */
static const struct pg_statement promote = {
    .name = "firings_promote",
    .sql =
        "WITH RECURSIVE leaps AS ("
        "    (SELECT w.schedule_id"
        "     FROM schedule_firings w"
        "     WHERE w.state = 'waiting'"
        "     ORDER BY w.schedule_id"
        "     LIMIT 1)"
        "    UNION ALL"
        "    SELECT n.schedule_id"
        "    FROM leaps l"
        "    CROSS JOIN LATERAL ("
        "        SELECT w.schedule_id"
        "        FROM schedule_firings w"
        "        WHERE w.state = 'waiting'"
        "          AND w.schedule_id > l.schedule_id"
        "        ORDER BY w.schedule_id"
        "        LIMIT 1) n),"
        " p AS MATERIALIZED ("
        "    SELECT w.schedule_id, w.id"
        "    FROM leaps l"
        "    JOIN schedules s ON s.id = ANY (ARRAY[l.schedule_id])"
        "    CROSS JOIN LATERAL ("
        "        SELECT w.schedule_id, w.id, w.cause"
        "        FROM schedule_firings w"
        "        WHERE w.schedule_id = l.schedule_id"
        "          AND w.state = 'waiting'"
        "        ORDER BY w.cause IN ('catch_up', 'backfill'), w.nominal, w.id"
        "        LIMIT 1) w"
        "    WHERE (s.state <> 'paused' OR w.cause = 'manual')"
        "      AND NOT EXISTS ("
        "          SELECT"
        "          FROM schedule_firings f"
        "          LEFT JOIN runs r ON r.id = f.id"
        "          WHERE f.schedule_id = w.schedule_id"
        "            AND f.state IN ('due', 'started')"
        "            AND (f.state = 'due' OR NOT " SQL_IS_END("r.status") "))),"
        " f AS ("
        "    UPDATE schedule_firings f"
        "    SET state = 'due', taken_until = 'epoch'"
        "    FROM p"
        "    WHERE f.schedule_id = p.schedule_id"
        "      AND f.id = p.id"
        "      AND f.state = 'waiting'"
        "    RETURNING 1)"
        " SELECT count(*)"
        " FROM f",
    .types = "",
};

static const struct pg_statement to_tell = {
    .name = "firings_to_tell",
    .sql =
        "WITH t AS MATERIALIZED ("
        "    SELECT schedule_id, id"
        "    FROM schedule_firings"
        "    WHERE tell"
        "      AND taken_until <= now()"
        "    ORDER BY id"
        "    LIMIT " TELL_MAX
        "    FOR UPDATE SKIP LOCKED),"
        " f AS ("
        "    UPDATE schedule_firings f"
        "    SET taken_until = now() + interval '" SQL_STRING(FIRINGS_TAKEN_MS) " ms'"
        "    FROM t"
        "    WHERE f.schedule_id = t.schedule_id"
        "      AND f.id = t.id"
        "    RETURNING f.*)"
        " SELECT " FIRING_COLUMNS ", CASE WHEN s.lasting THEN s.thread_id END, s.timezone,"
        "     r.last_error, r.incomplete_reason"
        " FROM f"
        " JOIN schedules s ON s.id = f.schedule_id"
        " LEFT JOIN runs r ON r.id = f.id"
        " ORDER BY f.id",
    .types = "",
};

static const struct pg_statement told = {
    .name = "firings_told",
    .sql =
        "UPDATE schedule_firings f"
        " SET tell = false"
        " FROM ROWS FROM (unnest($1), unnest($2)) AS i (schedule, firing)"
        " WHERE f.schedule_id = i.schedule"
        "   AND f.id = i.firing",
    .types = "UU",
};

static const struct pg_statement last_result = {
    .name = "schedule_last_result",
    .sql =
        "SELECT left(penstock_text(m.content), $3::int)"
        " FROM runs r"
        " JOIN messages m ON m.id = r.result_message"
        " WHERE r.id = $1"
        "   AND r.tenant_id = $2",
    .types = "uui",
};

#define COUNTED(which) \
    "SELECT count(*)" \
    " FROM (" \
    "    SELECT" \
    "    FROM schedule_firings" \
    "    WHERE state = '" which "'" \
    "    LIMIT " SQL_STRING(FIRINGS_COUNTED) ") n"

static const struct pg_statement counts = {
    .name = "schedule_counts",
    .sql =
        "SELECT (" COUNTED("started") "), (" COUNTED("waiting") "), (" COUNTED("due") ")",
    .types = "",
};
/* clang-format on */

int firings_settle(struct pg *pg, int64_t *out_count, int64_t *out_paused, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    int r = pg_exec(pg, &settle, NULL, &result, err);

    if (r < 0)
        return r;
    *out_count = pg_get_int(result, 0, 0);
    *out_paused = pg_get_int(result, 0, 1);
    return 0;
}

int firings_promote(struct pg *pg, int64_t *out_count, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    int r = pg_exec(pg, &promote, NULL, &result, err);

    if (r == 0)
        *out_count = pg_get_int(result, 0, 0);
    return r;
}

static int read_news(struct row *row, void *out, struct error *err)
{
    struct firing_news *news = out;
    int r = firing_read(row, &news->firing, err);

    if (r < 0)
        return r;
    news->thread = row_uuid(row);
    news->zone = row_text(row);
    news->error = row_text(row);
    news->reason = row_text(row);
    return row_check(row, err);
}

int firings_to_tell(struct pg *pg, struct arena *arena, struct firing_news_list *out,
                    struct error *err)
{
    static const struct row_kind kind = {read_news, sizeof(struct firing_news), FIRING_MISSING};
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct rows rows;
    int r = pg_exec(pg, &to_tell, NULL, &result, err);

    if (r == 0)
        r = rows_read(arena, &kind, result, NULL, &rows, err);
    if (r == 0)
        *out = (struct firing_news_list){rows.items, rows.count};
    return r;
}

int firings_told(struct pg *pg, const struct firing_news *news, size_t count, struct error *err)
{
    CLEANUP(buf_deinit) struct buf schedules;
    CLEANUP(buf_deinit) struct buf firings;
    struct pg_value values[2];

    buf_init(&schedules, 0);
    buf_init(&firings, 0);
    pg_array_begin(&schedules);
    pg_array_begin(&firings);
    for (size_t i = 0; i < count; i++) {
        pg_array_add_uuid(&schedules, news[i].firing.schedule);
        pg_array_add_uuid(&firings, news[i].firing.id);
    }
    values[0] = pg_array('U', &schedules);
    values[1] = pg_array('U', &firings);
    return pg_exec(pg, &told, values, NULL, err);
}

int schedule_last_result(const struct store *store, struct uuid run, size_t max, struct text *out,
                         struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[3] = {pg_uuid(run), pg_uuid(store->tenant), pg_int((int64_t)max)};
    struct row row;
    int r = pg_exec(store->pg, &last_result, values, &result, err);

    if (r < 0)
        return r;
    *out = TEXT_NONE;
    if (pg_rows(result) == 0)
        return 0;
    row = row_at(result, 0, store->arena);
    *out = row_text(&row);
    return row_check(&row, err);
}

int schedule_counts(struct pg *pg, struct schedule_counts *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    int r = pg_exec(pg, &counts, NULL, &result, err);

    if (r < 0)
        return r;
    *out = (struct schedule_counts){
        .at_work = pg_get_int(result, 0, 0),
        .waiting = pg_get_int(result, 0, 1),
        .due = pg_get_int(result, 0, 2),
    };
    return 0;
}
