/* Tests of runs that are looked for and made many at once, each judged for itself. */

#include "fixture.h"

#include "shared/store/submissions/run_batches.h"

static const struct uuid any = {{0}};

/* The place of a run among those that were made; -1: it was not. */
static int made_at(const struct pg_result *result, size_t place)
{
    for (size_t n = 0; n < run_batch_made_count(result); n++)
        if (run_batch_made_place(result, n) == place)
            return (int)n;
    return -1;
}

/* What is told of a run that was made is what is read of it. */
static struct run check_made(const struct store *store, const struct pg_result *result,
                             const struct run_making *makings, size_t place)
{
    struct run made;
    struct run read;

    struct run_making making = makings[place];

    making.arena = store->arena;
    MUST(run_batch_made(result, (size_t)made_at(result, place), &making, &made, &test_err));
    MUST(runs_get(store, made.thread_id, made.id, &read, &test_err));
    cr_assert(uuid_equal(made.agent_id, read.agent_id));
    cr_assert_eq(made.agent_version, read.agent_version);
    cr_assert_eq(made.status, read.status);
    cr_assert_eq(made.shard, read.shard);
    cr_assert_eq(made.priority, read.priority);
    cr_assert(text_equal(made.spec, read.spec));
    cr_assert(text_equal(made.metadata, read.metadata));
    cr_assert(text_equal(made.user, read.user));
    cr_assert(made.queue_ms == read.queue_ms && made.latency_ms == read.latency_ms &&
              made.first_token_ms == read.first_token_ms && made.iterations == read.iterations);
    cr_assert_eq(made.created_at, read.created_at);
    cr_assert_eq(made.updated_at, read.updated_at);
    cr_assert_eq(made.expires_at, read.expires_at);
    cr_assert(!read.owner && !read.step && !read.errors && !read.crashes &&
              !read.used.prompt_tokens && !read.used.completion_tokens && !read.started_at &&
              !read.held && !read.open_calls);
    cr_assert(!read.last_error.ptr && !read.incomplete_reason.ptr && !read.required_action.ptr);
    return made;
}

static void makes(struct store *store)
{
    struct store stranger = other_tenant(store, "globex");
    struct uuid agent = must_agent(store);
    struct message_draft messages[2] = {user_message("[1]"), user_message("[2]")};
    struct thread_draft fresh = {
        .id = uuid_new(), .metadata = TEXT("{\"a\": 1}"), .messages = messages, .message_count = 2};
    struct run_draft drafts[6];
    struct run_making makings[6];
    struct idempotency_trace trace;
    uint8_t hash[SHA256_BYTES] = {7};
    struct pg_result *result = NULL;
    struct message_draft one = user_message("[3]");
    struct thread thread;
    struct run run;

    drafts[0] = run_of(must_thread(store), agent);        /* an idle thread */
    drafts[1] = run_of(must_run(store).thread_id, agent); /* a busy one */
    drafts[2] = run_of(any, agent);                       /* a new one */
    drafts[3] = run_of(must_thread(store), uuid_new());   /* no such agent */
    drafts[4] = run_of(drafts[0].thread, agent);          /* a thread of an earlier one */
    drafts[5] = run_of(must_thread(store), agent);        /* another tenant's */
    drafts[0].messages = &one;
    drafts[0].message_count = 1;
    idempotency_trace_init(&trace, store, hash, drafts[0].id);
    for (int i = 0; i < 6; i++)
        makings[i] = (struct run_making){.tenant = i == 5 ? stranger.tenant : store->tenant,
                                         .draft = &drafts[i],
                                         .new_thread = i == 2 ? &fresh : NULL,
                                         .trace = i == 0 ? &trace : NULL};
    MUST(run_batch_make(store->pg, NULL, makings, 6, &result, &test_err));
    cr_assert_eq(run_batch_made_count(result), 2);
    for (size_t i = 0; i < 6; i++)
        cr_assert_eq(made_at(result, i) >= 0, i == 0 || i == 2, "%zu", i);

    run = check_made(store, result, makings, 0);
    cr_assert(uuid_equal(run.id, drafts[0].id));
    check_run(store, run.id, RUN_QUEUED);
    cr_assert(uuid_equal(must_get_thread(store, drafts[0].thread).active_run, run.id));
    cr_assert_eq(sql_int("SELECT count(*) FROM messages WHERE submitted_with = '%s'"
                         "   AND content = '[3]'",
                         show(run.id)),
                 1);
    cr_assert_eq(
        sql_int("SELECT count(*) FROM idempotency_keys WHERE object_id = '%s'", show(run.id)), 1);

    run = check_made(store, result, makings, 2);
    cr_assert(uuid_equal(run.thread_id, fresh.id));
    thread = must_get_thread(store, fresh.id);
    cr_assert(uuid_equal(thread.active_run, run.id));
    cr_assert(text_is(thread.metadata, "{\"a\": 1}"));
    cr_assert_str_eq(sql_string(store,
                                "SELECT string_agg(content::text, ',' ORDER BY position)"
                                " FROM messages WHERE thread_id = '%s'",
                                show(fresh.id)),
                     "[1],[2]");
    pg_result_free(result);
    GIVES(THREAD_BUSY, runs_create(store, &drafts[1], &run, NULL, &test_err));
    GIVES(AGENT_MISSING, runs_create(store, &drafts[3], &run, NULL, &test_err));
    GIVES(THREAD_BUSY, runs_create(store, &drafts[4], &run, NULL, &test_err));
}

