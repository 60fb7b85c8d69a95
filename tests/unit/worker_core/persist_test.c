/* How long a write is tried again. */

#include <criterion/criterion.h>

#include "worker/run/record/persist.h"

Test(persist, waits_within_eight_seconds_of_the_stop_and_then_gives_up)
{
    cr_assert_eq(persist_wait_ms(2000, 0), 2000);
    cr_assert_eq(persist_wait_ms(2000, 5999), 2000);
    cr_assert_eq(persist_wait_ms(2000, 7900), 100, "the last try is at 8 s");
    cr_assert_eq(persist_wait_ms(50, 7900), 50);
    cr_assert_eq(persist_wait_ms(50, 8000), -1);
    cr_assert_eq(persist_wait_ms(50, 60000), -1);
}
