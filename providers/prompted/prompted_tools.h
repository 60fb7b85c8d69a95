#pragma once
/* Tools for models that have none natively: said in words, within the conversation.
 *
 *   tools        stand in the instructions, a line of JSON each, and how to call them
 *   tool_choice, parallel_tool_calls   are sentences there
 *   calls        of the history are texts of assistant messages in the notation that the model is
 *                asked for (prompted_call.h)
 *   results      are texts of user messages: <tool_result>, those of one turn in one message. A
 *                result can't end its own tag: "</tool_result" in it is written "<\/tool_result"
 *
 * The other way round is prompted_reply.h. Pure. */

#include "providers/chat.h"
#include "shared/base/arena.h"
#include "shared/base/compiler.h"

struct error;

/* The same request without tools; borrows from `in`, and what is new lives in the arena. With
 * CHAT_TOOL_CHOICE_NONE no tool is described. Opaque state of messages with calls is dropped, since
 * it belongs to native calls. Returns 0, or -E_LIMIT when the arena is full. */
MUSTCHECK int prompted_tools_encode(const struct chat_request *in, struct arena *arena,
                                    struct chat_request *out, struct error *err);
