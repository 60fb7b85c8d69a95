/* Tests of the states of runs. */

#include "fixture.h"

Test(run_state, spells_every_state_and_reads_it_back)
{
    for (unsigned i = 0; i < RUN_STATUS_COUNT; i++) {
        enum run_status status = RUN_STATUS_COUNT;

        cr_assert(run_status_parse(text_of(run_status_name((enum run_status)i)), &status));
        cr_assert_eq((unsigned)status, i);
    }
}

Test(run_state, refuses_words_that_are_no_state)
{
    enum run_status status = RUN_FAILED;

    cr_assert_not(run_status_parse(TEXT("done"), &status));
    cr_assert_not(run_status_parse(TEXT(""), &status));
    cr_assert_not(run_status_parse(TEXT("Queued"), &status));
    cr_assert_eq(status, RUN_FAILED);
}

Test(run_state, lets_only_a_redrive_follow_a_terminal_state)
{
    unsigned terminal = 0;

    for (unsigned from = 0; from < RUN_STATUS_COUNT; from++) {
        if (!run_status_terminal((enum run_status)from))
            continue;
        terminal++;
        for (unsigned to = 0; to < RUN_STATUS_COUNT; to++)
            cr_assert_eq(run_transition_allowed((enum run_status)from, (enum run_status)to),
                         to == RUN_QUEUED && (from == RUN_FAILED || from == RUN_EXPIRED));
    }
    cr_assert_eq(terminal, 5);
}

static void compares_tables(struct store *store)
{
    (void)store;
    for (unsigned from = 0; from < RUN_STATUS_COUNT; from++) {
        for (unsigned to = 0; to < RUN_STATUS_COUNT; to++) {
            const char *a = run_status_name((enum run_status)from);
            const char *b = run_status_name((enum run_status)to);
            int64_t in_sql = sql_int("SELECT count(*) FROM run_transitions"
                                     " WHERE from_status = '%s' AND to_status = '%s'",
                                     a, b);

            cr_assert_eq(run_transition_allowed((enum run_status)from, (enum run_status)to),
                         in_sql == 1, "%s -> %s", a, b);
        }
    }
    cr_assert_eq(sql_int("SELECT count(*) FROM run_transitions"), 20);
}

Test(run_state, is_the_same_table_in_sql)
{
    with_store(compares_tables);
}
