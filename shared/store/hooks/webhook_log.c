/* Events and deliveries, as a tenant looks at them. */

#include "shared/store/hooks/webhook_log.h"

#include "shared/base/clock.h"
#include "shared/store/rows.h"

#define CLOCKS_DIFFER_MS 3600000 /* of the database and of this process, at most */

/* clang-format off */
#define COLUMNS \
    "d.id, d.event_id, d.type, d.url, d.state, d.cause, d.tries," \
    " CASE WHEN d.state = 'pending' THEN " SQL_SECONDS("d.next_at") " END, d.status_code," \
    " d.error," \
    " " SQL_SECONDS("d.created_at") ", " SQL_SECONDS("d.ended_at") ", (" \
    "     SELECT json_agg(json_build_object(" \
    "         'created_at', " SQL_SECONDS("a.created_at") ", 'cause', a.cause," \
    "         'status_code', a.status_code, 'duration_ms', a.duration_ms, 'answer', a.answer," \
    "         'error', a.error) ORDER BY a.id)" \
    "     FROM (" \
    "         SELECT *" \
    "         FROM webhook_attempts o" \
    "         WHERE o.delivery_id = d.id" \
    "         ORDER BY o.id DESC" \
    "         LIMIT " SQL_STRING(DELIVERY_ATTEMPTS_SHOWN) ") a)"
/* clang-format on */

static int delivery_read(struct row *row, void *out, struct error *err)
{
    struct webhook_delivery delivery = {.id = row_uuid(row)};

    delivery.event = row_uuid(row);
    delivery.type = row_text(row);
    delivery.url = row_text(row);
    delivery.state = row_text(row);
    delivery.cause = row_text(row);
    delivery.tries = row_int(row);
    delivery.next_at = row_int(row);
    delivery.status = row_int(row);
    delivery.error = row_text(row);
    delivery.created_at = row_int(row);
    delivery.ended_at = row_int(row);
    delivery.attempts = row_text(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct webhook_delivery *)out = delivery;
    return 0;
}

static int event_read(struct row *row, void *out, struct error *err)
{
    struct webhook_event event = {.id = row_uuid(row)};

    event.type = row_text(row);
    event.data = row_text(row);
    event.created_at = row_int(row);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct webhook_event *)out = event;
    return 0;
}

static const struct row_kind delivery_rows = {delivery_read, sizeof(struct webhook_delivery),
                                              DELIVERY_MISSING};
static const struct row_kind event_rows = {event_read, sizeof(struct webhook_event), EVENT_MISSING};

/* clang-format off */
static const struct pg_statement event_get = {
    .name = "webhook_event_get",
    .sql =
        "SELECT e.id, e.type, e.data, " SQL_SECONDS("e.created_at")
        " FROM webhook_events e"
        " WHERE e.id = $1"
        "   AND e.tenant_id = $2",
    .types = "uu",
};

/* Pairs are compared, so that only the index by webhook serves: where one webhook has most of all
 * deliveries the index of all looks as good for another one, which has a handful. */
#define LIST(direction) \
    SQL_PAGE(COLUMNS, "d", \
        "webhook_deliveries d" \
        " WHERE (d.endpoint_id, d.id) > ($2, $3)" \
        "   AND (d.endpoint_id, d.id) < ($2, $4)" \
        "   AND d.tenant_id = $1" \
        "   AND ($7::text IS NULL OR d.state = $7)" \
        "   AND ($8::text IS NULL OR d.type = $8)", \
        "d.endpoint_id " direction ", d.id " direction, "$5", "$6", "15000", "15000")

/* Nothing of a lane is held back any more: who asks knows that it is up. */
static const struct pg_statement redeliver = {
    .name = "webhook_redeliver",
    .sql =
        "WITH d AS ("
        "    UPDATE webhook_deliveries d"
        "    SET state = 'pending', tries = 0, cause = 'redeliver', next_at = now(),"
        "        holder = NULL, ended_at = NULL, error = NULL, status_code = NULL"
        "    WHERE d.id = $3"
        "      AND d.endpoint_id = $2"
        "      AND d.tenant_id = $1"
        "    RETURNING d.*),"
        " l AS (UPDATE webhook_lanes l SET not_before = now() FROM d WHERE l.lane = d.lane)"
        " SELECT " COLUMNS
        " FROM d",
    .types = "uuu",
};

