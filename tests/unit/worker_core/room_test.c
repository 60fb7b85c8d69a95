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

    run->result = room_enter(&run->share, run->bytes, 0, DEADLINE_NONE, &run->return_ms, NULL);
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

static bool grow_to(struct run *run, size_t more)
{
    return room_hold(&run->share, ROOM_PER_SLOT + more);
}

static int64_t frozen_ms = 1000000;

/* The clock stands still; what takes no time goes on. */
static void pass(int64_t ms)
{
    frozen_ms += ms;
    clock_freeze(frozen_ms, frozen_ms);
}

static void run_frozen(void (*body)(void *arg))
{
    pass(0);
    loop_run(body, NULL);
    clock_thaw();
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
    start_with(&second, one_tenant, 40 * MIB);
    start_with(&third, other_tenant, 30 * MIB);
    cr_assert_eq(first.result, 0);
    cr_assert_eq(second.result, -1, "it waits");
    cr_assert_eq(third.result, -1, "it waits");
    cr_assert_eq(room.waiting_count, 2);
    end(&first);
    fiber_yield();
    cr_assert_eq(second.result, 0);
    cr_assert_eq(third.result, -1, "it was there later");
    end(&second);
    end(&third);
    cr_assert_eq(third.result, 0);
    cr_assert_eq(room.waits, 2);
    cr_assert_eq(room_used(&room), 0);
}

Test(room, is_given_in_the_order_of_arrival)
{
    loop_run(in_order, NULL);
}

static void passes(void *arg)
{
    struct run first, huge, little, late, behind;

    (void)arg;
    room_init(&room, 64 * MIB, SLOTS);
    start_with(&first, one_tenant, 30 * MIB);
    start_with(&huge, one_tenant, 40 * MIB);
    start_with(&little, other_tenant, 10 * MIB);
    cr_assert_eq(huge.result, -1);
    cr_assert_eq(little.result, 0, "it takes what the first can't use yet");
    start_with(&behind, other_tenant, 17 * MIB);
    cr_assert_eq(behind.result, -1);
    pass(ROOM_PATIENCE_MS);
    start_with(&late, other_tenant, 5 * MIB);
    cr_assert_eq(late.result, -1, "the first has waited for long");
    end(&little);
    fiber_yield();
    cr_assert_eq(behind.result, -1, "it would fit");
    end(&first);
    fiber_yield();
    cr_assert_eq(huge.result, 0);
    cr_assert_eq(late.result, 0, "the next one has just begun to stand first");
    cr_assert_eq(behind.result, -1);
    end(&huge);
    end(&late);
    end(&behind);
    cr_assert_eq(room_used(&room), 0);
}

Test(room, is_given_to_smaller_ones_until_the_first_has_waited_for_long)
{
    run_frozen(passes);
}

#define OTHERS 8

/* Runs that grow in work, end and begin anew, one after the other: there is never a moment at which
 * most of the room is free, unless they have to give way. */
static void against_growth(size_t bytes)
{
    struct run others[OTHERS];
    struct run run;
    int steps = 0;

    room_init(&room, 64 * MIB, SLOTS);
    for (size_t i = 0; i < OTHERS; i++) {
        start_with(&others[i], other_tenant, 0);
        cr_assert(grow_to(&others[i], 8 * MIB));
    }
    start_with(&run, one_tenant, bytes);
    while (run.result != 0 && steps < 1000) {
        struct run *other = &others[steps++ % OTHERS];

        room_leave(&other->share);
        IGNORE(grow_to(other, 8 * MIB));
        pass(500);
        fiber_yield();
    }
    cr_assert_eq(run.result, 0, "it waited for ever");
    cr_assert_leq(steps, ROOM_PATIENCE_MS / 500 + OTHERS);
    cr_assert_leq(room_used(&room), (bytes < 64 * MIB ? 64 * MIB : bytes + 16 * MIB));
    cr_assert(grow_to(&run, bytes), "what it was let in for it has");
    end(&run);
    for (size_t i = 0; i < OTHERS; i++)
        cr_assert(grow_to(&others[i], 8 * MIB), "nobody is in the way of these now");
    for (size_t i = 0; i < OTHERS; i++)
        end(&others[i]);
    cr_assert_eq(room_used(&room), 0);
}

static void against_growth_of_others(void *arg)
{
    (void)arg;
    against_growth(20 * MIB);
    against_growth(48 * MIB);
    against_growth(1000 * MIB);
}

Test(room, is_given_to_the_first_also_while_others_grow_in_work)
{
    run_frozen(against_growth_of_others);
}

static void gives_way(void *arg)
{
    struct run entered, grown, fresh, first;

    (void)arg;
    room_init(&room, 64 * MIB, SLOTS);
    start_with(&entered, other_tenant, 20 * MIB);
    start_with(&grown, other_tenant, 0);
    start_with(&fresh, other_tenant, 0);
    start_with(&first, one_tenant, 40 * MIB);
    cr_assert(grow_to(&grown, 9 * MIB));
    pass(ROOM_PATIENCE_MS - 1);
    cr_assert(grow_to(&grown, 10 * MIB));
    pass(1);
    cr_assert_not(grow_to(&grown, 11 * MIB), "it is to go back");
    cr_assert(grown.share.gave_way);
    cr_assert(room_insist(&grown.share, ROOM_PER_SLOT + 12 * MIB), "an answer is not thrown away");
    cr_assert(room_gives_way(&grown.share), "as soon as its answer is stored");
    cr_assert_not(room_gives_way(&entered.share), "it has not grown");
    cr_assert(grow_to(&grown, 5 * MIB));
    cr_assert_not(room_gives_way(&grown.share), "an eighth is for what grows");
    cr_assert(grow_to(&entered, 21 * MIB));
    pass(ROOM_PATIENCE_MAX_MS - ROOM_PATIENCE_MS);
    cr_assert(grow_to(&entered, 21 * MIB), "it grows no further");
    cr_assert_not(grow_to(&entered, 21 * MIB + 1), "it was let in, and has made a step");
    cr_assert(entered.share.gave_way);
    cr_assert(room_insist(&entered.share, ROOM_PER_SLOT + 22 * MIB));
    cr_assert(grow_to(&fresh, 1 * MIB), "it is in nobody's way");
    cr_assert_not(room_insist(&fresh.share, ROOM_PER_SLOT + 2 * MIB));
    cr_assert_eq(room_used(&room), 28 * MIB, "what was refused is not counted");
    end(&entered);
    fiber_yield();
    cr_assert_eq(first.result, 0);
    cr_assert(room_insist(&fresh.share, ROOM_PER_SLOT + 10 * MIB), "nobody waits");
    cr_assert_not(room_insist(&fresh.share, ROOM_PER_SLOT + 30 * MIB));
    cr_assert_not(fresh.share.gave_way, "there is not so much");
    end(&first);
    end(&grown);
    end(&fresh);
    cr_assert_eq(room_used(&room), 0);
}

Test(room, is_taken_in_work_until_somebody_has_waited_for_long)
{
    run_frozen(gives_way);
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
    pass(ROOM_PATIENCE_MS);
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
    run_frozen(middle);
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
    cr_assert_not(room_is_closed(&away.share, 8 * MIB), "it fits now");
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
