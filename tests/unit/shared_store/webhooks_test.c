/* Webhooks and their outbox: what is told of, to whom, by which statement, and what becomes
 * of it. */

#include "fixture.h"

#include "shared/hooks/hook_types.h"
#include "shared/store/hooks/outbox.h"
#include "shared/store/hooks/webhook_log.h"
#include "shared/store/hooks/webhooks.h"

static struct webhook must_webhook(const struct store *store, const char *events)
{
    struct webhook wanted = {.id = uuid_new(),
                             .url = TEXT("https://example.com/hook"),
                             .events = text_of(events),
                             .secret = {.len = HOOK_SECRET_BYTES}};
    struct webhook webhook;

    random_bytes(wanted.secret.bytes, HOOK_SECRET_BYTES);
    MUST(webhook_create(store, &wanted, &webhook, &test_err));
    return webhook;
}

static void move_all(const struct store *store)
{
    int64_t moved;

    do
        MUST(outbox_move(store->pg, &moved, &test_err));
    while (moved == OUTBOX_MOVE_MAX);
}

static struct outbox_taken take(const struct store *store, int64_t room)
{
    struct outbox_wish wish = {.holder = 1, .lane_max = 8, .room = room};
    struct outbox_taken taken;

    MUST(outbox_take(store, &wish, &taken, &test_err));
    return taken;
}

static void settle(const struct store *store, struct uuid delivery, enum outbox_end end,
                   int64_t wait_ms)
{
    struct outbox_outcome outcome = {.id = delivery,
                                     .end = end,
                                     .status = end == OUTBOX_DELIVERED ? 200 : 500,
                                     .duration_ms = 7,
                                     .wait_ms = wait_ms};
    struct outbox_disabled_list off;

    MUST(outbox_settle(store, 1, &outcome, 1, &off, &test_err));
}

static void end(struct uuid run, const char *status)
{
    sql_do("UPDATE runs SET status = '%s', completed_at = now() WHERE id = '%s'", status,
           show(run));
}

#define EVENTS(what)     sql_int("SELECT count(*) FROM webhook_events WHERE " what)
#define DELIVERIES(what) sql_int("SELECT count(*) FROM webhook_deliveries WHERE " what)

static void tells_once(struct store *store)
{
    struct run before = must_run(store);
    struct webhook webhook = must_webhook(store, "[\"run.completed\", \"run.failed\"]");
    struct run run = must_run(store);
    struct run other = must_run(store);
    struct outbox_taken taken;

    end(before.id, "completed");
    cr_assert_eq(EVENTS("true"), 0, "a run that nobody marked tells nothing");
    end(run.id, "in_progress");
    end(run.id, "completed");
    end(run.id, "completed");
    end(other.id, "cancelled");
    cr_assert_eq(EVENTS("true"), 1, "one that is wanted, once");
    move_all(store);
    taken = take(store, 10);
    cr_assert_eq(taken.count, 1);
    cr_assert(uuid_equal(taken.items[0].endpoint, webhook.id));
    cr_assert(text_is(taken.items[0].type, "run.completed"));
    cr_assert_eq(take(store, 10).count, 0, "it is held");
    settle(store, taken.items[0].id, OUTBOX_DELIVERED, 0);
    cr_assert_eq(DELIVERIES("state = 'delivered' AND tries = 1"), 1);
    cr_assert_eq(sql_int("SELECT count(*) FROM webhook_attempts WHERE duration_ms = 7"), 1);
}

Test(webhooks, an_end_that_somebody_wants_is_told_once)
{
    with_store(tells_once);
}

