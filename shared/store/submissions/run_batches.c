/* Runs that many requests make, as one statement
 *
 * They come as one JSON array. The plan must not depend on how large the tables are thought to be:
 * see the head of leases/run_group.c. A batch never waits for the row of a thread, since whoever
 * holds it would hold up all of the others. What is given back is what the database alone knows: to
 * read a row that was just written costs as much as a poll.
 *
 * To store another column of a run, add it to HEADS, the INSERT, write_making and run_batch_made.
 */

#include "shared/store/submissions/run_batches.h"

#include "shared/json/json_write.h"
#include "shared/store/rows.h"
#include "shared/store/runs/run_drafts.h"
#include "shared/store/threads/drafts.h"
#include "shared/store/threads/promotions.h"

/* clang-format off */
#define HEADS \
    "i AS MATERIALIZED (" \
    "    SELECT *, row_number() OVER (PARTITION BY i.thread ORDER BY i.n) AS turn" \
    "    FROM json_to_recordset($1) AS i (" \
    "        n int4, id uuid, tenant uuid, agent uuid, version int8, shard int2, priority int2," \
    "        spec json, metadata jsonb, delay_ms int8, expires_ms int8, messages jsonb," \
    "        thread uuid, is_new bool, labels jsonb, resources jsonb, title text, owner text," \
    "        owner_agent uuid, state jsonb, usr text, count int8, bytes int8, tokens int8," \
    "        try_key text, try_object uuid)" \
    "    WHERE EXISTS (" \
    "        SELECT 1" \
    "        FROM agents a" \
    "        WHERE a.id = ANY (ARRAY[i.agent])" \
    "          AND " SQL_CHECKED( \
    "              a.tenant_id = i.tenant" \
    "              AND a.version = i.version" \
    "              AND a.deleted_at IS NULL") "))"

/* free: the threads that are there and idle. */
#define THREADS \
    "free AS MATERIALIZED (" \
    "    SELECT t.id, i.n" \
    "    FROM i" \
    "    JOIN threads t ON t.id = ANY (ARRAY[i.thread])" \
    "      AND " SQL_CHECKED("t.tenant_id = i.tenant AND t.active_run IS NULL") \
    "      AND " SQL_CHECKED(SQL_NOTHING_WAITS("t")) \
    "      AND " SQL_CHECKED(SQL_THREAD_FITS("t", "i.bytes", "$2", "$3")) \
    "    WHERE NOT i.is_new" \
    "      AND i.turn = 1" \
    "    ORDER BY t.id" \
    "    FOR NO KEY UPDATE OF t SKIP LOCKED)," \
    " taken AS (" \
    "    UPDATE threads t" \
    "    SET active_run = i.id, message_count = t.message_count + i.count," \
    "        total_bytes = t.total_bytes + i.bytes, token_count = t.token_count + i.tokens," \
    "        " SQL_TITLE("t", "i.title") ", " SQL_USED \
    "    FROM free" \
    "    JOIN i ON i.n = free.n" \
    "    WHERE t.id = ANY (ARRAY[free.id])" \
    "    RETURNING i.n, t.id, t.user_id, t.total_bytes)," \
    " fresh AS (" \
    "    INSERT INTO threads (" \
    "        id, tenant_id, active_run, metadata, tool_resources, title, agent_id, user_id," \
    "        agent_state, message_count, total_bytes, token_count, used_hour)" \
    "    SELECT i.thread, i.tenant, i.id, coalesce(i.labels, '{}'), i.resources, i.title," \
    "        i.owner_agent, i.owner, i.state, i.count, i.bytes, i.tokens, " SQL_USED_HOUR \
    "    FROM i" \
    "    WHERE i.is_new" \
    "      AND i.bytes <= $2" \
    "      AND " SQL_USER_FITS("i.tenant", "i.owner", "i.bytes", "$3") \
    "    RETURNING id, user_id, total_bytes)," \
    " t AS MATERIALIZED (" \
    "    SELECT taken.n, taken.id, taken.user_id, taken.total_bytes" \
    "    FROM taken" \
    "    UNION ALL" \
    "    SELECT i.n, f.id, f.user_id, f.total_bytes" \
    "    FROM fresh f" \
    "    JOIN i ON i.thread = f.id)"

