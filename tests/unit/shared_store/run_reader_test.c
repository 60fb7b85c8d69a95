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
