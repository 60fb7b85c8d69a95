#pragma once
/* Permissions of a run: what its agent may and its request names. Pure.
 *
 * The tools that a worker executes and the hosts that http_request may talk to are permissions
 * of the agent, given by whoever made it. A request for a run may leave some out, and not add
 * any. Functions are executed by the client itself, so they are free.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"
#include "shared/json/json.h"

struct failure;

/* `agents`: the agent's member as JSON text, TEXT_NONE for none; `said`: the checked member of
 * the request. Appends a JSON array to `out`. Of a tool that the server executes, what the agent
 * says about it counts; approvals may be added to it (approval.h), and what it may read of the web
 * narrowed (narrow_web.h). Returns 0, or -E_INVALID with *failure: code "tool_not_permitted" for a
 * tool that the agent has not, "not_permitted" for what it may not read, "approval_not_permitted"
 * for what would need fewer approvals. */
MUSTCHECK int narrow_tools(struct text agents, struct json_object *said, struct buf *out,
                           struct failure *failure);

/* The same where the request may name any tools, and says itself what they are: all that stays of
 * the agent's tools are their approvals, which hold for a server by whatever label. */
MUSTCHECK int narrow_open_tools(struct text agents, struct json_object *said, struct buf *out,
                                struct failure *failure);

/* The same for http_allow, an intersection of patterns: "*.a.com" and "x.a.com" are "x.a.com". An
 * entry that has nothing in common with the agent's is refused. */
MUSTCHECK int narrow_hosts(struct text agents, struct json_object *said, struct buf *out,
                           struct failure *failure);

/* The budget of a run, whose members are those of the request, else the agent's. Appends an object.
 * A larger sum than the agent's, or something milder at the limit, is refused (code
 * "budget_not_permitted"). */
MUSTCHECK int narrow_budget(struct text agents, struct json_object *said, struct buf *out,
                            struct failure *failure);

/* The member `memories` of a run: the agent's, less what the request switches off. Appends an
 * object. A request that says anything else is refused (code "not_permitted"). */
MUSTCHECK int narrow_memories(struct text agents, struct json_object *said, struct buf *out,
                              struct failure *failure);
