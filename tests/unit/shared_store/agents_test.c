/* Tests of agents and their versions. */

#include "fixture.h"

#include "shared/store/access/idempotency.h"
#include "shared/store/fleet/reaper.h"

static void keeps_versions(struct store *store)
{
    struct agent_draft draft = {
        .id = uuid_new(), .name = TEXT("Ada"), .spec = TEXT("{\"model\": \"one\"}")};
    struct page page = {.limit = 100, .ascending = true};
    struct agent_list versions;
    struct agent agent;

    MUST(agents_create(store, &draft, &agent, &test_err));
    cr_assert_eq(agent.version, 1);
    cr_assert(text_is(agent.name, "Ada"));
    GIVES(-E_CONFLICT, agents_create(store, &draft, &agent, &test_err));

    draft.spec = TEXT("{\"model\": \"two\"}");
    draft.name = TEXT_NONE;
    draft.expected_version = 1;
    MUST(agents_update(store, &draft, &agent, &test_err));
    cr_assert_eq(agent.version, 2);
    cr_assert_null(agent.name.ptr);
    GIVES(AGENT_CHANGED, agents_update(store, &draft, &agent, &test_err));
    draft.expected_version = 0;
    MUST(agents_update(store, &draft, &agent, &test_err));
    cr_assert_eq(agent.version, 3);

    MUST(agents_get(store, draft.id, &agent, &test_err));
    cr_assert_eq(agent.version, 3);
    cr_assert(text_is(agent.spec, "{\"model\": \"two\"}"));
    MUST(agents_get_version(store, draft.id, 1, &agent, &test_err));
    cr_assert(text_is(agent.spec, "{\"model\": \"one\"}"));
    GIVES(AGENT_MISSING, agents_get_version(store, draft.id, 4, &agent, &test_err));
    MUST(agents_list_versions(store, draft.id, -7, 2, &page, &versions, &test_err));
    cr_assert_eq(versions.count, 2);
    cr_assert_eq(versions.items[0].version, 1);
    cr_assert_eq(versions.items[1].version, 2);
    page = (struct page){.limit = 1};
    MUST(agents_list_versions(store, draft.id, 1, 3, &page, &versions, &test_err));
    cr_assert_eq(versions.count, 1);
    cr_assert_eq(versions.items[0].version, 3);
    cr_assert(versions.has_more);
    MUST(agents_list_versions(store, uuid_new(), 1, 9, &page, &versions, &test_err));
    cr_assert_eq(versions.count, 0);
}

Test(agents, keep_all_versions_and_update_by_compare_and_set)
{
    with_store(keeps_versions);
}

static void have_slugs(struct store *store)
{
    struct agent_draft one = {
        .id = uuid_new(), .slug = TEXT("one"), .spec = TEXT("{}"), .created_by = uuid_new()};
    struct agent_draft two = {.id = uuid_new(), .slug = TEXT("one"), .spec = TEXT("{}")};
    struct store other = *store;
    struct agent agent;
    struct uuid found;

    MUST(agents_create(store, &one, &agent, &test_err));
    cr_assert(uuid_equal(agent.created_by, one.created_by));
    MUST(agents_find(store, TEXT("one"), &found, &test_err));
    cr_assert(uuid_equal(found, one.id));
    GIVES(AGENT_MISSING, agents_find(store, TEXT("two"), &found, &test_err));
    GIVES(-E_CONFLICT, agents_create(store, &two, &agent, &test_err));
    GIVES(AGENT_MISSING, agents_get(store, two.id, &agent, &test_err));
    two.slug = TEXT_NONE;
    MUST(agents_create(store, &two, &agent, &test_err));
    cr_assert(uuid_is_zero(agent.created_by));
    two.slug = TEXT("one");
    GIVES(-E_CONFLICT, agents_update(store, &two, &agent, &test_err));
    /* Another tenant's is another one. */
    other.tenant = uuid_new();
    GIVES(AGENT_MISSING, agents_find(&other, TEXT("one"), &found, &test_err));
    two.id = uuid_new();
    MUST(agents_create(&other, &two, &agent, &test_err));
    /* What is given up, or deleted, is free. */
    one.slug = TEXT_NONE;
    MUST(agents_update(store, &one, &agent, &test_err));
    cr_assert(uuid_equal(agent.created_by, one.created_by));
    two.id = uuid_new();
    MUST(agents_create(store, &two, &agent, &test_err));
    MUST(agents_delete(store, two.id, &test_err));
    GIVES(AGENT_MISSING, agents_find(store, TEXT("one"), &found, &test_err));
    two.id = uuid_new();
    MUST(agents_create(store, &two, &agent, &test_err));
}

