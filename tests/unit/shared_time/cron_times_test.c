/* When cron expressions fire, against clocks that are watched minute by minute. */

#include "cron_support.h"

#include <stdlib.h>

#include "shared/base/memory.h"
#include "shared/time/cron_times.h"

#define MINUTES_MAX (16 * 1440)

static const char *const expressions[] = {
    "* * * * *",          "*/7 * * * *",   "0 * * * *",   "30 */2 * * *",         "*/20 1-3 * * *",
    "0 0 * * *",          "30 0 * * *",    "30 1 * * *",  "0,15,30,45 0-3 * * *", "30 2 * * *",
    "5,50 2,14,23 * * *", "0-59 2 * * *",  "0 3 * * SUN", "30 23 * * *",          "59 23 L * *",
    "0 12 1 * 1-5",       "10 0-23 * * *",
};

/* Changes of each kind: forth and back, by half an hour to a day, over midnight, by offsets of a
 * quarter of an hour, days that never were (Apia and Kwajalein in 1993) and one that was twice
 * (Kwajalein in 1969), and those that the rule at the end of a file makes. */
static const struct {
    const char *zone, *around;
} changes[] = {
    {"UTC", "2026-02-27T00:00:00Z"},
    {"America/New_York", "2026-03-08T00:00:00Z"},
    {"America/New_York", "2026-11-01T00:00:00Z"},
    {"Europe/Berlin", "2026-03-29T00:00:00Z"},
    {"Europe/Berlin", "2026-10-25T00:00:00Z"},
    {"Europe/Dublin", "2050-10-30T00:00:00Z"},
    {"America/Havana", "2026-03-08T00:00:00Z"},
    {"America/Havana", "2026-11-01T00:00:00Z"},
    {"America/Santiago", "2026-04-04T00:00:00Z"},
    {"America/Santiago", "2026-09-06T00:00:00Z"},
    {"America/St_Johns", "2006-10-29T00:00:00Z"},
    {"Australia/Lord_Howe", "2026-04-05T00:00:00Z"},
    {"Australia/Lord_Howe", "2100-10-03T00:00:00Z"},
    {"Antarctica/Troll", "2026-03-29T00:00:00Z"},
    {"Antarctica/Troll", "2026-10-25T00:00:00Z"},
    {"Antarctica/Casey", "2018-03-11T00:00:00Z"},
    {"Africa/Casablanca", "2026-02-15T00:00:00Z"},
    {"Africa/Cairo", "2026-04-24T00:00:00Z"},
    {"Africa/Cairo", "2010-08-10T00:00:00Z"},
    {"Pacific/Apia", "2011-12-30T00:00:00Z"},
    {"Pacific/Kwajalein", "1993-08-21T00:00:00Z"},
    {"Pacific/Kwajalein", "1969-09-30T00:00:00Z"},
    {"Asia/Kathmandu", "1986-01-01T00:00:00Z"},
};

struct fires {
    int64_t *at_s;
    size_t count;
};

static bool shows(const struct cron *cron, int64_t local_s)
{
    int64_t found_s;

    return cron_first_match(cron, local_s, &found_s) && found_s == local_s;
}

/* Watches the clock from days before what is looked at. A pattern fires whenever it is shown; a
 * fixed time when it is shown or was skipped since the minute before, and never again. */
static void watch(const struct cron *cron, const struct zone *zone, int64_t begin_s,
                  struct fires *out)
{
    int64_t furthest_s = begin_s + zone_offset(zone, begin_s);

    out->at_s = xcalloc(MINUTES_MAX, sizeof(*out->at_s));
    out->count = 0;
    for (int64_t at_s = begin_s; at_s < begin_s + MINUTES_MAX * INT64_C(60); at_s += 60) {
        int64_t local_s = at_s + zone_offset(zone, at_s);
        bool fires = !cron->fixed && shows(cron, local_s);

        while (furthest_s < local_s) {
            furthest_s += 60;
            if (cron->fixed && shows(cron, furthest_s))
                fires = true;
        }
        if (fires)
            out->at_s[out->count++] = at_s;
    }
}

/* The next and the last at each minute of four days, and a second before it, as watched. */
static void check_change(const char *text, const char *zone_name, int64_t around_s)
{
    struct cron cron = cron_of(text);
    const struct zone *zone = zone_of(zone_name);
    int64_t begin_s = around_s - 8 * INT64_C(86400);
    struct fires fires;
    size_t passed = 0;

    watch(&cron, zone, begin_s, &fires);
    for (int64_t at_s = begin_s + 6 * 86400; at_s < begin_s + 10 * 86400; at_s += 60) {
        for (int64_t early = 1; early >= 0; early--) {
            int64_t next_s, last_s;

            while (passed < fires.count && fires.at_s[passed] <= at_s - early)
                passed++;
            cr_assert_eq(cron_next(&cron, zone, at_s - early, &next_s), 0);
            cr_assert(next_s > at_s - early);
            cr_assert(passed == fires.count || next_s == fires.at_s[passed],
                      "%s in %s: %ld after %ld, expected %ld", text, zone_name, (long)next_s,
                      (long)(at_s - early), (long)fires.at_s[passed]);
            cr_assert_eq(cron_last(&cron, zone, at_s - early, &last_s), 0);
            cr_assert(last_s <= at_s - early);
            cr_assert(passed == 0 || last_s == fires.at_s[passed - 1],
                      "%s in %s: %ld until %ld, expected %ld", text, zone_name, (long)last_s,
                      (long)(at_s - early), passed ? (long)fires.at_s[passed - 1] : 0);
        }
    }
    free(fires.at_s);
}

