/* The memory of hints, the window, the roles. */

#include <criterion/criterion.h>

#include "scheduler/dispatch/dispatcher.h"
#include "scheduler/dispatch/hinted.h"
#include "scheduler/dispatch/window.h"
#include "scheduler/scheduler.h"
#include "shared/base/error.h"

static struct hinted_run hint_of(struct uuid run, int lane)
{
    return (struct hinted_run){run, run, lane};
}

static void add(struct hinted *hinted, struct uuid run, int64_t now_ms)
{
    struct hinted_run hint = hint_of(run, 0);

    hinted_add(hinted, &hint, now_ms);
}

Test(hinted, remembers_for_ten_seconds)
{
    struct hinted *hinted = hinted_new(10);
    struct uuid run = uuid_new();

    cr_assert_eq(hinted_age_ms(hinted, run, 0), -1);
    add(hinted, run, 1000);
    cr_assert_eq(hinted_age_ms(hinted, run, 1500), 500);
    cr_assert_eq(hinted_age_ms(hinted, run, 1000 + HINTED_REMEMBER_MS), -1);
    add(hinted, run, 3000);
    cr_assert_eq(hinted_age_ms(hinted, run, 3010), 10);
    hinted_expire(hinted, 1000 + HINTED_REMEMBER_MS);
    cr_assert_eq(hinted_count(hinted), 1);
    cr_assert_eq(hinted_age_ms(hinted, run, 4010), 1010);
    hinted_clear(hinted);
    cr_assert_eq(hinted_age_ms(hinted, run, 4010), -1);
    hinted_free(hinted);
}

Test(hinted, forgets_the_oldest_when_it_is_full)
{
    struct hinted *hinted = hinted_new(50);
    struct uuid runs[200];

    for (int i = 0; i < 200; i++) {
        runs[i] = uuid_new();
        add(hinted, runs[i], i);
    }
    cr_assert_eq(hinted_count(hinted), 50);
    for (int i = 0; i < 200; i++)
        cr_assert_eq(hinted_age_ms(hinted, runs[i], 200), i < 150 ? -1 : 200 - i);
    hinted_expire(hinted, HINTED_REMEMBER_MS + 1000);
    cr_assert_eq(hinted_count(hinted), 0);
    hinted_free(hinted);
}

Test(hinted, on_their_way_are_the_newest_of_each_lane_and_none_for_longer_than_three_seconds)
{
    struct hinted *hinted = hinted_new(50);
    struct hinted_run hints[9], found[9];
    struct queue_stats full = {.length = {9, 9, 9, 9}};

    for (int i = 0; i < 9; i++) {
        hints[i] = hint_of(uuid_new(), i % 3);
        hinted_add(hinted, &hints[i], 1000 + i);
    }
    cr_assert_eq(hinted_on_way(hinted, &(struct queue_stats){.known = true}, 1100, found, 9), 0);
    cr_assert_eq(
        hinted_on_way(hinted, &(struct queue_stats){.length = {2, 0, 1, 7}}, 1100, found, 9), 3);
    cr_assert(uuid_equal(found[0].run, hints[8].run));
    cr_assert(uuid_equal(found[1].run, hints[6].run));
    cr_assert(uuid_equal(found[2].run, hints[3].run));
    cr_assert_eq(hinted_on_way(hinted, &full, 1100, found, 9), 9);
    cr_assert_eq(hinted_on_way(hinted, &full, 1100, found, 4), 4);
    cr_assert_eq(hinted_on_way(hinted, &full, 1005 + HINTED_KEEP_MS, found, 9), 3);
    hinted_free(hinted);
}

Test(hinted, read_and_not_claimed_are_on_their_way_for_a_second)
{
    struct hinted *hinted = hinted_new(50);
    struct queue_stats stats = {.length = {3}, .pending = {2}};
    struct hinted_run hints[3], found[3];

    for (int i = 0; i < 3; i++) {
        hints[i] = hint_of(uuid_new(), 0);
        hinted_add(hinted, &hints[i], 1000);
    }
    cr_assert_eq(hinted_on_way(hinted, &stats, 1000 + HINTED_READ_MS - 1, found, 3), 3);
    cr_assert_eq(hinted_on_way(hinted, &stats, 1000 + HINTED_READ_MS, found, 3), 1);
    cr_assert(uuid_equal(found[0].run, hints[2].run), "nobody has read it yet");
    hinted_free(hinted);
}

Test(window, is_twice_the_free_slots_within_limits)
{
    cr_assert_eq(dispatcher_window(&(struct dispatch_counts){0}), 64);
    cr_assert_eq(dispatcher_window(&(struct dispatch_counts){.slots = 1000}), 2000);
    cr_assert_eq(dispatcher_window(&(struct dispatch_counts){.slots = 1000, .in_progress = 900}),
                 250);
    cr_assert_eq(dispatcher_window(&(struct dispatch_counts){.slots = 1000, .in_progress = 5000}),
                 250);
    cr_assert_eq(dispatcher_window(&(struct dispatch_counts){.slots = 1000000}), 10000);
}

static size_t after(size_t size, size_t filled, size_t left, bool backlog)
{
    struct window_look look = {
        .least = 64, .most = 256, .filled = filled, .left = left, .backlog = backlog};

    return window_follow(size, &look);
}

Test(window, doubles_while_it_runs_dry_and_there_is_more)
{
    cr_assert_eq(after(64, 64, 0, true), 128);
    cr_assert_eq(after(128, 128, 30, true), 256);
    cr_assert_eq(after(256, 256, 0, true), 256, "no more hints than slots");
    cr_assert_eq(after(64, 64, 0, false), 64, "there is nothing more to hint");
    cr_assert_eq(after(64, 64, 20, true), 64, "not dry, not full");
    cr_assert_eq(after(64, 0, 0, true), 64, "the first tick says nothing of the pace");
}

Test(window, shrinks_slowly_while_half_of_it_is_left)
{
    cr_assert_eq(after(256, 256, 200, true), 224);
    cr_assert_eq(after(256, 256, 100, true), 256);
    cr_assert_eq(after(70, 70, 70, false), 64);
    cr_assert_eq(after(0, 0, 0, false), 64, "never less than idle slots are worth");
}

Test(window, lasts_when_half_of_it_is_left_or_nothing_waits)
{
    struct window_look look = {.least = 64, .most = 256, .filled = 100, .left = 51};

    cr_assert(window_lasts(&look));
    look.backlog = true;
    cr_assert(window_lasts(&look));
    look.left = 50;
    cr_assert(!window_lasts(&look) && !window_ran_dry(&look), "not known");
    look.left = 25;
    cr_assert(window_ran_dry(&look) && !window_lasts(&look));
    look.backlog = false;
    cr_assert(!window_ran_dry(&look) && window_lasts(&look));
}

Test(window, of_idle_slots_counts_where_it_is_more_than_all_slots)
{
    struct window_look look = {.least = 512, .most = 256, .filled = 512, .backlog = true};

    cr_assert_eq(window_follow(512, &look), 512);
}
