/* From events to deliveries, and these to whoever sends them. */

#include "shared/store/hooks/outbox.h"

#include "shared/store/rows.h"

/* clang-format off */
/* What a run said goes along for those who want it: cut, so that with all else and whatever has to
 * be escaped a body stays below 20 KB. */
#define CUT(text, chars, few) \
    "CASE" \
    "    WHEN octet_length(to_json(left(" text ", " chars "))::text) <= 8000" \
    "        THEN left(" text ", " chars ")" \
    "    ELSE left(" text ", " few ")" \
    " END"

#define TEXTS \
    "SELECT json_strip_nulls(json_build_object(" \
    "    'output', " CUT("penstock_text(m.content)", "6000", "1300") "," \
    "    'output_truncated', CASE WHEN length(penstock_text(m.content)) > 1300" \
    "        AND length(penstock_text(m.content))" \
    "            > length(" CUT("penstock_text(m.content)", "6000", "1300") ")" \
    "        THEN true END," \
    "    'error', left(r.last_error ->> 'message', 400)))" \
    " FROM runs r" \
    " LEFT JOIN messages m ON m.id = r.result_message" \
    " WHERE r.id = v.run_id"

/* Of a webhook, which has its id; or of the host of a URL that a run names. */
#define LANE_OF_URL(tenant, url) \
    "md5(" tenant "::text || lower(substring(" url " FROM '^[a-zA-Z]+://([^/?#]+)')))::uuid"

static const struct pg_statement move = {
    .name = "outbox_move",
    .sql =
        "WITH e AS MATERIALIZED ("
        "    SELECT *"
        "    FROM webhook_events e"
        "    WHERE NOT e.moved"
        "    ORDER BY e.id"
        "    LIMIT " SQL_STRING(OUTBOX_MOVE_MAX)
        "    FOR UPDATE SKIP LOCKED),"
        " wanted AS MATERIALIZED ("
        "    SELECT e.id AS event, e.tenant_id, e.type, w.id AS endpoint, w.id AS lane,"
        "        NULL::text AS url, w.full_payload"
        "    FROM e"
        "    JOIN webhook_endpoints w ON w.tenant_id = ANY (ARRAY[e.tenant_id])"
        "      AND w.state = 'enabled'"
        "      AND penstock_webhook_wants(w.events, e.type)"
        "    UNION ALL"
        "    SELECT e.id, e.tenant_id, e.type, w.id, " LANE_OF_URL("e.tenant_id", "e.to_url") ","
        "        e.to_url, w.full_payload"
        "    FROM e"
        "    JOIN webhook_endpoints w ON w.id = ANY (ARRAY[e.to_endpoint])"
        "      AND w.tenant_id = e.tenant_id"
        "    WHERE e.to_url IS NOT NULL),"
        " d AS ("
        "    INSERT INTO webhook_deliveries ("
        "        id, tenant_id, event_id, endpoint_id, lane, url, type)"
        "    SELECT penstock_uuid7(), w.tenant_id, w.event, w.endpoint, w.lane, w.url, w.type"
        "    FROM wanted w"
        "    ORDER BY w.event"
        "    ON CONFLICT DO NOTHING),"
        " u AS ("
        "    UPDATE webhook_events v"
        "    SET moved = true,"
        "        texts = CASE WHEN v.run_id IS NOT NULL AND EXISTS ("
        "            SELECT 1"
        "            FROM wanted w"
        "            WHERE w.event = v.id"
        "              AND w.full_payload) THEN (" TEXTS ") END"
        "    FROM e"
        "    WHERE v.id = ANY (ARRAY[e.id]))"
        " SELECT count(*)"
        " FROM e",
    .types = "",
};

/* Lanes are found by leaps through the index, one look each however much waits there. How much of
 * a lane is taken: what its process has room for; of one that is failing one, when its time has
 * come. A tenant has at most half of the places that others leave to it, so that there always is
 * one for the next tenant, however many webhooks of however many others keep theirs. */