Test(cron_times, are_those_of_a_clock_that_is_watched)
{
    for (size_t i = 0; i < ARRAY_LENGTH(changes); i++)
        for (size_t k = 0; k < ARRAY_LENGTH(expressions); k++)
            check_change(expressions[k], changes[i].zone, instant_of(changes[i].around));
}

Test(cron_times, of_a_day_that_never_was_are_when_the_next_one_begins)
{
    struct cron cron = cron_of("0 9,17 * * *");
    const struct zone *zone = zone_of("Pacific/Apia");
    const char *const expected[] = {"2011-12-29T17:00:00-10:00", "2011-12-31T00:00:00+14:00",
                                    "2011-12-31T09:00:00+14:00"};
    int64_t at_s = instant_of("2011-12-29T12:00:00-10:00");

    for (size_t i = 0; i < ARRAY_LENGTH(expected); i++) {
        cr_assert_eq(cron_next(&cron, zone, at_s, &at_s), 0);
        cr_assert_str_eq(shown(zone, at_s), expected[i]);
    }
}

/* What is after two on the second Sunday of March is what New York skips since 2007. */
Test(cron_times, of_a_pattern_that_clocks_always_skip_are_never)
{
    struct cron cron = cron_of("*/15 2 * 3 0#2");
    int64_t at_s = 42;

    cr_assert_eq(cron_next(&cron, zone_of("America/New_York"), 1774747800, &at_s), CRON_NEVER);
    cr_assert_eq(cron_last(&cron, zone_of("America/New_York"), 1774747800, &at_s), 0);
    cr_assert_str_eq(shown(zone_of("America/New_York"), at_s), "2006-03-12T02:45:00-05:00");
    cr_assert_eq(cron_last(&cron, zone_of("America/New_York"), 5000000000, &at_s), CRON_NEVER);
    cr_assert_eq(cron_next(&cron, zone_of("Europe/Berlin"), 1774747800, &at_s), 0);
    cr_assert_str_eq(shown(zone_of("Europe/Berlin"), at_s), "2027-03-14T02:00:00+01:00");
}

Test(cron_times, go_on_to_the_ends_of_the_calendar)
{
    static const char *const zones[] = {"UTC", "Europe/Berlin", "Australia/Lord_Howe"};

    for (size_t i = 0; i < ARRAY_LENGTH(zones); i++) {
        for (size_t k = 0; k < ARRAY_LENGTH(expressions); k++) {
            struct cron cron = cron_of(expressions[k]);
            int64_t first_s = instant_of("0001-01-01T00:00:00Z");
            int64_t last_s = instant_of("9999-12-31T23:59:59Z"), at_s;

            cr_assert_eq(cron_next(&cron, zone_of(zones[i]), first_s, &at_s), 0);
            cr_assert(at_s > first_s && at_s < first_s + 32 * 86400);
            cr_assert_eq(cron_last(&cron, zone_of(zones[i]), first_s, &at_s), 0);
            cr_assert(at_s <= first_s && at_s > first_s - 32 * 86400);
            cr_assert_eq(cron_next(&cron, zone_of(zones[i]), last_s, &at_s), 0);
            cr_assert(at_s > last_s && at_s < last_s + 32 * 86400);
        }
    }
}

Test(cron_times, a_window_has_both_its_ends_and_no_more_than_was_asked_for)
{
    struct cron cron = cron_of("0 9 * * *");
    const struct zone *zone = zone_of("Europe/Berlin");
    int64_t day[] = {instant_of("2026-03-28T08:00:00Z"), instant_of("2026-03-31T07:00:00Z")};
    int64_t out[5] = {0};

    cr_assert_eq(cron_window(&cron, zone, day, out, 5), 4);
    cr_assert_eq(out[0], day[0]);
    cr_assert_str_eq(shown(zone, out[1]), "2026-03-29T09:00:00+02:00");
    cr_assert_eq(out[3], day[1]);
    cr_assert_eq(out[4], 0);
    cr_assert_eq(cron_window(&cron, zone, day, out, 2), 2);
    cr_assert_eq(cron_window(&cron, zone, day, out, 0), 0);
    day[0]++;
    day[1]--;
    cr_assert_eq(cron_window(&cron, zone, day, out, 5), 2);
    day[1] = day[0] - 1;
    cr_assert_eq(cron_window(&cron, zone, day, out, 5), 0);
}
