/* Spans of one offset, and the instants of local times. */

#include "support.h"

#include "shared/time/zone_rule.h"

static const char *const zones[] = {
    "UTC",          "Europe/Berlin",     "Europe/Dublin",       "America/New_York",
    "Asia/Kolkata", "America/Santiago",  "Australia/Lord_Howe", "Antarctica/Troll",
    "Pacific/Apia", "Pacific/Kwajalein", "Africa/Casablanca",   "Asia/Manila",
    "Asia/Gaza",    "America/Nuuk",      "Africa/Monrovia",     "Etc/GMT-14",
};

/* From the first span to one that ends in the year 2200, or never. */
Test(zone_span, goes_from_change_to_change_without_a_hole)
{
    for (size_t i = 0; i < ARRAY_LENGTH(zones); i++) {
        const struct zone *zone = zone_of(zones[i]);
        struct zone_span span, same;
        int64_t at_s = INT64_C(-10000000000);

        zone_span_at(zone, at_s, &span);
        cr_assert_eq(span.begin_s, INT64_MIN);
        while (span.end_s < INT64_C(7258118400)) {
            int64_t end_s = span.end_s;

            for (int k = 0; k < 5; k++) {
                int64_t within_s = at_s + (end_s - 1 - at_s) / 4 * k;

                cr_assert_eq(zone_offset(zone, within_s), span.offset_s);
                zone_span_at(zone, within_s, &same);
                cr_assert_eq(same.begin_s, span.begin_s, "%s", zones[i]);
                cr_assert_eq(same.end_s, end_s, "%s", zones[i]);
            }
            zone_span_at(zone, end_s, &span);
            cr_assert_eq(span.begin_s, end_s);
            at_s = end_s;
        }
    }
}

/* Every hour of thirty years behind the last transitions that files have. */
Test(zone_span, of_the_far_future_ends_where_the_offset_changes)
{
    for (size_t i = 0; i < ARRAY_LENGTH(zones); i++) {
        const struct zone *zone = zone_of(zones[i]);
        struct zone_span span;

        zone_span_at(zone, INT64_C(3786912000), &span);
        for (int64_t at_s = INT64_C(3786912000); at_s < INT64_C(4733596800); at_s += 3600) {
            if (at_s >= span.end_s) {
                cr_assert_neq(zone_offset(zone, span.end_s - 1), zone_offset(zone, span.end_s));
                zone_span_at(zone, span.end_s, &span);
            }
            cr_assert_eq(zone_offset(zone, at_s), span.offset_s, "%s %ld", zones[i], (long)at_s);
        }
    }
}

/* Rules that no place has: summer all year, and summer that ends behind the new year. */
Test(zone_span, of_an_odd_rule_is_where_its_offset_changes)
{
    static const char *const rules[] = {"XXX3EDT4,0/0,J365/23", "AAA3BBB,J300/0,J365/30",
                                        "AAA-3BBB,J365/30,J60/-100", "EST5EDT,M3.2.0,M11.1.0",
                                        "CET-1"};

    for (size_t i = 0; i < ARRAY_LENGTH(rules); i++) {
        struct zone_rule rule;
        int64_t begin_s, end_s, last_s = INT64_MIN;
        int64_t at_s = INT64_C(1767225600) - 86400;

        cr_assert(zone_rule_parse(text_of(rules[i]), &rule), "%s", rules[i]);
        zone_rule_span(&rule, at_s, &begin_s, &end_s);
        for (; at_s < INT64_C(1956528000); at_s += 900) {
            if (at_s >= end_s)
                last_s = end_s;
            zone_rule_span(&rule, at_s, &begin_s, &end_s);
            cr_assert(begin_s <= at_s && end_s > at_s);
            cr_assert(last_s == INT64_MIN || begin_s == last_s, "%s %ld", rules[i], (long)at_s);
            if (begin_s > INT64_MIN)
                cr_assert_eq(zone_rule_offset(&rule, begin_s), zone_rule_offset(&rule, at_s));
            if (end_s < INT64_MAX)
                cr_assert_eq(zone_rule_offset(&rule, end_s - 1), zone_rule_offset(&rule, at_s));
        }
    }
}

/* Each minute around a change, and the first of it that the clocks showed or went past. */
static void check_instants(const char *name, int64_t change_s)
{
    const struct zone *zone = zone_of(name);
    int64_t begin_s = change_s - 40 * 3600, furthest_s;

    furthest_s = begin_s + zone_offset(zone, begin_s);
    for (int64_t at_s = begin_s; at_s < change_s + 40 * 3600; at_s += 60) {
        int64_t local_s = at_s + zone_offset(zone, at_s);

        for (; furthest_s < local_s; furthest_s += 60)
            cr_assert_eq(zone_instant(zone, furthest_s + 60), at_s, "%s: %ld is %ld, expected %ld",
                         name, (long)(furthest_s + 60), (long)zone_instant(zone, furthest_s + 60),
                         (long)at_s);
    }
}

Test(zone_instant, is_the_first_at_which_clocks_have_come_so_far)
{
    check_instants("Europe/Berlin", instant_of("2026-03-29T01:00:00Z"));
    check_instants("Europe/Berlin", instant_of("2026-10-25T01:00:00Z"));
    check_instants("Europe/Berlin", instant_of("2090-03-26T01:00:00Z"));
    check_instants("Australia/Lord_Howe", instant_of("2026-04-04T15:00:00Z"));
    check_instants("Antarctica/Troll", instant_of("2026-10-25T01:00:00Z"));
    check_instants("Pacific/Apia", instant_of("2011-12-30T10:00:00Z"));
    check_instants("Pacific/Kwajalein", instant_of("1969-09-30T13:00:00Z"));
}