#define MESSAGES \
    "m AS (" \
    "    INSERT INTO messages (" \
    "        id, tenant_id, thread_id, submitted_with, role, content, attachments, metadata," \
    "        bytes, token_count)" \
    "    SELECT d.id, i.tenant, t.id, i.id, d.role, d.content, d.attachments," \
    "        coalesce(d.metadata, '{}'), d.bytes, d.tokens" \
    "    FROM t" \
    "    JOIN i ON i.n = t.n" \
    "    CROSS JOIN LATERAL " SQL_DRAFTS("i.messages") \
    "    ORDER BY t.n, d.place)"

/* The same request several times in one batch: the last one counts, as it does one by one. */
#define TRIES \
    "k AS (" \
    "    INSERT INTO idempotency_keys AS k (tenant_id, key, request_hash, object_id, created_at)" \
    "    SELECT DISTINCT ON (i.tenant, i.try_key) i.tenant, i.try_key," \
    "        decode(substr(i.try_key, length('" TRY_PREFIX "') + 1), 'hex'), i.try_object," \
    "        " SQL_TRY_CREATED_AT \
    "    FROM t" \
    "    JOIN i ON i.n = t.n" \
    "    WHERE i.try_key IS NOT NULL" \
    "    ORDER BY i.tenant, i.try_key, t.n DESC" \
    "    ON CONFLICT (tenant_id, key) DO UPDATE" \
    "    SET created_at = excluded.created_at, object_id = excluded.object_id)"

#define RUNS \
    "r AS (" \
    "    INSERT INTO runs AS r (" SQL_RUN_DRAFT_COLUMNS ")" \
    "    SELECT i.id, i.tenant, t.id, i.agent, i.version, i.shard, i.priority, i.spec," \
    "        coalesce(i.metadata, '{}'), now() + i.delay_ms * interval '1 ms'," \
    "        now() + (i.delay_ms + i.expires_ms) * interval '1 ms'," \
    "        octet_length(i.spec::text), coalesce(i.usr, t.user_id), t.total_bytes," \
    "        " SQL_USER_LEFT("i.tenant", "t.user_id", "$3") \
    "    FROM t" \
    "    JOIN i ON i.n = t.n" \
    "    RETURNING r.thread_id, r.created_at, r.expires_at, r.user_id)"

static const struct pg_statement batch_make = {
    .name = "run_batch_make",
    .sql =
        "WITH " HEADS ","
        " " THREADS ","
        " " MESSAGES ","
        " " TRIES ","
        " " RUNS
        " SELECT t.n, " SQL_SECONDS("r.created_at") ", " SQL_SECONDS("r.expires_at") ", r.user_id"
        " FROM r"
        " JOIN t ON t.id = r.thread_id",
    .types = "wii",
};
/* clang-format on */

static void write_trace(struct json_write *w, const struct idempotency_trace *trace)
{
    json_write_string(w, "try_key", trace->key);
    json_write_uuid(w, "try_object", trace->object);
}

static int write_messages(struct json_write *w, const struct message_draft *drafts, size_t count,
                          struct error *err)
{
    if (count == 0)
        return 0;
    json_write_name(w, "messages");
    return drafts_encode(w->out, drafts, count, err);
}

static void write_counts(struct json_write *w, const struct message_draft *drafts, size_t count)
{
    struct message_counts counts = drafts_counts(drafts, count);

    json_write_int_text(w, "count", counts.messages);
    json_write_int_text(w, "bytes", counts.bytes);
    json_write_int_text(w, "tokens", counts.tokens);
}

static int write_making(struct json_write *w, size_t n, const struct run_making *making,
                        struct error *err)
{
    const struct run_draft *draft = making->draft;
    const struct thread_draft *thread = making->new_thread;
    int r;

