/* One probe of a primary key for each thread; and of the index of a thread's runs, from its end. */

#include "shared/store/polls/thread_standings.h"

#include "shared/store/rows.h"
#include "shared/store/runs/run_rows.h"

#define SQL_MICROSECONDS(time) "floor(date_part('epoch', " time ") * 1000000)::int8"

/* clang-format off */
static const struct pg_statement standings = {
    .name = "thread_standings",
    .sql =
        "SELECT i.place - 1, t.active_run, " SQL_MICROSECONDS("t.last_used_at")
        " FROM unnest($1) WITH ORDINALITY AS i (id, place)"
        " JOIN threads t ON t.id = ANY (ARRAY[i.id])",
    .types = "U",
};

/* $3: the run behind which; $4: or the time in microseconds; negative: now. Whoever has seen the
 * run has seen it whole, so where that has not ended (it was tried again) it is the active one. */
static const struct pg_statement next_run = {
    .name = "thread_next_run",
    .sql =
        "WITH t AS MATERIALIZED ("
        "    SELECT t.id, t.active_run"
        "    FROM threads t"
        "    WHERE t.id = $2"
        "      AND t.tenant_id = $1),"
        " lately AS MATERIALIZED ("
        "    SELECT r.id, " SQL_RUN_ENDED_AT " AS ended_at"
        "    FROM runs r"
        "    WHERE r.thread_id = (SELECT t.id FROM t)"
        "      AND " SQL_CHECKED("r.kind <> 'memory'")
        "    ORDER BY r.thread_id DESC, r.id DESC"
        "    LIMIT " SQL_STRING(THREAD_NEXT_RUNS) "),"
        " place AS MATERIALIZED ("
        "    SELECT p.id, coalesce("
        "        p.ended_at,"
        "        CASE WHEN $4::int8 >= 0"
        "             THEN timestamptz 'epoch' + $4::int8 * interval '1 microsecond'"
        "             ELSE now()"
        "        END) AS at"
        "    FROM (SELECT 1) AS one"
        "    LEFT JOIN ("
        "        SELECT r.id, " SQL_RUN_ENDED_AT " AS ended_at"
        "        FROM runs r"
        "        WHERE r.id = $3"
        "          AND r.thread_id = $2) AS p ON true)"
        " SELECT coalesce("
        "    (SELECT l.id"
        "     FROM lately l, place p"
        "     WHERE l.ended_at IS NOT NULL"
        "       AND (l.ended_at > p.at OR (l.ended_at = p.at AND l.id > p.id))"
        "     ORDER BY l.ended_at, l.id"
        "     LIMIT 1),"
        "    t.active_run), " SQL_MICROSECONDS("now()")
        " FROM t",
    .types = "uuui",
};
/* clang-format on */

bool thread_standing_equal(const struct thread_standing_row *a, const struct thread_standing_row *b)
{
    return a->is_there == b->is_there && uuid_equal(a->active_run, b->active_run) &&
           a->used_us == b->used_us;
}

int thread_standings(struct pg *pg, const struct uuid *threads, size_t count,
                     struct thread_standing_row *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    CLEANUP(buf_deinit) struct buf ids;
    struct pg_value values[1];
    int r;

    ASSERT(count <= STANDINGS_BATCH_MAX);
    buf_init(&ids, 0);
    pg_array_of_uuids(&ids, threads, count);
    values[0] = pg_array('U', &ids);
    r = pg_exec(pg, &standings, values, &result, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < count; i++)
        out[i] = (struct thread_standing_row){.thread = threads[i]};
    for (int at = 0; at < pg_rows(result); at++) {
        struct row row = row_at(result, at, NULL);
        struct thread_standing_row *standing = &out[row_int(&row)];

        standing->is_there = true;
        standing->active_run = row_uuid(&row);
        standing->used_us = row_int(&row);
    }
    return 0;
}

static int read_next(struct row *row, void *out, struct error *err)
{
    struct thread_next *next = out;

    next->run = row_uuid(row);
    next->us = row_int(row);
    return row_check(row, err);
}

int thread_next_run(const struct store *store, struct uuid thread, const struct thread_place *place,
                    struct thread_next *out, struct error *err)
{
    static const struct row_kind kind = {read_next, sizeof(struct thread_next), THREAD_MISSING};
    struct pg_value values[4] = {
        pg_uuid(store->tenant),
        pg_uuid(thread),
        pg_uuid(place->run),
        pg_int(place->us),
    };

    return store_one(store, &kind, &(struct pg_query){&next_run, values}, out, err);
}
