/* From names of tools to what they are. */

#include "shared/agent/tools/declared.h"

#include <string.h>

#include "shared/agent/tools/tools.h"
#include "shared/base/error.h"
#include "shared/check/failure.h"
#include "shared/check/fields.h"
#include "shared/check/nearest.h"
#include "shared/json/json_raw.h"
#include "shared/json/json_write.h"
#include "shared/mcp/mcp_member.h"

enum { NAMES_SHOWN = 8 }; /* of a tenant's own tools, in a sentence */

/* What an agent says of its tool, and a run keeps as it is. */
static const char *const kept[] = {"require_approval", "run_require_approval", "approval_timeout"};

/* A JSON string of letters alone, without its quotes. */
static struct text unquoted(struct text value)
{
    return value.len >= 2 && json_raw_type(value) == JSON_RAW_STRING
               ? (struct text){value.ptr + 1, value.len - 2}
               : TEXT_NONE;
}

size_t declared_names(struct text tools, struct text *out, size_t max)
{
    struct json_raw_walk walk;
    struct text item;
    size_t count = 0;

    json_raw_begin(tools, &walk);
    while (json_raw_next(&walk, &item)) {
        struct text name = unquoted(json_raw_get(item, "type"));

        if (!tool_is_declared(name))
            continue;
        if (count < max)
            out[count++] = name;
    }
    return count;
}

bool declared_concerns(struct text tools)
{
    struct json_raw_walk walk;
    struct text item;

    json_raw_begin(tools, &walk);
    while (json_raw_next(&walk, &item)) {
        struct text type = json_raw_get(item, "type");

        if (json_raw_is(type, "mcp") || tool_is_declared(unquoted(type)))
            return true;
    }
    return false;
}

static const struct declared_tool *find(const struct declared_tools *declared, struct text name)
{
    for (size_t i = 0; declared && i < declared->count; i++)
        if (text_equal(declared->items[i].name, name))
            return &declared->items[i];
    return NULL;
}

static struct json_object *decode(struct text text)
{
    struct json_object *object = NULL;

    if (!text.ptr || json_decode(text, JSON_DEPTH_DEFAULT, &object, NULL) < 0)
        return NULL;
    return object;
}

static bool has_word(struct json_object *list, struct text word)
{
    for (size_t i = 0;
         json_object_is_type(list, json_type_array) && i < json_object_array_length(list); i++)
        if (text_equal(json_string(json_object_array_get_idx(list, i)), word))
            return true;
    return false;
}

static int check_secrets(const struct declared_tool *tool, struct json_object *allowed,
                         const struct path *path, struct failure *failure)
{
    CLEANUP(json_freep) struct json_object *needed = decode(tool->secrets);

    for (size_t i = 0;
         json_object_is_type(needed, json_type_array) && i < json_object_array_length(needed);
         i++) {
        struct text name = json_string(json_object_array_get_idx(needed, i));

        if (has_word(allowed, name))
            continue;
        return failure_set(failure, 400, path, "secret_not_permitted",
                           "The tool '%.*s' uses the secret '%.*s', which the assistant may not: "
                           "name it in its 'secrets', or leave the tool out.",
                           TEXT_ARGS(tool->name), TEXT_ARGS(name));
    }
    return 0;
}

/* The agent's list takes the place of the tool's, of which it is a part. */
static int narrow_actions(struct json_object *definition, struct json_object *said,
                          const struct path *path, struct failure *failure)
{
    struct json_object *own = json_get(definition, "allowed_actions");
    struct json_object *properties = json_get(json_get(definition, "parameters"), "properties");
    struct path actions = {path, "allowed_actions", 0};

    if (!said)
        return 0;
    if (!json_get(properties, "action"))
        return failure_set(failure, 400, &actions, "invalid_value",
                           "The tool has no parameter 'action' that could be narrowed.");
    for (size_t i = 0; i < json_object_array_length(said); i++) {
        struct text action = json_string(json_object_array_get_idx(said, i));
        struct path item = {&actions, NULL, i};
        char shown[64];

        if (!own || has_word(own, action))
            continue;
        text_excerpt(action, shown, sizeof(shown));
        return failure_set(failure, 400, &item, "tool_not_permitted",
                           "The tool does not allow the action '%s'.", shown);
    }
    json_object_object_add(definition, "allowed_actions", json_object_get(said));
    return 0;
}

