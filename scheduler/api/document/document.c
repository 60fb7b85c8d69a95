/* Paths, and putting all together. */

#include "scheduler/api/document/document.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "shared/base/error.h"
#include "shared/yaml/yaml_json.h"

#define FILE_NAME "openapi.yaml"

struct making {
    const struct endpoints *endpoints;
    struct json_object *document;
    struct error *err;
};

/* An operation of the document and the endpoint that is it. */
struct operation {
    const struct endpoint *endpoint;
    struct json_object *path; /* of the document, with what all of its methods have */
    struct json_object *said;
    char where[160];
};

static const char *method_of(const struct endpoint *endpoint, char out[16])
{
    const char *name = http_method_name(endpoint->method);
    size_t i;

    for (i = 0; name[i] && i < 15; i++)
        out[i] = (char)(name[i] | 0x20);
    out[i] = '\0';
    return out;
}

/* ---- parameters ---- */

static struct json_object *array_of(struct json_object *object, const char *name)
{
    struct json_object *array = json_get(object, name);

    if (array)
        return array;
    array = json_object_new_array();
    json_object_object_add(object, name, array);
    return array;
}

/* What {"$ref": "#/components/KIND/X"} is about; the object itself where it is none. */
static struct json_object *resolve(const struct making *making, struct json_object *object)
{
    static const char prefix[] = "#/components/";
    const char *ref = json_get_string(object, "$ref");
    char kind[32];
    char name[64];

    if (!ref || strncmp(ref, prefix, sizeof(prefix) - 1) != 0 ||
        sscanf(ref + sizeof(prefix) - 1, "%31[a-zA-Z]/%63s", kind, name) != 2)
        return object;
    return json_path(making->document, "components", kind, name, NULL);
}

static bool has_parameter(const struct making *making, struct json_object *object, const char *in,
                          const char *name)
{
    struct json_object *parameters = json_get(object, "parameters");
    size_t count = parameters ? json_object_array_length(parameters) : 0;

    for (size_t i = 0; i < count; i++) {
        struct json_object *parameter = resolve(making, json_object_array_get_idx(parameters, i));

        if (text_is(json_get_text(parameter, "in"), in) &&
            text_is(json_get_text(parameter, "name"), name))
            return true;
    }
    return false;
}

static void add_parameter(const struct making *making, struct operation *operation, const char *in,
                          const char *name)
{
    struct json_object *parameter;
    struct json_object *schema;

    if (has_parameter(making, operation->said, in, name) ||
        has_parameter(making, operation->path, in, name))
        return;
    parameter = json_object_new_object();
    schema = json_object_new_object();
    json_object_object_add(parameter, "name", json_object_new_string(name));
    json_object_object_add(parameter, "in", json_object_new_string(in));
    json_object_object_add(parameter, "required", json_object_new_boolean(strcmp(in, "path") == 0));
    json_object_object_add(schema, "type", json_object_new_string("string"));
    json_object_object_add(parameter, "schema", schema);
    json_object_array_add(array_of(operation->said, "parameters"), parameter);
}

static void add_path_parameters(const struct making *making, struct operation *operation)
{
    char name[64];

    for (const char *at = operation->endpoint->pattern; (at = strchr(at, '{')); at++)
        if (sscanf(at, "{%63[^}]}", name) == 1)
            add_parameter(making, operation, "path", name);
}

static bool takes_query(const struct endpoint *endpoint, struct text name)
{
    for (const char *const *known = endpoint->query; known && *known; known++)
        if (text_is(name, *known))
            return true;
    return false;
}

static int check_parameters(const struct making *making, const struct operation *operation,
                            struct json_object *parameters)
{
    size_t count = parameters ? json_object_array_length(parameters) : 0;

    for (size_t i = 0; i < count; i++) {
        struct json_object *parameter = resolve(making, json_object_array_get_idx(parameters, i));
        struct text name = json_get_text(parameter, "name");

        if (text_is(json_get_text(parameter, "in"), "query") &&
            !takes_query(operation->endpoint, name))
            return error_set(making->err, E_INVALID,
                             "%s: \"%.*s\" is in the document and not in the table of the query",
                             operation->where, TEXT_ARGS(name));
    }
    return 0;
}

static int fill_parameters(const struct making *making, struct operation *operation)
{
    int r = check_parameters(making, operation, json_get(operation->said, "parameters"));

    if (r < 0)
        return r;
    add_path_parameters(making, operation);
    for (const char *const *name = operation->endpoint->query; name && *name; name++)
        add_parameter(making, operation, "query", *name);
    return 0;
}

/* ---- bodies ---- */

