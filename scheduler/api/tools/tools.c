/* Declared tools: make, look, list, change, delete.
 *
 * A tool is named by agents, so its name stays; and it is deleted only when no agent names it any
 * more, or each run of these would be refused. */

#include "scheduler/api/tools/tool_common.h"

#include <stdio.h>
#include <string.h>

#include "scheduler/api/listing.h"
#include "scheduler/api/tools/resources.h"
#include "shared/agent/checks.h"
#include "shared/agent/tools/tools.h"
#include "shared/json/json_raw.h"
#include "shared/json/json_write.h"
#include "shared/tools/http_tool.h"

#define WRITES_MAX 8 /* of one that others change meanwhile */

static int check_new_name(struct json_object *value, const struct path *path,
                          struct failure *failure)
{
    struct text name = json_string(value);

    if (text_is(name, "stats") || text_is(name, "check"))
        return failure_set(failure, 400, path, "invalid_value",
                           "Invalid 'name': '%.*s' is a path of the API, and no name of a tool.",
                           TEXT_ARGS(name));
    if (!tool_kind_find(name))
        return check_tool_name(value, path, failure);
    return failure_set(failure, 400, path, "invalid_value",
                       "Invalid 'name': '%.*s' is the type of another tool.", TEXT_ARGS(name));
}

static const struct field name_field[] = {
    {"name", FIELD_STRING, FIELD_REQUIRED, 0, 0, NULL, check_new_name},
};
static const struct fields body_create_tool = {name_field, ARRAY_LENGTH(name_field),
                                               sizeof(name_field[0]), &http_tool_fields, 0};

/* What it says of a member takes the place of what was there. */
static int check_any(struct json_object *value, const struct path *path, struct failure *failure)
{
    (void)value;
    (void)path;
    (void)failure;
    return 0;
}

static int check_kept_name(struct json_object *value, const struct path *path,
                           struct failure *failure)
{
    (void)value;
    return failure_set(failure, 400, path, "unknown_parameter",
                       "Unknown parameter: 'name'. A tool keeps its name, by which assistants name "
                       "it.");
}

#define MEMBER(name)                                                                               \
    {                                                                                              \
        name, FIELD_ANY, FIELD_NULLABLE, 0, 0, NULL, check_any                                     \
    }
static const struct field update_tool[] = {
    MEMBER("type"),
    MEMBER("description"),
    MEMBER("parameters"),
    MEMBER("method"),
    MEMBER("url"),
    MEMBER("query"),
    MEMBER("headers"),
    MEMBER("body"),
    MEMBER("result_pointer"),
    MEMBER("class"),
    MEMBER("timeout_ms"),
    MEMBER("max_result_bytes"),
    MEMBER("allowed_actions"),
    {"name", FIELD_ANY, FIELD_ELSEWHERE, 0, 0, NULL, check_kept_name}};
static const struct fields body_update_tool = {update_tool, ARRAY_LENGTH(update_tool),
                                               sizeof(update_tool[0]), NULL, 0};

/* ---- what is shown ---- */

/* `tool` is what the definition says, and what is known of it. */
static int render(struct request *request, const struct stored_tool *tool)
{
    struct json_write w;
    char id[ID_TEXT_SIZE];

    id_format(ID_TOOL, tool->id, id);
    json_write_init(&w, &request->reply);
    json_write_open_object(&w, NULL);
    json_write_string(&w, "id", id);
    json_write_string(&w, "object", "tool");
    json_write_text(&w, "name", tool->name);
    for (size_t i = 0; i < http_tool_fields.count; i++) {
        const char *name = http_tool_fields.list[i].name;
        struct text value = json_raw_get(tool->definition, name);

        json_write_raw(&w, name, value.ptr ? value : TEXT("null"));
    }
    json_write_raw(&w, "secrets", tool->secrets);
    json_write_int(&w, "version", tool->version);
    json_write_int(&w, "created_at", tool->created_at);
    json_write_int(&w, "updated_at", tool->updated_at);
    json_write_close(&w);
    return 0;
}

/* A tool of the server's own has statistics and nothing else. */
static int missing(struct request *request)
{
    struct text said = request->exchange->params[0];
    const struct tool_kind *kind = tool_kind_find(said);

    if (!kind)
        return request_missing(request, "tool", said);
    return failure_param(&request->failure, 404, NULL, NULL,
                         "'%s' is the type of a tool that nobody declared, and only declared tools "
                         "can be shown, changed and tested. How calls of any tool went: GET "
                         "/v1/tools/{name}/stats.",
                         kind->type);
}

/* "label__tool", as models know them. */
static bool is_of_server(struct text name)
{
    const char *at = memmem(name.ptr, name.len, "__", 2);

    return at && at > name.ptr && at + 2 < name.ptr + name.len;
}

