/* What is known of tenants, their limits shared by schedulers, and which way a new run takes. */

#include <criterion/criterion.h>
#include <string.h>

#include "scheduler/dispatch/dispatcher.h"
#include "scheduler/dispatch/fast.h"
#include "scheduler/dispatch/loads.h"
#include "scheduler/dispatch/ownership.h"

static struct uuid tenant_id(uint32_t number)
{
    struct uuid id = {.bytes = {1}};

    memcpy(id.bytes + 12, &number, sizeof(number));
    return id;
}

Test(loads, are_the_last_count_and_what_was_noted_since)
{
    struct loads *loads = loads_new();
    struct tenant_running running[2] = {{tenant_id(9), 5}, {tenant_id(3), 2}};
    struct tenant_setting settings[2] = {{tenant_id(3), 7, 0}, {tenant_id(2), 1, 12}};
    struct dispatch_tenants counted = {running, 2, settings, 2};
    struct tenant_load load = loads_of(loads, tenant_id(3));

    cr_assert_eq(load.busy, 0);
    cr_assert_eq(load.weight, 1);
    cr_assert_eq(load.max_running, 0);
    loads_note(loads, tenant_id(3));
    cr_assert_eq(loads_of(loads, tenant_id(3)).busy, 1);
    loads_set(loads, &counted);
    cr_assert_eq(loads_of(loads, tenant_id(3)).busy, 2);
    cr_assert_eq(loads_of(loads, tenant_id(3)).weight, 7);
    cr_assert_eq(loads_of(loads, tenant_id(2)).max_running, 12);
    for (int i = 0; i < 3; i++)
        loads_note(loads, tenant_id(9));
    cr_assert_eq(loads_of(loads, tenant_id(9)).busy, 8);
    cr_assert_eq(loads_of(loads, tenant_id(8)).busy, 0);
    loads_free(loads);
}

Test(loads, of_who_had_little_are_to_be_counted_again_when_half_as_much_was_hinted)
{
    struct loads *loads = loads_new();
    struct tenant_running running[2] = {{tenant_id(9), 4}, {tenant_id(3), 3}};
    struct dispatch_tenants counted = {running, 2, NULL, 0};

    loads_set(loads, &counted);
    cr_assert(!loads_want_count(loads, tenant_id(3), 4), "nothing was hinted");
    loads_note(loads, tenant_id(3));
    cr_assert(!loads_want_count(loads, tenant_id(3), 4));
    loads_note(loads, tenant_id(3));
    cr_assert(loads_want_count(loads, tenant_id(3), 4));
    loads_note(loads, tenant_id(9));
    loads_note(loads, tenant_id(9));
    cr_assert(!loads_want_count(loads, tenant_id(9), 4), "it has much in work");
    loads_set(loads, &counted);
    cr_assert(!loads_want_count(loads, tenant_id(3), 4), "they are counted now");
    loads_free(loads);
}

Test(loads, take_the_unknown_for_busy_when_there_are_too_many)
{
    struct loads *loads = loads_new();

    for (uint32_t i = 0; i < LOADS_NOTED_MAX + 100; i++)
        loads_note(loads, tenant_id(i));
    for (uint32_t i = 0; i < LOADS_NOTED_MAX; i++)
        cr_assert_eq(loads_of(loads, tenant_id(i)).busy, 1);
    cr_assert_eq(loads_of(loads, tenant_id(LOADS_NOTED_MAX)).busy, INT64_MAX);
    loads_set(loads, &(struct dispatch_tenants){0});
    cr_assert_eq(loads_of(loads, tenant_id(LOADS_NOTED_MAX)).busy, 0);
    loads_free(loads);
}

Test(cap, of_a_lone_scheduler_is_all_that_is_left)
{
    struct cap_view view = {.max_running = 5, .shards = 4, .owned = 4};

    cr_assert_eq(cap_room(&view), 5);
    view.running = view.running_here = 2;
    view.hinted = 2;
    cr_assert_eq(cap_room(&view), 1);
    view.hinted = 9;
    cr_assert_eq(cap_room(&view), 0);
}

/* Whoever has whatever shards: all of them together never exceed the limit, and one may go on. */
Test(cap, is_never_exceeded_by_several_schedulers)
{
    for (int64_t max = 1; max <= 9; max++)
        for (int shards = 1; shards <= 8; shards++)
            for (int a = 0; a <= shards; a++)
                for (int b = 0; a + b <= shards; b++) {
                    int owned[3] = {a, b, shards - a - b};
                    int64_t hinted = 0;

                    for (int turn = 0; turn < 3; turn++) {
                        hinted = 0;
                        for (int i = 0; i < 3; i++) {
                            struct cap_view view = {.max_running = max,
                                                    .shards = shards,
                                                    .owned = owned[i],
                                                    .turn = i == turn};

                            hinted += owned[i] ? cap_room(&view) : 0;
                        }
                        cr_assert_leq(hinted, max);
                        cr_assert(hinted > 0 || owned[turn] == 0);
                    }
                }
}

Test(cap, turn_goes_round)
{
    struct uuid tenant = tenant_id(77);
    bool had[4] = {false};

    for (int64_t now_ms = 0; now_ms < 8000; now_ms += 100) {
        int turn = cap_turn(tenant, 4, now_ms);

        cr_assert(turn >= 0 && turn < 4);
        had[turn] = true;
    }
    cr_assert(had[0] && had[1] && had[2] && had[3]);
}

Test(ownership, shares_are_even_and_complete)
{
    cr_assert_eq(ownership_share(4, 0, 0), 0);
    for (int shards = 1; shards <= 100; shards++)
        for (int live = 1; live <= 12; live++) {
            int sum = 0;

            for (int rank = 0; rank < live; rank++) {
                int share = ownership_share(shards, live, rank);

                cr_assert(share == shards / live || share == shards / live + 1);
                sum += share;
            }
            cr_assert_eq(sum, shards);
        }
}

Test(fast_way, is_open_to_who_would_be_next_anyway)
{
    struct fast_view view = {.owned = true, .priority = 1, .small = 4, .slots = 100};

    cr_assert_eq(fast_way_of(&view), FAST_EXPRESS, "nothing in work");
    view.busy = 4;
    cr_assert_eq(fast_way_of(&view), FAST_ORDINARY, "nobody waits");
    view.backlog = true;
    cr_assert_eq(fast_way_of(&view), FAST_TICK, "others wait");
    view.waits = true;
    cr_assert_eq(fast_way_of(&view), FAST_NONE, "it is behind its own");
    view.busy = 0;
    cr_assert_eq(fast_way_of(&view), FAST_NONE, "its runs keep their order");
    view.waits = false;
    cr_assert_eq(fast_way_of(&view), FAST_EXPRESS, "a flood of others does not matter");
    view.priority = 2;
    cr_assert_eq(fast_way_of(&view), FAST_TICK, "low priority is not for the express lane");
    view.capped = true;
    view.priority = 1;
    cr_assert_eq(fast_way_of(&view), FAST_TICK, "a limit is counted by the tick");
}

Test(fast_way, of_who_does_not_own_the_shard_is_narrower)
{
    struct fast_view view = {.priority = 1, .small = 4, .busy = 1, .ready = 1000, .slots = 100};

    cr_assert_eq(fast_way_of(&view), FAST_EXPRESS);
    view.busy = 2;
    cr_assert_eq(fast_way_of(&view), FAST_NONE);
    view.ready = 25;
    cr_assert_eq(fast_way_of(&view), FAST_ORDINARY);
    view.capped = true;
    cr_assert_eq(fast_way_of(&view), FAST_NONE);
}
