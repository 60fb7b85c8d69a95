/* What is known of users. */

#include "fixture.h"

#include <stdio.h>

#include "shared/store/users/memory_keys.h"
#include "shared/store/users/user_data.h"

static const struct memory_key_scope ada = {TEXT("ada"), {{0}}};

static void put(const struct store *store, const struct memory_key_scope *scope, const char *key,
                const char *value)
{
    struct memory_key memory;

    MUST(memory_keys_put(store, scope, text_of(key), text_of(value), &memory, &test_err));
    cr_assert(text_is(memory.key, key));
}

/* "key=value …" of a page. */
static const char *shown(const struct store *store, const struct memory_key_scope *scope,
                         const struct memory_key_page *page)
{
    static char text[512];
    struct memory_key_list list;
    size_t len = 0;

    MUST(memory_keys_list(store, scope, page, &list, &test_err));
    text[0] = '\0';
    for (size_t i = 0; i < list.count; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%.*s=%.*s ",
                                TEXT_ARGS(list.items[i].key), TEXT_ARGS(list.items[i].value));
    (void)snprintf(text + len, sizeof(text) - len, "%s", list.has_more ? "more" : "end");
    return text;
}

static const char *all_of(const struct store *store, const struct memory_key_scope *scope)
{
    return shown(store, scope, &(struct memory_key_page){.limit = 100, .ascending = true});
}

static void keeps(struct store *store)
{
    struct memory_key_scope own = {TEXT("ada"), must_agent(store)};
    struct store other = other_tenant(store, "other");
    struct memory_key memory;
    int64_t count;

    GIVES(MEMORY_KEY_MISSING, memory_keys_get(store, &ada, TEXT("diet"), &memory, &test_err));
    put(store, &ada, "diet", "\"vegan\"");
    put(store, &own, "diet", "{\"a\": [null, 1.50]}");
    put(store, &ada, "Diet", "null");
    sql_do(
        "UPDATE user_memory SET created_at = created_at - interval '1 h', updated_at = created_at"
        " - interval '1 h'");
    MUST(memory_keys_put(store, &ada, TEXT("diet"), TEXT("false"), &memory, &test_err));
    cr_assert_eq(memory.updated_at - memory.created_at, 3600);
    MUST(memory_keys_get(store, &ada, TEXT("diet"), &memory, &test_err));
    cr_assert(text_is(memory.value, "false"));
    cr_assert_str_eq(all_of(store, &ada), "Diet=null diet=false end");
    cr_assert_str_eq(all_of(store, &own), "diet={\"a\": [null, 1.50]} end");
    cr_assert_str_eq(all_of(store, &(struct memory_key_scope){TEXT("Ada"), {{0}}}), "end");
    cr_assert_str_eq(all_of(&other, &ada), "end");
    GIVES(MEMORY_KEY_MISSING, memory_keys_get(&other, &ada, TEXT("diet"), &memory, &test_err));
    MUST(memory_keys_delete(&other, &ada, TEXT_NONE, &count, &test_err));
    cr_assert_eq(count, 0);

    MUST(memory_keys_delete(store, &ada, TEXT("diet"), &count, &test_err));
    cr_assert_eq(count, 1);
    MUST(memory_keys_delete(store, &ada, TEXT("diet"), &count, &test_err));
    cr_assert_eq(count, 0);
    MUST(memory_keys_delete(store, &ada, TEXT_NONE, &count, &test_err));
    cr_assert_eq(count, 1);
    cr_assert_str_eq(all_of(store, &ada), "end");
    cr_assert_str_eq(all_of(store, &own), "diet={\"a\": [null, 1.50]} end");
}

Test(memory_keys, are_kept_by_tenant_user_agent_and_key)
{
    with_store(keeps);
}

static void pages(struct store *store)
{
    struct memory_key_page up = {.limit = 2, .ascending = true};
    struct memory_key_page down = {.limit = 2};

    put(store, &ada, "b", "2");
    put(store, &ada, "c", "3");
    put(store, &ada, "B", "1");
    put(store, &ada, "é", "4");
    cr_assert_str_eq(shown(store, &ada, &up), "B=1 b=2 more");
    up.after = TEXT("b");
    cr_assert_str_eq(shown(store, &ada, &up), "c=3 é=4 end");
    up.after = TEXT("bb"); /* which is not there */
    cr_assert_str_eq(shown(store, &ada, &up), "c=3 é=4 end");
    up = (struct memory_key_page){.limit = 2, .ascending = true, .before = TEXT("é")};
    cr_assert_str_eq(shown(store, &ada, &up), "b=2 c=3 more");
    cr_assert_str_eq(shown(store, &ada, &down), "é=4 c=3 more");
    down.after = TEXT("c");
    cr_assert_str_eq(shown(store, &ada, &down), "b=2 B=1 end");
    down = (struct memory_key_page){.limit = 1, .before = TEXT("B")};
    cr_assert_str_eq(shown(store, &ada, &down), "b=2 more");
    down = (struct memory_key_page){.limit = 9, .after = TEXT("é"), .before = TEXT("B")};
    cr_assert_str_eq(shown(store, &ada, &down), "c=3 b=2 end");
    put(store, &ada, "big", "\"012345678901234567890123456789012345678901234567890123456789\"");
    up = (struct memory_key_page){.limit = 9, .ascending = true, .bytes_max = 60};
    cr_assert_str_eq(shown(store, &ada, &up), "B=1 b=2 more");
}

