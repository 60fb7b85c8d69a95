#pragma once
/* What endpoints of tools share. */

#include "scheduler/api/request.h"
#include "shared/store/tools/tools.h"

/* The tool of the path, by its id or its name. Returns 0, or -E_INVALID with the failure. */
SUSPENDS MUSTCHECK int tool_find(struct request *request, struct stored_tool *out);
