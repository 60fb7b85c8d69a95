#pragma once
/* What a firing asks of its agent: the request for its run, from that of the schedule. Pure but for
 * the zone's file.
 *
 * The schedule's `input` is a template (shared/agent/placeholders.h) with places for:
 *
 *     fire_time        the time that it fires for, in the schedule's zone
 *     last_fire_time   the time before that had a run; empty: there was none
 *     schedule_name    empty: it has none
 *     last_result      what the last run that was completed answered; empty: there was none
 *
 * All but the last are the run's variables, too, and so is the zone (`timezone`): an agent that is
 * a template may use them.
 */

#include "shared/json/json.h"
#include "shared/store/schedules/schedule_clock.h"

struct failure;

#define SCHEDULE_RESULT_MAX ((size_t)16000) /* characters of last_result */

/* On a lasting thread the model is told the newest messages alone, unless the request says another
 * truncation_strategy, or thread or agent a memory_strategy: the thread is a log that grows for
 * ever, and each firing would cost more. */
#define SCHEDULE_MESSAGES 100

/* Whether the template is one, and has places for nothing else. Returns 0, or -E_INVALID with the
 * failure. */
MUSTCHECK int schedule_input_check(struct text input, struct failure *failure);

/* Whether it has a place for last_result. */
bool schedule_wants_result(struct json_object *request);

/* Whether the agent's task_instructions are what is asked. */
bool schedule_tells_task(struct json_object *request);

/* Fills in a request that json_decode gave of schedule.request, in place. The run's metadata are
 * the schedule's, with "schedule_id" where there is room for one more. Returns 0; -E_INVALID: it
 * can't be filled; -E_LIMIT. */
MUSTCHECK int schedule_ask(const struct firing_taken *taken, struct text last_result,
                           struct json_object *request, struct error *err);
