/* Time zones: files of the system's database, and the rules at their ends. */

#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/time/zone.h"
#include "shared/time/zone_rule.h"

Test(zone_rule, the_calendar_counts_days_forth_and_back)
{
    cr_assert_eq(calendar_days(1970, 1, 1), 0);
    cr_assert_eq(calendar_days(2000, 3, 1), 11017);
    cr_assert_eq(calendar_days(1600, 2, 29), -135081);
    for (int64_t days = -800000; days < 3000000; days += 17) {
        int64_t year;
        int month, day;

        calendar_date(days, &year, &month, &day);
        cr_assert_eq(calendar_days(year, month, day), days);
        cr_assert(month >= 1 && month <= 12 && day >= 1 &&
                  day <= calendar_month_length(year, month));
    }
}

Test(zone_rule, every_form_of_date_is_understood)
{
    struct zone_rule rule;

    cr_assert(zone_rule_parse(TEXT("EST5EDT,M3.2.0,M11.1.0"), &rule));
    cr_assert_eq(zone_rule_offset(&rule, 1710053999), -5 * 3600);
    cr_assert_eq(zone_rule_offset(&rule, 1710054000), -4 * 3600);
    cr_assert(zone_rule_parse(TEXT("<+0330>-3:30"), &rule));
    cr_assert_eq(zone_rule_offset(&rule, 0), 12600);
    cr_assert(zone_rule_parse(TEXT("AAA3BBB,J60/0,300/-1:30:15"), &rule));
    cr_assert_eq(rule.start.kind, ZONE_JULIAN_1);
    cr_assert_eq(rule.end.kind, ZONE_JULIAN_0);
    cr_assert_eq(rule.end.time_s, -5415);
    cr_assert_eq(zone_rule_offset(&rule, calendar_days(2024, 3, 1) * 86400 + 3 * 3600), -7200);
    cr_assert_eq(zone_rule_offset(&rule, calendar_days(2024, 3, 1) * 86400 + 3 * 3600 - 1), -10800);
    cr_assert_eq(zone_rule_offset(&rule, calendar_days(2023, 3, 1) * 86400 + 3 * 3600), -7200);
    cr_assert(zone_rule_parse(TEXT("XXX3EDT4,0/0,J365/23"), &rule), "summer all year");
    for (int day = 0; day < 365; day++)
        cr_assert_eq(
            zone_rule_offset(&rule, calendar_days(2025, 1, 1) * 86400 + day * 86400 + 4 * 3600),
            -4 * 3600);
}

Test(zone_rule, what_is_no_rule_is_refused)
{
    static const char *const texts[] = {
        "",
        "C",
        "CE1",
        "CET",
        "CET-",
        "CET-1CEST",
        "CET-1CEST,M3.5.0",
        "CET-1CEST,M3.5.0,",
        "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M0.5.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0",
        "CET-1CEST,J0,J5",
        "CET-1CEST,366,5",
        "CET-26",
        "CET-1CEST,M3.5.0,M10.5.0/3x",
        "<+01-1",
        "CET-1:60",
        "CET-1CEST,M3.5.0/168,M10.5.0",
        "CET-99999999999",
    };
    struct zone_rule rule = {.standard_s = 42};

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        cr_assert(!zone_rule_parse(text_of(texts[i]), &rule), "%s", texts[i]);
    cr_assert_eq(rule.standard_s, 42);
}

Test(zone, damaged_files_are_refused_or_harmless)
{
    struct buf bytes, broken;
    FILE *file = fopen("/usr/share/zoneinfo/Europe/Dublin", "rb");
    struct zone *zone = NULL;

    cr_assert(file, "package tzdata is missing");
    buf_init(&bytes, 0);
    buf_init(&broken, 0);
    bytes.len = fread(buf_reserve(&bytes, 65536), 1, 65536, file);
    fclose(file);
    cr_assert_eq(zone_parse(buf_text(&bytes), &zone, NULL), 0);
    zone_freep(&zone);
    for (size_t len = 0; len < bytes.len; len++) {
        char *exact = xmalloc(len + 1); /* so that a read too far is seen */

        memcpy(exact, bytes.ptr, len);
        cr_assert_eq(zone_parse((struct text){exact, len}, &zone, NULL), -E_INVALID, "%zu", len);
        free(exact);
    }
    for (size_t i = 0; i < bytes.len; i++) {
        buf_reset(&broken);
        buf_add_text(&broken, buf_text(&bytes));
        broken.ptr[i] = (char)(broken.ptr[i] ^ 0xff);
        if (zone_parse(buf_text(&broken), &zone, NULL) == 0) {
            cr_assert(abs(zone_offset(zone, 1774747800)) <= 26 * 3600);
            cr_assert(abs(zone_offset(zone, 33333333333)) <= 26 * 3600);
            zone_freep(&zone);
        }
    }
    buf_deinit(&bytes);
    buf_deinit(&broken);
}

Test(zone, are_the_same_from_memory_as_from_the_database)
{
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 27; i++) {
            char name[32];
            const struct zone *zone;
            struct error err;
            int hours = i - 12; /* Etc/GMT-14 is the farthest */

            snprintf(name, sizeof(name), "Etc/GMT%+d", hours);
            if (hours < -14 || hours > 12)
                continue;
            cr_assert_eq(zone_get(text_of(name), &zone, &err), 0, "%s", err.text);
            cr_assert_eq(zone_offset(zone, 0), -hours * 3600, "%s", name);
        }
    }
}