static void marks(struct store *store)
{
    struct run before = must_run(store);
    bool more = true;

    (void)must_webhook(store, "[\"*\"]");
    while (more)
        MUST(outbox_mark(store->pg, &more, &test_err));
    cr_assert_eq(sql_int("SELECT marks_left FROM webhook_endpoints"), 1);
    MUST(outbox_mark(store->pg, &more, &test_err));
    cr_assert_eq(sql_int("SELECT marks_left FROM webhook_endpoints"), 1, "the second begins later");
    sql_do("UPDATE webhook_endpoints SET created_at = now() - interval '1 minute'");
    MUST(outbox_mark(store->pg, &more, &test_err));
    cr_assert_eq(sql_int("SELECT marks_left FROM webhook_endpoints"), 0);
    end(before.id, "failed");
    cr_assert_eq(EVENTS("type = 'run.failed'"), 1);
}

Test(webhooks, runs_that_were_there_before_are_marked)
{
    with_store(marks);
}

static void others(struct store *store)
{
    struct store other = other_tenant(store, "other");

    (void)must_webhook(&other, "[\"*\"]");
    end(must_run(store).id, "completed");
    cr_assert_eq(EVENTS("true"), 0);
}

Test(webhooks, nothing_is_told_to_another_tenant)
{
    with_store(others);
}

static void filters_agree(struct store *store)
{
    static const char *const filters[] = {
        "*",        "run.*",         "run.completed", "response.*", "batch.*",
        "budget.*", "schedule.late", "ru.*",          "schedule.*", "response.failed"};
    static const char *const types[] = {"run.completed", "run.failed",      "response.failed",
                                        "batch.expired", "budget.exceeded", "schedule.late"};

    (void)store;
    for (size_t f = 0; f < ARRAY_LENGTH(filters); f++)
        for (size_t t = 0; t < ARRAY_LENGTH(types); t++)
            cr_assert_eq(sql_int("SELECT penstock_webhook_wants(ARRAY['%s'], '%s')::int",
                                 filters[f], types[t]),
                         hook_filter_wants(text_of(filters[f]), text_of(types[t])), "%s of %s",
                         types[t], filters[f]);
}

Test(webhooks, filters_are_the_same_in_sql_and_in_the_program)
{
    with_store(filters_agree);
}

static void own_url(struct store *store)
{
    char name[ID_TEXT_SIZE];
    struct webhook webhook = must_webhook(store, "[]");
    struct run run = must_run(store);
    struct run broken = must_run(store);
    struct outbox_taken taken;

    id_format(ID_WEBHOOK, webhook.id, name);
    sql_do("UPDATE runs SET spec = '{\"a\":1,\"webhook\":{\"url\":\"https://Example.org/x\","
           "\"endpoint\":\"%s\"}}' WHERE id = '%s'",
           name, show(run.id));
    sql_do(
        "UPDATE runs SET spec = '{\"a\":\"\\u0000\",\"webhook\":{\"url\":\"x\"}}' WHERE id = '%s'",
        show(broken.id));
    end(run.id, "completed");
    end(broken.id, "completed");
    cr_assert_eq(sql_int("SELECT count(*) FROM runs WHERE status = 'completed'"), 2);
    move_all(store);
    taken = take(store, 10);
    cr_assert_eq(taken.count, 1);
    cr_assert(text_is(taken.items[0].url, "https://Example.org/x"));
    cr_assert(!uuid_equal(taken.items[0].lane, webhook.id), "its failures are not the webhook's");
    cr_assert_eq(memcmp(taken.items[0].secret.bytes, webhook.secret.bytes, HOOK_SECRET_BYTES), 0);
}

Test(webhooks, a_run_may_name_a_url_and_one_that_is_broken_ends_all_the_same)
{
    with_store(own_url);
}

