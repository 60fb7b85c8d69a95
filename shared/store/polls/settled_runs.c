/* One probe of the primary key for each run, whatever Postgres thinks of the table's size. */

#include "shared/store/polls/settled_runs.h"

/* clang-format off */
static const struct pg_statement settled = {
    .name = "runs_settled",
    .sql =
        "SELECT i.place - 1"
        " FROM unnest($1) WITH ORDINALITY AS i (id, place)"
        " LEFT JOIN runs r ON r.id = ANY (ARRAY[i.id])"
        " WHERE r.status IS NULL"
        "    OR r.status NOT IN ('queued', 'in_progress', 'cancelling')",
    .types = "U",
};
/* clang-format on */

int runs_settled(struct pg *pg, const struct uuid *runs, size_t count, size_t *out,
                 size_t *out_count, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    CLEANUP(buf_deinit) struct buf ids;
    struct pg_value values[1];
    int r;

    ASSERT(count <= SETTLED_BATCH_MAX);
    buf_init(&ids, 0);
    pg_array_of_uuids(&ids, runs, count);
    values[0] = pg_array('U', &ids);
    r = pg_exec(pg, &settled, values, &result, err);
    if (r < 0)
        return r;
    *out_count = (size_t)pg_rows(result);
    for (int row = 0; row < pg_rows(result); row++)
        out[row] = (size_t)pg_get_int(result, row, 0);
    return 0;
}
