/* What is shown of a schedule's times is what will fire. */

#include <criterion/criterion.h>

#include "shared/base/error.h"
#include "shared/schedules/schedule_times.h"

#define T0     INT64_C(1800000000)
#define JITTER 86400

static struct schedule made(void)
{
    struct schedule schedule = {.id = {{1, 2, 3, 4}},
                                .every_s = 600,
                                .starts_at = T0,
                                .zone = TEXT("UTC"),
                                .jitter_s = JITTER};
    struct error err;

    cr_assert_gt(schedule_delay_s(schedule.id, JITTER), 600);
    cr_assert_eq(schedule_begin(&schedule, T0, &err), 0);
    return schedule;
}

Test(times, the_first_one_that_is_shown_is_the_first_one_that_fires)
{
    struct schedule schedule = made();
    int64_t times[SCHEDULE_NEXT_TIMES];

    cr_assert_eq(schedule_next_times(&schedule, T0, times), SCHEDULE_NEXT_TIMES);
    cr_assert_eq(times[0], schedule.due);
    cr_assert_eq(times[1], schedule.due + 600);
}

Test(times, one_that_is_paused_shows_none_that_is_past)
{
    struct schedule schedule = made();
    int64_t later_s = T0 + 10 * JITTER;
    int64_t times[SCHEDULE_NEXT_TIMES];

    schedule.state = SCHEDULE_PAUSED;
    cr_assert_eq(schedule_next_times(&schedule, later_s, times), SCHEDULE_NEXT_TIMES);
    cr_assert_gt(times[0], later_s);
    cr_assert_leq(times[0], later_s + 600);
}

Test(times, another_expression_zone_or_start_are_other_times)
{
    struct schedule one = made();
    struct schedule other = made();

    other.jitter_s = 5;
    other.ends_at = T0 + 5 * JITTER;
    cr_assert(schedule_same_times(&one, &other));
    other.every_s = 900;
    cr_assert(!schedule_same_times(&one, &other));
    other = made();
    other.zone = TEXT("Europe/Berlin");
    cr_assert(!schedule_same_times(&one, &other));
    other = made();
    other.starts_at++;
    cr_assert(!schedule_same_times(&one, &other));
    other = made();
    other.every_s = 0;
    other.cron = TEXT("0 9 * * *");
    cr_assert(!schedule_same_times(&one, &other));
    one = other;
    cr_assert(schedule_same_times(&one, &other));
    other.every_s = other.starts_at = 0;
    other.cron = TEXT_NONE;
    other.run_at = T0;
    cr_assert(!schedule_same_times(&one, &other));
}
