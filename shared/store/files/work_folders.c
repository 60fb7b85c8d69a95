/* Work folders
 *
 * A statement may change a row once, and a folder that is replaced lets go of a blob of the tenant
 * that has just got another: so what was replaced is noted first (drop_id), and let go by a
 * statement of its own in the same transaction.
 */

#include "shared/store/files/work_folders.h"

#include "shared/store/files/blob_rows.h"
#include "shared/store/rows.h"

#define SWEEP_MAX 100

/* clang-format off */
static const struct pg_statement find = {
    .name = "work_folder_find",
    .sql =
        "SELECT b.id, b.store, encode(b.sha256, 'hex'), coalesce(b.bytes, 0),"
        "    array_to_string(ARRAY("
        "        SELECT DISTINCT f"
        "        FROM ("
        "            SELECT jsonb_array_elements_text("
        "                v.spec::jsonb #> '{tool_resources,code_interpreter,file_ids}') AS f"
        "            FROM agent_versions v"
        "            WHERE v.agent_id = r.agent_id"
        "              AND v.version = r.agent_version"
        "              AND jsonb_typeof("
        "                  v.spec::jsonb #> '{tool_resources,code_interpreter,file_ids}') = 'array'"
        "            UNION ALL"
        "            SELECT jsonb_array_elements_text("
        "                t.tool_resources::jsonb #> '{code_interpreter,file_ids}')"
        "            FROM threads t"
        "            WHERE t.id = r.thread_id"
        "              AND jsonb_typeof(t.tool_resources::jsonb #> '{code_interpreter,file_ids}')"
        "                  = 'array'"
        "            UNION ALL"
        "            SELECT a ->> 'file_id'"
        "            FROM messages m"
        "            CROSS JOIN LATERAL jsonb_array_elements("
        "                CASE jsonb_typeof(m.attachments) WHEN 'array' THEN m.attachments"
        "                    ELSE '[]' END) AS x (a)"
        "            WHERE m.thread_id = r.thread_id"
        "              AND a -> 'tools' @> '[{\"type\": \"code_interpreter\"}]') all_of"
        "        ORDER BY f"
        "        LIMIT " SQL_STRING(WORK_INPUTS_MAX) "), ' ')"
        " FROM runs r"
        " LEFT JOIN work_folders w ON w.thread_id = r.thread_id"
        " LEFT JOIN blobs b ON b.id = CASE w.made_by WHEN $3::text THEN w.before_id"
        "     ELSE w.blob_id END"
        " WHERE r.id = $2"
        "   AND r.tenant_id = $1",
    .types = "uut",
};
/* clang-format on */

static int read_found(struct row *row, void *out, struct error *err)
{
    struct work_found found = {.has_folder = !pg_is_null(row->result, row->row, 0)};
    struct text rest;
    struct text one;

    blob_ref_read(row, &found.folder);
    rest = row_text(row);
    while (rest.len > 0 && found.input_count < WORK_INPUTS_MAX) {
        if (!text_cut(rest, ' ', &one, &rest)) {
            one = rest;
            rest = TEXT_NONE;
        }
        found.inputs[found.input_count++].file = one;
    }
    *(struct work_found *)out = found;
    return row_check(row, err);
}

static const struct row_kind found_rows = {read_found, sizeof(struct work_found), RUN_MISSING};

int work_folder_find(const struct store *store, struct uuid run, struct text key,
                     struct work_found *out, struct error *err)
{
    struct pg_value values[3] = {pg_uuid(store->tenant), pg_uuid(run), pg_text(key)};
    const struct pg_query query = {&find, values};

    return store_one(store, &found_rows, &query, out, err);
}

/* clang-format off */
static const struct pg_statement drop = {
    .name = "work_folder_drop",
    .sql =
        "WITH gone AS MATERIALIZED ("
        "    SELECT id, drop_id AS blob_id"
        "    FROM work_folders"
        "    WHERE thread_id = $1"
        "      AND drop_id IS NOT NULL"
        "    FOR UPDATE),"
        " cleared AS ("
        "    UPDATE work_folders w"
        "    SET drop_id = NULL"
        "    FROM gone"
        "    WHERE w.id = gone.id),"
        " " SQL_LET_GO
        " SELECT count(*)"
        " FROM gone",
    .types = "u",
};

