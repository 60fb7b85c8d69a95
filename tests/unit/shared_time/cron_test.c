/* Cron expressions: what is read, what is refused and with which words, and days. */

#include "cron_support.h"

#include "shared/time/cron_parse.h"
#include "shared/time/zone_rule.h"

static void same(const char *a, const char *b)
{
    struct cron one = cron_of(a), other = cron_of(b);

    cr_assert_eq(one.minutes, other.minutes, "%s", a);
    cr_assert_eq(one.hours, other.hours, "%s", a);
    cr_assert_eq(one.days, other.days, "%s", a);
    cr_assert_eq(one.months, other.months, "%s", a);
    cr_assert_eq(one.weekdays, other.weekdays, "%s", a);
    cr_assert_eq(one.last_weekdays, other.last_weekdays, "%s", a);
    cr_assert_eq(one.last_day, other.last_day, "%s", a);
    cr_assert_arr_eq(one.nth_weekdays, other.nth_weekdays, sizeof(one.nth_weekdays));
}

Test(cron, reads_every_form_of_a_field)
{
    same("*/15 * * * *", "0,15,30,45 * * * *");
    same("5/15 * * * *", "5,20,35,50 * * * *");
    same("5-40/15 * * * *", "5,20,35 * * * *");
    same("*/60 */24 * * *", "0 0 * * *");
    same("0 9 * jan-MAR,Dec *", "0 9 * 1,2,3,12 *");
    same("0 9 * jan-dec/5 *", "0 9 * 1,6,11 *");
    same("0 9 * * fri-sun", "0 9 * * 0,5,6");
    same("0 9 * * 5-7", "0 9 * * 0,5,6");
    same("0 9 * * sun-tue", "0 9 * * 0-2");
    same("0 9 * * 0-7", "0 9 * * 0-6");
    same("0 9 * * 1-7/2", "0 9 * * 0,1,3,5");
    same("0 9 * * FRIL", "0 9 * * 5l");
    same("0 9 * * 7L", "0 9 * * SUNL");
    same("0 9 * * mon#2,7#5", "0 9 * * 1#2,0#5");
    same("0 9 l,15 * *", "0 9 15,L * *");
    same(" \t09\t09 * * * ", "9 9 * * *");
}

Test(cron, nicknames_are_what_they_mean)
{
    same("@yearly", "0 0 1 1 *");
    same("@annually", "0 0 1 1 *");
    same("@Monthly", "0 0 1 * *");
    same("@weekly", "0 0 * * 0");
    same("@daily", "0 0 * * *");
    same("@midnight", "0 0 * * *");
    same(" @HOURLY ", "0 * * * *");
}

