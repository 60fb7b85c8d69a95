#pragma once
/* The events of what a model thinks before a reply: an item of the type reasoning, whose summary it
 * is. */

#include "scheduler/api/openai/responses/events/response_tape.h"
#include "scheduler/live/story.h"

/* Of STORY_THINKING. */
void thought_events_tell(struct response_tape *tape, struct buf *out,
                         const struct story_event *told);

/* Of STORY_STEP_BEGINS: it has thought enough, where that is a step of this reply. NULL: the run
 * has ended. */
void thought_events_step(struct response_tape *tape, struct buf *out, const struct run_step *step);

/* Of STORY_STEP_ENDS: whether what was told is what is stored. */
void thought_events_settle(struct response_tape *tape, const struct story_event *told);
