/* Runs made for many who ask for one each. */

#include "fixture.h"

#include "shared/fiber/fiber.h"
#include "shared/store/submissions/run_maker.h"

enum { ASKERS = 40 };

static const struct uuid any = {{0}};

struct asker {
    struct run_maker *maker;
    struct run_draft draft;
    struct thread_draft thread;
    struct message_draft message;
    struct run_making making;
    struct run run;
    int result;
    struct fiber *fiber;
};

static void ask(void *arg)
{
    struct asker *asker = arg;

    asker->result = run_maker_make(asker->maker, &asker->making, &asker->run, &test_err);
}

static void init(struct asker *asker, struct run_maker *maker, const struct store *store,
                 struct uuid agent)
{
    *asker = (struct asker){.maker = maker, .draft = run_of(any, agent)};
    asker->message = user_message("[1]");
    asker->thread =
        (struct thread_draft){.id = uuid_new(), .messages = &asker->message, .message_count = 1};
    asker->making = (struct run_making){
        .tenant = store->tenant, .draft = &asker->draft, .new_thread = &asker->thread};
}

static void ask_all(struct asker *askers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        askers[i].fiber = fiber_start("asker", ask, &askers[i]);
    for (size_t i = 0; i < count; i++)
        fiber_join(askers[i].fiber);
}

/* Every third has no such agent, and is left to its asker. */
static void many(struct store *store)
{
    struct run_maker *maker = run_maker_new(store->pg, NULL);
    struct store other = other_tenant(store, "globex");
    struct uuid agents[2] = {must_agent(store), must_agent(&other)};
    struct asker askers[ASKERS];
    int made = 0;

    for (int i = 0; i < ASKERS; i++) {
        init(&askers[i], maker, i % 2 ? &other : store, agents[i % 2]);
        if (i % 3 == 0)
            askers[i].draft.agent = agents[!(i % 2)];
    }
    ask_all(askers, ASKERS);
    for (int i = 0; i < ASKERS; i++) {
        cr_assert_eq(askers[i].result, i % 3 ? 0 : RUN_NOT_MADE, "%d", i);
        made += i % 3 != 0;
        if (askers[i].result == 0) {
            cr_assert(uuid_equal(askers[i].run.id, askers[i].draft.id));
            check_run(i % 2 ? &other : store, askers[i].run.id, RUN_QUEUED);
        }
    }
    cr_assert_eq(sql_int("SELECT count(*) FROM runs"), made);
    cr_assert_eq(sql_int("SELECT count(*) FROM threads"), made);
    cr_assert_eq(sql_int("SELECT count(*) FROM messages"), made);
    cr_assert_eq(run_maker_stats(maker).made, (uint64_t)made);
    cr_assert_leq(run_maker_stats(maker).statements, 4);
    run_maker_free(maker);
}

Test(run_maker, makes_each_as_if_it_were_alone_by_few_statements)
{
    with_store(many);
}

/* One that can't be stored does no harm to the others but that each is to be asked for alone. */
static void bad_one(struct store *store)
{
    struct run_maker *maker = run_maker_new(store->pg, NULL);
    struct uuid agent = must_agent(store);
    struct run there = must_run(store);
    struct asker askers[ASKERS];

    for (int i = 0; i < ASKERS; i++)
        init(&askers[i], maker, store, agent);
    askers[ASKERS / 2].draft.id = there.id;
    ask_all(askers, ASKERS);
    cr_assert_eq(askers[ASKERS / 2].result, RUN_NOT_MADE);
    for (int i = 0; i < ASKERS; i++)
        cr_assert_eq(
            sql_int("SELECT count(*) FROM threads WHERE id = '%s'", show(askers[i].thread.id)),
            askers[i].result == 0, "%d", i);
    run_maker_free(maker);
}

Test(run_maker, leaves_all_of_a_batch_with_one_that_can_not_be_stored)
{
    with_store(bad_one);
}

/* Alone, or large: not for a batch, and nothing is asked of the database. */
static void alone(struct store *store)
{
    struct run_maker *maker = run_maker_new(store->pg, NULL);
    struct uuid agent = must_agent(store);
    struct asker askers[2];
    char *large = malloc(100000);

    memset(large, ' ', 100000);
    memcpy(large, "[1]", 3);
    for (int i = 0; i < 2; i++)
        init(&askers[i], maker, store, agent);
    ask_all(askers, 1);
    cr_assert_eq(askers[0].result, RUN_NOT_MADE);
    for (int i = 0; i < 2; i++)
        askers[i].message.content = (struct text){large, 100000};
    ask_all(askers, 2);
    cr_assert(askers[0].result == RUN_NOT_MADE && askers[1].result == RUN_NOT_MADE);
    cr_assert_eq(run_maker_stats(maker).statements, 0);
    free(large);
    run_maker_free(maker);
}

Test(run_maker, leaves_one_that_is_alone_or_large)
{
    with_store(alone);
}

/* The database is gone: everybody is told so, and nobody waits for ever. */
static void gone(struct store *store)
{
    const struct pg_options options = {.url = "host=/nonexistent dbname=none",
                                       .application_name = "test",
                                       .request_timeout_ms = 100};
    struct run_maker *maker;
    struct asker askers[4];
    struct pg *pg;

    MUST(pg_open(&options, &pg, &test_err));
    maker = run_maker_new(pg, NULL);
    for (int i = 0; i < 4; i++)
        init(&askers[i], maker, store, uuid_new());
    ask_all(askers, 4);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(askers[i].result, -E_UNAVAILABLE, "%d", askers[i].result);
    run_maker_free(maker);
    pg_close(pg);
}

Test(run_maker, tells_each_that_the_database_is_gone)
{
    with_store(gone);
}
