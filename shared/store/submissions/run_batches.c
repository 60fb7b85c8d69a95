/* Runs that many requests make, as one statement
 *
 * They come as columns (columns.h), and so do their messages. The plan must not depend on how large
 * the tables are thought to be: see the head of leases/run_group.c. A batch never waits for the row
 * of a thread, since whoever holds it would hold up all of the others. What is given back is what
 * the database alone knows: to read a row that was just written costs as much as a poll.
 *
 * To store another column of a run, add it to MAKING_ROWS, INSERT_RUNS, write_making and
 * run_batch_made.
 */

#include "shared/store/submissions/run_batches.h"

#include <stdlib.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/store/columns.h"
#include "shared/store/runs/run_drafts.h"
#include "shared/store/threads/drafts.h"
#include "shared/store/threads/promotions.h"
#include "shared/store/threads/thread_rows.h"

/* Two limits come first. */
enum { LIMIT_THREAD_BYTES, LIMIT_USER_BYTES, LIMITS };

/* clang-format off */
/* count, bytes, tokens: of its messages. labels to state, hidden and erases: of a new thread. */
#define MAKING_ROWS(COLUMN) \
    COLUMN(3, MAKING_N, "n", 'I') \
    COLUMN(4, MAKING_ID, "id", 'U') \
    COLUMN(5, MAKING_TENANT, "tenant", 'U') \
    COLUMN(6, MAKING_AGENT, "agent", 'U') \
    COLUMN(7, MAKING_VERSION, "version", 'I') \
    COLUMN(8, MAKING_SHARD, "shard", 'I') \
    COLUMN(9, MAKING_PRIORITY, "priority", 'I') \
    COLUMN(10, MAKING_SPEC, "spec", 'W') \
    COLUMN(11, MAKING_METADATA, "metadata", 'J') \
    COLUMN(12, MAKING_DELAY_MS, "delay_ms", 'I') \
    COLUMN(13, MAKING_EXPIRES_MS, "expires_ms", 'I') \
    COLUMN(14, MAKING_THREAD, "thread", 'U') \
    COLUMN(15, MAKING_IS_NEW, "is_new", 'B') \
    COLUMN(16, MAKING_TITLE, "title", 'T') \
    COLUMN(17, MAKING_USER, "usr", 'T') \
    COLUMN(18, MAKING_COUNT, "count", 'I') \
    COLUMN(19, MAKING_BYTES, "bytes", 'I') \
    COLUMN(20, MAKING_TOKENS, "tokens", 'I') \
    COLUMN(21, MAKING_LABELS, "labels", 'J') \
    COLUMN(22, MAKING_RESOURCES, "resources", 'J') \
    COLUMN(23, MAKING_OWNER_AGENT, "owner_agent", 'U') \
    COLUMN(24, MAKING_OWNER, "owner", 'T') \
    COLUMN(25, MAKING_STATE, "state", 'J') \
    COLUMN(26, MAKING_TRY_KEY, "try_key", 'T') \
    COLUMN(27, MAKING_TRY_OBJECT, "try_object", 'U') \
    COLUMN(37, MAKING_HIDDEN, "hidden", 'B') \
    COLUMN(38, MAKING_ERASES, "erases", 'B')

/* calls: the columns of SQL_DRAFT_CALLS as one object, since each column costs each batch. */
#define DRAFT_ROWS(COLUMN) \
    COLUMN(28, DRAFT_N, "n", 'I') \
    COLUMN(29, DRAFT_ID, "id", 'U') \
    COLUMN(30, DRAFT_ROLE, "role", 'T') \
    COLUMN(31, DRAFT_CONTENT, "content", 'J') \
    COLUMN(32, DRAFT_ATTACHMENTS, "attachments", 'J') \
    COLUMN(33, DRAFT_METADATA, "metadata", 'J') \
    COLUMN(34, DRAFT_BYTES, "bytes", 'I') \
    COLUMN(35, DRAFT_TOKENS, "tokens", 'I') \
    COLUMN(36, DRAFT_CALLS, "calls", 'J')

