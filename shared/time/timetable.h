#pragma once
/* The times of a schedule: a cron expression, an interval or a single instant, from a start to an
 * end. Pure but for the zone's file.
 */

#include "shared/time/cron.h"
#include "shared/time/interval.h"

struct error;
struct zone;

enum { TIMETABLE_OVER = 1 };

/* 9999-12-30T00:00:00Z: no time is later, so that with a day's delay and whatever the zone it is
 * one that RFC 3339 can write. */
#define TIMETABLE_LAST_S INT64_C(253402128000)

struct timetable {
    enum { TIMETABLE_CRON, TIMETABLE_EVERY, TIMETABLE_ONCE } kind;
    struct cron cron;         /* of TIMETABLE_CRON */
    struct interval interval; /* of TIMETABLE_EVERY */
    int64_t once_s;           /* of TIMETABLE_ONCE */
    int64_t starts_s;         /* no time is earlier; INT64_MIN: any may be */
    int64_t ends_s;           /* no time is later; INT64_MAX: any may be */
    const struct zone *zone;  /* borrowed, as zone_get gives it */
};

/* The first time after an instant. Returns 0 with *out_s, or TIMETABLE_OVER. */
MUSTCHECK int timetable_next(const struct timetable *table, int64_t after_s, int64_t *out_s);

/* The last time at or before an instant. Returns as timetable_next. */
MUSTCHECK int timetable_last(const struct timetable *table, int64_t at_s, int64_t *out_s);