Test(agents, have_slugs_that_are_there_once_in_a_tenant)
{
    with_store(have_slugs);
}

static void deletes(struct store *store)
{
    struct page page = {.limit = 10};
    struct uuid id = must_agent(store);
    struct agent_draft draft = {.id = id, .spec = TEXT("{}")};
    struct agent_list list;
    struct agent agent;

    MUST(agents_delete(store, id, &test_err));
    GIVES(AGENT_MISSING, agents_delete(store, id, &test_err));
    GIVES(AGENT_MISSING, agents_get(store, id, &agent, &test_err));
    GIVES(AGENT_MISSING, agents_update(store, &draft, &agent, &test_err));
    MUST(agents_list(store, &page, &list, &test_err));
    cr_assert_eq(list.count, 0);
    cr_assert_not(list.has_more);
    MUST(agents_get_version(store, id, 1, &agent, &test_err));
}

Test(agents, once_deleted_are_missing_but_their_versions_stay)
{
    with_store(deletes);
}

static void isolates(struct store *store)
{
    struct store other = other_tenant(store, "globex");
    struct page page = {.limit = 10};
    struct uuid id = must_agent(store);
    struct agent_draft draft = {.id = id, .spec = TEXT("{}")};
    struct agent_list versions;
    struct agent_list list;
    struct agent agent;

    GIVES(AGENT_MISSING, agents_get(&other, id, &agent, &test_err));
    GIVES(AGENT_MISSING, agents_get_version(&other, id, 1, &agent, &test_err));
    MUST(agents_list_versions(&other, id, 1, 9, &page, &versions, &test_err));
    cr_assert_eq(versions.count, 0);
    GIVES(AGENT_MISSING, agents_update(&other, &draft, &agent, &test_err));
    GIVES(AGENT_MISSING, agents_delete(&other, id, &test_err));
    MUST(agents_list(&other, &page, &list, &test_err));
    cr_assert_eq(list.count, 0);
    MUST(agents_get(store, id, &agent, &test_err));
    cr_assert_eq(agent.version, 1);
}

Test(agents, of_another_tenant_do_not_exist)
{
    with_store(isolates);
}

/* The page must be these agents, given as indexes. */
static void check_page(const struct store *store, const struct uuid *ids, struct page page,
                       const char *want, bool has_more)
{
    struct agent_list list;
    char got[20] = "";

    MUST(agents_list(store, &page, &list, &test_err));
    for (size_t i = 0; i < list.count; i++) {
        for (int j = 0; j < 5; j++) {
            if (uuid_equal(list.items[i].id, ids[j]))
                got[i] = (char)('0' + j);
        }
    }
    cr_assert_str_eq(got, want);
    cr_assert_eq(list.has_more, has_more);
}

static void pages(struct store *store)
{
    struct uuid ids[5];

    for (int i = 0; i < 5; i++)
        ids[i] = must_agent(store);
    check_page(store, ids, (struct page){.limit = 2}, "43", true);
    check_page(store, ids, (struct page){.limit = 5}, "43210", false);
    check_page(store, ids, (struct page){.limit = 2, .after = ids[3]}, "21", true);
    check_page(store, ids, (struct page){.limit = 2, .after = ids[1]}, "0", false);
    check_page(store, ids, (struct page){.limit = 2, .before = ids[1]}, "32", true);
    check_page(store, ids, (struct page){.limit = 9, .before = ids[4]}, "", false);
    check_page(store, ids, (struct page){.limit = 9, .after = ids[4], .before = ids[1]}, "32",
               false);
    check_page(store, ids, (struct page){.limit = 2, .ascending = true}, "01", true);
    check_page(store, ids, (struct page){.limit = 2, .ascending = true, .after = ids[2]}, "34",
               false);
    check_page(store, ids, (struct page){.limit = 2, .ascending = true, .before = ids[3]}, "12",
               true);
    check_page(store, ids, (struct page){.limit = 9, .ascending = true, .before = ids[2]}, "01",
               false);
    MUST(agents_delete(store, ids[2], &test_err));
    check_page(store, ids, (struct page){.limit = 1, .after = ids[2]}, "1", true);
}

Test(agents, are_listed_by_cursors_in_both_directions)
{
    with_store(pages);
}

struct racer {
    const struct store *store;
    struct uuid agent;
    int *won;
};

