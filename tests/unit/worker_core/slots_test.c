/* The slots of a worker, and those that are kept for express hints. */

#include <criterion/criterion.h>

#include "worker/intake/slots.h"

Test(slots, keep_a_sixteenth_in_reserve_but_none_of_a_few)
{
    cr_assert_eq(slots_reserve(1), 0);
    cr_assert_eq(slots_reserve(7), 0);
    cr_assert_eq(slots_reserve(8), 1);
    cr_assert_eq(slots_reserve(31), 1);
    cr_assert_eq(slots_reserve(50), 3);
    cr_assert_eq(slots_reserve(256), 16);
    for (size_t slots = 1; slots < 5000; slots++)
        cr_assert(slots_reserve(slots) * 8 <= slots);
}

Test(slots, are_never_promised_twice)
{
    for (size_t slots = 1; slots < 100; slots++) {
        for (size_t busy = 0; busy <= slots; busy++) {
            size_t ordinary = slots_free(slots, busy);
            size_t express = slots_free_express(slots, busy, ordinary);

            cr_assert_leq(busy + ordinary + express, slots);
            cr_assert_leq(express, slots_reserve(slots));
        }
    }
}

Test(slots, of_the_reserve_are_free_when_ordinary_runs_have_taken_all_they_may)
{
    cr_assert_eq(slots_free(64, 60), 0);
    cr_assert_eq(slots_free_express(64, 60, 0), 4);
    cr_assert_eq(slots_free_express(64, 64, 0), 0);
}
