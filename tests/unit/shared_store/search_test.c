/* Filling what search looks into, and finding it. */

#include "fixture.h"

#include "shared/store/search/search.h"
#include "shared/store/search/search_fill.h"

static const struct uuid any = {{0}};

#define CONTENT(text) "[{\"type\": \"text\", \"text\": {\"value\": \"" text "\"}}]"

static struct search_filled must_fill(struct store *store, enum search_scope scope,
                                      enum search_job job)
{
    struct search_round round = {.scope = scope, .job = job, .batch = SEARCH_BATCH_MAX};
    struct search_filled filled;

    MUST(search_fill(store->pg, &round, &filled, &test_err));
    cr_assert(!filled.elsewhere);
    return filled;
}

/* Whether all that is visible now was looked at, and nothing waits any more. */
static bool is_done(void)
{
    return sql_int("SELECT ((SELECT coalesce(max(position), 0) FROM messages WHERE NOT hidden)"
                   "   <= final AND backlog_at >= backlog_to"
                   "   AND NOT EXISTS (SELECT 1 FROM search_queue))::int FROM search_state");
}

/* Fills until everything is final: transactions of other databases are waited for, too. */
static void catch_up(struct store *store, enum search_scope scope)
{
    int rounds = 0;

    must_fill(store, scope, SEARCH_TAIL);
    while (!is_done()) {
        cr_assert_lt(++rounds, 10000);
        for (enum search_job job = SEARCH_TAIL; job < SEARCH_JOBS; job++)
            must_fill(store, scope, job);
        MUST(fiber_sleep(2, &test_err));
    }
}

/* Until the tail has looked at something. */
static struct search_filled must_look(struct store *store)
{
    struct search_filled filled;
    int rounds = 0;

    do {
        cr_assert_lt(++rounds, 10000);
        MUST(fiber_sleep(2, &test_err));
        filled = must_fill(store, SEARCH_USERS, SEARCH_TAIL);
    } while (filled.looked == 0);
    return filled;
}

static struct uuid thread_of(const struct store *store, const char *user)
{
    struct uuid thread = must_thread(store);

    sql_do("UPDATE threads SET user_id = '%s' WHERE id = '%s'", user, show(thread));
    return thread;
}

static struct uuid say(const struct store *store, struct uuid thread, const char *content)
{
    struct message_draft draft = user_message(content);
    struct message message;

    MUST(messages_create(store, thread, &draft, TEXT_NONE, &message, NULL, &test_err));
    return draft.id;
}

static struct search_hits must_find(const struct store *store, const char *query, const char *user)
{
    struct search_request request = {
        .query = text_of(query), .user = text_of(user), .limit = SEARCH_LIMIT_MAX};
    struct search_hits hits;

    MUST(search_messages(store, &request, &hits, &test_err));
    return hits;
}

static size_t count(const struct store *store, const char *query)
{
    return must_find(store, query, NULL).count;
}

static int64_t rows(void)
{
    return sql_int("SELECT count(*) FROM message_search");
}

