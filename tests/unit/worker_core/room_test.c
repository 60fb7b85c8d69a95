/* Room for runs: who is let in, who waits, who is turned away. */

#include <criterion/criterion.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/loop.h"
#include "worker/room/room.h"

#define MIB   ((size_t)1 << 20)
#define SLOTS 64 /* so that four may wait, two of a tenant */

static struct room room;
static const struct uuid one_tenant = {{1}};
static const struct uuid other_tenant = {{2}};

/* A run that asks for room. */
struct run {
    struct room_share share;
    struct fiber *fiber;
    size_t bytes;
    int result;
    int64_t return_ms;
};

static void ask(void *arg)
{
    struct run *run = arg;

    run->result = room_enter(&run->share, run->bytes, 0, deadline_in(5000), &run->return_ms, NULL);
}

static void start(struct run *run, struct uuid tenant, size_t bytes)
{
    *run = (struct run){.bytes = bytes, .result = -1};
    room_share_init(&run->share, &room, tenant);
    run->fiber = fiber_start("run", ask, run);
    fiber_yield();
}

static void end(struct run *run)
{
    fiber_join(run->fiber);
    room_leave(&run->share);
}

/* Beside what comes with its slot. */
static void start_with(struct run *run, struct uuid tenant, size_t more)
{
    start(run, tenant, ROOM_PER_SLOT + more);
}

static void small(void *arg)
{
    struct run large;
    struct run runs[100];

    (void)arg;
    room_init(&room, 64 * MIB, SLOTS);
    start_with(&large, one_tenant, 48 * MIB);
    for (size_t i = 0; i < ARRAY_LENGTH(runs); i++) {
        start_with(&runs[i], one_tenant, 0);
        cr_assert_eq(runs[i].result, 0);
        cr_assert(room_hold(&runs[i].share, ROOM_PER_SLOT));
    }
    cr_assert_eq(room_used(&room), 48 * MIB);
    for (size_t i = 0; i < ARRAY_LENGTH(runs); i++)
        end(&runs[i]);
    end(&large);
    cr_assert_eq(room_used(&room), 0);
}

Test(room, is_not_asked_for_by_runs_that_fit_into_their_slots)
{
    loop_run(small, NULL);
}

static void in_order(void *arg)
{
    struct run first;
    struct run second;
    struct run third;

    (void)arg;
    room_init(&room, 64 * MIB, SLOTS);
    start_with(&first, one_tenant, 30 * MIB);
    start_with(&second, one_tenant, 30 * MIB);
    start_with(&third, other_tenant, 10 * MIB);
    cr_assert_eq(first.result, 0);
    cr_assert_eq(second.result, -1, "it waits");
    cr_assert_eq(third.result, -1, "it does not overtake");
    cr_assert_eq(room.waiting_count, 2);
    end(&first);
    end(&second);
    end(&third);
    cr_assert_eq(second.result, 0);
    cr_assert_eq(third.result, 0);
    cr_assert_eq(room.waits, 2);
    cr_assert_eq(room_used(&room), 0);
}

Test(room, is_given_in_the_order_of_arrival)
{
    loop_run(in_order, NULL);
}

static void alone(void *arg)
{
    struct run first;
    struct run huge;

    (void)arg;
    room_init(&room, 64 * MIB, SLOTS);
    start_with(&first, one_tenant, 10 * MIB);
    start_with(&huge, one_tenant, 1000 * MIB);
    cr_assert_eq(huge.result, -1);
    room_leave(&first.share);
    fiber_join(huge.fiber);
    cr_assert_eq(huge.result, 0);
    cr_assert(room_hold(&huge.share, 2000 * MIB), "nobody is in its way");
    room_leave(&huge.share);
    end(&first);
}

Test(room, is_given_whole_to_a_run_that_is_larger_than_it)
{
    loop_run(alone, NULL);
}

static void middle(void *arg)
{
    struct run first;
    struct run huge;
    struct run runs[9];

    (void)arg;
    room_init(&room, 64 * MIB, SLOTS);
    start_with(&first, one_tenant, 40 * MIB);
    start_with(&huge, one_tenant, 40 * MIB);
    for (size_t i = 0; i < 9; i++)
        start_with(&runs[i], other_tenant, 1 * MIB);
    for (size_t i = 0; i < 8; i++)
        cr_assert_eq(runs[i].result, 0, "an eighth of the room is for these");
    cr_assert_eq(runs[8].result, -1);
    end(&first);
    end(&huge);
    for (size_t i = 0; i < 9; i++)
        end(&runs[i]);
    cr_assert_eq(room_used(&room), 0);
}

