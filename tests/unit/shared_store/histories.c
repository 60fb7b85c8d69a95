/* Tests of histories read in groups: each is what messages_history gives, whoever else asks. */

#include "fixture.h"

#include "shared/store/histories.h"

#define MANY 150

struct reader {
    struct histories *histories;
    struct store store; /* its arena is this reader's */
    struct arena arena;
    struct uuid thread;
    struct history_limits limits;
    struct message_list list;
    struct fiber *fiber;
    int result;
    struct error err;
};

static void reader_init(struct reader *reader, struct histories *histories,
                        const struct store *store, struct uuid thread)
{
    *reader = (struct reader){
        .histories = histories, .store = *store, .thread = thread, .limits = {4000, 1 << 23}};
    arena_init(&reader->arena, 0);
    reader->store.arena = &reader->arena;
}

static void read_one(void *arg)
{
    struct reader *reader = arg;

    do
        reader->result = histories_get(reader->histories, &reader->store, reader->thread,
                                       &reader->limits, &reader->list, &reader->err);
    while (reader->result == -E_AMBIGUOUS);
    if (reader->result == -E_CANCELED)
        arena_deinit(&reader->arena); /* nobody may write to it any more */
}

static void start_all(struct reader *readers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        readers[i].fiber = fiber_start("reader", read_one, &readers[i]);
}

static void join_all(struct reader *readers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fiber_join(readers[i].fiber);
}

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

/* What it read is what messages_history gives; also ends the reader. */
static void check_reader(struct reader *reader)
{
    struct message_list want;

    cr_assert_eq(reader->result, 0, "%d %s", reader->result, reader->err.text);
    MUST(messages_history(&reader->store, reader->thread, &reader->limits, &want, &test_err));
    cr_assert_eq(reader->list.count, want.count, "%zu of %zu messages", reader->list.count,
                 want.count);
    cr_assert_eq(reader->list.has_more, want.has_more);
    for (size_t i = 0; i < want.count; i++)
        check_message(&reader->list.items[i], &want.items[i]);
    arena_deinit(&reader->arena);
}