static void backs_off(struct store *store)
{
    struct webhook dead = must_webhook(store, "[\"run.*\"]");
    struct webhook live = must_webhook(store, "[\"run.*\"]");
    struct outbox_taken taken;
    size_t of_dead = 0;

    for (int i = 0; i < 30; i++)
        end(must_run(store).id, "completed");
    move_all(store);
    taken = take(store, 100);
    cr_assert_eq(taken.count, 16, "eight of each lane");
    for (size_t i = 0; i < taken.count; i++) {
        bool is_dead = uuid_equal(taken.items[i].lane, dead.id);

        of_dead += is_dead;
        settle(store, taken.items[i].id, is_dead ? OUTBOX_FAILED : OUTBOX_DELIVERED, 5000);
    }
    cr_assert_eq(of_dead, 8);
    taken = take(store, 100);
    cr_assert_eq(taken.count, 8, "of the one that is well");
    for (size_t i = 0; i < taken.count; i++)
        cr_assert(uuid_equal(taken.items[i].lane, live.id));
    sql_do("UPDATE webhook_lanes SET not_before = now()");
    taken = take(store, 100);
    of_dead = 0;
    for (size_t i = 0; i < taken.count; i++)
        of_dead += uuid_equal(taken.items[i].lane, dead.id);
    cr_assert_eq(of_dead, 1, "one tries whether the other is back");
    sql_do("UPDATE webhook_lanes SET failing_since = now() - interval '6 days'");
    for (size_t i = 0; i < taken.count; i++)
        if (uuid_equal(taken.items[i].lane, dead.id))
            settle(store, taken.items[i].id, OUTBOX_FAILED, 5000);
    cr_assert_eq(sql_int("SELECT count(*) FROM webhook_endpoints WHERE id = '%s' AND state = "
                         "'disabled' AND reason = 'failing'",
                         show(dead.id)),
                 1);
    cr_assert_eq(EVENTS("type = 'webhook_endpoint.disabled'"), 0, "nobody asked to be told");
}

Test(webhooks, a_lane_that_fails_is_tried_by_one_and_in_the_end_not_at_all)
{
    with_store(backs_off);
}

static void disabled(struct store *store)
{
    struct webhook gone = must_webhook(store, "[\"run.*\"]");
    struct outbox_taken taken;
    struct webhook seen;
    int64_t recovered;
    bool more;

    (void)must_webhook(store, "[\"webhook_endpoint.*\"]");
    for (int i = 0; i < 10; i++)
        end(must_run(store).id, "completed");
    move_all(store);
    taken = take(store, 1);
    settle(store, taken.items[0].id, OUTBOX_GONE, -1);
    MUST(webhook_get(store, gone.id, &seen, &test_err));
    cr_assert(!seen.enabled && text_is(seen.reason, "gone"));
    cr_assert_eq(EVENTS("type = 'webhook_endpoint.disabled'"), 1);
    cr_assert_eq(take(store, 100).count, 0);
    MUST(outbox_skip(store->pg, &more, &test_err));
    cr_assert_eq(DELIVERIES("state = 'skipped'"), 9);
    seen.enabled = true;
    MUST(webhook_update(store, &seen, &seen, &test_err));
    MUST(webhook_recover(store, gone.id, 0, 0, &recovered, &test_err));
    cr_assert_eq(recovered, 10);
    cr_assert_eq(take(store, 100).count, 8);
    MUST(webhook_recover(store, gone.id, 0, 0, &recovered, &test_err));
    cr_assert_eq(recovered, 0, "all wait");
    sql_do("UPDATE webhook_events SET id = '00000000-0000-7000-8000-000000000000'"
           " WHERE id = (SELECT id FROM webhook_events WHERE type = 'run.completed' LIMIT 1)");
    sql_do("INSERT INTO webhook_lanes SELECT gen_random_uuid(), 9, now() - interval '9 days',"
           "    now() - days * interval '1 day' FROM unnest(ARRAY[3, 5]) AS days");
    sql_do("INSERT INTO webhook_lanes SELECT id, 9, now(), now() - interval '5 days'"
           " FROM webhook_endpoints ON CONFLICT (lane) DO UPDATE SET not_before = now()");
    MUST(outbox_forget(store->pg, 7, &more, &test_err));
    cr_assert_eq(EVENTS("type = 'run.completed'"), 9);
    cr_assert_eq(sql_int("SELECT count(*) FROM webhook_lanes WHERE lane NOT IN"
                         "    (SELECT id FROM webhook_endpoints)"),
                 1, "a host that nobody has named for days is forgotten");
    cr_assert_eq(sql_int("SELECT count(*) FROM webhook_lanes WHERE lane IN"
                         "    (SELECT id FROM webhook_endpoints)"),
                 sql_int("SELECT count(*) FROM webhook_endpoints"));
}

