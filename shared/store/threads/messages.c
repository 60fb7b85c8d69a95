/* Messages of threads
 *
 * Adding one locks the thread row where it is idle, so a message never slips in beside a run that
 * is being created, and positions within a thread become visible in their order.
 */

#include "shared/store/threads/messages.h"

#include "shared/store/summaries/summary_rows.h"
#include "shared/store/threads/message_rows.h"
#include "shared/store/threads/promotions.h"

static enum message_role role_parse(struct text name)
{
    for (enum message_role role = MESSAGE_USER; role <= MESSAGE_SYSTEM; role++)
        if (text_is(name, message_role_name(role)))
            return role;
    ASSERT(!"a role that the database does not allow");
    return MESSAGE_USER;
}

int message_read(struct row *row, void *out, struct error *err)
{
    struct message message = {.seq = 0};

    message.content = row_text(row);
    message.id = row_uuid(row);
    message.thread_id = row_uuid(row);
    message.run_id = row_uuid(row);
    message.agent_id = row_uuid(row);
    message.position = row_int(row);
    message.seq = row_int(row);
    message.role = role_parse(row_word(row));
    message.hidden = row_bool(row);
    message.tool_calls = row_text(row);
    message.tool_call_id = row_text(row);
    message.opaque = TEXT_NONE;
    message.attachments = row_text(row);
    message.metadata = row_text(row);
    message.status = row_text(row);
    message.incomplete_reason = row_text(row);
    message.created_at = row_int(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct message *)out = message;
    return 0;
}

int message_shown_read(struct row *row, void *out, struct error *err)
{
    struct message *message = out;
    int r = message_read(row, message, err);

    if (r < 0)
        return r;
    message->tokens = row_int(row);
    message->tool_name = row_text(row);
    message->waits = row_text(row);
    return row_check(row, err);
}

const struct row_kind message_shown_rows = {message_shown_read, sizeof(struct message),
                                            MESSAGE_MISSING};

/* clang-format off */
static const struct pg_statement look = {
    .name = "message_thread_look",
    .sql =
        "SELECT t.active_run, t.total_bytes + $3 <= $4,"
        "     " SQL_USER_FITS("t.tenant_id", "t.user_id", "$3", "$5")
        " FROM threads t"
        " WHERE t.id = $1"
        "   AND t.tenant_id = $2",
    .types = "uuiii",
};
/* clang-format on */

int thread_look(const struct store *store, struct uuid thread, int64_t bytes,
                struct uuid *out_active, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct thread_limits limits = limits_or_none(store->limits);
    struct pg_value values[5] = {pg_uuid(thread), pg_uuid(store->tenant), pg_int(bytes),
                                 pg_int(limits.thread_bytes), pg_int(limits.user_bytes)};
    int r = pg_exec(store->pg, &look, values, &result, err);

    if (r < 0)
        return r;
    if (pg_rows(result) == 0)
        return THREAD_MISSING;
    if (bytes >= 0 && !pg_get_bool(result, 0, 1))
        return THREAD_TOO_LARGE;
    if (bytes >= 0 && !pg_get_bool(result, 0, 2))
        return USER_OVER_QUOTA;
    if (pg_is_null(result, 0, 0))
        return 0;
    if (out_active)
        *out_active = pg_get_uuid(result, 0, 0);
    return THREAD_BUSY;
}

/* clang-format off */
const struct pg_statement thread_lock_active = {
    .name = "thread_lock_active",
    .sql =
        "SELECT 1"
        " FROM runs r"
        " JOIN threads t ON t.active_run = r.id"
        " WHERE t.id = $1"
        "   AND t.tenant_id = $2"
        " FOR NO KEY UPDATE OF r",
    .types = "uu",
};

static const struct pg_statement message_create = {
    .name = "message_create",
    .sql =
        "WITH t AS ("
        "    UPDATE threads t"
        "    SET message_count = t.message_count + 1, total_bytes = t.total_bytes + $8,"
        "        token_count = t.token_count + $9, " SQL_TITLE("t", "$10") ", " SQL_USED
        "    WHERE t.id = $2"
        "      AND t.tenant_id = $1"
        "      AND t.active_run IS NULL"
        "      AND " SQL_NOTHING_WAITS("t")
        "      AND " SQL_THREAD_FITS("t", "$8", "$11", "$12")
        "    RETURNING t.id)"
        " INSERT INTO messages AS m ("
        "     id, tenant_id, thread_id, role, content, attachments, metadata, bytes, token_count)"
        " SELECT $3, $1, t.id, $4, $5, $6, coalesce($7, '{}'), $8, $9"
        " FROM t"
        " RETURNING m.position, " SQL_SECONDS("m.created_at"),
    .types = "uuutjjjiitii",
};
/* clang-format on */

