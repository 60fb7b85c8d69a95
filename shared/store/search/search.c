/* Finding messages by their words. See search.h.
 *
 * The tenant is a word of each message, and so is the thread's user, so that the index of words
 * gives only the messages of both; that they are, the tables say once more. Words that many
 * messages have are found by going back from the newest message instead: which of both ways it is,
 * Postgres decides by how frequent the words are, so each search is planned for its words.
 *
 * Texts are read of the messages on the page only, up to what is searched of them.
 */

#include "shared/store/search/search.h"

#include <string.h>

#include "shared/store/rows.h"

#define SNIPPET_BEFORE 60 /* characters, in front of the first word that is found */
#define SNIPPET_LENGTH 240

#define STATEMENT_TIMEOUT "57014" /* begins the error's text, where the server has ended it */

/* clang-format off */
/* Quotes and hyphens mean something in a query, so they step aside. */
static const struct pg_statement search_parse = {
    .name = "search_parse",
    .sql =
        "SELECT q::text, querytree(q) NOT IN ('', 'T'), 'u=' || md5($2)"
        " FROM websearch_to_tsquery('pg_catalog.simple',"
        "    translate(penstock_search_plain(translate($1, '\"-', E'\\x01\\x02')),"
        "        E'\\x01\\x02', '\"-')) q",
    .types = "tt",
};

static const struct pg_statement search_cursor = {
    .name = "search_cursor",
    .sql = "SELECT position FROM message_search WHERE message_id = $1 AND tenant_id = $2",
    .types = "uu",
};

/* $1: query, $2: tenant, $3: user, $4: agent, $5: archived, $6: before this position, $7: so many,
 * $8: words, each with a blank in front of it. */
static const struct pg_statement search_find = {
    .name = "search_find",
    .sql =
        "WITH hit AS MATERIALIZED ("
        "    SELECT s.message_id, s.position, t.id AS thread_id, t.title, t.user_id, t.agent_id"
        "    FROM message_search s"
        "    JOIN threads t ON t.id = ANY (ARRAY[s.thread_id])"
        "      AND t.tenant_id = $2"
        "      AND ($3::text IS NULL OR t.user_id = $3)"
        "      AND ($4::uuid IS NULL OR t.agent_id = $4)"
        "      AND ($5::bool IS NULL OR (t.archived_at IS NOT NULL) = $5)"
        "    WHERE s.words @@ $1::tsquery"
        "      AND s.tenant_id = $2"
        "      AND s.position < $6"
        "    ORDER BY s.position DESC"
        "    LIMIT $7),"
        " read AS MATERIALIZED ("
        "    SELECT h.*, m.role, m.created_at, x.body,"
        "        lower(penstock_search_plain(x.body)) AS plain"
        "    FROM hit h"
        "    JOIN messages m ON m.id = ANY (ARRAY[h.message_id])"
        "    CROSS JOIN LATERAL ("
        "        SELECT coalesce(penstock_search_text(m.content), '') AS body OFFSET 0) x),"
        " placed AS ("
        "    SELECT r.*, greatest(1, coalesce("
        "        (SELECT min(nullif(strpos(' ' || r.plain || ' ', w || ' '), 0))"
        "         FROM unnest($8::text[]) w),"
        "        (SELECT min(nullif(strpos(' ' || r.plain, w), 0)) FROM unnest($8::text[]) w),"
        "        (SELECT min(nullif(strpos(r.plain, ltrim(w)), 0)) FROM unnest($8::text[]) w),"
        "        1) - " SQL_STRING(SNIPPET_BEFORE) ") AS place"
        "    FROM read r)"
        " SELECT message_id, thread_id, role::text,"
        "    substr(body, place, " SQL_STRING(SNIPPET_LENGTH) "),"
        "    substr(plain, place, " SQL_STRING(SNIPPET_LENGTH) "),"
        "    title, user_id, agent_id, " SQL_SECONDS("created_at")
        " FROM placed"
        " ORDER BY position DESC",
    .types = "tutubiiT",
};
/* clang-format on */

/* A query on its way. */
struct search {
    const struct store *store;
    const struct search_request *request;
    struct search_words words;
    struct buf query; /* with tenant and user, as Postgres reads it */
    struct buf array; /* of the words */
    int64_t below;    /* this position */
};

static int read_hit(const struct search *search, struct row *row, struct search_hit *out,
                    struct error *err)
{
    CLEANUP(buf_deinit) struct buf highlights;
    struct search_hit hit = {.message_id = row_uuid(row)};
    struct text plain;

