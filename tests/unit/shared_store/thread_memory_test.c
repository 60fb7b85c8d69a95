/* What a thread says of memory, on its way into the specs of its runs; and the parts of a thread
 * that runs read for it. */

#include "fixture.h"

#include "shared/store/submissions/run_batches.h"

#define SPEC "{\"model\": \"m\"}"
#define KEPT "{\"model\": \"m\",\"thread_memory\":{\"strategy\": \"none\"}}"

static const struct uuid any = {{0}};

static void say(const struct store *store, struct uuid thread, struct text memory)
{
    struct thread_change change = {.memory = memory, .state_version = -1};
    struct thread now;
    struct uuid other;

    MUST(threads_update(store, thread, &change, &now, &other, &test_err));
}

static void kept(const struct store *store, struct uuid run, const char *expected)
{
    const char *spec = sql_string(store, "SELECT spec::text FROM runs WHERE id = '%s'", show(run));

    cr_assert_str_eq(spec, expected);
    cr_assert_eq(sql_int("SELECT (octet_length(spec::text) = spec_bytes)::int FROM runs"
                         " WHERE id = '%s'",
                         show(run)),
                 1, "its size is that of what is kept");
}

static struct run_draft draft_on(struct uuid thread, struct uuid agent)
{
    struct run_draft draft = run_of(thread, agent);

    draft.spec = TEXT(SPEC);
    return draft;
}

static void changes(struct store *store)
{
    struct uuid thread = must_thread(store);

    cr_assert_null(must_get_thread(store, thread).memory.ptr);
    say(store, thread, TEXT("{\"strategy\":\"first_last\",\"config\":{\"max_messages\":5}}"));
    cr_assert(text_is(must_get_thread(store, thread).memory,
                      "{\"config\": {\"max_messages\": 5}, \"strategy\": \"first_last\"}"));
    say(store, thread, TEXT_NONE);
    say(store, thread, TEXT("{\"strategy\":null}"));
    cr_assert(text_is(must_get_thread(store, thread).memory, "{\"config\": {\"max_messages\": 5}}"),
              "each by itself");
    say(store, thread, TEXT("{\"config\":{\"preserve_first\":1,\"max_messages\":null}}"));
    cr_assert(
        text_is(must_get_thread(store, thread).memory, "{\"config\": {\"preserve_first\": 1}}"),
        "which is a whole");
    say(store, thread, TEXT("{\"strategy\":null,\"config\":null}"));
    cr_assert_null(must_get_thread(store, thread).memory.ptr);
}

Test(thread_memory, changes_member_by_member_and_goes_when_nothing_is_said)
{
    with_store(changes);
}

static void freezes(struct store *store)
{
    struct uuid agent = must_agent(store);
    struct uuid thread = must_thread(store);
    struct thread_draft fresh = {.id = uuid_new(), .memory = TEXT("{\"strategy\":\"none\"}")};
    struct run_draft draft = draft_on(thread, agent);
    struct run_stopped stopped;
    struct uuid active;
    struct run run;

    MUST(runs_create(store, &draft, &run, &active, &test_err));
    kept(store, run.id, SPEC);
    MUST(runs_cancel(store, any, run.id, &run, &test_err));
    say(store, thread, TEXT("{\"strategy\":\"none\"}"));
    kept(store, run.id, SPEC);
    draft = draft_on(thread, agent);
    MUST(runs_create(store, &draft, &run, &active, &test_err));
    kept(store, run.id, KEPT);
    cr_assert(text_is(run.spec, KEPT), "%.*s", TEXT_ARGS(run.spec));
    draft = draft_on(thread, agent);
    MUST(runs_enqueue(store, &draft, MULTITASK_ENQUEUE, &run, &stopped, &test_err));
    say(store, thread, TEXT("{\"strategy\":\"buffer\"}"));
    kept(store, run.id, KEPT);
    draft = draft_on(any, agent);
    MUST(runs_create_with_thread(store, &fresh, &draft, &run, &test_err));
    kept(store, run.id, KEPT);
}

Test(thread_memory, is_kept_with_a_run_as_it_stood_when_that_was_made)
{
    with_store(freezes);
}

static void copies(struct store *store)
{
    struct thread_draft fresh = {.id = uuid_new(), .memory = TEXT("{\"strategy\":\"none\"}")};
    struct thread_fork fork = {.id = uuid_new(), .source = fresh.id};
    struct run_copy copy = {.id = uuid_new(), .source = fresh.id};
    struct run_draft draft = draft_on(copy.id, must_agent(store));
    struct thread thread;
    struct run run;

    MUST(threads_create(store, &fresh, &thread, &test_err));
    cr_assert(text_is(thread.memory, "{\"strategy\": \"none\"}"));
    MUST(threads_fork(store, &fork, &thread, &test_err));
    cr_assert(text_is(thread.memory, "{\"strategy\": \"none\"}"));
    MUST(runs_create_on_copy(store, &copy, &draft, &run, &test_err));
    kept(store, run.id, KEPT);
    cr_assert(text_is(must_get_thread(store, copy.id).memory, "{\"strategy\": \"none\"}"));
}

