/* Memories: what is written
 *
 * Who writes takes the user's lock first, with a statement of its own: the next one sees all that
 * was committed before it had the lock, so what it counts and compares is what there is. The lock
 * ends with the request's transaction.
 *
 * History is flat: whatever a memory has replaced, at first or second hand, names the one that
 * holds now, and so goes with it.
 */

#include "shared/store/users/memories.h"

#include "shared/base/digest.h"
#include "shared/store/users/memory_rows.h"

const char *const memory_source_names[] = {
    [MEMORY_BY_API] = "api",
    [MEMORY_BY_RUN] = "run",
    [MEMORY_BY_TOOL] = "tool",
    [MEMORY_SOURCE_COUNT] = NULL,
};

/* Which of the names; `count`: none. */
static int place_of(struct text name, const char *const *names, int count)
{
    int i = 0;

    while (i < count && !text_is(name, names[i]))
        i++;
    return i;
}

static int memory_read(struct row *row, void *out, struct error *err)
{
    struct memory memory = {.id = row_uuid(row)};
    int kind;
    int source;

    memory.agent = row_uuid(row);
    kind = place_of(row_word(row), memory_kind_names, MEMORY_KIND_COUNT);
    source = place_of(row_word(row), memory_source_names, MEMORY_SOURCE_COUNT);
    ASSERT(kind < MEMORY_KIND_COUNT); /* the table's constraints say so */
    ASSERT(source < MEMORY_SOURCE_COUNT);
    memory.kind = (enum memory_kind)kind;
    memory.source = (enum memory_source)source;
    memory.source_run = row_uuid(row);
    memory.source_thread = row_uuid(row);
    memory.text = row_text(row);
    memory.version = row_int(row);
    memory.recalls = row_int(row);
    memory.last_recalled_at = row_int(row);
    memory.created_at = row_int(row);
    memory.updated_at = row_int(row);
    memory.replaced_at = row_int(row);
    memory.superseded_by = row_uuid(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct memory *)out = memory;
    return 0;
}

static int count_read(struct row *row, void *out, struct error *err)
{
    *(int64_t *)out = row_int(row);
    return row_check(row, err);
}

const struct row_kind memory_row_kind = {memory_read, sizeof(struct memory), MEMORY_MISSING};
const struct row_kind memory_count_kind = {count_read, sizeof(int64_t), MEMORY_MISSING};

/* clang-format off */
static const struct pg_statement lock = {
    .name = "memories_lock",
    .sql = "SELECT pg_advisory_xact_lock(hashtextextended($1::text || ' memories of ' || $2, 0))",
    .types = "ut",
};

/* $14 NULL: nothing is replaced. What a run says ($10) is kept while the run is there: who deletes
 * its user waits until it is kept, and deletes it then (user_data.c). The first columns tell why
 * nothing was kept: whether $14 lives, and whether there is room. */
