/* The times of schedules, from a start to an end. */

#include "support.h"

#include "shared/time/cron_parse.h"
#include "shared/time/timetable.h"

static struct timetable of_cron(const char *expression, const char *zone)
{
    struct timetable table = {
        .kind = TIMETABLE_CRON, .starts_s = INT64_MIN, .ends_s = INT64_MAX, .zone = zone_of(zone)};
    struct error err;

    cr_assert_eq(cron_parse(text_of(expression), &table.cron, &err), 0);
    return table;
}

/* What next and last say must agree, behind each time and before it. */
static void check_both_ways(const struct timetable *table, int64_t from_s, int count)
{
    int64_t at_s = from_s;

    for (int i = 0; i < count; i++) {
        int64_t next_s, last_s;

        if (timetable_next(table, at_s, &next_s) != 0)
            return;
        cr_assert_gt(next_s, at_s);
        cr_assert_eq(timetable_last(table, next_s, &last_s), 0);
        cr_assert_eq(last_s, next_s);
        if (i > 0) {
            cr_assert_eq(timetable_last(table, next_s - 1, &last_s), 0);
            cr_assert_eq(last_s, at_s);
        }
        at_s = next_s;
    }
}

Test(timetable, next_and_last_are_the_same_times)
{
    struct timetable day = of_cron("30 2 * * *", "Europe/Berlin");
    struct timetable quarter = of_cron("*/15 * * * *", "America/New_York");
    struct timetable every = {.kind = TIMETABLE_EVERY,
                              .interval = {5400, 1000},
                              .starts_s = INT64_MIN,
                              .ends_s = INT64_MAX};

    check_both_ways(&day, instant_of("2026-01-01T00:00:00Z"), 700);
    check_both_ways(&quarter, instant_of("2026-10-31T00:00:00Z"), 300);
    check_both_ways(&every, 0, 100);
}

Test(timetable, no_time_is_before_the_start_or_behind_the_end)
{
    struct timetable table = of_cron("0 * * * *", "UTC");
    int64_t start_s = instant_of("2026-05-01T12:00:00Z");
    int64_t out_s = 42;

    table.starts_s = start_s;
    table.ends_s = start_s + 7200;
    cr_assert_eq(timetable_next(&table, 0, &out_s), 0);
    cr_assert_eq(out_s, start_s);
    cr_assert_eq(timetable_next(&table, start_s + 3600, &out_s), 0);
    cr_assert_eq(out_s, start_s + 7200);
    cr_assert_eq(timetable_next(&table, start_s + 7200, &out_s), TIMETABLE_OVER);
    cr_assert_eq(timetable_last(&table, INT64_C(4000000000), &out_s), 0);
    cr_assert_eq(out_s, start_s + 7200);
    cr_assert_eq(timetable_last(&table, start_s - 1, &out_s), TIMETABLE_OVER);
}

Test(timetable, a_single_time_is_there_once)
{
    struct timetable table = {
        .kind = TIMETABLE_ONCE, .once_s = 5000, .starts_s = INT64_MIN, .ends_s = INT64_MAX};
    int64_t out_s = 0;

    cr_assert_eq(timetable_next(&table, 4999, &out_s), 0);
    cr_assert_eq(out_s, 5000);
    cr_assert_eq(timetable_next(&table, 5000, &out_s), TIMETABLE_OVER);
    cr_assert_eq(timetable_last(&table, 4999, &out_s), TIMETABLE_OVER);
    cr_assert_eq(timetable_last(&table, 5000, &out_s), 0);
    check_both_ways(&table, 0, 3);
}

Test(timetable, no_time_has_a_year_of_five_digits)
{
    struct timetable table = of_cron("0 0 1 1 *", "Pacific/Kiritimati");
    struct timetable every = {.kind = TIMETABLE_EVERY,
                              .interval = {366 * 86400, 0},
                              .starts_s = INT64_MIN,
                              .ends_s = INT64_MAX};
    int64_t last_s = instant_of("9998-12-31T10:00:00Z"); /* of 9999, there */
    int64_t out_s = 0;

    cr_assert_eq(timetable_next(&table, last_s - 1, &out_s), 0);
    cr_assert_eq(out_s, last_s);
    cr_assert_eq(timetable_next(&table, last_s, &out_s), TIMETABLE_OVER);
    cr_assert_eq(timetable_next(&every, TIMETABLE_LAST_S - 1, &out_s), TIMETABLE_OVER);
    table.starts_s = instant_of("9999-12-31T00:00:00Z");
    cr_assert_eq(timetable_next(&table, 0, &out_s), TIMETABLE_OVER);
}
