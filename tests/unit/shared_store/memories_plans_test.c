/* What statements of memories read of a user who has few, among 40,000 of others: with the plans
 * that a session made while the table was empty, and with new ones. */

#include "fixture.h"

#include "shared/base/digest.h"
#include "shared/store/users/memories.h"
#include "shared/store/users/user_data.h"

#define TIMES    8 /* then plans are those that stay */
#define READ_MAX (TIMES * 400)

static const struct text ada = TEXT("user 5000");
static uint8_t sha[SHA256_BYTES];

static struct memory put(const struct store *store, const char *text)
{
    struct memory_draft draft = {
        .id = uuid_new(), .content = {text_of(text), text_of(text), sha, TEXT_NONE, TEXT_NONE}};
    struct memory memory;

    sha256(text_of(text), sha);
    MUST(memories_put(store, ada, &draft, &memory, &test_err));
    return memory;
}

static void change(const struct store *store, struct uuid id)
{
    struct memory_draft draft = {
        .id = uuid_new(), .content = {TEXT("three"), TEXT("three"), sha, TEXT_NONE, TEXT_NONE}};
    const struct memory_change wanted = {.version = -1, .sets_text = true, .draft = &draft};
    struct memory memory;

    sha256(TEXT("three"), sha);
    MUST(memories_update(store, ada, id, &wanted, &memory, &test_err));
    draft.id = uuid_new();
    draft.content.text = TEXT("four");
    sha256(TEXT("four"), sha);
    MUST(memories_supersede(store, ada, id, -1, &draft, &memory, &test_err));
}

static void use_all(const struct store *store)
{
    const struct memory_filter filter = {.kind = -1};
    const struct memory_sought sought = {.model = TEXT("m")};
    struct page page = {.limit = 10};
    struct user_deleting how = {.user = ada, .deadline_ms = DEADLINE_NONE};
    struct memory one = put(store, "one");
    struct memory two = put(store, "two");
    struct memory_vector vector = {two.id, 1, TEXT("\1")};
    struct user_removed removed;
    struct memory_candidates candidates;
    struct memory_unseen_list unseen;
    struct memory_list list;
    int64_t count;

    MUST(memories_get(store, ada, one.id, &one, &test_err));
    MUST(memories_list(store, ada, &filter, &page, &list, &test_err));
    page.ascending = true;
    MUST(memories_list(store, ada, &filter, &page, &list, &test_err));
    MUST(memories_of_ids(store, ada, &one.id, 1, &list, &test_err));
    MUST(memories_count(store, ada, &count, &test_err));
    MUST(memories_candidates(store, ada, &sought, (struct uuid){{0}}, 500, &candidates, &test_err));
    MUST(memories_without_vector(store, ada, TEXT("m"), (struct uuid){{0}}, 9, &unseen, &test_err));
    MUST(memories_set_vectors(store, ada, TEXT("m"), &vector, 1, &test_err));
    MUST(memories_recalled(store, ada, &one.id, 1, &test_err));
    change(store, one.id);
    MUST(memories_let_go(store, ada, 2, &count, &test_err));
    MUST(memories_forget(store, ada, two.id, -1, &test_err));
    MUST(memories_forget_all(store, ada, &filter, &count, &test_err));
    MUST(memories_sweep(store->pg, 100, &count, &test_err));
    put(store, "one");
    MUST(users_delete(store, &how, &removed, &test_err));
    cr_assert_eq(removed.counts[USER_MEMORIES], 1);
}

static void use_over(const struct store *store, struct pg *pg)
{
    struct store over = *store;

    over.pg = pg;
    for (int i = 0; i < TIMES; i++)
        use_all(&over);
}

static int64_t sessions(void)
{
    return sql_int("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                   " AND application_name = 'unit'");
}

static int64_t rows_read(void)
{
    return sql_int("SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_user_tables"
                   " WHERE relname = 'memories'");
}

static int64_t entries_read(void)
{
    return sql_int("SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'memories'");
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
    cr_assert(rows > 0 && rows < READ_MAX && entries < READ_MAX,
              "%s: %lld rows and %lld entries of indexes in %d rounds", what, (long long)rows,
              (long long)entries, TIMES);
}

static void read_little(struct store *store)
{
    struct pg *early = another_pg();

    use_over(store, early);
    sql_do("INSERT INTO memories (tenant_id, user_id, id, agent_id, kind, text, words, sha256,"
           "   source, replaced_at, superseded_by)"
           " SELECT '%s', 'user ' || n %% 9000 + 6000, gen_random_uuid(), '%s', 'fact', 'x', 'x',"
           "   sha256(n::text::bytea), 'api', CASE n %% 4 WHEN 0 THEN now() END, gen_random_uuid()"
           " FROM generate_series(1, 40000) n",
           show(store->tenant), show((struct uuid){{0}}));
    sql_do("ANALYZE");
    use_and_close(store, early, "with early plans");
    use_and_close(store, another_pg(), "with new plans");
}

Test(memories_plans, read_little_of_what_others_have)
{
    with_store(read_little);
}
