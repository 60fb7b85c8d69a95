#include "shared/store/schedules/schedules.h"

#include "shared/store/schedules/schedule_rows.h"

const char *const schedule_overlaps[] = {"skip", "queue", "cancel_running", NULL};
const char *const schedule_catch_ups[] = {"none", "latest", "all", NULL};
const char *const schedule_states[] = {"active", "paused", "ended", NULL};

_Static_assert(ARRAY_LENGTH(schedule_overlaps) == OVERLAP_COUNT + 1, "a word each");
_Static_assert(ARRAY_LENGTH(schedule_catch_ups) == CATCH_UP_COUNT + 1, "a word each");
_Static_assert(ARRAY_LENGTH(schedule_states) == SCHEDULE_STATE_COUNT + 1, "a word each");

int schedule_word(const char *const *words, struct text word)
{
    for (int i = 0; words[i]; i++)
        if (text_is(word, words[i]))
            return i;
    ASSERT(!"a word of the list");
    return 0;
}

static void read_state(struct row *row, struct schedule *out)
{
    out->state = (enum schedule_state)schedule_word(schedule_states, row_word(row));
    out->pause_code = row_text(row);
    out->pause_message = row_text(row);
    out->next = row_int(row);
    out->due = row_int(row);
    out->turn = row_int(row);
    out->fired = row_int(row);
    out->failures = row_int(row);
    out->last_fire = row_int(row);
    out->last_run = row_uuid(row);
    out->last_outcome = row_text(row);
    out->last_completed = row_uuid(row);
    out->created_at = row_int(row);
    out->updated_at = row_int(row);
    out->read_at = row_int(row);
}

int schedule_read(struct row *row, void *out, struct error *err)
{
    struct schedule schedule = {.id = row_uuid(row)};

    schedule.tenant = row_uuid(row);
    schedule.agent = row_uuid(row);
    schedule.name = row_text(row);
    schedule.cron = row_text(row);
    schedule.every_s = row_int(row);
    schedule.run_at = row_int(row);
    schedule.zone = row_text(row);
    schedule.starts_at = row_int(row);
    schedule.ends_at = row_int(row);
    schedule.jitter_s = row_int(row);
    schedule.overlap = (enum schedule_overlap)schedule_word(schedule_overlaps, row_word(row));
    schedule.catch_up = (enum schedule_catch_up)schedule_word(schedule_catch_ups, row_word(row));
    schedule.window_s = row_int(row);
    schedule.lasting = row_bool(row);
    schedule.thread = row_uuid(row);
    schedule.thread_made = row_bool(row);
    schedule.compacts = row_bool(row);
    schedule.max_failures = row_int(row);
    schedule.user = row_text(row);
    schedule.request = row_text(row);
    schedule.metadata = row_text(row);
    schedule.retention = row_text(row);
    read_state(row, &schedule);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct schedule *)out = schedule;
    return 0;
}

const struct row_kind schedule_rows = {schedule_read, sizeof(struct schedule), SCHEDULE_MISSING};

/* The parameters that create and put share, in this order, behind id and tenant. */
enum { VALUES = 28 };

static struct pg_value int_or_null(int64_t value)
{
    return value ? pg_int(value) : pg_null();
}

static void schedule_values(const struct schedule *schedule, struct uuid tenant,
                            struct pg_value values[VALUES])
{
    const struct pg_value all[VALUES] = {
        pg_uuid(schedule->id),
        pg_uuid(tenant),
        pg_uuid(schedule->agent),
        pg_text(schedule->name),
        pg_text(schedule->cron),
        int_or_null(schedule->every_s),
        int_or_null(schedule->run_at),
        pg_text(schedule->zone),
        int_or_null(schedule->starts_at),
        int_or_null(schedule->ends_at),
        pg_int(schedule->jitter_s),
        pg_string(schedule_overlaps[schedule->overlap]),
        pg_string(schedule_catch_ups[schedule->catch_up]),
        pg_int(schedule->window_s),
        pg_bool(schedule->lasting),
        value_uuid_or_null(schedule->thread),
        pg_bool(schedule->thread_made),
        pg_string(schedule->compacts ? "compact" : "new_thread"),
        pg_int(schedule->max_failures),
        pg_text(schedule->user),
        pg_json(schedule->request),
        pg_json(schedule->metadata),
        pg_string(schedule_states[schedule->state]),
        pg_text(schedule->pause_code),
        pg_text(schedule->pause_message),
        int_or_null(schedule->next),
        int_or_null(schedule->due),
        pg_json(schedule->retention),
    };

