#pragma once
/* What the servers of a run offer: asked for once, when the run begins, and kept with it as JSON.
 *
 *   {"servers": [{"label", "tools": [{"name": for the model, "tool": for the server, "description",
 *                 "parameters", "class", "headers", "read_only"}],
 *                 "left_out": tools beyond TOOLS_MAX, "dropped": tools that can't be used,
 *                 "away": a word, "why": for people}],
 *    "problems": as mcp_problem.h has them}
 */

#include "shared/base/compiler.h"
#include "worker/tools/tools.h"

struct mcp_offer_asking {
    const struct tool_services *services;
    const struct tool_place *place;
    const struct toolbox *box; /* whose `later` are the servers */
    int64_t deadline_ms;
};

/* As toolbox_ask and toolbox_take. */
SUSPENDS MUSTCHECK int mcp_offer_ask(const struct mcp_offer_asking *asking, struct buf *out,
                                     struct error *err);
MUSTCHECK int mcp_offer_take(struct text offered, struct toolbox *box, struct arena *arena,
                             struct buf *notes, struct error *err);

/* A tool of a server, in the run's arena: the `own` of its struct tool. */
struct mcp_offered {
    struct text member; /* of the spec: JSON */
    struct text label;
    struct text tool; /* as the server knows it */
    struct text parameters;
    struct text headers; /* JSON; TEXT_NONE: none */
    enum call_class class;
};
