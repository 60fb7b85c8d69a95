/* The slots that are kept for express hints. */

#include <criterion/criterion.h>

#include "worker/intake/consume.h"

Test(consume, keeps_a_sixteenth_of_the_slots_but_none_of_a_few)
{
    cr_assert_eq(consume_reserve(1), 0);
    cr_assert_eq(consume_reserve(7), 0);
    cr_assert_eq(consume_reserve(8), 1);
    cr_assert_eq(consume_reserve(31), 1);
    cr_assert_eq(consume_reserve(50), 3);
    cr_assert_eq(consume_reserve(256), 16);
    for (size_t slots = 1; slots < 5000; slots++)
        cr_assert(consume_reserve(slots) * 8 <= slots);
}
