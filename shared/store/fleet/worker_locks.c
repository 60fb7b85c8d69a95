/* The locks of workers. Which rows are to be tried is settled (MATERIALIZED) before any lock is. */

#include "shared/store/fleet/worker_locks.h"

#include "shared/store/rows.h"

#define LOCKED_HERE "w.state <> 'dead' AND w.lock_boot = pg_postmaster_start_time()"

/* clang-format off */
static const struct pg_statement locks_look = {
    .name = "worker_locks_look",
    .sql =
        "WITH c AS MATERIALIZED ("
        "    SELECT w.worker_id"
        "    FROM workers w"
        "    WHERE " LOCKED_HERE "),"
        " f AS MATERIALIZED ("
        "    SELECT c.worker_id"
        "    FROM c"
        "    WHERE pg_try_advisory_xact_lock_shared(c.worker_id))"
        " SELECT n.alive, f.worker_id,"
        "     (extract(epoch FROM now()) * 1000)::int8,"
        "     (extract(epoch FROM n.first - now()) * 1000)::int8,"
        "     n.back"
        " FROM ("
        "     SELECT count(*) AS alive,"
        "         min(w.lease_until) AS first,"
        "         count(*) FILTER (WHERE w.back_at > now() - interval '5 s'"
        "           AND w.worker_id NOT IN (SELECT worker_id FROM f)) AS back"
        "     FROM workers w"
        "     WHERE w.state <> 'dead') n"
        " LEFT JOIN f ON true",
    .types = "",
};
/* clang-format on */

int worker_locks_look(struct pg *pg, struct arena *arena, struct worker_locks *out,
                      struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct worker_locks locks = {0};
    void *items;
    int r;

    r = pg_exec(pg, &locks_look, NULL, &result, err);
    if (r < 0)
        return r;
    r = rows_alloc(arena, (size_t)pg_rows(result), sizeof(int64_t), &items, err);
    if (r < 0)
        return r;
    locks.free = items;
    locks.alive = pg_get_int(result, 0, 0);
    locks.server_wall_ms = pg_get_int(result, 0, 2);
    locks.back = pg_get_int(result, 0, 4);
    locks.lapse_ms = pg_is_null(result, 0, 3) ? INT64_MAX : pg_get_int(result, 0, 3);
    for (int i = 0; i < pg_rows(result); i++)
        if (!pg_is_null(result, i, 1))
            locks.free[locks.free_count++] = pg_get_int(result, i, 1);
    *out = locks;
    return 0;
}

/* clang-format off */
static const struct pg_statement locks_declare_dead = {
    .name = "worker_locks_declare_dead",
    .sql =
        "WITH c AS MATERIALIZED ("
        "    SELECT w.worker_id"
        "    FROM unnest($1) i (id)"
        "    JOIN workers w ON w.worker_id = i.id"
        "    WHERE " LOCKED_HERE "),"
        " d AS ("
        "    UPDATE workers w"
        "    SET state = 'dead'"
        "    FROM c"
        "    WHERE w.worker_id = c.worker_id"
        "      AND w.state <> 'dead'"
        "      AND pg_try_advisory_xact_lock_shared(c.worker_id)"
        "    RETURNING w.worker_id, w.host, w.pid)"
        " SELECT count(*), " SQL_WORKER_NAMES("d")
        " FROM d",
    .types = "I",
};
/* clang-format on */

int worker_locks_declare_dead(struct pg *pg, const int64_t *workers, size_t count,
                              struct dead_workers *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    CLEANUP(buf_deinit) struct buf ids;
    struct pg_value values[1];
    int r;

    buf_init(&ids, 0);
    pg_array_begin(&ids);
    for (size_t i = 0; i < count; i++)
        pg_array_add_int(&ids, workers[i]);
    values[0] = pg_array('I', &ids);
    r = pg_exec(pg, &locks_declare_dead, values, &result, err);
    if (r == 0)
        dead_workers_read(result, 0, out);
    return r;
}
