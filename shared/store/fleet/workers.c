/* Worker processes and their leases
 *
 * Taking a worker away removes its row first, so that nothing more can be claimed for it, and then
 * hands back what it held, in one request.
 */

#include "shared/store/fleet/workers.h"

#include "shared/fiber/fiber.h"
#include "shared/store/rows.h"
#include "shared/store/runs/run_ends.h"
#include "shared/store/threads/promotions.h"

int64_t workers_new_id(void)
{
    uint64_t id = 0;

    while (id == 0) {
        random_bytes(&id, sizeof(id));
        id >>= 1;
    }
    return (int64_t)id;
}

/* clang-format off */
static const struct pg_statement worker_register = {
    .name = "worker_register",
    .sql =
        "INSERT INTO workers (worker_id, host, pid, slots, lease_until)"
        " VALUES ($1, $2, $3, $4, now() + $5 * interval '1 ms')",
    .types = "itiii",
};
/* clang-format on */

int workers_register(struct pg *pg, const struct worker_row *worker, struct error *err)
{
    struct pg_value values[5] = {pg_int(worker->id), pg_string(worker->host), pg_int(worker->pid),
                                 pg_int(worker->slots), pg_int(worker->lease_ms)};

    ASSERT(worker->id > 0 && worker->lease_ms > 0);
    return pg_exec(pg, &worker_register, values, NULL, err);
}

/* clang-format off */
#define CANCELLED_RUNS \
    "(SELECT coalesce(string_agg(r.id::text, ','), '')" \
    " FROM runs r" \
    " WHERE r.owner = w.worker_id" \
    "   AND r.status = 'cancelling'" \
    "   AND r.status IN ('in_progress', 'cancelling'))"

const char *const workers_heartbeat_sql =
    "UPDATE workers w"
    " SET lease_until = now() + $2::int8 * interval '1 ms', renewed_at = now(),"
    "     busy = $3::int8, session = $5::int8, spared_until = NULL,"
    "     back_at = CASE WHEN w.lease_until < now() OR w.session <> $5::int8 THEN now()"
    "         ELSE w.back_at END,"
    "     lock_boot = CASE $4::int8 WHEN pg_backend_pid() THEN pg_postmaster_start_time() END"
    " WHERE w.worker_id = $1::int8"
    "   AND w.state <> 'dead'"
    " RETURNING w.state, " CANCELLED_RUNS;
/* clang-format on */

const char *const workers_lock_sql =
    "SELECT pg_try_advisory_lock($1::int8) WHERE $2::int8 = pg_backend_pid()";

static const struct pg_statement worker_cancelled = {
    .name = "worker_cancelled",
    .sql = "SELECT " CANCELLED_RUNS " FROM workers w WHERE w.worker_id = $1 AND w.state <> 'dead'",
    .types = "i",
};

int workers_cancelled_runs(struct pg *pg, struct arena *arena, int64_t id, struct uuid **out_runs,
                           size_t *out_count, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[1] = {pg_int(id)};
    struct text rest;
    struct text one;
    void *items;
    size_t count = 0;
    int r;

    r = pg_exec(pg, &worker_cancelled, values, &result, err);
    if (r < 0)
        return r;
    if (pg_rows(result) == 0)
        return WORKER_DEAD;
    rest = pg_get_text(result, 0, 0);
    r = rows_alloc(arena, rest.len / (UUID_TEXT_SIZE - 1) + 1, sizeof(struct uuid), &items, err);
    if (r < 0)
        return r;
    while (rest.len > 0) {
        if (!text_cut(rest, ',', &one, &rest)) {
            one = rest;
            rest = TEXT_NONE;
        }
        if (!uuid_parse(one, (struct uuid *)items + count))
            return error_set(err, E_INTERNAL, "the database gave a uuid that is none");
        count++;
    }
    *out_runs = items;
    *out_count = count;
    return 0;
}

/* clang-format off */
static const struct pg_statement worker_count_runs = {
    .name = "worker_count_runs",
    .sql =
        "SELECT count(*)"
        " FROM runs"
        " WHERE owner = $1"
        "   AND status IN ('in_progress', 'cancelling')",
    .types = "i",
};
/* clang-format on */

int workers_count_runs(struct pg *pg, int64_t id, int64_t *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[1] = {pg_int(id)};
    int r;

    r = pg_exec(pg, &worker_count_runs, values, &result, err);
    if (r == 0)
        *out = pg_get_int(result, 0, 0);
    return r;
}

/* clang-format off */
static const struct pg_statement workers_live = {
    .name = "workers_live",
    .sql =
        "SELECT count(*)"
        " FROM workers"
        " WHERE lease_until > now()"
        "   AND state <> 'dead'",
    .types = "",
};
/* clang-format on */

int workers_count_live(struct pg *pg, int64_t *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    int r = pg_exec(pg, &workers_live, NULL, &result, err);

    if (r == 0)
        *out = pg_get_int(result, 0, 0);
    return r;
}

/* clang-format off */
static const struct pg_statement worker_tell_code = {
    .name = "worker_tell_code",
    .sql =
        "UPDATE workers"
        " SET code_interpreter = $2"
        " WHERE worker_id = $1"
        "   AND state <> 'dead'"
        " RETURNING 1",
    .types = "it",
};

