/* Memory runs: they are made beside the thread's active run, one for each thing that they are
 * about, and follow from the endings of others. */

#include "fixture.h"

#include "shared/store/runs/memory_runs.h"

static struct memory_run about(const char *what, int64_t delay_ms)
{
    return (struct memory_run){.id = uuid_new(),
                               .about = text_of(what),
                               .spec = TEXT("{\"job\":\"summary\",\"model\":\"p/m\"}"),
                               .delay_ms = delay_ms};
}

static struct memory_run_of of(const struct run *run)
{
    return (struct memory_run_of){.thread = run->thread_id,
                                  .agent = run->agent_id,
                                  .agent_version = run->agent_version,
                                  .user = TEXT("ada")};
}

static struct run must_make(const struct store *store, const struct memory_run_of *of,
                            const struct memory_run *draft, bool made)
{
    struct run run;
    bool was_made;

    MUST(memory_runs_make(store, of, draft, &run, &was_made, &test_err));
    cr_assert_eq(was_made, made);
    return run;
}

static void finish_with(const struct store *store, const struct run *run, enum run_status status,
                        const struct memory_run *follows, size_t count)
{
    struct run_claim claim = must_claim(store, must_worker(store), run->id);
    struct run_changes none = {.usage = NULL};
    struct run_ending end = {.status = status, .follows = follows, .follows_count = count};

    MUST(run_leases_finish(writer_of(store->pg), &claim.lease, &none, &end, &test_err));
}

static void test_one_waits(struct store *store)
{
    struct run active = must_run(store);
    struct memory_run_of whose = of(&active);
    struct memory_run first = about("summary:a", 0);
    struct memory_run again = about("summary:a", 0);
    struct memory_run other = about("summary:b", 60000);
    struct run run = must_make(store, &whose, &first, true);
    struct run same = must_make(store, &whose, &again, false);
    struct run second = must_make(store, &whose, &other, true);
    struct run_claim claim;

    cr_assert(uuid_equal(run.id, first.id) && uuid_equal(same.id, first.id));
    cr_assert(text_is(run.kind, "memory") && run.priority == RUN_PRIORITY_LOW);
    cr_assert(text_is(run.user, "ada") && uuid_equal(run.thread_id, active.thread_id));
    cr_assert(text_is(second.waits_for, "start"));
    cr_assert(uuid_equal(must_get_thread(store, active.thread_id).active_run, active.id));

    claim = must_claim(store, must_worker(store), first.id);
    cr_assert(text_is(claim.kind, "memory"));
    again.id = uuid_new();
    must_make(store, &whose, &again, true); /* the first sees nothing new any more */

    /* One that is handed back is beside the one that waits for its first start. */
    MUST(run_leases_hand_back(writer_of(store->pg), &claim.lease,
                              &(struct run_changes){.usage = NULL},
                              &(struct run_return){.delay_ms = 1000}, &test_err));
    other.id = uuid_new();
    same = must_make(store, &whose, &other, false);
    cr_assert(uuid_equal(same.id, second.id));
}

Test(memory_runs, wait_one_for_each_thing_beside_the_active_run)
{
    with_store(test_one_waits);
}

static void test_strangers(struct store *store)
{
    struct run active = must_run(store);
    struct memory_run_of whose = of(&active);
    struct memory_run draft = about("summary:a", 0);
    struct store foreign = other_tenant(store, "other");
    struct run run;
    bool made;

    GIVES(THREAD_MISSING, memory_runs_make(&foreign, &whose, &draft, &run, &made, &test_err));
    must_make(store, &whose, &draft, true);

    /* What another tenant has about the same is another thing. */
    foreign.tenant = store->tenant;
    foreign = other_tenant(store, "third");
    active = must_run(&foreign);
    whose = of(&active);
    draft.id = uuid_new();
    must_make(&foreign, &whose, &draft, true);
}

Test(memory_runs, are_of_their_tenant)
{
    with_store(test_strangers);
}

static void test_follow(struct store *store)
{
    struct run run = must_run(store);
    struct memory_run follows[2] = {about("summary:a", 0), about("memories:a", 60000)};
    struct run_list list;
    struct page page = {.limit = 20};
    struct run made;

    finish_with(store, &run, RUN_COMPLETED, follows, 2);
    check_run(store, run.id, RUN_COMPLETED);
    made = must_get_run(store, follows[0].id);
    cr_assert(made.status == RUN_QUEUED && text_is(made.kind, "memory"));
    cr_assert(uuid_equal(made.agent_id, run.agent_id) && made.agent_version == run.agent_version);
    cr_assert(text_is(must_get_run(store, follows[1].id).waits_for, "start"));

    MUST(runs_list(store, run.thread_id, &page, &list, &test_err));
    cr_assert_eq(list.count, 1);
    MUST(runs_list_all(store, &(struct run_filter){.kind = TEXT("memory")}, &page, &list,
                       &test_err));
    cr_assert_eq(list.count, 2);

    /* The same again: the ending is written, and nothing else is made. */
    struct run_draft draft = run_of(run.thread_id, run.agent_id);
    struct uuid active;
    MUST(runs_create(store, &draft, &run, &active, &test_err));
    follows[0].id = uuid_new();
    finish_with(store, &run, RUN_COMPLETED, follows, 1);
    cr_assert_eq(sql_int("SELECT count(*) FROM runs WHERE about = 'summary:a'"), 1);
    cr_assert_eq(sql_int("SELECT count(*) FROM runs WHERE kind = 'memory' AND spec_bytes > 0"), 2);
}

Test(memory_runs, follow_from_an_ending)
{
    with_store(test_follow);
}

static void test_sweep(struct store *store)
{
    struct run active = must_run(store);
    struct memory_run_of whose = of(&active);
    struct memory_run drafts[3];
    struct run ended[2];
    struct run other;
    struct uuid stopped;

    for (int i = 0; i < 2; i++) {
        drafts[i] = about("summary:a", 0);
        ended[i] = must_make(store, &whose, &drafts[i], true);
        finish_with(store, &ended[i], i ? RUN_FAILED : RUN_COMPLETED, NULL, 0);
    }
    drafts[2] = about("summary:b", 0);
    other = must_make(store, &whose, &drafts[2], true);
    finish_with(store, &other, RUN_COMPLETED, NULL, 0);
    GIVES(RUN_UNFIT,
          runs_redrive(store, active.thread_id, ended[1].id, 1000, &other, &stopped, &test_err));
    drafts[2] = about("summary:a", 0);
    must_make(store, &whose, &drafts[2], true);
    MUST(memory_runs_sweep(store->pg, drafts[2].id, &test_err));
    cr_assert_eq(sql_int("SELECT count(*) FROM runs WHERE about = 'summary:a'"), 1);
    cr_assert_eq(sql_int("SELECT count(*) FROM runs WHERE about = 'summary:b'"), 1);
}

Test(memory_runs, that_have_ended_make_room_for_the_next)
{
    with_store(test_sweep);
}