/* The content is not asked for again: it may be megabytes. */
struct added {
    int64_t position;
    int64_t created_at;
};

static int added_read(struct row *row, void *out, struct error *err)
{
    struct added *added = out;

    added->position = row_int(row);
    added->created_at = row_int(row);
    return row_check(row, err);
}

static const struct row_kind added_rows = {added_read, sizeof(struct added), MESSAGE_MISSING};

struct message message_of(struct uuid thread, const struct message_draft *draft, int64_t created_at)
{
    return (struct message){
        .id = draft->id,
        .thread_id = thread,
        .role = draft->role,
        .hidden = draft->hidden,
        .tool_calls = draft->tool_calls,
        .tool_call_id = draft->tool_call_id,
        .tool_name = draft->tool_name,
        .content = draft->content,
        .attachments = draft->attachments,
        .metadata = draft->metadata.ptr ? draft->metadata : TEXT("{}"),
        .status = TEXT("completed"),
        .created_at = created_at,
        .tokens = draft->tokens,
    };
}

#define ATTEMPTS 5

int messages_create(const struct store *store, struct uuid thread,
                    const struct message_draft *draft, struct text title, struct message *out,
                    struct uuid *out_active, struct error *err)
{
    struct thread_limits limits = limits_or_none(store->limits);
    struct pg_value values[12] = {
        pg_uuid(store->tenant),      pg_uuid(thread),
        pg_uuid(draft->id),          pg_string(message_role_name(draft->role)),
        pg_json(draft->content),     pg_json(draft->attachments),
        pg_json(draft->metadata),    pg_int(draft_bytes(draft)),
        pg_int(draft->tokens),       pg_text(title),
        pg_int(limits.thread_bytes), pg_int(limits.user_bytes),
    };

    ASSERT(draft_is_said(draft));
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        struct added added;
        int r = store_create(store, &added_rows, &(struct pg_query){&message_create, values},
                             &added, err);

        if (r == 0) {
            *out = message_of(thread, draft, added.created_at);
            out->position = added.position;
        }
        if (r != MESSAGE_MISSING)
            return r;
        r = thread_look(store, thread, draft_bytes(draft), out_active, err);
        if (r == 0)
            r = thread_promote(store, thread, err);
        if (r != 0)
            return r;
    }
    return error_set(err, E_UNAVAILABLE, "runs come and go too fast on this thread; try again");
}

/* clang-format off */
static const struct pg_statement message_get = {
    .name = "message_get",
    .sql =
        "SELECT " MESSAGE_SHOWN("m.tool_calls", "NULL::text")
        " FROM messages m"
        " WHERE m.id = $1"
        "   AND m.thread_id = $2"
        "   AND m.tenant_id = $3"
        "   AND NOT m.hidden"
        " UNION ALL"
        " SELECT " MESSAGE_SHOWN("m.tool_calls", "m.waits")
        " FROM (" SQL_INPUTS_AS_MESSAGES " WHERE i.id = $1) m"
        " WHERE m.thread_id = $2"
        "   AND m.tenant_id = $3",
    .types = "uuu",
};
/* clang-format on */

int messages_get(const struct store *store, struct uuid thread, struct uuid id, struct message *out,
                 struct error *err)
{
    struct pg_value values[3] = {pg_uuid(id), pg_uuid(thread), pg_uuid(store->tenant)};

    return store_one(store, &message_shown_rows, &(struct pg_query){&message_get, values}, out,
                     err);
}

