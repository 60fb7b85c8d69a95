/* How many rows a step of retention looks at. */

#include <criterion/criterion.h>

#include "scheduler/retention/retention_sweeper.h"

Test(retention_sweeper, looks_at_more_while_steps_are_fast_up_to_an_end)
{
    int64_t rows = 100;

    for (int i = 0; i < 20; i++)
        rows = retention_sweeper_rows(rows, 1);
    cr_assert_eq(rows, 5000);
}

Test(retention_sweeper, looks_at_fewer_where_steps_are_slow_and_never_at_none)
{
    int64_t rows = 5000;

    for (int i = 0; i < 20; i++)
        rows = retention_sweeper_rows(rows, 1000);
    cr_assert_eq(rows, 10);
    cr_assert_eq(retention_sweeper_rows(100, 15), 100);
}
