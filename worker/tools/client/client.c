/* The client's functions: whoever made the run executes them. A call parks the run until its output
 * is given, so it has no effect here and may be "made" again by any worker. Arguments are not
 * checked: the client knows its function. */

#include "providers/chat_read.h"
#include "shared/json/json.h"
#include "shared/json/json_raw.h"
#include "worker/tools/tool.h"

static int find(const struct tool_member *member, struct arena *arena, struct tool *tool,
                struct chat_tool *shown, struct error *err)
{
    int r;

    if (!text_is(json_get_text(member->item, "type"), "function"))
        return TOOL_NOT_HERE;
    r = chat_read_function(json_raw_get(member->raw, "function"), arena, shown, err);
    if (r == 0)
        tool->name = shown->name;
    return r;
}

static enum call_class classify(const struct tool *tool, struct text arguments)
{
    (void)tool;
    (void)arguments;
    return CALL_PURE;
}

static void describe(const struct tool *tool, struct text arguments, struct buf *out)
{
    (void)arguments;
    buf_printf(out, "the client's %.*s", TEXT_ARGS(tool->name));
}

static int call(const struct tool_call *call, struct buf *out, struct tool_outcome *outcome,
                struct error *err)
{
    (void)call;
    (void)out;
    (void)err;
    *outcome = (struct tool_outcome){
        .end = TOOL_PARKED,
        .wait = WAIT_CLIENT,
        .due_in_ms = CALL_NEVER_DUE,
    };
    return 0;
}

const struct tool_source tool_source_client = {
    .name = "client",
    .class_is_fixed = true,
    .find = find,
    .classify = classify,
    .describe = describe,
    .call = call,
};
