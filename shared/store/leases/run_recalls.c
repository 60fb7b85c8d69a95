#include "shared/store/leases/run_recalls.h"

#include "shared/store/rows.h"

/* clang-format off */
static const struct pg_statement recalls_read = {
    .name = "run_recalls_read",
    .sql = "SELECT user_id, agent_id, about, recalled FROM runs WHERE id = $1 AND tenant_id = $2",
    .types = "uu",
};

static const struct pg_statement recalls_keep = {
    .name = "run_recalls_keep",
    .sql =
        "UPDATE runs"
        " SET recalled = coalesce(recalled, $4)"
        " WHERE id = $1"
        "   AND owner = $2"
        "   AND fence = $3"
        "   AND status IN ('in_progress', 'cancelling')"
        " RETURNING recalled",
    .types = "uiiw",
};
/* clang-format on */

static int read_recall(struct row *row, void *out, struct error *err)
{
    struct run_recall recall = {.user = row_text(row)};

    recall.agent = row_uuid(row);
    recall.about = row_text(row);
    recall.kept = row_text(row);
    *(struct run_recall *)out = recall;
    return row_check(row, err);
}

static int read_text(struct row *row, void *out, struct error *err)
{
    *(struct text *)out = row_text(row);
    return row_check(row, err);
}

int run_recalls_read(const struct store *store, struct uuid run, struct run_recall *out,
                     struct error *err)
{
    static const struct row_kind kind = {read_recall, sizeof(struct run_recall), RUN_MISSING};
    struct pg_value values[2] = {pg_uuid(run), pg_uuid(store->tenant)};
    const struct pg_query query = {&recalls_read, values};

    return store_one(store, &kind, &query, out, err);
}

int run_recalls_keep(const struct store *store, const struct run_lease *lease, struct text recalled,
                     struct text *out, struct error *err)
{
    static const struct row_kind kind = {read_text, sizeof(struct text), LEASE_FENCED};
    struct pg_value values[4] = {pg_uuid(lease->run), pg_int(lease->owner), pg_int(lease->fence),
                                 pg_json_as_written(recalled)};
    const struct pg_query query = {&recalls_keep, values};

    return store_one(store, &kind, &query, out, err);
}