Test(memory_keys, are_paged_by_the_bytes_of_their_keys)
{
    with_store(pages);
}

static void replaces(struct store *store)
{
    struct memory_key_scope own = {TEXT("ada"), must_agent(store)};
    struct memory_key memory;
    int64_t count;

    put(store, &ada, "a", "1");
    put(store, &ada, "b", "2");
    put(store, &own, "a", "3");
    sql_do("UPDATE user_memory SET created_at = created_at - interval '1 h'");
    MUST(memory_keys_replace(store, &ada, TEXT("{\"b\": {\"x\": \"y\"}, \"c\": null}"), &count,
                             &test_err));
    cr_assert_eq(count, 2);
    cr_assert_str_eq(all_of(store, &ada), "b={\"x\": \"y\"} c=null end");
    cr_assert_str_eq(all_of(store, &own), "a=3 end");
    MUST(memory_keys_get(store, &ada, TEXT("b"), &memory, &test_err));
    cr_assert_geq(memory.updated_at - memory.created_at, 3600);
    MUST(memory_keys_replace(store, &ada, TEXT("{}"), &count, &test_err));
    cr_assert_eq(count, 0);
    cr_assert_str_eq(all_of(store, &ada), "end");
}

Test(memory_keys, of_a_scope_are_replaced_as_a_whole)
{
    with_store(replaces);
}

static void fill(const struct store *store, int count)
{
    sql_do("INSERT INTO user_memory (tenant_id, user_id, agent_id, key, value, value_bytes)"
           " SELECT '%s', 'ada', (lpad(to_hex(n %% 3), 32, '0'))::uuid, 'k' || n, to_jsonb(n), 4"
           " FROM generate_series(1, %d) n",
           show(store->tenant), count);
}

static void limits(struct store *store)
{
    struct memory_key memory;
    int64_t count;

    fill(store, MEMORY_KEYS_MAX - 1);
    put(store, &ada, "last", "1");
    GIVES(MEMORY_KEYS_FULL,
          memory_keys_put(store, &ada, TEXT("more"), TEXT("1"), &memory, &test_err));
    put(store, &ada, "last", "2");
    put(store, &(struct memory_key_scope){TEXT("bob"), {{0}}}, "more", "1");
    GIVES(MEMORY_KEYS_FULL,
          memory_keys_replace(store, &(struct memory_key_scope){TEXT("ada"), {{9}}},
                              TEXT("{\"a\": 1}"), &count, &test_err));
    cr_assert_eq(sql_int("SELECT count(*) FROM user_memory WHERE user_id = 'ada'"),
                 MEMORY_KEYS_MAX);
    MUST(memory_keys_replace(store, &ada, TEXT("{\"a\": 1, \"last\": 3}"), &count, &test_err));
    cr_assert_str_eq(all_of(store, &ada), "a=1 last=3 end");
}

Test(memory_keys, are_limited_for_all_agents_together)
{
    with_store(limits);
}

#define WRITERS 4
#define EACH    8

struct writer {
    struct store store;
    struct arena arena;
    int number;
    int written;
    int refused;
};

static void write_some(void *arg)
{
    struct writer *writer = arg;
    struct memory_key memory;
    struct error err;

    for (int i = 0; i < EACH; i++) {
        char key[32];
        int r;

        (void)snprintf(key, sizeof(key), "w%d-%d", writer->number, i);
        r = memory_keys_put(&writer->store, &ada, text_of(key), TEXT("1"), &memory, &err);
        cr_assert_geq(r, 0, "%s", err.text);
        writer->written += r == 0;
        writer->refused += r == MEMORY_KEYS_FULL;
    }
}

