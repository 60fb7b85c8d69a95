/* Deleting what is known of a user: threads with all that was done on them, runs elsewhere, names
 * in sums. */

#include "fixture.h"

#include "shared/store/users/user_data.h"

#define THREADS 3

static int stopped_count;
static struct run_stopped stopped_last;

static void note_stopped(void *arg, const struct run_stopped *run)
{
    (void)arg;
    stopped_last = *run;
    stopped_count++;
}

/* A thread of a user with a message, and with a run of `runner` (TEXT_NONE: the thread's user). */
static struct run thread_of(const struct store *store, const char *user, struct text runner)
{
    struct message_draft message = user_message("[]");
    struct thread_draft thread = {.id = uuid_new(), .messages = &message, .message_count = 1};
    struct run_draft draft = run_of((struct uuid){{0}}, must_agent(store));
    struct run run;

    thread.user = text_of(user);
    draft.user = runner;
    MUST(runs_create_with_thread(store, &thread, &draft, &run, &test_err));
    return run;
}

static struct user_removed must_delete(const struct store *store, const char *user,
                                       int64_t deadline_ms)
{
    struct user_deleting how = {
        .user = text_of(user), .deadline_ms = deadline_ms, .stopped = note_stopped, .arg = NULL};
    struct user_removed removed;

    MUST(users_delete(store, &how, &removed, &test_err));
    return removed;
}

static void with_threads(struct store *store)
{
    struct store other = other_tenant(store, "other");
    struct user_removed removed;
    struct run active = {0};
    struct run bobs;

    for (int i = 0; i < THREADS; i++)
        active = thread_of(store, "ada", TEXT_NONE);
    must_claim(store, must_worker(store), active.id);
    bobs = thread_of(store, "bob", TEXT_NONE);
    (void)thread_of(&other, "ada", TEXT_NONE);

    stopped_count = 0;
    removed = must_delete(store, "ada", DEADLINE_NONE);
    cr_assert(removed.all);
    cr_assert_eq(removed.counts[USER_THREADS], THREADS);
    cr_assert_eq(removed.counts[USER_MESSAGES], THREADS);
    cr_assert_eq(removed.counts[USER_RUNS], THREADS);
    cr_assert_eq(stopped_count, 1, "the one that a worker has in hand");
    cr_assert(uuid_equal(stopped_last.id, active.id));
    check_run(store, bobs.id, RUN_QUEUED);
    cr_assert_eq(sql_int("SELECT count(*) FROM threads"), 2);
    cr_assert_eq(sql_int("SELECT count(*) FROM runs"), 2);
    cr_assert_eq(sql_int("SELECT count(*) FROM messages"), 2);
    removed = must_delete(store, "ada", clock_ms());
    cr_assert(removed.all);
    cr_assert_eq(removed.counts[USER_THREADS], 0);
}

Test(user_data, threads_go_with_all_that_was_done_on_them)
{
    with_store(with_threads);
}

static void in_parts(struct store *store)
{
    int times = 1;

    for (int i = 0; i < THREADS; i++)
        (void)thread_of(store, "ada", TEXT_NONE);
    while (!must_delete(store, "ada", clock_ms()).all)
        cr_assert_lt(times++, 20, "each request deletes something");
    cr_assert_gt(times, THREADS, "the time was over after each");
    cr_assert_eq(sql_int("SELECT count(*) FROM threads"), 0);
}

Test(user_data, is_deleted_in_as_many_requests_as_the_time_makes_of_it)
{
    with_store(in_parts);
}

static void elsewhere(struct store *store)
{
    struct run run = thread_of(store, "bob", TEXT("ada"));
    struct user_removed removed = must_delete(store, "ada", DEADLINE_NONE);

    cr_assert(removed.all);
    cr_assert_eq(removed.counts[USER_THREADS], 0);
    cr_assert_eq(removed.counts[USER_RUNS], 1);
    cr_assert_eq(sql_int("SELECT count(*) FROM runs"), 0);
    cr_assert(uuid_is_zero(must_get_thread(store, run.thread_id).active_run));
    cr_assert_eq(sql_int("SELECT count(*) FROM messages"), 1, "the thread is another one's");
}

Test(user_data, runs_on_threads_of_others_are_cancelled_and_go)
{
    with_store(elsewhere);
}

static void in_sums(struct store *store)
{
    bool more = true;

    sql_do("INSERT INTO usage_hourly (tenant_id, hour, agent_id, user_id, provider, model, calls,"
           "  prompt_tokens, completion_tokens, cached_tokens, cache_write_tokens,"
           "  reasoning_tokens, cost_micros)"
           " SELECT '%s', date_trunc('hour', now()), '%s', u, 'p', 'm', 1, 2, 3, 4, 5, 6, 7"
           " FROM unnest(ARRAY['ada', 'bob', '']) u;"
           "INSERT INTO usage_deltas SELECT * FROM usage_hourly",
           show(store->tenant), show(store->tenant));
    cr_assert_eq(must_delete(store, "ada", DEADLINE_NONE).counts[USER_USAGE], 2);
    while (more)
        MUST(usage_fold(store->pg, &more, &test_err));
    cr_assert_eq(sql_int("SELECT count(*) FROM usage_by_hour WHERE user_id = 'ada'"), 0);
    cr_assert_eq(sql_int("SELECT sum(calls) FROM usage_by_hour WHERE user_id = 'bob'"), 2);
    cr_assert_eq(sql_int("SELECT sum(cost_micros) FROM usage_by_hour WHERE user_id = ''"), 28);
}

Test(user_data, sums_of_usage_stay_and_lose_the_name)
{
    with_store(in_sums);
}
