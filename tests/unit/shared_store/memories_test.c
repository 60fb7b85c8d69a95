/* Memories: kept, merged, corrected, replaced and forgotten. */

#include "fixture.h"

#include <stdio.h>

#include "shared/base/digest.h"
#include "shared/store/users/memories.h"
#include "shared/store/users/user_data.h"

static const struct text ada = TEXT("ada");

/* Whose hash is that of the text itself; its words are the text. Good for a few calls. */
static struct memory_draft draft_of(const char *text)
{
    static uint8_t hashes[8][SHA256_BYTES];
    static size_t calls;
    uint8_t *sha = hashes[calls++ % ARRAY_LENGTH(hashes)];
    struct memory_draft draft = {.id = uuid_new(), .kind = MEMORY_FACT};

    sha256(text_of(text), sha);
    draft.content =
        (struct memory_content){.text = text_of(text), .words = text_of(text), .sha256 = sha};
    return draft;
}

static struct memory put(const struct store *store, struct text user, const char *text)
{
    struct memory_draft draft = draft_of(text);
    struct memory memory;

    MUST(memories_put(store, user, &draft, &memory, &test_err));
    return memory;
}

/* "text …" of a page, oldest first. */
static const char *shown(const struct store *store, struct text user,
                         const struct memory_filter *filter, struct uuid after, int limit)
{
    static char text[512];
    struct page page = {.limit = limit, .ascending = true, .after = after};
    struct memory_list list;
    size_t len = 0;

    text[0] = '\0';
    MUST(memories_list(store, user, filter, &page, &list, &test_err));
    for (size_t i = 0; i < list.count; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%.*s, ",
                                TEXT_ARGS(list.items[i].text));
    snprintf(text + len, sizeof(text) - len, "%s", list.has_more ? "more" : "end");
    return text;
}

static const struct memory_filter living = {.kind = -1};

static const char *all_of(const struct store *store, struct text user)
{
    return shown(store, user, &living, (struct uuid){{0}}, 100);
}

static void keeps(struct store *store)
{
    struct memory_draft draft = draft_of("likes tea");
    struct memory memory;
    struct memory again;

    draft.kind = MEMORY_PREFERENCE;
    draft.agent = must_agent(store);
    draft.source = MEMORY_BY_RUN;
    draft.source_run = must_run(store).id;
    draft.source_thread = uuid_new();
    MUST(memories_put(store, ada, &draft, &memory, &test_err));
    MUST(memories_get(store, ada, draft.id, &again, &test_err));
    cr_expect(text_is(again.text, "likes tea"));
    cr_expect(uuid_equal(again.agent, draft.agent));
    cr_expect(uuid_equal(again.source_run, draft.source_run));
    cr_expect(uuid_equal(again.source_thread, draft.source_thread));
    cr_expect_eq(again.kind, MEMORY_PREFERENCE);
    cr_expect_eq(again.source, MEMORY_BY_RUN);
    cr_expect_eq(again.version, 1);
    cr_expect_eq(again.recalls, 0);
    cr_expect_eq(again.last_recalled_at, 0);
    cr_expect_eq(again.replaced_at, 0);
    cr_expect_gt(again.created_at, 1700000000);
    cr_expect(uuid_is_zero(again.superseded_by));
    GIVES(MEMORY_MISSING, memories_get(store, TEXT("bob"), draft.id, &again, &test_err));
    GIVES(MEMORY_MISSING, memories_get(store, ada, uuid_new(), &again, &test_err));
}

Test(memories, are_kept_with_where_they_come_from)
{
    with_store(keeps);
}

static void merges(struct store *store)
{
    struct memory first = put(store, ada, "likes tea");
    struct memory second;
    struct memory_draft draft = draft_of("likes tea");

    sql_do("UPDATE memories SET updated_at = now() - interval '1 day'");
    draft.kind = MEMORY_EPISODE;
    MUST(memories_put(store, ada, &draft, &second, &test_err));
    cr_expect(uuid_equal(second.id, first.id));
    cr_expect_eq(second.kind, MEMORY_FACT, "nothing but the time has changed");
    cr_expect_eq(second.version, 1);
    cr_expect_geq(second.updated_at, first.updated_at);
    draft.agent = must_agent(store);
    MUST(memories_put(store, ada, &draft, &second, &test_err));
    cr_expect_not(uuid_equal(second.id, first.id), "what one agent knows is its own");
    cr_expect_str_eq(all_of(store, ada), "likes tea, likes tea, end");
    put(store, TEXT("bob"), "likes tea");
    cr_expect_str_eq(all_of(store, ada), "likes tea, likes tea, end");
    cr_expect_str_eq(all_of(store, TEXT("bob")), "likes tea, end");
}