/* Each over a connection of its own, as schedulers do. */
static void counts_exactly(struct store *store)
{
    static struct writer writers[WRITERS];
    struct fiber *fibers[WRITERS];
    int written = 0;

    fill(store, MEMORY_KEYS_MAX - EACH);
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.store = *store, .number = i};
        arena_init(&writers[i].arena, 0);
        writers[i].store.arena = &writers[i].arena;
        writers[i].store.pg = another_pg();
        fibers[i] = fiber_start("writer", write_some, &writers[i]);
    }
    for (int i = 0; i < WRITERS; i++) {
        fiber_join(fibers[i]);
        cr_assert_eq(writers[i].written + writers[i].refused, EACH);
        written += writers[i].written;
        pg_close(writers[i].store.pg);
        arena_deinit(&writers[i].arena);
    }
    cr_assert_eq(written, EACH);
    cr_assert_eq(sql_int("SELECT count(*) FROM user_memory"), MEMORY_KEYS_MAX);
}

Test(memory_keys, are_counted_exactly_whoever_else_writes)
{
    with_store(counts_exactly);
}

static void recalls(struct store *store)
{
    struct memory_key_scope own = {TEXT("ada"), must_agent(store)};
    struct memory_key_scope others = {TEXT("ada"), must_agent(store)};
    struct memory_key_recall recall;
    struct memory_key memory;

    MUST(memory_keys_recall(store, &own, 1000, &recall, &test_err));
    cr_assert_eq(recall.count + recall.left_out, 0);
    put(store, &own, "diet", "\"vegan\"");
    put(store, &ada, "city", "\"Rome\"");
    put(store, &ada, "diet", "\"fish\"");
    put(store, &others, "city", "\"Oslo\"");
    put(store, &ada, "age", "41");

    MUST(memory_keys_recall(store, &own, 1000, &recall, &test_err));
    cr_assert_eq(recall.count, 3);
    cr_assert_eq(recall.left_out, 0);
    cr_assert(text_is(recall.items[0].key, "age"));
    cr_assert(text_is(recall.items[1].key, "city") && text_is(recall.items[1].value, "\"Rome\""));
    cr_assert(text_is(recall.items[2].key, "diet") && text_is(recall.items[2].value, "\"vegan\""));

    MUST(memory_keys_recall(store, &own, 6, &recall, &test_err));
    cr_assert_eq(recall.count, 2);
    cr_assert_eq(recall.left_out, 1);

    MUST(memory_keys_recall_key(store, &own, TEXT("diet"), &memory, &test_err));
    cr_assert(text_is(memory.value, "\"vegan\""));
    MUST(memory_keys_recall_key(store, &others, TEXT("diet"), &memory, &test_err));
    cr_assert(text_is(memory.value, "\"fish\""));
    GIVES(MEMORY_KEY_MISSING, memory_keys_recall_key(store, &own, TEXT("x"), &memory, &test_err));
}

Test(memory_keys, of_an_agent_are_recalled_over_those_of_all)
{
    with_store(recalls);
}

static void forgets(struct store *store)
{
    struct store other = other_tenant(store, "other");
    struct user_removed removed;

    fill(store, MEMORY_KEYS_MAX);
    put(store, &(struct memory_key_scope){TEXT("bob"), {{0}}}, "a", "1");
    put(&other, &ada, "a", "1");
    MUST(users_delete(
        store,
        &(struct user_deleting){
            .user = TEXT("ada"), .deadline_ms = clock_ms(), .stopped = NULL, .arg = NULL},
        &removed, &test_err));
    cr_assert_not(removed.all, "the time was over");
    cr_assert(removed.counts[USER_MEMORY] > 0 && removed.counts[USER_MEMORY] < MEMORY_KEYS_MAX);
    cr_assert_eq(sql_int("SELECT count(*) FROM user_memory"),
                 MEMORY_KEYS_MAX - removed.counts[USER_MEMORY] + 2);
    MUST(users_delete(
        store,
        &(struct user_deleting){
            .user = TEXT("ada"), .deadline_ms = DEADLINE_NONE, .stopped = NULL, .arg = NULL},
        &removed, &test_err));
    cr_assert(removed.all);
    cr_assert_eq(sql_int("SELECT count(*) FROM user_memory"), 2);
    MUST(users_delete(
        store,
        &(struct user_deleting){
            .user = TEXT("ada"), .deadline_ms = clock_ms(), .stopped = NULL, .arg = NULL},
        &removed, &test_err));
    cr_assert(removed.all);
    cr_assert_eq(removed.counts[USER_MEMORY], 0);
    cr_assert_str_eq(user_thing_name(USER_MEMORY), "memory");
}

Test(memory_keys, of_a_user_are_deleted_in_batches_that_go_on_where_one_stopped)
{
    with_store(forgets);
}
