/* Input that waits behind the active run
 *
 * Locks: the run before its thread, as everywhere. Should another run become active in between, the
 * order is broken and Postgres may find a deadlock; the driver then runs the request again.
 */

#include "shared/store/threads/inputs.h"

#include "shared/store/threads/message_rows.h"

/* clang-format off */
static const struct pg_statement input_add = {
    .name = "input_add",
    .sql =
        "WITH t AS ("
        "    UPDATE threads t"
        "    SET message_count = t.message_count + 1, total_bytes = t.total_bytes + $8,"
        "        token_count = t.token_count + $9, waited = true, " SQL_USED
        "    WHERE t.id = $2"
        "      AND t.tenant_id = $1"
        "      AND t.active_run IS NOT NULL"
        "      AND " SQL_THREAD_FITS("t", "$8", "$11", "$12")
        "      AND (SELECT count(*) FROM thread_inputs i WHERE i.thread_id = $2)"
        "          < " SQL_STRING(MESSAGE_DRAFTS_MAX)
        "    RETURNING t.id, t.active_run),"
        " r AS ("
        "    UPDATE runs r"
        "    SET steered = true"
        "    FROM t"
        "    WHERE $10::bool"
        "      AND r.id = ANY (ARRAY[t.active_run])"
        "      AND " SQL_CHECKED("r.status IN ('queued', 'in_progress', 'requires_action')") ")"
        " INSERT INTO thread_inputs AS i ("
        "     id, tenant_id, thread_id, steers, role, content, attachments, metadata, bytes,"
        "     token_count)"
        " SELECT $3, $1, t.id, $10::bool, $4, $5, $6, coalesce($7, '{}'), $8, $9"
        " FROM t"
        " RETURNING " SQL_SECONDS("i.created_at"),
    .types = "uuutjjjiibii",
};
/* clang-format on */

int inputs_add(const struct store *store, struct uuid thread, const struct message_draft *draft,
               bool steers, struct message *out, struct error *err)
{
    struct thread_limits limits = limits_or_none(store->limits);
    struct pg_value at[2] = {pg_uuid(thread), pg_uuid(store->tenant)};
    struct pg_value values[12] = {
        pg_uuid(store->tenant),      pg_uuid(thread),
        pg_uuid(draft->id),          pg_string(message_role_name(draft->role)),
        pg_json(draft->content),     pg_json(draft->attachments),
        pg_json(draft->metadata),    pg_int(draft_bytes(draft)),
        pg_int(draft->tokens),       pg_bool(steers),
        pg_int(limits.thread_bytes), pg_int(limits.user_bytes),
    };
    const struct pg_query queries[3] = {
        {&thread_lock_active, at},
        {&input_add, values},
        store->rider ? *store->rider : (struct pg_query){NULL, NULL},
    };
    struct pg_result *results[3] = {NULL, NULL, NULL};
    size_t first = steers ? 0 : 1; /* what only waits touches no run */
    size_t count = (store->rider ? 3 : 2) - first;
    int r;

    ASSERT(draft_is_said(draft));
    r = pg_exec_all(store->pg, queries + first, count, results + first, err);
    if (r < 0)
        return r;
    if (pg_rows(results[1]) > 0) {
        *out = message_of(thread, draft, pg_get_int(results[1], 0, 0));
        out->waits = steers ? TEXT("steer") : TEXT("queue");
    } else {
        r = THREAD_IDLE;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(results); i++)
        pg_result_free(results[i]);
    if (r == 0)
        return 0;
    r = thread_look(store, thread, draft_bytes(draft), NULL, err);
    if (r == 0)
        return THREAD_IDLE;
    return r == THREAD_BUSY ? THREAD_FULL : r;
}
