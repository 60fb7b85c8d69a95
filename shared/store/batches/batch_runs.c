#include "shared/store/batches/batch_runs.h"

#include "shared/store/runs/run_rows.h"
#include "shared/store/threads/message_rows.h"

/* clang-format off */
static const struct pg_statement runs_of = {
    .name = "batch_runs",
    .sql =
        "SELECT " RUN_COLUMNS ", EXISTS ("
        "    SELECT 1"
        "    FROM tool_calls c"
        "    WHERE c.run_id = r.id"
        "      AND " SQL_CHECKED("c.state = 'left'") ")"
        " FROM unnest($1) AS i (id)"
        " JOIN runs r ON r.id = ANY (ARRAY[i.id])"
        "   AND " SQL_CHECKED("r.tenant_id = $2"),
    .types = "Uu",
};

static const struct pg_statement messages_of = {
    .name = "batch_messages",
    .sql =
        "SELECT " MESSAGE_SHOWN("m.tool_calls", "NULL::text")
        " FROM unnest($1) AS i (id)"
        " JOIN messages m ON m.run_id = ANY (ARRAY[i.id])"
        "   AND " SQL_CHECKED("m.tenant_id = $2 AND " SQL_BATCH_MESSAGE("m", "$3"))
        " ORDER BY m.run_id, m.position",
    .types = "Uub",
};
/* clang-format on */

static int read_run(struct row *row, void *out, struct error *err)
{
    struct batch_run *run = out;
    int r = run_read(row, &run->run, err);

    if (r == 0)
        run->left_calls = row_bool(row);
    return r;
}

/* Both are there; messages and thoughts in the order of their runs. */
static void join(struct batch_run *run, const struct rows *said, const struct step_thoughts *all)
{
    const struct message *messages = said->items;
    size_t from = 0;

    while (from < said->count && !uuid_equal(messages[from].run_id, run->run.id))
        from++;
    run->messages = messages + from;
    while (from + run->messages_count < said->count &&
           uuid_equal(messages[from + run->messages_count].run_id, run->run.id))
        run->messages_count++;

    from = 0;
    while (from < all->count && !uuid_equal(all->items[from].run, run->run.id))
        from++;
    run->thoughts.items = all->items + from;
    while (from + run->thoughts.count < all->count &&
           uuid_equal(run->thoughts.items[run->thoughts.count].run, run->run.id))
        run->thoughts.count++;
}

SUSPENDS static int read_both(const struct store *store, const struct batch_runs_ask *ask,
                              struct rows *out_runs, struct rows *out_said, struct error *err)
{
    static const struct row_kind kind = {read_run, sizeof(struct batch_run), RUN_MISSING};
    CLEANUP(buf_deinit) struct buf array;
    struct pg_value values[3];
    const struct pg_query queries[2] = {{&runs_of, values}, {&messages_of, values}};
    struct pg_result *results[2] = {NULL, NULL};
    int r;

    buf_init(&array, 0);
    pg_array_of_uuids(&array, ask->ids, ask->count);
    values[0] = pg_array('U', &array);
    values[1] = pg_uuid(store->tenant);
    values[2] = pg_bool(ask->whole);
    r = pg_exec_all(store->pg, queries, 2, results, err);
    if (r == 0)
        r = rows_read(store->arena, &kind, results[0], NULL, out_runs, err);
    if (r == 0)
        r = rows_read(store->arena, &message_shown_rows, results[1], NULL, out_said, err);
    pg_result_free(results[0]);
    pg_result_free(results[1]);
    return r;
}

int batch_runs_read(const struct store *store, const struct batch_runs_ask *ask,
                    struct batch_run **out, size_t *out_count, struct error *err)
{
    struct step_thoughts thoughts = {.count = 0};
    struct rows runs;
    struct rows said;
    int r = read_both(store, ask, &runs, &said, err);

    if (r == 0 && ask->whole)
        r = run_steps_thoughts(store, ask->ids, ask->count, BATCH_THOUGHTS_BYTES, &thoughts, err);
    if (r < 0)
        return r;
    *out = runs.items;
    *out_count = runs.count;
    for (size_t i = 0; i < runs.count; i++)
        join(&(*out)[i], &said, &thoughts);
    return 0;
}
