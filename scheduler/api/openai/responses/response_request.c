/* OpenAI's members are flat here and nested there; else they are the same. */

#include "scheduler/api/openai/responses/response_request.h"

#include "providers/openai_api/chat_request.h"
#include "scheduler/api/openai/items/items.h"
#include "scheduler/api/openai/responses/response_bodies.h"
#include "shared/agent/tools/tools.h"
#include "shared/base/error.h"
#include "shared/check/failure.h"
#include "shared/json/json_write.h"

static void add(struct json_object *to, const char *name, struct json_object *value)
{
    if (value)
        json_object_object_add(to, name, json_object_get(value));
}

static struct json_object *new_text(struct text text)
{
    return json_object_new_string_len(text.ptr, (int)text.len);
}

/* The members of a flat object, but for its type, as an object of their own: {"type":"function",
 * "function":{…}}. */
static struct json_object *nest(struct json_object *flat, const char *type)
{
    static const char *const members[] = {"name", "description", "parameters", "schema", "strict"};
    struct json_object *out = json_object_new_object();
    struct json_object *inner = json_object_new_object();

    for (size_t i = 0; i < ARRAY_LENGTH(members); i++)
        add(inner, members[i], json_get(flat, members[i]));
    json_object_object_add(out, "type", json_object_new_string(type));
    json_object_object_add(out, type, inner);
    return out;
}

/* ---- tools ---- */

static struct json_object *server_tool(struct text name)
{
    struct json_object *out = json_object_new_object();

    json_object_object_add(out, "type", new_text(name));
    return out;
}

/* "never" is what clients have to say to OpenAI for tools that are to be called at once: here it is
 * no wish for fewer approvals than the agent's, which could not be had. */
static struct json_object *server_tool_of(struct json_object *tool, struct text name)
{
    struct json_object *out = server_tool(name);
    struct json_object *approval = json_get(tool, "require_approval");

    if (!text_is(json_string(approval), "never"))
        add(out, "require_approval", approval);
    return out;
}

/* The agent's tool, narrowed by what the request says of it. */
static struct json_object *search_tool(struct json_object *said)
{
    struct json_object *out = server_tool(TEXT("web_search"));

    add(out, "filters", json_get(said, "filters"));
    add(out, "search_context_size", json_get(said, "search_context_size"));
    return out;
}

static bool runs_on_server(struct text name)
{
    const struct tool_kind *kind = tool_kind_find(name);

    return tool_is_declared(name) || (kind && kind->executor == TOOL_BY_SERVER);
}

/* Tools of the agent that the run is to have; where no list says which, all. */
static int add_server_tools(struct json_object *tool, size_t place, struct json_object *out,
                            bool *out_all, struct failure *failure)
{
    struct path tools = {NULL, "tools", 0};
    struct path at = {&tools, NULL, place};
    struct path allowed = {&at, "allowed_tools", 0};
    struct path approval = {&at, "require_approval", 0};
    struct json_object *list = json_get(tool, "allowed_tools");

    if (json_object_is_type(list, json_type_object))
        list = json_get(list, "tool_names");
    if (!list && text_is(json_get_text(tool, "require_approval"), "always"))
        return failure_set(failure, 400, &approval, "unsupported_value",
                           "Here 'always' needs 'allowed_tools': name the tools that are to "
                           "need an approval.");
    if (!list) {
        *out_all = true;
        return 0;
    }
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct text name = json_string(json_object_array_get_idx(list, i));
        struct path item = {&allowed, NULL, i};
        char shown[72];

        if (!runs_on_server(name)) {
            text_excerpt(name, shown, sizeof(shown));
            return failure_set(failure, 400, &item, "tool_not_permitted",
                               "There is no tool '%s' that an agent may have here.", shown);
        }
        json_object_array_add(out, server_tool_of(tool, name));
    }
    return 0;
}

/* Whether an entry says less of its tool than its agent does. */
static bool narrows(struct json_object *tool)
{
    return json_get(tool, "filters") || json_get(tool, "search_context_size") ||
           json_get(tool, "require_approval");
}

/* Beside an entry that means all tools of the agent nothing could be made of what others say of
 * some, and left out it would be a limit that its writer counts on. */
static int check_all(struct json_object *servers, struct failure *failure)
{
    for (size_t i = 0; i < json_object_array_length(servers); i++)
        if (narrows(json_object_array_get_idx(servers, i)))
            return failure_param(failure, 400, "tools", "unsupported_value",
                                 "Invalid 'tools': an entry of the server '" ITEM_SERVER_LABEL
                                 "' without 'allowed_tools' means all tools of the agent, and "
                                 "another one limits some of them. Name the tools in "
                                 "'allowed_tools'.");
    return 0;
}

/* The client's functions come on top of the agent's tools; `tools` is said where a list narrows
 * these, or where there is no agent. */