int tool_find(struct request *request, struct stored_tool *out)
{
    struct text said = request->exchange->params[0];
    struct uuid id = {{0}};
    struct error err;
    int r;

    if (!id_parse(ID_TOOL, said, &id) && !tool_name_fits(said))
        return missing(request);
    r = tools_get(&request->store, id, said, out, &err);
    if (r == TOOL_MISSING && is_of_server(said))
        return failure_set(
            &request->failure, 404, NULL, "tool_of_server",
            "'%.*s' would be a tool of a server of MCP, which has no definition "
            "here and is called by workers only. Run an agent that has it; `penstock "
            "doctor` asks the servers of the operator for their tools, and "
            "'mcp_problems' of a run tells of those that it could not have.",
            TEXT_ARGS(text_prefix(said, TOOL_NAME_MAX)));
    if (r == TOOL_MISSING)
        return missing(request);
    return r < 0 ? request_failed(request, &err) : 0;
}

/* ---- what is written ---- */

/* The members of `object` that a definition has, but for those that are null. Into the arena. */
static int write_definition(struct request *request, struct json_object *object, struct text *out)
{
    CLEANUP(buf_deinit) struct buf text = {0};
    struct json_write w;
    struct error err;

    buf_init(&text, 0);
    json_write_init(&w, &text);
    json_write_open_object(&w, NULL);
    for (size_t i = 0; i < http_tool_fields.count; i++) {
        const char *name = http_tool_fields.list[i].name;
        struct json_object *value = json_get(object, name);

        if (value)
            json_write_raw(&w, name, json_text(value));
    }
    json_write_close(&w);
    *out = (struct text){arena_copy(request->store.arena, buf_text(&text)), text.len};
    if (out->ptr && !text.failed)
        return 0;
    (void)error_set(&err, E_LIMIT, "the tool is too large");
    return request_failed(request, &err);
}

static int make_draft(struct request *request, struct json_object *definition,
                      struct text secrets[HTTP_TOOL_SECRETS_MAX + 1], struct tool_draft *draft)
{
    int r = http_tool_check(definition, NULL, &request->failure);

    if (r == 0)
        r = write_definition(request, definition, &draft->definition);
    draft->secrets = secrets;
    draft->secrets_count = http_tool_secrets(definition, secrets);
    return r;
}

static int name_taken(struct request *request, struct text name)
{
    (void)failure_param(&request->failure, 409, "name", "name_taken",
                        "There is a tool '%.*s' already. POST /v1/tools/%.*s changes it.",
                        TEXT_ARGS(name), TEXT_ARGS(name));
    request->failure.retry = RETRY_NO;
    return -E_INVALID;
}

static int tool_create(struct request *request)
{
    struct text secrets[HTTP_TOOL_SECRETS_MAX + 1];
    struct tool_draft draft = {.id = request->object, .name = json_get_text(request->body, "name")};
    struct stored_tool tool;
    struct error err;
    int r = make_draft(request, request->body, secrets, &draft);

    if (r < 0)
        return r;
    r = request->replaying ? tools_get(&request->store, draft.id, TEXT_NONE, &tool, &err)
                           : TOOL_MISSING;
    request->found = r == 0;
    if (r == TOOL_MISSING)
        r = tools_create(&request->store, &draft, &tool, &err);
    if (r == TOOLS_FULL)
        return failure_param(&request->failure, 400, NULL, "too_many_tools",
                             "There are %d tools, and a tenant has no more: delete some.",
                             TENANT_TOOLS_MAX);
    if (r == -E_CONFLICT || r == -E_AMBIGUOUS) {
        int tried = r;

        r = tools_get(&request->store, draft.id, TEXT_NONE, &tool, &err);
        request->found = r == 0 && tried == -E_CONFLICT;
        if (r == TOOL_MISSING && tried == -E_CONFLICT)
            return name_taken(request, draft.name);
        if (r == TOOL_MISSING)
            r = error_set(&err, E_AMBIGUOUS, "not known whether the tool was created");
    }
    return r < 0 ? request_failed(request, &err) : render(request, &tool);
}

/* All that a creation would refuse is refused, and nothing is written. */
static int tool_check(struct request *request)
{
    int r = http_tool_check(request->body, NULL, &request->failure);

    if (r == 0)
        buf_add_string(&request->reply, "{\"object\":\"tool.check\",\"valid\":true}");
    return r;
}

static int tool_get(struct request *request)
{
    struct stored_tool tool;
    int r = tool_find(request, &tool);

    return r < 0 ? r : render(request, &tool);
}

