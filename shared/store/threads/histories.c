/* Histories: of claimed runs, and behind them those that are read alone
 *
 * The statement follows the claim in the same transaction, so it sees which runs are the owner's
 * now. Each history is one backward scan of messages_thread, cut where its bounds are reached. The
 * bound in bytes counts all texts of a message, because it bounds the memory.
 *
 * To measure texts takes reading them: of a thread with megabytes as long as a hundred claims. So
 * what they take on disk, which is known without, is looked at first. What is compressed counts
 * four times there: texts of people become two to four times smaller, and what becomes smaller by
 * more is worth no reading.
 *
 * What is read alone is a part of a thread, a scan of messages_thread from one of its ends that
 * stops where a limit is reached: it costs what it gives, however long the thread is.
 */

#include "shared/store/threads/histories.h"

#include "shared/store/threads/message_rows.h"

struct history_span {
    int from; /* the rows, newest first */
    int to;
};

/* `more`: there is an older message. */
/* clang-format off */
#define ON_DISK(column) \
    "coalesce(pg_column_size(q." column ")" \
    " * CASE WHEN pg_column_compression(q." column ") IS NULL THEN 1 ELSE 4 END, 0)"

#define NEWEST_ON_DISK \
    "(" \
    "            SELECT q.*," \
    "                sum(" ON_DISK("content") \
    "                    + " ON_DISK("tool_calls") \
    "                    + " ON_DISK("opaque") ")" \
    "                    OVER (ORDER BY q.position DESC ROWS UNBOUNDED PRECEDING) AS on_disk" \
    "            FROM (" \
    "                SELECT *" \
    "                FROM messages q" \
    "                WHERE q.thread_id = c.thread_id" \
    "                  AND " SQL_CHECKED("q.tenant_id = c.tenant_id") \
    "                ORDER BY q.position DESC" \
    "                LIMIT " SQL_STRING(HISTORY_CLAIM_COUNT) " + 1) q)"

#define FITS_ON_DISK "o.on_disk <= " SQL_STRING(HISTORY_CLAIM_BYTES)

const struct pg_statement histories_claimed = {
    .name = "histories_claimed",
    .sql =
        "SELECT " HISTORY_COLUMNS ", i.n, m.more"
        " FROM unnest($1::uuid[]) WITH ORDINALITY AS i (id, n)"
        " CROSS JOIN LATERAL ("
        "    SELECT r.thread_id, r.tenant_id"
        "    FROM runs r"
        "    WHERE r.id = i.id"
        "      AND " SQL_CHECKED("r.owner = $2 AND r.status = 'in_progress' AND r.kind = 'agent'")
        "    OFFSET 0) c"
        " CROSS JOIN LATERAL ("
        "    SELECT h.*,"
        "        row_number() OVER w AS place,"
        "        lead(true, 1, false) OVER w AS more,"
        "        sum("
        "            CASE WHEN h.content IS NULL THEN " SQL_STRING(HISTORY_CLAIM_BYTES) " + 1"
        "                ELSE " HISTORY_BYTES("h") " END) OVER w AS bytes"
        "    FROM ("
        "        SELECT " HISTORY_FROM(FITS_ON_DISK, NEWEST_ON_DISK)
        "        OFFSET 0) h" /* or what becomes text once would do so twice */
        "    WINDOW w AS (ORDER BY h.position DESC ROWS UNBOUNDED PRECEDING)) m"
        " WHERE m.bytes <= " SQL_STRING(HISTORY_CLAIM_BYTES)
        "   AND m.place <= " SQL_STRING(HISTORY_CLAIM_COUNT)
        " ORDER BY i.n, m.position DESC",
    .types = "Ui",
};
/* clang-format on */

#define COLUMN_PLACE HISTORY_COLUMNS_COUNT /* from 1 */
#define COLUMN_MORE  (HISTORY_COLUMNS_COUNT + 1)

int histories_read(struct pg_result *result, size_t count, struct arena *arena,
                   struct histories *out, struct error *err)
{
    struct histories read = {.result = result, .count = count};
    int rows = pg_rows(result);
    void *spans;
    int r = rows_alloc(arena, count, sizeof(struct history_span), &spans, err);

