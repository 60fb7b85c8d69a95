/* The client's functions: whoever made the run executes them. A call parks the run until its output
 * is given, so it has no effect here and may be "made" again by any worker. Arguments are not
 * checked: the client knows its function. */

#include "shared/base/error.h"
#include "shared/json/json.h"
#include "worker/tools/tool.h"

static int copy(struct arena *arena, struct text text, struct text *out, struct error *err)
{
    char *made;

    if (!text.ptr)
        return 0;
    made = arena_copy(arena, text);
    if (!made)
        return error_set(err, E_LIMIT, "the spec is too large for the run's memory");
    *out = (struct text){made, text.len};
    return 0;
}

static int find(struct json_object *item, struct arena *arena, struct tool *tool,
                struct chat_tool *shown, struct error *err)
{
    struct json_object *function = json_get(item, "function");
    struct json_object *parameters = json_get(function, "parameters");
    struct json_object *strict = json_get(function, "strict");
    int r;

    if (!text_is(json_get_text(item, "type"), "function"))
        return TOOL_NOT_HERE;
    r = copy(arena, json_get_text(function, "name"), &shown->name, err);
    if (r == 0)
        r = copy(arena, json_get_text(function, "description"), &shown->description, err);
    if (r == 0 && parameters)
        r = copy(arena, json_text(parameters), &shown->parameters, err);
    if (r < 0)
        return r;
    if (shown->name.len == 0)
        return error_set(err, E_INVALID, "a function tool without a name");
    if (strict)
        shown->strict = json_get_bool(function, "strict", false) ? CHAT_SWITCH_ON : CHAT_SWITCH_OFF;
    tool->name = shown->name;
    return 0;
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
    .find = find,
    .classify = classify,
    .describe = describe,
    .call = call,
};