static const struct pg_statement put = {
    .name = "memories_put",
    .sql =
        "WITH writer AS MATERIALIZED ("
        "    SELECT"
        "    FROM runs"
        "    WHERE id = $10"
        "    FOR KEY SHARE),"
        " old AS MATERIALIZED ("
        "    SELECT id"
        "    FROM memories"
        "    WHERE " MEMORIES_ALIVE
        "      AND id = $14"
        "      AND ($15 < 0 OR version = $15)),"
        " there AS MATERIALIZED ("
        "    SELECT id"
        "    FROM memories"
        "    WHERE " MEMORIES_OF_USER
        "      AND id = $3"
        "    UNION ALL"
        "    SELECT id"
        "    FROM memories"
        "    WHERE " MEMORIES_ALIVE
        "      AND agent_id = $4"
        "      AND sha256 = $8"
        "    LIMIT 1),"
        " room AS MATERIALIZED ("
        "    SELECT"
        "    WHERE (SELECT count(*) FROM memories WHERE " MEMORIES_ALIVE ")"
        "        - (SELECT count(*) FROM old) < " SQL_STRING(MEMORIES_MAX) "),"
        " merged AS ("
        "    UPDATE memories"
        "    SET updated_at = statement_timestamp()"
        "    WHERE " MEMORIES_OF_USER
        "      AND id = (SELECT id FROM there)"
        "    RETURNING *),"
        " added AS ("
        "    INSERT INTO memories ("
        "        tenant_id, user_id, id, agent_id, kind, text, words, sha256, source,"
        "        source_run, source_thread, vector, vector_model, updated_at)"
        "    SELECT $1, $2, $3, $4, $5::text, $6::text, $7::text, $8, $9::text, $10, $11, $12,"
        "        $13::text, statement_timestamp()"
        "    WHERE NOT EXISTS (SELECT FROM there)"
        "      AND ($10 IS NULL OR EXISTS (SELECT FROM writer))"
        "      AND ($14 IS NULL OR EXISTS (SELECT FROM old))"
        "      AND EXISTS (SELECT FROM room)"
        "    RETURNING *),"
        " kept AS (SELECT * FROM merged UNION ALL SELECT * FROM added),"
        " replaced AS ("
        "    UPDATE memories m"
        "    SET replaced_at = coalesce(m.replaced_at, statement_timestamp()),"
        "        superseded_by = kept.id"
        "    FROM kept"
        "    WHERE m.tenant_id = $1"
        "      AND m.user_id = $2"
        "      AND m.id <> kept.id"
        "      AND kept.replaced_at IS NULL"
        "      AND EXISTS (SELECT FROM old)"
        "      AND kept.id <> $14"
        "      AND (m.id = $14 OR (m.superseded_by = $14 AND m.replaced_at IS NOT NULL)))"
        " SELECT EXISTS (SELECT FROM memories WHERE " MEMORIES_ALIVE " AND id = $14),"
        "    EXISTS (SELECT FROM room), kept.id IS NOT NULL, " MEMORY_ROW("kept")
        " FROM (SELECT) o"
        " LEFT JOIN kept ON true",
    .types = "utuutttytuuytui",
};

static const struct pg_statement update = {
    .name = "memories_update",
    .sql =
        "WITH old AS MATERIALIZED ("
        "    SELECT *"
        "    FROM memories"
        "    WHERE " MEMORIES_ALIVE
        "      AND id = $3"
        "      AND ($4 < 0 OR version = $4)),"
        " same AS MATERIALIZED ("
        "    SELECT m.*"
        "    FROM old"
        "    JOIN memories m ON m.agent_id = old.agent_id AND m.sha256 = $8"
        "    WHERE m.tenant_id = $1"
        "      AND m.user_id = $2"
        "      AND m.replaced_at IS NULL"
        "      AND m.id <> $3),"
        " u AS ("
        "    UPDATE memories m"
        "    SET kind = coalesce($5::text, m.kind),"
        "        text = coalesce($6::text, m.text),"
        "        words = coalesce($7::text, m.words),"
        "        sha256 = coalesce($8, m.sha256),"
        "        source = coalesce($9::text, m.source),"
        "        source_run = CASE WHEN $9 IS NULL THEN m.source_run ELSE $10 END,"
        "        source_thread = CASE WHEN $9 IS NULL THEN m.source_thread ELSE $11 END,"
        "        vector = CASE WHEN $9 IS NULL THEN m.vector ELSE $12 END,"
        "        vector_model = CASE WHEN $9 IS NULL THEN m.vector_model ELSE $13::text END,"
        "        version = m.version + 1,"
        "        updated_at = statement_timestamp()"
        "    WHERE m.tenant_id = $1"
        "      AND m.user_id = $2"
        "      AND m.id = (SELECT id FROM old)"
        "      AND NOT EXISTS (SELECT FROM same)"
        "    RETURNING m.*),"
        " h AS ("
        "    INSERT INTO memories ("
        "        tenant_id, user_id, id, agent_id, kind, text, words, sha256, source, source_run,"
        "        source_thread, version, recalls, last_recalled_at, created_at, updated_at,"
        "        replaced_at, superseded_by)"
        "    SELECT $1, $2, $14, old.agent_id, old.kind, old.text, old.words, old.sha256,"
        "        old.source, old.source_run, old.source_thread, old.version, old.recalls,"
        "        old.last_recalled_at, old.created_at, old.updated_at, statement_timestamp(), $3"
        "    FROM old"
        "    WHERE old.text <> $6"
        "      AND EXISTS (SELECT FROM u))"
        " SELECT EXISTS (SELECT FROM memories WHERE " MEMORIES_ALIVE " AND id = $3),"
        "    EXISTS (SELECT FROM same), k.id IS NOT NULL, " MEMORY_ROW("k")
        " FROM (SELECT) o"
        " LEFT JOIN (SELECT * FROM u UNION ALL SELECT * FROM same) k ON true",
    .types = "utuitttytuuytu",
};

