#pragma once
/* The web_search tool: the engines of the operator, in their order; the next where one fails. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct error;
struct json_object;
struct tool_call;
struct web_tool;

extern const char web_search_description[];
extern const char web_search_parameters[];

/* The arguments fit the schema. Appends what the model is told. Returns 0, -E_UNAVAILABLE (no
 * engine answered, or none is there), or another error with words for the model. */
SUSPENDS MUSTCHECK int search_run(const struct tool_call *call, const struct web_tool *tool,
                                  struct json_object *arguments, struct buf *out,
                                  struct error *err);