static void race_update(void *arg)
{
    struct racer *racer = arg;
    struct agent_draft draft = {.id = racer->agent, .spec = TEXT("{}"), .expected_version = 1};
    struct agent agent;
    int r;

    r = agents_update(racer->store, &draft, &agent, &test_err);
    cr_assert(r == 0 || r == AGENT_CHANGED);
    *racer->won += r == 0;
}

static void races(struct store *store)
{
    struct store second = *store;
    struct arena arena;
    struct fiber *fibers[20];
    int won = 0;
    struct racer racers[2] = {{store, must_agent(store), &won}, {&second, {{0}}, &won}};

    arena_init(&arena, 0);
    second.pg = another_pg();
    second.arena = &arena;
    racers[1].agent = racers[0].agent;
    for (int i = 0; i < 20; i++)
        fibers[i] = fiber_start("racer", race_update, &racers[i % 2]);
    for (int i = 0; i < 20; i++)
        fiber_join(fibers[i]);
    cr_assert_eq(won, 1);
    cr_assert_eq(sql_int("SELECT count(*) FROM agent_versions"), 2);
    pg_close(second.pg);
    arena_deinit(&arena);
}

Test(agents, are_updated_by_exactly_one_of_many_who_expect_the_same_version)
{
    with_store(races);
}

static struct idempotency_request request_of(const char *key, uint8_t hash, struct uuid object)
{
    struct idempotency_request request = {.key = text_of(key), .object = object};

    memset(request.hash, hash, sizeof(request.hash));
    return request;
}

static void replays(struct store *store)
{
    struct uuid object = uuid_new();
    struct idempotency_request request = request_of("k1", 1, object);
    struct idempotency_request again = request_of("k1", 1, uuid_new());
    struct idempotency_request differs = request_of("k1", 2, uuid_new());
    struct store other = other_tenant(store, "globex");
    struct idempotency_reply reply;

    MUST(idempotency_begin(store, &request, &reply, &test_err));
    cr_assert(uuid_equal(reply.object, object));
    GIVES(REQUEST_RUNNING, idempotency_begin(store, &again, &reply, &test_err));
    GIVES(REQUEST_DIFFERS, idempotency_begin(store, &differs, &reply, &test_err));
    MUST(idempotency_begin(&other, &again, &reply, &test_err));
    MUST(idempotency_complete(store, TEXT("k1"), 200, TEXT("{\"id\": \"x\"}"), &test_err));
    MUST(idempotency_complete(store, TEXT("k1"), 500, TEXT("{}"), &test_err));
    GIVES(REQUEST_REPLAYED, idempotency_begin(store, &again, &reply, &test_err));
    cr_assert_eq(reply.status_code, 200);
    cr_assert(text_is(reply.body, "{\"id\": \"x\"}"));
    cr_assert(uuid_equal(reply.object, object));
    GIVES(REQUEST_DIFFERS, idempotency_begin(store, &differs, &reply, &test_err));
    MUST(idempotency_abandon(store, &request, &test_err));
    MUST(idempotency_release(store, &request, &test_err));
    GIVES(REQUEST_REPLAYED, idempotency_begin(store, &again, &reply, &test_err));
}

Test(idempotency, replays_the_first_reply_and_tells_other_requests_apart)
{
    with_store(replays);
}

static void takes_over(struct store *store)
{
    struct uuid object = uuid_new();
    struct idempotency_request request = request_of("k", 1, object);
    struct idempotency_request again = request_of("k", 1, uuid_new());
    struct idempotency_reply reply;

    MUST(idempotency_begin(store, &request, &reply, &test_err));
    sql_do("UPDATE idempotency_keys SET created_at = now() - interval '61 s'");
    MUST(idempotency_begin(store, &again, &reply, &test_err));
    cr_assert(uuid_equal(reply.object, object), "the first one's id is used on");
    MUST(idempotency_abandon(store, &request, &test_err));
    GIVES(REQUEST_RUNNING, idempotency_begin(store, &request, &reply, &test_err));
    MUST(idempotency_abandon(store, &again, &test_err));
    MUST(idempotency_begin(store, &again, &reply, &test_err));
    cr_assert(uuid_equal(reply.object, again.object));
    again.key = TEXT("");
    GIVES(-E_INVALID, idempotency_begin(store, &again, &reply, &test_err));
}

Test(idempotency, gives_a_key_to_the_next_after_its_claimer_died_or_gave_up)
{
    with_store(takes_over);
}