    buf_init(&highlights, 0);
    hit.thread_id = row_uuid(row);
    hit.role = row_text(row);
    hit.snippet = row_text(row);
    plain = row_word(row);
    hit.title = row_text(row);
    hit.user = row_text(row);
    hit.agent = row_uuid(row);
    hit.created_at = row_int(row);
    /* Small letters may be more or fewer characters in some languages: then nobody can tell where
     * they are. */
    if (text_characters(plain) == text_characters(hit.snippet))
        search_highlights(plain, &search->words, &highlights);
    else
        buf_add_string(&highlights, "[]");
    hit.highlights = buf_text(&highlights);
    hit.highlights.ptr = arena_copy(row->arena, hit.highlights);
    if (!hit.highlights.ptr)
        return error_set(err, E_LIMIT, "no room for what was found");
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *out = hit;
    return 0;
}

/* The query for Postgres. Returns 0, SEARCH_EMPTY, or what pg_exec does. */
SUSPENDS static int parse(struct search *search, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    CLEANUP(buf_deinit) struct buf plain;
    const struct search_request *request = search->request;
    char tenant[UUID_TEXT_SIZE];
    int r;

    buf_init(&plain, 0);
    search_query_plain(request->query, &plain);

    struct pg_value values[2] = {pg_text(buf_text(&plain)), pg_text(request->user)};

    r = pg_exec(search->store->pg, &search_parse, values, &result, err);
    if (r < 0)
        return r;
    if (!pg_get_bool(result, 0, 1))
        return SEARCH_EMPTY;
    uuid_format(search->store->tenant, tenant);
    buf_printf(&search->query, "'t=%s' & ", tenant);
    if (request->user.ptr)
        buf_printf(&search->query, "'%s' & ", pg_get_string(result, 0, 2));
    buf_add_char(&search->query, '(');
    r = search_query_read(pg_get_text(result, 0, 0), request->query, search->store->arena,
                          &search->query, &search->words, err);
    buf_add_char(&search->query, ')');
    return r < 0 ? r : buf_check(&search->query, err);
}

/* Where the page begins. Returns 0, CURSOR_MISSING, or what pg_exec does. */
SUSPENDS static int find_cursor(struct search *search, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[2] = {pg_uuid(search->request->after), pg_uuid(search->store->tenant)};
    int r;

    search->below = INT64_MAX;
    if (uuid_is_zero(search->request->after))
        return 0;
    r = pg_exec(search->store->pg, &search_cursor, values, &result, err);
    if (r < 0)
        return r;
    if (pg_rows(result) == 0)
        return CURSOR_MISSING;
    search->below = pg_get_int(result, 0, 0);
    return 0;
}

static struct pg_value words_value(struct search *search)
{
    CLEANUP(buf_deinit) struct buf word;

    buf_init(&word, 0);
    pg_array_begin(&search->array);
    for (size_t i = 0; i < search->words.count; i++) {
        buf_reset(&word);
        buf_add_char(&word, ' ');
        buf_add_text(&word, search->words.items[i].text);
        pg_array_add_text(&search->array, buf_text(&word));
    }
    return pg_array('T', &search->array);
}

static int read_hits(const struct search *search, const struct pg_result *result,
                     struct search_hits *out, struct error *err)
{
    struct search_hits hits = {.count = (size_t)pg_rows(result)};
    void *items;
    int r = rows_alloc(search->store->arena, hits.count, sizeof(*hits.items), &items, err);

    hits.items = items;
    for (size_t i = 0; i < hits.count && r == 0; i++) {
        struct row row = row_at(result, (int)i, search->store->arena);

        r = read_hit(search, &row, &hits.items[i], err);
    }
    if (r < 0)
        return r;
    hits.has_more = hits.count > (size_t)search->request->limit;
    hits.count -= hits.has_more;
    *out = hits;
    return 0;
}

SUSPENDS static int find(struct search *search, struct search_hits *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    const struct search_request *request = search->request;
    struct pg_value values[8] = {
        pg_text(buf_text(&search->query)),
        pg_uuid(search->store->tenant),
        pg_text(request->user),
        value_uuid_or_null(request->agent),
        request->archived == SEARCH_ANY_THREAD ? pg_null()
                                               : pg_bool(request->archived == SEARCH_ARCHIVED),
        pg_int(search->below),
        pg_int(request->limit + 1),
        words_value(search),
    };
    int r = pg_exec(search->store->pg, &search_find, values, &result, err);

    if (r == -E_TIMEOUT && text_starts(text_of(err->text), STATEMENT_TIMEOUT))
        return SEARCH_BROAD;
    return r < 0 ? r : read_hits(search, result, out, err);
}

int search_messages(const struct store *store, const struct search_request *request,
                    struct search_hits *out, struct error *err)
{
    struct search search = {.store = store, .request = request};
    int r;

    ASSERT(request->limit >= 1 && request->limit <= SEARCH_LIMIT_MAX);
    buf_init(&search.query, 0);
    buf_init(&search.array, 0);
    r = parse(&search, err);
    if (r == 0)
        r = find_cursor(&search, err);
    if (r == 0)
        r = find(&search, out, err);
    buf_deinit(&search.query);
    buf_deinit(&search.array);
    return r;
}