Test(webhooks, one_that_is_gone_is_disabled_and_what_it_missed_can_be_recovered)
{
    with_store(disabled);
}

static void texts(struct store *store)
{
    struct run run;
    struct webhook wanted = {.id = uuid_new(),
                             .url = TEXT("https://example.com"),
                             .events = TEXT("[\"run.*\"]"),
                             .full_payload = true,
                             .secret = {.len = HOOK_SECRET_BYTES}};
    struct outbox_taken taken;
    int shorts = 0;

    MUST(webhook_create(store, &wanted, &wanted, &test_err));
    for (int i = 0; i < 3; i++) {
        static const char *const said[] = {"'short'", "repeat('x', 100000)",
                                           "repeat(chr(1), 100000)"};

        run = must_run(store);
        sql_do("WITH m AS (INSERT INTO messages (id, tenant_id, thread_id, role, content)"
               " SELECT gen_random_uuid(), r.tenant_id, r.thread_id, 'assistant',"
               "     jsonb_build_array(jsonb_build_object('type', 'text', 'text', %s))"
               " FROM runs r WHERE r.id = '%s' RETURNING id, thread_id)"
               " UPDATE runs r SET result_message = m.id FROM m WHERE r.thread_id = m.thread_id",
               said[i], show(run.id));
        sql_do(
            "UPDATE runs SET metadata = jsonb_build_object('k', repeat('m', 9000)) WHERE id = '%s'",
            show(run.id));
        end(run.id, "completed");
    }
    move_all(store);
    taken = take(store, 10);
    cr_assert_eq(taken.count, 3);
    for (size_t i = 0; i < taken.count; i++) {
        const char *text = taken.items[i].texts.ptr;
        bool is_short = strcmp(text, "{\"output\":\"short\"}") == 0;

        cr_assert_lt(taken.items[i].texts.len + taken.items[i].data.len, 19000);
        cr_assert(is_short || strstr(text, "\"output_truncated\":true"), "%.300s", text);
        shorts += is_short;
    }
    cr_assert_eq(shorts, 1);
}

Test(webhooks, texts_go_along_for_who_wants_them_and_are_bounded)
{
    with_store(texts);
}

static void emits(struct store *store)
{
    char tenant[UUID_TEXT_SIZE];

    uuid_format(store->tenant, tenant);
    sql_do("SELECT penstock_webhook_emit('%s', 'budget.exceeded', 'budget_1', NULL)", tenant);
    cr_assert_eq(EVENTS("true"), 0);
    (void)must_webhook(store, "[\"budget.*\"]");
    sql_do("SELECT penstock_webhook_emit('%s', 'budget.exceeded', 'budget_1', '{\"status\": "
           "\"over\"}')",
           tenant);
    cr_assert_eq(EVENTS("data ->> 'id' = 'budget_1' AND data ->> 'status' = 'over'"), 1);
}

Test(webhooks, any_statement_may_tell)
{
    with_store(emits);
}

static void has_room(struct store *store)
{
    struct webhook wanted = {.id = uuid_new(),
                             .url = TEXT("https://x.example"),
                             .events = TEXT("[]"),
                             .secret = {.len = 32}};

    for (int i = 0; i < WEBHOOKS_MAX; i++)
        (void)must_webhook(store, "[]");
    GIVES(WEBHOOKS_FULL, webhook_create(store, &wanted, &wanted, &test_err));
}

Test(webhooks, a_tenant_has_so_many_at_most)
{
    with_store(has_room);
}
