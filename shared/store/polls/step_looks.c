/* Steps of many runs.
 *
 * Each run's steps are found by its place in the index of (run, number), and each message by its
 * key, whatever Postgres thinks of the tables' sizes. What is large comes without its texts.
 */

#include "shared/store/polls/step_looks.h"

#include "shared/store/runs/run_rows.h"
#include "shared/store/threads/message_rows.h"

/* clang-format off */
/* What may be large becomes text once, and only where it is not large on disk. */
#define TEXT_OF(column) \
    "CASE WHEN pg_column_size(" column ") <= " SQL_STRING(LOOK_TEXT_MAX) \
    " THEN " column "::text END"

/* Where that is not large either. */
#define IS_SMALL(column, text) \
    "(" column " IS NULL OR coalesce(octet_length(" text ") <= " SQL_STRING(LOOK_TEXT_MAX) \
    ", false))"

static const struct pg_statement step_looks_statement = {
    .name = "step_looks",
    .sql =
        "SELECT a.place - 1, s.small AND coalesce(m.small, true), m.id IS NOT NULL,"
        "    " STEP_COLUMNS_WITH("CASE WHEN s.small THEN s.calls END",
                                 "CASE WHEN s.small THEN s.thought END") ","
        "    " MESSAGE_SHOWN_OF("CASE WHEN m.small THEN m.said END",
                                "CASE WHEN m.small THEN m.calls END", "NULL::text")
        " FROM unnest($1, $2, $3) WITH ORDINALITY AS a (run, tenant, seq, place)"
        " CROSS JOIN LATERAL ("
        "    SELECT s.*, " IS_SMALL("s.tool_calls", "s.calls")
        "        AND " IS_SMALL("s.reasoning", "s.thought") " AS small"
        "    FROM ("
        "        SELECT s.*, " TEXT_OF("s.tool_calls") " AS calls,"
        "            " TEXT_OF("s.reasoning") " AS thought"
        "        FROM run_steps s"
        "        WHERE s.run_id = a.run"
        "          AND " SQL_CHECKED("s.tenant_id = a.tenant")
        "          AND s.seq > a.seq"
        "        ORDER BY s.seq"
        "        LIMIT " SQL_STRING(LOOK_STEPS) ") s) s"
        " LEFT JOIN LATERAL ("
        "    SELECT m.*, " IS_SMALL("m.content", "m.said")
        "        AND " IS_SMALL("m.tool_calls", "m.calls") " AS small"
        "    FROM ("
        "        SELECT m.*, " TEXT_OF("m.content") " AS said, " TEXT_OF("m.tool_calls") " AS calls"
        "        FROM messages m"
        "        WHERE m.id = ANY (ARRAY[s.message_id])"
        "          AND " SQL_CHECKED("m.thread_id = s.thread_id")
        "          AND " SQL_CHECKED("m.tenant_id = s.tenant_id")
        "          AND NOT m.hidden"
        "        OFFSET 0) m) m ON true"
        " ORDER BY a.place, s.seq",
    .types = "UUI",
};
/* clang-format on */

enum { COLUMN_PLACE, COLUMN_SMALL, COLUMN_HAS_MESSAGE, COLUMN_STEP };

void step_looks_init(struct step_looks *looks)
{
    struct buf *const bufs[] = {&looks->runs, &looks->tenants, &looks->seqs};

    for (size_t i = 0; i < ARRAY_LENGTH(bufs); i++) {
        buf_init(bufs[i], 0);
        pg_array_begin(bufs[i]);
    }
}

void step_looks_deinit(struct step_looks *looks)
{
    buf_deinit(&looks->runs);
    buf_deinit(&looks->tenants);
    buf_deinit(&looks->seqs);
}

void step_looks_add(struct step_looks *looks, struct uuid tenant, struct uuid run, int64_t seq)
{
    pg_array_add_uuid(&looks->runs, run);
    pg_array_add_uuid(&looks->tenants, tenant);
    pg_array_add_int(&looks->seqs, seq);
}

struct pg_query step_looks_query(struct step_looks *looks)
{
    looks->values[0] = pg_array('U', &looks->runs);
    looks->values[1] = pg_array('U', &looks->tenants);
    looks->values[2] = pg_array('I', &looks->seqs);
    return (struct pg_query){&step_looks_statement, looks->values};
}

size_t step_looks_place(const struct pg_result *result, int at)
{
    return (size_t)pg_get_int(result, at, COLUMN_PLACE);
}

int step_looks_read(const struct pg_result *result, int at, struct run_look *look,
                    struct error *err)
{
    struct row row = row_at(result, at, look->arena);
    struct looked_step *step = &look->steps[look->count];
    int r;

    ASSERT(look->count < LOOK_STEPS);
    if (look->more)
        return 0;
    look->more = !pg_get_bool(result, at, COLUMN_SMALL);
    if (look->more)
        return 0;
    row.column = COLUMN_STEP;
    r = step_read(&row, &step->step, err);
    step->has_message = pg_get_bool(result, at, COLUMN_HAS_MESSAGE);
    row.column = COLUMN_STEP + STEP_COLUMNS_COUNT;
    if (r == 0 && step->has_message)
        r = message_shown_read(&row, &step->message, err);
    if (r == 0)
        look->more = ++look->count == LOOK_STEPS;
    return r;
}
