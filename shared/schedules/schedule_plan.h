#pragma once
/* What becomes of the times of a schedule: from what it says and what it has at work to its
 * firings. Pure.
 *
 * A schedule has one run at work, whatever began it. A time that comes while one is:
 *
 *   skip             is skipped
 *   queue            waits; one waits, those that come meanwhile are skipped
 *   cancel_running   starts, and the run in its way is cancelled
 *
 * Times that are caught up or filled in later wait for each other, in their order; one that is on
 * time goes before them, and is not skipped for them.
 *
 * A time is late where it could not begin within PLAN_LATE_S: nobody was there, or it was paused.
 * What becomes of late ones is the schedule's `catch_up`: none, the latest, or all within its
 * window, PLAN_TIMES_MAX of them at most. The others are missed, and told together.
 */

#include "shared/store/schedules/schedule_clock.h"
#include "shared/time/timetable.h"

#define PLAN_LATE_S    60
#define PLAN_TIMES_MAX 1000
#define PLAN_COUNT_MAX 10000 /* times that are counted one by one */

/* Whether a firing may begin at once, and what it is else. */
enum firing_state plan_state(enum schedule_overlap overlap, enum firing_cause cause,
                             const struct schedule_standing *standing);

/* For a schedule that is due. Texts and firings are in the arena. Returns 0, or -E_LIMIT. */
MUSTCHECK int plan_due(const struct schedule_due *due, const struct timetable *table,
                       struct arena *arena, struct schedule_plan *out, struct error *err);

/* One firing, now, whatever the times. The firing is FIRING_SKIPPED where something is in its
 * way. */
MUSTCHECK int plan_manual(const struct schedule_due *due, struct uuid id, struct arena *arena,
                          struct schedule_plan *out, struct error *err);

enum { PLAN_TOO_MANY = 1 };

/* All times behind from_s, up to and with to_s, also those before the schedule began.
 * PLAN_TOO_MANY: more than PLAN_TIMES_MAX. */
MUSTCHECK int plan_backfill(const struct schedule_due *due, const struct timetable *table,
                            const int64_t from_to_s[2], struct arena *arena,
                            struct schedule_plan *out, struct error *err);
