#pragma once
/* A conversation that every provider takes: behind each assistant message with tool calls exactly
 * one result for each of its calls, in their order, and no result anywhere else. Pure. */

#include "providers/provider.h"
#include "shared/base/arena.h"
#include "shared/base/compiler.h"

struct error;

/* What a call is answered with whose result is not there. */
#define REPAIR_UNANSWERED "This call was not completed, its result is not known."

#define REPAIR_NONE SIZE_MAX

bool repair_is_needed(const struct chat_message *messages, size_t count);

/* Copies the conversation to *out, and on the way
 *   - answers a call that nothing answers with REPAIR_UNANSWERED, unless it is of message number
 *     `open` (REPAIR_NONE: no such message), whose calls are about to be answered
 *   - puts results behind the message with their calls, in the order of the calls
 *   - leaves out results of no call, second results, second calls of one id, and assistant messages
 *     that say nothing and call nothing
 *
 * A result may stand anywhere behind its call, as long as no call of the same id comes before it: a
 * run that got another chance answers calls to which others have already written. Texts are
 * borrowed. Returns 0, or -E_LIMIT when the arena is full. */
MUSTCHECK int repair_conversation(const struct chat_message *messages, size_t count, size_t open,
                                  struct arena *arena, struct chat_message **out, size_t *out_count,
                                  struct error *err);