static int fill_body(const struct making *making, struct operation *operation)
{
    struct json_object *said =
        json_path(operation->said, "requestBody", "content", "application/json", "schema", NULL);
    struct json_object *schema = resolve(making, said);

    if (operation->endpoint->takes != TAKES_JSON) {
        if (!said)
            return 0;
        return error_set(making->err, E_INVALID, "%s: it takes no JSON", operation->where);
    }
    if (!schema)
        return error_set(making->err, E_INVALID,
                         "%s: it takes JSON, and the document has no schema", operation->where);
    /* Here, since replies may have the schema as a part of theirs. */
    json_object_object_add(said, "unevaluatedProperties", json_object_new_boolean(false));
    return document_body(schema, operation->endpoint->body, operation->where, making->err);
}

/* ---- all of them ---- */

/* "post", "/v1/threads/{thread_id}/runs" -> "postThreadsRuns", unless the document says another. */
static void add_id(struct operation *operation, const char *method)
{
    CLEANUP(buf_deinit) struct buf id;
    bool upper = true;

    if (json_has(operation->said, "operationId"))
        return;
    buf_init(&id, 0);
    buf_add_string(&id, method);
    for (const char *at = operation->endpoint->pattern + strlen("/v1"); *at; at++) {
        if ((*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9')) {
            buf_add_char(&id, (char)(upper && *at >= 'a' ? *at - 0x20 : *at));
            upper = false;
        } else if (*at != '}') {
            upper = true;
        }
        if (*at == '{')
            buf_add_string(&id, "By");
    }
    json_object_object_add(operation->said, "operationId", json_object_new_string(buf_string(&id)));
}

/* Pages show operations in groups: by the first word of their path. */
static void add_tag(struct operation *operation)
{
    const char *word = operation->endpoint->pattern + strlen("/v1/");
    struct json_object *tags;

    if (json_has(operation->said, "tags"))
        return;
    tags = json_object_new_array();
    json_object_array_add(tags, json_object_new_string_len(word, (int)strcspn(word, "/.")));
    json_object_object_add(operation->said, "tags", tags);
}

static int fill_operation(const struct making *making, const struct endpoint *endpoint)
{
    struct operation operation = {.endpoint = endpoint};
    char method[16];
    int r;

    method_of(endpoint, method);
    (void)snprintf(operation.where, sizeof(operation.where), FILE_NAME ": %s %s", method,
                   endpoint->pattern);
    operation.path = json_path(making->document, "paths", endpoint->pattern, NULL);
    operation.said = json_get(operation.path, method);
    if (!operation.said)
        return error_set(making->err, E_INVALID, "%s: it is served, and not in the document",
                         operation.where);
    r = fill_parameters(making, &operation);
    if (r == 0)
        r = fill_body(making, &operation);
    add_id(&operation, method);
    add_tag(&operation);
    return r;
}

static bool is_served(const struct endpoints *endpoints, const char *path, const char *method)
{
    for (size_t i = 0; i < endpoints->count; i++)
        if (strcmp(endpoints->items[i]->pattern, path) == 0 &&
            strcasecmp(http_method_name(endpoints->items[i]->method), method) == 0)
            return true;
    return false;
}

/* Pages are not, and what is served beside the endpoints (/healthz) has no table. */
static bool is_described(const char *path)
{
    return strncmp(path, "/v1/", 4) == 0;
}

static int check_path(const struct making *making, const char *path, struct json_object *methods)
{
    static const char *const others[] = {"parameters", "summary", "description", "servers"};

    json_object_object_foreach(methods, name, value)
    {
        bool is_other = false;

        (void)value;
        for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
            is_other |= strcmp(others[i], name) == 0;
        if (!is_other && !is_served(making->endpoints, path, name))
            return error_set(making->err, E_INVALID,
                             FILE_NAME ": %s %s: it is in the document, and not served", name,
                             path);
    }
    return 0;
}

static int check_paths(const struct making *making)
{
    struct json_object *paths = json_get(making->document, "paths");

    if (!json_object_is_type(paths, json_type_object))
        return error_set(making->err, E_INVALID, FILE_NAME ": there are no paths");
    json_object_object_foreach(paths, path, methods)
    {
        int r = is_described(path) ? check_path(making, path, methods) : 0;

        if (r < 0)
            return r;
    }
    return 0;
}

static int load(struct text yaml, struct json_object **out, struct error *err)
{
    yaml_document_t document;
    int r = yaml_load(FILE_NAME, yaml, &document, err);

    if (r < 0)
        return r;
    r = yaml_json(FILE_NAME, &document, out, err);
    yaml_document_delete(&document);
    return r;
}

int document_make(const struct endpoints *endpoints, struct text yaml, struct json_object **out,
                  struct error *err)
{
    struct making making = {.endpoints = endpoints, .err = err};
    int r = load(yaml, &making.document, err);

    if (r == 0)
        r = check_paths(&making);
    for (size_t i = 0; r == 0 && i < endpoints->count; i++)
        if (is_described(endpoints->items[i]->pattern))
            r = fill_operation(&making, endpoints->items[i]);
    if (r == 0)
        *out = making.document;
    else
        json_free(making.document);
    return r;
}
