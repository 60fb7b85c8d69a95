/* One probe of the primary key for each run, whatever Postgres thinks of the table's size. */

#include "shared/store/polls/run_standings.h"

/* clang-format off */
static const struct pg_statement standings = {
    .name = "run_standings",
    .sql =
        "SELECT i.place - 1, r.step, r.status"
        " FROM unnest($1) WITH ORDINALITY AS i (id, place)"
        " JOIN runs r ON r.id = ANY (ARRAY[i.id])",
    .types = "U",
};
/* clang-format on */

int run_standings(struct pg *pg, const struct uuid *runs, size_t count,
                  struct run_standing_row *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    CLEANUP(buf_deinit) struct buf ids;
    struct pg_value values[1];
    int r;

    ASSERT(count <= STANDINGS_BATCH_MAX);
    buf_init(&ids, 0);
    pg_array_of_uuids(&ids, runs, count);
    values[0] = pg_array('U', &ids);
    r = pg_exec(pg, &standings, values, &result, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < count; i++)
        out[i] = (struct run_standing_row){runs[i], -1, -1};
    for (int row = 0; row < pg_rows(result); row++) {
        struct run_standing_row *standing = &out[pg_get_int(result, row, 0)];
        enum run_status status;

        standing->step = pg_get_int(result, row, 1);
        if (run_status_parse(pg_get_text(result, row, 2), &status))
            standing->status = (int)status;
    }
    return 0;
}
