/* Messages by what they are about.
 *
 * Each statement looks at a bounded number of rows: of a thread the newest ones, those behind a
 * position, or those that an index finds by a word. How many it takes is a parameter: with a number
 * that is written into the statement, and as large as most threads, Postgres would read all of a
 * thread and sort it. Words are numbers that belong to one thread, so
 * the index has short lists, and looks at no other thread. */

#include "shared/store/vectors/message_vectors.h"

#include "shared/store/rows.h"
#include "shared/store/vectors/vector_rows.h"

/* Characters of a message that are looked at: up to 16 KiB. */
#define TEXT_CHARACTERS 4096

/* clang-format off */
static const struct pg_statement range_of = {
    .name = "message_vectors_range",
    .sql =
        "SELECT v.model, v.oldest, v.newest"
        " FROM thread_vectors v"
        " JOIN threads t ON t.id = v.thread_id AND t.tenant_id = $2"
        " WHERE v.thread_id = $1",
    .types = "uu",
};

static const struct pg_statement missing = {
    .name = "message_vectors_missing",
    .sql =
        "SELECT m.id, m.position,"
        "    CASE WHEN m.role IN ('user', 'assistant') AND v.message_id IS NULL"
        "        THEN left(penstock_text(m.content), " SQL_STRING(TEXT_CHARACTERS) ") END"
        " FROM ("
        "    SELECT id, position, role, content"
        "    FROM messages"
        "    WHERE thread_id = $1"
        "      AND " SQL_CHECKED("tenant_id = $2")
        "      AND position > $4"
        "      AND position < $5"
        "    ORDER BY position DESC"
        "    LIMIT $6) m"
        " LEFT JOIN message_vectors v ON v.message_id = m.id AND v.model = $3"
        " ORDER BY m.position DESC",
    .types = "uutiii",
};

/* $5 ids, $6 positions, $7 and $8 from where to where of $9 their words are, $10 the place of the
 * vector in $11 or NULL, $12 its length. */
static const struct pg_statement keep = {
    .name = "message_vectors_keep",
    .sql =
        "WITH known AS ("
        "    INSERT INTO thread_vectors AS k (thread_id, model, oldest, newest)"
        "    SELECT id, $3, $4, $13"
        "    FROM threads"
        "    WHERE id = $1 AND tenant_id = $2"
        "    ON CONFLICT (thread_id) DO UPDATE"
        "    SET model = excluded.model, oldest = excluded.oldest, newest = excluded.newest)"
        " INSERT INTO message_vectors AS v"
        "     (message_id, tenant_id, thread_id, position, model, words, vector)"
        " SELECT m.id, $2, $1, r.position, $3, ($9)[r.from_word::int4:r.to_word::int4],"
        "     CASE WHEN r.place IS NULL THEN ''::bytea"
        "         ELSE substr($11, ((r.place - 1) * $12 + 1)::int4, $12::int4) END"
        " FROM unnest($5, $6, $7, $8, $10) AS r (id, position, from_word, to_word, place)"
        " JOIN messages m ON m.id = ANY (ARRAY[r.id]) AND m.thread_id = $1"
        " ORDER BY m.id"
        " ON CONFLICT (message_id) DO UPDATE"
        " SET model = excluded.model, words = excluded.words, vector = excluded.vector"
        " WHERE v.model <> excluded.model",
    .types = "uutiUIIIIIyii",
};

static const struct pg_statement newest = {
    .name = "message_vectors_newest",
    .sql =
        "SELECT v.position, CASE WHEN v.model = $3 THEN v.vector END, 0::int8"
        " FROM message_vectors v"
        " WHERE v.thread_id = $1"
        "   AND " SQL_CHECKED("v.tenant_id = $2")
        "   AND v.position < $4"
        " ORDER BY v.position DESC"
        " LIMIT $5",
    .types = "uutii",
};

static const struct pg_statement by_words = {
    .name = "message_vectors_by_words",
    .sql =
        "SELECT v.position, NULL::bytea, ("
        "    SELECT bit_or(1::int8 << (q.n - 1)::int4)"
        "    FROM unnest($3) WITH ORDINALITY AS q (word, n)"
        "    WHERE q.word = ANY (v.words))"
        " FROM ("
        "    SELECT o.position, o.words"
        "    FROM message_vectors o"
        "    WHERE o.words && $3"
        "      AND " SQL_CHECKED("o.thread_id = $1 AND o.tenant_id = $2 AND o.position < $4")
        "    ORDER BY o.position DESC"
        "    LIMIT " SQL_STRING(MESSAGE_NEAR_MAX) ") v"
        " ORDER BY v.position DESC",
    .types = "uuIi",
};

/* From a hit it is looked TURN_MESSAGES_MAX messages back for where its turn begins, and as many
 * ahead for the next one. */
#define AROUND(comparison, order) \
    "    SELECT o.position, o.role" \
    "    FROM messages o" \
    "    WHERE o.thread_id = $1" \
    "      AND " SQL_CHECKED("o.tenant_id = $2") \
    "      AND o.position " comparison " h.position" \
    "    ORDER BY o.position " order \
    "    LIMIT $5"

