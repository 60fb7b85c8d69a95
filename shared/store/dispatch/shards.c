/* Shards and their owners
 *
 * Each statement is a compare-and-set of few small rows. Takers skip rows that another is taking
 * (SKIP LOCKED), so that two schedulers that look at the same time share what is free.
 */

#include "shared/store/dispatch/shards.h"

#include "shared/store/rows.h"

#define LEASE "now() + interval '" SQL_STRING(SHARDS_LEASE_MS) " ms'"

/* clang-format off */
static const struct pg_statement scheduler_renew = {
    .name = "scheduler_renew",
    .sql =
        "INSERT INTO schedulers (scheduler_id, host, pid, lease_until)"
        " VALUES ($1, $2, $3, " LEASE ")"
        " ON CONFLICT (scheduler_id) DO UPDATE"
        " SET lease_until = EXCLUDED.lease_until",
    .types = "iti",
};

static const struct pg_statement shards_fill = {
    .name = "shards_fill",
    .sql =
        "INSERT INTO shard_leases (shard)"
        " SELECT s"
        " FROM generate_series(0, $1::int8::int4 - 1) s"
        " WHERE NOT EXISTS ("
        "     SELECT 1"
        "     FROM shard_leases l"
        "     WHERE l.shard = s)"
        " ON CONFLICT DO NOTHING",
    .types = "i",
};
/* clang-format on */

static const struct pg_statement shards_extend = {
    .name = "shards_extend",
    .sql = "UPDATE shard_leases SET lease_until = " LEASE " WHERE owner = $1 AND shard < $2",
    .types = "ii",
};

/* clang-format off */
static const struct pg_statement schedulers_sweep = {
    .name = "schedulers_sweep",
    .sql =
        "DELETE FROM schedulers"
        " WHERE lease_until < now() - interval '" SQL_STRING(SHARDS_KEEP_ROWS_MS) " ms'",
    .types = "",
};

static const struct pg_statement shards_count = {
    .name = "shards_count",
    .sql =
        "SELECT (SELECT count(*) FROM schedulers WHERE lease_until > now()),"
        "     (SELECT count(*) FROM schedulers WHERE lease_until > now() AND scheduler_id < $1),"
        "     (SELECT count(*) FROM shard_leases WHERE shard < $2 AND lease_until <= now())",
    .types = "ii",
};

static const struct pg_statement shards_owned = {
    .name = "shards_owned",
    .sql =
        "SELECT shard, term"
        " FROM shard_leases"
        " WHERE owner = $1"
        "   AND shard < $2"
        "   AND lease_until > now()"
        " ORDER BY shard",
    .types = "ii",
};
/* clang-format on */

/* Frees the results. */
static void read_view(struct pg_result *counts, struct pg_result *owned, struct shards_view *out)
{
    out->live = (int)pg_get_int(counts, 0, 0);
    out->rank = (int)pg_get_int(counts, 0, 1);
    out->free = (int)pg_get_int(counts, 0, 2);
    out->owned_count = pg_rows(owned) < SHARDS_MAX ? pg_rows(owned) : SHARDS_MAX;
    for (int i = 0; i < out->owned_count; i++) {
        out->owned[i].shard = (int)pg_get_int(owned, i, 0);
        out->owned[i].term = pg_get_int(owned, i, 1);
    }
    pg_result_free(counts);
    pg_result_free(owned);
}

int shards_renew(struct pg *pg, const struct scheduler_row *scheduler, struct shards_view *out,
                 struct error *err)
{
    struct pg_value row[3] = {pg_int(scheduler->id), pg_string(scheduler->host),
                              pg_int(scheduler->pid)};
    struct pg_value shards[1] = {pg_int(scheduler->shards)};
    struct pg_value mine[2] = {pg_int(scheduler->id), pg_int(scheduler->shards)};
    struct pg_query queries[6] = {
        {&scheduler_renew, row},   {&shards_fill, shards}, {&shards_extend, mine},
        {&schedulers_sweep, NULL}, {&shards_count, mine},  {&shards_owned, mine},
    };
    struct pg_result *results[6] = {NULL};
    int r;

    ASSERT(scheduler->id > 0);
    ASSERT(scheduler->shards >= 1 && scheduler->shards <= SHARDS_MAX);
    r = pg_exec_all(pg, queries, ARRAY_LENGTH(queries), results, err);
    if (r < 0)
        return r;
    for (int i = 0; i < 4; i++)
        pg_result_free(results[i]);
    read_view(results[4], results[5], out);
    return 0;
}

int shards_look(struct pg *pg, const struct scheduler_row *scheduler, struct shards_view *out,
                struct error *err)
{
    struct pg_result *results[2] = {NULL, NULL};
    struct pg_value values[2] = {pg_int(scheduler->id), pg_int(scheduler->shards)};
    struct pg_query queries[2] = {{&shards_count, values}, {&shards_owned, values}};
    int r = pg_exec_all(pg, queries, 2, results, err);

    if (r == 0)
        read_view(results[0], results[1], out);
    return r;
}