static void finds(struct store *store)
{
    struct store other = other_tenant(store, "other");
    struct uuid ann = thread_of(store, "ann");
    struct uuid bob = thread_of(store, "bob");
    struct uuid theirs = thread_of(&other, "ann");
    struct search_hits hits;

    sql_do("UPDATE threads SET title = 'About' WHERE id = '%s'", show(ann));
    say(store, ann, CONTENT("The quick brown fox, and foo_bar-baz."));
    say(store, bob, CONTENT("A brown bear: 3.14"));
    say(&other, theirs, CONTENT("brown, too"));
    say(store, must_thread(store), CONTENT("brown of nobody"));
    catch_up(store, SEARCH_USERS);
    cr_assert_eq(rows(), 3);

    hits = must_find(store, "BROWN", NULL);
    cr_assert_eq(hits.count, 2);
    cr_assert(uuid_equal(hits.items[0].thread_id, bob), "the newest first");
    cr_assert(uuid_equal(hits.items[1].thread_id, ann));
    cr_assert(text_is(hits.items[1].title, "About"));
    cr_assert(text_is(hits.items[1].user, "ann"));
    cr_assert(text_is(hits.items[1].role, "user"));
    cr_assert(text_is(hits.items[1].snippet, "The quick brown fox, and foo_bar-baz."));
    cr_assert(text_is(hits.items[1].highlights, "[[10,15]]"));
    cr_assert_eq(must_find(store, "brown", "ann").count, 1);
    cr_assert_eq(must_find(store, "brown", "nobody").count, 0);
    cr_assert_eq(count(&other, "brown"), 1);
    cr_assert_eq(count(&other, "fox"), 0);
    cr_assert_eq(count(store, "\"quick brown\""), 1);
    cr_assert_eq(count(store, "\"brown quick\""), 0);
    cr_assert_eq(count(store, "brown -fox"), 1);
    cr_assert_eq(count(store, "fox or bear"), 2);
    cr_assert_eq(count(store, "foo_bar"), 1);
    cr_assert_eq(count(store, "bar-baz"), 1);
    cr_assert_eq(count(store, "3.14"), 1);
    cr_assert_eq(count(store, "bro"), 2, "the last word may be a beginning");
    cr_assert_eq(count(store, "bro fox"), 0, "another one may not");
    cr_assert_eq(count(store, "br"), 0, "two letters are too few");
    cr_assert_eq(count(store, "\"bro\""), 0);
}

Test(search, finds_words_of_the_tenants_threads_that_have_a_user)
{
    with_store(finds);
}

static void says_why(struct store *store)
{
    struct search_request request = {.query = TEXT("-fox"), .limit = 1};
    struct search_hits hits;

    GIVES(SEARCH_EMPTY, search_messages(store, &request, &hits, &test_err));
    request.query = TEXT("?! \" ' : & | ( ) <->");
    GIVES(SEARCH_EMPTY, search_messages(store, &request, &hits, &test_err));
    request.query = TEXT("fox");
    request.after = uuid_new();
    GIVES(CURSOR_MISSING, search_messages(store, &request, &hits, &test_err));
}

Test(search, tells_what_can_not_be_searched_for)
{
    with_store(says_why);
}

static void pages(struct store *store)
{
    struct search_request request = {.query = TEXT("needle"), .limit = 2};
    struct uuid thread = thread_of(store, "ann");
    struct search_hits hits;
    struct uuid said[5];

    for (int i = 0; i < 5; i++)
        said[i] = say(store, thread, CONTENT("a needle"));
    catch_up(store, SEARCH_USERS);
    for (int at = 4; at >= 0; at -= 2) {
        MUST(search_messages(store, &request, &hits, &test_err));
        cr_assert_eq(hits.count, at > 0 ? 2u : 1u);
        cr_assert_eq(hits.has_more, at > 0);
        for (size_t i = 0; i < hits.count; i++)
            cr_assert(uuid_equal(hits.items[i].message_id, said[at - (int)i]));
        request.after = hits.items[hits.count - 1].message_id;
    }
}

Test(search, pages_by_the_last_message_seen)
{
    with_store(pages);
}

static void filters(struct store *store)
{
    struct search_request request = {.query = TEXT("word"), .limit = 10};
    struct uuid agent = uuid_new();
    struct uuid first = thread_of(store, "ann");
    struct uuid second = thread_of(store, "ann");
    struct search_hits hits;

    sql_do("UPDATE threads SET agent_id = '%s', archived_at = now() WHERE id = '%s'", show(agent),
           show(first));
    say(store, first, CONTENT("word"));
    say(store, second, CONTENT("word"));
    catch_up(store, SEARCH_USERS);
    request.agent = agent;
    MUST(search_messages(store, &request, &hits, &test_err));
    cr_assert_eq(hits.count, 1);
    cr_assert(uuid_equal(hits.items[0].agent, agent));
    request.agent = any;
    request.archived = SEARCH_ARCHIVED;
    MUST(search_messages(store, &request, &hits, &test_err));
    cr_assert_eq(hits.count, 1);
    cr_assert(uuid_equal(hits.items[0].thread_id, first));
    request.archived = SEARCH_NOT_ARCHIVED;
    MUST(search_messages(store, &request, &hits, &test_err));
    cr_assert_eq(hits.count, 1);
    cr_assert(uuid_equal(hits.items[0].thread_id, second));
}

