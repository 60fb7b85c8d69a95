#pragma once
/* The POSIX rule of a time zone ("CET-1CEST,M3.5.0,M10.5.0/3"), and days of the calendar. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

/* When a change takes place, each year. */
struct zone_date {
    enum { ZONE_JULIAN_1, ZONE_JULIAN_0, ZONE_MONTH_WEEK_DAY } kind;
    int month, week, day; /* day alone for the Julian kinds */
    int32_t time_s;       /* after local midnight; may be negative or over a day */
};

struct zone_rule {
    int32_t standard_s; /* seconds east of UTC */
    int32_t summer_s;
    bool has_summer;
    struct zone_date start, end; /* of summer time */
};

/* False, output untouched, for what is no rule (RFC 8536's extensions included). */
MUSTCHECK bool zone_rule_parse(struct text text, struct zone_rule *out);
int32_t zone_rule_offset(const struct zone_rule *rule, int64_t unix_s);

/* The last change of the offset that is not after an instant, and the first one that is;
 * INT64_MIN and INT64_MAX where the rule has none. */
void zone_rule_span(const struct zone_rule *rule, int64_t unix_s, int64_t *out_begin_s,
                    int64_t *out_end_s);

/* Days since 1970-01-01 of a day of the Gregorian calendar, and back. */
int64_t calendar_days(int64_t year, int month, int day);
void calendar_date(int64_t days, int64_t *out_year, int *out_month, int *out_day);
int calendar_month_length(int64_t year, int month);
