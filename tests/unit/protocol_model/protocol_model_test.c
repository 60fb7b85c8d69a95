/* The protocol under random schedules, with a clock of its own: thousands of worlds, each from a
 * seed. A seed that fails is printed, and fails again. */

#include <criterion/criterion.h>

#include "world.h"

enum { WORLDS = 400, EVENTS_WITH_FAULTS = 3000, EVENTS_TO_SETTLE = 60000 };

struct totals {
    int64_t runs, fenced, replayed, dead, settled;
};

static void play(uint64_t seed, struct totals *totals)
{
    static struct world world;

    world_init(&world, seed);
    for (int i = 0; i < EVENTS_WITH_FAULTS && !world.broken; i++)
        world_step(&world);
    world.faults = false;
    for (int i = 0; i < WORLD_WORKERS; i++)
        world.workers[i].paused_until_ms = 0;
    for (int i = 0; i < EVENTS_TO_SETTLE && !world.broken && !world_settled(&world); i++)
        world_step(&world);
    cr_assert_null(world.broken, "seed %llu: %s", (unsigned long long)seed, world.broken);
    cr_assert(world_settled(&world), "seed %llu: %d of %d runs ended", (unsigned long long)seed,
              (int)world.ended, world.run_count);
    totals->runs += world.run_count;
    totals->fenced += world.fenced;
    totals->replayed += world.replayed;
    totals->dead += world.dead;
    totals->settled += world.settled;
    world_deinit(&world);
}

Test(protocol_model, every_run_ends_once_whatever_fails)
{
    struct totals totals = {0};

    for (uint64_t seed = 1; seed <= WORLDS; seed++)
        play(seed, &totals);
    cr_log_info("%lld runs, %lld fenced, %lld replayed, %lld dead", (long long)totals.runs,
                (long long)totals.fenced, (long long)totals.replayed, (long long)totals.dead);
    /* The worlds were hard enough to show something. */
    cr_assert_gt(totals.runs, WORLDS * 50);
    cr_assert_gt(totals.fenced, WORLDS);
    cr_assert_gt(totals.replayed, WORLDS);
    cr_assert_gt(totals.dead, WORLDS);
    cr_assert_gt(totals.settled, WORLDS);
}

Test(protocol_model, the_same_seed_gives_the_same_world)
{
    static struct world one, two;

    world_init(&one, 7);
    world_init(&two, 7);
    for (int i = 0; i < EVENTS_WITH_FAULTS; i++) {
        world_step(&one);
        world_step(&two);
    }
    cr_assert_eq(one.now_ms, two.now_ms);
    cr_assert_eq(one.fenced, two.fenced);
    cr_assert_eq(one.ended, two.ended);
    cr_assert_eq(one.random, two.random);
    world_deinit(&one);
    world_deinit(&two);
}