#define BATCH_ROWS(COLUMN) MAKING_ROWS(COLUMN) DRAFT_ROWS(COLUMN)

enum batch_column { BATCH_ROWS(COLUMN_ENUM) };
enum { COLUMNS = LIMITS BATCH_ROWS(COLUMN_COUNT) };

static const char types[] = {'i', 'i', BATCH_ROWS(COLUMN_TYPE) [COLUMNS] = '\0'};
_Static_assert(sizeof(types) == COLUMNS + 1, "each number has its column");

#define AGENT_IS_THERE \
    "(i.agent IS NULL" \
    "    OR EXISTS (" \
    "        SELECT 1" \
    "        FROM agents a" \
    "        WHERE a.id = ANY (ARRAY[i.agent])" \
    "          AND " SQL_CHECKED( \
    "              a.tenant_id = i.tenant" \
    "              AND a.version = i.version" \
    "              AND a.deleted_at IS NULL") "))"

#define NEW_FITS "i.bytes <= $1 AND " SQL_USER_FITS("i.tenant", "i.owner", "i.bytes", "$2")

#define HEADS \
    "i AS MATERIALIZED (" \
    "    SELECT *, row_number() OVER (PARTITION BY i.thread ORDER BY i.n) AS turn" \
    "    FROM (" SQL_FEW_ROWS(MAKING_ROWS, "$3") ") i" \
    "    WHERE " AGENT_IS_THERE ")"

/* Those that get a new thread, which nothing else can be in the way of. */
#define NEW_HEADS \
    "i AS MATERIALIZED (" \
    "    SELECT *" \
    "    FROM (" SQL_MANY_ROWS(MAKING_ROWS, "$3") ") i" \
    "    WHERE " AGENT_IS_THERE \
    "      AND " NEW_FITS ")"

#define INSERT_THREADS \
    "INSERT INTO threads (" \
    "    id, tenant_id, active_run, metadata, tool_resources, title, agent_id, user_id," \
    "    agent_state, message_count, total_bytes, token_count, used_hour, hidden, erase_at)" \
    " SELECT i.thread, i.tenant, i.id, coalesce(i.labels, '{}'), i.resources, i.title," \
    "    i.owner_agent, i.owner, i.state, i.count, i.bytes, i.tokens, " SQL_USED_HOUR "," \
    "    coalesce(i.hidden, false), " SQL_ERASES("i.erases") \
    " FROM i"

/* free: the threads that are there and idle. */
#define THREADS \
    "free AS MATERIALIZED (" \
    "    SELECT t.id, i.n" \
    "    FROM i" \
    "    JOIN threads t ON t.id = ANY (ARRAY[i.thread])" \
    "      AND " SQL_CHECKED("t.tenant_id = i.tenant AND t.active_run IS NULL") \
    "      AND " SQL_CHECKED(SQL_NOTHING_WAITS("t")) \
    "      AND " SQL_CHECKED(SQL_THREAD_FITS("t", "i.bytes", "$1", "$2")) \
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
    "    RETURNING i.n, t.id, t.user_id, t.total_bytes, t.memory)," \
    " fresh AS (" \
    "    " INSERT_THREADS \
    "    WHERE i.is_new" \
    "      AND " NEW_FITS \
    "    RETURNING id, user_id, total_bytes)," \
    " t AS MATERIALIZED (" \
    "    SELECT taken.n, taken.id, taken.user_id, taken.total_bytes, taken.memory" \
    "    FROM taken" \
    "    UNION ALL" \
    "    SELECT i.n, f.id, f.user_id, f.total_bytes, NULL" \
    "    FROM fresh f" \
    "    JOIN i ON i.thread = f.id)"

