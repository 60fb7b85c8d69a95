#include "shared/agent/tools/tool_choice.h"

#include <string.h>

#include "shared/agent/tools/tools.h"
#include "shared/check/failure.h"
#include "shared/mcp/mcp_member.h"

bool tool_list_has(struct json_object *list, struct text name)
{
    for (size_t i = 0; i < json_object_array_length(list); i++)
        if (text_equal(tool_spec_name(json_object_array_get_idx(list, i)), name))
            return true;
    return false;
}

static bool has_tool(struct text tools_text, struct text name)
{
    CLEANUP(json_freep) struct json_object *tools = NULL;

    if (!tools_text.ptr || json_decode(tools_text, JSON_DEPTH_DEFAULT, &tools, NULL) < 0)
        return false;
    return tool_list_has(tools, name);
}

/* Whether it may be a tool of one of the servers: what these have is known when the run begins. */
static bool has_server_of(struct text tools_text, struct text name)
{
    CLEANUP(json_freep) struct json_object *tools = NULL;

    if (!tools_text.ptr || json_decode(tools_text, JSON_DEPTH_DEFAULT, &tools, NULL) < 0)
        return false;
    for (size_t i = 0; i < json_object_array_length(tools); i++) {
        struct json_object *tool = json_object_array_get_idx(tools, i);
        struct text label = json_get_text(tool, "server_label");

        if (mcp_is_member(tool) && name.len > label.len + 2 &&
            text_equal((struct text){name.ptr, label.len}, label) &&
            memcmp(name.ptr + label.len, "__", 2) == 0)
            return true;
    }
    return false;
}

int tool_choice_check(struct json_object *choice, struct text tools, struct failure *failure)
{
    struct text name = tool_spec_name(choice);

    if (!json_object_is_type(choice, json_type_object) || has_tool(tools, name) ||
        has_server_of(tools, name))
        return 0;
    return failure_param(failure, 400, "tool_choice", "invalid_value",
                         "Invalid value for 'tool_choice': '%.*s' is none of the run's tools.",
                         TEXT_ARGS(name));
}
