#pragma once
/* Domains of a tool that reads the web, narrowed by a run. Pure. */

#include "shared/base/compiler.h"
#include "shared/json/json.h"

struct failure;
struct path;

/* *out is the tool of a run, the caller's: the agent's, with those of its domains that the request
 * names, and all that either blocks. Returns 0; or -E_INVALID with *failure (code "not_permitted")
 * for a domain that the agent may not read, or for robots.txt ignored by the request alone. */
MUSTCHECK int narrow_web_tool(struct json_object *agents, struct json_object *said,
                              const struct path *path, struct json_object **out,
                              struct failure *failure);