/* The newest history stays. */
static const struct pg_statement trim = {
    .name = "memories_trim",
    .sql =
        "DELETE FROM memories"
        " WHERE " MEMORIES_OF_USER
        "   AND id = ANY (ARRAY("
        "       SELECT id"
        "       FROM memories"
        "       WHERE " MEMORIES_OF_USER
        "         AND replaced_at IS NOT NULL"
        "       ORDER BY replaced_at DESC"
        "       OFFSET " SQL_STRING(MEMORIES_HISTORY_MAX) "))",
    .types = "ut",
};
/* clang-format on */

int memories_locked(const struct store *store, struct text user, const struct pg_query *queries,
                    size_t count, struct pg_result **out, struct error *err)
{
    struct pg_value values[2] = {pg_uuid(store->tenant), pg_text(user)};
    struct pg_query all[MEMORY_LOCKED_MAX + 1] = {{&lock, values}};
    struct pg_result *results[MEMORY_LOCKED_MAX + 1] = {NULL};
    int r;

    ASSERT(count >= 1 && count <= MEMORY_LOCKED_MAX);
    for (size_t i = 0; i < count; i++)
        all[i + 1] = queries[i];
    r = pg_exec_all(store->pg, all, count + 1, results, err);
    if (r < 0)
        return r;
    *out = results[1];
    for (size_t i = 0; i <= count; i++)
        if (i != 1)
            pg_result_free(results[i]);
    return 0;
}

/* What was kept, behind the columns that tell why nothing was. */
enum { COLUMN_LIVES, COLUMN_OTHER, COLUMN_KEPT, COLUMNS_BEFORE };

static int read_kept(const struct store *store, const struct pg_result *result, struct memory *out,
                     struct error *err)
{
    struct row row = row_at(result, 0, store->arena);

    row.column = COLUMNS_BEFORE;
    return memory_read(&row, out, err);
}

static struct text sha_of(const struct memory_content *content)
{
    return (struct text){(const char *)content->sha256, SHA256_BYTES};
}

/* `old` zero: nothing is replaced. */
static int keep(const struct store *store, struct text user, struct uuid old, int64_t version,
                const struct memory_draft *draft, struct memory *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    const struct memory_content *content = &draft->content;
    struct pg_value values[15] = {
        pg_uuid(store->tenant),
        pg_text(user),
        pg_uuid(draft->id),
        pg_uuid(draft->agent),
        pg_string(memory_kind_names[draft->kind]),
        pg_text(content->text),
        pg_text(content->words),
        pg_bytes(sha_of(content)),
        pg_string(memory_source_names[draft->source]),
        value_uuid_or_null(draft->source_run),
        value_uuid_or_null(draft->source_thread),
        content->vector.ptr ? pg_bytes(content->vector) : pg_null(),
        pg_text(content->vector.ptr ? content->model : TEXT_NONE),
        value_uuid_or_null(old),
        pg_int(version),
    };
    struct pg_query queries[2] = {{&put, values}, {&trim, values}};
    int r = memories_locked(store, user, queries, uuid_is_zero(old) ? 1 : 2, &result, err);

    if (r < 0)
        return r;
    if (pg_get_bool(result, 0, COLUMN_KEPT))
        return read_kept(store, result, out, err);
    if (!uuid_is_zero(old) && !pg_get_bool(result, 0, COLUMN_LIVES))
        return MEMORY_MISSING;
    return pg_get_bool(result, 0, COLUMN_OTHER) ? MEMORY_CHANGED : MEMORIES_FULL;
}

int memories_put(const struct store *store, struct text user, const struct memory_draft *draft,
                 struct memory *out, struct error *err)
{
    return keep(store, user, (struct uuid){{0}}, -1, draft, out, err);
}

