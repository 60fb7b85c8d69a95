/* The tools of the web as a source of tools: which there are, and their calls. */

#include <json-c/json.h>

#include "shared/base/error.h"
#include "shared/json/json.h"
#include "shared/schema/schema.h"
#include "worker/tools/tool.h"
#include "worker/tools/web/page.h"
#include "worker/tools/web/search/search.h"
#include "worker/tools/web/web.h"

static int find(const struct tool_member *member, struct arena *arena, struct tool *tool,
                struct chat_tool *shown, struct error *err)
{
    struct text type = json_get_text(member->item, "type");
    bool reads_pages = text_is(type, "read_page");
    struct web_tool *own;
    int r;

    if (!reads_pages && !text_is(type, "web_search"))
        return TOOL_NOT_HERE;
    own = arena_calloc(arena, 1, sizeof(*own));
    if (!own)
        return error_set(err, E_LIMIT, "the spec is too large for the run's memory");
    r = web_tool_read(member->item, arena, own, err);
    if (r < 0)
        return r;
    tool->own = own;
    tool->name = reads_pages ? TEXT("read_page") : TEXT("web_search");
    *shown = (struct chat_tool){
        .name = tool->name,
        .description = text_of(reads_pages ? read_page_description : web_search_description),
        .parameters = text_of(reads_pages ? read_page_parameters : web_search_parameters),
    };
    return 0;
}

/* ---- calls ---- */

static enum call_class classify(const struct tool *tool, struct text arguments)
{
    (void)tool;
    (void)arguments;
    return CALL_PURE;
}

static void describe(const struct tool *tool, struct text text, struct buf *out)
{
    const struct web_tool *own = tool->own;
    CLEANUP(json_freep) struct json_object *arguments = NULL;

    buf_add_text(out, tool->name);
    if (own->reads_pages && text.len <= TOOL_ARGUMENTS_MAX &&
        json_decode(text, JSON_DEPTH_DEFAULT, &arguments, NULL) == 0)
        page_describe(arguments, out);
}

/* Models write null for what they leave out. */
static void drop_nulls(struct json_object *arguments)
{
    json_object_object_foreach(arguments, name, value)
    {
        if (!value)
            json_object_object_del(arguments, name);
    }
}

static int read_arguments(const struct tool_call *call, bool reads_pages, struct json_object **out,
                          struct error *err)
{
    static struct json_object *schemas[2]; /* parsed once per process */
    struct json_object **schema = &schemas[reads_pages];
    int r;

    if (!*schema) {
        r = json_decode(text_of(reads_pages ? read_page_parameters : web_search_parameters),
                        JSON_DEPTH_DEFAULT, schema, err);
        ASSERT(r == 0);
    }
    if (call->arguments.len > TOOL_ARGUMENTS_MAX)
        return error_set(err, E_LIMIT, "the arguments are over %zu bytes", TOOL_ARGUMENTS_MAX);
    r = json_decode(call->arguments, JSON_DEPTH_DEFAULT, out, err);
    if (r < 0)
        return error_wrap(err, "the arguments are not valid JSON");
    if (!json_object_is_type(*out, json_type_object))
        return error_set(err, E_INVALID, "the arguments must be a JSON object");
    drop_nulls(*out);
    r = schema_check(*schema, *out, err);
    return r < 0 ? error_wrap(err, "the arguments do not fit") : 0;
}

static int call_it(const struct tool_call *call, struct buf *out, struct tool_outcome *outcome,
                   struct error *err)
{
    const struct web_tool *own = call->tool->own;
    CLEANUP(json_freep) struct json_object *arguments = NULL;
    struct web_tool tool = *own;
    int r;

    if (!call->services->web)
        return error_set(err, E_UNAVAILABLE, "the web can't be read here");
    r = read_arguments(call, own->reads_pages, &arguments, err);
    if (r < 0)
        return r;
    *outcome = (struct tool_outcome){.end = TOOL_DONE};
    if (!own->reads_pages)
        return search_run(call, &tool, arguments, out, err);
    tool.ignores_robots =
        (call->services->web->robots == WEB_ROBOTS_IGNORE && !own->obeys_robots) ||
        (call->services->web->robots == WEB_ROBOTS_AGENT && own->ignores_robots);
    return page_read(call, &tool, arguments, out, err);
}

const struct tool_source tool_source_web = {
    .name = "web",
    .class_is_fixed = true,
    .waits = true,
    .find = find,
    .classify = classify,
    .describe = describe,
    .call = call_it,
};
