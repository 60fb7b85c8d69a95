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
        "SELECT " MESSAGE_COLUMNS
        " FROM unnest($1) AS i (id)"
        " JOIN runs r ON r.id = ANY (ARRAY[i.id])"
        "   AND " SQL_CHECKED("r.tenant_id = $2")
        " JOIN messages m ON m.thread_id = ANY (ARRAY[r.thread_id])"
        "   AND " SQL_CHECKED("m.run_id = r.id AND m.role = 'assistant' AND NOT m.hidden")
        " ORDER BY m.run_id, m.seq",
    .types = "Uu",
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

/* Both are there. */
static void join(struct batch_run *runs, size_t count, const struct message *messages, size_t all)
{
    for (size_t i = 0; i < count; i++) {
        size_t from = 0;

        while (from < all && !uuid_equal(messages[from].run_id, runs[i].run.id))
            from++;
        runs[i].messages = messages + from;
        while (from + runs[i].messages_count < all &&
               uuid_equal(messages[from + runs[i].messages_count].run_id, runs[i].run.id))
            runs[i].messages_count++;
    }
}

int batch_runs_read(const struct store *store, const struct uuid *ids, size_t count,
                    struct batch_run **out, size_t *out_count, struct error *err)
{
    static const struct row_kind kind = {read_run, sizeof(struct batch_run), RUN_MISSING};
    static const struct row_kind messages = {message_read, sizeof(struct message), RUN_MISSING};
    CLEANUP(buf_deinit) struct buf array;
    struct pg_value values[2];
    const struct pg_query queries[2] = {{&runs_of, values}, {&messages_of, values}};
    struct pg_result *results[2] = {NULL, NULL};
    struct rows rows;
    struct rows said;
    int r;

    buf_init(&array, 0);
    pg_array_of_uuids(&array, ids, count);
    values[0] = pg_array('U', &array);
    values[1] = pg_uuid(store->tenant);
    r = pg_exec_all(store->pg, queries, 2, results, err);
    if (r == 0)
        r = rows_read(store->arena, &kind, results[0], NULL, &rows, err);
    if (r == 0)
        r = rows_read(store->arena, &messages, results[1], NULL, &said, err);
    pg_result_free(results[0]);
    pg_result_free(results[1]);
    if (r < 0)
        return r;
    *out = rows.items;
    *out_count = rows.count;
    join(*out, *out_count, said.items, said.count);
    return 0;
}