Test(run_batches, make_what_nothing_is_in_the_way_of)
{
    with_store(makes);
}

static void nothing(struct store *store)
{
    struct run_draft drafts[2] = {run_of(must_thread(store), must_agent(store)),
                                  run_of(must_thread(store), must_agent(store))};
    struct run_making makings[2] = {{.tenant = store->tenant, .draft = &drafts[0]},
                                    {.tenant = store->tenant, .draft = &drafts[1]}};
    struct pg_result *result = NULL;

    drafts[1].id = must_run(store).id;
    GIVES(-E_CONFLICT, run_batch_make(store->pg, NULL, makings, 2, &result, &test_err));
    drafts[1].id = uuid_new();
    drafts[1].metadata = TEXT("[\"\\u0000\"]");
    GIVES(-E_CONTENT, run_batch_make(store->pg, NULL, makings, 2, &result, &test_err));
    cr_assert_eq(sql_int("SELECT count(*) FROM runs"), 1);
}

Test(run_batches, make_nothing_where_one_can_not_be_stored)
{
    with_store(nothing);
}

/* The same request several times is several runs, of which the last is what a second try finds. */
static void same_tries(struct store *store)
{
    struct uuid agent = must_agent(store);
    struct run_draft drafts[3];
    struct thread_draft threads[3];
    struct run_making makings[3];
    struct idempotency_trace traces[3];
    uint8_t hash[SHA256_BYTES] = {8};
    struct pg_result *result = NULL;
    struct uuid found;

    for (int i = 0; i < 3; i++) {
        drafts[i] = run_of(any, agent);
        threads[i] = (struct thread_draft){.id = uuid_new()};
        idempotency_trace_init(&traces[i], store, hash, drafts[i].id);
        makings[i] = (struct run_making){.tenant = store->tenant,
                                         .draft = &drafts[i],
                                         .new_thread = &threads[i],
                                         .trace = &traces[i]};
    }
    MUST(run_batch_make(store->pg, NULL, makings, 3, &result, &test_err));
    cr_assert_eq(run_batch_made_count(result), 3);
    MUST(idempotency_recall(store, hash, uuid_new(), &found, &test_err));
    cr_assert(uuid_equal(found, drafts[2].id));
    pg_result_free(result);
}

Test(run_batches, keep_the_last_of_the_same_tries)
{
    with_store(same_tries);
}

/* A thread whose row somebody holds is left, and the others do not wait for it. */
static void skips(struct store *store)
{
    struct run_draft drafts[2] = {run_of(must_thread(store), must_agent(store)),
                                  run_of(must_thread(store), must_agent(store))};
    struct run_making makings[2] = {{.tenant = store->tenant, .draft = &drafts[0]},
                                    {.tenant = store->tenant, .draft = &drafts[1]}};
    struct pg *pg = another_pg();
    struct lock_holder holder;
    struct pg_result *result = NULL;

    lock_rows(&holder, pg, "SELECT 1 FROM threads ORDER BY id LIMIT 1 FOR UPDATE", 300);
    MUST(run_batch_make(store->pg, NULL, makings, 2, &result, &test_err));
    cr_assert_eq(run_batch_made_count(result), 1);
    fiber_join(holder.fiber);
    pg_result_free(result);
    pg_close(pg);
}

Test(run_batches, wait_for_no_thread)
{
    with_store(skips);
}

/* All that two sets of rows say, but for their ids, places and times, in the order in which they
 * were drafted. */
