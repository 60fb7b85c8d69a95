/* What is known of users: the table, and deleting by it. */

#include "shared/store/users/user_data.h"

#include "shared/base/clock.h"
#include "shared/fiber/fiber.h"
#include "shared/store/rows.h"
#include "shared/store/runs/runs.h"
#include "shared/store/schedules/schedules.h"
#include "shared/store/threads/threads.h"
#include "shared/store/threads/user_bytes.h"

/* Rows that one request deletes. */
#define BATCH     200
#define BATCH_SQL SQL_STRING(BATCH)

#define ENDING_MS 50 /* how soon it is looked again whether cancelled runs have ended */

/* clang-format off */
static const struct pg_statement memory_delete = {
    .name = "user_delete_memory",
    .sql =
        "WITH gone AS ("
        "    DELETE FROM user_memory"
        "    WHERE tenant_id = $1"
        "      AND user_id = $2"
        "      AND (agent_id, key) IN ("
        "          SELECT agent_id, key"
        "          FROM user_memory"
        "          WHERE tenant_id = $1"
        "            AND user_id = $2"
        "          LIMIT " BATCH_SQL ")"
        "    RETURNING 1)"
        " SELECT count(*)"
        " FROM gone",
    .types = "ut",
};
/* clang-format on */

/* clang-format off */
static const struct pg_statement memories_delete = {
    .name = "user_delete_memories",
    .sql =
        "WITH marks AS ("
        "    DELETE FROM memory_marks"
        "    WHERE tenant_id = $1"
        "      AND user_id = $2),"
        " gone AS ("
        "    DELETE FROM memories"
        "    WHERE tenant_id = $1"
        "      AND user_id = $2"
        "      AND id = ANY (ARRAY("
        "          SELECT id"
        "          FROM memories"
        "          WHERE tenant_id = $1"
        "            AND user_id = $2"
        "          LIMIT " BATCH_SQL "))"
        "    RETURNING 1)"
        " SELECT count(*)"
        " FROM gone",
    .types = "ut",
};

static const struct pg_statement threads_find = {
    .name = "user_find_threads",
    .sql =
        "SELECT id"
        " FROM threads"
        " WHERE tenant_id = $1"
        "   AND user_id = $2"
        " ORDER BY id"
        " LIMIT " BATCH_SQL,
    .types = "ut",
};

#define RUNS_OF_USER "SELECT id FROM runs WHERE tenant_id = $1 AND user_id = $2"
#define ALIVE        "status IN ('queued', 'in_progress', 'requires_action', 'cancelling')"

static const struct pg_statement own_runs_delete = {
    .name = "user_delete_runs",
    .sql =
        "WITH gone AS ("
        "    DELETE FROM runs"
        "    WHERE id IN ("
        "        " RUNS_OF_USER
        "          AND " SQL_CHECKED("NOT " ALIVE)
        "        LIMIT " BATCH_SQL
        "        FOR UPDATE)"
        "    RETURNING id),"
        " s AS (DELETE FROM run_steps WHERE run_id IN (SELECT id FROM gone) RETURNING 1),"
        " c AS (DELETE FROM tool_calls WHERE run_id IN (SELECT id FROM gone) RETURNING 1)"
        " SELECT gone.id, (SELECT count(*) FROM s), (SELECT count(*) FROM c)"
        " FROM gone",
    .types = "ut",
};

static const struct pg_statement runs_find = {
    .name = "user_find_runs",
    .sql = RUNS_OF_USER " AND " SQL_CHECKED(ALIVE) " LIMIT " BATCH_SQL,
    .types = "ut",
};

/* What was summed up already becomes a difference again, of nobody, and is folded as such. The
 * differences come first, in a statement of their own: it waits for whoever folds them at this
 * moment, and the second one sees the sums that they have become. */
#define SUMS \
    "calls, prompt_tokens, completion_tokens, cached_tokens, cache_write_tokens," \
    " reasoning_tokens, cost_micros"

static const struct pg_statement deltas_unname = {
    .name = "user_unname_deltas",
    .sql =
        "WITH d AS ("
        "    UPDATE usage_deltas"
        "    SET user_id = ''"
        "    WHERE tenant_id = $1"
        "      AND user_id = $2"
        "    RETURNING 1)"
        " SELECT count(*)"
        " FROM d",
    .types = "ut",
};

