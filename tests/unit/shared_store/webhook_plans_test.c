/* What statements of webhooks read while 100,000 deliveries wait for one that is dead, and as many
 * are over: with the plans that a session made while the tables were empty, and with new ones. */

#include "fixture.h"

#include "shared/store/hooks/outbox.h"
#include "shared/store/hooks/webhook_log.h"
#include "shared/store/hooks/webhooks.h"

#define TIMES 8 /* then plans are those that stay */
/* Each round lists webhooks, and how many deliveries wait for them is counted up to that. */
#define READ_MAX (TIMES * (WEBHOOK_WAITING_SHOWN + 200))

static struct webhook must_webhook(const struct store *store)
{
    struct webhook wanted = {.id = uuid_new(),
                             .url = TEXT("https://example.com/hook"),
                             .events = TEXT("[\"batch.*\"]"),
                             .secret = {.len = HOOK_SECRET_BYTES}};
    struct webhook webhook;

    random_bytes(wanted.secret.bytes, HOOK_SECRET_BYTES);
    MUST(webhook_create(store, &wanted, &webhook, &test_err));
    return webhook;
}

/* The sender's round, with one delivery that fails and one that arrives. */
static void send_some(const struct store *store, struct uuid endpoint)
{
    struct outbox_wish wish = {.holder = 1, .lane_max = 2, .room = 4};
    struct outbox_outcome outcomes[4] = {0};
    struct outbox_disabled_list off;
    struct outbox_taken taken;
    int64_t moved;
    bool found = false;

    sql_do("SELECT penstock_webhook_emit('%s', 'batch.completed', 'batch_1', NULL)",
           show(store->tenant));
    MUST(outbox_move(store->pg, &moved, &test_err));
    cr_assert_eq(moved, 1);
    MUST(outbox_take(store, &wish, &taken, &test_err));
    cr_assert_gt(taken.count, 0);
    for (size_t i = 0; i < taken.count; i++) {
        found = found || uuid_equal(taken.items[i].lane, endpoint);
        outcomes[i] = (struct outbox_outcome){
            .id = taken.items[i].id,
            .end = i == 0 ? OUTBOX_FAILED : OUTBOX_DELIVERED,
            .status = i == 0 ? 500 : 200,
            .wait_ms = 1000,
        };
    }
    cr_assert(found, "the one that is well has its turn");
    MUST(outbox_settle(store, 1, outcomes, taken.count, &off, &test_err));
}

static void use_all(const struct store *store)
{
    struct webhook webhook = must_webhook(store);
    const struct delivery_filter filter = {.endpoint = webhook.id, .state = TEXT("delivered")};
    const struct page page = {.limit = 10};
    struct webhook_deliveries list;
    struct webhook_delivery delivery;
    struct webhook_event event;
    struct webhook_list webhooks;
    struct outbox_counts counts;
    int64_t count;
    bool more;

    send_some(store, webhook.id);
    MUST(outbox_skip(store->pg, &more, &test_err));
    MUST(outbox_forget(store->pg, 7, &more, &test_err));
    MUST(outbox_count(store->pg, &counts, &test_err));
    MUST(webhook_deliveries_list(store, &filter, &page, &list, &test_err));
    if (list.count > 0) {
        MUST(webhook_event_get(store, list.items[0].event, &event, &test_err));
        MUST(webhook_redeliver(store, webhook.id, list.items[0].id, &delivery, &test_err));
    }
    MUST(webhook_list(store, &page, &webhooks, &test_err));
    MUST(webhook_get(store, webhook.id, &webhook, &test_err));
    MUST(webhook_recover(store, webhook.id, webhook.created_at, 0, &count, &test_err));
    MUST(webhook_delete(store, webhook.id, &test_err));
    sql_do("DELETE FROM webhook_deliveries WHERE endpoint_id = '%s'", show(webhook.id));
}

/* Webhooks themselves and lanes that fail are few, and read as a whole. */
#define TABLES                                                                                     \
    " WHERE relname IN ('webhook_events', 'webhook_deliveries', 'webhook_attempts', 'runs')"

static int64_t rows_read(void)
{
    return sql_int("SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_user_tables" TABLES);
}

static int64_t entries_read(void)
{
    return sql_int("SELECT sum(idx_tup_read) FROM pg_stat_user_indexes" TABLES);
}

static int64_t sessions(void)
{
    return sql_int("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                   " AND application_name = 'unit'");
}

static void use_over(const struct store *store, struct pg *pg)
{
    struct store over = *store;

    over.pg = pg;
    for (int i = 0; i < TIMES; i++)
        use_all(&over);
}

/* A session's statistics are certain to be seen once it has ended. */
static void use_and_close(const struct store *store, struct pg *pg, const char *what)
{
    int64_t rows;
    int64_t entries;
    int64_t count;

    sql_settle();
    rows = rows_read();
    entries = entries_read();
    count = sessions();
    use_over(store, pg);
    pg_close(pg);
    for (int i = 0; i < 3000 && sessions() >= count; i++)
        MUST(fiber_sleep(10, &test_err));
    sql_settle();
    rows = rows_read() - rows;
    entries = entries_read() - entries;
    cr_assert(rows < READ_MAX && entries < READ_MAX,
              "%s: %lld rows and %lld entries of indexes in %d rounds; %s", what, (long long)rows,
              (long long)entries, TIMES,
              sql_string(store, "SELECT string_agg(relname || ' ' || seq_tup_read || ' ' ||"
                                "   idx_tup_fetch, ', ') FROM pg_stat_user_tables" TABLES));
}

static void reads_little(struct store *store)
{
    struct webhook dead = must_webhook(store);
    struct pg *early = another_pg();
    char id[40];
    int64_t before;

    (void)snprintf(id, sizeof(id), "%s", show(dead.id));
    use_over(store, early);
    sql_do("UPDATE webhook_endpoints SET events = '{run.failed}' WHERE id = '%s'", id);
    sql_do("INSERT INTO webhook_events (id, tenant_id, type, data, moved)"
           " SELECT penstock_uuid7(), tenant_id, 'run.failed', '{}', true"
           " FROM webhook_endpoints, generate_series(1, 200000) WHERE id = '%s'",
           id);
    sql_do("INSERT INTO webhook_deliveries (id, tenant_id, event_id, endpoint_id, lane, type,"
           "    state)"
           " SELECT penstock_uuid7(), tenant_id, id, '%s', '%s', type,"
           "    CASE WHEN row_number() OVER (ORDER BY id) %% 2 = 0 THEN 'pending'"
           "        ELSE 'delivered' END"
           " FROM webhook_events WHERE type = 'run.failed'",
           id, id);
    sql_do("INSERT INTO webhook_attempts (id, delivery_id, cause, duration_ms)"
           " SELECT penstock_uuid7(), id, 'event', 1 FROM webhook_deliveries"
           " WHERE state = 'delivered'");
    cr_assert_geq(sql_int("SELECT count(*) FROM webhook_deliveries WHERE state = 'pending'"),
                  100000);
    use_and_close(store, early, "with plans of empty tables");
    sql_do("ANALYZE");
    use_and_close(store, another_pg(), "with plans of full ones");
    before = rows_read();
    sql_do("SELECT count(*) FROM webhook_events WHERE data::text = 'x'");
    sql_settle();
    cr_assert_gt(rows_read() - before, 100000, "a scan would be seen");
}

Test(webhook_plans, read_little_however_much_waits_for_a_dead_one, .timeout = 300)
{
    with_store(reads_little);
}
