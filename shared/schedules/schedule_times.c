#include "shared/schedules/schedule_times.h"

#include "shared/time/cron_parse.h"
#include "shared/time/zone.h"

int schedule_timetable(const struct schedule *schedule, struct timetable *out, struct error *err)
{
    struct timetable table = {
        .kind = schedule->every_s ? TIMETABLE_EVERY : TIMETABLE_ONCE,
        .interval = {schedule->every_s,
                     schedule->starts_at ? schedule->starts_at : schedule->created_at},
        .once_s = schedule->run_at,
        .starts_s = schedule->starts_at ? schedule->starts_at : INT64_MIN,
        .ends_s = schedule->ends_at ? schedule->ends_at : INT64_MAX,
    };
    int r = 0;

    if (schedule->cron.ptr) {
        table.kind = TIMETABLE_CRON;
        r = cron_parse(schedule->cron, &table.cron, err);
    }
    if (r == 0)
        r = zone_get(schedule->zone, &table.zone, err);
    if (r == 0)
        *out = table;
    return r;
}

/* FNV-1a: the ids of one moment differ in few bytes. */
int64_t schedule_delay_s(struct uuid id, int64_t jitter_s)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < sizeof(id.bytes); i++)
        hash = (hash ^ id.bytes[i]) * UINT64_C(0x100000001b3);
    return jitter_s > 0 ? (int64_t)((hash ^ (hash >> 32)) % (uint64_t)(jitter_s + 1)) : 0;
}

size_t schedule_next_times(const struct schedule *schedule, int64_t after_s,
                           int64_t out[SCHEDULE_NEXT_TIMES])
{
    int64_t delay_s = schedule_delay_s(schedule->id, schedule->jitter_s);
    int64_t at_s = after_s - delay_s;
    struct timetable table;
    struct error err;
    size_t count = 0;

    if (schedule->state == SCHEDULE_ENDED || schedule_timetable(schedule, &table, &err) < 0)
        return 0;
    /* The delay reaches back to times that it did not have yet when it was made. */
    if (schedule->next && at_s < schedule->next)
        at_s = schedule->next - 1;
    while (count < SCHEDULE_NEXT_TIMES && timetable_next(&table, at_s, &at_s) == 0)
        out[count++] = at_s + delay_s;
    return count;
}

bool schedule_same_times(const struct schedule *one, const struct schedule *other)
{
    return text_equal(one->cron, other->cron) && one->every_s == other->every_s &&
           one->run_at == other->run_at && text_equal(one->zone, other->zone) &&
           one->starts_at == other->starts_at;
}

int schedule_begin(struct schedule *schedule, int64_t after_s, struct error *err)
{
    int64_t delay_s = schedule_delay_s(schedule->id, schedule->jitter_s);
    struct timetable table;
    int r = schedule_timetable(schedule, &table, err);

    if (r < 0)
        return r;
    schedule->next = schedule->due = 0;
    if (timetable_next(&table, after_s, &schedule->next) == 0)
        schedule->due = schedule->next + delay_s;
    else
        schedule->state = SCHEDULE_ENDED;
    return 0;
}