    for (size_t i = 0; i < VALUES; i++)
        values[i] = all[i];
}

/* clang-format off */
#define COLUMNS \
    "agent_id, name, cron, every_seconds, run_at, timezone, starts_at, ends_at, jitter_seconds," \
    " overlap, catch_up, window_seconds, lasting, thread_id, thread_made, on_full, max_failures," \
    " user_id, request, metadata, state, pause_code, pause_message, next, due," \
    " retention"
#define COLUMN_VALUES \
    "$3::uuid, $4::text, $5::text, $6::int8, to_timestamp($7::int8), $8::text," \
    " to_timestamp($9::int8), to_timestamp($10::int8), $11::int8, $12::text, $13::text," \
    " $14::int8, $15::bool, $16::uuid, $17::bool, $18::text, $19::int8, $20::text, $21::jsonb," \
    " coalesce($22::jsonb, '{}'), $23::text, $24::text, $25::text, to_timestamp($26::int8)," \
    " to_timestamp($27::int8), $28::jsonb"

#define COLUMN_TYPES "uuuttiitiiittibubtitjjtttiiji"

static const struct pg_statement clock = {
    .name = "schedules_now",
    .sql = "SELECT " SQL_SECONDS("now()"),
    .types = "",
};

static const struct pg_statement create = {
    .name = "schedule_create",
    .sql =
        "INSERT INTO schedules AS s (id, tenant_id, " COLUMNS ")"
        " SELECT $1, $2, " COLUMN_VALUES
        " WHERE $29 > ("
        "     SELECT count(*)"
        "     FROM (SELECT FROM schedules WHERE tenant_id = $2 LIMIT $29) n)"
        " RETURNING " SCHEDULE_COLUMNS,
    .types = COLUMN_TYPES,
};

static const struct pg_statement put = {
    .name = "schedule_put",
    .sql =
        "UPDATE schedules s"
        " SET (" COLUMNS ") = (SELECT " COLUMN_VALUES "), turn = s.turn + 1, updated_at = now(),"
        "    failures = CASE WHEN s.state = 'paused' AND $23 <> 'paused' THEN 0 ELSE s.failures END"
        " WHERE s.id = $1"
        "   AND s.tenant_id = $2"
        "   AND s.turn = $29"
        " RETURNING " SCHEDULE_COLUMNS,
    .types = COLUMN_TYPES,
};

static const struct pg_statement get = {
    .name = "schedule_get",
    .sql = "SELECT " SCHEDULE_COLUMNS " FROM schedules s WHERE s.id = $1 AND s.tenant_id = $2",
    .types = "uu",
};

static const struct pg_statement find = {
    .name = "schedule_find",
    .sql = "SELECT " SCHEDULE_COLUMNS " FROM schedules s WHERE s.tenant_id = $1 AND s.name = $2",
    .types = "ut",
};

#define SCHEDULE_LIST(direction) \
    SQL_PAGE(SCHEDULE_COLUMNS, "s", \
        "schedules s" \
        " WHERE s.tenant_id = $1" \
        "   AND s.id > $2" \
        "   AND s.id < $3" \
        "   AND ($6::uuid IS NULL OR s.agent_id = $6)" \
        "   AND ($7::text IS NULL OR s.user_id = $7)" \
        "   AND ($8::text IS NULL OR s.state = $8)" \
        "   AND ($9::text IS NULL OR s.name = $9)" \
        "   AND ($10::jsonb IS NULL OR s.metadata @> $10)", \
        "s.id " direction, "$4", "$5", \
        "1500 + " SQL_STORED("s.request") " + " SQL_STORED("s.metadata"), \
        "1500 + " SQL_SENT("s.request") " + " SQL_SENT("s.metadata"))

