/* From schedules that are due to their firings. */

#include "shared/store/columns.h"
#include "shared/store/runs/run_ends.h"
#include "shared/store/schedules/schedule_clock.h"
#include "shared/store/schedules/schedule_rows.h"

/* clang-format off */
/* What a schedule `s` has at work. What a person or the clock began is told before what is caught
 * up. */
#define STANDING_COLUMNS \
    "floor(date_part('epoch', now()))::int8, w.id, w.cause, n.waiting, n.waiting_all"
#define STANDING \
    " LEFT JOIN LATERAL (" \
    "     SELECT f.id, f.cause" \
    "     FROM schedule_firings f" \
    "     LEFT JOIN runs r ON r.id = f.id" \
    "     WHERE f.schedule_id = s.id" \
    "       AND f.state IN ('due', 'started')" \
    "       AND (f.state = 'due' OR NOT " SQL_IS_END("r.status") ")" \
    "     ORDER BY f.cause IN ('catch_up', 'backfill'), f.id" \
    "     LIMIT 1) w ON true" \
    " LEFT JOIN LATERAL (" \
    "     SELECT count(*) FILTER (WHERE f.cause IN ('time', 'manual')) AS waiting," \
    "         count(*) AS waiting_all" \
    "     FROM schedule_firings f" \
    "     WHERE f.schedule_id = s.id" \
    "       AND f.state = 'waiting') n ON true"

static const struct pg_statement due = {
    .name = "schedules_due",
    .sql =
        "SELECT " SCHEDULE_COLUMNS_OF_TIMES ", " STANDING_COLUMNS
        " FROM ("
        "     SELECT *"
        "     FROM schedules"
        "     WHERE state = 'active'"
        "       AND due <= now()"
        "     ORDER BY due"
        "     LIMIT " SQL_STRING(SCHEDULES_DUE_MAX) ") s"
        STANDING,
    .types = "",
};

static const struct pg_statement next_due = {
    .name = "schedules_next_due",
    .sql =
        "SELECT ceil(date_part('epoch', due - clock_timestamp()) * 1000)::int8"
        " FROM schedules"
        " WHERE state = 'active'"
        "   AND due > now()"
        " ORDER BY due"
        " LIMIT 1",
    .types = "",
};

static const struct pg_statement look = {
    .name = "schedule_look",
    .sql =
        "SELECT " SCHEDULE_COLUMNS ", " STANDING_COLUMNS
        " FROM schedules s"
        STANDING
        " WHERE s.id = $1"
        "   AND s.tenant_id = $2",
    .types = "uu",
};
/* clang-format on */

static int read_due(struct row *row, void *out, struct error *err)
{
    struct schedule_due *due_one = out;
    struct text cause;
    int r = schedule_read(row, &due_one->schedule, err);

    if (r < 0)
        return r;
    due_one->standing = (struct schedule_standing){.now_s = row_int(row)};
    due_one->standing.in_way = row_uuid(row);
    cause = row_word(row);
    if (cause.ptr)
        due_one->standing.in_way_by = (enum firing_cause)schedule_word(firing_causes, cause);
    due_one->standing.waiting = row_int(row);
    due_one->standing.waiting_all = row_int(row);
    return row_check(row, err);
}

static const struct row_kind due_rows = {read_due, sizeof(struct schedule_due), SCHEDULE_MISSING};

int schedules_due(struct pg *pg, struct arena *arena, struct schedules_due *out,
                  int64_t *out_wait_ms, struct error *err)
{
    const struct pg_query queries[2] = {{&due, NULL}, {&next_due, NULL}};
    struct pg_result *results[2];
    struct rows rows;
    int r = pg_exec_all(pg, queries, 2, results, err);

    if (r < 0)
        return r;
    r = rows_read(arena, &due_rows, results[0], NULL, &rows, err);
    if (r == 0) {
        *out = (struct schedules_due){rows.items, rows.count};
        *out_wait_ms = pg_rows(results[1]) > 0 ? pg_get_int(results[1], 0, 0) : INT64_MAX;
    }
    pg_result_free(results[0]);
    pg_result_free(results[1]);
    return r;
}

int schedule_look(const struct store *store, struct uuid id, struct schedule_due *out,
                  struct error *err)
{
    struct pg_value values[2] = {pg_uuid(id), pg_uuid(store->tenant)};

    return store_one(store, &due_rows, &(struct pg_query){&look, values}, out, err);
}

/* clang-format off */
#define PLAN_ROWS(COLUMN) \
    COLUMN(1, PLAN_N, "n", 'I') \
    COLUMN(2, PLAN_SCHEDULE, "schedule", 'U') \
    COLUMN(3, PLAN_TURN, "turn", 'I') \
    COLUMN(4, PLAN_MOVES, "moves", 'B') \
    COLUMN(5, PLAN_NEXT, "next", 'I') \
    COLUMN(6, PLAN_DUE, "due", 'I') \
    COLUMN(7, PLAN_LAST, "last_fire", 'I') \
    COLUMN(8, PLAN_FIRES, "fires", 'I')

#define FIRE_ROWS(COLUMN) \
    COLUMN(9, FIRE_N, "n", 'I') \
    COLUMN(10, FIRE_ID, "id", 'U') \
    COLUMN(11, FIRE_CAUSE, "cause", 'T') \
    COLUMN(12, FIRE_STATE, "state", 'T') \
    COLUMN(13, FIRE_NOMINAL, "nominal", 'I') \
    COLUMN(14, FIRE_UNTIL, "until", 'I') \
    COLUMN(15, FIRE_TIMES, "times", 'I') \
    COLUMN(16, FIRE_DETAIL, "detail", 'T')