static const struct pg_statement sums_unname = {
    .name = "user_unname_sums",
    .sql =
        "WITH gone AS ("
        "    DELETE FROM usage_hourly"
        "    WHERE (tenant_id, hour, agent_id, user_id, provider, model) IN ("
        "        SELECT tenant_id, hour, agent_id, user_id, provider, model"
        "        FROM usage_hourly"
        "        WHERE tenant_id = $1"
        "          AND user_id = $2"
        "        LIMIT " BATCH_SQL ")"
        "    RETURNING *),"
        " i AS ("
        "    INSERT INTO usage_deltas (tenant_id, hour, agent_id, provider, model, " SUMS ")"
        "    SELECT tenant_id, hour, agent_id, provider, model, " SUMS
        "    FROM gone)"
        " SELECT count(*)"
        " FROM gone",
    .types = "ut",
};
/* clang-format on */

/* One statement about the user. *out is the caller's to pg_result_free. */
static int ask(const struct store *store, const struct user_deleting *how,
               const struct pg_statement *statement, struct pg_result **out, struct error *err)
{
    struct pg_value values[2] = {pg_uuid(store->tenant), pg_text(how->user)};

    return pg_exec(store->pg, statement, values, out, err);
}

/* A statement that deletes BATCH rows at most of one thing and tells how many. */
static int delete_batch(const struct store *store, const struct user_deleting *how,
                        const struct pg_statement *statement, int64_t *removed, bool *out_more,
                        struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    int r = ask(store, how, statement, &result, err);

    if (r < 0)
        return r;
    *removed += pg_get_int(result, 0, 0);
    *out_more = pg_get_int(result, 0, 0) > 0;
    return 0;
}

/* clang-format off */
static const struct pg_statement budget_delete = {
    .name = "user_delete_budget",
    .sql =
        "WITH gone AS ("
        "    DELETE FROM budgets"
        "    WHERE tenant_id = $1"
        "      AND kind = 'user'"
        "      AND subject = $2"
        "    RETURNING 1)"
        " SELECT count(*)"
        " FROM gone",
    .types = "ut",
};
/* clang-format on */

/* clang-format off */
static const struct pg_statement vectors_delete = {
    .name = "user_delete_vectors",
    .sql =
        "WITH gone AS ("
        "    DELETE FROM embeddings"
        "    WHERE tenant_id = $1"
        "      AND user_id = $2"
        "      AND (model, purpose, digest) IN ("
        "          SELECT model, purpose, digest"
        "          FROM embeddings"
        "          WHERE tenant_id = $1"
        "            AND user_id = $2"
        "          LIMIT " BATCH_SQL ")"
        "    RETURNING 1)"
        " SELECT count(*)"
        " FROM gone",
    .types = "ut",
};
/* clang-format on */

static int delete_budget(const struct store *store, const struct user_deleting *how,
                         struct user_removed *removed, bool *out_more, struct error *err)
{
    return delete_batch(store, how, &budget_delete, &removed->counts[USER_BUDGETS], out_more, err);
}

static int delete_vectors(const struct store *store, const struct user_deleting *how,
                          struct user_removed *removed, bool *out_more, struct error *err)
{
    return delete_batch(store, how, &vectors_delete, &removed->counts[USER_VECTORS], out_more, err);
}

static int delete_memory(const struct store *store, const struct user_deleting *how,
                         struct user_removed *removed, bool *out_more, struct error *err)
{
    return delete_batch(store, how, &memory_delete, &removed->counts[USER_MEMORY], out_more, err);
}

static int delete_memories(const struct store *store, const struct user_deleting *how,
                           struct user_removed *removed, bool *out_more, struct error *err)
{
    return delete_batch(store, how, &memories_delete, &removed->counts[USER_MEMORIES], out_more,
                        err);
}

static int delete_schedules(const struct store *store, const struct user_deleting *how,
                            struct user_removed *removed, bool *out_more, struct error *err)
{
    int64_t count = 0;
    int r = schedules_delete_of_user(store, how->user, &count, err);

    removed->counts[USER_SCHEDULES] += count;
    *out_more = count > 0;
    return r;
}

static int unname_usage(const struct store *store, const struct user_deleting *how,
                        struct user_removed *removed, bool *out_more, struct error *err)
{
    int64_t *count = &removed->counts[USER_USAGE];
    int r = delete_batch(store, how, &deltas_unname, count, out_more, err);

    return r < 0 ? r : delete_batch(store, how, &sums_unname, count, out_more, err);
}

/* What the threads held amounts to nothing now that they are gone, and has his name. */
static int fold_bytes(const struct store *store, const struct user_deleting *how,
                      struct user_removed *removed, bool *out_more, struct error *err)
{
    (void)removed;
    *out_more = false;
    return user_bytes_fold_person(store, how->user, err);
}

