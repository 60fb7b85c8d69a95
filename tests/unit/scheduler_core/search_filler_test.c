/* How many messages a round of the filler looks at. */

#include <criterion/criterion.h>

#include "scheduler/search/search_filler.h"
#include "shared/store/search/search_fill.h"

Test(search_filler, grows_while_rounds_are_fast)
{
    int batch = 1;

    for (int i = 0; i < 20; i++)
        batch = search_filler_batch(batch, 1, false, false);
    cr_assert_eq(batch, SEARCH_BATCH_MAX);
    cr_assert_eq(search_filler_batch(100, 100, false, false), 100);
}

Test(search_filler, shrinks_to_one_message_where_rounds_fail)
{
    int batch = SEARCH_BATCH_MAX;

    for (int i = 0; i < 20; i++)
        batch = search_filler_batch(batch, 1, true, false);
    cr_assert_eq(batch, 1);
}

Test(search_filler, never_shrinks_to_a_crawl_where_the_machine_is_slow)
{
    int batch = SEARCH_BATCH_MAX;

    for (int i = 0; i < 20; i++)
        batch = search_filler_batch(batch, 10000, false, false);
    cr_assert_eq(batch, 50);
    cr_assert_eq(search_filler_batch(1, 10000, false, false), 2, "after a failure");
}

Test(search_filler, one_that_is_late_takes_more_however_long_that_takes)
{
    int batch = 1;

    for (int i = 0; i < 20; i++)
        batch = search_filler_batch(batch, 10000, false, true);
    cr_assert_eq(batch, SEARCH_BATCH_MAX);
    cr_assert_eq(search_filler_batch(100, 10000, true, true), 50, "it failed");
}
