#pragma once
/* Which calls of a tool that the server runs somebody has to allow before they are made: the
 * members of a tool in an agent's `tools`. Pure.
 *
 *   "require_approval": "always" | "never" | {"always": FILTER, "never": FILTER}
 *   "approval_timeout": seconds
 *
 * which is OpenAI's shape for the tools of MCP servers. A filter is met by a call of one of its
 * `tool_names`, whose arguments meet all of its `arguments`:
 *
 *   {"tool_names": ["a", …], "arguments": [{"path": "/amount", "max": 100},
 *                                          {"path": "/currency", "one_of": ["EUR", "USD"]}]}
 *
 * What is met by `always` needs an approval; else what is met by `never` needs none; else a call
 * needs one unless nothing but `always` is said. What is in doubt needs one: arguments that can't
 * be read, and a path that leads nowhere (what a tool then does is its own matter).
 *
 * A run may add approvals to those of its agent and take none away. Where both have a rule the run
 * has both: its own stands beside the agent's, as `run_require_approval`.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/json/json.h"

struct failure;
struct field;
struct path;

#define APPROVAL_TIMEOUT_DEFAULT_S 43200
#define APPROVAL_TIMEOUT_MAX_S     31536000

/* Checks of fields.h. */
int check_require_approval(struct json_object *value, const struct path *path,
                           struct failure *failure);

/* The same of a server (shared/mcp), whose tools have names of its own, and say of themselves
 * whether they only read: {"tool_names", "read_only", "arguments"}. */
int check_server_approval(struct json_object *value, const struct path *path,
                          struct failure *failure);

/* The rows of a table of fields. */
/* clang-format off */
#define APPROVAL_FIELDS \
    {.name = "require_approval", .kind = FIELD_ANY, .flags = FIELD_NULLABLE, \
     .check = check_require_approval}, \
    {.name = "approval_timeout", .kind = FIELD_INTEGER, .flags = FIELD_NULLABLE, .min = 1, \
     .max = APPROVAL_TIMEOUT_MAX_S}
/* clang-format on */

/* Whether a tool of an agent or a run says that any of its calls needs one. */
bool approval_is_required(struct json_object *tool);

/* The same of one as it is stored, as text. */
bool approval_may_be_needed(struct text tool);

/* Whether this call needs one by a rule: what require_approval says, NULL is never. */
bool approval_needed(struct json_object *rule, struct text name, struct text arguments);

/* The members of a run's tool, set in *out (an object that is nobody else's): those of the agent's
 * tool, with what the request says of it. Returns 0, or -E_INVALID with *failure (code
 * "approval_not_permitted") for a request that says less than the agent. */
MUSTCHECK int approval_narrow(struct json_object *agents, struct json_object *said,
                              struct json_object *out, const struct path *path,
                              struct failure *failure);