/* clang-format off */
static const struct pg_statement shards_others = {
    .name = "shards_others",
    .sql =
        "SELECT (SELECT coalesce(max(shard) + 1, 0) FROM shard_leases), s.host, s.pid"
        " FROM schedulers s"
        " WHERE s.lease_until > now() AND s.scheduler_id <> $1"
        " ORDER BY s.scheduler_id LIMIT 1",
    .types = "i",
};

/* Only while nobody is alive, as the condition says once more. */
static const struct pg_statement shards_trim = {
    .name = "shards_trim",
    .sql =
        "DELETE FROM shard_leases WHERE shard >= $2"
        " AND NOT EXISTS (SELECT 1 FROM schedulers"
        "   WHERE lease_until > now() AND scheduler_id <> $1)",
    .types = "ii",
};

/* By index: (shard, ...) of the queued ones that are not held. */
static const struct pg_statement shards_move = {
    .name = "shards_move",
    .sql =
        "WITH stray AS ("
        "   SELECT id FROM runs"
        "   WHERE status = 'queued' AND held IS NULL AND shard >= $1::int8::int2"
        "   LIMIT 500 FOR UPDATE SKIP LOCKED),"
        " moved AS ("
        "   UPDATE runs r SET shard = r.shard % $1::int8::int2 FROM stray WHERE r.id = stray.id"
        "   RETURNING 1)"
        " SELECT count(*) FROM moved",
    .types = "i",
};
/* clang-format on */

int shards_agree(struct pg *pg, const struct scheduler_row *scheduler, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *others = NULL;
    struct pg_value values[2] = {pg_int(scheduler->id), pg_int(scheduler->shards)};
    int used;
    int r = pg_exec(pg, &shards_others, values, &others, err);

    if (r < 0)
        return r;
    if (pg_rows(others) == 0)
        return pg_exec(pg, &shards_trim, values, NULL, err);
    used = (int)pg_get_int(others, 0, 0);
    if (used == 0 || used == scheduler->shards)
        return 0;
    return error_set(err, E_CONFLICT,
                     "shards (PENSTOCK_SHARDS) is %d here, but the scheduler of process %lld on "
                     "%.60s uses %d: it must be the same for all; to change it, stop all "
                     "schedulers and workers first",
                     scheduler->shards, (long long)pg_get_int(others, 0, 2),
                     pg_get_string(others, 0, 1), used);
}

int shards_gather(struct pg *pg, int shards, int64_t *out_moved, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[1] = {pg_int(shards)};
    int r = pg_exec(pg, &shards_move, values, &result, err);

    if (r == 0)
        *out_moved = pg_get_int(result, 0, 0);
    return r;
}

/* clang-format off */
static const struct pg_statement shard_take = {
    .name = "shard_take",
    .sql =
        "UPDATE shard_leases l"
        " SET owner = $1, term = l.term + 1, lease_until = " LEASE
        " FROM ("
        "     SELECT shard"
        "     FROM shard_leases"
        "     WHERE shard < $2"
        "       AND lease_until <= now()"
        "       AND EXISTS ("
        "           SELECT 1"
        "           FROM schedulers s"
        "           WHERE s.scheduler_id = $1"
        "             AND s.lease_until > now())"
        "     ORDER BY shard"
        "     LIMIT $3"
        "     FOR UPDATE SKIP LOCKED) f"
        " WHERE l.shard = f.shard",
    .types = "iii",
};
/* clang-format on */

int shards_take(struct pg *pg, const struct scheduler_row *scheduler, int count, struct error *err)
{
    struct pg_value values[3] = {pg_int(scheduler->id), pg_int(scheduler->shards), pg_int(count)};

    return pg_exec(pg, &shard_take, values, NULL, err);
}

/* clang-format off */
static const struct pg_statement shard_give = {
    .name = "shard_give",
    .sql =
        "UPDATE shard_leases"
        " SET owner = NULL, lease_until = 'epoch'"
        " WHERE owner = $1"
        "   AND shard IN ("
        "       SELECT shard"
        "       FROM shard_leases"
        "       WHERE owner = $1"
        "       ORDER BY shard DESC"
        "       LIMIT $2)",
    .types = "ii",
};
/* clang-format on */

int shards_give(struct pg *pg, const struct scheduler_row *scheduler, int count, struct error *err)
{
    struct pg_value values[2] = {pg_int(scheduler->id), pg_int(count)};

    return pg_exec(pg, &shard_give, values, NULL, err);
}

static const struct pg_statement scheduler_leave = {
    .name = "scheduler_leave",
    .sql = "DELETE FROM schedulers WHERE scheduler_id = $1",
    .types = "i",
};

int shards_leave(struct pg *pg, const struct scheduler_row *scheduler, struct error *err)
{
    struct pg_value give[2] = {pg_int(scheduler->id), pg_int(SHARDS_MAX)};
    struct pg_value leave[1] = {pg_int(scheduler->id)};
    struct pg_query queries[2] = {{&shard_give, give}, {&scheduler_leave, leave}};

    return pg_exec_all(pg, queries, 2, NULL, err);
}