    if (r < 0) {
        pg_result_free(result);
        return r;
    }
    read.spans = spans;
    for (int row = 0; row < rows; row++) {
        int64_t place = pg_get_int(result, row, COLUMN_PLACE) - 1;

        ASSERT(place >= 0 && (size_t)place < count);
        if (read.spans[place].to == 0)
            read.spans[place].from = row;
        read.spans[place].to = row + 1;
    }
    *out = read;
    return 0;
}

size_t histories_count(const struct histories *histories, size_t place, bool *out_more)
{
    struct history_span span;

    *out_more = false;
    if (!histories->result)
        return 0;
    ASSERT(place < histories->count);
    span = histories->spans[place];
    if (span.from < span.to)
        *out_more = pg_get_bool(histories->result, span.to - 1, COLUMN_MORE);
    return (size_t)(span.to - span.from);
}

int histories_get(const struct histories *histories, size_t place, size_t newest,
                  struct arena *arena, struct message_list *out, struct error *err)
{
    struct message_list list = {.has_more = false};
    int r;

    ASSERT(newest >= 1);
    list.count = histories_count(histories, place, &list.has_more);
    if (list.count == 0)
        return HISTORY_UNKNOWN;
    if (list.count > newest) {
        list.count = newest;
        list.has_more = true;
    }
    r = history_read(arena, histories->result, histories->spans[place].from, list.count,
                     &list.items, err);
    if (r == 0)
        *out = list;
    return r;
}

void histories_deinit(struct histories *histories)
{
    pg_result_free(histories->result);
    *histories = (struct histories){.result = NULL};
}

/* ---- read alone ---- */

/* In what order the messages of a part come, and which they are. */
/* clang-format off */
#define NEWEST_ORDER "DESC"
#define NEWEST_WHERE ""

#define NEW_ORDER "DESC"
#define NEW_WHERE \
    " AND o.position > coalesce((" \
    "     SELECT a.position" \
    "     FROM messages a" \
    "     WHERE a.thread_id = $1" \
    "       AND " SQL_CHECKED( \
    "           a.role IN ('assistant', 'tool')" \
    "           AND a.run_id IS DISTINCT FROM $5" \
    "           AND a.submitted_with IS DISTINCT FROM $5") \
    "     ORDER BY a.position DESC" \
    "     LIMIT 1), 0)"

#define FIRST_ORDER "ASC"
#define FIRST_WHERE " AND o.position < $5"

#define AFTER_ORDER "DESC"
#define AFTER_WHERE " AND o.position > $5"

/* At most $3 messages become text once (the inner LIMIT keeps the planner from merging the two
 * levels), then sizes are summed from where the part begins. The last of them only tells that there
 * are more. */
#define HISTORY_CUT(part) \
    " FROM (" \
    "     SELECT n.*," \
    "         sum(" HISTORY_BYTES("n") ") OVER w AS bytes," \
    "         row_number() OVER w AS place," \
    "         count(*) OVER () AS candidates" \
    "     FROM (" \
    "         SELECT " HISTORY_SOURCE \
    "         WHERE o.thread_id = $1" \
    "           AND o.tenant_id = $2" \
              part##_WHERE \
    "         ORDER BY o.position " part##_ORDER \
    "         LIMIT $3) n" \
    "     WINDOW w AS (ORDER BY n.position " part##_ORDER " ROWS UNBOUNDED PRECEDING)) m" \
    " WHERE (m.bytes <= $4 OR m.place = 1)" \
    "   AND m.place < $3"

#define HISTORY_SQL(part) \
    "SELECT " HISTORY_COLUMNS ", m.candidates" \
    HISTORY_CUT(part) \
    " ORDER BY m.position DESC"

#define BYTES_SQL(part) \
    "SELECT coalesce(max(m.bytes), 0)::int8" \
    HISTORY_CUT(part)

#define STORED_SQL(part) \
    "SELECT coalesce(max(m.bytes), 0)::int8" \
    " FROM (" \
    "     SELECT" \
    "         sum(" \
    "             pg_column_size(n.content)" \
    "             + coalesce(pg_column_size(n.tool_calls), 0))" \
    "             OVER (ORDER BY n.position " part##_ORDER " ROWS UNBOUNDED PRECEDING) AS bytes" \
    "     FROM (" \
    "         SELECT o.content, o.tool_calls, o.position" \
    "         FROM messages o" \
    "         WHERE o.thread_id = $1" \
    "           AND o.tenant_id = $2" \
              part##_WHERE \
    "         ORDER BY o.position " part##_ORDER \
    "         LIMIT $3) n) m" \
    " WHERE m.bytes <= $4"

