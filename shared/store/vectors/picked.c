#include "shared/store/vectors/picked.h"

#include "shared/store/threads/message_rows.h"

/* clang-format off */
static const struct pg_statement picked = {
    .name = "messages_picked",
    .sql =
        "SELECT " HISTORY_COLUMNS
        " FROM ("
        "    SELECT " HISTORY_SOURCE
        "    WHERE o.thread_id = $1"
        "      AND " SQL_CHECKED("o.tenant_id = $2")
        "      AND o.position = ANY ($3)"
        "    OFFSET 0) m"
        " ORDER BY m.position DESC",
    .types = "uuI",
};
/* clang-format on */

int messages_picked(const struct store *store, struct uuid thread, const int64_t *positions,
                    size_t count, struct message_list *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    CLEANUP(buf_deinit) struct buf list;
    struct message_list read = {.has_more = false};
    struct pg_value values[3] = {pg_uuid(thread), pg_uuid(store->tenant)};
    int r;

    buf_init(&list, 0);
    pg_array_begin(&list);
    for (size_t i = 0; i < count; i++)
        pg_array_add_int(&list, positions[i]);
    values[2] = pg_array('I', &list);
    r = pg_exec(store->pg, &picked, values, &result, err);
    if (r < 0)
        return r;
    read.count = (size_t)pg_rows(result);
    r = history_read(store->arena, result, 0, read.count, &read.items, err);
    if (r == 0)
        *out = read;
    return r;
}
