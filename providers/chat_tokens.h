#pragma once
/* How many tokens a request is, estimated (shared/text/tokens.h) before it is sent. What a model's
 * server puts around texts is counted by constants:
 *
 *   a message, the instructions, the start of the answer   4, 4, 3
 *   a tool, a call of one                                  12, 8
 *   an image    85 with detail "low", 1105 with "high", 765 with any other or none. These are what
 *               gpt-4o takes for the smallest, the largest and a square image; its bytes or its
 *               address are not counted. Some models take several times as much
 *
 * The estimate is of OpenAI's models. Others cut texts in their own ways, so who relies on it must
 * be able to do with less (providers/context/window.h). Pure. */

#include "providers/chat.h"
#include "shared/base/compiler.h"
#include "shared/text/tokens.h"

/* All of it: chat_frame_tokens and chat_message_tokens of each message. What a provider wants back
 * of its own (opaque_state) is counted behind the last user message, the only place where every
 * format sends it. */
int64_t chat_tokens(const struct chat_request *request, enum tokens_vocabulary vocabulary);

/* What is sent whichever messages are: instructions, tools, response_format. */
int64_t chat_frame_tokens(const struct chat_request *request, enum tokens_vocabulary vocabulary);

/* One message, with or without its opaque_state. */
int64_t chat_message_tokens(const struct chat_message *message, bool with_state,
                            enum tokens_vocabulary vocabulary);
