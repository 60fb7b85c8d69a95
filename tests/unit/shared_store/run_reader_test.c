/* Runs read for many at once. */

#include "fixture.h"
#include "shared/fiber/fiber.h"
#include "shared/store/polls/run_reader.h"

enum { ASKERS = 50 };

struct asker {
    struct run_reader *reader;
    const struct store *store;
    struct uuid thread;
    struct uuid id;
    struct run run;
    int result;
    struct fiber *fiber;
};

static void ask(void *arg)
{
    struct asker *asker = arg;

    asker->result = run_reader_get(asker->reader, asker->store, asker->thread, asker->id,
                                   &asker->run, &test_err);
    if (asker->result == RUN_UNREAD)
        asker->result = runs_get(asker->store, asker->thread, asker->id, &asker->run, &test_err);
}

static void many(struct store *store)
{
    struct run_reader *reader = run_reader_new(store->pg);
    struct store other = other_tenant(store, "globex");
    struct asker askers[ASKERS];
    struct run run = must_run(store);
    struct run second = must_run(store);

    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < ASKERS; i++) {
            askers[i] = (struct asker){.reader = reader, .store = store, .id = run.id};
            if (i % 5 == 1)
                askers[i].thread = run.thread_id;
            if (i % 5 == 2)
                askers[i].thread = second.thread_id; /* it is not in this thread */
            if (i % 5 == 3)
                askers[i].store = &other;
            if (i % 5 == 4)
                askers[i].id = second.id;
            askers[i].fiber = fiber_start("asker", ask, &askers[i]);
        }
        for (size_t i = 0; i < ASKERS; i++) {
            struct uuid wanted = i % 5 == 4 ? second.id : run.id;

            fiber_join(askers[i].fiber);
            cr_assert_eq(askers[i].result, i % 5 == 2 || i % 5 == 3 ? RUN_MISSING : 0, "%zu", i);
            if (askers[i].result == 0) {
                cr_assert(uuid_equal(askers[i].run.id, wanted));
                cr_assert(text_equal(askers[i].run.spec, run.spec));
            }
        }
    }
    cr_assert_leq(run_reader_stats(reader).statements, 8);
    cr_assert_eq(run_reader_stats(reader).runs, 2 * ASKERS);
    cr_assert_geq(run_reader_stats(reader).specs_known, ASKERS);
    run_reader_free(reader);
}

Test(run_reader, answers_each_as_if_it_were_alone_by_few_statements)
{
    with_store(many);
}

/* What changes is read each time; a run that is gone is gone, though its spec is known. */
static void fresh(struct store *store)
{
    struct run_reader *reader = run_reader_new(store->pg);
    struct run run = must_run(store);
    struct uuid any = {{0}};
    struct run read;

    MUST(run_reader_get(reader, store, any, run.id, &read, &test_err));
    MUST(runs_update(store, any, run.id, TEXT("{\"a\": \"b\"}"), &read, &test_err));
    MUST(run_reader_get(reader, store, any, run.id, &read, &test_err));
    cr_assert(text_is(read.metadata, "{\"a\": \"b\"}"));
    cr_assert_eq(run_reader_stats(reader).specs_known, 1);
    cr_assert(text_equal(read.spec, run.spec));
    MUST(runs_cancel(store, any, run.id, &read, &test_err));
    MUST(run_reader_get(reader, store, any, run.id, &read, &test_err));
    cr_assert_eq(read.status, RUN_CANCELLED);
    MUST(threads_delete(store, run.thread_id, NULL, &test_err));
    GIVES(RUN_UNREAD, run_reader_get(reader, store, any, run.id, &read, &test_err));
    run_reader_free(reader);
}

Test(run_reader, shows_what_is_stored_now)
{
    with_store(fresh);
}

/* Compressed, each of them takes less than a page on disk. */
static void large(struct store *store)
{
    static const char action[] =
        "UPDATE runs SET required_action = jsonb_build_object('x', repeat('a', 70000))";
    struct run_reader *reader = run_reader_new(store->pg);
    struct run small = must_large_run(store, SMALL_BYTES_MAX);
    struct run over = must_large_run(store, SMALL_BYTES_MAX + 1);
    struct uuid any = {{0}};
    struct run read;

    for (int round = 0; round < 2; round++) {
        MUST(run_reader_get(reader, store, any, small.id, &read, &test_err));
        cr_assert_eq(read.spec.len, SMALL_BYTES_MAX);
        GIVES(RUN_UNREAD, run_reader_get(reader, store, any, over.id, &read, &test_err));
        /* Runs that were made before their size was noted. */
        sql_do("UPDATE runs SET spec_bytes = NULL");
    }
    sql_do(action);
    GIVES(RUN_UNREAD, run_reader_get(reader, store, any, small.id, &read, &test_err));
    run_reader_free(reader);
}

Test(run_reader, leaves_out_what_is_large)
{
    with_store(large);
}

/* A run with a message, a step for calls, another message that is gone, and a step for it. */
static struct run must_told(const struct store *store)
{
    struct run run = must_run(store);
    const char *id = show(run.id);
    const char *thread = show(run.thread_id);

