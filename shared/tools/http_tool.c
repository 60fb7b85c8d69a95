/* Reading of definitions. */

#include "shared/tools/http_tool.h"

#include "shared/tools/template.h"

#define DEPTH_MAX 64 /* of what is walked through; a definition has less */

static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", NULL};

static const char *method_of(struct json_object *definition)
{
    struct text said = json_get_text(definition, "method");

    for (size_t i = 0; methods[i]; i++)
        if (text_is(said, methods[i]))
            return methods[i];
    return "GET";
}

enum call_class http_tool_class(struct json_object *definition)
{
    const char *method = method_of(definition);
    enum call_class class;

    if (call_class_parse(json_get_text(definition, "class"), &class))
        return class;
    return text_is(TEXT("POST"), method) || text_is(TEXT("PATCH"), method) ? CALL_ONCE
                                                                           : CALL_IDEMPOTENT;
}

void http_tool_read(struct json_object *definition, struct http_tool *out)
{
    *out = (struct http_tool){
        .method = method_of(definition),
        .class = http_tool_class(definition),
        .url = json_get_text(definition, "url"),
        .parameters = json_get(definition, "parameters"),
        .query = json_get(definition, "query"),
        .headers = json_get(definition, "headers"),
        .body = json_get(definition, "body"),
        .allowed_actions = json_get(definition, "allowed_actions"),
        .result_pointer = json_get_text(definition, "result_pointer"),
        .timeout_ms = json_get_int(definition, "timeout_ms", 0),
        .max_result_bytes =
            (size_t)json_get_int(definition, "max_result_bytes", (int64_t)HTTP_TOOL_RESULT_BYTES),
    };
}

struct json_object *http_tool_schema(const struct http_tool *tool)
{
    struct json_object *schema = NULL;
    struct json_object *action;

    if (!tool->parameters ||
        json_object_deep_copy(tool->parameters, &schema, json_c_shallow_copy_default) < 0) {
        schema = json_object_new_object();
        json_object_object_add(schema, "type", json_object_new_string("object"));
        json_object_object_add(schema, "properties", json_object_new_object());
        return schema;
    }
    action = json_get(json_get(schema, "properties"), "action");
    if (tool->allowed_actions && action)
        json_object_object_add(action, "enum", json_object_get(tool->allowed_actions));
    return schema;
}

/* ---- secrets ---- */

struct found_secrets {
    struct text *names;
    size_t count;
};

static void find_in_text(struct text text, struct found_secrets *found)
{
    struct template_piece piece;

    while (template_next(&text, &piece, NULL) == 0) {
        bool known = piece.kind != TEMPLATE_SECRET;

        for (size_t i = 0; !known && i < found->count; i++)
            known = text_equal(found->names[i], piece.text);
        if (!known && found->count <= HTTP_TOOL_SECRETS_MAX)
            found->names[found->count++] = piece.text;
    }
}

static void find_in(struct json_object *value, int depth, struct found_secrets *found)
{
    if (depth > DEPTH_MAX)
        return;
    if (json_object_is_type(value, json_type_string))
        find_in_text(json_string(value), found);
    if (json_object_is_type(value, json_type_array))
        for (size_t i = 0; i < json_object_array_length(value); i++)
            find_in(json_object_array_get_idx(value, i), depth + 1, found);
    if (json_object_is_type(value, json_type_object)) {
        json_object_object_foreach(value, name, member)
        {
            (void)name;
            find_in(member, depth + 1, found);
        }
    }
}

size_t http_tool_secrets(struct json_object *definition, struct text out[HTTP_TOOL_SECRETS_MAX + 1])
{
    static const char *const members[] = {"url", "query", "headers", "body"};
    struct found_secrets found = {out, 0};

    for (size_t i = 0; i < ARRAY_LENGTH(members); i++)
        find_in(json_get(definition, members[i]), 0, &found);
    return found.count;
}

/* ---- headers ---- */

struct text http_tool_header(const struct http_tool *tool, const char *name)
{
    if (!json_object_is_type(tool->headers, json_type_object))
        return TEXT_NONE;
    json_object_object_foreach(tool->headers, key, value)
    {
        if (text_is_nocase(text_of(key), name))
            return json_string(value);
    }
    return TEXT_NONE;
}

bool http_tool_sends_form(const struct http_tool *tool)
{
    return text_starts(http_tool_header(tool, "content-type"), "application/x-www-form-urlencoded");
}