Test(search, looks_into_the_threads_of_an_agent_or_into_archived_ones)
{
    with_store(filters);
}

/* A transaction that has taken a position, and commits after those with higher ones. */
static void out_of_order(struct store *store)
{
    struct uuid thread = thread_of(store, "ann");
    struct pg *slow = another_pg();
    struct pg_tx *tx;
    static const struct pg_statement insert = {
        .name = "test_insert",
        .sql = "INSERT INTO messages (id, tenant_id, thread_id, role, content)"
               " VALUES (gen_random_uuid(), $1, $2, 'user', '" CONTENT("late") "')",
        .types = "uu",
    };
    struct pg_value values[2] = {pg_uuid(store->tenant), pg_uuid(thread)};

    MUST(pg_begin(slow, &tx, &test_err));
    MUST(pg_tx_exec(tx, &insert, values, NULL, &test_err));
    say(store, thread, CONTENT("early"));
    for (int i = 0; i < 3; i++)
        cr_assert_eq(must_fill(store, SEARCH_USERS, SEARCH_TAIL).looked, 0, "not final yet");

    /* It stays open: what is visible is filled all the same. */
    sql_do("UPDATE search_state SET marked_at = now() - interval '1 min'");
    cr_assert_eq(must_fill(store, SEARCH_USERS, SEARCH_TAIL).filled, 1);
    cr_assert_eq(count(store, "early"), 1);
    say(store, thread, CONTENT("later still"));
    cr_assert_eq(must_fill(store, SEARCH_USERS, SEARCH_TAIL).filled, 1);
    cr_assert_eq(must_fill(store, SEARCH_USERS, SEARCH_TAIL).looked, 0, "seen");

    MUST(pg_commit(tx, &test_err));
    pg_close(slow);
    cr_assert_eq(must_look(store).filled, 1, "what became visible");
    cr_assert_eq(count(store, "late"), 2, "late and later, once each");
    catch_up(store, SEARCH_USERS);
    cr_assert_eq(rows(), 3);
    cr_assert_eq(must_fill(store, SEARCH_USERS, SEARCH_TAIL).looked, 0);
}

Test(search, misses_nothing_that_becomes_visible_behind_higher_positions)
{
    with_store(out_of_order);
}