Test(memories, that_say_the_same_in_a_scope_are_one)
{
    with_store(merges);
}

static void same_id(struct store *store)
{
    struct memory_draft draft = draft_of("likes tea");
    struct memory_draft other = draft_of("likes milk");
    struct memory_change change = {.version = -1, .sets_text = true, .draft = &other};
    struct memory memory;

    MUST(memories_put(store, ada, &draft, &memory, &test_err));
    MUST(memories_update(store, ada, draft.id, &change, &memory, &test_err));
    draft = draft_of("likes tea");
    draft.id = memory.id;
    MUST(memories_put(store, ada, &draft, &memory, &test_err));
    cr_expect(text_is(memory.text, "likes milk"), "what was made by then is there");
    cr_expect_str_eq(all_of(store, ada), "likes milk, end");
}

Test(memories, made_twice_with_one_id_are_made_once)
{
    with_store(same_id);
}

static void full(struct store *store)
{
    struct memory_draft draft = draft_of("one more");
    struct memory memory = put(store, ada, "the first");
    int64_t removed;

    sql_do("INSERT INTO memories (tenant_id, user_id, id, agent_id, kind, text, words, sha256,"
           " source, updated_at) SELECT tenant_id, user_id, gen_random_uuid(), agent_id, 'fact',"
           " 'n' || n, 'n', sha256(n::text::bytea), 'api', now() - n * interval '1 minute'"
           " FROM memories, generate_series(1, %d) n",
           MEMORIES_MAX - 1);
    GIVES(MEMORIES_FULL, memories_put(store, ada, &draft, &memory, &test_err));
    GIVES(0, memories_put(
                 store, ada,
                 &(struct memory_draft){.id = uuid_new(), .content = draft_of("the first").content},
                 &memory, &test_err));
    draft = draft_of("one more");
    MUST(memories_supersede(store, ada, memory.id, 1, &draft, &memory, &test_err));
    MUST(memories_let_go(store, ada, MEMORIES_MAX - 10, &removed, &test_err));
    cr_expect_eq(removed, 10);
    cr_expect_eq(sql_int("SELECT count(*) FROM memories WHERE text = 'n%d'", MEMORIES_MAX - 1), 0);
    cr_expect_eq(sql_int("SELECT count(*) FROM memories WHERE text = 'n1'"), 1);
    put(store, ada, "now it fits");
    MUST(memories_count(store, ada, &removed, &test_err));
    cr_expect_eq(removed, MEMORIES_MAX - 9);
}

Test(memories, are_limited_and_the_least_used_can_be_let_go)
{
    with_store(full);
}

static void corrects(struct store *store)
{
    struct memory first = put(store, ada, "lives in Rome");
    struct memory_draft draft = draft_of("lives in Oslo");
    struct memory_change change = {.version = 2, .sets_text = true, .draft = &draft};
    struct memory memory;
    struct memory_filter old = {.kind = -1, .which = MEMORIES_REPLACED};

    GIVES(MEMORY_CHANGED, memories_update(store, ada, first.id, &change, &memory, &test_err));
    GIVES(MEMORY_MISSING, memories_update(store, ada, uuid_new(), &change, &memory, &test_err));
    GIVES(MEMORY_MISSING,
          memories_update(store, TEXT("bob"), first.id, &change, &memory, &test_err));
    cr_expect_str_eq(all_of(store, ada), "lives in Rome, end");
    change.version = 1;
    MUST(memories_update(store, ada, first.id, &change, &memory, &test_err));
    cr_expect(uuid_equal(memory.id, first.id));
    cr_expect_eq(memory.version, 2);
    cr_expect_str_eq(all_of(store, ada), "lives in Oslo, end");
    cr_expect_str_eq(shown(store, ada, &old, (struct uuid){{0}}, 9), "lives in Rome, end");
    MUST(memories_get(store, ada, draft.id, &memory, &test_err));
    cr_expect(uuid_equal(memory.superseded_by, first.id));
    cr_expect_gt(memory.replaced_at, 0);
    change = (struct memory_change){.version = 2, .sets_kind = true, .draft = &draft};
    draft.kind = MEMORY_EPISODE;
    MUST(memories_update(store, ada, first.id, &change, &memory, &test_err));
    cr_expect_eq(memory.kind, MEMORY_EPISODE);
    cr_expect_eq(memory.version, 3);
    cr_expect(text_is(memory.text, "lives in Oslo"));
    cr_expect_eq(sql_int("SELECT count(*) FROM memories"), 2, "the text has no further history");
    GIVES(MEMORY_MISSING, memories_update(store, ada, draft.id, &change, &memory, &test_err));
}

