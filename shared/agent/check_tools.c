/* Checks of what a model may do and how it answers: tools, tool_choice, response_format and their
 * kin.
 *
 * Kinds of tools that OpenAI has and this server has not are refused when the assistant is made,
 * with a sentence that says so, and not when a run has already cost money.
 */

#include "shared/agent/checks.h"

#include "shared/agent/spec.h"
#include "shared/agent/tools/approval.h"
#include "shared/agent/tools/tools.h"

#include "shared/base/error.h"
#include "shared/check/failure.h"
#include "shared/mcp/mcp_member.h"
#include "shared/net/host_entry.h"
#include "shared/schema/schema.h"
#include "shared/secrets/reference.h"

#define CODE_FILES_MAX 20

int check_tool_name(struct json_object *value, const struct path *path, struct failure *failure)
{
    char where[192];

    if (tool_name_fits(json_string(value)))
        return 0;
    path_format(path, where, sizeof(where));
    return failure_set(failure, 400, path, "invalid_value",
                       "Invalid '%s': string does not match pattern. Expected a string that "
                       "matches the pattern '^[a-zA-Z0-9_-]{1,64}$'.",
                       where);
}

/* What the model's arguments or its answer have to look like: better refused here than in each
 * run. */
int check_schema(struct json_object *value, const struct path *path, struct failure *failure)
{
    struct error err;
    char where[192];
    int r = fields_check_numbers(value, path, failure);

    if (r < 0 || schema_validate_schema(value, &err) == 0)
        return r;
    path_format(path, where, sizeof(where));
    return failure_set(failure, 400, path, "invalid_value", "Invalid schema for '%s': %s.", where,
                       err.text);
}

static int check_function(struct json_object *value, const struct path *path,
                          struct failure *failure)
{
    static const struct field list[] = {
        {.name = "name", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .check = check_tool_name},
        {.name = "description", .kind = FIELD_STRING, .flags = FIELD_NULLABLE, .max = 4096},
        {.name = "parameters",
         .kind = FIELD_OBJECT,
         .flags = FIELD_NULLABLE,
         .check = check_schema},
        {.name = "strict", .kind = FIELD_BOOLEAN, .flags = FIELD_NULLABLE},
    };

    return fields_check(FIELDS(list), value, path, failure);
}

static int check_tool_type(struct json_object *value, const struct path *path,
                           struct failure *failure)
{
    struct text type = json_string(value);
    const struct tool_kind *kind = tool_kind_find(type);
    char list[320];

    if (tool_is_declared(type))
        return 0; /* whether there is one is known to the database */
    if (!kind || kind->executor != TOOL_BY_NOBODY)
        return fields_word(type, tool_types_offered(), path, failure);
    words_format(tool_types_offered(), list, sizeof(list));
    return failure_set(failure, 400, path, "unsupported_value",
                       "The tool '%s' is not offered here. Supported values are: %s.", kind->type,
                       list);
}

static int check_action(struct json_object *value, const struct path *path, struct failure *failure)
{
    return fields_expect(FIELD_STRING, value, path, failure);
}

static int check_actions(struct json_object *value, const struct path *path,
                         struct failure *failure)
{
    return fields_each(value, path, check_action, failure);
}

static int check_server(struct json_object *value, const struct path *path, struct failure *failure)
{
    struct path approval = {path, "require_approval", 0};
    int r = mcp_member_check(value, path, failure);

    return r == 0 ? check_server_approval(json_get(value, "require_approval"), &approval, failure)
                  : r;
}

/* What a definition has, and who names one has not. */
static int check_not_here(struct json_object *value, const struct path *path,
                          struct failure *failure)
{
    bool is_name = strcmp(path->name, "name") == 0 && tool_name_fits(json_string(value));
    char where[192];

    path_format(path, where, sizeof(where));
    return failure_set(failure, 400, path, "unknown_parameter",
                       "Unknown parameter: '%s'. A tool that was declared (POST /v1/tools) is "
                       "named by its type alone: {\"type\": \"%s\"}.",
                       where, is_name ? json_string(value).ptr : "order_lookup");
}

/* A tool of one of these types. What happens when a call is repeated is for those to say that have
 * a class. */
