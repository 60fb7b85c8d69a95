/* Tests of what counts as evidence for a worker's death. */

#include <criterion/criterion.h>

#include "scheduler/reap/evidence.h"

#define AHEAD 1000000

/* Notes every 400 ms from `from` to `to`. */
static void keep_contact(struct contact *contact, int64_t from, int64_t to)
{
    for (int64_t t = from; t <= to; t += 400)
        contact_note(contact, t, t + AHEAD, 1);
}

Test(contact, allows_to_judge_after_five_unbroken_seconds)
{
    struct contact contact = {0};

    cr_assert_eq(contact_judge_until(&contact, 0), 0);
    keep_contact(&contact, 0, 4800);
    cr_assert_eq(contact_judge_until(&contact, 4900), 0);
    cr_assert_eq(contact_judge_until(&contact, 5000), 5000 + AHEAD + CONTACT_JUMP_MS);
    cr_assert_neq(contact_judge_until(&contact, 7800), 0);
    cr_assert_eq(contact_judge_until(&contact, 7801), 0, "silence since 4800");
}

Test(contact, begins_anew_after_a_failure)
{
    struct contact contact = {0};

    keep_contact(&contact, 0, 8000);
    contact_lost(&contact);
    cr_assert_eq(contact_judge_until(&contact, 8000), 0);
    keep_contact(&contact, 8400, 12800);
    cr_assert_eq(contact_judge_until(&contact, 13300), 0);
    cr_assert_neq(contact_judge_until(&contact, 13400), 0);
}

Test(contact, begins_anew_after_a_silence_a_reconnect_or_a_jump_of_the_clock)
{
    const struct {
        int64_t at_ms;
        int64_t ahead_ms;
        uint64_t reconnects;
        bool breaks;
    } cases[] = {
        {8400, AHEAD, 1, false},
        {11000, AHEAD, 1, false},
        {11001, AHEAD, 1, true},
        {8400, AHEAD, 2, true},
        {8400, AHEAD + CONTACT_JUMP_MS, 1, false},
        {8400, AHEAD + CONTACT_JUMP_MS + 1, 1, true},
        {8400, AHEAD - CONTACT_JUMP_MS, 1, false},
        {8400, AHEAD - CONTACT_JUMP_MS - 1, 1, true},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct contact contact = {0};
        int64_t at_ms = cases[i].at_ms;

        keep_contact(&contact, 0, 8000);
        contact_note(&contact, at_ms, at_ms + cases[i].ahead_ms, cases[i].reconnects);
        cr_assert_eq(contact_judge_until(&contact, at_ms) == 0, cases[i].breaks, "case %zu", i);
    }
}

static int64_t dead[SUSPECTS_MAX];

static size_t look_beside(struct suspects *suspects, size_t free_count, int64_t back, int64_t alive,
                          int64_t now_ms)
{
    static int64_t workers[SUSPECTS_MAX + 10];
    struct locks_sight sight = {workers, free_count, back, alive};

    for (size_t i = 0; i < ARRAY_LENGTH(workers); i++)
        workers[i] = (int64_t)i + 1;
    return suspects_look(suspects, &sight, now_ms, dead);
}

static size_t look(struct suspects *suspects, size_t free_count, int64_t alive, int64_t now_ms)
{
    return look_beside(suspects, free_count, 0, alive, now_ms);
}

Test(suspects, are_believed_dead_when_their_lock_stays_free)
{
    struct suspects suspects = {0};

    cr_assert_eq(look(&suspects, 2, 2, 10000), 0);
    cr_assert_eq(look(&suspects, 2, 2, 10499), 0);
    cr_assert_eq(look(&suspects, 2, 2, 10500), 2);
    cr_assert_eq(dead[0], 1);
    cr_assert_eq(dead[1], 2);
}