static const struct pg_statement turns = {
    .name = "message_vectors_turns",
    .sql =
        "SELECT h.n - 1, m.position, coalesce(("
        "        SELECT o.position"
        "        FROM messages o"
        "        WHERE o.thread_id = $1"
        "          AND o.position > m.position"
        "        ORDER BY o.position"
        "        LIMIT 1), 0),"
        "    " SQL_SENT("m.content") " + " SQL_SENT("m.tool_calls") ","
        "    m.role = 'user', m.tool_calls IS NOT NULL"
        " FROM unnest($3) WITH ORDINALITY AS h (position, n)"
        " CROSS JOIN LATERAL ("
        "    SELECT max(a.position) AS position"
        "    FROM (" AROUND("<=", "DESC") ") a"
        "    WHERE a.role = 'user') begins"
        " CROSS JOIN LATERAL ("
        "    SELECT min(b.position) AS position"
        "    FROM ("
        "        SELECT a.position, a.role,"
        "            bool_or(a.role <> 'user') OVER (ORDER BY a.position) AS answered"
        "        FROM (" AROUND(">=", "ASC") ") a) b"
        "    WHERE b.role = 'user'"
        "      AND b.answered) ends"
        " CROSS JOIN LATERAL ("
        "    SELECT o.position, o.content, o.tool_calls, o.role"
        "    FROM messages o"
        "    WHERE o.thread_id = $1"
        "      AND " SQL_CHECKED("o.tenant_id = $2")
        "      AND o.position >= coalesce(begins.position, h.position)"
        "      AND o.position < least(ends.position, $4)"
        "    ORDER BY o.position"
        "    LIMIT $5 + 1) m"
        " ORDER BY h.n, m.position",
    .types = "uuIii",
};
/* clang-format on */

/* ---- what there is ---- */

static int range_read(struct row *row, void *out, struct error *err)
{
    struct vectors_range range;

    range.model = row_text(row);
    range.oldest = row_int(row);
    range.newest = row_int(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct vectors_range *)out = range;
    return 0;
}

int message_vectors_range(const struct store *store, struct uuid thread, struct vectors_range *out,
                          struct error *err)
{
    static const struct row_kind kind = {range_read, sizeof(struct vectors_range), THREAD_MISSING};
    struct pg_value values[2] = {pg_uuid(thread), pg_uuid(store->tenant)};
    const struct pg_query query = {&range_of, values};
    int r = store_one(store, &kind, &query, out, err);

    if (r == THREAD_MISSING)
        *out = (struct vectors_range){.model = TEXT_NONE};
    return r == THREAD_MISSING ? 0 : r;
}

static int words_read(struct row *row, void *out, struct error *err)
{
    struct message_words words;

    words.id = row_uuid(row);
    words.position = row_int(row);
    words.text = row_text(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct message_words *)out = words;
    return 0;
}

int message_vectors_missing(const struct store *store, struct uuid thread, struct text model,
                            int64_t above, int64_t below, struct message_words_list *out,
                            struct error *err)
{
    static const struct row_kind kind = {words_read, sizeof(struct message_words), 0};
    struct pg_value values[6] = {pg_uuid(thread), pg_uuid(store->tenant),
                                 pg_text(model),  pg_int(above),
                                 pg_int(below),   pg_int(MESSAGE_WORDS_MAX)};
    const struct pg_query query = {&missing, values};
    struct rows rows;
    int r = rows_page(store, &kind, &query, NULL, &rows, err);

    if (r == 0)
        *out = (struct message_words_list){rows.items, rows.count};
    return r;
}

/* ---- what is kept ---- */

struct keeping {
    struct buf ids;
    struct buf positions;
    struct buf from;
    struct buf to;
    struct buf words;
    struct buf places;
    struct buf vectors;
    int64_t words_count;
    int64_t vectors_count;
    int64_t length;
};

static void keeping_deinit(struct keeping *keeping)
{
    buf_deinit(&keeping->ids);
    buf_deinit(&keeping->positions);
    buf_deinit(&keeping->from);
    buf_deinit(&keeping->to);
    buf_deinit(&keeping->words);
    buf_deinit(&keeping->places);
    buf_deinit(&keeping->vectors);
}

static void keeping_init(struct keeping *keeping)
{
    struct buf *arrays[] = {&keeping->ids, &keeping->positions, &keeping->from,
                            &keeping->to,  &keeping->words,     &keeping->places};

    *keeping = (struct keeping){.words_count = 0};
    for (size_t i = 0; i < ARRAY_LENGTH(arrays); i++) {
        buf_init(arrays[i], 0);
        pg_array_begin(arrays[i]);
    }
    buf_init(&keeping->vectors, 0);
}

