#pragma once
/* Servers that an agent names by their label alone: whether the operator has configured them. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct request;

/* `tools`: the agent's, as JSON; TEXT_NONE: none. Returns 0, or -E_INVALID with the request's
 * failure. */
MUSTCHECK int tools_check_servers(struct request *request, struct text tools);
