#include "shared/store/leases/run_nearest.h"

#include "shared/store/rows.h"

/* clang-format off */
/* A comma behind each number. */
#define WRITTEN "array_to_string(nearest, ',') || ','"

static const struct pg_statement read_kept = {
    .name = "run_nearest_read",
    .sql = "SELECT " WRITTEN ", user_id FROM runs WHERE id = $1 AND tenant_id = $2",
    .types = "uu",
};

static const struct pg_statement keep = {
    .name = "run_nearest_keep",
    .sql =
        "UPDATE runs"
        " SET nearest = coalesce(nearest, $4)"
        " WHERE id = $1"
        "   AND owner = $2"
        "   AND fence = $3"
        "   AND status IN ('in_progress', 'cancelling')"
        " RETURNING " WRITTEN ", user_id",
    .types = "uiiI",
};
/* clang-format on */

static size_t count_commas(struct text text)
{
    size_t count = 0;

    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == ',';
    return count;
}

static int choice_read(struct row *row, void *out, struct error *err)
{
    struct text written = row_word(row);
    struct nearest_choice choice = {.is_made = written.ptr != NULL};
    struct text number;
    void *items;

    if (rows_alloc(row->arena, count_commas(written) + 1, sizeof(int64_t), &items, err) < 0)
        return -E_LIMIT;
    choice.positions = items;
    while (text_cut(written, ',', &number, &written)) {
        if (!text_to_int(number, &choice.positions[choice.count]))
            break;
        choice.count++;
    }
    choice.user = row_text(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct nearest_choice *)out = choice;
    return 0;
}

int run_nearest_read(const struct store *store, struct uuid run, struct nearest_choice *out,
                     struct error *err)
{
    static const struct row_kind kind = {choice_read, sizeof(struct nearest_choice), RUN_MISSING};
    struct pg_value values[2] = {pg_uuid(run), pg_uuid(store->tenant)};

    return store_one(store, &kind, &(struct pg_query){&read_kept, values}, out, err);
}

int run_nearest_keep(const struct store *store, const struct run_lease *lease,
                     const struct nearest_choice *made, struct nearest_choice *out,
                     struct error *err)
{
    static const struct row_kind kind = {choice_read, sizeof(struct nearest_choice), LEASE_FENCED};
    CLEANUP(buf_deinit) struct buf list;
    struct pg_value values[4] = {pg_uuid(lease->run), pg_int(lease->owner), pg_int(lease->fence)};

    buf_init(&list, 0);
    pg_array_begin(&list);
    for (size_t i = 0; i < made->count; i++)
        pg_array_add_int(&list, made->positions[i]);
    values[3] = pg_array('I', &list);
    return store_one(store, &kind, &(struct pg_query){&keep, values}, out, err);
}
