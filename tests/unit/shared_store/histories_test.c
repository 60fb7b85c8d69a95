/* Tests of the histories that come with a claim: each is the newest part of what messages_history
 * gives, as far as its bounds go, whatever runs are claimed with it. */

#include "fixture.h"

#include "shared/store/threads/histories.h"

#define MANY 60

static const struct history_limits wide = {.count = 4000, .bytes = 1 << 23};

static bool same(struct text a, struct text b)
{
    return !a.ptr == !b.ptr && text_equal(a, b);
}

static void check_message(const struct message *a, const struct message *b)
{
    cr_assert(uuid_equal(a->id, b->id));
    cr_assert(uuid_equal(a->thread_id, b->thread_id));
    cr_assert(uuid_equal(a->run_id, b->run_id));
    cr_assert(uuid_equal(a->agent_id, b->agent_id));
    cr_assert_eq(a->position, b->position);
    cr_assert_eq(a->seq, b->seq);
    cr_assert_eq(a->role, b->role);
    cr_assert_eq(a->hidden, b->hidden);
    cr_assert(same(a->content, b->content));
    cr_assert(same(a->tool_calls, b->tool_calls));
    cr_assert(same(a->tool_call_id, b->tool_call_id));
    cr_assert(same(a->opaque, b->opaque));
    cr_assert(same(a->attachments, b->attachments));
    cr_assert(same(a->metadata, b->metadata));
    cr_assert(same(a->status, b->status));
    cr_assert_eq(a->created_at, b->created_at);
}

/* A thread with messages of `bytes` characters. */
static struct uuid thread_of(const struct store *store, int messages, int bytes)
{
    struct uuid thread = must_thread(store);

    sql_do("INSERT INTO messages (id, tenant_id, thread_id, role, content)"
           "  SELECT gen_random_uuid(), '%s', '%s', 'user', to_jsonb(ARRAY[repeat('x', %d)])"
           "  FROM generate_series(1, %d)",
           show(store->tenant), show(thread), bytes, messages);
    return thread;
}

/* All kinds of messages, of which some threads have none and some too much for a group. */
static struct uuid any_thread(const struct store *store)
{
    static const int counts[] = {0, 1, 4, 20, 99, 100, 101, 130};
    static const int sizes[] = {0, 30, 300, 3000, 40000, 70000};
    struct uuid thread = must_thread(store);
    int count = counts[random_below(ARRAY_LENGTH(counts))];
    size_t room = count > 20 ? 3 : ARRAY_LENGTH(sizes);

    sql_do("INSERT INTO messages (id, tenant_id, thread_id, role, hidden, content, tool_calls,"
           "    tool_call_id, opaque, attachments, metadata, run_id, seq, agent_id)"
           "  SELECT gen_random_uuid(), '%s', '%s', (ARRAY['user', 'assistant',"
           "    'tool'])[1 + n %% 3]::message_role, n %% 3 = 2,"
           "    jsonb_build_array(n, repeat('\xc3\xa9', (random() * %d)::int)),"
           "    CASE WHEN n %% 3 = 1 THEN jsonb_build_array(repeat('t', n)) END,"
           "    CASE WHEN n %% 3 = 2 THEN 'call' || n END,"
           "    CASE WHEN n %% 5 = 0 THEN jsonb_build_object('o', repeat('p', n * 9)) END,"
           "    CASE WHEN n %% 7 = 0 THEN '[]'::jsonb END,"
           "    CASE WHEN n %% 4 = 0 THEN '{\"a\": \"b\"}'::jsonb ELSE '{}' END,"
           "    CASE WHEN n %% 3 > 0 THEN '%s'::uuid END, n, gen_random_uuid()"
           "  FROM generate_series(1, %d) n",
           show(store->tenant), show(thread), sizes[random_below(room)], show(uuid_new()), count);
    return thread;
}

static struct uuid queued_on(const struct store *store, struct uuid thread)
{
    struct run_draft draft = run_of(thread, must_agent(store));
    struct run run;

