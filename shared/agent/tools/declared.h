#pragma once
/* Tools that a tenant declared, named in an agent's `tools` by their names: {"type": NAME,
 * "allowed_actions": [...]}. When a run is made each becomes what it is:
 *
 *   {"type": NAME, what the agent says of approvals, "http": {its definition},
 *    "secrets": [those that it may use]}
 *
 * which the worker reads and no client is shown. So nothing that becomes of the tool or the agent
 * concerns a run that is there. Pure.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/json/json.h"

struct failure;

struct declared_tool {
    struct text name;
    struct text definition; /* JSON object */
    struct text secrets;    /* JSON array of the names of those that it refers to */
};

struct declared_tools {
    const struct declared_tool *items;
    size_t count;
    const char *const *names; /* of all that the tenant has, where one that was named is missing */
    size_t names_count;
};

/* Whether `tools` (a JSON array as text; TEXT_NONE: none) names tools of the tenant's own. Up to
 * `max` of their names are noted, borrowed from the text. Returns how many. */
size_t declared_names(struct text tools, struct text *out, size_t max);

/* Whether it names something that is another thing in a run: a tool of the tenant's own, or a
 * server (shared/mcp/mcp_member.h), which gets the names of the secrets that it refers to. */
bool declared_concerns(struct text tools);

/* Appends `tools`, each of the tenant's own, and each server, as it is in a run. `secrets`: a JSON
 * array of the names that the agent may use; TEXT_NONE: none. Returns 0; or -E_INVALID with
 * *failure: there is no such tool, or it needs a secret that the agent may not use, or an action
 * that is not its own. */
MUSTCHECK int declared_expand(struct text tools, const struct declared_tools *declared,
                              struct text secrets, struct buf *out, struct failure *failure);

/* The type of tool that somebody may have meant by one that there is not: one of `names`, or one of
 * the server's. NULL: none is near. */
const char *declared_near(const char *said, const char *const *names, size_t count);

/* Whether a run's spec may have what declared_expand added. */
bool declared_has(struct text spec);

/* Appends a run's spec without that. */
void declared_hide(struct text spec, struct buf *out);