    sql_do("WITH m AS ("
           "    INSERT INTO messages (id, tenant_id, thread_id, run_id, seq, role, content)"
           "    SELECT gen_random_uuid(), tenant_id, '%s', '%s', 1, 'assistant', '[\"said\"]'"
           "    FROM runs WHERE id = '%s' RETURNING id)"
           " INSERT INTO run_steps (id, tenant_id, thread_id, run_id, agent_id, seq, type, status,"
           "     message_id, tool_calls)"
           " SELECT gen_random_uuid(), r.tenant_id, r.thread_id, r.id, r.agent_id, n,"
           "     CASE n WHEN 2 THEN 'tool_calls' ELSE 'message_creation' END::step_type,"
           "     'completed', CASE n WHEN 1 THEN m.id WHEN 3 THEN gen_random_uuid() END,"
           "     CASE n WHEN 2 THEN '[\"called\"]'::jsonb END"
           " FROM runs r, m, generate_series(1, 3) n WHERE r.id = '%s'",
           thread, id, id, id);
    return run;
}

struct looker {
    struct run_reader *reader;
    const struct store *store;
    struct uuid run;
    struct arena arena;
    struct run_look look;
    struct run found;
    int result;
    struct fiber *fiber;
};

static void look(void *arg)
{
    struct looker *looker = arg;
    struct store store = *looker->store;
    struct uuid any = {{0}};

    store.arena = &looker->arena;
    looker->result = run_reader_look(looker->reader, &store, any, looker->run, &looker->found,
                                     &looker->look, &test_err);
}

static void look_from(struct looker *looker, struct run_reader *reader, const struct store *store,
                      struct uuid run, int64_t seq)
{
    *looker = (struct looker){.reader = reader, .store = store, .run = run};
    arena_init(&looker->arena, 0);
    looker->look = (struct run_look){.seq = seq, .arena = &looker->arena};
    looker->fiber = fiber_start("looker", look, looker);
}

static void check_steps(const struct run_look *found, int64_t from)
{
    cr_assert_eq(found->count, (size_t)(3 - from));
    for (size_t i = 0; i < found->count; i++) {
        const struct looked_step *step = &found->steps[i];

        cr_assert_eq(step->step.seq, from + 1 + (int64_t)i);
        cr_assert_eq(step->has_message, step->step.seq == 1);
        if (step->step.seq == 1)
            cr_assert(text_is(step->message.content, "[\"said\"]"));
        if (step->step.seq == 2)
            cr_assert(text_is(step->step.tool_calls, "[\"called\"]"));
    }
}

/* Several look at the same run from the same place, at the same from others, and at none of
 * theirs. */
static void looks(struct store *store)
{
    struct run_reader *reader = run_reader_new(store->pg);
    struct store other = other_tenant(store, "globex");
    struct run told = must_told(store);
    struct run silent = must_run(store);
    struct looker lookers[ASKERS];

    for (size_t i = 0; i < ASKERS; i++) {
        bool theirs = i % 6 == 4;
        bool nothing = i % 6 == 5;

        look_from(&lookers[i], reader, theirs ? &other : store, nothing ? silent.id : told.id,
                  nothing || theirs ? 0 : (int64_t)(i % 4));
    }
    for (size_t i = 0; i < ASKERS; i++) {
        struct looker *looker = &lookers[i];

        fiber_join(looker->fiber);
        cr_assert_eq(looker->result, i % 6 == 4 ? RUN_UNREAD : 0, "%zu", i);
        if (i % 6 == 4)
            cr_assert(looker->look.more && looker->look.count == 0);
        else if (i % 6 == 5)
            cr_assert(!looker->look.more && looker->look.count == 0);
        else
            check_steps(&looker->look, (int64_t)(i % 4));
        if (i % 6 < 4) /* as many as are read at once may not be all */
            cr_assert_eq(looker->look.more, i % 4 == 0);
        arena_deinit(&looker->arena);
    }
    cr_assert_leq(run_reader_stats(reader).statements, 4);
    run_reader_free(reader);
}

Test(run_reader, looks_at_the_steps_of_many_in_the_same_request)
{
    with_store(looks);
}

/* Of steps behind one that is large nothing is said; whoever gives up leaves the others to look for
 * themselves. */
static void large_steps(struct store *store)
{
    static const char update[] = "UPDATE run_steps SET tool_calls = jsonb_build_array(repeat('a', "
                                 "%d)) WHERE seq = 2";
    struct run_reader *reader = run_reader_new(store->pg);
    struct run told = must_told(store);
    struct looker first;
    struct looker second;

    sql_do(update, LOOK_TEXT_MAX - 4);
    look_from(&first, reader, store, told.id, 0);
    fiber_join(first.fiber);
    cr_assert_eq(first.look.count, 3);
    arena_deinit(&first.arena);
    sql_do(update, LOOK_TEXT_MAX - 3);
    look_from(&first, reader, store, told.id, 0);
    look_from(&second, reader, store, told.id, 0);
    fiber_yield(); /* both are asked for now */
    fiber_cancel(first.fiber);
    fiber_join(first.fiber);
    fiber_join(second.fiber);
    cr_assert_eq(first.result, -E_CANCELED);
    cr_assert(second.look.more);
    if (second.result == 0)
        cr_assert_leq(second.look.count, 1);
    arena_deinit(&first.arena);
    arena_deinit(&second.arena);
    look_from(&second, reader, store, told.id, 0);
    fiber_join(second.fiber);
    cr_assert_eq(second.result, 0);
    cr_assert_eq(second.look.count, 1);
    cr_assert(second.look.more);
    arena_deinit(&second.arena);
    run_reader_free(reader);
}

Test(run_reader, looks_up_to_what_is_large_and_claims_no_more)
{
    with_store(large_steps);
}
