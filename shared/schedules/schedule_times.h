#pragma once
/* When a schedule fires. Pure but for the zone's file.
 *
 * A time is due later than it is by the schedule's part of its jitter, which is always the same:
 * many schedules of one time are spread, and each keeps its distances.
 */

#include "shared/store/schedules/schedules.h"
#include "shared/time/timetable.h"

#define SCHEDULE_NEXT_TIMES 5

/* Returns 0, or -E_INVALID: its expression or its zone is not known to this version. */
MUSTCHECK int schedule_timetable(const struct schedule *schedule, struct timetable *out,
                                 struct error *err);

/* Of a schedule with this id: 0 to jitter_s. */
int64_t schedule_delay_s(struct uuid id, int64_t jitter_s);

/* When it would fire next, as far as it is not paused: behind an instant, up to
 * SCHEDULE_NEXT_TIMES. Returns how many. */
size_t schedule_next_times(const struct schedule *schedule, int64_t after_s,
                           int64_t out[SCHEDULE_NEXT_TIMES]);

/* Whether they have the same times, but for which of them is the last, and for their delays. */
bool schedule_same_times(const struct schedule *one, const struct schedule *other);

/* Sets `next`, `due` and, where nothing is left, `state`, for a schedule that goes on behind an
 * instant. Returns as schedule_timetable. */
MUSTCHECK int schedule_begin(struct schedule *schedule, int64_t after_s, struct error *err);
