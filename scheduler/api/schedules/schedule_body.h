#pragma once
/* The bodies of schedules, and what they say. */

#include "scheduler/api/request.h"
#include "shared/store/schedules/schedules.h"

extern const struct fields body_create_schedule;
extern const struct fields body_update_schedule;
extern const struct fields body_pause_schedule;
extern const struct fields body_backfill_schedule;

/* What is not said otherwise, at an instant. */
void schedule_defaults(struct schedule *schedule, int64_t now_s);

/* What the body says, over what the schedule is: all is looked at, the agent and the thread too.
 * *out_times: when it fires is said anew. Texts are borrowed, or in the arena. Returns 0, or
 * -E_INVALID with request->failure. */
SUSPENDS MUSTCHECK int schedule_body_read(struct request *request, struct schedule *schedule,
                                          bool *out_times);

/* The same without a word about its runs where the body names no assistant: who looks at a schedule
 * before its assistant is made, or changed, has none to ask. */
SUSPENDS MUSTCHECK int schedule_body_check(struct request *request, struct schedule *schedule);

/* How long to wait before a schedule is read again that somebody else changed meanwhile, for the
 * `tries`th time: many who change one keep apart. */
int64_t schedule_again_ms(int tries);

/* An instant, as run_at_parse has it, in the schedule's zone. Returns as schedule_body_read. */
MUSTCHECK int schedule_body_time(struct request *request, const struct schedule *schedule,
                                 const char *name, int64_t *out_s);
