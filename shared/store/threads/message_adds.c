/* Several messages at once
 *
 * As messages.c adds and deletes one: the row of an idle thread is locked, so the positions of
 * those that are added follow each other.
 */

#include "shared/store/summaries/summary_rows.h"
#include "shared/store/threads/message_rows.h"
#include "shared/store/threads/promotions.h"

#define ATTEMPTS 5

/* clang-format off */
static const struct pg_statement messages_add_all = {
    .name = "messages_add",
    .sql =
        "WITH t AS ("
        "    UPDATE threads t"
        "    SET message_count = t.message_count + $4, total_bytes = t.total_bytes + $5,"
        "        token_count = t.token_count + $6, " SQL_TITLE("t", "$7") ", " SQL_USED
        "    WHERE t.id = $2"
        "      AND t.tenant_id = $1"
        "      AND t.active_run IS NULL"
        "      AND " SQL_NOTHING_WAITS("t")
        "      AND " SQL_THREAD_FITS("t", "$5", "$8", "$9")
        "    RETURNING t.id)"
        " " SQL_INSERT_DRAFTS("$3", "$1", "NULL")
        " RETURNING position, " SQL_SECONDS("created_at"),
    .types = "uujiiitii",
};
/* clang-format on */

/* They were inserted in their order. */
static void read_added(const struct pg_result *result, struct uuid thread,
                       const struct message_draft *drafts, size_t count, struct message *out)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = message_of(thread, &drafts[i], pg_get_int(result, (int)i, 1));
        out[i].position = pg_get_int(result, (int)i, 0);
    }
}

/* As store_create: the store's rider goes along. */
static int send(const struct store *store, const struct pg_value *values, struct pg_result **out,
                struct error *err)
{
    const struct pg_query queries[2] = {
        {&messages_add_all, values},
        store->rider ? *store->rider : (struct pg_query){NULL, NULL},
    };
    struct pg_result *results[2] = {NULL, NULL};
    int r = pg_exec_all(store->pg, queries, store->rider ? 2 : 1, results, err);

    pg_result_free(results[1]);
    if (r == 0)
        *out = results[0];
    return r;
}

int messages_add(const struct store *store, struct uuid thread, const struct message_draft *drafts,
                 size_t count, struct text title, struct message *out, struct uuid *out_active,
                 struct error *err)
{
    struct message_counts counts = drafts_counts(drafts, count);
    struct thread_limits limits = limits_or_none(store->limits);
    CLEANUP(buf_deinit) struct buf encoded;
    int r;

    ASSERT(count > 0);
    buf_init(&encoded, 0);
    r = drafts_encode(&encoded, drafts, count, err);
    if (r < 0)
        return r;

    struct pg_value values[9] = {
        pg_uuid(store->tenant),
        pg_uuid(thread),
        drafts_value(&encoded, count),
        pg_int(counts.messages),
        pg_int(counts.bytes),
        pg_int(counts.tokens),
        pg_text(title),
        pg_int(limits.thread_bytes),
        pg_int(limits.user_bytes),
    };
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        CLEANUP(pg_result_freep) struct pg_result *result = NULL;

        r = send(store, values, &result, err);
        if (r < 0)
            return r;
        if (pg_rows(result) > 0) {
            read_added(result, thread, drafts, count, out);
            return 0;
        }
        r = thread_look(store, thread, counts.bytes, out_active, err);
        if (r == 0)
            r = thread_promote(store, thread, err);
        if (r != 0)
            return r;
    }
    return error_set(err, E_UNAVAILABLE, "runs come and go too fast on this thread; try again");
}

/* $1 the message, $2 its thread, $3 the tenant. a: it and what came of its calls. */
/* clang-format off */
static const struct pg_statement exchange_delete = {
    .name = "message_exchange_delete",
    .sql =
        "WITH t AS MATERIALIZED ("
        "    SELECT id, active_run"
        "    FROM threads"
        "    WHERE id = $2"
        "      AND tenant_id = $3"
        "    FOR NO KEY UPDATE),"
        " m AS MATERIALIZED ("
        "    SELECT m.id, m.run_id, m.tool_calls"
        "    FROM t"
        "    JOIN messages m ON m.id = $1"
        "    WHERE m.thread_id = t.id"
        "      AND t.active_run IS NULL),"
        " a AS MATERIALIZED ("
        "    SELECT m.id"
        "    FROM m"
        "    UNION ALL"
        "    SELECT o.id"
        "    FROM m"
        "    JOIN messages o ON o.run_id = ANY (ARRAY[m.run_id])"
        "    WHERE o.role = 'tool'"
        "      AND o.tool_call_id IN ("
        "          SELECT x.call ->> 'id'"
        "          FROM jsonb_array_elements(m.tool_calls) AS x (call))),"
        " d AS ("
        "    DELETE FROM messages m"
        "    USING a"
        "    WHERE m.id = ANY (ARRAY[a.id])"
        "    RETURNING m.thread_id, m.position, m.run_id, m.bytes, m.token_count),"
        " z AS (" SQL_SUMMARY_FORGET("d") "),"
        " c AS MATERIALIZED ("
        "    SELECT d.run_id, count(*) AS message_count, sum(d.bytes)::int8 AS total_bytes,"
        "        sum(d.token_count)::int8 AS token_count"
        "    FROM d"
        "    GROUP BY d.run_id),"
        " u AS ("
        "    UPDATE threads t"
        "    SET " SQL_COUNT_CHANGES("t", "-", "s")
        "    FROM ("
        "        SELECT sum(c.message_count)::int8 AS message_count,"
        "            sum(c.total_bytes)::int8 AS total_bytes,"
        "            sum(c.token_count)::int8 AS token_count"
        "        FROM c) s"
        "    WHERE t.id = $2"
        "      AND s.message_count IS NOT NULL),"
        " r AS ("
        "    UPDATE runs r"
        "    SET " SQL_COUNT_CHANGES("r", "-", "c")
        "    FROM c"
        "    WHERE r.id = ANY (ARRAY[c.run_id]))"
        " SELECT 1"
        " FROM c",
    .types = "uuu",
};
/* clang-format on */

int messages_delete_exchange(const struct store *store, struct uuid thread, struct uuid id,
                             struct uuid *out_active, struct error *err)
{
    struct pg_value values[3] = {pg_uuid(id), pg_uuid(thread), pg_uuid(store->tenant)};

    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        CLEANUP(pg_result_freep) struct pg_result *result = NULL;
        struct message_list found;
        int r = pg_exec(store->pg, &exchange_delete, values, &result, err);

        if (r < 0)
            return r;
        if (pg_rows(result) > 0)
            return 0;
        r = messages_find(store, &id, 1, &found, err);
        if (r < 0)
            return r;
        if (found.count == 0 || !uuid_equal(found.items[0].thread_id, thread))
            return MESSAGE_MISSING;
        r = thread_look(store, thread, -1, out_active, err);
        if (r != 0)
            return r == THREAD_MISSING ? MESSAGE_MISSING : r;
    }
    return error_set(err, E_UNAVAILABLE, "runs come and go too fast on this thread; try again");
}