Test(room, is_kept_for_runs_of_middle_size_while_large_ones_wait)
{
    loop_run(middle, NULL);
}

static void turned_away(void *arg)
{
    struct run first;
    struct run waiting[4];
    struct run away;

    (void)arg;
    room_init(&room, 64 * MIB, SLOTS);
    start_with(&first, one_tenant, 40 * MIB);
    start_with(&waiting[0], one_tenant, 40 * MIB);
    start_with(&waiting[1], one_tenant, 40 * MIB);
    start_with(&away, one_tenant, 40 * MIB);
    cr_assert_eq(away.result, ROOM_FULL, "half of the places is what a tenant may take");
    cr_assert(room_is_closed(&away.share, 40 * MIB));
    cr_assert_not(room_is_closed(&away.share, MIB), "for its size there is a part of its own");
    cr_assert_geq(away.return_ms, 1000);
    end(&away);
    room_share_init(&away.share, &room, other_tenant);
    cr_assert_not(room_is_closed(&away.share, 40 * MIB), "another tenant may wait");
    start_with(&waiting[2], other_tenant, 40 * MIB);
    start_with(&waiting[3], other_tenant, 40 * MIB);
    cr_assert_eq(waiting[2].result, -1);
    cr_assert_eq(waiting[3].result, -1);
    start_with(&away, (struct uuid){{3}}, 40 * MIB);
    cr_assert_eq(away.result, ROOM_FULL, "all places are taken");
    end(&away);
    cr_assert_eq(room.turned_away, 2);
    end(&first);
    for (size_t i = 0; i < 4; i++)
        end(&waiting[i]);
}

Test(room, has_places_to_wait_half_of_which_a_tenant_may_take)
{
    loop_run(turned_away, NULL);
}

static void gives_up(void *arg)
{
    struct run first;
    struct run cancelled;

    (void)arg;
    room_init(&room, 64 * MIB, SLOTS);
    start_with(&first, one_tenant, 40 * MIB);
    start_with(&cancelled, one_tenant, 40 * MIB);
    cr_assert(cancelled.share.waiting);
    fiber_cancel(cancelled.fiber);
    fiber_join(cancelled.fiber);
    cr_assert_eq(cancelled.result, -E_CANCELED);
    cr_assert_not(cancelled.share.waiting);
    cr_assert_eq(room.waiting_count, 0);
    cr_assert_eq(room_used(&room), 40 * MIB);
    end(&first);
}

Test(room, is_waited_for_until_a_cancel)
{
    loop_run(gives_up, NULL);
}

static void grows(void *arg)
{
    struct run one;
    struct run two;

    (void)arg;
    room_init(&room, 64 * MIB, SLOTS);
    start_with(&one, one_tenant, 30 * MIB);
    start_with(&two, one_tenant, 10 * MIB);
    cr_assert(room_hold(&one.share, ROOM_PER_SLOT + 54 * MIB), "up to all of it");
    cr_assert_not(room_hold(&two.share, ROOM_PER_SLOT + 11 * MIB));
    cr_assert_eq(room_used(&room), 64 * MIB, "what did not fit is not counted");
    room_settle(&two.share, ROOM_PER_SLOT + 11 * MIB);
    cr_assert_eq(room_used(&room), 65 * MIB, "what is there already is");
    cr_assert(room_hold(&one.share, 0), "less fits always");
    cr_assert_eq(room_used(&room), 11 * MIB);
    end(&one);
    end(&two);
    cr_assert_eq(room_used(&room), 0);
}

Test(room, has_a_part_for_what_grows_in_work)
{
    loop_run(grows, NULL);
}

static void spreads(void *arg)
{
    int64_t before_ms = 0;

    (void)arg;
    room_init(&room, 64 * MIB, SLOTS);
    for (int i = 0; i < 10000; i++) {
        int64_t wait_ms = room_turn_away(&room);

        cr_assert_geq(wait_ms, 1000);
        cr_assert_leq(wait_ms, 61000);
        cr_assert_geq(wait_ms, before_ms - 1000 - 100, "later than the one before, but for chance");
        before_ms = wait_ms;
    }
    cr_assert_geq(before_ms, 59000);
}

Test(room, spreads_the_return_of_those_it_turns_away)
{
    loop_run(spreads, NULL);
}