static int check_tool(struct json_object *value, const struct path *path, struct failure *failure)
{
    static const struct field server[] = {
        {.name = "type", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .check = check_tool_type},
        APPROVAL_FIELDS,
    };
    const struct field with_class[] = {
        {.name = "type", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .check = check_tool_type},
        {.name = "class", .kind = FIELD_STRING, .flags = FIELD_NULLABLE, .words = tool_classes},
        APPROVAL_FIELDS,
    };
    static const struct field declared[] = {
        {.name = "type", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .check = check_tool_type},
        {.name = "allowed_actions",
         .kind = FIELD_ARRAY,
         .flags = FIELD_NULLABLE,
         .min = 1,
         .max = 64,
         .check = check_actions},
        {.name = "name", .flags = FIELD_ELSEWHERE, .kind = FIELD_ANY, .check = check_not_here},
        {.name = "url", .flags = FIELD_ELSEWHERE, .kind = FIELD_ANY, .check = check_not_here},
        APPROVAL_FIELDS,
    };
    static const struct field function[] = {
        {.name = "type", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
        {.name = "function",
         .kind = FIELD_OBJECT,
         .flags = FIELD_REQUIRED,
         .check = check_function},
    };
    struct path type = {path, "type", 0};
    const struct tool_kind *kind = tool_kind_find(json_get_text(value, "type"));
    int r = fields_expect(FIELD_OBJECT, value, path, failure);

    if (r < 0)
        return r;
    if (kind && kind->executor == TOOL_BY_CLIENT)
        return fields_check(FIELDS(function), value, path, failure);
    if (mcp_is_member(value))
        return check_server(value, path, failure);
    if (json_get_text(value, "type").ptr) {
        r = check_tool_type(json_get(value, "type"), &type, failure);
        if (r < 0)
            return r;
    }
    if (tool_is_declared(json_get_text(value, "type")))
        return fields_check(FIELDS(declared), value, path, failure);
    if (check_is_web(json_get_text(value, "type")))
        return check_web_tool(value, path, failure);
    if (kind && kind->has_class)
        return fields_check(FIELDS(with_class), value, path, failure);
    return fields_check(FIELDS(server), value, path, failure);
}

static int check_servers(struct json_object *value, const struct path *path,
                         struct failure *failure)
{
    size_t count = 0;

    for (size_t i = 0; i < json_object_array_length(value); i++)
        count += mcp_is_member(json_object_array_get_idx(value, i));
    if (count <= MCP_SERVERS_MAX)
        return 0;
    return failure_set(failure, 400, path, "invalid_value",
                       "Too many tools of the type 'mcp': expected %d at most.", MCP_SERVERS_MAX);
}

int check_tools(struct json_object *value, const struct path *path, struct failure *failure)
{
    size_t count = json_object_array_length(value);
    int r = fields_each(value, path, check_tool, failure);

    if (r == 0)
        r = check_servers(value, path, failure);
    if (r < 0)
        return r;
    for (size_t i = 1; i < count; i++) {
        struct text name = tool_spec_name(json_object_array_get_idx(value, i));
        struct path item = {path, NULL, i};

        for (size_t k = 0; k < i; k++)
            if (text_equal(name, tool_spec_name(json_object_array_get_idx(value, k))))
                return failure_set(failure, 400, &item, "duplicate_value",
                                   "Duplicate tool '%.*s': the names of an assistant's tools must "
                                   "differ.",
                                   TEXT_ARGS(name));
    }
    return 0;
}

/* What is a word, or an object of one of these types. */
struct word_or_object {
    const char *const *words;
    const char *expected; /* "… or an object" */
    const char *type;     /* objects of this type have a table of their own */
    struct fields of_type;
    struct fields of_others;
};

static int check_word_or_object(const struct word_or_object *shape, struct json_object *value,
                                const struct path *path, struct failure *failure)
{
    char where[192];

    if (json_object_is_type(value, json_type_string))
        return fields_word(json_string(value), shape->words, path, failure);
    if (json_object_is_type(value, json_type_object))
        return fields_check(text_is(json_get_text(value, "type"), shape->type) ? shape->of_type
                                                                               : shape->of_others,
                            value, path, failure);
    path_format(path, where, sizeof(where));
    return failure_set(failure, 400, path, "invalid_type",
                       "Invalid type for '%s': expected %s or an object.", where, shape->expected);
}

static int check_choice_function(struct json_object *value, const struct path *path,
                                 struct failure *failure)
{
    static const struct field list[] = {
        {.name = "name", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .check = check_tool_name},
    };

    return fields_check(FIELDS(list), value, path, failure);
}

int check_tool_choice(struct json_object *value, const struct path *path, struct failure *failure)
{
    static const char *const words[] = {"none", "auto", "required", NULL};
    static const struct field server[] = {
        {.name = "type", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .check = check_tool_type},
    };
    static const struct field function[] = {
        {.name = "type", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
        {.name = "function",
         .kind = FIELD_OBJECT,
         .flags = FIELD_REQUIRED,
         .check = check_choice_function},
    };
    static const struct field of_server[] = {
        {.name = "type", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
        {.name = "server_label",
         .kind = FIELD_STRING,
         .flags = FIELD_REQUIRED,
         .min = 1,
         .max = MCP_LABEL_MAX},
        {.name = "name", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .min = 1, .max = 128},
    };
    const struct word_or_object shape = {words, "one of 'none', 'auto', 'required'", "function",
                                         FIELDS(function),
                                         mcp_is_member(value) ? FIELDS(of_server) : FIELDS(server)};

    return check_word_or_object(&shape, value, path, failure);
}

static int check_json_schema(struct json_object *value, const struct path *path,
                             struct failure *failure)
{
    static const struct field list[] = {
        {.name = "name", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .check = check_tool_name},
        {.name = "description", .kind = FIELD_STRING, .flags = FIELD_NULLABLE, .max = 4096},
        {.name = "schema", .kind = FIELD_OBJECT, .flags = FIELD_NULLABLE, .check = check_schema},
        {.name = "strict", .kind = FIELD_BOOLEAN, .flags = FIELD_NULLABLE},
    };

    return fields_check(FIELDS(list), value, path, failure);
}

int check_response_format(struct json_object *value, const struct path *path,
                          struct failure *failure)
{
    static const char *const words[] = {"auto", NULL};
    static const char *const types[] = {"text", "json_object", "json_schema", NULL};
    static const struct field plain[] = {
        {.name = "type", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .words = types},
    };
    static const struct field schema[] = {
        {.name = "type", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
        {.name = "json_schema",
         .kind = FIELD_OBJECT,
         .flags = FIELD_REQUIRED,
         .check = check_json_schema},
    };
    const struct word_or_object shape = {words, "'auto'", "json_schema", FIELDS(schema),
                                         FIELDS(plain)};

    return check_word_or_object(&shape, value, path, failure);
}

int check_truncation(struct json_object *value, const struct path *path, struct failure *failure)
{
    static const char *const types[] = {"auto", "last_messages", NULL};
    static const struct field list[] = {
        {.name = "type", .kind = FIELD_STRING, .flags = FIELD_REQUIRED, .words = types},
        {.name = "last_messages",
         .kind = FIELD_INTEGER,
         .flags = FIELD_NULLABLE,
         .min = 1,
         .max = INT32_MAX},
    };
    struct path member = {path, "last_messages", 0};
    char where[192];
    int r = fields_check(FIELDS(list), value, path, failure);

    if (r < 0 || text_is(json_get_text(value, "type"), "auto") || json_get(value, "last_messages"))
        return r;
    path_format(&member, where, sizeof(where));
    return failure_set(failure, 400, &member, "missing_required_parameter",
                       "Missing required parameter: '%s'. The type 'last_messages' needs it.",
                       where);
}

static int check_host(struct json_object *value, const struct path *path, struct failure *failure)
{
    struct host_entry entry;
    char shown[64];
    int r = fields_expect(FIELD_STRING, value, path, failure);

    if (r < 0 || host_entry_parse(json_string(value), &entry, NULL) == 0)
        return r;
    text_excerpt(json_string(value), shown, sizeof(shown));
    return failure_set(failure, 400, path, "invalid_value",
                       "Invalid host: '%s'. Expected 'host', '*.host' or 'host:port', without a "
                       "scheme or a path.",
                       shown);
}

int check_http_allow(struct json_object *value, const struct path *path, struct failure *failure)
{
    return fields_each(value, path, check_host, failure);
}

static int check_secret(struct json_object *value, const struct path *path, struct failure *failure)
{
    int r = fields_expect(FIELD_STRING, value, path, failure);

    if (r < 0 || secret_name_fits(json_string(value)))
        return r;
    return failure_set(failure, 400, path, "invalid_value",
                       "Invalid secret: expected the name of one, which matches "
                       "^[A-Za-z_][A-Za-z0-9_]{0,63}$.");
}

int check_secrets(struct json_object *value, const struct path *path, struct failure *failure)
{
    return fields_each(value, path, check_secret, failure);
}

static int check_no_files(struct json_object *value, const struct path *path,
                          struct failure *failure)
{
    char where[192];

    if (json_object_array_length(value) == 0)
        return 0;
    path_format(path, where, sizeof(where));
    return failure_set(failure, 400, path, "unsupported_value",
                       "'%s' must be empty: the tools that would read them are not offered here.",
                       where);
}

static int check_file_id(struct json_object *value, const struct path *path,
                         struct failure *failure)
{
    static const struct field id = {.kind = FIELD_STRING, .min = 1, .max = 64};

    return fields_check_one(&id, value, path, failure);
}

static int check_file_ids(struct json_object *value, const struct path *path,
                          struct failure *failure)
{
    return fields_each(value, path, check_file_id, failure);
}

/* Files of programs: whether they are there is seen when a program is to have them. */
static int check_code_resource(struct json_object *value, const struct path *path,
                               struct failure *failure)
{
    static const struct field list[] = {
        {.name = "file_ids",
         .kind = FIELD_ARRAY,
         .flags = FIELD_NULLABLE,
         .max = CODE_FILES_MAX,
         .check = check_file_ids},
    };

    return fields_check(FIELDS(list), value, path, failure);
}

static int check_resource(struct json_object *value, const struct path *path,
                          struct failure *failure)
{
    static const struct field list[] = {
        {.name = "file_ids", .kind = FIELD_ARRAY, .flags = FIELD_NULLABLE, .check = check_no_files},
        {.name = "vector_store_ids",
         .kind = FIELD_ARRAY,
         .flags = FIELD_NULLABLE,
         .check = check_no_files},
        {.name = "vector_stores",
         .kind = FIELD_ARRAY,
         .flags = FIELD_NULLABLE,
         .check = check_no_files},
    };

    return fields_check(FIELDS(list), value, path, failure);
}

int check_tool_resources(struct json_object *value, const struct path *path,
                         struct failure *failure)
{
    static const struct field list[] = {
        {.name = "code_interpreter",
         .kind = FIELD_OBJECT,
         .flags = FIELD_NULLABLE,
         .check = check_code_resource},
        {.name = "file_search",
         .kind = FIELD_OBJECT,
         .flags = FIELD_NULLABLE,
         .check = check_resource},
    };

    return fields_check(FIELDS(list), value, path, failure);
}

int check_model(struct json_object *value, const struct path *path, struct failure *failure)
{
    struct text model = json_string(value);

    for (size_t i = 0; i < model.len; i++)
        if ((unsigned char)model.ptr[i] <= ' ')
            return failure_set(failure, 400, path, "invalid_value",
                               "Invalid 'model': a model's name holds no blanks.");
    return 0;
}

static int check_fallback(struct json_object *value, const struct path *path,
                          struct failure *failure)
{
    size_t length = text_characters(json_string(value));
    char where[64];
    int r = fields_expect(FIELD_STRING, value, path, failure);

    if (r < 0)
        return r;
    path_format(path, where, sizeof(where));
    if (length == 0 || length > AGENT_MODEL_MAX)
        return failure_set(failure, 400, path, "invalid_value",
                           "Invalid '%s': expected the name of a model, of 1 to %d characters.",
                           where, AGENT_MODEL_MAX);
    return check_model(value, path, failure);
}

int check_fallbacks(struct json_object *value, const struct path *path, struct failure *failure)
{
    int r = fields_each(value, path, check_fallback, failure);

    for (size_t i = 0; r == 0 && i < json_object_array_length(value); i++)
        for (size_t before = 0; r == 0 && before < i; before++)
            if (text_equal(json_string(json_object_array_get_idx(value, before)),
                           json_string(json_object_array_get_idx(value, i))))
                r = failure_set(failure, 400, path, "invalid_value",
                                "Invalid 'fallbacks': a model is named twice.");
    return r;
}
