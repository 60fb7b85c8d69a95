/* The catalogue of tools. */

#include "shared/agent/tools/tools.h"

const struct tool_kind tool_kinds[] = {
    {"calculator", TOOL_BY_SERVER, false},
    {"current_time", TOOL_BY_SERVER, false},
    {"wait", TOOL_BY_SERVER, false},
    {"sleep_until", TOOL_BY_SERVER, false},
    {"http_request", TOOL_BY_SERVER, true},
    {"function", TOOL_BY_CLIENT, false},
    {"code_interpreter", TOOL_BY_SERVER, false},
    {"web_search", TOOL_BY_SERVER, false},
    {"read_page", TOOL_BY_SERVER, false},
    {"plan_set", TOOL_BY_SERVER, false},
    {"plan_update", TOOL_BY_SERVER, false},
    {"scratchpad_write", TOOL_BY_SERVER, false},
    {"memory_save", TOOL_BY_SERVER, false},
    {"memory_search", TOOL_BY_SERVER, false},
    {"memory_forget", TOOL_BY_SERVER, false},
    {"mcp", TOOL_BY_SERVER, false},
    {"file_search", TOOL_BY_NOBODY, false},
};

const size_t tool_kinds_count = ARRAY_LENGTH(tool_kinds);

const char *const tool_classes[] = {"idempotent", "once", NULL};

const struct tool_kind *tool_kind_find(struct text type)
{
    for (size_t i = 0; i < tool_kinds_count; i++)
        if (text_is(type, tool_kinds[i].type))
            return &tool_kinds[i];
    return NULL;
}

const char *const *tool_types_offered(void)
{
    static const char *types[ARRAY_LENGTH(tool_kinds) + 1];
    size_t count = 0;

    for (size_t i = 0; i < tool_kinds_count; i++)
        if (tool_kinds[i].executor != TOOL_BY_NOBODY)
            types[count++] = tool_kinds[i].type;
    types[count] = NULL;
    return types;
}

bool tool_is_declared(struct text type)
{
    return !tool_kind_find(type) && tool_name_fits(type);
}

bool tool_name_fits(struct text name)
{
    return name.len > 0 && name.len <= TOOL_NAME_MAX && tool_name_letters(name);
}

bool tool_name_letters(struct text text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-'))
            return false;
    }
    return true;
}

struct text tool_spec_name(struct json_object *tool)
{
    struct json_object *function = json_get(tool, "function");

    if (!function && json_get(tool, "server_label"))
        return json_get_text(tool, "server_label");
    return function ? json_get_text(function, "name") : json_get_text(tool, "type");
}