static const char *rows_of(struct store *store, const char *key)
{
    return sql_string(
        store,
        "SELECT string_agg(concat_ws(E'\\n',"
        "    to_jsonb(r) - "
        "'{id,thread_id,agent_id,created_at,updated_at,due_at,expires_at,user_id}'::text[],"
        "    date_trunc('s', r.due_at - r.created_at), date_trunc('s', r.expires_at - "
        "r.created_at),"
        "    to_jsonb(t) - "
        "'{id,agent_id,active_run,created_at,updated_at,used_hour,last_used_at,erase_at,user_id}'::"
        "text[] #- "
        "'{metadata,key}', t.active_run = r.id,"
        "    (SELECT string_agg((to_jsonb(m) - '{id,thread_id,submitted_with,position,created_at}'"
        "        ::text[])::text, ' ' ORDER BY m.position)"
        "     FROM messages m WHERE m.thread_id = t.id AND m.submitted_with = r.id)),"
        "    E'\\n' ORDER BY t.metadata ->> 'n')"
        " FROM runs r JOIN threads t ON t.id = r.thread_id"
        " WHERE t.metadata ->> 'key' = '%s'",
        key);
}

enum { ALIKE = 4 };

struct alike {
    struct message_draft messages[ALIKE][2];
    struct thread_draft threads[ALIKE];
    struct run_draft drafts[ALIKE];
    struct run_making makings[ALIKE];
    char labels[ALIKE][60];
};

/* One that is plain, one with all that a thread and a run may have, one whose agent was changed,
 * and one that is larger than the limit. */
static void alike_init(struct alike *alike, const struct store *store, const char *key,
                       struct text large)
{
    struct uuid agent = must_agent(store);

    *alike = (struct alike){0};
    for (int i = 0; i < ALIKE; i++) {
        snprintf(alike->labels[i], sizeof(alike->labels[i]), "{\"key\": \"%s\", \"n\": %d}", key,
                 i);
        alike->messages[i][0] = user_message("[1]");
        alike->messages[i][0].tokens = 3;
        alike->messages[i][1] = user_message("[2]");
        alike->messages[i][1].hidden = true;
        alike->threads[i] = (struct thread_draft){.id = uuid_new(),
                                                  .metadata = text_of(alike->labels[i]),
                                                  .messages = alike->messages[i],
                                                  .message_count = i == 0 ? 1 : 2};
        alike->drafts[i] = run_of(any, agent);
        alike->makings[i] = (struct run_making){
            .tenant = store->tenant, .draft = &alike->drafts[i], .new_thread = &alike->threads[i]};
    }
    alike->threads[1].title = TEXT("A title");
    alike->threads[1].user = text_of(key); /* each has the limit for himself */
    alike->threads[1].agent = agent;
    alike->threads[1].agent_state = TEXT("{\"s\": 1}");
    alike->threads[1].tool_resources = TEXT("{\"r\": 1}");
    alike->threads[1].hidden = alike->threads[1].erases = true;
    alike->drafts[1].metadata = TEXT("{\"m\": 1}");
    alike->drafts[1].delay_ms = 5000;
    alike->drafts[1].priority = 2;
    alike->drafts[2].agent_version++;
    alike->messages[3][0].content = large;
}

static void makes_alike(struct store *store)
{
    struct thread_limits limits = {.thread_bytes = 1000, .user_bytes = 1000};
    struct pg_result *result = NULL;
    struct run_batch *batch;
    struct pg_query query;
    struct alike one;
    struct alike other;
    char long_text[2001];

    memset(long_text, '1', sizeof(long_text));
    long_text[2000] = '\0';
    alike_init(&one, store, "one", text_of(long_text));
    alike_init(&other, store, "other", text_of(long_text));
    MUST(run_batch_make(store->pg, &limits, one.makings, ALIKE, &result, &test_err));
    cr_assert_eq(run_batch_made_count(result), 2);
    pg_result_free(result);
    MUST(run_batch_new(&limits, other.makings, ALIKE, &batch, &test_err));
    query = run_batch_query(batch);
    MUST(pg_exec_all(store->pg, &query, 1, NULL, &test_err));
    run_batch_free(batch);
    cr_assert_eq(sql_int("SELECT count(*) FROM runs"), 4);
    cr_assert_eq(sql_int("SELECT count(*) FROM threads"), 4);
    cr_assert_eq(sql_int("SELECT count(*) FROM messages"), 6);
    cr_assert_eq(sql_int("SELECT count(*) FROM threads WHERE hidden AND erase_at IS NOT NULL"), 2);
    cr_assert_eq(sql_int("SELECT count(*) FROM messages WHERE hidden"), 2);
    cr_assert_str_eq(rows_of(store, "one"), rows_of(store, "other"));
}

Test(run_batches, are_the_same_whichever_statement_makes_them)
{
    with_store(makes_alike);
}