Test(memories, are_corrected_where_they_are_as_they_were_seen)
{
    with_store(corrects);
}

static void there(struct store *store)
{
    struct memory first = put(store, ada, "lives in Rome");
    struct memory second = put(store, ada, "lives in Oslo");
    struct memory_draft draft = draft_of("lives in Oslo");
    struct memory_change change = {.version = 1, .sets_text = true, .draft = &draft};
    struct memory memory;

    GIVES(MEMORY_THERE, memories_update(store, ada, first.id, &change, &memory, &test_err));
    cr_expect(uuid_equal(memory.id, second.id));
    cr_expect_str_eq(all_of(store, ada), "lives in Rome, lives in Oslo, end");
    draft = draft_of("lives in Rome");
    MUST(memories_update(store, ada, first.id, &change, &memory, &test_err));
    cr_expect_eq(sql_int("SELECT count(*) FROM memories"), 2, "a text replaces itself not");
}

Test(memories, are_not_corrected_to_what_another_one_says)
{
    with_store(there);
}

static void supersedes(struct store *store)
{
    struct memory rome = put(store, ada, "lives in Rome");
    struct memory_draft oslo = draft_of("lives in Oslo");
    struct memory_draft bern;
    struct memory memory;

    GIVES(MEMORY_CHANGED, memories_supersede(store, ada, rome.id, 7, &oslo, &memory, &test_err));
    GIVES(MEMORY_MISSING,
          memories_supersede(store, ada, uuid_new(), -1, &oslo, &memory, &test_err));
    cr_expect_str_eq(all_of(store, ada), "lives in Rome, end");
    for (int i = 0; i < 2; i++) {
        oslo.content = draft_of("lives in Oslo").content;
        MUST(memories_supersede(store, ada, rome.id, 1, &oslo, &memory, &test_err));
        cr_expect(uuid_equal(memory.id, oslo.id));
        cr_expect_str_eq(all_of(store, ada), "lives in Oslo, end");
    }
    bern = draft_of("lives in Bern");
    MUST(memories_supersede(store, ada, oslo.id, -1, &bern, &memory, &test_err));
    MUST(memories_get(store, ada, rome.id, &memory, &test_err));
    cr_expect(uuid_equal(memory.superseded_by, bern.id), "history is that of what holds now");
    bern = draft_of("lives in Bern");
    MUST(memories_supersede(store, ada, memory.superseded_by, -1, &bern, &memory, &test_err));
    cr_expect_eq(memory.replaced_at, 0, "what says the same lives on");
    cr_expect_str_eq(all_of(store, ada), "lives in Bern, end");
    MUST(memories_forget(store, ada, memory.id, -1, &test_err));
    cr_expect_eq(sql_int("SELECT count(*) FROM memories"), 0, "its history goes with it");
}

Test(memories, are_superseded_once_however_often_it_is_said)
{
    with_store(supersedes);
}

static void supersedes_known(struct store *store)
{
    struct memory rome = put(store, ada, "lives in Rome");
    struct memory oslo = put(store, ada, "lives in Oslo");
    struct memory_draft draft = draft_of("lives in Oslo");
    struct memory memory;

    MUST(memories_supersede(store, ada, rome.id, -1, &draft, &memory, &test_err));
    cr_expect(uuid_equal(memory.id, oslo.id));
    cr_expect_str_eq(all_of(store, ada), "lives in Oslo, end");
    MUST(memories_get(store, ada, rome.id, &memory, &test_err));
    cr_expect(uuid_equal(memory.superseded_by, oslo.id));
}