Test(thread_memory, goes_with_a_copy_of_the_thread)
{
    with_store(copies);
}

static void batches(struct store *store)
{
    struct uuid agent = must_agent(store);
    struct uuid threads[2] = {must_thread(store), must_thread(store)};
    struct run_draft drafts[3] = {draft_on(threads[0], agent), draft_on(threads[1], agent),
                                  draft_on(any, agent)};
    struct thread_draft fresh = {.id = uuid_new()};
    struct run_making makings[3];
    struct pg_result *result = NULL;

    say(store, threads[1], TEXT("{\"strategy\":\"none\"}"));
    for (size_t i = 0; i < 3; i++)
        makings[i] = (struct run_making){
            .tenant = store->tenant, .draft = &drafts[i], .arena = store->arena};
    makings[2].new_thread = &fresh;
    MUST(run_batch_make(store->pg, NULL, makings, 3, &result, &test_err));
    cr_assert_eq(run_batch_made_count(result), 3);
    for (size_t n = 0; n < 3; n++) {
        size_t place = run_batch_made_place(result, n);
        struct run run;

        MUST(run_batch_made(result, n, &makings[place], &run, &test_err));
        cr_assert(text_is(run.spec, place == 1 ? KEPT : SPEC), "%zu: %.*s", place,
                  TEXT_ARGS(run.spec));
        kept(store, run.id, place == 1 ? KEPT : SPEC);
    }
    pg_result_free(result);
    cr_assert(run_making_is_plain(&makings[2]));
    fresh.memory = TEXT("{\"strategy\":\"none\"}");
    cr_assert_not(run_making_is_plain(&makings[2]), "one of many has no place for it");
}

Test(thread_memory, is_kept_with_each_run_of_many)
{
    with_store(batches);
}

/* ---- parts of threads ---- */

/* Positions of a history, from that of the thread's first message on: "0 1 5". */
static const char *places(const struct store *store, struct uuid thread,
                          const struct history_limits *limits)
{
    int64_t first =
        sql_int("SELECT min(position) FROM messages WHERE thread_id = '%s'", show(thread));
    struct message_list list;
    int64_t bytes;
    CLEANUP(buf_deinit) struct buf out;

    buf_init(&out, 0);
    MUST(messages_history(store, thread, limits, &list, &test_err));
    for (size_t i = 0; i < list.count; i++)
        buf_printf(&out, "%s%d", i ? " " : "", (int)(list.items[i].position - first));
    if (list.has_more)
        buf_add_string(&out, " …");
    MUST(messages_history_bytes(store, thread, limits, &bytes, &test_err));
    cr_assert_eq(bytes > 0, list.count > 0);
    MUST(messages_history_stored(store, thread, limits, &bytes, &test_err));
    return arena_copy(store->arena, buf_text(&out));
}

/* Letters: u user, a assistant, t tool; a small one is of an earlier run, a capital one of the
 * present; b: brought with that one as a message of an assistant. */
static void add_messages(const struct store *store, struct uuid thread, struct uuid run,
                         const char *letters)
{
    for (size_t i = 0; letters[i]; i++) {
        char letter = (char)(letters[i] | 0x20);
        bool own = letter != letters[i] && letter != 'u';

        sql_do("INSERT INTO messages (id, tenant_id, thread_id, role, content, run_id, seq,"
               "    submitted_with)"
               "  SELECT gen_random_uuid(), '%s', '%s', '%s', '[{\"x\": 1}]', %s%s%s, %zu, %s%s%s",
               show(store->tenant), show(thread),
               letter == 'u'   ? "user"
               : letter == 't' ? "tool"
                               : "assistant",
               own                              ? "'"
               : letter == 'u' || letter == 'b' ? "NULL"
                                                : "gen_random_uuid()",
               own ? show(run) : "", own ? "'" : "", i + 1, letter == 'b' ? "'" : "NULL",
               letter == 'b' ? show(run) : "", letter == 'b' ? "'" : "");
    }
}

static void check_new(const struct store *store, const char *letters, const char *expected)
{
    struct uuid thread = must_thread(store);
    struct history_limits limits = {
        .count = 5, .bytes = 100000, .part = HISTORY_NEW, .run = uuid_new()};

    add_messages(store, thread, limits.run, letters);
    cr_expect_str_eq(places(store, thread, &limits), expected, "%s: %s", letters,
                     places(store, thread, &limits));
}

static void reads_what_is_new(struct store *store)
{
    check_new(store, "u", "0");
    check_new(store, "uau", "2");
    check_new(store, "uauu", "2 3");
    check_new(store, "uatuATA", "3 4 5 6");
    check_new(store, "uaubu", "2 3 4");
    check_new(store, "uuuuuuu", "2 3 4 5 6 …");
    check_new(store, "ua", "");
}

