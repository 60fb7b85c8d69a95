#pragma once
/* Calls of tools without any tag around them: the text as a whole is JSON, or one code block.
 * Pure. */

#include "providers/prompted/prompted_call.h"

/* A text that is one code block: what is in it. False: it is something else. */
bool prompted_block(struct text in, struct text *out);

/* Whether a text that begins so can still be one that prompted_bare_read takes, or a code block
 * with nothing but calls in it. */
bool prompted_bare_begins(struct text in, const struct chat_request *request);

/* What a text as a whole, without the blanks around it, says as calls that were written as bare
 * JSON: objects as above, one or several, or an array of them, perhaps in one code block. Each must
 * name a tool that is offered, else it is an answer that happens to be JSON. CALL_NONE or
 * CALL_READ. */
enum call_result prompted_bare_read(struct text in, const struct chat_request *request,
                                    struct prompted_calls *out);
