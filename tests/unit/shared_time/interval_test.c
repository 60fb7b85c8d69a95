/* Intervals, and one instant as a person gives it. */

#include "support.h"

#include "shared/time/interval.h"
#include "shared/time/run_at.h"

Test(interval, is_read_as_numbers_with_units)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } rules[] = {
        {"1m", 60},     {"15m", 900},       {"90s", 90},         {"1h30m", 5400},
        {"2d", 172800}, {"1w", 604800},     {"1d12h", 129600},   {"1w1d1h1m1s", 694861},
        {"0h60s", 60},  {"366d", 31622400}, {"000000015m", 900},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rules); i++) {
        struct error err = {0};
        int64_t every_s = 0;

        cr_assert_eq(interval_parse(text_of(rules[i].text), &every_s, &err), 0, "%s", err.text);
        cr_assert_eq(every_s, rules[i].seconds, "%s", rules[i].text);
    }
}

Test(interval, is_refused_with_what_would_be_right)
{
    static const char *const wrong[] = {"",     "15",   "m",     "PT15M",      "15M",  "1.5h",
                                        "-15m", "15 m", "30m1h", "1h1h",       " 15m", "15m ",
                                        "1h30", "5min", "0x1m",  "9999999999m"};
    static const char *const out_of_range[] = {"59s", "0m", "367d", "999999999w"};
    struct error err = {0};
    int64_t every_s = 42;

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        cr_assert_eq(interval_parse(text_of(wrong[i]), &every_s, &err), -E_INVALID, "%s", wrong[i]);
    cr_assert_eq(interval_parse(TEXT("PT15M"), &every_s, &err), -E_INVALID);
    cr_assert_str_eq(err.text,
                     "\"PT15M\" is no interval: expected numbers with units, such as 15m, "
                     "1h30m or 2d (w, d, h, m and s, in this order)");
    for (size_t i = 0; i < ARRAY_LENGTH(out_of_range); i++) {
        cr_assert_eq(interval_parse(text_of(out_of_range[i]), &every_s, &err), -E_INVALID);
        cr_assert(text_ends(text_of(err.text), "must be from 1m to 366d"), "%s", err.text);
    }
    cr_assert_eq(every_s, 42);
}

Test(interval, times_are_counted_from_the_start)
{
    struct interval interval = {.every_s = 900, .start_s = 1000};

    for (int64_t at_s = -5000; at_s < 20000; at_s++) {
        int64_t next_s = interval_next(&interval, at_s), last_s = 42;
        int r = interval_last(&interval, at_s, &last_s);

        cr_assert(next_s > at_s && next_s >= 1000 && (next_s - 1000) % 900 == 0);
        if (at_s < 1000) {
            cr_assert_eq(next_s, 1000);
            cr_assert_eq(r, INTERVAL_NEVER);
            cr_assert_eq(last_s, 42);
            continue;
        }
        cr_assert_eq(r, 0);
        cr_assert_eq(next_s, last_s + 900);
        cr_assert(last_s <= at_s);
    }
}

static int64_t run_at(const char *text, const char *zone)
{
    struct error err = {0};
    int64_t unix_s = 0;

    cr_assert_eq(run_at_parse(text_of(text), zone_of(zone), &unix_s, &err), 0, "%s", err.text);
    return unix_s;
}

Test(run_at, an_offset_outranks_the_zone)
{
    cr_assert_eq(run_at("2026-03-29T02:30:00+01:00", "America/New_York"), 1774747800);
    cr_assert_eq(run_at("2026-03-29t01:30:00.999z", "America/New_York"), 1774747800);
}

Test(run_at, a_local_time_is_that_of_the_zone)
{
    cr_assert_eq(run_at("2026-07-01T09:00:00", "UTC"), instant_of("2026-07-01T09:00:00Z"));
    cr_assert_eq(run_at("2026-07-01 09:00:00.5", "Europe/Berlin"),
                 instant_of("2026-07-01T07:00:00Z"));
    cr_assert_eq(run_at("2100-07-01T09:00:00", "Europe/Berlin"),
                 instant_of("2100-07-01T07:00:00Z"));
    cr_assert_eq(run_at("0001-01-01T00:00:00", "Asia/Kathmandu"),
                 instant_of("0001-01-01T00:00:00Z") - (5 * 3600 + 41 * 60 + 16));
}

Test(run_at,
     a_local_time_that_happens_twice_is_the_first_and_one_that_never_does_the_end_of_the_gap)
{
    cr_assert_eq(run_at("2026-10-25T02:30:00", "Europe/Berlin"),
                 instant_of("2026-10-25T00:30:00Z"));
    cr_assert_eq(run_at("2026-03-29T02:00:00", "Europe/Berlin"),
                 instant_of("2026-03-29T01:00:00Z"));
    cr_assert_eq(run_at("2026-03-29T02:59:59", "Europe/Berlin"),
                 instant_of("2026-03-29T01:00:00Z"));
    cr_assert_eq(run_at("2011-12-30T12:00:00", "Pacific/Apia"),
                 instant_of("2011-12-31T00:00:00+14:00"));
}

Test(run_at, what_is_no_time_is_refused)
{
    static const char *const wrong[] = {"",
                                        "tomorrow",
                                        "2026-02-30T09:00:00",
                                        "2026-03-29",
                                        "2026-03-29T09:00",
                                        "2026-03-29T09:00:00+2",
                                        "1774747800",
                                        "2026-03-29T09:00:00 Europe/Berlin"};
    struct error err = {0};
    int64_t unix_s = 42;

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        cr_assert_eq(run_at_parse(text_of(wrong[i]), zone_of("UTC"), &unix_s, &err), -E_INVALID,
                     "%s", wrong[i]);
    cr_assert_eq(unix_s, 42);
    cr_assert_str_eq(err.text,
                     "\"2026-03-29T09:00:00 Europe/Berlin\" is no time: expected RFC 3339 such as "
                     "2026-03-29T09:30:00Z or 2026-03-29T09:30:00+02:00, or without an offset "
                     "2026-03-29T09:30:00");
}