    MUST(runs_create(store, &draft, &run, NULL, &test_err));
    return run.id;
}

/* What the claim says of a thread is what messages_history does, or its newest part. Returns the
 * number of messages; -1: nothing is said. */
static int check_history(const struct store *store, const struct histories *histories,
                         const struct run_claim *claim)
{
    struct store owner = *store;
    struct message_list want;
    struct message_list got;
    int r =
        histories_get(histories, claim->place, HISTORY_CLAIM_COUNT, store->arena, &got, &test_err);

    owner.tenant = claim->tenant_id;
    MUST(messages_history(&owner, claim->thread_id, &wide, &want, &test_err));
    if (r == HISTORY_UNKNOWN)
        return -1;
    MUST(r);
    cr_assert(got.count > 0 && got.count <= want.count);
    cr_assert_eq(got.has_more, got.count < want.count, "%zu of %zu", got.count, want.count);
    for (size_t i = 0; i < got.count; i++)
        check_message(&got.items[i], &want.items[want.count - got.count + i]);
    return (int)got.count;
}

static void is_the_same(struct store *store)
{
    struct store other = other_tenant(store, "other");
    int64_t worker = must_worker(store);
    struct uuid runs[MANY];
    struct uuid threads[MANY];
    struct run_claim_list claims;
    struct histories histories;
    int known = 0;

    for (size_t i = 0; i < MANY; i++) {
        struct store *whose = i % 5 == 1 ? &other : store;

        threads[i] = any_thread(whose);
        runs[i] = i % 11 == 0 ? uuid_new() : queued_on(whose, threads[i]);
    }
    MUST(run_leases_claim_read(store->pg, store->arena, worker, runs, MANY, &claims, &histories,
                               &test_err));
    cr_assert_eq(claims.count, MANY - (MANY + 10) / 11);
    for (size_t i = 0; i < claims.count; i++) {
        cr_assert(uuid_equal(runs[claims.items[i].place], claims.items[i].lease.run));
        known += check_history(store, &histories, &claims.items[i]) > 0;
    }
    cr_assert_gt(known, MANY / 4);
    for (size_t i = 0; i < MANY; i += 11) {
        struct message_list none;

        GIVES(HISTORY_UNKNOWN,
              histories_get(&histories, i, HISTORY_CLAIM_COUNT, store->arena, &none, &test_err));
    }
    histories_deinit(&histories);
}

Test(histories, come_with_a_claim_as_messages_history_gives_them)
{
    with_store(is_the_same);
}

static int claimed_of(const struct store *store, struct uuid thread)
{
    struct uuid runs[2] = {queued_on(store, thread), queued_on(store, thread_of(store, 3, 100))};
    struct run_claim_list claims;
    struct histories histories;
    int count = -2;

    MUST(run_leases_claim_read(store->pg, store->arena, must_worker(store), runs, 2, &claims,
                               &histories, &test_err));
    cr_assert_eq(claims.count, 2);
    for (size_t i = 0; i < 2; i++) {
        int found = check_history(store, &histories, &claims.items[i]);

        if (claims.items[i].place == 0)
            count = found;
        else
            cr_assert_eq(found, 3);
    }
    histories_deinit(&histories);
    return count;
}

/* As many bytes as `["..."]` and `{}` leave of the bound. */
static void bounds(struct store *store)
{
    cr_assert_eq(claimed_of(store, thread_of(store, HISTORY_CLAIM_COUNT, 10)), HISTORY_CLAIM_COUNT);
    cr_assert_eq(claimed_of(store, thread_of(store, HISTORY_CLAIM_COUNT + 1, 10)),
                 HISTORY_CLAIM_COUNT);
    cr_assert_eq(claimed_of(store, thread_of(store, 1, HISTORY_CLAIM_BYTES - 6)), 1);
    cr_assert_eq(claimed_of(store, thread_of(store, 1, HISTORY_CLAIM_BYTES - 5)), -1);
    cr_assert_eq(claimed_of(store, thread_of(store, 2, HISTORY_CLAIM_BYTES / 2 - 6)), 2);
    cr_assert_eq(claimed_of(store, thread_of(store, 2, HISTORY_CLAIM_BYTES / 2 - 5)), 1);
    cr_assert_eq(claimed_of(store, thread_of(store, 1, 1000000)), -1);
    cr_assert_eq(claimed_of(store, must_thread(store)), -1);
}