static const struct pg_statement take = {
    .name = "outbox_take",
    .sql =
        "WITH RECURSIVE leaps AS ("
        "    (SELECT d.lane"
        "     FROM webhook_deliveries d"
        "     WHERE d.state = 'pending'"
        "       AND d.lane > $6"
        "     ORDER BY d.lane"
        "     LIMIT 1)"
        "    UNION ALL"
        "    SELECT n.lane"
        "    FROM leaps"
        "    CROSS JOIN LATERAL ("
        "        SELECT d.lane"
        "        FROM webhook_deliveries d"
        "        WHERE d.state = 'pending'"
        "          AND d.lane > leaps.lane"
        "        ORDER BY d.lane"
        "        LIMIT 1) n),"
        " lanes AS MATERIALIZED ("
        "    SELECT lane"
        "    FROM leaps"
        "    LIMIT " SQL_STRING(OUTBOX_LANES_MAX) "),"
        " busy AS MATERIALIZED ("
        "    SELECT *"
        "    FROM ROWS FROM (unnest($2), unnest($3), unnest($7)) AS b (lane, flying, tenant)),"
        " shares AS MATERIALIZED ("
        "    SELECT b.tenant, sum(b.flying) AS flying"
        "    FROM busy b"
        "    GROUP BY b.tenant),"
        " x AS ("
        "    SELECT x.id, l.lane, coalesce(s.flying, 0) AS flying,"
        "        row_number() OVER (PARTITION BY x.tenant_id ORDER BY l.lane) AS n"
        "    FROM lanes l"
        "    LEFT JOIN webhook_lanes f ON f.lane = ANY (ARRAY[l.lane])"
        "    LEFT JOIN webhook_endpoints w ON w.id = ANY (ARRAY[l.lane])"
        "    LEFT JOIN busy b ON b.lane = l.lane"
        "    CROSS JOIN LATERAL ("
        "        SELECT d.id, d.tenant_id"
        "        FROM webhook_deliveries d"
        "        WHERE d.state = 'pending'"
        "          AND d.lane = l.lane"
        "          AND d.next_at <= now()"
        "        ORDER BY d.next_at"
        "        LIMIT CASE"
        "            WHEN w.state = 'disabled' OR f.not_before > now() THEN 0"
        "            WHEN f.failures >= " SQL_STRING(OUTBOX_FAILURES)
        "                THEN CASE WHEN coalesce(b.flying, 0) = 0 THEN 1 ELSE 0 END"
        "            ELSE greatest(least($4 - coalesce(b.flying, 0), $5), 0)"
        "        END) x"
        "    LEFT JOIN shares s ON s.tenant = x.tenant_id),"
        " chosen AS MATERIALIZED ("
        "    SELECT x.id"
        "    FROM x"
        "    WHERE x.flying + x.n <= greatest($4, ($5 + x.flying) / 2)"
        "    ORDER BY x.lane"
        "    LIMIT $5),"
        " due AS MATERIALIZED ("
        "    SELECT d.id, d.lane"
        "    FROM chosen c"
        "    JOIN webhook_deliveries d ON d.id = ANY (ARRAY[c.id])"
        "    WHERE " SQL_CHECKED("d.state = 'pending' AND d.next_at <= now()")
        "    FOR UPDATE OF d SKIP LOCKED),"
        " probe AS ("
        "    UPDATE webhook_lanes f"
        "    SET not_before = now() + " SQL_STRING(OUTBOX_LEASE_MS) " * interval '1 ms'"
        "    FROM (SELECT DISTINCT due.lane FROM due) due"
        "    WHERE f.lane = ANY (ARRAY[due.lane])"
        "      AND f.failures >= " SQL_STRING(OUTBOX_FAILURES) "),"
        " taken AS ("
        "    UPDATE webhook_deliveries d"
        "    SET holder = $1,"
        "        next_at = now() + " SQL_STRING(OUTBOX_LEASE_MS) " * interval '1 ms'"
        "    FROM due"
        "    WHERE d.id = ANY (ARRAY[due.id])"
        "    RETURNING d.*)"
        " SELECT (SELECT count(*) FROM lanes), ("
        "         SELECT lane FROM lanes ORDER BY lane DESC LIMIT 1),"
        "     t.id, t.lane, t.endpoint_id, t.tenant_id, t.tries,"
        "     w.id IS NOT NULL AND e.id IS NOT NULL, coalesce(t.url, w.url), w.secret,"
        "     CASE WHEN w.previous_until > now() THEN w.previous_secret END, e.id, e.type,"
        "     " SQL_SECONDS("e.created_at") ", e.data, CASE WHEN w.full_payload THEN e.texts END,"
        "     e.trace ->> 'parent', e.trace ->> 'state'"
        " FROM (SELECT 1) AS one"
        " LEFT JOIN taken t ON true"
        " LEFT JOIN webhook_endpoints w ON w.id = ANY (ARRAY[t.endpoint_id])"
        " LEFT JOIN webhook_events e ON e.id = ANY (ARRAY[t.event_id])"
        " ORDER BY t.lane, t.id",
    .types = "iUIiiuU",
};
/* clang-format on */

