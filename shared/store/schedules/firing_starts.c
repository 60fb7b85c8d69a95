/* From firings that are due to runs. */

#include "shared/store/columns.h"
#include "shared/store/runs/run_ends.h"
#include "shared/store/schedules/schedule_clock.h"
#include "shared/store/schedules/schedule_rows.h"

/* clang-format off */
static const struct pg_statement take = {
    .name = "firings_take",
    .sql =
        "WITH d AS MATERIALIZED ("
        "    SELECT schedule_id, id, taken_until"
        "    FROM schedule_firings"
        "    WHERE state = 'due'"
        "      AND taken_until <= now()"
        "    ORDER BY taken_until"
        "    LIMIT " SQL_STRING(FIRINGS_TAKE_MAX)
        "    FOR UPDATE SKIP LOCKED),"
        " b AS ("
        "    SELECT d.schedule_id, d.id,"
        "        sum(" SQL_SENT("s.request") ") OVER (ORDER BY d.taken_until, d.id"
        "            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before"
        "    FROM d"
        "    JOIN schedules s ON s.id = d.schedule_id),"
        " t AS MATERIALIZED ("
        "    SELECT b.schedule_id, b.id"
        "    FROM b"
        "    WHERE coalesce(b.before, 0) < " SQL_STRING(FIRINGS_TAKE_BYTES) "),"
        " f AS ("
        "    UPDATE schedule_firings f"
        "    SET taken_until = now() + interval '" SQL_STRING(FIRINGS_TAKEN_MS) " ms',"
        "        tries = f.tries + 1"
        "    FROM t"
        "    WHERE f.schedule_id = t.schedule_id"
        "      AND f.id = t.id"
        "    RETURNING f.*)"
        " SELECT " FIRING_COLUMNS ", " SCHEDULE_COLUMNS ","
        "     coalesce(("
        "         SELECT r.incomplete_reason = 'thread_size'"
        "         FROM runs r"
        "         WHERE r.id = s.last_run"
        "           AND r.thread_id = s.thread_id), false),"
        "     floor(date_part('epoch', now()) * 1000)::int8,"
        "     floor(date_part('epoch', ("
        "         SELECT max(l.nominal)"
        "         FROM schedule_firings l"
        "         WHERE l.schedule_id = f.schedule_id"
        "           AND l.nominal < f.nominal"
        "           AND l.state IN ('due', 'waiting', 'started', 'ended')"
        "           AND l.cause <> 'manual')))::int8,"
        "     (SELECT count(*) FROM t) < (SELECT count(*) FROM d)"
        " FROM f"
        " JOIN schedules s ON s.id = f.schedule_id",
    .types = "",
};
/* clang-format on */

static int read_taken(struct row *row, void *out, struct error *err)
{
    struct firing_taken *taken = out;
    int r = firing_read(row, &taken->firing, err);

    if (r == 0)
        r = schedule_read(row, &taken->schedule, err);
    if (r < 0)
        return r;
    taken->no_room = row_bool(row);
    taken->now_ms = row_int(row);
    taken->last_fire = row_int(row);
    taken->more = row_bool(row);
    return row_check(row, err);
}

static void read_list(const struct rows *rows, struct firings_taken *out)
{
    const struct firing_taken *items = rows->items;

    *out = (struct firings_taken){.items = rows->items, .count = rows->count};
    out->more = rows->count == FIRINGS_TAKE_MAX || (rows->count > 0 && items[0].more);
}

int firings_take(struct pg *pg, struct arena *arena, struct firings_taken *out, struct error *err)
{
    static const struct row_kind kind = {read_taken, sizeof(struct firing_taken), FIRING_MISSING};
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct rows rows;
    int r = pg_exec(pg, &take, NULL, &result, err);

    if (r == 0)
        r = rows_read(arena, &kind, result, NULL, &rows, err);
    if (r == 0)
        read_list(&rows, out);
    return r;
}

/* clang-format off */
#define START_ROWS(COLUMN) \
    COLUMN(1, START_N, "n", 'I') \
    COLUMN(2, START_SCHEDULE, "schedule", 'U') \
    COLUMN(3, START_ID, "firing", 'U') \
    COLUMN(4, START_STATE, "state", 'T') \
    COLUMN(5, START_DETAIL, "detail", 'T') \
    COLUMN(6, START_RETRY, "retry_ms", 'I') \
    COLUMN(7, START_THREAD, "thread", 'U') \
    COLUMN(8, START_FORGET, "forget", 'B') \
    COLUMN(9, START_PAUSE, "pause", 'T') \
    COLUMN(10, START_MESSAGE, "message", 'T')

enum { START_ROWS(COLUMN_ENUM) };
enum { COLUMNS = 0 START_ROWS(COLUMN_COUNT) };

static const char types[] = {START_ROWS(COLUMN_TYPE) [COLUMNS] = '\0'};
_Static_assert(sizeof(types) == COLUMNS + 1, "each number has its column");

#define SQL_TOO_MANY(s) \
    s ".max_failures > 0 AND " s ".failures + 1 >= " s ".max_failures"

