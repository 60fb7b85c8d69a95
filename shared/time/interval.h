#pragma once
/* Intervals: every so long from a start on. Pure.
 *
 * Written as durations are in Go and so in most of what schedules: "15m", "1h30m", "2d", units in
 * falling order (w, d, h, m, s). They are lengths of time, not of the calendar: a day has 24 hours
 * and a week seven such days, whatever clocks do; "every day at nine" is a cron expression.
 * Whoever knows start and interval comes to the same times.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;

#define INTERVAL_MIN_S INT64_C(60)
#define INTERVAL_MAX_S (INT64_C(366) * 86400)

enum { INTERVAL_NEVER = 1 };

struct interval {
    int64_t every_s;
    int64_t start_s; /* seconds since 1970: the first time, as far as there is one */
};

/* Returns 0 with the seconds, or -E_INVALID. */
MUSTCHECK int interval_parse(struct text text, int64_t *out_every_s, struct error *err);

/* The first time after an instant (of the years 0001 to 9999). */
int64_t interval_next(const struct interval *interval, int64_t after_s);

/* The last time at or before an instant. Returns 0 with *out_s, or INTERVAL_NEVER: the start is
 * later. */
MUSTCHECK int interval_last(const struct interval *interval, int64_t at_s, int64_t *out_s);
