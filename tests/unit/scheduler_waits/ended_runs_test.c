/* Tests of the ended runs that are shown from memory. Pure. */

#include <criterion/criterion.h>
#include <string.h>

#include "scheduler/waits/ended_runs.h"

enum { NOW_MS = 1000000 };

static const struct uuid any = {{0}};

static struct run run_in(enum run_status status)
{
    return (struct run){.id = uuid_new(), .thread_id = uuid_new(), .status = status};
}

static void keep(struct ended_runs *ended, struct uuid tenant, const struct run *run,
                 const char *json)
{
    ended_runs_keep(ended, ended_runs_stamp(ended), tenant, run, text_of(json), NOW_MS);
}

Test(ended_runs, only_ends_that_are_final_are_kept)
{
    struct ended_runs *ended = ended_runs_new();
    struct uuid tenant = uuid_new();

    for (enum run_status status = 0; status < RUN_STATUS_COUNT; status++) {
        bool final = status == RUN_COMPLETED || status == RUN_INCOMPLETE || status == RUN_CANCELLED;
        struct run run = run_in(status);
        struct text found;

        keep(ended, tenant, &run, "{}");
        found = ended_runs_find(ended, tenant, any, run.id, NOW_MS);
        cr_assert_eq(found.ptr != NULL, final, "%s", run_status_name(status));
    }
    ended_runs_free(ended);
}

Test(ended_runs, a_run_is_shown_to_its_tenant_in_its_thread_alone)
{
    struct ended_runs *ended = ended_runs_new();
    struct run run = run_in(RUN_COMPLETED);
    struct uuid tenant = uuid_new();

    keep(ended, tenant, &run, "{\"a\":1}");
    cr_assert(text_is(ended_runs_find(ended, tenant, any, run.id, NOW_MS), "{\"a\":1}"));
    cr_assert(text_is(ended_runs_find(ended, tenant, run.thread_id, run.id, NOW_MS), "{\"a\":1}"));
    cr_assert_null(ended_runs_find(ended, tenant, uuid_new(), run.id, NOW_MS).ptr);
    cr_assert_null(ended_runs_find(ended, uuid_new(), run.thread_id, run.id, NOW_MS).ptr);
    cr_assert_null(ended_runs_find(ended, tenant, any, uuid_new(), NOW_MS).ptr);
    ended_runs_free(ended);
}

Test(ended_runs, no_entry_is_older_than_it_may_be)
{
    struct ended_runs *ended = ended_runs_new();
    struct run run = run_in(RUN_COMPLETED);
    struct uuid tenant = uuid_new();

    keep(ended, tenant, &run, "{}");
    cr_assert(ended_runs_find(ended, tenant, any, run.id, NOW_MS + ENDED_RUN_MS - 1).ptr);
    cr_assert_null(ended_runs_find(ended, tenant, any, run.id, NOW_MS + ENDED_RUN_MS).ptr);
    cr_assert_null(ended_runs_find(ended, tenant, any, run.id, NOW_MS).ptr, "it is gone for good");
    ended_runs_free(ended);
}

Test(ended_runs, a_read_that_began_before_a_change_is_not_kept_after_it)
{
    struct ended_runs *ended = ended_runs_new();
    struct run run = run_in(RUN_COMPLETED);
    struct uuid tenant = uuid_new();
    uint64_t stamp = ended_runs_stamp(ended);

    ended_runs_forget(ended, run.id);
    ended_runs_keep(ended, stamp, tenant, &run, TEXT("old"), NOW_MS);
    cr_assert_null(ended_runs_find(ended, tenant, any, run.id, NOW_MS).ptr);
    keep(ended, tenant, &run, "new");
    cr_assert(text_is(ended_runs_find(ended, tenant, any, run.id, NOW_MS), "new"));
    stamp = ended_runs_stamp(ended);
    ended_runs_forget_thread(ended, run.thread_id);
    cr_assert_null(ended_runs_find(ended, tenant, any, run.id, NOW_MS).ptr);
    ended_runs_keep(ended, stamp, tenant, &run, TEXT("old"), NOW_MS);
    cr_assert_null(ended_runs_find(ended, tenant, any, run.id, NOW_MS).ptr);
    ended_runs_free(ended);
}

Test(ended_runs, a_deleted_thread_takes_its_runs_along_and_no_others)
{
    struct ended_runs *ended = ended_runs_new();
    struct run runs[3] = {run_in(RUN_COMPLETED), run_in(RUN_CANCELLED), run_in(RUN_INCOMPLETE)};
    struct uuid tenant = uuid_new();

    runs[1].thread_id = runs[0].thread_id;
    for (size_t i = 0; i < 3; i++)
        keep(ended, tenant, &runs[i], "{}");
    ended_runs_forget_thread(ended, runs[0].thread_id);
    cr_assert_null(ended_runs_find(ended, tenant, any, runs[0].id, NOW_MS).ptr);
    cr_assert_null(ended_runs_find(ended, tenant, any, runs[1].id, NOW_MS).ptr);
    cr_assert(ended_runs_find(ended, tenant, any, runs[2].id, NOW_MS).ptr);
    ended_runs_free(ended);
}

Test(ended_runs, what_is_large_is_not_kept_and_what_is_read_again_replaces)
{
    static char large[ENDED_RUN_BYTES_MAX + 1];
    struct ended_runs *ended = ended_runs_new();
    struct run run = run_in(RUN_COMPLETED);
    struct uuid tenant = uuid_new();
    struct text text = {large, sizeof(large)};

    memset(large, 'x', sizeof(large));
    ended_runs_keep(ended, ended_runs_stamp(ended), tenant, &run, text, NOW_MS);
    cr_assert_null(ended_runs_find(ended, tenant, any, run.id, NOW_MS).ptr);
    text.len--;
    ended_runs_keep(ended, ended_runs_stamp(ended), tenant, &run, text, NOW_MS);
    cr_assert_eq(ended_runs_find(ended, tenant, any, run.id, NOW_MS).len, ENDED_RUN_BYTES_MAX);
    keep(ended, tenant, &run, "again");
    cr_assert(text_is(ended_runs_find(ended, tenant, any, run.id, NOW_MS), "again"));
    ended_runs_free(ended);
}

Test(ended_runs, they_are_bounded_and_the_least_used_one_goes)
{
    struct ended_runs *ended = ended_runs_new();
    struct run first = run_in(RUN_COMPLETED);
    struct run second = run_in(RUN_COMPLETED);
    struct uuid tenant = uuid_new();

    keep(ended, tenant, &first, "{}");
    keep(ended, tenant, &second, "{}");
    cr_assert(ended_runs_find(ended, tenant, any, first.id, NOW_MS).ptr);
    for (size_t i = 0; i < ENDED_RUNS - 1; i++) {
        struct run run = run_in(RUN_COMPLETED);

        keep(ended, tenant, &run, "{}");
    }
    cr_assert(ended_runs_find(ended, tenant, any, first.id, NOW_MS).ptr);
    cr_assert_null(ended_runs_find(ended, tenant, any, second.id, NOW_MS).ptr);
    ended_runs_free(ended);
}