Test(suspects, are_cleared_by_one_look_that_finds_the_lock_held)
{
    struct suspects suspects = {0};

    cr_assert_eq(look(&suspects, 1, 9, 10000), 0);
    cr_assert_eq(look(&suspects, 0, 9, 10400), 0);
    cr_assert_eq(look(&suspects, 1, 9, 10800), 0);
    cr_assert_eq(look(&suspects, 1, 9, 11299), 0);
    cr_assert_eq(look(&suspects, 1, 9, 11300), 1);
}

Test(suspects, are_forgotten_when_looks_lie_far_apart_or_the_connection_broke)
{
    struct suspects suspects = {0};

    cr_assert_eq(look(&suspects, 1, 9, 10000), 0);
    cr_assert_eq(look(&suspects, 1, 9, 12001), 0);
    suspects_forget(&suspects);
    cr_assert_eq(look(&suspects, 1, 9, 12600), 0);
    cr_assert_eq(look(&suspects, 1, 9, 13100), 1);
}

Test(suspects, need_longer_when_they_are_many)
{
    const struct {
        size_t free_count;
        int64_t alive;
        bool many;
    } cases[] = {{1, 1, false}, {2, 2, false},  {3, 3, true},     {3, 4, true},
                 {3, 9, true},  {3, 10, false}, {30, 100, false}, {31, 100, true}};

    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct suspects suspects = {0};
        int64_t first_ms = 0;

        for (int64_t t = 10000; t <= 16000 && first_ms == 0; t += 100)
            if (look(&suspects, cases[i].free_count, cases[i].alive, t) == cases[i].free_count)
                first_ms = t - 10000;
        cr_assert_eq(first_ms, cases[i].many ? SUSPECT_MANY_MS : SUSPECT_FEW_MS, "case %zu", i);
    }
}

Test(suspects, need_longer_when_others_came_back_just_now)
{
    struct suspects suspects = {0};

    cr_assert_eq(look_beside(&suspects, 2, 2, 4, 10000), 0);
    for (int64_t t = 10400; t < 15000; t += 400)
        cr_assert_eq(look_beside(&suspects, 2, 2, 4, t), 0);
    cr_assert_eq(look(&suspects, 2, 4, 15000), 2);
}

Test(suspects, need_longer_when_they_were_seen_among_many)
{
    struct suspects suspects = {0};

    cr_assert_eq(look(&suspects, 4, 4, 10000), 0);
    for (int64_t t = 10400; t < 15000; t += 400)
        cr_assert_eq(look(&suspects, 2, 4, t), 0);
    cr_assert_eq(look(&suspects, 2, 4, 15000), 2);
}

Test(suspects, beyond_the_room_for_them_have_their_turn_later)
{
    struct suspects suspects = {0};

    cr_assert_eq(look(&suspects, SUSPECTS_MAX + 10, 10000, 10000), 0);
    cr_assert_eq(look(&suspects, SUSPECTS_MAX + 10, 10000, 10500), SUSPECTS_MAX);
}

Test(suspects, are_looked_at_again_when_they_may_be_confirmed)
{
    struct suspects suspects = {0};

    cr_assert_eq(suspects_wait_ms(&suspects, 10000, 400), 400);
    cr_assert_eq(look(&suspects, 1, 9, 10000), 0);
    cr_assert_eq(suspects_wait_ms(&suspects, 10000, 400), 400);
    cr_assert_eq(suspects_wait_ms(&suspects, 10400, 400), 100);
    cr_assert_eq(suspects_wait_ms(&suspects, 10500, 400), 400);
}

Test(lapse, is_looked_at_when_it_comes)
{
    cr_assert_eq(lapse_wait_ms(INT64_MAX, 400), 400);
    cr_assert_eq(lapse_wait_ms(400, 400), 400);
    cr_assert_eq(lapse_wait_ms(399, 400), 400);
    cr_assert(lapse_wait_ms(100, 400) > 100 && lapse_wait_ms(100, 400) < 110);
    cr_assert_gt(lapse_wait_ms(0, 400), 0);
    cr_assert_eq(lapse_wait_ms(-1, 400), 400, "judged already, or it may not be yet");
}