/* A type that others know with something behind it: "web_search_preview". */
static const char *longer_word(const char *said)
{
    const char *const *types = tool_types_offered();

    for (size_t i = 0; types[i]; i++) {
        size_t len = strlen(types[i]);

        if (strncmp(said, types[i], len) == 0 && (said[len] == '_' || said[len] == '-'))
            return types[i];
    }
    return NULL;
}

const char *declared_near(const char *said, const char *const *names, size_t count)
{
    const char *const *types = tool_types_offered();
    const char *near = nearest_word(said, names, count);
    size_t types_count = 0;

    while (types[types_count])
        types_count++;
    if (!near)
        near = nearest_word(said, types, types_count);
    return near ? near : longer_word(said);
}

static int missing(struct text name, const struct declared_tools *declared, const struct path *path,
                   struct failure *failure)
{
    struct path type = {path, "type", 0};
    const char *first[NAMES_SHOWN + 1] = {NULL};
    size_t count = declared ? declared->names_count : 0;
    char shown[TOOL_NAME_MAX + 1];
    char list[320];
    char own[160];
    const char *near;

    text_excerpt(name, shown, sizeof(shown));
    near = declared_near(shown, declared ? declared->names : NULL, count);
    if (near)
        return failure_set(failure, 400, &type, "invalid_value",
                           "Invalid value: '%s'. Did you mean '%s'?", shown, near);
    for (size_t i = 0; i < count && i < NAMES_SHOWN; i++)
        first[i] = declared->names[i];
    words_format(tool_types_offered(), list, sizeof(list));
    words_format(first, own, sizeof(own));
    return failure_set(failure, 400, &type, "invalid_value",
                       "Invalid value: '%s'. Supported values are: %s; and names of tools that "
                       "were declared (POST /v1/tools), %s%s%s.",
                       shown, list, count ? "which are: " : "of which there are none", own,
                       count > NAMES_SHOWN ? ", \xE2\x80\xA6" : "");
}

static int write_tool(struct json_object *item, const struct declared_tool *tool,
                      struct json_object *allowed, const struct path *path, struct json_write *w,
                      struct failure *failure)
{
    CLEANUP(json_freep) struct json_object *definition = decode(tool->definition);
    int r = check_secrets(tool, allowed, path, failure);

    if (r == 0)
        r = narrow_actions(definition, json_get(item, "allowed_actions"), path, failure);
    if (r < 0)
        return r;
    json_write_open_object(w, NULL);
    json_write_text(w, "type", tool->name);
    for (size_t i = 0; i < ARRAY_LENGTH(kept); i++)
        if (json_get(item, kept[i]))
            json_write_raw(w, kept[i], json_text(json_get(item, kept[i])));
    json_write_raw(w, "http", json_text(definition));
    json_write_raw(w, "secrets", tool->secrets);
    json_write_close(w);
    return 0;
}

/* A server with the names of its secrets. */
static int write_server(struct json_object *item, struct text raw, struct json_object *allowed,
                        const struct path *path, struct json_write *w, struct failure *failure)
{
    struct text names[MCP_SECRETS_MAX + 1];
    size_t count = mcp_member_secrets(item, names);
    struct text without_end = {raw.ptr, raw.len - 1};

    for (size_t i = 0; i < count; i++)
        if (!has_word(allowed, names[i]))
            return failure_set(failure, 400, path, "secret_not_permitted",
                               "The server '%.*s' uses the secret '%.*s', which the assistant may "
                               "not: name it in its 'secrets'.",
                               TEXT_ARGS(json_get_text(item, "server_label")), TEXT_ARGS(names[i]));
    json_write_name(w, NULL);
    buf_add_text(w->out, without_end);
    if (!json_get(item, "require_approval")) /* OpenAI's default */
        buf_add_string(w->out, ",\"require_approval\":\"always\"");
    buf_add_string(w->out, ",\"secrets\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_add_char(w->out, ',');
        buf_add_json(w->out, names[i]);
    }
    buf_add_string(w->out, "]}");
    return 0;
}