static void poison(struct store *store)
{
    struct uuid thread = thread_of(store, "ann");
    struct search_round round = {
        .scope = SEARCH_USERS, .job = SEARCH_TAIL, .batch = 10, .bare = true};
    struct search_filled filled;

    sql_do("INSERT INTO messages (id, tenant_id, thread_id, role, content)"
           "  SELECT gen_random_uuid(), '%s', '%s', 'user', c::jsonb"
           "  FROM unnest(ARRAY['{}', '7', 'null', '[]', '[1]', '[{\"type\": \"text\"}]']) c",
           show(store->tenant), show(thread));
    sql_do("INSERT INTO messages (id, tenant_id, thread_id, role, content)"
           "  SELECT gen_random_uuid(), '%s', '%s', 'user',"
           "    jsonb_build_array(jsonb_build_object('type', 'text', 'text', t))"
           "  FROM unnest(ARRAY[repeat('a_', 200000), repeat('x', 300000), repeat('é ', 200000),"
           "    repeat('a.b/', 80000), E'\\x01\\x7f \\u200b \\ufffe mark', repeat('<a b=\"', "
           "60000)]) t",
           show(store->tenant), show(thread));
    say(store, thread, CONTENT("fine"));
    filled = must_look(store);
    cr_assert_eq(filled.filled, 13);
    cr_assert_eq(filled.skipped, 3, "those that are no array: %lld", (long long)filled.skipped);
    cr_assert_eq(count(store, "fine"), 1);
    cr_assert_eq(count(store, "mark"), 1);
    cr_assert_eq(must_find(store, "a", "ann").count, 3);

    /* One that makes its round fail gets a row of its own, and the round goes on behind it. */
    say(store, thread, CONTENT("worst"));
    say(store, thread, CONTENT("better"));
    for (filled.looked = 0; filled.looked == 0;)
        MUST(search_fill(store->pg, &round, &filled, &test_err));
    cr_assert_eq(filled.looked, 1);
    cr_assert_eq(filled.skipped, 1);
    cr_assert(filled.more);
    catch_up(store, SEARCH_USERS);
    cr_assert_eq(count(store, "worst"), 0);
    cr_assert_eq(count(store, "better"), 1);
}

Test(search, goes_on_behind_messages_that_can_not_be_searched)
{
    with_store(poison);
}

static void deletes(struct store *store)
{
    struct uuid gone = thread_of(store, "ann");
    struct uuid stays = thread_of(store, "ann");
    struct uuid message = say(store, stays, CONTENT("one"));

    say(store, stays, CONTENT("two"));
    say(store, gone, CONTENT("three"));
    catch_up(store, SEARCH_USERS);
    cr_assert_eq(rows(), 3);
    MUST(messages_delete(store, stays, message, NULL, &test_err));
    cr_assert_eq(rows(), 2);
    MUST(threads_delete(store, gone, NULL, &test_err));
    cr_assert_eq(rows(), 1);
    cr_assert_eq(count(store, "one or two or three"), 1);
}

Test(search, forgets_what_is_deleted_at_once)
{
    with_store(deletes);
}

struct filling {
    struct store *store;
    int r;
    struct search_filled filled;
};

static void fill_beside(void *arg)
{
    struct filling *filling = arg;
    struct search_round round = {.scope = SEARCH_USERS, .job = SEARCH_TAIL, .batch = 10};

    do
        filling->r = search_fill(filling->store->pg, &round, &filling->filled, &test_err);
    while (filling->r == 0 && filling->filled.looked == 0);
}

