#pragma once
/* When a cron expression fires in a time zone. Pure.
 *
 * Clocks are put forward and back, so an hour may never happen or happen twice. The rule is that of
 * Vixie's cron:
 *
 * - A fixed time (neither "*" nor "/" in minute and hour: "30 2 * * *", "0 9-17 * * *") fires once
 *   for each date that matches. Where it happens twice, it fires the first time; where it never
 *   happens, it fires at the end of what is skipped, several such times together once. In one
 *   sentence: it fires when the clock on the wall first shows the time or has gone past it.
 * - A pattern ("*" or "/" there: "0 * * * *") goes by the clock on the wall:
 *   it fires both times in an hour that happens twice, and nothing is made up for one that never
 *   does. So what fires each hour goes on doing so each hour.
 *
 * Instants are seconds since 1970, of the years 0001 to 9999, and fires are on whole minutes of the
 * clock on the wall.
 */

#include "shared/base/compiler.h"

struct cron;
struct zone;

enum { CRON_NEVER = 1 };

/* The first instant after `after_s` at which it fires. Returns 0 with *out_s, or CRON_NEVER: not
 * within CRON_YEARS_MAX, which only a pattern can do whose hours this zone always skips. */
MUSTCHECK int cron_next(const struct cron *cron, const struct zone *zone, int64_t after_s,
                        int64_t *out_s);

/* The last instant at or before `at_s` at which it fires; as cron_next. */
MUSTCHECK int cron_last(const struct cron *cron, const struct zone *zone, int64_t at_s,
                        int64_t *out_s);

/* The first `max` instants from `from_s` to `to_s`, both included, in their order. Returns how many
 * there are in `out`. */
size_t cron_window(const struct cron *cron, const struct zone *zone, const int64_t from_to_s[2],
                   int64_t *out, size_t max);