/* Only the schedules change of which something else is known now: most runs change none. */
static const struct pg_statement started = {
    .name = "firings_started",
    .sql =
        "WITH i AS MATERIALIZED (" SQL_MANY_ROWS(START_ROWS, "$1") "),"
        " f AS ("
        "    UPDATE schedule_firings f"
        "    SET state = i.state,"
        "        detail = coalesce(i.detail, f.detail),"
        "        taken_until = now() + coalesce(i.retry_ms, 0) * interval '1 ms',"
        "        started_at = CASE WHEN i.state = 'started' THEN now() END,"
        "        ended_at = CASE WHEN i.state = 'failed' THEN now() END,"
        "        tell = i.state = 'failed'"
        "    FROM i"
        "    WHERE f.schedule_id = i.schedule"
        "      AND f.id = i.firing"
        "      AND f.state = 'due'"
        "    RETURNING i.*, f.cause, f.nominal, f.until, f.times),"
        " s AS ("
        "    UPDATE schedules s"
        "    SET turn = s.turn + 1,"
        "        thread_id = CASE"
        "            WHEN f.forget THEN NULL"
        "            ELSE coalesce(f.thread, s.thread_id)"
        "            END,"
        "        thread_made = (s.thread_made OR f.thread IS NOT NULL) AND f.forget IS NOT TRUE,"
        "        failures = s.failures + CASE WHEN f.state = 'failed' THEN 1 ELSE 0 END,"
        "        state = CASE"
        "            WHEN s.state = 'active' AND (f.pause IS NOT NULL OR ("
        "                f.state = 'failed' AND " SQL_TOO_MANY("s") ")) THEN 'paused'"
        "            ELSE s.state"
        "            END,"
        "        pause_code = CASE"
        "            WHEN s.state <> 'active' THEN s.pause_code"
        "            WHEN f.pause IS NOT NULL THEN f.pause"
        "            WHEN f.state = 'failed' AND " SQL_TOO_MANY("s") " THEN 'failures'"
        "            END,"
        "        pause_message = CASE"
        "            WHEN s.state <> 'active' THEN s.pause_message"
        "            WHEN f.pause IS NOT NULL THEN f.message"
        "            WHEN f.state = 'failed' AND " SQL_TOO_MANY("s") " THEN"
        "                s.failures + 1 || ' runs in a row have failed.'"
        "                    || coalesce(' The last one: ' || f.detail, '')"
        "            END"
        "    FROM f"
        "    JOIN schedules o ON o.id = ANY (ARRAY[f.schedule])"
        "    WHERE s.id = f.schedule"
        "      AND (f.thread IS NOT NULL OR f.forget OR f.pause IS NOT NULL"
        "          OR f.state = 'failed')"
        "    RETURNING " SCHEDULE_TOLD("s") ", o.state = 'active' AND s.state = 'paused' AS pauses)"
        " SELECT (SELECT count(*) FROM f),"
        "     (SELECT count(" SCHEDULE_TELL_FIRING("s", "f") ")"
        "      FROM f"
        "      JOIN s ON s.id = f.schedule"
        "      WHERE f.state = 'failed'),"
        "     (SELECT count(" SCHEDULE_TELL_PAUSED("s") ")"
        "      FROM s"
        "      WHERE s.pauses)",
    .types = types,
};

static const struct pg_statement at_work = {
    .name = "firings_at_work",
    .sql =
        "SELECT f.id"
        " FROM schedule_firings f"
        " JOIN runs r ON r.id = f.id"
        " WHERE f.schedule_id = $1"
        "   AND f.tenant_id = $2"
        "   AND f.state = 'started'"
        "   AND f.id <> $3"
        "   AND " SQL_CHECKED("NOT " SQL_IS_END("r.status"))
        " ORDER BY f.id"
        " LIMIT $4",
    .types = "uuui",
};
/* clang-format on */

static void write_start(struct buf *columns, size_t n, const struct firing_start *start)
{
    struct column_row row = column_row(columns, START_N, n);

    column_uuid(row, START_SCHEDULE, start->schedule);
    column_uuid(row, START_ID, start->id);
    column_text(row, START_STATE, text_of(firing_states[start->state]));
    column_text(row, START_DETAIL, start->detail);
    column_int_if(row, START_RETRY, start->retry_ms);
    column_uuid(row, START_THREAD, start->thread);
    if (start->forget_thread)
        column_bool(row, START_FORGET, true);
    if (start->pause_code)
        column_text(row, START_PAUSE, text_of(start->pause_code));
    column_text(row, START_MESSAGE, start->pause_message);
}

int firings_started(struct pg *pg, const struct firing_start *starts, size_t count,
                    int64_t *out_count, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[COLUMNS];
    struct buf columns[COLUMNS];
    int r;

    columns_init(columns, COLUMNS);
    for (size_t i = 0; i < count; i++)
        write_start(columns, i, &starts[i]);
    columns_values(columns, types, values);
    r = pg_exec(pg, &started, values, &result, err);
    columns_deinit(columns, COLUMNS);
    if (r == 0)
        *out_count = pg_get_int(result, 0, 0);
    return r;
}

int firings_at_work(const struct store *store, struct uuid schedule, struct uuid but,
                    struct uuid *out, size_t max, size_t *out_count, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[4] = {pg_uuid(schedule), pg_uuid(store->tenant), pg_uuid(but),
                                 pg_int((int64_t)max)};
    int r = pg_exec(store->pg, &at_work, values, &result, err);

    if (r < 0)
        return r;
    *out_count = (size_t)pg_rows(result);
    for (size_t i = 0; i < *out_count; i++)
        out[i] = pg_get_uuid(result, (int)i, 0);
    return 0;
}