Test(memories, are_superseded_by_one_that_is_there)
{
    with_store(supersedes_known);
}

static void history(struct store *store)
{
    struct memory memory = put(store, ada, "the last");
    struct uuid id = memory.id;
    struct memory_draft draft = draft_of("the very last");
    struct memory_change change = {.version = -1, .sets_text = true, .draft = &draft};
    int64_t swept;

    sql_do("INSERT INTO memories (tenant_id, user_id, id, agent_id, kind, text, words, sha256,"
           " source, replaced_at, superseded_by) SELECT tenant_id, user_id, gen_random_uuid(),"
           " agent_id, 'fact', 'n' || n, 'n', sha256(n::text::bytea), 'api',"
           " now() - n * interval '1 hour', id FROM memories, generate_series(1, %d) n",
           MEMORIES_HISTORY_MAX + 5);
    MUST(memories_update(store, ada, id, &change, &memory, &test_err));
    cr_expect_eq(sql_int("SELECT count(*) FROM memories WHERE replaced_at IS NOT NULL"),
                 MEMORIES_HISTORY_MAX, "the newest");
    MUST(memories_sweep(store->pg, 100, &swept, &test_err));
    cr_expect_eq(swept, 100);
    MUST(memories_sweep(store->pg, 5000, &swept, &test_err));
    cr_expect_eq(sql_int("SELECT count(*) FROM memories WHERE replaced_at IS NOT NULL"),
                 MEMORIES_HISTORY_DAYS * 24, "%ld are younger than the days that it is kept",
                 (long)swept);
    cr_expect_str_eq(all_of(store, ada), "the very last, end");
}

Test(memories, have_a_history_that_ends)
{
    with_store(history);
}

static void forgets(struct store *store)
{
    struct store other = other_tenant(store, "other");
    struct uuid agent = must_agent(store);
    struct memory_filter own = {.kind = -1, .of_agent = true, .agent = agent};
    struct memory_draft draft = draft_of("likes milk");
    struct memory memory = put(store, ada, "likes tea");
    int64_t removed;

    put(&other, ada, "likes tea");
    put(store, TEXT("bob"), "likes tea");
    GIVES(MEMORY_MISSING, memories_forget(&other, ada, memory.id, -1, &test_err));
    GIVES(MEMORY_MISSING, memories_forget(store, TEXT("bob"), memory.id, -1, &test_err));
    GIVES(MEMORY_CHANGED, memories_forget(store, ada, memory.id, 2, &test_err));
    MUST(memories_forget(store, ada, memory.id, 1, &test_err));
    GIVES(MEMORY_MISSING, memories_forget(store, ada, memory.id, -1, &test_err));
    draft.agent = agent;
    MUST(memories_put(store, ada, &draft, &memory, &test_err));
    put(store, ada, "likes water");
    cr_expect_str_eq(shown(store, ada, &own, (struct uuid){{0}}, 9), "likes milk, end");
    MUST(memories_forget_all(store, ada, &own, &removed, &test_err));
    cr_expect_eq(removed, 1);
    cr_expect_str_eq(all_of(store, ada), "likes water, end");
    MUST(memories_forget_all(store, ada, &living, &removed, &test_err));
    cr_expect_eq(removed, 1);
    cr_expect_eq(sql_int("SELECT count(*) FROM memories"), 2, "of others");
}

Test(memories, are_forgotten_of_this_user_and_tenant_alone)
{
    with_store(forgets);
}