Test(histories, of_a_claim_are_bounded)
{
    with_store(bounds);
}

/* Four megabytes that take 44 KB on disk, older than what is small, and as the newest. */
static void long_ones(struct store *store)
{
    struct uuid thread = thread_of(store, 1, 3800000);

    sql_do("INSERT INTO messages (id, tenant_id, thread_id, role, content)"
           "  SELECT gen_random_uuid(), tenant_id, id, 'user', '[]' FROM threads, "
           "generate_series(1, 2)"
           "  WHERE id = '%s'",
           show(thread));
    cr_assert_eq(claimed_of(store, thread), 2);
    cr_assert_eq(claimed_of(store, thread_of(store, 20, 3800000)), -1);
}

Test(histories, of_a_claim_end_before_what_is_long)
{
    with_store(long_ones);
}

static void arena_full(struct store *store)
{
    struct uuid run = queued_on(store, thread_of(store, 10, 1000));
    struct run_claim_list claims;
    struct histories histories;
    struct message_list list;
    struct arena small;

    MUST(run_leases_claim_read(store->pg, store->arena, must_worker(store), &run, 1, &claims,
                               &histories, &test_err));
    arena_init(&small, 5000);
    GIVES(-E_LIMIT, histories_get(&histories, 0, HISTORY_CLAIM_COUNT, &small, &list, &test_err));
    arena_deinit(&small);
    MUST(histories_get(&histories, 0, HISTORY_CLAIM_COUNT, store->arena, &list, &test_err));
    cr_assert_eq(list.count, 10);
    histories_deinit(&histories);
}

Test(histories, say_when_an_arena_is_full)
{
    with_store(arena_full);
}

/* One that can't be read is no reason to lose a claim, or to make half of one. */
static void spoils(struct store *store)
{
    int64_t worker = must_worker(store);
    struct uuid bad = thread_of(store, 1, 100);
    struct uuid runs[2] = {queued_on(store, thread_of(store, 4, 100)), queued_on(store, bad)};
    struct run_claim_list claims;
    struct histories histories;
    struct store used = *store;

    sql_do("ALTER TABLE messages RENAME TO stored;"
           "CREATE FUNCTION spoil(uuid, jsonb) RETURNS jsonb LANGUAGE plpgsql AS"
           "  $$ BEGIN IF $1 = '%s' THEN RAISE 'spoilt'; END IF; RETURN $2; END $$;"
           "CREATE VIEW messages AS SELECT id, tenant_id, thread_id, position, run_id, seq,"
           "  agent_id, role, hidden, spoil(thread_id, content) AS content, tool_calls,"
           "  tool_call_id, opaque, attachments, metadata, status, incomplete_reason, created_at "
           "FROM stored",
           show(bad));
    used.pg = another_pg();
    GIVES(-E_CONTENT, run_leases_claim_read(used.pg, used.arena, worker, runs, 2, &claims,
                                            &histories, &test_err));
    cr_assert(strstr(test_err.text, "spoilt"), "%s", test_err.text);
    histories_deinit(&histories);
    MUST(run_leases_claim(used.pg, used.arena, worker, runs, 2, &claims, &test_err));
    cr_assert_eq(claims.count, 2);
    cr_assert_eq(claims.items[0].lease.fence, 1, "the first one changed nothing");
    pg_close(used.pg);
}

Test(histories, that_can_not_be_read_leave_the_runs_to_a_claim_without)
{
    with_store(spoils);
}