/* clang-format off */
static const struct pg_statement message_update = {
    .name = "message_update",
    .sql =
        "WITH u AS ("
        "    UPDATE messages m"
        "    SET metadata = $4"
        "    WHERE m.id = $1"
        "      AND m.thread_id = $2"
        "      AND m.tenant_id = $3"
        "      AND NOT m.hidden"
        "    RETURNING m.*),"
        " i AS ("
        "    UPDATE thread_inputs i"
        "    SET metadata = $4"
        "    WHERE i.id = $1"
        "      AND i.thread_id = $2"
        "      AND i.tenant_id = $3"
        "    RETURNING i.*)"
        " SELECT " MESSAGE_SHOWN("m.tool_calls", "NULL::text")
        " FROM u m"
        " UNION ALL"
        " SELECT " MESSAGE_SHOWN("m.tool_calls", "m.waits")
        " FROM (" SQL_INPUT_ROWS("i") ") m",
    .types = "uuuj",
};
/* clang-format on */

int messages_update(const struct store *store, struct uuid thread, struct uuid id,
                    struct text metadata, struct message *out, struct error *err)
{
    struct pg_value values[4] = {pg_uuid(id), pg_uuid(thread), pg_uuid(store->tenant),
                                 pg_json(metadata)};

    return store_one(store, &message_shown_rows, &(struct pg_query){&message_update, values}, out,
                     err);
}

/* clang-format off */
static const struct pg_statement message_delete = {
    .name = "message_delete",
    .sql =
        "WITH t AS MATERIALIZED ("
        "    SELECT id, active_run"
        "    FROM threads"
        "    WHERE id = $2"
        "      AND tenant_id = $3"
        "    FOR NO KEY UPDATE),"
        " m AS ("
        "    DELETE FROM messages m"
        "    USING t"
        "    WHERE m.id = $1"
        "      AND m.thread_id = t.id"
        "      AND t.active_run IS NULL"
        "      AND NOT m.hidden"
        "    RETURNING m.thread_id, m.position, m.run_id, m.bytes, m.token_count),"
        " z AS (" SQL_SUMMARY_FORGET("m") "),"
        " i AS ("
        "    DELETE FROM thread_inputs i"
        "    USING t"
        "    WHERE i.id = $1"
        "      AND i.thread_id = t.id"
        "    RETURNING NULL::uuid AS run_id, i.bytes, i.token_count),"
        " d AS MATERIALIZED ("
        "    SELECT run_id, bytes, token_count FROM m UNION ALL SELECT * FROM i),"
        " u AS ("
        "    UPDATE threads t"
        "    SET message_count = t.message_count - 1, total_bytes = t.total_bytes - d.bytes,"
        "        token_count = t.token_count - d.token_count"
        "    FROM d"
        "    WHERE t.id = $2),"
        " r AS ("
        "    UPDATE runs r"
        "    SET message_count = r.message_count - 1, total_bytes = r.total_bytes - d.bytes,"
        "        token_count = r.token_count - d.token_count"
        "    FROM d"
        "    WHERE r.id = ANY (ARRAY[d.run_id]))"
        " SELECT 1"
        " FROM d",
    .types = "uuu",
};
/* clang-format on */

int messages_delete(const struct store *store, struct uuid thread, struct uuid id,
                    struct uuid *out_active, struct error *err)
{
    static const struct row_kind deleted = {.missing = MESSAGE_MISSING};
    struct pg_value values[3] = {pg_uuid(id), pg_uuid(thread), pg_uuid(store->tenant)};

    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        struct message message;
        int r = store_one(store, &deleted, &(struct pg_query){&message_delete, values}, NULL, err);

        if (r != MESSAGE_MISSING)
            return r;
        r = messages_get(store, thread, id, &message, err);
        if (r != 0)
            return r;
        r = thread_look(store, thread, -1, out_active, err);
        if (r != 0)
            return r == THREAD_MISSING ? MESSAGE_MISSING : r;
    }
    return error_set(err, E_UNAVAILABLE, "runs come and go too fast on this thread; try again");
}

int history_read(struct arena *arena, const struct pg_result *result, int from, size_t count,
                 struct message **out, struct error *err)
{
    struct message *messages;
    void *items;
    int r;

    r = rows_alloc(arena, count, sizeof(*messages), &items, err);
    if (r < 0)
        return r;
    messages = items;
    for (size_t i = 0; i < count; i++) {
        struct row row = row_at(result, from + (int)i, arena);
        struct message *message = &messages[count - 1 - i];

        r = message_read(&row, message, err);
        if (r < 0)
            return r;
        message->opaque = row_text(&row);
        r = row_check(&row, err);
        if (r < 0)
            return r;
    }
    *out = messages;
    return 0;
}
