/* Webhooks, as a tenant manages them. */

#include "shared/store/hooks/webhooks.h"

#include "shared/store/rows.h"

/* clang-format off */
#define COLUMNS \
    "w.id, w.name, w.description, w.url, to_json(w.events), w.full_payload, w.metadata," \
    " w.state = 'enabled', w.reason, " SQL_SECONDS("w.disabled_at") ", (" \
    "     SELECT " SQL_SECONDS("l.failing_since") \
    "     FROM webhook_lanes l" \
    "     WHERE l.lane = w.id), (" \
    "     SELECT count(*)" \
    "     FROM (" \
    "         SELECT 1" \
    "         FROM webhook_deliveries d" \
    "         WHERE d.lane = w.id" \
    "           AND d.state = 'pending'" \
    "         LIMIT " SQL_STRING(WEBHOOK_WAITING_SHOWN) ") d)," \
    " CASE WHEN w.previous_until > now() THEN " SQL_SECONDS("w.previous_until") " END," \
    " " SQL_SECONDS("w.created_at") ", " SQL_SECONDS("w.updated_at") ", w.secret," \
    " CASE WHEN w.previous_until > now() THEN w.previous_secret END"

#define MINE "w.id = $1 AND w.tenant_id = $2"
/* clang-format on */

static void read_secret(struct row *row, struct hook_secret *out)
{
    out->len = pg_get_bytes(row->result, row->row, row->column++, out->bytes, sizeof(out->bytes));
}

static int webhook_read(struct row *row, void *out, struct error *err)
{
    struct webhook webhook = {.id = row_uuid(row)};

    webhook.name = row_text(row);
    webhook.description = row_text(row);
    webhook.url = row_text(row);
    webhook.events = row_text(row);
    webhook.full_payload = row_bool(row);
    webhook.metadata = row_text(row);
    webhook.enabled = row_bool(row);
    webhook.reason = row_text(row);
    webhook.disabled_at = row_int(row);
    webhook.failing_since = row_int(row);
    webhook.waiting = row_int(row);
    webhook.previous_until = row_int(row);
    webhook.created_at = row_int(row);
    webhook.updated_at = row_int(row);
    read_secret(row, &webhook.secret);
    read_secret(row, &webhook.previous);
    if (row_check(row, err) < 0)
        return -E_LIMIT;
    *(struct webhook *)out = webhook;
    return 0;
}

static const struct row_kind webhook_rows = {webhook_read, sizeof(struct webhook), WEBHOOK_MISSING};
static const struct row_kind new_rows = {webhook_read, sizeof(struct webhook), WEBHOOKS_FULL};

static struct pg_value secret_value(const struct hook_secret *secret)
{
    return pg_bytes((struct text){(const char *)secret->bytes, secret->len});
}

/* clang-format off */
#define EVENTS(json) "ARRAY(SELECT json_array_elements_text(" json "))"

/* Two at once may both find room for the last one. */
static const struct pg_statement create = {
    .name = "webhook_create",
    .sql =
        "INSERT INTO webhook_endpoints AS w ("
        "    id, tenant_id, name, description, url, events, full_payload, metadata, secret)"
        " SELECT $1, $2, $3::text, $4::text, $5::text, " EVENTS("$6") ", $7, coalesce($8, '{}'), $9"
        " WHERE (SELECT count(*) FROM webhook_endpoints o WHERE o.tenant_id = $2)"
        "     < " SQL_STRING(WEBHOOKS_MAX)
        " RETURNING " COLUMNS,
    .types = "uutttwbjy",
};

static const struct pg_statement get = {
    .name = "webhook_get",
    .sql = "SELECT " COLUMNS " FROM webhook_endpoints w WHERE " MINE,
    .types = "uu",
};

static const struct pg_statement update = {
    .name = "webhook_update",
    .sql =
        "WITH o AS MATERIALIZED ("
        "    SELECT w.id, w.state"
        "    FROM webhook_endpoints w"
        "    WHERE " MINE
        "    FOR NO KEY UPDATE),"
        " l AS ("
        "    DELETE FROM webhook_lanes l"
        "    USING o"
        "    WHERE l.lane = o.id"
        "      AND o.state = 'disabled'"
        "      AND $9)"
        " UPDATE webhook_endpoints w"
        " SET name = $3::text, description = $4::text, url = $5::text, events = " EVENTS("$6") ","
        "     full_payload = $7, metadata = coalesce($8, '{}'),"
        "     state = CASE WHEN $9 THEN 'enabled' ELSE 'disabled' END,"
        "     reason = CASE WHEN $9 THEN NULL ELSE coalesce(w.reason, 'asked') END,"
        "     disabled_at = CASE WHEN $9 THEN NULL ELSE coalesce(w.disabled_at, now()) END,"
        "     updated_at = now()"
        " FROM o"
        " WHERE w.id = o.id"
        " RETURNING " COLUMNS,
    .types = "uutttwbjb",
};

