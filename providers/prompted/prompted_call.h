#pragma once
/* One call of a tool, read out of what a model wrote:
 *
 *     <tool_call>
 *     <name>get_weather</name>
 *     <arguments>{"city": "Paris"}</arguments>
 *     </tool_call>
 *
 * Models write it in many ways. These mean the same:
 *   - <n>, <tool>, <function> or <tool_name> for <name>; <parameters>, <args> or <input> for
 *     <arguments>; the two in either order; attributes: <tool_call name="get_weather">
 *   - one JSON object, or an array of them, within <tool_call>: {"name": …, "arguments": {…}}, with
 *     "function", "tool" or "tool_name" for "name" and "parameters", "args" or "input" for
 *     "arguments"; or OpenAI's {"type": "function", "function": {"name": …, "arguments": "{…}"}}
 *   - JSON in a code block, JSON as a string, raw line breaks in its strings
 *   - closing tags that are missing: a call ends where something begins that can't be part of one
 *
 * Whether a piece is a call does not depend on how much of what follows is there already: whatever
 * is not CALL_MORE stays so when text is added. Pure, linear. */

#include "providers/chat.h"
#include "providers/prompted/prompted_json.h"
#include "shared/base/compiler.h"

#define PROMPTED_CALLS_MAX 32 /* of one piece: an array within <tool_call> may hold several */

struct prompted_calls {
    struct prompted_call items[PROMPTED_CALLS_MAX];
    size_t count;
    size_t in_vain; /* bytes that were read for the end of JSON that has none */
};

/* Where a call may begin. */
struct prompted_source {
    struct text in;
    const struct chat_request *request; /* which tools are offered */
    bool last;                          /* nothing will be added to `in` */
    bool hasty; /* with `last`: JSON goes up to the next tag, its end is not looked for */
};

enum call_result {
    CALL_NONE, /* no call: a text that mentions the tag */
    CALL_MORE, /* what is there may be the beginning of one */
    CALL_READ,
};

/* Whether a text that begins with '<' begins with this tag ("tool_call"), or ends too soon to tell.
 * Upper and lower case are the same. */
enum call_result prompted_tag(struct text in, const char *tag);

/* Reads what begins with <tool_call. CALL_READ fills *out, with at least one call, and *out_len,
 * the bytes that it takes. Never CALL_MORE where the source is the last. */
enum call_result prompted_call_read(const struct prompted_source *source,
                                    struct prompted_calls *out, size_t *out_len);

bool prompted_is_offered(const struct chat_request *request, struct text name);