static const struct pg_statement recover = {
    .name = "webhook_recover",
    .sql =
        "WITH w AS MATERIALIZED ("
        "    SELECT w.id, w.events"
        "    FROM webhook_endpoints w"
        "    WHERE w.id = $2"
        "      AND w.tenant_id = $1),"
        " e AS MATERIALIZED ("
        "    SELECT e.id, e.tenant_id, e.type, w.id AS endpoint_id"
        "    FROM w"
        "    JOIN webhook_events e ON e.tenant_id = $1"
        "    WHERE e.moved"
        "      AND e.id >= $3"
        "      AND e.id < $4"
        "      AND penstock_webhook_wants(w.events, e.type)"
        "      AND NOT EXISTS ("
        "          SELECT 1"
        "          FROM webhook_deliveries d"
        "          WHERE d.event_id = e.id"
        "            AND d.endpoint_id = w.id"
        "            AND d.lane = w.id"
        "            AND d.state IN ('pending', 'delivered'))"
        "    ORDER BY e.id"
        "    LIMIT " SQL_STRING(RECOVER_MAX) "),"
        " d AS ("
        "    INSERT INTO webhook_deliveries AS d ("
        "        id, tenant_id, event_id, endpoint_id, lane, type, cause)"
        "    SELECT penstock_uuid7(), e.tenant_id, e.id, e.endpoint_id, e.endpoint_id, e.type,"
        "        'recover'"
        "    FROM e"
        "    ORDER BY e.id"
        "    ON CONFLICT (event_id, endpoint_id, lane) DO UPDATE"
        "    SET state = 'pending', tries = 0, cause = 'recover', next_at = now(), holder = NULL,"
        "        ended_at = NULL, error = NULL, status_code = NULL"
        "    WHERE d.state IN ('dead', 'skipped')"
        "    RETURNING 1)"
        " SELECT w.id, (SELECT count(*) FROM d)"
        " FROM w",
    .types = "uuuu",
};
/* clang-format on */

static const struct pg_statement list_up = {"webhook_deliveries_up", LIST("ASC"), "uuuuiitt"};
static const struct pg_statement list_down = {"webhook_deliveries_down", LIST("DESC"), "uuuuiitt"};

int webhook_event_get(const struct store *store, struct uuid id, struct webhook_event *out,
                      struct error *err)
{
    struct pg_value values[2] = {pg_uuid(id), pg_uuid(store->tenant)};

    return store_one(store, &event_rows, &(struct pg_query){&event_get, values}, out, err);
}

int webhook_deliveries_list(const struct store *store, const struct delivery_filter *filter,
                            const struct page *page, struct webhook_deliveries *out,
                            struct error *err)
{
    struct page_plan plan = page_plan(page);
    struct pg_value values[8] = {pg_uuid(store->tenant), pg_uuid(filter->endpoint),
                                 pg_uuid(plan.low),      pg_uuid(plan.high),
                                 pg_int(plan.limit),     pg_int(plan.bytes),
                                 pg_text(filter->state), pg_text(filter->type)};
    struct pg_query query = {plan.ascending ? &list_up : &list_down, values};
    struct rows rows;
    int r = rows_page(store, &delivery_rows, &query, &plan, &rows, err);

    if (r == 0)
        *out = (struct webhook_deliveries){rows.items, rows.count, rows.has_more};
    return r;
}

int webhook_redeliver(const struct store *store, struct uuid endpoint, struct uuid id,
                      struct webhook_delivery *out, struct error *err)
{
    struct pg_value values[3] = {pg_uuid(store->tenant), pg_uuid(endpoint), pg_uuid(id)};

    return store_one(store, &delivery_rows, &(struct pg_query){&redeliver, values}, out, err);
}

int webhook_recover(const struct store *store, struct uuid endpoint, int64_t from, int64_t until,
                    int64_t *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    const uint8_t least[10] = {0};
    int64_t until_ms = until > 0 ? until * 1000 : clock_wall_ms() + CLOCKS_DIFFER_MS;
    struct pg_value values[4] = {pg_uuid(store->tenant), pg_uuid(endpoint),
                                 pg_uuid(uuid_v7(from * 1000, least)),
                                 pg_uuid(uuid_v7(until_ms, least))};
    int r = pg_exec(store->pg, &recover, values, &result, err);

    if (r < 0)
        return r;
    if (pg_rows(result) == 0)
        return WEBHOOK_MISSING;
    *out = pg_get_int(result, 0, 1);
    return 0;
}
