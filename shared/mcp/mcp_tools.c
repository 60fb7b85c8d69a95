/* Pages of tools. */

#include "shared/mcp/mcp_tools.h"

#include <stdio.h>
#include <string.h>

#include "shared/base/digest.h"
#include "shared/base/error.h"
#include "shared/base/utf8.h"
#include "shared/json/json_write.h"
#include "shared/mcp/mcp_schema.h"

#define NAME_BYTES    (MCP_MODEL_NAME_SIZE - 1)
#define DIGEST_DIGITS 8
#define HEADER_MAX    64

void mcp_tools_init(struct mcp_tools *tools)
{
    *tools = (struct mcp_tools){.count = 0};
    arena_init(&tools->arena, (size_t)2 << 20);
}

void mcp_tools_deinit(struct mcp_tools *tools)
{
    arena_deinit(&tools->arena);
}

static bool copy(struct mcp_tools *tools, struct text text, struct text *out)
{
    *out = (struct text){arena_copy(&tools->arena, text), text.len};
    return out->ptr != NULL;
}

static int out_of_room(struct error *err)
{
    return error_set(err, E_LIMIT, "the server's tools take more than there is room for");
}

static void drop(struct mcp_tools *tools, struct text name, const char *why)
{
    char shown[64];

    text_excerpt(name.ptr ? name : TEXT("(without a name)"), shown, sizeof(shown));
    if (tools->dropped++ == 0)
        (void)snprintf(tools->why, sizeof(tools->why), "%s: %.160s", shown, why);
}

/* ---- headers that repeat an argument ---- */

/* A token of HTTP. */
static bool is_token(struct text name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] <= ' ' || name.ptr[i] >= 127 || strchr("()<>@,;:\\\"/[]?={}", name.ptr[i]))
            return false;
    return name.len > 0 && name.len <= HEADER_MAX;
}

static bool is_plain(struct json_object *schema)
{
    struct text type = json_get_text(schema, "type");

    return text_is(type, "string") || text_is(type, "integer") || text_is(type, "number") ||
           text_is(type, "boolean");
}

/* Returns 0, or -E_INVALID: the tool asks for headers that can't be sent. */
static int read_headers(struct json_object *schema, struct buf *out, struct error *err)
{
    CLEANUP(json_freep) struct json_object *headers = json_object_new_object();
    struct json_object *properties = json_get(schema, "properties");
    char name[HEADER_MAX + 16];

    if (!json_object_is_type(properties, json_type_object))
        return 0;
    json_object_object_foreach(properties, property, value)
    {
        struct text header = json_get_text(value, "x-mcp-header");

        if (!json_get(value, "x-mcp-header"))
            continue;
        if (!is_token(header) || !is_plain(value))
            return error_set(err, E_INVALID, "it asks for a header that can't be sent");
        (void)snprintf(name, sizeof(name), "Mcp-Param-%.*s", TEXT_ARGS(header));
        if (json_has(headers, name) || json_object_object_length(headers) >= MCP_HEADERS_MAX)
            return error_set(err, E_INVALID, "it asks for one header twice, or for too many");
        json_object_object_add(headers, name, json_object_new_string(property));
    }
    if (json_object_object_length(headers) > 0)
        json_encode(out, headers);
    return 0;
}

/* ---- a tool ---- */

static struct mcp_hints hints_of(struct json_object *tool)
{
    struct json_object *said = json_get(tool, "annotations");

    return (struct mcp_hints){
        .read_only = json_get_bool(said, "readOnlyHint", false),
        .idempotent = json_get_bool(said, "idempotentHint", false),
    };
}

static struct text description_of(struct json_object *tool)
{
    struct text text = json_get_text(tool, "description");

    if (text.len == 0)
        text = json_get_text(tool, "title");
    if (text.len > MCP_DESCRIPTION_MAX)
        text.len = utf8_without_half(text.ptr, MCP_DESCRIPTION_MAX);
    return text;
}

static bool is_there(const struct mcp_tools *tools, struct text name)
{
    for (size_t i = 0; i < tools->count; i++)
        if (text_equal(tools->items[i].name, name))
            return true;
    return false;
}

static int keep(struct mcp_tools *tools, const struct mcp_tool *tool, struct error *err)
{
    size_t bytes = tool->name.len + tool->description.len + tool->parameters.len;
    struct mcp_tool kept = {.hints = tool->hints};

    if (tools->count >= MCP_TOOLS_MAX)
        return error_set(err, E_LIMIT, "the server has more than %d tools", MCP_TOOLS_MAX);
    if (tools->bytes + bytes > MCP_LIST_BYTES_MAX)
        return error_set(err, E_LIMIT, "the server's tools have more than %zu bytes",
                         MCP_LIST_BYTES_MAX);
    if (tools->count == tools->room) {
        size_t room = tools->room ? tools->room * 2 : 16;
        struct mcp_tool *items = arena_calloc(&tools->arena, room, sizeof(*items));

        if (!items)
            return out_of_room(err);
        if (tools->count > 0)
            memcpy(items, tools->items, tools->count * sizeof(*items));
        tools->items = items;
        tools->room = room;
    }
    if (!copy(tools, tool->name, &kept.name) || !copy(tools, tool->parameters, &kept.parameters) ||
        (tool->description.len > 0 && !copy(tools, tool->description, &kept.description)) ||
        (tool->headers.len > 0 && !copy(tools, tool->headers, &kept.headers)))
        return out_of_room(err);
    tools->items[tools->count++] = kept;
    tools->bytes += bytes;
    return 0;
}

