/* Checks of definitions: what is wrong is found when a tool is made, and not when a run has cost
 * money. */

#include "shared/tools/http_tool.h"

#include <string.h>

#include "shared/base/error.h"
#include "shared/check/failure.h"
#include "shared/check/header_rules.h"
#include "shared/http_client/http_target.h"
#include "shared/schema/schema.h"
#include "shared/tools/json_template.h"
#include "shared/tools/url_template.h"

#define PARAMETERS_BYTES_MAX ((size_t)16384)
#define ACTIONS_MAX          64
#define QUERY_MAX            64

static const char *const types[] = {"http", NULL};
static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", NULL};
static const char *const classes[] = {"pure", "idempotent", "once", NULL};

static int check_any(struct json_object *value, const struct path *path, struct failure *failure)
{
    return fields_check_numbers(value, path, failure);
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

static const struct field list[] = {
    {"type", FIELD_STRING, FIELD_REQUIRED, 0, 0, types, NULL},
    {"description", FIELD_STRING, FIELD_NULLABLE, 0, HTTP_TOOL_DESCRIPTION_MAX, NULL, NULL},
    {"parameters", FIELD_OBJECT, FIELD_NULLABLE, 0, 0, NULL, check_any},
    {"method", FIELD_STRING, FIELD_NULLABLE, 0, 0, methods, NULL},
    {"url", FIELD_STRING, FIELD_REQUIRED, 1, 4096, NULL, NULL},
    {"query", FIELD_OBJECT, FIELD_NULLABLE, 0, 0, NULL, check_any},
    {"headers", FIELD_OBJECT, FIELD_NULLABLE, 0, 0, NULL, check_any},
    {"body", FIELD_ANY, FIELD_NULLABLE, 0, 0, NULL, check_any},
    {"result_pointer", FIELD_STRING, FIELD_NULLABLE, 0, HTTP_TOOL_RESULT_POINTER_MAX, NULL, NULL},
    {"class", FIELD_STRING, FIELD_NULLABLE, 0, 0, classes, NULL},
    {"timeout_ms", FIELD_INTEGER, FIELD_NULLABLE, 100, HTTP_TOOL_TIMEOUT_MAX_MS, NULL, NULL},
    {"max_result_bytes", FIELD_INTEGER, FIELD_NULLABLE, 256, (int64_t)HTTP_TOOL_RESULT_BYTES_MAX,
     NULL, NULL},
    {"allowed_actions", FIELD_ARRAY, FIELD_NULLABLE, 1, ACTIONS_MAX, NULL, check_actions},
};

const struct fields http_tool_fields = {list, ARRAY_LENGTH(list), sizeof(list[0]), NULL, 0};

struct checking {
    const struct path *path; /* of the definition; NULL: the body itself */
    struct failure *failure;
    struct http_tool tool;
};

static int wrong(const struct checking *checking, const char *member, const struct error *err)
{
    struct path path = {checking->path, member, 0};
    char where[96];

    path_format(&path, where, sizeof(where));
    return failure_set(checking->failure, 400, &path, "invalid_value", "Invalid '%s': %s.", where,
                       err->text);
}

/* ---- parameters ---- */

static struct json_object *property(const struct http_tool *tool, struct text name)
{
    char key[96];

    text_excerpt(name, key, sizeof(key));
    return json_get(json_get(tool->parameters, "properties"), key);
}

static bool is_always_there(const struct http_tool *tool, struct text name)
{
    struct json_object *required = json_get(tool->parameters, "required");

    if (json_get(property(tool, name), "default"))
        return true;
    for (size_t i = 0;
         json_object_is_type(required, json_type_array) && i < json_object_array_length(required);
         i++)
        if (text_equal(json_string(json_object_array_get_idx(required, i)), name))
            return true;
    return false;
}

static int check_parameters(const struct checking *checking)
{
    struct json_object *parameters = checking->tool.parameters;
    struct error err;
    int r = 0;

    if (!parameters)
        return 0;
    if (json_text(parameters).len > PARAMETERS_BYTES_MAX)
        r = error_set(&err, E_INVALID, "it is larger than %zu bytes", PARAMETERS_BYTES_MAX);
    else if (!text_is(json_get_text(parameters, "type"), "object"))
        r = error_set(&err, E_INVALID, "expected a JSON Schema of the type \"object\"");
    else
        r = schema_validate_schema(parameters, &err);
    return r < 0 ? wrong(checking, "parameters", &err) : 0;
}

/* Its parameters are there. Returns 0 or -E_INVALID. */
static int check_template(const struct http_tool *tool, struct text template, bool always,
                          struct error *err)
{
    struct template_piece piece;
    int r;

    while ((r = template_next(&template, &piece, err)) == 0) {
        if (piece.kind != TEMPLATE_PARAMETER)
            continue;
        if (!property(tool, piece.text))
            return error_set(err, E_INVALID, "{{%.*s}} is none of the properties of \"parameters\"",
                             TEXT_ARGS(piece.text));
        if (always && !is_always_there(tool, piece.text))
            return error_set(err, E_INVALID,
                             "{{%.*s}} stands in the path, so it must be required or have a "
                             "default",
                             TEXT_ARGS(piece.text));
    }
    return r < 0 ? r : 0;
}

/* ---- url ---- */

/* A parameter in the host: all that it may be stands in its schema. */
static int check_host_parameter(const struct http_tool *tool, struct text name, struct error *err)
{
    struct json_object *words = json_get(property(tool, name), "enum");
    bool right = json_object_is_type(words, json_type_array) && is_always_there(tool, name);

    for (size_t i = 0; right && i < json_object_array_length(words); i++)
        right = url_host_fits(json_string(json_object_array_get_idx(words, i)));
    if (right)
        return 0;
    return error_set(err, E_INVALID,
                     "{{%.*s}} stands in the host, so it must be required and have an \"enum\" of "
                     "words that may stand there",
                     TEXT_ARGS(name));
}

static int check_origin(const struct http_tool *tool, struct text origin, struct error *err)
{
    CLEANUP(buf_deinit) struct buf filled;
    struct http_target target = {.url = NULL};
    struct template_piece piece;
    int r;

    buf_init(&filled, 0);
    while ((r = template_next(&origin, &piece, err)) == 0) {
        if (piece.kind == TEMPLATE_SECRET)
            return error_set(err, E_INVALID, "a secret can't stand in the host");
        if (piece.kind == TEMPLATE_PARAMETER)
            r = check_host_parameter(tool, piece.text, err);
        if (r < 0)
            return r;
        buf_add_text(&filled, piece.kind == TEMPLATE_TEXT ? piece.text : TEXT("1"));
    }
    if (r < 0)
        return r;
    buf_add_char(&filled, '/');
    r = http_target_parse(buf_string(&filled), &target, err);
    http_target_deinit(&target);
    return r;
}

static int check_url(const struct checking *checking)
{
    const struct http_tool *tool = &checking->tool;
    struct url_template url;
    struct error err;
    int r = url_template_split(tool->url, &url, &err);

    if (r == 0)
        r = check_template(tool, url.origin, false, &err);
    if (r == 0)
        r = check_template(tool, url.path, true, &err);
    if (r == 0)
        r = check_template(tool, url.query, false, &err);
    if (r == 0)
        r = check_origin(tool, url.origin, &err);
    if (r == 0)
        r = url_template_check(&url, &err);
    return r < 0 ? wrong(checking, "url", &err) : 0;
}

/* ---- query, headers, body ---- */

static bool is_scalar(struct json_object *value)
{
    return json_object_is_type(value, json_type_string) ||
           json_object_is_type(value, json_type_int) ||
           json_object_is_type(value, json_type_double) ||
           json_object_is_type(value, json_type_boolean);
}

static int check_pairs(const struct checking *checking, const char *member,
                       struct json_object *pairs)
{
    struct error err;

    if (json_object_object_length(pairs) > QUERY_MAX) {
        (void)error_set(&err, E_INVALID, "it has more than %d members", QUERY_MAX);
        return wrong(checking, member, &err);
    }
    json_object_object_foreach(pairs, name, value)
    {
        int r = 0;

        (void)name;
        if (!is_scalar(value))
            r = error_set(&err, E_INVALID, "its members are strings, numbers or booleans");
        else if (json_string(value).ptr)
            r = check_template(&checking->tool, json_string(value), false, &err);
        if (r < 0)
            return wrong(checking, member, &err);
    }
    return 0;
}

static int check_header(const struct http_tool *tool, struct text name, struct json_object *value,
                        struct error *err)
{
    struct text template = json_string(value);

    if (!header_name_fits(name))
        return error_set(err, E_INVALID, "it holds a name that is no header name");
    if (header_is_reserved(name) || text_is_nocase(name, "idempotency-key"))
        return error_set(err, E_INVALID, "the header %.*s is not a tool's to set", TEXT_ARGS(name));
    if (!template.ptr)
        return error_set(err, E_INVALID, "the header %.*s must be a string", TEXT_ARGS(name));
    if (!header_value_fits(template))
        return error_set(err, E_INVALID,
                         "the header %.*s holds a line break or another control character, or is "
                         "longer than %zu bytes",
                         TEXT_ARGS(name), TOOL_HEADER_VALUE_BYTES);
    if (text_is_nocase(name, "content-type") &&
        (strstr(template.ptr, "{{") || strstr(template.ptr, "${")))
        return error_set(err, E_INVALID,
                         "the Content-Type says how the body is written: it can't "
                         "be a template");
    return check_template(tool, template, false, err);
}

static int check_headers(const struct checking *checking)
{
    const struct http_tool *tool = &checking->tool;
    struct error err;
    int r = 0;

    if (!tool->headers)
        return 0;
    if (json_object_object_length(tool->headers) > TOOL_HEADERS_MAX)
        r = error_set(&err, E_INVALID, "it holds more than %d headers", TOOL_HEADERS_MAX);
    if (r == 0) {
        json_object_object_foreach(tool->headers, name, value)
        {
            r = check_header(tool, text_of(name), value, &err);
            if (r < 0)
                break;
        }
    }
    return r < 0 ? wrong(checking, "headers", &err) : 0;
}

static int check_leaves(const struct http_tool *tool, struct json_object *value, int depth,
                        struct error *err)
{
    int r = 0;

    if (depth > BODY_DEPTH_MAX)
        return error_set(err, E_INVALID, "it is nested more than %d levels deep", BODY_DEPTH_MAX);
    if (json_object_is_type(value, json_type_string))
        return check_template(tool, json_string(value), false, err);
    if (json_object_is_type(value, json_type_array))
        for (size_t i = 0; r == 0 && i < json_object_array_length(value); i++)
            r = check_leaves(tool, json_object_array_get_idx(value, i), depth + 1, err);
    if (json_object_is_type(value, json_type_object)) {
        json_object_object_foreach(value, name, member)
        {
            (void)name;
            r = check_leaves(tool, member, depth + 1, err);
            if (r < 0)
                break;
        }
    }
    return r;
}

static bool is_plain(struct text template)
{
    struct template_piece piece;
    int r;

    while ((r = template_next(&template, &piece, NULL)) == 0)
        if (piece.kind != TEMPLATE_TEXT)
            return false;
    return r == TEMPLATE_END;
}

static int check_text_body(const struct http_tool *tool, struct text body, struct error *err)
{
    struct text type = http_tool_header(tool, "content-type");
    int r = check_template(tool, body, false, err);

    if (r < 0 || is_plain(body))
        return r;
    if (type.ptr && !memmem(type.ptr, type.len, "json", 4))
        return error_set(err, E_INVALID,
                         "values can't be put into a body of the type %.*s: write an object, which "
                         "is sent as JSON or as a form, or the text of a JSON document",
                         (int)text_prefix(type, 60).len, type.ptr);
    r = json_text_check(body, err);
    return r < 0 ? error_wrap(err, "with its places filled it is no JSON") : 0;
}

static int check_body(const struct checking *checking)
{
    const struct http_tool *tool = &checking->tool;
    struct error err;
    int r = 0;

    if (!tool->body)
        return 0;
    if (strcmp(tool->method, "GET") == 0 || strcmp(tool->method, "HEAD") == 0)
        r = error_set(&err, E_INVALID, "a %s request has no body", tool->method);
    else if (json_object_is_type(tool->body, json_type_string))
        r = check_text_body(tool, json_string(tool->body), &err);
    else if (!json_object_is_type(tool->body, json_type_object) &&
             !json_object_is_type(tool->body, json_type_array))
        r = error_set(&err, E_INVALID, "expected an object, an array or a string");
    else if (http_tool_sends_form(tool) && !json_object_is_type(tool->body, json_type_object))
        r = error_set(&err, E_INVALID, "a form is an object");
    else if (http_tool_sends_form(tool))
        return check_pairs(checking, "body", tool->body);
    else
        r = check_leaves(tool, tool->body, 1, &err);
    return r < 0 ? wrong(checking, "body", &err) : 0;
}

/* ---- the rest ---- */

/* RFC 6901. */
static int check_pointer(const struct checking *checking)
{
    struct text pointer = checking->tool.result_pointer;
    struct error err;
    bool right = pointer.len == 0 || pointer.ptr[0] == '/';

    for (size_t i = 0; right && i < pointer.len; i++)
        right = pointer.ptr[i] != '~' ||
                (i + 1 < pointer.len && (pointer.ptr[i + 1] == '0' || pointer.ptr[i + 1] == '1'));
    if (right)
        return 0;
    (void)error_set(&err, E_INVALID, "expected a JSON pointer (RFC 6901), such as /data/0/name");
    return wrong(checking, "result_pointer", &err);
}

static int check_allowed_actions(const struct checking *checking)
{
    const struct http_tool *tool = &checking->tool;
    struct error err;

    if (!tool->allowed_actions ||
        text_is(json_get_text(property(tool, TEXT("action")), "type"), "string"))
        return 0;
    (void)error_set(&err, E_INVALID,
                    "it narrows the parameter \"action\", which must be there and be a string");
    return wrong(checking, "allowed_actions", &err);
}

static int check_secrets(const struct checking *checking, struct json_object *definition)
{
    struct text names[HTTP_TOOL_SECRETS_MAX + 1];

    if (http_tool_secrets(definition, names) <= HTTP_TOOL_SECRETS_MAX)
        return 0;
    return failure_set(checking->failure, 400, checking->path, "invalid_value",
                       "A tool refers to at most %d secrets.", HTTP_TOOL_SECRETS_MAX);
}

int http_tool_check(struct json_object *definition, const struct path *path,
                    struct failure *failure)
{
    struct checking checking = {path, failure, {0}};
    int r;

    http_tool_read(definition, &checking.tool);
    if (json_text(definition).len > HTTP_TOOL_BYTES_MAX)
        return failure_set(failure, 400, path, "string_above_max_length",
                           "The tool is larger than %zu bytes as JSON.", HTTP_TOOL_BYTES_MAX);
    r = check_parameters(&checking);
    if (r == 0)
        r = check_url(&checking);
    if (r == 0 && checking.tool.query)
        r = check_pairs(&checking, "query", checking.tool.query);
    if (r == 0)
        r = check_headers(&checking);
    if (r == 0)
        r = check_body(&checking);
    if (r == 0)
        r = check_pointer(&checking);
    if (r == 0)
        r = check_allowed_actions(&checking);
    return r == 0 ? check_secrets(&checking, definition) : r;
}
