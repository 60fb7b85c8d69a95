#include "shared/mcp/mcp_approval.h"

/* By which calls of the tool a filter is met. */
enum met { MET_BY_NONE, MET_BY_SOME, MET_BY_ALL };

static bool names(struct json_object *list, struct text name)
{
    for (size_t i = 0; i < json_object_array_length(list); i++)
        if (text_equal(json_string(json_object_array_get_idx(list, i)), name))
            return true;
    return false;
}

static enum met met_by(struct json_object *filter, const struct mcp_approval_tool *tool,
                       struct text other_name)
{
    struct json_object *list = json_get(filter, "tool_names");

    if (!filter || (list && !names(list, tool->name) && !names(list, other_name)))
        return MET_BY_NONE;
    if (json_get(filter, "read_only") &&
        json_get_bool(filter, "read_only", false) != tool->read_only)
        return MET_BY_NONE;
    return json_get(filter, "arguments") ? MET_BY_SOME : MET_BY_ALL;
}

/* What is left of it: a condition of arguments. */
static void add_rest(struct json_object *to, const char *name, struct json_object *filter)
{
    struct json_object *rest = json_object_new_object();

    json_object_object_add(rest, "arguments", json_object_get(json_get(filter, "arguments")));
    json_object_object_add(to, name, rest);
}

struct json_object *mcp_approval_for(struct json_object *rule, const struct mcp_approval_tool *tool)
{
    struct json_object *always = json_get(rule, "always");
    struct json_object *never = json_get(rule, "never");
    enum met by_always = met_by(always, tool, tool->shown);
    enum met by_never = met_by(never, tool, tool->name);
    struct json_object *rest;

    if (!json_object_is_type(rule, json_type_object))
        return json_object_get(rule);
    if (by_always == MET_BY_ALL)
        return json_object_new_string("always");
    if (by_always == MET_BY_NONE && (!never || by_never == MET_BY_ALL))
        return NULL;
    if (never && by_never == MET_BY_NONE)
        return json_object_new_string("always");
    rest = json_object_new_object();
    if (by_always == MET_BY_SOME)
        add_rest(rest, "always", always);
    if (by_never == MET_BY_SOME)
        add_rest(rest, "never", never);
    return rest;
}