/* Returns 0, also for a tool that drops out, or -E_LIMIT. */
static int add(struct mcp_tools *tools, struct json_object *item, struct error *err)
{
    CLEANUP(buf_deinit) struct buf parameters = {0};
    CLEANUP(buf_deinit) struct buf headers = {0};
    struct mcp_tool tool = {.name = json_get_text(item, "name"), .hints = hints_of(item)};
    struct error why = {0};
    int r = 0;

    buf_init(&parameters, 0);
    buf_init(&headers, 0);
    if (tool.name.len == 0 || tool.name.len > MCP_TOOL_NAME_MAX)
        r = error_set(&why, E_INVALID, "it has no name of 1 to %d bytes", MCP_TOOL_NAME_MAX);
    else if (is_there(tools, tool.name))
        r = error_set(&why, E_INVALID, "another one has this name");
    if (r == 0)
        r = mcp_schema_fit(json_get(item, "inputSchema"), &parameters, &why);
    if (r == 0)
        r = read_headers(json_get(item, "inputSchema"), &headers, &why);
    if (r < 0) {
        drop(tools, tool.name, why.text);
        return 0;
    }
    tool.description = description_of(item);
    tool.parameters = buf_text(&parameters);
    tool.headers = buf_text(&headers);
    return keep(tools, &tool, err);
}

/* ---- pages ---- */

static int take_cursor(struct mcp_tools *tools, struct json_object *result, struct text *out,
                       struct error *err)
{
    struct json_object *next = json_get(result, "nextCursor");

    *out = TEXT_NONE;
    if (!next)
        return 0;
    if (!json_string(next).ptr)
        return error_set(err, E_PROTOCOL,
                         "the server's list of tools has a cursor that is no text");
    for (size_t i = 0; i < tools->pages; i++)
        if (text_equal(tools->cursors[i], json_string(next)))
            return error_set(err, E_PROTOCOL, "the server's list of tools has one cursor twice");
    if (tools->pages == MCP_PAGES_MAX)
        return error_set(err, E_LIMIT, "the server's list of tools has more than %d pages",
                         MCP_PAGES_MAX);
    if (!copy(tools, json_string(next), out))
        return out_of_room(err);
    tools->cursors[tools->pages++] = *out;
    return 0;
}

int mcp_tools_add_page(struct mcp_tools *tools, struct json_object *result, struct text *out_cursor,
                       struct error *err)
{
    struct json_object *list = json_get(result, "tools");
    int r = 0;

    if (!json_object_is_type(list, json_type_array))
        return error_set(err, E_PROTOCOL, "the server's list of tools is none");
    for (size_t i = 0; r == 0 && i < json_object_array_length(list); i++)
        r = add(tools, json_object_array_get_idx(list, i), err);
    return r == 0 ? take_cursor(tools, result, out_cursor, err) : r;
}

/* ---- names ---- */

static bool put(struct text from, char *out, size_t *length)
{
    bool changed = false;

    for (size_t i = 0; i < from.len && *length < NAME_BYTES; i++) {
        char c = from.ptr[i];
        bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '_' || c == '-';

        out[(*length)++] = fits ? c : '_';
        changed |= !fits;
    }
    return changed;
}

void mcp_model_name(struct text label, struct text tool, bool differ, char out[MCP_MODEL_NAME_SIZE])
{
    CLEANUP(buf_deinit) struct buf whole = {0};
    char digest[SHA256_TEXT_SIZE];
    size_t length = 0;
    bool changed = put(label, out, &length);

    changed |= put(TEXT("__"), out, &length);
    changed |= put(tool, out, &length);
    if (!changed && !differ && label.len + tool.len + 2 <= NAME_BYTES) {
        out[length] = 0;
        return;
    }
    buf_init(&whole, 0);
    buf_add_text(&whole, label);
    buf_add_char(&whole, 0);
    buf_add_text(&whole, tool);
    sha256_hex(buf_text(&whole), digest);
    if (length > NAME_BYTES - DIGEST_DIGITS - 1)
        length = NAME_BYTES - DIGEST_DIGITS - 1;
    (void)snprintf(out + length, MCP_MODEL_NAME_SIZE - length, "_%.*s", DIGEST_DIGITS, digest);
}