static void lists(struct store *store)
{
    struct memory_filter filter = {.kind = MEMORY_EPISODE};
    struct memory first = put(store, ada, "a");
    struct memory_draft draft = draft_of("b");
    struct memory memory;

    draft.kind = MEMORY_EPISODE;
    draft.source_run = must_run(store).id;
    MUST(memories_put(store, ada, &draft, &memory, &test_err));
    put(store, ada, "c");
    cr_expect_str_eq(shown(store, ada, &living, (struct uuid){{0}}, 2), "a, b, more");
    cr_expect_str_eq(shown(store, ada, &living, first.id, 2), "b, c, end");
    cr_expect_str_eq(shown(store, ada, &filter, (struct uuid){{0}}, 9), "b, end");
    filter = (struct memory_filter){.kind = -1, .source_run = draft.source_run};
    cr_expect_str_eq(shown(store, ada, &filter, (struct uuid){{0}}, 9), "b, end");
    filter.source_run = uuid_new();
    cr_expect_str_eq(shown(store, ada, &filter, (struct uuid){{0}}, 9), "end");
    filter = (struct memory_filter){.kind = -1, .which = MEMORIES_ALL};
    cr_expect_str_eq(shown(store, ada, &filter, (struct uuid){{0}}, 9), "a, b, c, end");
}

Test(memories, are_listed_in_pages_by_kind_run_and_agent)
{
    with_store(lists);
}

/* "words[+vector] …" of a slice. */
static const char *sought(const struct store *store, const struct memory_sought *what,
                          struct uuid *after, int limit)
{
    static char text[256];
    struct memory_candidates found;
    size_t len = 0;

    text[0] = '\0';
    MUST(memories_candidates(store, ada, what, *after, limit, &found, &test_err));
    for (size_t i = 0; i < found.count; i++) {
        len +=
            (size_t)snprintf(text + len, sizeof(text) - len, "%.*s%s ",
                             TEXT_ARGS(found.items[i].words), found.items[i].vector.ptr ? "+" : "");
        *after = found.items[i].id;
    }
    return text;
}

static void searches(struct store *store)
{
    struct memory_draft draft = draft_of("a");
    struct memory_sought what = {.model = TEXT("m-1")};
    struct uuid agent = must_agent(store);
    struct uuid after = {{0}};
    struct memory_candidates found;
    struct memory memory;

    draft.content.vector = TEXT("\x01\xff\x00\x7f");
    draft.content.model = TEXT("m-1");
    MUST(memories_put(store, ada, &draft, &memory, &test_err));
    draft = draft_of("b");
    draft.agent = agent;
    draft.kind = MEMORY_EPISODE;
    draft.content.vector = TEXT("\x02");
    draft.content.model = TEXT("m-2");
    MUST(memories_put(store, ada, &draft, &memory, &test_err));
    draft = draft_of("c");
    draft.agent = must_agent(store);
    MUST(memories_put(store, ada, &draft, &memory, &test_err));
    draft = draft_of("d");
    MUST(memories_supersede(store, ada, memory.id, -1, &draft, &memory, &test_err));
    put(store, TEXT("bob"), "e");

    cr_expect_str_eq(sought(store, &what, &after, 2), "a+ b ");
    cr_expect_str_eq(sought(store, &what, &after, 2), "d ");
    cr_expect_str_eq(sought(store, &what, &after, 2), "");
    what = (struct memory_sought){.as_agent = true, .agent = agent, .model = TEXT("m-2")};
    after = (struct uuid){{0}};
    cr_expect_str_eq(sought(store, &what, &after, 9), "a b+ d ");
    what.agent = must_agent(store);
    after = (struct uuid){{0}};
    cr_expect_str_eq(sought(store, &what, &after, 9), "a d ");
    what = (struct memory_sought){.kinds = 1U << MEMORY_EPISODE | 1U << MEMORY_PREFERENCE};
    after = (struct uuid){{0}};
    cr_expect_str_eq(sought(store, &what, &after, 9), "b ");
    what = (struct memory_sought){.model = TEXT("m-1")};
    MUST(memories_candidates(store, ada, &what, (struct uuid){{0}}, 1, &found, &test_err));
    cr_expect(text_equal(found.items[0].vector, TEXT("\x01\xff\x00\x7f")));
    cr_expect_gt(found.items[0].updated_ms, INT64_C(1700000000000));
}

Test(memories, are_sought_among_those_that_live_and_that_the_agent_knows)
{
    with_store(searches);
}

