#pragma once
/* Reading cron expressions. Pure.
 *
 * Five fields between blanks, each a list (",") of:
 *
 *     *  5  1-5  MON  JAN-MAR      all, one value, a range; names of months and days in any case
 *     * /15 5-59/15 5/15           steps (without the blank): through all, a range, from 5 on
 *     L  LW  15W                   in the day of month: the last day, the last working day (Monday
 *                                  to Friday), the working day nearest to the 15th
 *     5L  FRIL  5#2  FRI#2         in the day of week: the last and the second Friday of the month
 *
 * or one of @yearly, @annually, @monthly, @weekly, @daily, @midnight and @hourly. 7 is Sunday as 0
 * is, and SUN ends a range as 7 does. There are no seconds, no years, no "?" and no zone.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct cron;
struct error;

#define CRON_TEXT_MAX 512 /* bytes; every value of every field listed has 356 */

/* Returns 0, or -E_INVALID with the field, what is wrong with it and what would be right; an
 * expression that matches no date at all ("0 0 30 2 *") is wrong, too. */
MUSTCHECK int cron_parse(struct text text, struct cron *out, struct error *err);