static void add(struct keeping *keeping, const struct message_vector *item)
{
    pg_array_add_uuid(&keeping->ids, item->id);
    pg_array_add_int(&keeping->positions, item->position);
    pg_array_add_int(&keeping->from, keeping->words_count + 1);
    for (size_t i = 0; i < item->words_count; i++)
        pg_array_add_int(&keeping->words, item->words[i]);
    keeping->words_count += (int64_t)item->words_count;
    pg_array_add_int(&keeping->to, keeping->words_count);
    if (!item->vector.ptr) {
        pg_array_add_null(&keeping->places);
        return;
    }
    ASSERT(keeping->length == 0 || (size_t)keeping->length == item->vector.len);
    keeping->length = (int64_t)item->vector.len;
    buf_add_text(&keeping->vectors, item->vector);
    pg_array_add_int(&keeping->places, ++keeping->vectors_count);
}

int message_vectors_keep(const struct store *store, struct uuid thread,
                         const struct message_vector *items, size_t count,
                         const struct vectors_range *range, struct error *err)
{
    CLEANUP(keeping_deinit) struct keeping keeping;
    struct pg_value values[13];

    keeping_init(&keeping);
    for (size_t i = 0; i < count; i++)
        add(&keeping, &items[i]);
    if (buf_check(&keeping.vectors, err) < 0)
        return -E_LIMIT;
    values[0] = pg_uuid(thread);
    values[1] = pg_uuid(store->tenant);
    values[2] = pg_text(range->model);
    values[3] = pg_int(range->oldest);
    values[4] = pg_array('U', &keeping.ids);
    values[5] = pg_array('I', &keeping.positions);
    values[6] = pg_array('I', &keeping.from);
    values[7] = pg_array('I', &keeping.to);
    values[8] = pg_array('I', &keeping.words);
    values[9] = pg_array('I', &keeping.places);
    values[10] = pg_bytes(keeping.vectors.len > 0 ? buf_text(&keeping.vectors) : TEXT(""));
    values[11] = pg_int(keeping.length);
    values[12] = pg_int(range->newest);
    return pg_exec(store->pg, &keep, values, NULL, err);
}

/* ---- what a choice is made from ---- */

static int read_near(const struct store *store, const struct pg_query *query,
                     struct message_near_list *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct message_near_list list = {.count = 0};
    void *items;
    int r = pg_exec(store->pg, query->statement, query->values, &result, err);

    if (r == 0)
        r = rows_alloc(store->arena, (size_t)pg_rows(result), sizeof(*list.items), &items, err);
    if (r < 0)
        return r;
    list.items = items;
    for (int i = 0; r == 0 && i < pg_rows(result); i++) {
        struct message_near *item = &list.items[list.count++];

        item->position = pg_get_int(result, i, 0);
        item->words = (uint64_t)pg_get_int(result, i, 2);
        r = row_vector(result, i, 1, store->arena, &item->vector, err);
    }
    if (r == 0)
        *out = list;
    return r;
}

int message_vectors_newest(const struct store *store, struct uuid thread, struct text model,
                           int64_t below, struct message_near_list *out, struct error *err)
{
    struct pg_value values[5] = {pg_uuid(thread), pg_uuid(store->tenant), pg_text(model),
                                 pg_int(below), pg_int(MESSAGE_NEAR_MAX)};

    return read_near(store, &(struct pg_query){&newest, values}, out, err);
}

static void add_numbers(struct buf *buf, const int64_t *numbers, size_t count)
{
    buf_init(buf, 0);
    pg_array_begin(buf);
    for (size_t i = 0; i < count; i++)
        pg_array_add_int(buf, numbers[i]);
}

int message_vectors_by_words(const struct store *store, struct uuid thread, const int64_t *words,
                             size_t words_count, int64_t below, struct message_near_list *out,
                             struct error *err)
{
    CLEANUP(buf_deinit) struct buf list;
    struct pg_value values[4];

    ASSERT(words_count <= MESSAGE_NEAR_WORDS);
    add_numbers(&list, words, words_count);
    values[0] = pg_uuid(thread);
    values[1] = pg_uuid(store->tenant);
    values[2] = pg_array('I', &list);
    values[3] = pg_int(below);
    return read_near(store, &(struct pg_query){&by_words, values}, out, err);
}

static int turn_read(struct row *row, void *out, struct error *err)
{
    struct turn_message message;

    message.hit = (size_t)row_int(row);
    message.position = row_int(row);
    message.next = row_int(row);
    message.bytes = row_int(row);
    message.of_user = row_bool(row);
    message.calls = row_bool(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct turn_message *)out = message;
    return 0;
}

int message_vectors_turns(const struct store *store, struct uuid thread, const int64_t *hits,
                          size_t count, int64_t below, struct turn_message_list *out,
                          struct error *err)
{
    static const struct row_kind kind = {turn_read, sizeof(struct turn_message), 0};
    CLEANUP(buf_deinit) struct buf list;
    struct pg_value values[5];
    struct rows rows;
    int r;

    add_numbers(&list, hits, count);
    values[0] = pg_uuid(thread);
    values[1] = pg_uuid(store->tenant);
    values[2] = pg_array('I', &list);
    values[3] = pg_int(below);
    values[4] = pg_int(TURN_MESSAGES_MAX);
    r = rows_page(store, &kind, &(struct pg_query){&turns, values}, NULL, &rows, err);
    if (r == 0)
        *out = (struct turn_message_list){rows.items, rows.count};
    return r;
}