/* Parameters behind those of SQL_SETTLE: $6 thread, $7 key, $8 run, $9 owner, $10 fence. */
static const struct pg_statement keep = {
    .name = "work_folder_keep",
    .sql =
        "WITH lease AS MATERIALIZED ("
        "    SELECT 1"
        "    FROM runs"
        "    WHERE id = $8"
        "      AND owner = $9"
        "      AND fence = $10"
        "      AND status IN ('in_progress', 'cancelling')"
        "    FOR SHARE),"
        " " SQL_SETTLE("EXISTS (SELECT FROM lease)") ","
        " made AS ("
        "    INSERT INTO work_folders AS w (id, tenant_id, thread_id, blob_id, made_by)"
        "    SELECT $2, $1, $6, settled.id, $7"
        "    FROM settled"
        "    ON CONFLICT (thread_id) DO UPDATE"
        "    SET drop_id = CASE w.made_by WHEN excluded.made_by THEN w.blob_id"
        "            ELSE w.before_id END,"
        "        before_id = CASE w.made_by WHEN excluded.made_by THEN w.before_id"
        "            ELSE w.blob_id END,"
        "        blob_id = excluded.blob_id,"
        "        made_by = excluded.made_by,"
        "        touched_at = now()"
        "    RETURNING 1)"
        " SELECT EXISTS (SELECT FROM made), " SQL_SETTLED_AS,
    .types = SETTLE_TYPES "utuii",
};
/* clang-format on */

int work_folder_keep(const struct store *store, const struct work_keeping *keeping,
                     const struct blob_content *content, bool *out_spare, struct error *err)
{
    struct pg_value thread[1] = {pg_uuid(keeping->thread)};
    struct pg_value values[10];
    const struct pg_query queries[3] = {{&drop, thread}, {&keep, values}, {&drop, thread}};
    struct pg_result *results[3] = {NULL, NULL, NULL};
    int r;

    blob_content_values(store, content, values);
    values[5] = pg_uuid(keeping->thread);
    values[6] = pg_text(keeping->key);
    values[7] = pg_uuid(keeping->run);
    values[8] = pg_int(keeping->owner);
    values[9] = pg_int(keeping->fence);
    r = pg_exec_all(store->pg, queries, ARRAY_LENGTH(queries), results, err);
    if (r == 0)
        r = blob_settled(results[1], 1, pg_get_bool(results[1], 0, 0), out_spare);
    for (size_t i = 0; i < ARRAY_LENGTH(results); i++)
        pg_result_free(results[i]);
    return r;
}

/* clang-format off */
static const struct pg_statement sweep = {
    .name = "work_folders_sweep",
    .sql =
        "WITH old AS MATERIALIZED ("
        "    (SELECT id"
        "     FROM work_folders"
        "     WHERE thread_id IS NULL"
        "     LIMIT " SQL_STRING(SWEEP_MAX) ")"
        "    UNION"
        "    (SELECT id"
        "     FROM work_folders"
        "     WHERE touched_at < now() - " SQL_STRING(WORK_FOLDER_DAYS) " * interval '1 day'"
        "     LIMIT " SQL_STRING(SWEEP_MAX) ")),"
        " deleted AS ("
        "    DELETE FROM work_folders"
        "    WHERE id IN (SELECT id FROM old)"
        "    RETURNING blob_id, before_id, drop_id),"
        " gone AS ("
        "    SELECT x.blob_id"
        "    FROM deleted d"
        "    CROSS JOIN LATERAL (VALUES (d.blob_id), (d.before_id), (d.drop_id)) x (blob_id)"
        "    WHERE x.blob_id IS NOT NULL),"
        " " SQL_LET_GO
        " SELECT count(*)"
        " FROM deleted",
    .types = "",
};
/* clang-format on */

int work_folders_sweep(struct pg *pg, bool *out_more, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    int r = pg_exec(pg, &sweep, NULL, &result, err);

    if (r == 0)
        *out_more = pg_get_int(result, 0, 0) >= SWEEP_MAX;
    return r;
}