    ASSERT(draft->expires_in_ms > 0 && draft->delay_ms >= 0);
    ASSERT(draft->shard >= 0 && draft->shard <= INT16_MAX);
    json_write_open_object(w, NULL);
    json_write_int_text(w, "n", (int64_t)n);
    json_write_uuid(w, "id", draft->id);
    json_write_uuid(w, "tenant", making->tenant);
    json_write_uuid(w, "agent", draft->agent);
    json_write_int_text(w, "version", draft->agent_version);
    json_write_int_text(w, "shard", draft->shard);
    json_write_int_text(w, "priority", draft->priority);
    json_write_raw(w, "spec", draft->spec);
    json_write_raw_if(w, "metadata", draft->metadata);
    json_write_int_text(w, "delay_ms", draft->delay_ms);
    json_write_int_text(w, "expires_ms", draft->expires_in_ms);
    json_write_bool(w, "is_new", thread != NULL);
    json_write_uuid(w, "thread", thread ? thread->id : draft->thread);
    json_write_text_if(w, "usr", draft->user);
    json_write_text_if(w, "title", thread ? thread->title : draft->title);
    if (thread) {
        write_counts(w, thread->messages, thread->message_count);
        json_write_raw_if(w, "labels", thread->metadata);
        json_write_raw_if(w, "resources", thread->tool_resources);
        json_write_uuid_if(w, "owner_agent", thread->agent);
        json_write_text_if(w, "owner", thread->user);
        json_write_raw_if(w, "state", thread->agent_state);
        r = write_messages(w, thread->messages, thread->message_count, err);
    } else {
        write_counts(w, draft->messages, draft->message_count);
        r = write_messages(w, draft->messages, draft->message_count, err);
    }
    if (making->trace)
        write_trace(w, making->trace);
    json_write_close(w);
    return r;
}

int run_batch_make(struct pg *pg, const struct thread_limits *limits,
                   const struct run_making *makings, size_t count, struct pg_result **out,
                   struct error *err)
{
    struct thread_limits most = limits_or_none(limits);
    CLEANUP(buf_deinit) struct buf heads;
    struct pg_value values[3];
    struct json_write w;
    int r = 0;

    ASSERT(count <= RUN_BATCH_MAX);
    buf_init(&heads, 0);
    json_write_init(&w, &heads);
    json_write_open_array(&w, NULL);
    for (size_t i = 0; i < count && r == 0; i++)
        r = write_making(&w, i, &makings[i], err);
    json_write_close(&w);
    if (r == 0)
        r = buf_check(&heads, err);
    if (r < 0)
        return r;
    values[0] = pg_json_as_written(buf_text(&heads));
    values[1] = pg_int(most.thread_bytes);
    values[2] = pg_int(most.user_bytes);
    return pg_exec(pg, &batch_make, values, out, err);
}

size_t run_batch_made_count(const struct pg_result *result)
{
    return (size_t)pg_rows(result);
}

size_t run_batch_made_place(const struct pg_result *result, size_t n)
{
    return (size_t)pg_get_int(result, (int)n, 0);
}

int run_batch_made(const struct pg_result *result, size_t n, const struct run_making *making,
                   struct run *out, struct error *err)
{
    struct row row = row_at(result, (int)n, making->arena);
    const struct run_draft *draft = making->draft;
    int64_t created_at;
    int64_t expires_at;
    struct text user;

    (void)row_int(&row);
    created_at = row_int(&row);
    expires_at = row_int(&row);
    user = row_text(&row);
    if (row_check(&row, err) < 0)
        return -E_LIMIT;

    *out = (struct run){
        .id = draft->id,
        .thread_id = making->new_thread ? making->new_thread->id : draft->thread,
        .agent_id = draft->agent,
        .agent_version = draft->agent_version,
        .status = RUN_QUEUED,
        .shard = draft->shard,
        .priority = draft->priority,
        .spec = draft->spec,
        .metadata = draft->metadata.ptr ? draft->metadata : TEXT("{}"),
        .created_at = created_at,
        .updated_at = created_at,
        .expires_at = expires_at,
        .user = user,
        .queue_ms = -1,
        .latency_ms = -1,
        .first_token_ms = -1,
    };
    return 0;
}
