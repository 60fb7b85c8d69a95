#pragma once
/* The events of calls: each is an item, of a function of the client or of a tool of the server. */

#include "scheduler/api/openai/responses/events/response_tape.h"
#include "scheduler/live/story.h"

/* Of STORY_CALL, STORY_ARGUMENTS, and STORY_STEP_ENDS of a step of calls. */
void call_events_begin(struct response_tape *tape, struct buf *out, const struct story_event *told);
void call_events_arguments(struct response_tape *tape, struct buf *out, struct text piece);
void call_events_end(struct response_tape *tape, struct buf *out, const struct story_event *told);
