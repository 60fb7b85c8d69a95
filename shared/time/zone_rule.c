/* POSIX TZ rules (IEEE 1003.1, chapter 8.3; RFC 8536, section 3.3, lets hours go from -167 to 167)
 * and the proleptic Gregorian calendar. The calendar counts in years that begin in March, so that
 * the leap day is the last of its year; 400 years have 146,097 days. */

#include "shared/time/zone_rule.h"

#include <ctype.h>

#define DAY_S 86400

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

int calendar_month_length(int64_t year, int month)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    ASSERT(month >= 1 && month <= 12);
    return lengths[month - 1] + (month == 2 && is_leap(year) ? 1 : 0);
}

static int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0 ? 1 : 0);
}

int64_t calendar_days(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = floor_divide(y, 400);
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

void calendar_date(int64_t days, int64_t *out_year, int *out_month, int *out_day)
{
    int64_t since_march_0 = days + 719468;
    int64_t era = floor_divide(since_march_0, 146097);
    int64_t day_of_era = since_march_0 - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march_month = (5 * day_of_year + 2) / 153;

    *out_day = (int)(day_of_year - (153 * march_month + 2) / 5 + 1);
    *out_month = (int)(march_month < 10 ? march_month + 3 : march_month - 9);
    *out_year = era * 400 + year_of_era + (*out_month <= 2 ? 1 : 0);
}

struct cursor {
    struct text rest;
};

static char peek(const struct cursor *cursor)
{
    return cursor->rest.len > 0 ? cursor->rest.ptr[0] : '\0';
}

static bool take(struct cursor *cursor, char c)
{
    if (peek(cursor) != c || cursor->rest.len == 0)
        return false;
    cursor->rest = (struct text){cursor->rest.ptr + 1, cursor->rest.len - 1};
    return true;
}

/* CET, or <+0530> */
static bool take_name(struct cursor *cursor)
{
    bool quoted = take(cursor, '<');
    size_t len = 0;

    for (; cursor->rest.len > 0; len++) {
        char c = peek(cursor);

        if (!isalpha((unsigned char)c) &&
            !(quoted && (isdigit((unsigned char)c) || c == '+' || c == '-')))
            break;
        take(cursor, c);
    }
    return len >= 3 && (!quoted || take(cursor, '>'));
}

static bool take_number(struct cursor *cursor, int max, int *out)
{
    int value = 0, digits = 0;

    for (; isdigit((unsigned char)peek(cursor)) && digits < 4; digits++) {
        value = value * 10 + (peek(cursor) - '0');
        take(cursor, peek(cursor));
    }
    if (digits == 0 || value > max)
        return false;
    *out = value;
    return true;
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(struct cursor *cursor, int32_t *out_s)
{
    bool negative = take(cursor, '-');
    int hours, minutes = 0, seconds = 0;

    if (!negative)
        take(cursor, '+');
    if (!take_number(cursor, 167, &hours))
        return false;
    if (take(cursor, ':') && !take_number(cursor, 59, &minutes))
        return false;
    if (take(cursor, ':') && !take_number(cursor, 59, &seconds))
        return false;
    *out_s = (hours * 60 + minutes) * 60 + seconds;
    if (negative)
        *out_s = -*out_s;
    return true;
}

/* Mm.w.d, Jn or n, then [/time] */
static bool take_date(struct cursor *cursor, struct zone_date *out)
{
    struct zone_date date = {.time_s = 2 * 3600};

    if (take(cursor, 'M')) {
        date.kind = ZONE_MONTH_WEEK_DAY;
        if (!take_number(cursor, 12, &date.month) || date.month < 1 || !take(cursor, '.') ||
            !take_number(cursor, 5, &date.week) || date.week < 1 || !take(cursor, '.') ||
            !take_number(cursor, 6, &date.day))
            return false;
    } else {
        date.kind = take(cursor, 'J') ? ZONE_JULIAN_1 : ZONE_JULIAN_0;
        if (!take_number(cursor, 365, &date.day) || (date.kind == ZONE_JULIAN_1 && date.day < 1))
            return false;
    }
    if (take(cursor, '/') && !take_time(cursor, &date.time_s))
        return false;
    *out = date;
    return true;
}

/* Offsets in a rule count west of UTC, ours east; no place is further than 25 h away. */
static bool take_offset(struct cursor *cursor, int32_t *out_s)
{
    int32_t west_s;

    if (!take_time(cursor, &west_s) || west_s < -25 * 3600 || west_s > 25 * 3600)
        return false;
    *out_s = -west_s;
    return true;
}

bool zone_rule_parse(struct text text, struct zone_rule *out)
{
    struct cursor cursor = {text};
    struct zone_rule rule = {0};

    if (!take_name(&cursor) || !take_offset(&cursor, &rule.standard_s))
        return false;
    if (cursor.rest.len > 0) {
        rule.has_summer = true;
        rule.summer_s = rule.standard_s + 3600;
        if (!take_name(&cursor))
            return false;
        if (peek(&cursor) != ',' && !take_offset(&cursor, &rule.summer_s))
            return false;
        if (!take(&cursor, ',') || !take_date(&cursor, &rule.start) || !take(&cursor, ',') ||
            !take_date(&cursor, &rule.end) || cursor.rest.len > 0)
            return false;
    }
    *out = rule;
    return true;
}

/* The local time of a change, as seconds since 1970 without an offset. */
static int64_t date_in_year(const struct zone_date *date, int64_t year)
{
    int64_t days = calendar_days(year, 1, 1);

    switch (date->kind) {
    case ZONE_JULIAN_1: /* 29 February is never counted */
        days += date->day - 1 + (date->day >= 60 && is_leap(year) ? 1 : 0);
        break;
    case ZONE_JULIAN_0:
        days += date->day;
        break;
    case ZONE_MONTH_WEEK_DAY: {
        int64_t first = calendar_days(year, date->month, 1);
        int weekday = (int)(((first + 4) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
        int day = 1 + (date->day - weekday + 7) % 7 + 7 * (date->week - 1);

        if (day > calendar_month_length(year, date->month))
            day -= 7; /* week 5 is the last one */
        days = first + day - 1;
        break;
    }
    }
    return days * DAY_S + date->time_s;
}

static int64_t year_at(const struct zone_rule *rule, int64_t unix_s)
{
    int64_t year;
    int month, day;

    calendar_date(floor_divide(unix_s + rule->standard_s, DAY_S), &year, &month, &day);
    return year;
}

int32_t zone_rule_offset(const struct zone_rule *rule, int64_t unix_s)
{
    int64_t year, start_s, end_s;
    bool summer;

    if (!rule->has_summer)
        return rule->standard_s;
    year = year_at(rule, unix_s);
    start_s = date_in_year(&rule->start, year) - rule->standard_s;
    end_s = date_in_year(&rule->end, year) - rule->summer_s;
    if (start_s < end_s)
        summer = unix_s >= start_s && unix_s < end_s;
    else /* the southern hemisphere: summer goes over the new year */
        summer = unix_s >= start_s || unix_s < end_s;
    return summer ? rule->summer_s : rule->standard_s;
}

static bool changes_at(const struct zone_rule *rule, int64_t unix_s)
{
    return zone_rule_offset(rule, unix_s - 1) != zone_rule_offset(rule, unix_s);
}

/* What zone_rule_offset says can change where summer begins or ends, and, by an odd rule whose
 * summer ends behind the new year, where a year does. Summer all year changes nothing there. */
void zone_rule_span(const struct zone_rule *rule, int64_t unix_s, int64_t *out_begin_s,
                    int64_t *out_end_s)
{
    int64_t year = rule->has_summer ? year_at(rule, unix_s) : 0;

    *out_begin_s = INT64_MIN;
    *out_end_s = INT64_MAX;
    for (int64_t y = year - 1; rule->has_summer && y <= year + 1; y++) {
        int64_t changes[] = {calendar_days(y, 1, 1) * DAY_S - rule->standard_s,
                             date_in_year(&rule->start, y) - rule->standard_s,
                             date_in_year(&rule->end, y) - rule->summer_s};

        for (size_t i = 0; i < ARRAY_LENGTH(changes); i++) {
            if (changes[i] <= unix_s && changes[i] > *out_begin_s && changes_at(rule, changes[i]))
                *out_begin_s = changes[i];
            if (changes[i] > unix_s && changes[i] < *out_end_s && changes_at(rule, changes[i]))
                *out_end_s = changes[i];
        }
    }
}
