#pragma once
/* Rules of which calls of a server's tools somebody has to allow (shared/agent/tools/approval.h),
 * for one of its tools: what a rule says of names, and of tools that only read, is decided when the
 * tool is known, and what is left is about arguments. Pure. */

#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/json/json.h"

struct mcp_approval_tool {
    struct text name;  /* as the server knows it */
    struct text shown; /* as models and people see it, "label__name" */
    bool read_only;    /* it says so of itself */
};

/* The rule for this tool, the caller's; NULL: never. `rule` NULL: there is none. A rule names tools
 * as their server does; where it asks for approvals it may also name them as they are shown, since
 * a name that is mistaken must not mean that nobody is asked. */
struct json_object *mcp_approval_for(struct json_object *rule,
                                     const struct mcp_approval_tool *tool);