/* $5 is a run, or a position. */
#define OF_PARTS(name, sql) \
    { \
        [HISTORY_NEWEST] = {name, sql(NEWEST), "uuii"}, \
        [HISTORY_NEW] = {name "_new", sql(NEW), "uuiiu"}, \
        [HISTORY_FIRST] = {name "_first", sql(FIRST), "uuiii"}, \
        [HISTORY_AFTER] = {name "_after", sql(AFTER), "uuiii"}, \
    }
/* clang-format on */

static const struct pg_statement parts[] = OF_PARTS("message_history", HISTORY_SQL);
static const struct pg_statement parts_bytes[] = OF_PARTS("message_history_bytes", BYTES_SQL);
static const struct pg_statement parts_stored[] = OF_PARTS("message_history_stored", STORED_SQL);

static struct pg_value bound_of(const struct history_limits *limits)
{
    switch (limits->part) {
    case HISTORY_FIRST:
        return pg_int(limits->before);
    case HISTORY_AFTER:
        return pg_int(limits->after);
    case HISTORY_NEWEST:
    case HISTORY_NEW:
        break;
    }
    return pg_uuid(limits->run);
}

static int ask_history(const struct store *store, const struct pg_statement *statements,
                       struct uuid thread, const struct history_limits *limits,
                       struct pg_result **out, struct error *err)
{
    struct pg_value values[5] = {
        pg_uuid(thread),       pg_uuid(store->tenant), pg_int((int64_t)limits->count + 1),
        pg_int(limits->bytes), bound_of(limits),
    };

    ASSERT(limits->count >= 1 && limits->count <= PAGE_LIMIT_MAX);
    ASSERT(limits->bytes > 0);
    return pg_exec(store->pg, &statements[limits->part], values, out, err);
}

static int ask_size(const struct store *store, const struct pg_statement *statements,
                    struct uuid thread, const struct history_limits *limits, int64_t *out,
                    struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    int r = ask_history(store, statements, thread, limits, &result, err);

    if (r == 0)
        *out = pg_get_int(result, 0, 0);
    return r;
}

int messages_history_stored(const struct store *store, struct uuid thread,
                            const struct history_limits *limits, int64_t *out, struct error *err)
{
    return ask_size(store, parts_stored, thread, limits, out, err);
}

int messages_history_bytes(const struct store *store, struct uuid thread,
                           const struct history_limits *limits, int64_t *out, struct error *err)
{
    return ask_size(store, parts_bytes, thread, limits, out, err);
}

int messages_history(const struct store *store, struct uuid thread,
                     const struct history_limits *limits, struct message_list *out,
                     struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct message_list list = {.has_more = false};
    int r = ask_history(store, parts, thread, limits, &result, err);

    if (r < 0)
        return r;
    list.count = (size_t)pg_rows(result);
    if (list.count > 0)
        list.has_more = pg_get_int(result, 0, HISTORY_COLUMNS_COUNT) > (int64_t)list.count;
    r = history_read(store->arena, result, 0, list.count, &list.items, err);
    if (r == 0)
        *out = list;
    return r;
}

/* clang-format off */
static const struct pg_statement message_gap = {
    .name = "message_gap",
    .sql =
        "SELECT count(*),"
        "    (array_agg(o.id ORDER BY o.position))[1],"
        "    (array_agg(o.id ORDER BY o.position DESC))[1]"
        " FROM messages o"
        " WHERE o.thread_id = $1"
        "   AND o.position > $3"
        "   AND o.position < $4"
        "   AND " SQL_CHECKED("o.tenant_id = $2"),
    .types = "uuii",
};
/* clang-format on */

int messages_gap(const struct store *store, struct uuid thread, int64_t after, int64_t before,
                 struct message_gap *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[4] = {pg_uuid(thread), pg_uuid(store->tenant), pg_int(after),
                                 pg_int(before)};
    int r = pg_exec(store->pg, &message_gap, values, &result, err);

    if (r < 0)
        return r;
    *out = (struct message_gap){.count = pg_get_int(result, 0, 0)};
    if (out->count > 0) {
        out->first = pg_get_uuid(result, 0, 1);
        out->last = pg_get_uuid(result, 0, 2);
    }
    return 0;
}