/* source: rows of i, with `thread`. */
#define MESSAGES(source, thread) \
    "m AS (" \
    "    INSERT INTO messages (" \
    "        id, tenant_id, thread_id, submitted_with, role, content, attachments, metadata," \
    "        bytes, token_count, " DRAFT_CALL_COLUMNS ")" \
    "    SELECT d.id, i.tenant, " thread ", i.id, d.role, d.content, d.attachments," \
    "        coalesce(d.metadata, '{}'), d.bytes, d.tokens," \
    "        coalesce((d.calls ->> 'hidden')::bool, false), d.calls -> 'tool_calls'," \
    "        d.calls ->> 'tool_call_id', d.calls ->> 'tool_name'" \
    "    FROM " source \
    "    JOIN (" SQL_MANY_ROWS(DRAFT_ROWS, "$28") ") d ON d.n = i.n" \
    "    ORDER BY i.n, d.place)"

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

/* And the thread's owner, and its bytes; and the run's spec. */
#define INSERT_RUNS(source, thread, owner, bytes, spec) \
    "INSERT INTO runs AS r (" SQL_RUN_DRAFT_COLUMNS ")" \
    " SELECT i.id, i.tenant, " thread ", i.agent, i.version, i.shard, i.priority, " spec "," \
    "    coalesce(i.metadata, '{}'), now() + i.delay_ms * interval '1 ms'," \
    "    now() + (i.delay_ms + i.expires_ms) * interval '1 ms'," \
    "    octet_length((" spec ")::text), coalesce(i.usr, " owner "), " bytes "," \
    "    " SQL_USER_LEFT("i.tenant", owner, "$2") ", " SQL_NOTIFIES("i.tenant") "," \
    "    " SQL_RUN_BUDGETS("i.tenant", "i.agent", "coalesce(i.usr, " owner ")", thread) \
    " FROM " source

#define ON_THEIR_THREADS "t JOIN i ON i.n = t.n"

static const struct pg_statement batch_make = {
    .name = "run_batch_make",
    .sql =
        "WITH " HEADS ","
        " " THREADS ","
        " " MESSAGES(ON_THEIR_THREADS, "t.id") ","
        " " TRIES ","
        " r AS ("
        "    " INSERT_RUNS(ON_THEIR_THREADS, "t.id", "t.user_id", "t.total_bytes",
                           SQL_SPEC_ON("t", "i.spec"))
        "    RETURNING r.thread_id, r.created_at, r.expires_at, r.user_id)"
        " SELECT t.n, " SQL_SECONDS("r.created_at") ", " SQL_SECONDS("r.expires_at") ", r.user_id,"
        "    t.memory"
        " FROM r"
        " JOIN t ON t.id = r.thread_id",
    .types = types,
};

/* For who looks at them afterwards. Nothing else can be in the way of a thread that is new, so it
 * needs nothing of what the other one does about that. */
static const struct pg_statement batch_make_new = {
    .name = "run_batch_make_new",
    .sql =
        "WITH " NEW_HEADS ","
        " " MESSAGES("i", "i.thread") ","
        " t AS (" INSERT_THREADS ")"
        " " INSERT_RUNS("i", "i.thread", "i.owner", "i.bytes", "i.spec"),
    .types = types,
};
/* clang-format on */

size_t run_making_bytes(const struct run_making *making)
{
    const struct thread_draft *thread = making->new_thread;
    const struct message_draft *messages = thread ? thread->messages : making->draft->messages;
    size_t count = thread ? thread->message_count : making->draft->message_count;
    size_t bytes = making->draft->spec.len + making->draft->metadata.len;

    if (thread)
        bytes += thread->metadata.len + thread->tool_resources.len + thread->title.len +
                 thread->agent_state.len;
    for (size_t i = 0; i < count; i++)
        bytes += (size_t)draft_bytes(&messages[i]) + messages[i].metadata.len;
    return bytes;
}

bool run_making_is_plain(const struct run_making *making)
{
    return run_making_bytes(making) <= SMALL_BYTES_MAX && !making->draft->is_behind &&
           !(making->new_thread && (making->new_thread->active || making->new_thread->memory.ptr));
}