static int tool_list(struct request *request)
{
    struct stored_tool_list tools;
    struct listing list;
    struct error err;
    int r = listing_begin(&list, request, ID_TOOL);

    if (r < 0)
        return r;
    r = tools_list(&request->store, &list.page, &tools, &err);
    if (r < 0)
        return request_failed(request, &err);
    for (size_t i = 0; r == 0 && i < tools.count; i++) {
        listing_add(&list, tools.items[i].id);
        r = render(request, &tools.items[i]);
    }
    listing_end(&list, tools.has_more);
    return r;
}

/* The definition with what the body says; the caller's. */
static int merge(struct request *request, const struct stored_tool *tool, struct json_object **out)
{
    struct json_object *merged = NULL;
    struct error err;
    int r = json_decode(tool->definition, JSON_DEPTH_DEFAULT, &merged, &err);

    if (r < 0)
        return request_failed(request, &err);
    json_object_object_foreach(request->body, name, value)
    {
        if (value)
            json_object_object_add(merged, name, json_object_get(value));
        else
            json_object_object_del(merged, name);
    }
    *out = merged;
    return fields_check(http_tool_fields, merged, NULL, &request->failure);
}

static int tool_update(struct request *request)
{
    for (int i = 0; i < WRITES_MAX; i++) {
        CLEANUP(json_freep) struct json_object *merged = NULL;
        struct text secrets[HTTP_TOOL_SECRETS_MAX + 1];
        struct tool_draft draft = {.name = TEXT_NONE};
        struct stored_tool tool;
        struct error err;
        int r = tool_find(request, &tool);

        if (r == 0)
            r = merge(request, &tool, &merged);
        if (r == 0)
            r = make_draft(request, merged, secrets, &draft);
        if (r < 0)
            return r;
        draft.id = tool.id;
        r = tools_update(&request->store, &draft, tool.version, &tool, &err);
        if (r < 0)
            return request_failed(request, &err);
        if (r == 0)
            return render(request, &tool);
    }
    request->failure.retry = RETRY_YES;
    return failure_param(&request->failure, 503, NULL, "service_unavailable",
                         "The tool is being changed by others all the time. Please try again.");
}

static int tool_used(struct request *request, const struct stored_tool *tool,
                     const struct tool_user *users, size_t count)
{
    char list[3 * (ID_TEXT_SIZE + 70)] = "";
    size_t used = 0;

    for (size_t i = 0; i < count; i++) {
        char id[ID_TEXT_SIZE];
        char name[64];

        id_format(ID_ASSISTANT, users[i].agent, id);
        text_excerpt(users[i].name, name, sizeof(name));
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s%s%s%s", i ? ", " : "", id,
                                 *name ? " (" : "", name, *name ? ")" : "");
    }
    (void)failure_param(&request->failure, 409, NULL, "tool_in_use",
                        "The tool '%.*s' is named by assistants: %s%s. Take it out of their tools "
                        "first.",
                        TEXT_ARGS(tool->name), list, count == TOOL_USERS_SHOWN ? " …" : "");
    request->failure.retry = RETRY_NO;
    return -E_INVALID;
}

static int tool_delete(struct request *request)
{
    struct tool_user users[TOOL_USERS_SHOWN];
    struct stored_tool tool;
    size_t count;
    struct error err;
    int r = tool_find(request, &tool);

    if (r < 0)
        return r;
    r = tools_delete(&request->store, tool.id, tool.name, users, &count, &err);
    if (r == TOOL_MISSING)
        return missing(request);
    if (r == TOOL_USED)
        return tool_used(request, &tool, users, count);
    if (r < 0)
        return request_failed(request, &err);
    request_tell_deleted(request, ID_TOOL, tool.id, "tool.deleted");
    return 0;
}

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_GET, .pattern = "/v1/tools", .handle = tool_list,
     .query = listing_query, .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_POST, .pattern = "/v1/tools", .handle = tool_create,
     .takes = TAKES_JSON, .body = &body_create_tool, .flags = ENDPOINT_CREATES},
    {.method = HTTP_METHOD_POST, .pattern = "/v1/tools/check", .handle = tool_check,
     .takes = TAKES_JSON, .body = &body_create_tool},
    {.method = HTTP_METHOD_GET, .pattern = "/v1/tools/{tool_id}", .handle = tool_get},
    {.method = HTTP_METHOD_POST, .pattern = "/v1/tools/{tool_id}", .handle = tool_update,
     .takes = TAKES_JSON, .body = &body_update_tool},
    {.method = HTTP_METHOD_DELETE, .pattern = "/v1/tools/{tool_id}", .handle = tool_delete,
     .flags = ENDPOINT_LARGE},
};
/* clang-format on */

const struct endpoint_table tool_endpoints = ENDPOINT_TABLE(table);
