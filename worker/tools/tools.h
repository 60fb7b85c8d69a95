#pragma once
/* The tools of a run, whatever their source: the one header that the life of a run knows.
 *
 * Texts of a toolbox live in the arena that was given for it.
 */

#include "shared/mcp/mcp_member.h"
#include "worker/tools/tool.h"

/* Of somebody who could not be had when the run began. */
struct missing_tools {
    struct text label; /* their names begin with it and "__" */
    const char *why;   /* behind "since it" */
};

struct toolbox {
    struct tool *tools;
    struct chat_tool *shown; /* the same, as the model is told of them */
    size_t count;
    struct text *later; /* members whose tools somebody has to be asked for, as they were written */
    size_t later_count;
    struct missing_tools missing[MCP_SERVERS_MAX];
    size_t missing_count;
    struct tool_permissions permissions;
    bool plans; /* it has tools that note the run's work in the thread (tools/plan/) */
    bool knows; /* it has tools for what is known of the user (tools/memory/) */
};

/* From the members `tools` and `http_allow` of a run's spec; `raw` is the same, as it was written
 * (json_raw.h). Returns 0; -E_INVALID with what is wrong, or -E_LIMIT. */
MUSTCHECK int toolbox_read(struct json_object *spec, struct text raw, struct arena *arena,
                           struct toolbox *out, struct error *err);

/* Asks for the tools of the members that are `later`, and appends what there is, as JSON that is
 * kept with the run. A server that can't be had is a part of that. Returns 0, -E_CANCELED or
 * -E_LIMIT. */
SUSPENDS MUSTCHECK int toolbox_ask(const struct toolbox *box, const struct tool_services *services,
                                   const struct tool_place *place, int64_t deadline_ms,
                                   struct buf *out, struct error *err);

/* Puts these tools into the box, and appends to `notes` what the model is to know of them. Returns
 * 0, -E_INVALID: that is not what toolbox_ask wrote; or -E_LIMIT. */
MUSTCHECK int toolbox_take(struct toolbox *box, struct text offered, struct arena *arena,
                           struct buf *notes, struct error *err);

/* What of that is not as the agent wants it, as the API shows it, borrowed; TEXT_NONE: nothing. */
struct text toolbox_problems(struct text offered);

/* The tool of that name, or NULL. */
const struct tool *toolbox_find(const struct toolbox *box, struct text name);

/* Of which class a call is: as the agent says, else its source. NULL is a tool that is not there,
 * whose calls are refused and have no effect. Pure. */
enum call_class tool_class_of(const struct tool *tool, struct text arguments);

/* Whether somebody has to allow this call before it is made. Pure. */
bool tool_needs_approval(const struct tool *tool, struct text arguments);

/* Whether arguments are what the tool's schema says, of a call about which somebody is to be asked:
 * better the model is told at once, in `out`, what is wrong. Pure. */
bool tool_fits(const struct toolbox *box, const struct tool *tool, struct text arguments,
               struct buf *out);

/* The JSON Schema of the tool's arguments, as the model was told it; TEXT_NONE: it was told none.
 * */
struct text tool_parameters(const struct toolbox *box, const struct tool *tool);

/* Appends a few words for logs. NULL: of a tool that is not there. */
void tool_describe(const struct tool *tool, struct text arguments, struct buf *out);

/* Makes a call. Whatever goes wrong in it is TOOL_ERROR, with "Error: …" for the model in `out`,
 * whose limit is the limit of results. Returns 0 with *out and *outcome, or -E_CANCELED. */
SUSPENDS MUSTCHECK int tool_run(const struct tool_call *call, struct buf *out,
                                struct tool_outcome *outcome, struct error *err);

/* What the model is told of a call that it made in a wrong form. */
void tool_reproach(struct text problem, struct buf *out);

/* What the model is told of a tool that is not in the box. */
void tool_refuse(const struct toolbox *box, struct text name, struct buf *out);