/* A deletion that is under way while a round is. */
static void deletes_beside(struct store *store)
{
    struct uuid thread = thread_of(store, "ann");
    struct filling filling = {.store = store};
    struct pg *other = another_pg();
    struct pg_tx *tx;
    struct fiber *fiber;
    static const struct pg_statement remove = {
        .name = "test_remove", .sql = "DELETE FROM messages WHERE thread_id = $1", .types = "u"};
    struct pg_value values[1] = {pg_uuid(thread)};

    say(store, thread, CONTENT("doomed"));
    must_fill(store, SEARCH_USERS, SEARCH_TAIL);
    sql_do("UPDATE search_state SET marked_at = now() - interval '1 min'");
    MUST(pg_begin(other, &tx, &test_err));
    MUST(pg_tx_exec(tx, &remove, values, NULL, &test_err));
    fiber = fiber_start("filling", fill_beside, &filling);
    while (sql_int("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == 0)
        MUST(fiber_sleep(5, &test_err));
    MUST(pg_commit(tx, &test_err));
    fiber_join(fiber);
    pg_close(other);
    cr_assert_eq(filling.r, 0, "%s", test_err.text);
    cr_assert_eq(rows(), 0);
}

Test(search, does_not_fill_in_what_is_being_deleted)
{
    with_store(deletes_beside);
}

static void belongs_to(const struct store *store, struct uuid id, const char *user)
{
    struct thread_change change = {.user = text_of(user), .state_version = -1};
    struct thread thread;

    MUST(threads_update(store, id, &change, &thread, NULL, &test_err));
}

static void fills_later(struct store *store)
{
    struct uuid thread = must_thread(store);
    struct search_filled filled;

    thread_of(store, "somebody");
    say(store, thread, CONTENT("mine"));
    catch_up(store, SEARCH_USERS);
    cr_assert_eq(count(store, "mine"), 0);
    belongs_to(store, thread, "ann");
    cr_assert(must_fill(store, SEARCH_USERS, SEARCH_TAIL).queued);
    catch_up(store, SEARCH_USERS);
    cr_assert_eq(must_find(store, "mine", "ann").count, 1);
    belongs_to(store, thread, "bob");
    catch_up(store, SEARCH_USERS);
    cr_assert_eq(must_find(store, "mine", "ann").count, 0);
    cr_assert_eq(must_find(store, "mine", "bob").count, 1);
    filled = must_fill(store, SEARCH_USERS, SEARCH_TAIL);
    cr_assert(!filled.queued);
}

Test(search, fills_a_thread_that_gets_a_user_or_another_one)
{
    with_store(fills_later);
}

/* Search was off while many messages were written: the newest are found first. */
static void fills_backlog(struct store *store)
{
    struct uuid thread = thread_of(store, "ann");
    struct search_filled filled;

    sql_do("INSERT INTO messages (id, tenant_id, thread_id, role, content)"
           "  SELECT gen_random_uuid(), '%s', '%s', 'user', '" CONTENT(
               "old") "'"
                      "  FROM generate_series(1, %d)",
           show(store->tenant), show(thread), SEARCH_TAIL_MAX + 100);
    for (filled.backlog = 0; filled.backlog == 0;)
        filled = must_fill(store, SEARCH_USERS, SEARCH_TAIL);
    cr_assert_eq(filled.looked, SEARCH_BATCH_MAX);
    cr_assert_eq(filled.backlog, SEARCH_TAIL_MAX + 100 - SEARCH_TAIL_KEPT);
    say(store, thread, CONTENT("new"));
    while (filled.behind > 0)
        filled = must_fill(store, SEARCH_USERS, SEARCH_TAIL);
    cr_assert_eq(count(store, "new"), 1);
    cr_assert_eq(rows(), SEARCH_TAIL_KEPT + 1);
    filled = must_fill(store, SEARCH_USERS, SEARCH_BACKLOG);
    cr_assert_eq(filled.filled, SEARCH_BATCH_MAX);
    cr_assert(filled.more);
    catch_up(store, SEARCH_USERS);
    cr_assert_eq(rows(), SEARCH_TAIL_MAX + 101);
    cr_assert_eq(must_fill(store, SEARCH_USERS, SEARCH_BACKLOG).backlog, 0);
}

Test(search, fills_what_was_missed_behind_the_newest)
{
    with_store(fills_backlog);
}

static void widens(struct store *store)
{
    struct uuid thread = must_thread(store);

    say(store, thread, CONTENT("of nobody"));
    say(store, thread_of(store, "ann"), CONTENT("of ann"));
    catch_up(store, SEARCH_USERS);
    cr_assert_eq(rows(), 1);
    catch_up(store, SEARCH_ALL);
    cr_assert_eq(rows(), 2);
    say(store, thread, CONTENT("of nobody again"));
    catch_up(store, SEARCH_ALL);
    cr_assert_eq(count(store, "nobody"), 2);
}

Test(search, takes_in_all_threads_when_it_is_told_to)
{
    with_store(widens);
}

static void leaves_out_hidden(struct store *store)
{
    struct thread_draft draft = {.id = uuid_new(), .user = TEXT("ann"), .hidden = true};
    struct thread thread;

    MUST(threads_create(store, &draft, &thread, &test_err));
    say(store, thread.id, CONTENT("whispered"));
    say(store, thread_of(store, "ann"), CONTENT("aloud"));
    catch_up(store, SEARCH_ALL);
    cr_assert_eq(rows(), 1);
    cr_assert_eq(count(store, "whispered"), 0);
    cr_assert_eq(count(store, "aloud"), 1);
}

Test(search, finds_nothing_in_hidden_threads)
{
    with_store(leaves_out_hidden);
}

static void copies(struct store *store)
{
    struct uuid thread = thread_of(store, "ann");
    struct thread_fork fork = {.id = uuid_new(), .source = thread};
    struct thread copy;

    say(store, thread, CONTENT("copied"));
    catch_up(store, SEARCH_USERS);
    MUST(threads_fork(store, &fork, &copy, &test_err));
    catch_up(store, SEARCH_USERS);
    cr_assert_eq(count(store, "copied"), 2);
}

Test(search, finds_the_messages_of_a_fork)
{
    with_store(copies);
}

static void takes_turns(struct store *store)
{
    struct search_round round = {.scope = SEARCH_USERS, .job = SEARCH_TAIL, .batch = 10};
    struct search_filled filled;
    struct pg *other = another_pg();
    struct pg_tx *tx;

    MUST(pg_begin(other, &tx, &test_err));
    MUST(pg_tx_script(tx, "SELECT 1 FROM search_state FOR UPDATE", &test_err));
    MUST(search_fill(store->pg, &round, &filled, &test_err));
    cr_assert(filled.elsewhere);
    MUST(pg_commit(tx, &test_err));
    MUST(search_fill(store->pg, &round, &filled, &test_err));
    cr_assert(!filled.elsewhere);
    pg_close(other);
}

Test(search, leaves_the_turn_to_another_process)
{
    with_store(takes_turns);
}

/* A connection such as searches and what fills them have. */
static struct pg *search_pg(const struct store *store)
{
    const struct pg_options options = {.url = conninfo(store),
                                       .application_name = "search",
                                       .custom_plans = true,
                                       .batch_max = 1,
                                       .pool_size = 1};
    struct pg *pg;

    MUST(pg_open(&options, &pg, &test_err));
    return pg;
}

/* Rows read as a whole by anybody, of the tables that grow. */
static int64_t rows_scanned(void)
{
    return sql_int("SELECT sum(seq_tup_read) FROM pg_stat_user_tables"
                   " WHERE relname IN ('messages', 'threads', 'message_search')");
}

static void reads_by_index(struct store *store)
{
    struct uuid thread = thread_of(store, "ann");
    struct store used = *store;
    int64_t scanned;

    used.pg = search_pg(store);
    say(store, thread, CONTENT("first"));
    catch_up(&used, SEARCH_USERS);
    cr_assert_eq(count(&used, "first"), 1);
    sql_do("INSERT INTO threads (id, tenant_id) SELECT gen_random_uuid(), '%s'"
           "  FROM generate_series(1, 5000);"
           "INSERT INTO messages (id, tenant_id, thread_id, role, content)"
           "  SELECT gen_random_uuid(), tenant_id, id, 'user', '[]' FROM threads"
           "  WHERE user_id IS NULL",
           show(store->tenant));
    say(store, thread, CONTENT("second"));
    scanned = rows_scanned();
    catch_up(&used, SEARCH_USERS);
    cr_assert_eq(count(&used, "second"), 1);
    cr_assert_eq(must_find(&used, "second", "ann").count, 1);
    pg_close(used.pg);
    while (sql_int("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'search'"
                   " AND datname = current_database()") > 0)
        MUST(fiber_sleep(5, &test_err));
    cr_assert_eq(rows_scanned(), scanned);
    sql_do("SELECT count(*) FROM threads WHERE metadata = '[]'; SELECT pg_stat_force_next_flush()");
    cr_assert_geq(rows_scanned(), scanned + 5000, "a scan would be seen");
}

Test(search, reads_no_table_as_a_whole_in_a_database_that_was_young)
{
    with_store(reads_by_index);
}
