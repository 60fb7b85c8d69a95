/* Histories of claimed runs
 *
 * The statement follows the claim in the same transaction, so it sees which runs are the owner's
 * now. Each history is one backward scan of messages_thread, cut where its bounds are reached. The
 * bound in bytes counts all texts of a message, because it bounds the memory.
 *
 * To measure texts takes reading them: of a thread with megabytes as long as a hundred claims. So
 * what they take on disk, which is known without, is looked at first. What is compressed counts
 * four times there: texts of people become two to four times smaller, and what becomes smaller by
 * more is worth no reading.
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
        "      AND " SQL_CHECKED("r.owner = $2 AND r.status = 'in_progress'")
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
