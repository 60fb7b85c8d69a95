#pragma once
/* The events of a response: https://platform.openai.com/docs/api-reference/responses-streaming
 *
 * Its memory is a struct response_tape, which numbers them. */

#include "scheduler/api/openai/responses/events/response_tape.h"
#include "scheduler/api/stream/event_format.h"

extern const struct event_format response_events;
