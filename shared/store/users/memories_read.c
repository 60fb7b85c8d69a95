/* Memories: what is read */

#include "shared/store/users/memories.h"

#include "shared/store/users/memory_rows.h"

/* clang-format off */
static const struct pg_statement get = {
    .name = "memories_get",
    .sql =
        "SELECT " MEMORY_ROW("m")
        " FROM memories m"
        " WHERE m.tenant_id = $1"
        "   AND m.user_id = $2"
        "   AND m.id = $3",
    .types = "utu",
};

/* What a page may take is looked at without the vector, which is not sent. */
#define LIST(direction) \
    SQL_PAGE(MEMORY_ROW("m"), "m", \
        "memories m" \
        " WHERE m.tenant_id = $1" \
        "   AND m.user_id = $6" \
        "   AND m.id > $2" \
        "   AND m.id < $3" \
        "   AND ($7::uuid IS NULL OR m.agent_id = $7)" \
        "   AND ($8::text IS NULL OR m.kind = $8)" \
        "   AND ($9::uuid IS NULL OR m.source_run = $9)" \
        "   AND ($10::bool IS NULL OR (m.replaced_at IS NOT NULL) = $10)", \
        "m.id " direction, "$4", "$5", "octet_length(m.text)", "octet_length(m.text)")
/* clang-format on */

static const struct pg_statement list_up = {"memories_list_up", LIST("ASC"), "uuuiitutub"};
static const struct pg_statement list_down = {"memories_list_down", LIST("DESC"), "uuuiitutub"};

/* clang-format off */
static const struct pg_statement of_ids = {
    .name = "memories_of_ids",
    .sql =
        "SELECT " MEMORY_ROW("m")
        " FROM memories m"
        " WHERE m.tenant_id = $1"
        "   AND m.user_id = $2"
        "   AND m.id = ANY ($3)"
        "   AND m.replaced_at IS NULL",
    .types = "utU",
};

static const struct pg_statement count = {
    .name = "memories_count",
    .sql = "SELECT count(*) FROM memories WHERE " MEMORIES_ALIVE,
    .types = "ut",
};

static const struct pg_statement candidates = {
    .name = "memories_candidates",
    .sql =
        "SELECT m.id, m.kind, floor(date_part('epoch', m.updated_at) * 1000)::int8, m.words,"
        "    CASE WHEN m.vector_model = $7::text THEN m.vector END"
        " FROM memories m"
        " WHERE m.tenant_id = $1"
        "   AND m.user_id = $2"
        "   AND m.id > $3"
        "   AND m.replaced_at IS NULL"
        "   AND ($5::uuid IS NULL"
        "       OR m.agent_id IN ($5, '00000000-0000-0000-0000-000000000000'))"
        "   AND m.kind = ANY ($6)"
        " ORDER BY m.id"
        " LIMIT $4",
    .types = "utuiuTt",
};
/* clang-format on */

int memories_get(const struct store *store, struct text user, struct uuid id, struct memory *out,
                 struct error *err)
{
    struct pg_value values[3] = {pg_uuid(store->tenant), pg_text(user), pg_uuid(id)};

    return store_one(store, &memory_row_kind, &(struct pg_query){&get, values}, out, err);
}

int memories_list(const struct store *store, struct text user, const struct memory_filter *filter,
                  const struct page *page, struct memory_list *out, struct error *err)
{
    struct pg_value more[ROW_LIST_MORE_MAX] = {
        pg_text(user),
        filter->of_agent ? pg_uuid(filter->agent) : pg_null(),
        pg_string(filter->kind < 0 ? NULL : memory_kind_names[filter->kind]),
        value_uuid_or_null(filter->source_run),
        filter->which == MEMORIES_ALL ? pg_null() : pg_bool(filter->which == MEMORIES_REPLACED),
    };
    const struct row_list list = {&list_up, &list_down, store->tenant, more, ROW_LIST_MORE_MAX};
    struct rows rows;
    int r = rows_list(store, &memory_row_kind, &list, page, &rows, err);

    if (r == 0)
        *out = (struct memory_list){rows.items, rows.count, rows.has_more};
    return r;
}

int memories_of_ids(const struct store *store, struct text user, const struct uuid *ids,
                    size_t ids_count, struct memory_list *out, struct error *err)
{
    CLEANUP(buf_deinit) struct buf array;
    struct pg_value values[3] = {pg_uuid(store->tenant), pg_text(user)};
    struct rows rows;
    int r;

    buf_init(&array, 0);
    pg_array_of_uuids(&array, ids, ids_count);
    values[2] = pg_array('U', &array);
    r = rows_page(store, &memory_row_kind, &(struct pg_query){&of_ids, values}, NULL, &rows, err);
    if (r == 0)
        *out = (struct memory_list){rows.items, rows.count, false};
    return r;
}

int memories_count(const struct store *store, struct text user, int64_t *out_count,
                   struct error *err)
{
    struct pg_value values[2] = {pg_uuid(store->tenant), pg_text(user)};

    return store_one(store, &memory_count_kind, &(struct pg_query){&count, values}, out_count, err);
}

/* A bytea, into the arena. */
static struct text read_bytes(struct row *row)
{
    int column = row->column++;
    size_t size = pg_get_text(row->result, row->row, column).len / 2; /* it is written as \x… */
    char *bytes;

    if (pg_is_null(row->result, row->row, column))
        return TEXT_NONE;
    bytes = arena_alloc(row->arena, size + 1);
    if (!bytes) {
        row->failed = true;
        return TEXT_NONE;
    }
    return (struct text){bytes,
                         pg_get_bytes(row->result, row->row, column, (uint8_t *)bytes, size)};
}

static int candidate_read(struct row *row, void *out, struct error *err)
{
    struct memory_candidate candidate = {.id = row_uuid(row)};

    if (!memory_kind_of(row_word(row), &candidate.kind))
        return error_set(err, E_INTERNAL, "a memory of an unknown kind");
    candidate.updated_ms = row_int(row);
    candidate.words = row_text(row);
    candidate.vector = read_bytes(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct memory_candidate *)out = candidate;
    return 0;
}

static const struct row_kind candidate_kind = {candidate_read, sizeof(struct memory_candidate),
                                               MEMORY_MISSING};

int memories_candidates(const struct store *store, struct text user,
                        const struct memory_sought *sought, struct uuid after, int limit,
                        struct memory_candidates *out, struct error *err)
{
    CLEANUP(buf_deinit) struct buf kinds;
    struct pg_value values[7] = {
        pg_uuid(store->tenant),
        pg_text(user),
        pg_uuid(after),
        pg_int(limit),
        sought->as_agent ? pg_uuid(sought->agent) : pg_null(),
    };
    struct rows rows;
    int r;

    buf_init(&kinds, 0);
    pg_array_begin(&kinds);
    for (unsigned i = 0; i < MEMORY_KIND_COUNT; i++)
        if (sought->kinds == 0 || sought->kinds & 1U << i)
            pg_array_add_text(&kinds, text_of(memory_kind_names[i]));
    values[5] = pg_array('T', &kinds);
    values[6] = pg_text(sought->model);
    r = rows_page(store, &candidate_kind, &(struct pg_query){&candidates, values}, NULL, &rows,
                  err);
    if (r == 0)
        *out = (struct memory_candidates){rows.items, rows.count};
    return r;
}
