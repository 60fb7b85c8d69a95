/* Gathering, on the real loop. */

#include <criterion/criterion.h>

#include "shared/base/error.h"
#include "shared/fiber/fiber.h"
#include "shared/fiber/gather.h"
#include "shared/fiber/loop.h"

#define ASKERS 10

/* Lets the others run until it holds. */
#define UNTIL(condition)                                                                           \
    while (!(condition))                                                                           \
    IGNORE(fiber_sleep(1, NULL))

struct asker {
    struct gather_item item;
    struct gather *gather;
    struct fiber *fiber;
    int served; /* by which batch */
    int result;
};

static int batches;
static size_t sizes[ASKERS];
static bool wakes_early;
static int asked; /* askers who have begun */
static bool held; /* lanes wait while it is set */

static void serve(void *arg, struct gather_batch *batch)
{
    (void)arg;
    sizes[batches++] = batch->count;
    UNTIL(!held);
    for (size_t i = 0; i < batch->count; i++) {
        if (!batch->items[i])
            continue;
        CONTAINER_OF(batch->items[i], struct asker, item)->served = batches;
        if (wakes_early) {
            gather_done(batch, i);
            gather_done(batch, i);
        }
    }
    IGNORE(fiber_sleep(1, NULL));
}

static void ask(void *arg)
{
    struct asker *asker = arg;
    struct error err;

    asked++;
    asker->result = gather_ask(asker->gather, &asker->item, &err);
}

static struct gather *make_with(size_t lanes, gather_await_fn await)
{
    struct gather_options options = {.name = "lane",
                                     .fn = serve,
                                     .await = await,
                                     .lanes = lanes,
                                     .batch_max = 4,
                                     .batch_max_bytes = 100};

    return gather_new(&options);
}

static struct gather *make(size_t lanes)
{
    return make_with(lanes, NULL);
}

static void start(struct asker *askers, size_t count, struct gather *gather)
{
    for (size_t i = 0; i < count; i++) {
        askers[i].gather = gather;
        askers[i].result = 1; /* none yet */
        askers[i].fiber = fiber_start("asker", ask, &askers[i]);
    }
}

static void gathers(void *arg)
{
    struct asker askers[ASKERS] = {0};
    struct gather *gather = make(1);

    (void)arg;
    held = true;
    start(askers, 1, gather);
    UNTIL(batches == 1);
    start(askers + 1, 6, gather);
    UNTIL(asked == 7);
    held = false;
    for (size_t i = 0; i < 7; i++)
        fiber_join(askers[i].fiber);
    cr_assert_eq(batches, 3);
    cr_assert_eq(sizes[0], 1);
    cr_assert_eq(sizes[1], 4);
    cr_assert_eq(sizes[2], 2);
    for (size_t i = 0; i < 7; i++)
        cr_assert(askers[i].result == 0 && askers[i].served > 0);
    gather_free(gather);
}

Test(gather, what_is_asked_for_meanwhile_becomes_the_next_batch)
{
    loop_run(gathers, NULL);
    cr_assert_eq(fiber_count(), 0);
}

static void limits(void *arg)
{
    struct asker askers[3] = {{.item.bytes = 500}, {.item.bytes = 60}, {.item.bytes = 60}};
    struct gather *gather = make(1);

    (void)arg;
    wakes_early = true;
    start(askers, 3, gather);
    for (size_t i = 0; i < 3; i++)
        fiber_join(askers[i].fiber);
    cr_assert_eq(batches, 3);
    gather_free(gather);
}

Test(gather, batches_are_limited_in_bytes_but_never_empty)
{
    loop_run(limits, NULL);
}

static void gives_up(void *arg)
{
    struct asker askers[ASKERS] = {0};
    struct gather *gather = make(2);

    (void)arg;
    held = true;
    start(askers, ASKERS, gather);
    UNTIL(asked == ASKERS && batches == 2); /* 8 are with the lanes, 2 wait */
    fiber_cancel(askers[1].fiber);
    fiber_cancel(askers[9].fiber);
    UNTIL(askers[1].result != 1 && askers[9].result != 1);
    held = false;
    for (size_t i = 0; i < ASKERS; i++)
        fiber_join(askers[i].fiber);
    for (size_t i = 0; i < ASKERS; i++) {
        bool gave_up = i == 1 || i == 9;

        cr_assert_eq(askers[i].result, gave_up ? -E_CANCELED : 0);
        cr_assert_eq(askers[i].served == 0, gave_up);
    }
    cr_assert_eq(batches, 3);
    cr_assert_eq(sizes[2], 1);
    gather_free(gather);
}

Test(gather, an_asker_may_give_up_at_any_time)
{
    loop_run(gives_up, NULL);
}

static void wait_a_turn(void *arg)
{
    (void)arg;
    UNTIL(!held);
}

/* The lanes wait for their turn while more is asked for; one takes it all. */
static void awaits(void *arg)
{
    struct gather *gather = make_with(2, wait_a_turn);
    struct asker askers[4] = {0};

    (void)arg;
    held = true;
    start(askers, 2, gather);
    UNTIL(asked == 2);
    start(askers + 2, 2, gather);
    UNTIL(asked == 4);
    fiber_cancel(askers[2].fiber);
    UNTIL(askers[2].result != 1);
    held = false;
    for (size_t i = 0; i < 4; i++)
        fiber_join(askers[i].fiber);
    cr_assert_eq(batches, 1);
    cr_assert_eq(sizes[0], 3);
    cr_assert_eq(askers[2].result, -E_CANCELED);
    cr_assert_eq(askers[2].served, 0);
    gather_free(gather);
}

Test(gather, goes_on_gathering_until_it_is_a_lanes_turn)
{
    loop_run(awaits, NULL);
    cr_assert_eq(fiber_count(), 0);
}

static void gives_up_before_its_turn(void *arg)
{
    struct gather *gather = make_with(1, wait_a_turn);
    struct asker asker = {0};

    (void)arg;
    held = true;
    start(&asker, 1, gather);
    UNTIL(asked == 1);
    fiber_cancel(asker.fiber);
    fiber_join(asker.fiber);
    held = false;
    gather_free(gather);
    cr_assert_eq(asker.result, -E_CANCELED);
    cr_assert_eq(batches, 0);
}

Test(gather, makes_no_batch_of_nothing)
{
    loop_run(gives_up_before_its_turn, NULL);
}