int outbox_move(struct pg *pg, int64_t *out, struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    int r = pg_exec(pg, &move, NULL, &result, err);

    if (r == 0)
        *out = pg_get_int(result, 0, 0);
    return r;
}

static void read_secret(struct row *row, struct hook_secret *out)
{
    out->len = pg_get_bytes(row->result, row->row, row->column++, out->bytes, sizeof(out->bytes));
}

static int read_delivery(struct row *row, struct outbox_delivery *out, struct error *err)
{
    out->id = row_uuid(row);
    out->lane = row_uuid(row);
    out->endpoint = row_uuid(row);
    out->tenant = row_uuid(row);
    out->tries = row_int(row);
    out->there = row_bool(row);
    out->url = row_text(row);
    read_secret(row, &out->secret);
    read_secret(row, &out->previous);
    out->event = row_uuid(row);
    out->type = row_text(row);
    out->created_at = row_int(row);
    out->data = row_text(row);
    out->texts = row_text(row);
    out->traceparent = row_text(row);
    out->tracestate = row_text(row);
    return row_check(row, err);
}

/* Where the next statement goes on: behind the lanes that were looked at, or behind the last one
 * that was taken from, where there was no room for more. */
static int read_taken(const struct store *store, const struct pg_result *result, int64_t room,
                      struct outbox_taken *out, struct error *err)
{
    int count = pg_rows(result);
    void *items;
    int r = rows_alloc(store->arena, (size_t)count, sizeof(struct outbox_delivery), &items, err);

    if (r < 0)
        return r;
    *out = (struct outbox_taken){.items = items};
    out->round = pg_get_int(result, 0, 0) < OUTBOX_LANES_MAX;
    out->last = pg_get_uuid(result, 0, 1);
    for (int i = 0; i < count && r == 0; i++) {
        struct row row = row_at(result, i, store->arena);

        if (pg_is_null(result, i, 2))
            break;
        row.column = 2;
        r = read_delivery(&row, &out->items[out->count++], err);
    }
    if ((int64_t)out->count >= room) {
        out->round = false;
        out->last = out->items[out->count - 1].lane;
    }
    return r;
}

int outbox_take(const struct store *store, const struct outbox_wish *wish, struct outbox_taken *out,
                struct error *err)
{
    CLEANUP(pg_result_freep) struct pg_result *result = NULL;
    CLEANUP(buf_deinit) struct buf lanes;
    CLEANUP(buf_deinit) struct buf flying;
    CLEANUP(buf_deinit) struct buf tenants;
    struct pg_value values[7];
    int r;

    ASSERT(wish->room > 0);
    buf_init(&lanes, 0);
    buf_init(&flying, 0);
    buf_init(&tenants, 0);
    pg_array_begin(&lanes);
    pg_array_begin(&flying);
    pg_array_begin(&tenants);
    for (size_t i = 0; i < wish->lanes_count; i++) {
        pg_array_add_uuid(&lanes, wish->lanes[i].lane);
        pg_array_add_int(&flying, wish->lanes[i].flying);
        pg_array_add_uuid(&tenants, wish->lanes[i].tenant);
    }
    values[0] = pg_int(wish->holder);
    values[1] = pg_array('U', &lanes);
    values[2] = pg_array('I', &flying);
    values[3] = pg_int(wish->lane_max);
    values[4] = pg_int(wish->room);
    values[5] = pg_uuid(wish->after);
    values[6] = pg_array('U', &tenants);
    r = pg_exec(store->pg, &take, values, &result, err);
    return r < 0 ? r : read_taken(store, result, wish->room, out, err);
}