static void write_calls(struct column_row row, const struct message_draft *draft)
{
    CLEANUP(buf_deinit) struct buf calls;

    buf_init(&calls, 0);
    if (draft_is_said(draft))
        return;
    draft_calls_encode(&calls, draft);
    column_json(row, DRAFT_CALLS, buf_text(&calls));
}

static int write_messages(struct buf *columns, struct column_row row, size_t n,
                          const struct message_draft *drafts, size_t count, struct error *err)
{
    struct message_counts counts = drafts_counts(drafts, count);

    if (count > MESSAGE_DRAFTS_MAX)
        return error_set(err, E_LIMIT, "%zu messages at once, where %d are allowed", count,
                         MESSAGE_DRAFTS_MAX);
    column_int(row, MAKING_COUNT, counts.messages);
    column_int(row, MAKING_BYTES, counts.bytes);
    column_int(row, MAKING_TOKENS, counts.tokens);
    for (size_t i = 0; i < count; i++) {
        struct column_row draft = column_row(columns, DRAFT_N, n);

        column_uuid(draft, DRAFT_ID, drafts[i].id);
        column_text(draft, DRAFT_ROLE, text_of(message_role_name(drafts[i].role)));
        column_json(draft, DRAFT_CONTENT, drafts[i].content);
        column_json(draft, DRAFT_ATTACHMENTS, drafts[i].attachments);
        column_json(draft, DRAFT_METADATA, drafts[i].metadata);
        column_int(draft, DRAFT_BYTES, draft_bytes(&drafts[i]));
        column_int(draft, DRAFT_TOKENS, drafts[i].tokens);
        write_calls(draft, &drafts[i]);
    }
    return 0;
}

static void write_new_thread(struct column_row row, const struct thread_draft *thread)
{
    column_uuid(row, MAKING_THREAD, thread->id);
    column_text(row, MAKING_TITLE, thread->title);
    column_json(row, MAKING_LABELS, thread->metadata);
    column_json(row, MAKING_RESOURCES, thread->tool_resources);
    column_uuid(row, MAKING_OWNER_AGENT, thread->agent);
    column_text(row, MAKING_OWNER, thread->user);
    column_json(row, MAKING_STATE, thread->agent_state);
    if (thread->hidden)
        column_bool(row, MAKING_HIDDEN, true);
    if (thread->erases)
        column_bool(row, MAKING_ERASES, true);
}

static int write_making(struct buf *columns, size_t n, const struct run_making *making,
                        struct error *err)
{
    struct column_row row = column_row(columns, MAKING_N, n);
    const struct run_draft *draft = making->draft;
    const struct thread_draft *thread = making->new_thread;

    ASSERT(draft->expires_in_ms > 0 && draft->delay_ms >= 0);
    ASSERT(draft->shard >= 0 && draft->shard <= INT16_MAX);
    column_uuid(row, MAKING_ID, draft->id);
    column_uuid(row, MAKING_TENANT, making->tenant);
    column_uuid(row, MAKING_AGENT, draft->agent);
    column_int(row, MAKING_VERSION, draft->agent_version);
    column_int(row, MAKING_SHARD, draft->shard);
    column_int(row, MAKING_PRIORITY, draft->priority);
    column_text(row, MAKING_SPEC, draft->spec);
    column_json(row, MAKING_METADATA, draft->metadata);
    column_int(row, MAKING_DELAY_MS, draft->delay_ms);
    column_int(row, MAKING_EXPIRES_MS, draft->expires_in_ms);
    column_text(row, MAKING_USER, draft->user);
    column_bool(row, MAKING_IS_NEW, thread != NULL);
    if (making->trace) {
        column_text(row, MAKING_TRY_KEY, text_of(making->trace->key));
        column_uuid(row, MAKING_TRY_OBJECT, making->trace->object);
    }
    if (thread) {
        write_new_thread(row, thread);
        return write_messages(columns, row, n, thread->messages, thread->message_count, err);
    }
    column_uuid(row, MAKING_THREAD, draft->thread);
    column_text(row, MAKING_TITLE, draft->title);
    return write_messages(columns, row, n, draft->messages, draft->message_count, err);
}