int declared_expand(struct text tools_text, const struct declared_tools *declared,
                    struct text secrets, struct buf *out, struct failure *failure)
{
    CLEANUP(json_freep) struct json_object *tools = decode(tools_text);
    CLEANUP(json_freep) struct json_object *allowed = decode(secrets);
    struct path list = {NULL, "tools", 0};
    struct json_raw_walk walk;
    struct json_write w;
    struct text raw;

    json_write_init(&w, out);
    json_write_open_array(&w, NULL);
    json_raw_begin(tools_text, &walk);
    for (size_t i = 0; json_raw_next(&walk, &raw); i++) {
        struct json_object *item = json_object_array_get_idx(tools, i);
        struct text type = json_get_text(item, "type");
        const struct declared_tool *tool = find(declared, type);
        struct path path = {&list, NULL, i};
        int r = 0;

        if (mcp_is_member(item))
            r = write_server(item, raw, allowed, &path, &w, failure);
        else if (!tool_is_declared(type))
            json_write_raw(&w, NULL, raw);
        else if (!tool)
            r = missing(type, declared, &path, failure);
        else
            r = write_tool(item, tool, allowed, &path, &w, failure);
        if (r < 0)
            return r;
    }
    json_write_close(&w);
    return 0;
}

bool declared_has(struct text spec)
{
    return spec.len > 0 && (memmem(spec.ptr, spec.len, "\"http\":", 7) != NULL ||
                            memmem(spec.ptr, spec.len, "\"server_label\":", 15) != NULL);
}

/* All members but the one that was added. */
static void write_server_hidden(struct text item, struct json_write *w)
{
    struct json_raw_walk walk;
    struct text value;
    bool first = true;

    json_write_name(w, NULL);
    buf_add_char(w->out, '{');
    json_raw_begin(item, &walk);
    while (json_raw_next(&walk, &value)) {
        if (json_raw_is(walk.name, "secrets"))
            continue;
        if (!first)
            buf_add_char(w->out, ',');
        first = false;
        buf_add_text(w->out, walk.name);
        buf_add_char(w->out, ':');
        buf_add_text(w->out, value);
    }
    buf_add_char(w->out, '}');
}

static void write_hidden(struct text tools, struct buf *out)
{
    struct json_raw_walk walk;
    struct json_write w;
    struct text item;

    json_write_init(&w, out);
    json_write_open_array(&w, NULL);
    json_raw_begin(tools, &walk);
    while (json_raw_next(&walk, &item)) {
        struct text http = json_raw_get(item, "http");
        struct text actions = json_raw_get(http, "allowed_actions");

        if (json_raw_is(json_raw_get(item, "type"), "mcp")) {
            write_server_hidden(item, &w);
            continue;
        }
        if (!http.ptr) {
            json_write_raw(&w, NULL, item);
            continue;
        }
        json_write_open_object(&w, NULL);
        json_write_raw(&w, "type", json_raw_get(item, "type"));
        json_write_raw_if(&w, "allowed_actions", actions);
        for (size_t i = 0; i < ARRAY_LENGTH(kept); i++)
            json_write_raw_if(&w, kept[i], json_raw_get(item, kept[i]));
        json_write_close(&w);
    }
    json_write_close(&w);
}

void declared_hide(struct text spec, struct buf *out)
{
    struct text tools = json_raw_get(spec, "tools");

    if (!tools.ptr) {
        buf_add_text(out, spec);
        return;
    }
    buf_add(out, spec.ptr, (size_t)(tools.ptr - spec.ptr));
    write_hidden(tools, out);
    buf_add(out, tools.ptr + tools.len, spec.len - (size_t)(tools.ptr + tools.len - spec.ptr));
}