static void vectors(struct store *store)
{
    struct memory one = put(store, ada, "one");
    struct memory two = put(store, ada, "two");
    struct memory_vector made[2] = {{one.id, 1, TEXT("\x01\xfe")}, {two.id, 7, TEXT("\x03")}};
    struct memory_unseen_list list;
    struct memory_draft draft = draft_of("three");
    struct memory_change change = {.version = -1, .sets_text = true, .draft = &draft};
    struct memory memory;
    struct memory_sought what = {.model = TEXT("m")};
    struct uuid after = {{0}};

    MUST(memories_without_vector(store, ada, TEXT("m"), after, 9, &list, &test_err));
    cr_expect_eq(list.count, 2);
    MUST(memories_set_vectors(store, ada, TEXT("m"), made, 2, &test_err));
    cr_expect_str_eq(sought(store, &what, &after, 9), "one+ two ");
    MUST(memories_without_vector(store, ada, TEXT("m"), (struct uuid){{0}}, 9, &list, &test_err));
    cr_expect_eq(list.count, 1, "whose text has changed meanwhile");
    cr_expect(uuid_equal(list.items[0].id, two.id));
    MUST(memories_update(store, ada, one.id, &change, &memory, &test_err));
    MUST(memories_without_vector(store, ada, TEXT("m"), (struct uuid){{0}}, 9, &list, &test_err));
    cr_expect_eq(list.count, 2, "another text has another vector");
}

Test(memories, are_given_vectors_of_the_text_that_they_have)
{
    with_store(vectors);
}

static void recalls(struct store *store)
{
    struct memory one = put(store, ada, "one");
    struct memory_list list;

    for (int i = 0; i < 2; i++)
        MUST(memories_recalled(store, ada, &one.id, 1, &test_err));
    MUST(memories_of_ids(store, ada, &one.id, 1, &list, &test_err));
    cr_expect_eq(list.count, 1);
    cr_expect_eq(list.items[0].recalls, 1, "once an hour");
    cr_expect_gt(list.items[0].last_recalled_at, 0);
    sql_do("UPDATE memories SET last_recalled_at = now() - interval '61 minutes'");
    MUST(memories_recalled(store, ada, &one.id, 1, &test_err));
    MUST(memories_recalled(store, TEXT("bob"), &one.id, 1, &test_err));
    cr_expect_eq(sql_int("SELECT recalls FROM memories"), 2);
}

Test(memories, note_that_they_were_recalled_once_an_hour)
{
    with_store(recalls);
}

static void with_user(struct store *store)
{
    struct store other = other_tenant(store, "other");
    struct user_deleting how = {.user = ada, .deadline_ms = DEADLINE_NONE};
    struct user_removed removed;
    struct memory memory = put(store, ada, "lives in Rome");
    struct memory_draft draft = draft_of("lives in Oslo");

    MUST(memories_supersede(store, ada, memory.id, -1, &draft, &memory, &test_err));
    for (int i = 0; i < 450; i++) {
        char text[16];

        snprintf(text, sizeof(text), "n%d", i);
        put(store, ada, text);
    }
    put(&other, ada, "likes tea");
    put(store, TEXT("bob"), "likes tea");
    MUST(users_delete(store, &how, &removed, &test_err));
    cr_expect(removed.all);
    cr_expect_eq(removed.counts[USER_MEMORIES], 452);
    cr_expect_str_eq(user_thing_name(USER_MEMORIES), "memories");
    cr_expect_eq(sql_int("SELECT count(*) FROM memories"), 2);
}

Test(memories, go_with_their_user)
{
    with_store(with_user);
}

#define WRITERS 4

static void write_ten(void *arg)
{
    const struct store *store = arg;
    char text[16];

    for (int i = 0; i < 10; i++) {
        snprintf(text, sizeof(text), "fact %d", i);
        put(store, ada, text);
    }
}

static void at_once(struct store *store)
{
    struct store stores[WRITERS];
    struct fiber *fibers[WRITERS];

    for (int i = 0; i < WRITERS; i++) {
        stores[i] = *store;
        stores[i].pg = another_pg();
        fibers[i] = fiber_start("writer", write_ten, &stores[i]);
    }
    for (int i = 0; i < WRITERS; i++) {
        fiber_join(fibers[i]);
        pg_close(stores[i].pg);
    }
    cr_expect_eq(sql_int("SELECT count(*) FROM memories"), 10);
}

Test(memories, of_writers_at_once_are_kept_once_each)
{
    with_store(at_once);
}
