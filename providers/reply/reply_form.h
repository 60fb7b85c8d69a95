#pragma once
/* What a model said, put into a form that can be stored, shown and sent to any provider. Everything
 * that a model or its server says is bad input; this module stands between decoding and all else.
 *
 * In form is a reply whose
 *   texts       are valid UTF-8 without NUL; what was neither is U+FFFD
 *   answer      (text and arguments together) is within its bound: text is cut at a character, and
 *               the reply is then one of CHAT_FINISH_LENGTH
 *   reasoning   is within CHAT_REASONING_BYTES_MAX, cut at a character
 *   names       fit the rule for names of tools (shared/agent/tools/tools.h)
 *   ids         match ^[a-zA-Z0-9_-]{1,40}$ (OpenAI's length, Anthropic's letters), each once
 *   arguments   are a JSON object that a strict parser takes; none, "" and null are {}
 *   calls       are at most REPLY_CALLS_MAX, and none where the reply was cut or filtered
 *   finish      fits the rest: CHAT_FINISH_TOOL if and only if there are calls
 *   usage       is within 0 and CHAT_TOKENS_MAX
 *   state       is JSON that jsonb takes, or none
 *
 * Where the meaning is certain it is repaired: blanks around a name, arguments that were encoded
 * twice, an id that is too long. Where it is not, the call keeps a `problem` and is never carried
 * out: the model is told, as it is of a tool that does not exist. What it wrote stands in `said`.
 *
 * The same text gives the same form, always: a call and its result, here and in a history that was
 * stored long ago, still find each other. Pure.
 */

#include "providers/chat.h"
#include "shared/base/compiler.h"

#define CALL_ID_MAX     40 /* bytes */
#define REPLY_CALLS_MAX 128
#define CALL_SAID_MAX   4096 /* bytes of each member that is kept as it was said */

enum { REPLY_EMPTY = 1 };

/* Puts a reply into form, in place. `seed` is the reply as it came, or a digest of it: ids that
 * have to be made are made from it, so that reading a reply again gives the same ids. Returns 0;
 * REPLY_EMPTY when it says nothing and calls nothing although it was neither cut nor filtered; or
 * -E_LIMIT when the reply's arena is full. */
MUSTCHECK int reply_form(struct chat_reply *reply, size_t answer_bytes_max, struct text seed,
                         struct error *err);

/* The same for one call out of a history: id, name and arguments. Returns 0 or -E_LIMIT. */
MUSTCHECK int reply_form_call(struct chat_tool_call *call, struct arena *arena, struct error *err);

/* An id as reply_form_call would have it: itself if it is in form, else one made from it alone.
 * Returns 0 or -E_LIMIT. */
MUSTCHECK int reply_form_id(struct text id, struct arena *arena, struct text *out,
                            struct error *err);