static const struct pg_statement workers_say_of_code = {
    .name = "workers_say_of_code",
    .sql =
        "SELECT count(*) FILTER (WHERE code_interpreter = ''),"
        "    count(*) FILTER (WHERE code_interpreter <> ''),"
        "    count(*) FILTER (WHERE code_interpreter IS NULL),"
        "    coalesce(max(code_interpreter), '')"
        " FROM workers"
        " WHERE lease_until > now()"
        "   AND state <> 'dead'",
    .types = "",
};
/* clang-format on */

int workers_tell_code(struct pg *pg, int64_t id, const char *trouble, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[2] = {pg_int(id), pg_string(trouble)};
    int r = pg_exec(pg, &worker_tell_code, values, &result, err);

    if (r < 0)
        return r;
    return pg_rows(result) == 0 ? WORKER_DEAD : 0;
}

int workers_ask_code(struct pg *pg, struct workers_code *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    int r = pg_exec(pg, &workers_say_of_code, NULL, &result, err);

    if (r < 0)
        return r;
    out->can = pg_get_int(result, 0, 0);
    out->cannot = pg_get_int(result, 0, 1);
    out->unsaid = pg_get_int(result, 0, 2);
    text_excerpt(pg_get_text(result, 0, 3), out->trouble, sizeof(out->trouble));
    return 0;
}

/* clang-format off */
static const struct pg_statement worker_drain = {
    .name = "worker_drain",
    .sql =
        "UPDATE workers"
        " SET state = 'draining'"
        " WHERE worker_id = $1"
        "   AND state <> 'dead'"
        " RETURNING 1",
    .types = "i",
};
/* clang-format on */

int workers_drain(struct pg *pg, int64_t id, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[1] = {pg_int(id)};
    int r;

    r = pg_exec(pg, &worker_drain, values, &result, err);
    if (r < 0)
        return r;
    return pg_rows(result) == 0 ? WORKER_DEAD : 0;
}

static const struct pg_statement worker_delete = {
    .name = "worker_delete",
    .sql = "DELETE FROM workers WHERE worker_id = $1",
    .types = "i",
};

/* clang-format off */
static const struct pg_statement worker_hand_back = {
    .name = "worker_hand_back",
    .sql =
        "WITH l AS MATERIALIZED ("
        "    SELECT r.id, r.thread_id,"
        "        CASE r.status WHEN 'cancelling' THEN 'cancelled' ELSE 'queued' END AS becomes"
        "    FROM runs r"
        "    WHERE r.owner = $1"
        "      AND r.status IN ('in_progress', 'cancelling')"
        "    FOR NO KEY UPDATE OF r SKIP LOCKED),"
        " " SQL_LOCK_ENDING("l") ","
        " u AS ("
        "    UPDATE runs r"
        "    SET fence = r.fence + 1, owner = NULL,"
        "        " SQL_BECOMES("l.becomes", "NULL::jsonb") ","
        "        " SQL_WAITS_NO_MORE
        "    FROM l"
        "    WHERE r.id = ANY (ARRAY[l.id])"
        "      AND " SQL_MAY_BECOME("l")
        "    RETURNING " ENDED_COLUMNS("r") "),"
        " ended AS ("
        "    SELECT *"
        "    FROM u"
        "    WHERE " SQL_IS_END("status") "),"
        " " SQL_AFTER_END("ended", "")
        " SELECT u.id, " SQL_IS_END("u.status")
        " FROM u",
    .types = "i",
};
/* clang-format on */

/* Promotes behind those of the result that ended. */
static int promote_ended(struct pg *pg, const struct pg_result *handed_back, struct error *err)
{
    CLEANUP(buf_deinit) struct buf ids;
    struct pg_value values[1];
    bool any = false;

    buf_init(&ids, 0);
    pg_array_begin(&ids);
    for (int i = 0; i < pg_rows(handed_back); i++) {
        if (!pg_get_bool(handed_back, i, 1))
            continue;
        pg_array_add_uuid(&ids, pg_get_uuid(handed_back, i, 0));
        any = true;
    }
    values[0] = pg_array('U', &ids);
    return any ? pg_exec(pg, &promote_behind, values, NULL, err) : 0;
}

/* Rows that somebody else is at are tried again for a while. What is left then is taken back by
 * the reaper, as after a crash. */
#define HAND_BACK_TRIES   20
#define HAND_BACK_WAIT_MS 50

int workers_deregister(struct pg *pg, int64_t id, int64_t *out_runs, struct error *err)
{
    struct pg_value values[1] = {pg_int(id)};
    struct pg_query queries[2] = {{&worker_delete, values}, {&worker_hand_back, values}};
    int64_t handed_back = 0;
    int64_t left = 1;

    for (int tries = 0; left > 0 && tries < HAND_BACK_TRIES; tries++) {
        struct pg_result *results[2] = {NULL, NULL};
        int r = tries > 0 ? fiber_sleep(HAND_BACK_WAIT_MS, err) : 0;

        if (r == 0)
            r = pg_exec_all(pg, queries, 2, results, err);
        if (r < 0)
            return r;
        handed_back += pg_rows(results[1]);
        r = promote_ended(pg, results[1], err);
        pg_result_free(results[0]);
        pg_result_free(results[1]);
        if (r == 0)
            r = workers_count_runs(pg, id, &left, err);
        if (r < 0)
            return r;
    }
    if (out_runs)
        *out_runs = handed_back;
    return 0;
}
