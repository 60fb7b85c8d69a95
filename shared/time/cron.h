#pragma once
/* Cron expressions as values, and the local times that they match. Pure.
 *
 *     minute  hour  day of month  month  day of week
 *     0-59    0-23  1-31          1-12   0-7 (0 and 7 are Sunday)
 *
 * Where both day fields are restricted (neither is "*"), a day matches that either of them does:
 * POSIX' rule. What they may say is in cron_parse.h, when they fire in a zone in cron_times.h.
 */

#include "shared/base/compiler.h"

struct cron {
    uint64_t minutes;        /* bit n is minute n */
    uint32_t hours;          /* bit n is hour n */
    uint32_t days;           /* bits 1 to 31 */
    uint32_t near_days;      /* of 15W: the weekday nearest to the 15th, within the month */
    uint16_t months;         /* bits 1 to 12 */
    uint8_t weekdays;        /* bit 0 is Sunday, as in the next two */
    uint8_t last_weekdays;   /* of 5L: the last Friday of the month */
    uint8_t nth_weekdays[5]; /* of 5#2, in [1]: the second Friday */
    bool last_day;           /* L: the last day of the month */
    bool last_near_day;      /* LW: the last of the month that is a weekday */
    bool any_day;            /* the field says "*" and no more, as the next one */
    bool any_weekday;
    bool fixed; /* neither "*" nor "/" in minute and hour: clock times, not a pattern */
};

/* No expression that ever matches waits longer: 29 February is a certain day of the week every 28
 * years, or 40 over a year such as 2100. */
#define CRON_YEARS_MAX 41

/* The first minute at or after a local time that the expression matches, and the last one at or
 * before it (seconds since 1970 without an offset). False, output untouched: there is none within
 * CRON_YEARS_MAX, so there is none at all. */
MUSTCHECK bool cron_first_match(const struct cron *cron, int64_t local_s, int64_t *out_local_s);
MUSTCHECK bool cron_last_match(const struct cron *cron, int64_t local_s, int64_t *out_local_s);