int memories_supersede(const struct store *store, struct text user, struct uuid old,
                       int64_t version, const struct memory_draft *draft, struct memory *out,
                       struct error *err)
{
    ASSERT(!uuid_is_zero(old));
    return keep(store, user, old, version, draft, out, err);
}

int memories_update(const struct store *store, struct text user, struct uuid id,
                    const struct memory_change *change, struct memory *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    const struct memory_draft *draft = change->draft;
    const struct memory_content *content = &draft->content;
    struct pg_value values[14] = {
        pg_uuid(store->tenant),
        pg_text(user),
        pg_uuid(id),
        pg_int(change->version),
        pg_string(change->sets_kind ? memory_kind_names[draft->kind] : NULL),
    };
    struct pg_query queries[2] = {{&update, values}, {&trim, values}};
    bool with_vector = change->sets_text && content->vector.ptr;
    int r;

    for (size_t i = 5; i < ARRAY_LENGTH(values); i++)
        values[i] = pg_null();
    if (change->sets_text) {
        values[5] = pg_text(content->text);
        values[6] = pg_text(content->words);
        values[7] = pg_bytes(sha_of(content));
        values[8] = pg_string(memory_source_names[draft->source]);
        values[9] = value_uuid_or_null(draft->source_run);
        values[10] = value_uuid_or_null(draft->source_thread);
    }
    if (with_vector) {
        values[11] = pg_bytes(content->vector);
        values[12] = pg_text(content->model);
    }
    values[13] = pg_uuid(draft->id);
    r = memories_locked(store, user, queries, change->sets_text ? 2 : 1, &result, err);
    if (r < 0)
        return r;
    if (!pg_get_bool(result, 0, COLUMN_LIVES))
        return MEMORY_MISSING;
    if (!pg_get_bool(result, 0, COLUMN_KEPT))
        return MEMORY_CHANGED;
    r = read_kept(store, result, out, err);
    return r == 0 && pg_get_bool(result, 0, COLUMN_OTHER) ? MEMORY_THERE : r;
}

/* clang-format off */
static const struct pg_statement forget = {
    .name = "memories_forget",
    .sql =
        "WITH gone AS ("
        "    DELETE FROM memories"
        "    WHERE " MEMORIES_OF_USER
        "      AND id = $3"
        "      AND ($4 < 0 OR version = $4)"
        "    RETURNING id),"
        " h AS ("
        "    DELETE FROM memories"
        "    WHERE " MEMORIES_OF_USER
        "      AND replaced_at IS NOT NULL"
        "      AND superseded_by = (SELECT id FROM gone))"
        " SELECT EXISTS (SELECT FROM gone),"
        "    EXISTS (SELECT FROM memories WHERE " MEMORIES_OF_USER " AND id = $3)",
    .types = "utui",
};

static const struct pg_statement forget_all = {
    .name = "memories_forget_all",
    .sql =
        "WITH gone AS ("
        "    DELETE FROM memories"
        "    WHERE " MEMORIES_OF_USER
        "      AND ($3::uuid IS NULL OR agent_id = $3)"
        "    RETURNING 1)"
        " SELECT count(*)"
        " FROM gone",
    .types = "utu",
};
/* clang-format on */

int memories_forget(const struct store *store, struct text user, struct uuid id, int64_t version,
                    struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[4] = {pg_uuid(store->tenant), pg_text(user), pg_uuid(id),
                                 pg_int(version)};
    int r = memories_locked(store, user, &(struct pg_query){&forget, values}, 1, &result, err);

    if (r < 0 || pg_get_bool(result, 0, 0))
        return r;
    return pg_get_bool(result, 0, 1) ? MEMORY_CHANGED : MEMORY_MISSING;
}

int memories_forget_all(const struct store *store, struct text user,
                        const struct memory_filter *filter, int64_t *out_removed, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[3] = {pg_uuid(store->tenant), pg_text(user),
                                 filter->of_agent ? pg_uuid(filter->agent) : pg_null()};
    int r = memories_locked(store, user, &(struct pg_query){&forget_all, values}, 1, &result, err);

    if (r == 0)
        *out_removed = pg_get_int(result, 0, 0);
    return r;
}