enum { PLAN_ROWS(COLUMN_ENUM) FIRE_ROWS(COLUMN_ENUM) };
enum { COLUMNS = 0 PLAN_ROWS(COLUMN_COUNT) FIRE_ROWS(COLUMN_COUNT) };

static const char types[] = {PLAN_ROWS(COLUMN_TYPE) FIRE_ROWS(COLUMN_TYPE) [COLUMNS] = '\0'};
_Static_assert(sizeof(types) == COLUMNS + 1, "each number has its column");

static const struct pg_statement fire = {
    .name = "schedules_fire",
    .sql =
        "WITH i AS MATERIALIZED (" SQL_MANY_ROWS(PLAN_ROWS, "$1") "),"
        " n AS MATERIALIZED (" SQL_MANY_ROWS(FIRE_ROWS, "$9") "),"
        " l AS MATERIALIZED ("
        "    SELECT s.id"
        "    FROM i"
        "    JOIN schedules s ON s.id = i.schedule"
        "    WHERE s.turn = i.turn"
        "    FOR NO KEY UPDATE OF s SKIP LOCKED),"
        " s AS ("
        "    UPDATE schedules s"
        "    SET turn = s.turn + 1,"
        "        next = CASE WHEN i.moves THEN to_timestamp(i.next) ELSE s.next END,"
        "        due = CASE WHEN i.moves THEN to_timestamp(i.due) ELSE s.due END,"
        "        state = CASE WHEN i.moves AND i.next IS NULL THEN 'ended' ELSE s.state END,"
        "        fired = s.fired + i.fires,"
        "        last_fire = coalesce(to_timestamp(i.last_fire), s.last_fire)"
        "    FROM i, l"
        "    WHERE s.id = i.schedule"
        "      AND s.id = l.id"
        "      AND s.turn = i.turn"
        "    RETURNING " SCHEDULE_TOLD("s") ", s.lasting, i.n,"
        "        s.state = 'ended' AND i.moves AS ends),"
        " f AS ("
        "    INSERT INTO schedule_firings ("
        "        schedule_id, id, tenant_id, cause, nominal, until, times, state, detail, tell,"
        "        ended_at)"
        "    SELECT s.id, n.id, s.tenant_id, n.cause, to_timestamp(n.nominal),"
        "        to_timestamp(n.until), n.times, n.state, n.detail,"
        "        s.lasting AND n.state IN ('skipped', 'missed'),"
        "        CASE WHEN n.state IN ('skipped', 'missed') THEN now() END"
        "    FROM s"
        "    JOIN n ON n.n = s.n"
        "    ON CONFLICT DO NOTHING"
        "    RETURNING schedule_id, cause, nominal, until, times, state, detail)"
        " SELECT (SELECT count(*) FROM s), (SELECT count(*) FROM f),"
        "     (SELECT count(" SCHEDULE_TELL_FIRING("s", "f") ")"
        "      FROM f"
        "      JOIN s ON s.id = f.schedule_id"
        "      WHERE f.state IN ('skipped', 'missed')),"
        "     (SELECT count(" SCHEDULE_TELL("s", "'schedule.ended'", "'{}'") ")"
        "      FROM s"
        "      WHERE s.ends)",
    .types = types,
};
/* clang-format on */

static void write_firing(struct buf *columns, size_t n, const struct new_firing *firing)
{
    struct column_row row = column_row(columns, FIRE_N, n);

    column_uuid(row, FIRE_ID, firing->id);
    column_text(row, FIRE_CAUSE, text_of(firing_causes[firing->cause]));
    column_text(row, FIRE_STATE, text_of(firing_states[firing->state]));
    column_int(row, FIRE_NOMINAL, firing->nominal);
    column_int_if(row, FIRE_UNTIL, firing->until);
    column_int(row, FIRE_TIMES, firing->times);
    column_text(row, FIRE_DETAIL, firing->detail);
}

static void write_plan(struct buf *columns, size_t n, const struct schedule_plan *plan)
{
    struct column_row row = column_row(columns, PLAN_N, n);

    column_uuid(row, PLAN_SCHEDULE, plan->schedule);
    column_int(row, PLAN_TURN, plan->turn);
    column_bool(row, PLAN_MOVES, plan->moves);
    column_int_if(row, PLAN_NEXT, plan->next);
    column_int_if(row, PLAN_DUE, plan->due);
    column_int_if(row, PLAN_LAST, plan->last_fire);
    column_int(row, PLAN_FIRES, plan->fires);
    for (size_t i = 0; i < plan->count; i++)
        write_firing(columns, n, &plan->firings[i]);
}

int schedules_fire(struct pg *pg, const struct schedule_plan *plans, size_t count,
                   int64_t *out_done, int64_t *out_firings, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[COLUMNS];
    struct buf columns[COLUMNS];
    int r;

    columns_init(columns, COLUMNS);
    for (size_t i = 0; i < count; i++)
        write_plan(columns, i, &plans[i]);
    columns_values(columns, types, values);
    r = pg_exec(pg, &fire, values, &result, err);
    columns_deinit(columns, COLUMNS);
    if (r < 0)
        return r;
    if (out_done)
        *out_done = pg_get_int(result, 0, 0);
    if (out_firings)
        *out_firings = pg_get_int(result, 0, 1);
    return 0;
}