static const struct pg_statement rotate = {
    .name = "webhook_rotate",
    .sql =
        "UPDATE webhook_endpoints w"
        " SET secret = $3, previous_secret = CASE WHEN $4 > 0 THEN w.secret END,"
        "     previous_until = CASE WHEN $4 > 0 THEN now() + $4 * interval '1 ms' END,"
        "     updated_at = now()"
        " WHERE " MINE
        " RETURNING " COLUMNS,
    .types = "uuyi",
};

/* What waits for it is skipped by whoever would send it. */
static const struct pg_statement delete = {
    .name = "webhook_delete",
    .sql =
        "WITH w AS (DELETE FROM webhook_endpoints w WHERE " MINE " RETURNING w.id),"
        " l AS (DELETE FROM webhook_lanes l USING w WHERE l.lane = w.id)"
        " SELECT 1"
        " FROM w",
    .types = "uu",
};

#define LIST(direction) \
    SQL_PAGE(COLUMNS, "w", \
        "webhook_endpoints w" \
        " WHERE w.tenant_id = $1" \
        "   AND w.id > $2" \
        "   AND w.id < $3", \
        "w.id " direction, "$4", "$5", "10000", "10000")
/* clang-format on */

static const struct pg_statement list_up = {"webhook_list_up", LIST("ASC"), "uuuii"};
static const struct pg_statement list_down = {"webhook_list_down", LIST("DESC"), "uuuii"};

/* What both create and update write. */
static void values_of(const struct store *store, const struct webhook *webhook,
                      struct pg_value values[8])
{
    values[0] = pg_uuid(webhook->id);
    values[1] = pg_uuid(store->tenant);
    values[2] = pg_text(webhook->name);
    values[3] = pg_text(webhook->description);
    values[4] = pg_text(webhook->url);
    values[5] = pg_json_as_written(webhook->events);
    values[6] = pg_bool(webhook->full_payload);
    values[7] = pg_json(webhook->metadata);
}

int webhook_create(const struct store *store, const struct webhook *webhook, struct webhook *out,
                   struct error *err)
{
    struct pg_value values[9];

    values_of(store, webhook, values);
    values[8] = secret_value(&webhook->secret);
    return store_create(store, &new_rows, &(struct pg_query){&create, values}, out, err);
}

int webhook_get(const struct store *store, struct uuid id, struct webhook *out, struct error *err)
{
    struct pg_value values[2] = {pg_uuid(id), pg_uuid(store->tenant)};

    return store_one(store, &webhook_rows, &(struct pg_query){&get, values}, out, err);
}

int webhook_list(const struct store *store, const struct page *page, struct webhook_list *out,
                 struct error *err)
{
    const struct row_list list = {.up = &list_up, .down = &list_down, .of = store->tenant};
    struct rows rows;
    int r = rows_list(store, &webhook_rows, &list, page, &rows, err);

    if (r == 0)
        *out = (struct webhook_list){rows.items, rows.count, rows.has_more};
    return r;
}

int webhook_update(const struct store *store, const struct webhook *webhook, struct webhook *out,
                   struct error *err)
{
    struct pg_value values[9];

    values_of(store, webhook, values);
    values[8] = pg_bool(webhook->enabled);
    return store_one(store, &webhook_rows, &(struct pg_query){&update, values}, out, err);
}

int webhook_rotate(const struct store *store, struct uuid id, const struct hook_secret *secret,
                   int64_t keep_ms, struct webhook *out, struct error *err)
{
    struct pg_value values[4] = {pg_uuid(id), pg_uuid(store->tenant), secret_value(secret),
                                 pg_int(keep_ms)};

    return store_one(store, &webhook_rows, &(struct pg_query){&rotate, values}, out, err);
}

int webhook_delete(const struct store *store, struct uuid id, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    struct pg_value values[2] = {pg_uuid(id), pg_uuid(store->tenant)};
    int r = pg_exec(store->pg, &delete, values, &result, err);

    if (r < 0)
        return r;
    return pg_rows(result) == 0 ? WEBHOOK_MISSING : 0;
}
