#pragma once
/* The tool that a run's model is to call first, which must be one of its tools. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/json/json.h"

struct failure;

/* Whether one of these members of `tools` has this name. */
bool tool_list_has(struct json_object *list, struct text name);

/* `choice` is checked JSON of tool_choice, `tools` the run's as JSON text. Returns 0, or -E_INVALID
 * with *failure. */
MUSTCHECK int tool_choice_check(struct json_object *choice, struct text tools,
                                struct failure *failure);