struct run_batch {
    const struct pg_statement *statement;
    struct buf columns[COLUMNS];
    struct pg_value values[COLUMNS];
};

int run_batch_new(const struct thread_limits *limits, const struct run_making *makings,
                  size_t count, struct run_batch **out, struct error *err)
{
    struct thread_limits most = limits_or_none(limits);
    struct run_batch *batch = xcalloc(1, sizeof(*batch));
    int r = 0;

    ASSERT(count <= RUN_BATCH_MAX);
    columns_init(batch->columns, COLUMNS);
    batch->statement = &batch_make_new;
    for (size_t i = 0; i < count && r == 0; i++) {
        if (!makings[i].new_thread || makings[i].trace)
            batch->statement = &batch_make;
        r = write_making(batch->columns, i, &makings[i], err);
    }
    if (r < 0) {
        run_batch_free(batch);
        return r;
    }
    columns_values(batch->columns, types, batch->values);
    batch->values[LIMIT_THREAD_BYTES] = pg_int(most.thread_bytes);
    batch->values[LIMIT_USER_BYTES] = pg_int(most.user_bytes);
    *out = batch;
    return 0;
}

void run_batch_free(struct run_batch *batch)
{
    if (!batch)
        return;
    columns_deinit(batch->columns, COLUMNS);
    free(batch);
}

struct pg_query run_batch_query(const struct run_batch *batch)
{
    return (struct pg_query){batch->statement, batch->values};
}

int run_batch_make(struct pg *pg, const struct thread_limits *limits,
                   const struct run_making *makings, size_t count, struct pg_result **out,
                   struct error *err)
{
    struct run_batch *batch = NULL;
    int r = run_batch_new(limits, makings, count, &batch, err);

    if (r == 0)
        r = pg_exec(pg, &batch_make, batch->values, out, err);
    run_batch_free(batch);
    return r;
}

size_t run_batch_made_count(const struct pg_result *result)
{
    return (size_t)pg_rows(result);
}

size_t run_batch_made_place(const struct pg_result *result, size_t n)
{
    return (size_t)pg_get_int(result, (int)n, 0);
}

/* As SQL_SPEC_ON. TEXT_NONE: the arena is full. */
static struct text spec_on(struct text spec, struct text memory, struct arena *arena)
{
    const char *text;

    if (!memory.ptr)
        return spec;
    text = arena_printf(arena, "%.*s,\"thread_memory\":%.*s}", (int)spec.len - 1, spec.ptr,
                        TEXT_ARGS(memory));
    return text ? text_of(text) : TEXT_NONE;
}

int run_batch_made(const struct pg_result *result, size_t n, const struct run_making *making,
                   struct run *out, struct error *err)
{
    struct row row = row_at(result, (int)n, making->arena);
    const struct run_draft *draft = making->draft;
    int64_t created_at;
    int64_t expires_at;
    struct text user;
    struct text spec;

    (void)row_int(&row);
    created_at = row_int(&row);
    expires_at = row_int(&row);
    user = row_text(&row);
    spec = spec_on(draft->spec, row_text(&row), making->arena);
    if (row_check(&row, err) < 0)
        return -E_LIMIT;
    if (!spec.ptr)
        return error_set(err, E_LIMIT, "no room for the run's spec");

    *out = (struct run){
        .id = draft->id,
        .kind = TEXT("agent"),
        .thread_id = making->new_thread ? making->new_thread->id : draft->thread,
        .agent_id = draft->agent,
        .agent_version = draft->agent_version,
        .status = RUN_QUEUED,
        .shard = draft->shard,
        .priority = draft->priority,
        .spec = spec,
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