Test(cron, clock_times_and_patterns_are_told_apart)
{
    static const char *const fixed[] = {"0 9 * * *", "0,30 9-17 */2 */2 1-5/2", "@daily"};
    static const char *const patterns[] = {"* 9 * * *",      "0 * * * *",    "*/30 9 * * *",
                                           "0 9-17/2 * * *", "5/10 9 * * *", "@hourly"};

    for (size_t i = 0; i < ARRAY_LENGTH(fixed); i++)
        cr_assert(cron_of(fixed[i]).fixed, "%s", fixed[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(patterns); i++)
        cr_assert_not(cron_of(patterns[i]).fixed, "%s", patterns[i]);
}

Test(cron, says_which_field_is_wrong_and_what_would_be_right)
{
    static const struct {
        const char *text, *said;
    } wrong[] = {
        {"60 * * * *", "minute \"60\": expected 0 to 59"},
        {"* 24 * * *", "hour \"24\": expected 0 to 23"},
        {"* * 0 * *", "day of month \"0\": expected 1 to 31, L, LW or such as 15W"},
        {"* * L-3 * *", "day of month \"L-3\": expected 1 to 31, L, LW or such as 15W"},
        {"* * 32W * *", "day of month \"32W\": expected 1 to 31, L, LW or such as 15W"},
        {"* * * foo *", "month \"foo\": expected 1 to 12 or JAN to DEC"},
        {"* * * * 8", "day of week \"8\": expected 0 to 7 (0 and 7 are Sunday) or SUN to SAT, or "
                      "such as 5L or 5#2"},
        {"* * * * 5#6", "day of week \"5#6\": expected 0 to 7 (0 and 7 are Sunday) or SUN to SAT, "
                        "or such as 5L or 5#2"},
        {"* * * * L", "day of week \"L\": expected 0 to 7 (0 and 7 are Sunday) or SUN to SAT, or "
                      "such as 5L or 5#2"},
        {"1,,2 * * * *", "minute \"\": expected 0 to 59"},
        {"5-1 * * * *", "minute \"5-1\": a range must not run backwards; give two, with a comma"},
        {"* * * * sat-mon",
         "day of week \"sat-mon\": a range must not run backwards; give two, with a comma"},
        {"*/90 * * * *", "minute \"*/90\": a step must be from 1 to 60; for what is longer give "
                         "the next field a step, or an interval"},
        {"* */0 * * *", "hour \"*/0\": a step must be from 1 to 24; for what is longer give the "
                        "next field a step, or an interval"},
        {"0 0 ? * 2", "day of month \"?\": there is no \"?\"; write \"*\" (Sunday is 0 here)"},
        {"", "a cron expression has five fields (minute, hour, day of month, month, day of week), "
             "not 0"},
        {"0 0 * * * 2026", "a cron expression has five fields (minute, hour, day of month, month, "
                           "day of week), not 6: there are no seconds and no years"},
        {"CRON_TZ=UTC 0 0 * * *", "a time zone is given beside a cron expression, not in it"},
        {"@every 5m", "\"@every 5m\" is not known: there are @yearly, @annually, @monthly, "
                      "@weekly, @daily, @midnight and @hourly, and intervals such as 15m are no "
                      "cron expressions"},
        {"0 0 30 2 *", "it would never fire: no month that it names has that day"},
        {"0 0 31W 4,6 *", "it would never fire: no month that it names has that day"},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        struct cron cron = {.minutes = 42};
        struct error err = {0};

        cr_assert_eq(cron_parse(text_of(wrong[i].text), &cron, &err), -E_INVALID, "%s",
                     wrong[i].text);
        cr_assert_str_eq(err.text, wrong[i].said, "%s: %s", wrong[i].text, err.text);
        cr_assert_eq(cron.minutes, 42);
    }
}

Test(cron, is_refused_where_it_is_too_long)
{
    struct error err = {0};
    struct cron cron;
    struct buf text;

    buf_init(&text, 0);
    while (text.len < CRON_TEXT_MAX)
        buf_add_string(&text, "1,");
    buf_add_string(&text, "1 * * * *");
    cr_assert_eq(cron_parse(buf_text(&text), &cron, &err), -E_INVALID);
    cr_assert_str_eq(err.text, "a cron expression has 512 bytes at most");
    buf_deinit(&text);
}

/* Every value of every field listed one by one is an expression like others. */
Test(cron, takes_the_longest_expression_that_says_something_new)
{
    static const int last[][2] = {{0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 7}};
    struct cron cron, all = cron_of("0-59 0-23 1-31 1-12 0-7");
    struct error err = {0};
    struct buf text;

    buf_init(&text, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(last); i++) {
        for (int value = last[i][0]; value <= last[i][1]; value++)
            buf_printf(&text, value == last[i][0] ? "%d" : ",%d", value);
        buf_add_char(&text, ' ');
    }
    cr_assert_eq(cron_parse(buf_text(&text), &cron, &err), 0, "%s", err.text);
    cr_assert_eq(cron.minutes, all.minutes);
    cr_assert_eq(cron.days, all.days);
    buf_deinit(&text);
}

/* A day of the calendar, and what is said of it without any cleverness. */
struct day {
    int64_t year;
    int month, day, weekday, length;
};

static int weekday_at(const struct day *day, int n)
{
    return ((day->weekday + n - day->day) % 7 + 7) % 7;
}

static bool is_near(const struct day *day, int n)
{
    int weekday = weekday_at(day, n);
    int at = n;

    if (n > day->length)
        return false;
    if (weekday == 6)
        at = n == 1 ? 3 : n - 1;
    if (weekday == 0)
        at = n == day->length ? n - 2 : n + 1;
    return day->day == at;
}

static bool any_day(const struct day *day)
{
    (void)day;
    return true;
}
static bool first_or_friday(const struct day *day)
{
    return day->day == 1 || day->weekday == 5;
}
static bool odd_or_monday(const struct day *day)
{
    return day->day % 2 == 1 || day->weekday == 1;
}
static bool last_of_february(const struct day *day)
{
    return day->month == 2 && day->day == day->length;
}
static bool leap_day(const struct day *day)
{
    return day->month == 2 && day->day == 29;
}
static bool leap_monday(const struct day *day)
{
    return leap_day(day) && day->weekday == 1;
}
static bool last_working(const struct day *day)
{
    return is_near(day, day->length);
}
static bool near_first(const struct day *day)
{
    return is_near(day, 1);
}
static bool near_15_and_31(const struct day *day)
{
    return is_near(day, 15) || is_near(day, 31);
}
static bool last_friday(const struct day *day)
{
    return day->weekday == 5 && day->day + 7 > day->length;
}
static bool second_tuesday_or_fifth_sunday(const struct day *day)
{
    return (day->weekday == 2 && day->day >= 8 && day->day <= 14) ||
           (day->weekday == 0 && day->day >= 29);
}
static bool last_or_first_monday(const struct day *day)
{
    return day->day == day->length || (day->weekday == 1 && day->day <= 7);
}
static bool last_day_of_even_months(const struct day *day)
{
    return day->month % 2 == 0 && day->day == day->length;
}

/* Every day of a century is found, forth and back, and no other. */
Test(cron, finds_every_day_that_matches_and_no_other)
{
    static const struct {
        const char *text;
        bool (*matches)(const struct day *day);
    } rules[] = {
        {"0 9 * * *", any_day},
        {"0 9 1 * FRI", first_or_friday},
        {"0 9 */2 * 1", odd_or_monday},
        {"0 9 L 2 *", last_of_february},
        {"0 9 29 2 *", leap_day},
        {"0 9 * 2 1#5", leap_monday},
        {"0 9 LW * *", last_working},
        {"0 9 1W * *", near_first},
        {"0 9 15W,31w * *", near_15_and_31},
        {"0 9 * * 5L", last_friday},
        {"0 9 * * 2#2,7#5", second_tuesday_or_fifth_sunday},
        {"0 9 L * 1#1", last_or_first_monday},
        {"0 9 L 2-12/2 *", last_day_of_even_months},
    };
    int64_t begin = calendar_days(1995, 1, 1), end = calendar_days(2115, 1, 1);

    for (size_t i = 0; i < ARRAY_LENGTH(rules); i++) {
        struct cron cron = cron_of(rules[i].text);
        int64_t at_s, back_s = 0, found = 0;

        cr_assert(cron_first_match(&cron, begin * 86400, &at_s));
        for (int64_t days = begin; days < end; days++) {
            struct day day;

            calendar_date(days, &day.year, &day.month, &day.day);
            day.weekday = (int)((days + 4) % 7);
            day.length = calendar_month_length(day.year, day.month);
            if (!rules[i].matches(&day))
                continue;
            cr_assert_eq(at_s, days * 86400 + 9 * 3600, "%s: %d-%d-%d", rules[i].text,
                         (int)day.year, day.month, day.day);
            if (found++ > 0) {
                cr_assert(cron_last_match(&cron, at_s - 1, &back_s));
                cr_assert(back_s < at_s && cron_first_match(&cron, back_s + 1, &back_s));
                cr_assert_eq(back_s, at_s);
            }
            cr_assert(cron_last_match(&cron, at_s, &back_s));
            cr_assert_eq(back_s, at_s);
            cr_assert(cron_first_match(&cron, at_s + 1, &at_s));
        }
        cr_assert(at_s >= end * 86400);
        cr_assert(found > 0);
    }
}