static const struct pg_statement delete = {
    .name = "schedule_delete",
    .sql =
        "WITH s AS ("
        "    DELETE FROM schedules"
        "    WHERE id = $1"
        "      AND tenant_id = $2"
        "    RETURNING id),"
        " f AS (DELETE FROM schedule_firings WHERE schedule_id IN (SELECT id FROM s))"
        " SELECT id"
        " FROM s",
    .types = "uu",
};

static const struct pg_statement delete_of_user = {
    .name = "schedules_delete_of_user",
    .sql =
        "WITH s AS ("
        "    DELETE FROM schedules"
        "    WHERE id IN ("
        "        SELECT id"
        "        FROM schedules"
        "        WHERE tenant_id = $1"
        "          AND user_id = $2"
        "        LIMIT 20)"
        "    RETURNING id),"
        " f AS (DELETE FROM schedule_firings WHERE schedule_id IN (SELECT id FROM s))"
        " SELECT count(*)"
        " FROM s",
    .types = "ut",
};
/* clang-format on */

static const struct pg_statement list_up = {"schedule_list_up", SCHEDULE_LIST("ASC"), "uuuiiutttj"};
static const struct pg_statement list_down = {"schedule_list_down", SCHEDULE_LIST("DESC"),
                                              "uuuiiutttj"};

int schedules_now(const struct store *store, int64_t *out_s, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    int r = pg_exec(store->pg, &clock, NULL, &result, err);

    if (r == 0)
        *out_s = pg_get_int(result, 0, 0);
    return r;
}

int schedule_create(const struct store *store, const struct schedule *schedule, int64_t max,
                    struct schedule *out, struct error *err)
{
    static const struct row_kind made = {schedule_read, sizeof(struct schedule), SCHEDULES_FULL};
    struct pg_value values[VALUES + 1];

    schedule_values(schedule, store->tenant, values);
    values[VALUES] = pg_int(max);
    return store_create(store, &made, &(struct pg_query){&create, values}, out, err);
}

int schedule_get(const struct store *store, struct uuid id, struct schedule *out, struct error *err)
{
    struct pg_value values[2] = {pg_uuid(id), pg_uuid(store->tenant)};

    return store_one(store, &schedule_rows, &(struct pg_query){&get, values}, out, err);
}

int schedule_find(const struct store *store, struct text name, struct schedule *out,
                  struct error *err)
{
    struct pg_value values[2] = {pg_uuid(store->tenant), pg_text(name)};

    return store_one(store, &schedule_rows, &(struct pg_query){&find, values}, out, err);
}

int schedule_list(const struct store *store, const struct schedule_filter *filter,
                  const struct page *page, struct schedule_list *out, struct error *err)
{
    const struct pg_value more[5] = {
        value_uuid_or_null(filter->agent),
        pg_text(filter->user),
        pg_text(filter->state),
        pg_text(filter->name),
        pg_json(filter->metadata),
    };
    const struct row_list list = {&list_up, &list_down, store->tenant, more, 5};
    struct rows rows;
    int r = rows_list(store, &schedule_rows, &list, page, &rows, err);

    if (r == 0)
        *out = (struct schedule_list){rows.items, rows.count, rows.has_more};
    return r;
}

int schedule_put(const struct store *store, const struct schedule *schedule, struct schedule *out,
                 struct error *err)
{
    static const struct row_kind moved = {schedule_read, sizeof(struct schedule), SCHEDULE_MOVED};
    struct pg_value values[VALUES + 1];

    schedule_values(schedule, store->tenant, values);
    values[VALUES] = pg_int(schedule->turn);
    return store_one(store, &moved, &(struct pg_query){&put, values}, out, err);
}

int schedule_delete(const struct store *store, struct uuid id, struct error *err)
{
    static const struct row_kind gone = {.missing = SCHEDULE_MISSING};
    struct pg_value values[2] = {pg_uuid(id), pg_uuid(store->tenant)};

    return store_one(store, &gone, &(struct pg_query){&delete, values}, NULL, err);
}

int schedules_delete_of_user(const struct store *store, struct text user, int64_t *out_count,
                             struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[2] = {pg_uuid(store->tenant), pg_text(user)};
    int r = pg_exec(store->pg, &delete_of_user, values, &result, err);

    if (r == 0)
        *out_count = pg_get_int(result, 0, 0);
    return r;
}