static void repeats(struct store *store)
{
    struct uuid object = uuid_new();
    struct idempotency_request request = request_of("k", 1, object);
    struct idempotency_request next = request_of("k", 1, uuid_new());
    struct idempotency_request third = request_of("k", 1, uuid_new());
    struct idempotency_reply reply;

    for (int i = 0; i < 2; i++) {
        MUST(idempotency_begin(store, &request, &reply, &test_err));
        cr_assert(uuid_equal(reply.object, object));
    }
    GIVES(REQUEST_RUNNING, idempotency_begin(store, &next, &reply, &test_err));
    MUST(idempotency_release(store, &next, &test_err));
    GIVES(REQUEST_RUNNING, idempotency_begin(store, &next, &reply, &test_err));
    MUST(idempotency_release(store, &request, &test_err));
    for (int i = 0; i < 2; i++) {
        MUST(idempotency_begin(store, &next, &reply, &test_err));
        cr_assert(uuid_equal(reply.object, object), "what was done is found by the first id");
    }
    GIVES(REQUEST_RUNNING, idempotency_begin(store, &third, &reply, &test_err));
    MUST(idempotency_complete(store, TEXT("k"), 200, TEXT("{}"), &test_err));
    MUST(idempotency_release(store, &next, &test_err));
    GIVES(REQUEST_REPLAYED, idempotency_begin(store, &third, &reply, &test_err));
}

Test(idempotency, knows_a_repeated_claim_and_takes_a_released_one_over_at_once)
{
    with_store(repeats);
}

static void remembers_tries(struct store *store)
{
    const uint8_t hash[SHA256_BYTES] = {1};
    const uint8_t other_hash[SHA256_BYTES] = {2};
    struct store other = other_tenant(store, "globex");
    struct thread_draft first = {.id = uuid_new()};
    struct thread_draft second = {.id = uuid_new()};
    struct idempotency_trace trace;
    struct reaper_report report;
    struct uuid fresh = uuid_new();
    struct thread thread;
    struct uuid found;

    /* Of two first tries the latest counts. */
    idempotency_trace_init(&trace, store, hash, first.id);
    store->rider = &trace.rider;
    MUST(threads_create(store, &first, &thread, &test_err));
    idempotency_trace_init(&trace, store, hash, second.id);
    MUST(threads_create(store, &second, &thread, &test_err));
    GIVES(-E_CONFLICT, threads_create(store, &first, &thread, &test_err));
    store->rider = NULL;
    cr_assert_eq(sql_int("SELECT count(*) FROM threads"), 2);
    MUST(idempotency_recall(store, hash, fresh, &found, &test_err));
    cr_assert(uuid_equal(found, second.id));
    MUST(idempotency_recall(&other, hash, fresh, &found, &test_err));
    cr_assert(uuid_equal(found, fresh));
    MUST(idempotency_recall(store, other_hash, fresh, &found, &test_err));
    cr_assert(uuid_equal(found, fresh));
    MUST(idempotency_recall(store, other_hash, uuid_new(), &found, &test_err));
    cr_assert(uuid_equal(found, fresh), "what a later try leaves is found as well");

    sql_do("UPDATE idempotency_keys SET created_at = created_at - interval '14 min'");
    MUST(reaper_sweep(store->pg, NULL, &report, &test_err));
    cr_assert_eq(sql_int("SELECT count(*) FROM idempotency_keys"), 3);
    sql_do("UPDATE idempotency_keys SET created_at = created_at - interval '1 min'");
    MUST(idempotency_recall(store, hash, fresh, &found, &test_err));
    cr_assert(uuid_equal(found, fresh), "what is too old names nothing");
    MUST(reaper_sweep(store->pg, NULL, &report, &test_err));
    cr_assert_eq(sql_int("SELECT count(*) FROM idempotency_keys"), 1);
}

Test(idempotency, knows_the_next_try_of_a_request_without_a_key_for_some_minutes)
{
    with_store(remembers_tries);
}

static void agent_versions_end(struct store *store)
{
    struct uuid agent = must_agent(store);
    struct agent_draft draft = {.id = agent, .spec = TEXT("{}")};
    struct agent made;

    sql_do("UPDATE agents SET version = 1500; UPDATE agent_versions SET version = 1500;"
           "INSERT INTO agent_versions (agent_id, version, spec)"
           " SELECT id, n, '{}' FROM agents, generate_series(1, 1499) n");
    MUST(agents_update(store, &draft, &made, &test_err));
    cr_assert_eq(sql_int("SELECT count(*) FROM agent_versions"), AGENT_VERSIONS_KEPT);
    cr_assert_eq(sql_int("SELECT min(version) FROM agent_versions"), 502);
}

Test(agents, the_oldest_versions_of_an_agent_are_forgotten)
{
    with_store(agent_versions_end);
}