static void check_all(struct reader *readers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_reader(&readers[i]);
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

static struct history_limits any_limits(void)
{
    static const int counts[] = {1, 2, 4, 50, 99, 100, 101, 4000};
    static const int64_t bytes[] = {1, 100, 5000, 60000, 65536, 100000, 1 << 23};

    return (struct history_limits){counts[random_below(ARRAY_LENGTH(counts))],
                                   bytes[random_below(ARRAY_LENGTH(bytes))]};
}

static void is_the_same(struct store *store)
{
    static struct reader readers[MANY];
    struct histories *histories = histories_new(store->pg);
    struct store other = other_tenant(store, "other");
    struct uuid threads[60];

    for (size_t i = 0; i < 60; i++)
        threads[i] = i == 0 ? uuid_new() : any_thread(i % 5 == 1 ? &other : store);
    for (int round = 0; round < 8; round++) {
        for (size_t i = 0; i < MANY; i++) {
            reader_init(&readers[i], histories, i % 7 == 0 ? &other : store,
                        threads[random_below(60)]);
            readers[i].limits = any_limits();
        }
        start_all(readers, MANY);
        join_all(readers, MANY);
        check_all(readers, MANY);
    }
    cr_assert_eq(histories_stats(histories)->size.sum, 8 * MANY);
    cr_assert_leq(histories_stats(histories)->size.count, 8 * 3);
    cr_assert_gt(histories_stats(histories)->alone, 0);
    histories_free(histories);
}

Test(histories, are_what_messages_history_gives_whoever_else_asks)
{
    with_store(is_the_same);
}

/* Returns how many of two were read alone. */
static uint64_t alone_of(const struct store *store, struct uuid thread,
                         struct history_limits limits)
{
    struct histories *histories = histories_new(store->pg);
    struct reader readers[2];
    uint64_t alone;

    reader_init(&readers[0], histories, store, thread);
    readers[0].limits = limits;
    reader_init(&readers[1], histories, store, thread_of(store, 3, 100));
    start_all(readers, 2);
    join_all(readers, 2);
    check_all(readers, 2);
    cr_assert_eq(histories_stats(histories)->size.count, 1);
    alone = histories_stats(histories)->alone;
    histories_free(histories);
    return alone;
}

/* As many bytes as `["…"]` and `{}` leave of a group's share. */
static void bounds(struct store *store)
{
    const struct history_limits wide = {4000, 1 << 23};
    struct uuid many = thread_of(store, HISTORY_GROUP_COUNT + 1, 10);

    cr_assert_eq(alone_of(store, thread_of(store, HISTORY_GROUP_COUNT, 10), wide), 0);
    cr_assert_eq(alone_of(store, many, wide), 1);
    cr_assert_eq(alone_of(store, many, (struct history_limits){HISTORY_GROUP_COUNT, 1 << 23}), 0);
    cr_assert_eq(alone_of(store, many, (struct history_limits){HISTORY_GROUP_COUNT + 1, 1 << 23}),
                 1);
    cr_assert_eq(alone_of(store, many, (struct history_limits){4000, 140}), 0);
    cr_assert_eq(alone_of(store, thread_of(store, 1, HISTORY_GROUP_BYTES - 6), wide), 0);
    cr_assert_eq(alone_of(store, thread_of(store, 1, HISTORY_GROUP_BYTES - 5), wide), 1);
    cr_assert_eq(alone_of(store, thread_of(store, 2, HISTORY_GROUP_BYTES / 2 - 6), wide), 0);
    cr_assert_eq(alone_of(store, thread_of(store, 2, HISTORY_GROUP_BYTES / 2 - 5), wide), 1);
    cr_assert_eq(alone_of(store, thread_of(store, 1, 1000000), wide), 1);
    cr_assert_eq(alone_of(store, must_thread(store), wide), 1);
}

Test(histories, that_are_long_are_read_alone)
{
    with_store(bounds);
}

static void fills_arena(struct store *store)
{
    struct histories *histories = histories_new(store->pg);
    struct uuid thread = thread_of(store, 10, 1000);
    struct reader readers[3];

    for (size_t i = 0; i < 3; i++)
        reader_init(&readers[i], histories, store, thread);
    readers[1].arena.limit = 5000;
    start_all(readers, 3);
    join_all(readers, 3);
    cr_assert_eq(readers[1].result, -E_LIMIT);
    arena_deinit(&readers[1].arena);
    check_reader(&readers[0]);
    check_reader(&readers[2]);
    histories_free(histories);
}

Test(histories, fail_alone_when_their_arena_is_full)
{
    with_store(fills_arena);
}

/* At every moment: asked for, on its way, answered, asked for alone. */
static void gives_up(struct store *store)
{
    static struct reader readers[MANY];
    struct histories *histories = histories_new(store->pg);
    struct uuid threads[] = {thread_of(store, 4, 100), thread_of(store, 110, 1000)};
    size_t given_up = 0;

    for (int round = 0; round < 10; round++) {
        for (size_t i = 0; i < MANY; i++)
            reader_init(&readers[i], histories, store, threads[i % 4 == 0]);
        start_all(readers, MANY);
        for (size_t i = 0; i < MANY; i += 2) {
            if ((int)(i / 2 % 10) == round)
                MUST(fiber_sleep(1, &test_err));
            fiber_cancel(readers[i].fiber);
        }
        join_all(readers, MANY);
        for (size_t i = 0; i < MANY; i++) {
            if (i % 2 == 0 && readers[i].result == -E_CANCELED)
                given_up++;
            else
                check_reader(&readers[i]);
        }
    }
    cr_assert_gt(given_up, 0);
    histories_free(histories);
}

Test(histories, let_a_fiber_give_up)
{
    with_store(gives_up);
}

static struct pg_tx *lock_messages(const struct store *store)
{
    static const struct pg_statement lock = {
        .name = "lock_messages", .sql = "LOCK TABLE messages", .types = ""};
    struct pg_tx *tx = NULL;

    MUST(pg_begin(store->pg, &tx, &test_err));
    MUST(pg_tx_exec(tx, &lock, NULL, NULL, &test_err));
    return tx;
}

static int64_t kill_who_waits(void)
{
    return sql_int("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                   " WHERE datname = current_database() AND wait_event_type = 'Lock'");
}

static void breaks(struct store *store)
{
    static struct reader readers[MANY];
    struct store used = *store;
    struct histories *histories;
    struct pg_tx *tx;
    struct uuid thread = thread_of(store, 4, 100);
    struct pg_stats stats;
    int killed = 0;

    used.pg = another_pg();
    histories = histories_new(used.pg);
    for (size_t i = 0; i < MANY; i++)
        reader_init(&readers[i], histories, &used, thread);
    tx = lock_messages(store);
    start_all(readers, MANY);
    while (killed < 2) {
        MUST(fiber_sleep(2, &test_err));
        killed += kill_who_waits() > 0;
    }
    pg_rollback(tx);
    join_all(readers, MANY);
    pg_stats_get(used.pg, &stats);
    cr_assert_geq(stats.ambiguous, 1);
    check_all(readers, MANY);
    cr_assert_eq(histories_stats(histories)->alone, 0);
    histories_free(histories);
    pg_close(used.pg);
}

Test(histories, are_asked_for_again_when_the_answer_is_lost)
{
    with_store(breaks);
}

static void spoils(struct store *store)
{
    static struct reader readers[20];
    struct uuid good = thread_of(store, 4, 100);
    struct uuid bad = thread_of(store, 1, 100);
    struct store used = *store;
    struct histories *histories;

    sql_do("ALTER TABLE messages RENAME TO stored;"
           "CREATE FUNCTION spoil(uuid, jsonb) RETURNS jsonb LANGUAGE plpgsql AS"
           "  $$ BEGIN IF $1 = '%s' THEN RAISE 'spoilt'; END IF; RETURN $2; END $$;"
           "CREATE VIEW messages AS SELECT id, tenant_id, thread_id, position, run_id, seq,"
           "  agent_id, role, hidden, spoil(thread_id, content) AS content, tool_calls,"
           "  tool_call_id, opaque, attachments, metadata, status, created_at FROM stored",
           show(bad));
    used.pg = another_pg();
    histories = histories_new(used.pg);
    for (size_t i = 0; i < 20; i++)
        reader_init(&readers[i], histories, &used, i == 7 ? bad : good);
    start_all(readers, 20);
    join_all(readers, 20);
    cr_assert_eq(readers[7].result, -E_REJECTED);
    cr_assert(strstr(readers[7].err.text, "spoilt"), "%s", readers[7].err.text);
    arena_deinit(&readers[7].arena);
    cr_assert_eq(histories_stats(histories)->alone, 20);
    check_all(readers, 7);
    check_all(&readers[8], 12);
    histories_free(histories);
    pg_close(used.pg);
}

Test(histories, that_can_not_be_read_fail_alone)
{
    with_store(spoils);
}

/* Names no server. */
static struct pg *no_pg(void)
{
    struct pg_options options = {.url = "postgresql:///x?host=/nowhere",
                                 .application_name = "unit",
                                 .request_timeout_ms = 100};
    struct pg *pg = NULL;

    MUST(pg_open(&options, &pg, &test_err));
    return pg;
}

static void is_away(struct store *store)
{
    static struct reader readers[20];
    struct store used = *store;
    struct histories *histories;

    used.pg = no_pg();
    histories = histories_new(used.pg);
    for (size_t i = 0; i < 20; i++)
        reader_init(&readers[i], histories, &used, uuid_new());
    start_all(readers, 20);
    join_all(readers, 20);
    for (size_t i = 0; i < 20; i++)
        cr_assert_eq(readers[i].result, -E_UNAVAILABLE);
    cr_assert_eq(histories_stats(histories)->alone, 0);
    histories_free(histories);
    pg_close(used.pg);
}

Test(histories, fail_together_where_there_is_no_database)
{
    with_store(is_away);
}