Test(thread_memory, what_is_new_to_a_run_stands_behind_the_last_answer_that_is_not_its_own)
{
    with_store(reads_what_is_new);
}

static void reads_what_is_first(struct store *store)
{
    struct uuid thread = must_thread(store);
    struct history_limits limits = {
        .count = 3, .bytes = 100000, .part = HISTORY_FIRST, .before = INT64_MAX};
    struct store other = other_tenant(store, "other");
    struct message_list list;
    struct message_gap gap;
    int64_t first;

    add_messages(store, thread, any, "uauauau");
    first = sql_int("SELECT min(position) FROM messages WHERE thread_id = '%s'", show(thread));
    cr_expect_str_eq(places(store, thread, &limits), "0 1 2 …");
    limits.before = first + 3;
    cr_expect_str_eq(places(store, thread, &limits), "0 1 2");
    limits.before = first + 2;
    cr_expect_str_eq(places(store, thread, &limits), "0 1");
    limits.before = first;
    cr_expect_str_eq(places(store, thread, &limits), "");
    limits.before = INT64_MAX;
    limits.bytes = 1;
    cr_expect_str_eq(places(store, thread, &limits), "0 …", "the first in any case");
    MUST(messages_history(&other, thread, &limits, &list, &test_err));
    cr_expect_eq(list.count, 0);
    MUST(messages_gap(store, thread, first + 1, first + 5, &gap, &test_err));
    cr_expect_eq(gap.count, 3);
    cr_expect_eq(sql_int("SELECT position FROM messages WHERE id = '%s'", show(gap.first)),
                 first + 2);
    cr_expect_eq(sql_int("SELECT position FROM messages WHERE id = '%s'", show(gap.last)),
                 first + 4);
    MUST(messages_gap(store, thread, first + 1, first + 2, &gap, &test_err));
    cr_expect(gap.count == 0 && uuid_is_zero(gap.first));
    MUST(messages_gap(&other, thread, 0, INT64_MAX, &gap, &test_err));
    cr_expect_eq(gap.count, 0);
}

Test(thread_memory, the_first_messages_come_from_the_other_end)
{
    with_store(reads_what_is_first);
}

static int64_t sessions(void)
{
    return sql_int("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                   " AND application_name = 'unit'");
}

static int64_t rows_read(void)
{
    return sql_int("SELECT idx_tup_fetch + seq_tup_read FROM pg_stat_user_tables"
                   " WHERE relname = 'messages'");
}

static struct uuid thread_of(const struct store *store, int messages)
{
    struct uuid thread = must_thread(store);

    sql_do("INSERT INTO messages (id, tenant_id, thread_id, role, content)"
           "  SELECT gen_random_uuid(), '%s', '%s',"
           "    CASE n %% 2 WHEN 0 THEN 'user' ELSE 'assistant' END, '[]'"
           "  FROM generate_series(1, %d) n",
           show(store->tenant), show(thread), messages);
    return thread;
}

/* How many rows of messages are looked at for each part of a thread, with the plans that a session
 * settles on. A session's statistics are certain to be seen once it has ended. */
static int64_t cost_of(const struct store *store, struct uuid thread)
{
    const struct history_limits parts[] = {
        {.count = 50, .bytes = 100000},
        {.count = 50, .bytes = 100000, .part = HISTORY_NEW, .run = uuid_new()},
        {.count = 3, .bytes = 100000, .part = HISTORY_FIRST, .before = INT64_MAX},
    };
    static const size_t expected[] = {50, 1, 3};
    struct store over = *store;
    int64_t before = rows_read();
    int64_t count = sessions();

    over.pg = another_pg();
    for (int i = 0; i < 8; i++)
        for (size_t k = 0; k < ARRAY_LENGTH(parts); k++) {
            struct message_list list;

            MUST(messages_history(&over, thread, &parts[k], &list, &test_err));
            cr_assert_eq(list.count, expected[k]);
        }
    pg_close(over.pg);
    for (int i = 0; i < 500 && sessions() > count; i++)
        MUST(fiber_sleep(10, &test_err));
    return rows_read() - before;
}

static void costs_what_it_gives(struct store *store)
{
    struct uuid small = thread_of(store, 60);
    struct uuid large = thread_of(store, 6000);
    int64_t of_small;
    int64_t of_large;

    sql_do("ANALYZE");
    sql_settle();
    of_small = cost_of(store, small);
    of_large = cost_of(store, large);
    cr_expect_gt(of_small, 8 * 50);
    cr_expect_lt(of_small, 8 * 70);
    cr_expect_eq(of_large, of_small, "%lld and %lld rows", (long long)of_large,
                 (long long)of_small);
}

Test(thread_memory, of_a_thread_of_6000_messages_are_read_no_more_than_of_one_of_60)
{
    with_store(costs_what_it_gives);
}
