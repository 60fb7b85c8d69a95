#include "shared/store/schedules/firings.h"

#include "shared/store/schedules/schedule_rows.h"

const char *const firing_causes[] = {"time", "catch_up", "backfill", "manual", NULL};
const char *const firing_states[] = {"due",     "waiting", "started", "ended",
                                     "skipped", "missed",  "failed",  NULL};

_Static_assert(ARRAY_LENGTH(firing_causes) == CAUSE_COUNT + 1, "a word each");
_Static_assert(ARRAY_LENGTH(firing_states) == FIRING_STATE_COUNT + 1, "a word each");

int firing_read(struct row *row, void *out, struct error *err)
{
    struct firing firing = {.id = row_uuid(row)};

    firing.schedule = row_uuid(row);
    firing.tenant = row_uuid(row);
    firing.cause = (enum firing_cause)schedule_word(firing_causes, row_word(row));
    firing.nominal = row_int(row);
    firing.until = row_int(row);
    firing.times = row_int(row);
    firing.state = (enum firing_state)schedule_word(firing_states, row_word(row));
    firing.detail = row_text(row);
    firing.tries = row_int(row);
    firing.created_at = row_int(row);
    firing.started_at = row_int(row);
    firing.ended_at = row_int(row);
    firing.outcome = row_text(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct firing *)out = firing;
    return 0;
}

const struct row_kind firing_rows = {firing_read, sizeof(struct firing), FIRING_MISSING};

/* clang-format off */
static const struct pg_statement get = {
    .name = "firing_get",
    .sql =
        "SELECT " FIRING_COLUMNS
        " FROM schedule_firings f"
        " WHERE f.schedule_id = $1"
        "   AND f.id = $2"
        "   AND f.tenant_id = $3",
    .types = "uuu",
};

#define FIRING_LIST(direction) \
    SQL_PAGE(FIRING_COLUMNS, "f", \
        "schedule_firings f" \
        " WHERE f.schedule_id = $1" \
        "   AND f.id > $2" \
        "   AND f.id < $3" \
        "   AND f.tenant_id = $6", \
        "f.id " direction, "$4", "$5", "400", "400 + " SQL_SENT("f.detail"))
/* clang-format on */

static const struct pg_statement list_up = {"firing_list_up", FIRING_LIST("ASC"), "uuuiiu"};
static const struct pg_statement list_down = {"firing_list_down", FIRING_LIST("DESC"), "uuuiiu"};

int firing_list(const struct store *store, struct uuid schedule, const struct page *page,
                struct firing_list *out, struct error *err)
{
    const struct pg_value tenant = pg_uuid(store->tenant);
    const struct row_list list = {&list_up, &list_down, schedule, &tenant, 1};
    struct rows rows;
    int r = rows_list(store, &firing_rows, &list, page, &rows, err);

    if (r == 0)
        *out = (struct firing_list){rows.items, rows.count, rows.has_more};
    return r;
}

int firing_get(const struct store *store, struct uuid schedule, struct uuid id, struct firing *out,
               struct error *err)
{
    struct pg_value values[3] = {pg_uuid(schedule), pg_uuid(id), pg_uuid(store->tenant)};

    return store_one(store, &firing_rows, &(struct pg_query){&get, values}, out, err);
}
