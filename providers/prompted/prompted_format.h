#pragma once
/* response_format for models without structured output: said in words. Pure. */

#include "providers/chat.h"
#include "shared/base/arena.h"
#include "shared/base/compiler.h"

struct error;

/* The same request without response_format: json_object and json_schema become sentences at the end
 * of its instructions. Comes before prompted_tools_encode where both are needed: a call of a tool
 * is then still allowed in place of the answer. Borrows from `in`; what is new lives in the arena.
 * Returns 0, or -E_LIMIT when it is full. */
MUSTCHECK int prompted_format(const struct chat_request *in, struct arena *arena,
                              struct chat_request *out, struct error *err);

/* Takes JSON out of the code block that many models put around it all the same: where the request
 * asked for JSON, and the reply's text as a whole is one block with a JSON value in it. Other
 * replies stay as they are. Nothing is copied. */
void prompted_format_tidy(const struct chat_request *request, struct chat_reply *reply);