static void tell(const struct user_deleting *how, const struct run_stopped *run)
{
    if (run->owner && how->stopped)
        how->stopped(how->arg, run);
}

/* A transaction each. */
static int delete_thread(const struct store *store, const struct user_deleting *how, struct uuid id,
                         struct user_removed *removed, struct error *err)
{
    struct thread_gone gone;
    int r = threads_delete_counted(store, id, &gone, err);

    if (r != 0)
        return r < 0 ? r : 0;
    removed->counts[USER_THREADS]++;
    removed->counts[USER_MESSAGES] += gone.messages;
    removed->counts[USER_RUNS] += gone.runs;
    removed->counts[USER_STEPS] += gone.steps;
    removed->counts[USER_CALLS] += gone.calls;
    tell(how, &gone.stopped);
    if (how->thread_gone)
        how->thread_gone(how->arg, id);
    return 0;
}

static int delete_threads(const struct store *store, const struct user_deleting *how,
                          struct user_removed *removed, bool *out_more, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    int r = ask(store, how, &threads_find, &result, err);

    *out_more = r == 0 && pg_rows(result) > 0;
    for (int i = 0; r == 0 && i < pg_rows(result); i++) {
        r = delete_thread(store, how, pg_get_uuid(result, i, 0), removed, err);
        if (clock_ms() >= how->deadline_ms)
            break;
    }
    return r;
}

/* Runs on threads of others end as any that is cancelled does, and are deleted then. */
static int cancel_runs(const struct store *store, const struct user_deleting *how, bool *out_more,
                       struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    int r = ask(store, how, &runs_find, &result, err);

    *out_more = r == 0 && pg_rows(result) > 0;
    for (int i = 0; r >= 0 && i < pg_rows(result); i++) {
        struct run run = {.owner = 0};

        r = runs_cancel(store, (struct uuid){{0}}, pg_get_uuid(result, i, 0), &run, err);
        if (r == 0 && run.status == RUN_CANCELLING)
            tell(how, &(struct run_stopped){.id = run.id, .owner = run.owner});
    }
    if (r < 0 || !*out_more)
        return r < 0 ? r : 0;
    return fiber_sleep(ENDING_MS, err);
}

static int delete_runs(const struct store *store, const struct user_deleting *how,
                       struct user_removed *removed, bool *out_more, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    int r = ask(store, how, &own_runs_delete, &result, err);

    if (r < 0)
        return r;
    *out_more = pg_rows(result) > 0;
    if (!*out_more)
        return cancel_runs(store, how, out_more, err);
    removed->counts[USER_RUNS] += pg_rows(result);
    removed->counts[USER_STEPS] += pg_get_int(result, 0, 1);
    removed->counts[USER_CALLS] += pg_get_int(result, 0, 2);
    for (int i = 0; how->run_gone && i < pg_rows(result); i++)
        how->run_gone(how->arg, pg_get_uuid(result, i, 0));
    return 0;
}

/* Deletes some, adds how many to the counts, and says whether there may be more. */
typedef int (*delete_fn)(const struct store *store, const struct user_deleting *how,
                         struct user_removed *removed, bool *out_more, struct error *err);

/* In this order: what is not known any more is told to no run, no schedule makes more of them, and
 * what has ended uses nothing. Memories once more: until their end runs have learned some. */
static const delete_fn rows[] = {delete_memory,  delete_memories, delete_schedules, delete_threads,
                                 delete_runs,    delete_memories, unname_usage,     delete_budget,
                                 delete_vectors, fold_bytes};

static const char *const names[USER_THING_COUNT] = {
    [USER_MEMORY] = "memory",   [USER_MEMORIES] = "memories", [USER_SCHEDULES] = "schedules",
    [USER_THREADS] = "threads", [USER_MESSAGES] = "messages", [USER_RUNS] = "runs",
    [USER_STEPS] = "steps",     [USER_CALLS] = "tool_calls",  [USER_USAGE] = "usage",
    [USER_BUDGETS] = "budgets", [USER_VECTORS] = "vectors",
};

const char *user_thing_name(enum user_thing thing)
{
    ASSERT(thing < USER_THING_COUNT);
    return names[thing];
}

int users_delete(const struct store *store, const struct user_deleting *how,
                 struct user_removed *out, struct error *err)
{
    *out = (struct user_removed){.all = false};
    for (size_t i = 0; i < ARRAY_LENGTH(rows);) {
        bool more = false;
        int r = rows[i](store, how, out, &more, err);

        if (r < 0)
            return r;
        if (!more)
            i++;
        else if (clock_ms() >= how->deadline_ms)
            return 0;
    }
    out->all = true;
    return 0;
}
