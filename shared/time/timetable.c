/* The times of a schedule. */

#include "shared/time/timetable.h"

#include "shared/time/cron_times.h"

int timetable_next(const struct timetable *table, int64_t after_s, int64_t *out_s)
{
    int64_t next_s = table->once_s;
    int r = 0;

    if (table->starts_s != INT64_MIN && after_s < table->starts_s - 1)
        after_s = table->starts_s - 1;
    switch (table->kind) {
    case TIMETABLE_CRON:
        r = cron_next(&table->cron, table->zone, after_s, &next_s);
        break;
    case TIMETABLE_EVERY:
        next_s = interval_next(&table->interval, after_s);
        break;
    case TIMETABLE_ONCE:
        r = table->once_s > after_s ? 0 : TIMETABLE_OVER;
        break;
    }
    if (r != 0 || next_s > table->ends_s || next_s > TIMETABLE_LAST_S)
        return TIMETABLE_OVER;
    *out_s = next_s;
    return 0;
}

int timetable_last(const struct timetable *table, int64_t at_s, int64_t *out_s)
{
    int64_t last_s = table->once_s;
    int r = 0;

    if (at_s > table->ends_s)
        at_s = table->ends_s;
    switch (table->kind) {
    case TIMETABLE_CRON:
        r = cron_last(&table->cron, table->zone, at_s, &last_s);
        break;
    case TIMETABLE_EVERY:
        r = interval_last(&table->interval, at_s, &last_s);
        break;
    case TIMETABLE_ONCE:
        r = table->once_s <= at_s ? 0 : TIMETABLE_OVER;
        break;
    }
    if (r != 0 || last_s < table->starts_s)
        return TIMETABLE_OVER;
    *out_s = last_s;
    return 0;
}
