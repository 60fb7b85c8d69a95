/* The local times that a cron expression matches.
 *
 * Each field is a set of bits, and so are the days of one month, which the day fields come down to
 * once it is known on which day of the week it begins. So a search looks at a month at once, of a
 * few hundred months at most, and never at days or minutes one by one.
 */

#include "shared/time/cron.h"

#include "shared/time/zone_rule.h"

#define MINUTE_S   60
#define DAY_S      86400
#define MONTHS_MAX (CRON_YEARS_MAX * 12 + 1)

enum { SUNDAY = 0, SATURDAY = 6, WEEK = 7 };

struct month {
    int64_t year;
    int month;
    int64_t first; /* days since 1970 of its first day */
    int length;
    int weekday; /* of its first day */
};

static struct month month_of(int64_t year, int month)
{
    int64_t first = calendar_days(year, month, 1);

    /* 1970-01-01 was a Thursday. */
    return (struct month){year, month, first, calendar_month_length(year, month),
                          (int)(((first + 4) % WEEK + WEEK) % WEEK)};
}

static int weekday_of(const struct month *month, int day)
{
    return (month->weekday + day - 1) % WEEK;
}

/* Bits `first` to `last`. */
static uint32_t bits(int first, int last)
{
    return (uint32_t)((UINT64_C(2) << last) - (UINT64_C(1) << first));
}

/* The working day nearest to a day, not in another month. */
static int near_day(const struct month *month, int day)
{
    int weekday = weekday_of(month, day);

    if (weekday == SATURDAY)
        return day > 1 ? day - 1 : day + 2;
    if (weekday == SUNDAY)
        return day < month->length ? day + 1 : day - 2;
    return day;
}

static uint32_t by_day(const struct cron *cron, const struct month *month)
{
    uint32_t found = cron->days;

    if (cron->last_day)
        found |= UINT32_C(1) << month->length;
    if (cron->last_near_day)
        found |= UINT32_C(1) << near_day(month, month->length);
    for (int day = 1; cron->near_days && day <= month->length; day++)
        if (cron->near_days >> day & 1)
            found |= UINT32_C(1) << near_day(month, day);
    return found;
}

/* All days of the month whose days of the week are in the set. */
static uint32_t of_weekdays(uint8_t set, const struct month *month)
{
    uint64_t found = 0;

    for (int weekday = 0; weekday < WEEK; weekday++)
        if (set >> weekday & 1)
            found |= UINT64_C(0x10204081) << (1 + (weekday - month->weekday + WEEK) % WEEK);
    return (uint32_t)found;
}

static uint32_t by_weekday(const struct cron *cron, const struct month *month)
{
    uint32_t found = of_weekdays(cron->weekdays, month);

    if (cron->last_weekdays)
        found |=
            of_weekdays(cron->last_weekdays, month) & bits(month->length - WEEK + 1, month->length);
    for (int n = 0; n < (int)ARRAY_LENGTH(cron->nth_weekdays); n++)
        if (cron->nth_weekdays[n])
            found |= of_weekdays(cron->nth_weekdays[n], month) & bits(n * WEEK + 1, (n + 1) * WEEK);
    return found;
}

/* The days of a month that match, bits 1 to 31. */
static uint32_t days_matched(const struct cron *cron, const struct month *month)
{
    uint32_t all = bits(1, month->length);

    if (!(cron->months >> month->month & 1))
        return 0;
    if (cron->any_day && cron->any_weekday)
        return all;
    if (cron->any_weekday)
        return by_day(cron, month) & all;
    if (cron->any_day)
        return by_weekday(cron, month) & all;
    return (by_day(cron, month) | by_weekday(cron, month)) & all;
}

static int lowest(uint64_t set)
{
    return __builtin_ctzll(set);
}

static int highest(uint64_t set)
{
    return 63 - __builtin_clzll(set);
}

/* The first minute of a day at or after `from`, one of its 1440; -1: none is. */
static int first_minute(const struct cron *cron, int from)
{
    int hour = from / 60;
    uint64_t minutes = cron->minutes >> from % 60 << from % 60;
    uint64_t hours = (uint64_t)cron->hours >> hour << hour;

    if (hours >> hour & 1 && minutes)
        return hour * 60 + lowest(minutes);
    hours &= ~(UINT64_C(1) << hour);
    return hours ? lowest(hours) * 60 + lowest(cron->minutes) : -1;
}

static int last_minute(const struct cron *cron, int to)
{
    int hour = to / 60;
    uint64_t minutes = cron->minutes & ((UINT64_C(2) << to % 60) - 1);
    uint64_t hours = cron->hours & ((UINT64_C(2) << hour) - 1);

    if (hours >> hour & 1 && minutes)
        return hour * 60 + highest(minutes);
    hours &= (UINT64_C(1) << hour) - 1;
    return hours ? highest(hours) * 60 + highest(cron->minutes) : -1;
}

/* A local time as a month, a day of it, and the seconds of that day. */
static int64_t split(int64_t local_s, struct month *out_month, int *out_day)
{
    int64_t days = local_s / DAY_S - (local_s % DAY_S < 0 ? 1 : 0);
    int64_t year;
    int month;

    calendar_date(days, &year, &month, out_day);
    *out_month = month_of(year, month);
    return local_s - days * DAY_S;
}

static int64_t joined(const struct month *month, int day, int minute)
{
    return (month->first + day - 1) * DAY_S + (int64_t)minute * MINUTE_S;
}

bool cron_first_match(const struct cron *cron, int64_t local_s, int64_t *out_local_s)
{
    struct month month;
    int day;
    int minute = (int)((split(local_s, &month, &day) + MINUTE_S - 1) / MINUTE_S);
    uint32_t days = days_matched(cron, &month);

    if (days >> day & 1 && minute < DAY_S / MINUTE_S) {
        minute = first_minute(cron, minute);
        if (minute >= 0) {
            *out_local_s = joined(&month, day, minute);
            return true;
        }
    }
    days &= day < month.length ? bits(day + 1, month.length) : 0;
    for (int i = 0; i < MONTHS_MAX && !days; i++) {
        month =
            month.month < 12 ? month_of(month.year, month.month + 1) : month_of(month.year + 1, 1);
        days = days_matched(cron, &month);
    }
    if (!days)
        return false;
    *out_local_s = joined(&month, lowest(days), first_minute(cron, 0));
    return true;
}

bool cron_last_match(const struct cron *cron, int64_t local_s, int64_t *out_local_s)
{
    struct month month;
    int day;
    int minute = (int)(split(local_s, &month, &day) / MINUTE_S);
    uint32_t days = days_matched(cron, &month);

    if (days >> day & 1) {
        minute = last_minute(cron, minute);
        if (minute >= 0) {
            *out_local_s = joined(&month, day, minute);
            return true;
        }
    }
    days &= bits(0, day - 1);
    for (int i = 0; i < MONTHS_MAX && !days; i++) {
        month =
            month.month > 1 ? month_of(month.year, month.month - 1) : month_of(month.year - 1, 12);
        days = days_matched(cron, &month);
    }
    if (!days)
        return false;
    *out_local_s = joined(&month, highest(days), last_minute(cron, DAY_S / MINUTE_S - 1));
    return true;
}