static int add_tools(struct json_object *body, const struct response_place *place,
                     struct json_object *out, struct failure *failure)
{
    struct json_object *said = json_get(body, "tools");
    struct json_object *functions = json_object_new_array();
    struct json_object *servers = json_object_new_array();
    bool any = false;
    bool all = false;
    int r = 0;

    for (size_t i = 0; r == 0 && said && i < json_object_array_length(said); i++) {
        struct json_object *tool = json_object_array_get_idx(said, i);

        if (text_is(json_get_text(tool, "type"), "function")) {
            json_object_array_add(functions, nest(tool, "function"));
            continue;
        }
        any = true;
        if (response_tool_searches(json_get_text(tool, "type"))) {
            json_object_array_add(servers, search_tool(tool));
            continue;
        }
        r = add_server_tools(tool, i, servers, &all, failure);
    }
    if (r == 0 && any && all && !place->has_agent)
        r = failure_param(failure, 400, "tools", "tool_not_permitted",
                          "A model alone has no tools that the server runs: they are those of an "
                          "agent. Name an agent as 'model', or leave them out.");
    if (r == 0 && all)
        r = check_all(servers, failure);
    if (any && !all)
        json_object_object_add(out, "tools", json_object_get(servers));
    if (json_object_array_length(functions) > 0)
        json_object_object_add(out, "functions", json_object_get(functions));
    json_free(functions);
    json_free(servers);
    return r;
}

static void add_tool_choice(struct json_object *body, struct json_object *out)
{
    struct json_object *choice = json_get(body, "tool_choice");
    struct json_object *nested;

    if (!json_object_is_type(choice, json_type_object)) {
        add(out, "tool_choice", choice);
        return;
    }
    nested = text_is(json_get_text(choice, "type"), "mcp")
                 ? server_tool(json_get_text(choice, "name"))
                 : nest(choice, "function");
    json_object_object_add(out, "tool_choice", nested);
}

/* ---- the rest ---- */

static void add_format(struct json_object *body, struct json_object *out)
{
    struct json_object *format = json_get(json_get(body, "text"), "format");

    if (!format)
        return;
    if (text_is(json_get_text(format, "type"), "json_schema"))
        json_object_object_add(out, "response_format", nest(format, "json_schema"));
    else
        add(out, "response_format", format);
}

static void add_priority(struct json_object *body, struct json_object *out)
{
    struct text tier = json_get_text(body, "service_tier");

    if (text_is(tier, "priority"))
        json_object_object_add(out, "priority", json_object_new_string("high"));
    else if (text_is(tier, "flex"))
        json_object_object_add(out, "priority", json_object_new_string("low"));
}

static void add_user(struct json_object *body, struct json_object *out)
{
    struct text user = chat_request_user(body);

    if (user.len > 0)
        json_object_object_add(out, "user", new_text(user));
}

int response_request(struct json_object *body, const struct response_place *place,
                     struct json_object **out, struct failure *failure)
{
    static const char *const same[] = {"instructions", "temperature",       "top_p",
                                       "metadata",     "max_output_tokens", "parallel_tool_calls"};
    struct json_object *made = json_object_new_object();
    int r;

    for (size_t i = 0; i < ARRAY_LENGTH(same); i++)
        add(made, same[i], json_get(body, same[i]));
    if (!place->has_agent)
        add(made, "model", json_get(body, "model"));
    add(made, "reasoning_effort", json_get(json_get(body, "reasoning"), "effort"));
    add(made, "verbosity", json_get(json_get(body, "text"), "verbosity"));
    add_format(body, made);
    add_tool_choice(body, made);
    add_priority(body, made);
    add_user(body, made);
    r = add_tools(body, place, made, failure);
    if (r < 0)
        json_free(made);
    else
        *out = made;
    return r;
}

static void write_member(struct json_write *w, struct json_object *body, const char *name)
{
    struct json_object *value = json_get(body, name);

    json_write_raw_if(w, name, value ? json_text(value) : TEXT_NONE);
}

struct text response_said_of(struct json_object *body, const struct response_place *place,
                             struct arena *arena)
{
    static const char *const members[] = {"model", "previous_response_id", "service_tier",
                                          "user",  "safety_identifier",    "prompt_cache_key"};
    struct json_object *reasoning = json_get(body, "reasoning");
    CLEANUP(buf_deinit) struct buf json;
    struct json_write w;
    char *copy;

    buf_init(&json, 0);
    json_write_init(&w, &json);
    json_write_open_object(&w, NULL);
    json_write_bool(&w, "background", json_get_bool(body, "background", false));
    json_write_bool(&w, "store", json_get_bool(body, "store", true));
    json_write_bool(&w, "conversation", place->on_conversation);
    for (size_t i = 0; i < ARRAY_LENGTH(members); i++)
        write_member(&w, body, members[i]);
    write_member(&w, reasoning, "summary");
    json_write_close(&w);
    copy = json.failed ? NULL : arena_copy(arena, buf_text(&json));
    return copy ? (struct text){copy, json.len} : TEXT_NONE;
}
