/* The document of what is served: docs/openapi.yaml and the tables of endpoints agree, and what one
 * of them says otherwise is found. */

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/api/document/document.h"
#include "scheduler/api/surfaces.h"
#include "shared/base/error.h"

extern const char openapi_embedded[];
extern const size_t openapi_embedded_bytes;

Test(openapi, the_document_is_what_the_tables_say)
{
    struct endpoints endpoints;
    struct json_object *document;
    struct error err;

    endpoints_init(&endpoints, surfaces, surfaces_count);
    cr_assert_eq(document_make(&endpoints, (struct text){openapi_embedded, openapi_embedded_bytes},
                               &document, &err),
                 0, "%s", err.text);
    json_free(document);
    endpoints_deinit(&endpoints);
}

/* ---- a small one ---- */

static const char *const words[] = {"a", "b", NULL};

static const struct field base_list[] = {
    {"shared", FIELD_INTEGER, FIELD_GROUP, 1, 9, NULL, NULL},
    {"other", FIELD_INTEGER, FIELD_GROUP << 1, 1, 9, NULL, NULL},
};
static const struct fields base = {base_list, 2, sizeof(base_list[0]), NULL, 0};
static const struct field list[] = {
    {"name", FIELD_STRING, FIELD_REQUIRED, 1, 64, NULL, NULL},
    {"word", FIELD_STRING, FIELD_NULLABLE, 0, 0, words, NULL},
    {"labels", FIELD_METADATA, FIELD_NULLABLE, 0, 0, NULL, NULL},
    {"items", FIELD_ARRAY, FIELD_NULLABLE, 0, 10, NULL, NULL},
    {"part", FIELD_OBJECT, FIELD_NULLABLE, 0, 0, NULL, NULL},
    {"any", FIELD_ANY, 0, 0, 0, NULL, NULL},
};
static const struct fields body = {list, ARRAY_LENGTH(list), sizeof(list[0]), &base, FIELD_GROUP};
static const char *const query[] = {"limit", "kind", NULL};

static int handle(struct request *request)
{
    (void)request;
    return 0;
}

static const struct endpoint table[] = {
    {.method = HTTP_METHOD_GET, .pattern = "/v1/things/{id}", .handle = handle, .query = query},
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/things",
     .handle = handle,
     .takes = TAKES_JSON,
     .body = &body},
};
static const struct endpoint_table things = ENDPOINT_TABLE(table);
static const struct endpoint_table *const tables[] = {&things};

#define GET                                                                                        \
    "  /v1/things/{id}:\n"                                                                         \
    "    get: {parameters: [{name: limit, in: query, description: how many}]}\n"
#define POST                                                                                       \
    "  /v1/things:\n"                                                                              \
    "    post: {requestBody: {content: {application/json: {schema: {$ref: "                        \
    "'#/components/schemas/Thing'}}}}}\n"
#define THING                                                                                      \
    "components: {schemas: {Part: {type: object}, Thing: {properties: {name: {description: who}, " \
    "part: {$ref: '#/components/schemas/Part'}, items: {items: {type: string}}, any: {oneOf: "     \
    "[]}}}}}\n"

static struct json_object *make(const char *yaml, struct error *err)
{
    struct endpoints endpoints;
    struct json_object *out = NULL;
    int r;

    endpoints_init(&endpoints, tables, 1);
    r = document_make(&endpoints, text_of(yaml), &out, err);
    cr_assert_eq(r, out ? 0 : -E_INVALID);
    endpoints_deinit(&endpoints);
    return out;
}

static void is(struct json_object *value, const char *expected)
{
    struct text text = value ? json_text(value) : TEXT("null");

    cr_assert(text_is(text, expected), "%.*s", TEXT_ARGS(text));
}

Test(openapi, tables_fill_in_what_they_know)
{
    struct error err;
    struct json_object *document = make("paths:\n" GET POST THING, &err);
    struct json_object *get;
    struct json_object *thing;

    cr_assert(document, "%s", err.text);
    get = json_path(document, "paths", "/v1/things/{id}", "get", NULL);
    is(json_get(get, "parameters"),
       "[{\"name\":\"limit\",\"in\":\"query\",\"description\":\"how many\"},"
       "{\"name\":\"id\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"string\"}},"
       "{\"name\":\"kind\",\"in\":\"query\",\"required\":false,\"schema\":{\"type\":\"string\"}}]");
    is(json_get(get, "operationId"), "\"getThingsById\"");
    is(json_get(get, "tags"), "[\"things\"]");
    thing = json_path(document, "components", "schemas", "Thing", NULL);
    is(json_get(thing, "required"), "[\"name\"]");
    is(json_path(document, "paths", "/v1/things", "post", "requestBody", "content",
                 "application/json", "schema", NULL),
       "{\"$ref\":\"#/components/schemas/Thing\",\"unevaluatedProperties\":false}");
    is(json_path(thing, "properties", "name", NULL),
       "{\"description\":\"who\",\"type\":\"string\",\"minLength\":1,\"maxLength\":64}");
    is(json_path(thing, "properties", "word", NULL),
       "{\"type\":[\"string\",\"null\"],\"enum\":[\"a\",\"b\",null]}");
    is(json_path(thing, "properties", "labels", NULL),
       "{\"type\":[\"object\",\"null\"],\"maxProperties\":16,\"propertyNames\":{\"maxLength\":64},"
       "\"additionalProperties\":{\"type\":\"string\",\"maxLength\":512}}");
    is(json_path(thing, "properties", "items", NULL),
       "{\"items\":{\"type\":\"string\"},\"type\":[\"array\",\"null\"],\"maxItems\":10}");
    is(json_path(thing, "properties", "part", NULL),
       "{\"anyOf\":[{\"$ref\":\"#/components/schemas/Part\"},{\"type\":\"null\"}]}");
    is(json_path(thing, "properties", "any", NULL), "{\"oneOf\":[]}");
    is(json_path(thing, "properties", "shared", NULL),
       "{\"type\":\"integer\",\"minimum\":1,\"maximum\":9}");
    cr_assert(!json_has(json_get(thing, "properties"), "other"));
    json_free(document);
}

static void refused(const char *yaml, const char *why)
{
    struct error err;

    cr_assert(!make(yaml, &err), "%s", why);
    cr_assert(strstr(err.text, why), "%s", err.text);
}

Test(openapi, what_the_document_says_otherwise_is_found)
{
    refused("paths: [", "openapi.yaml:");
    refused("info: {}", "there are no paths");
    refused("paths:\n" GET, "post /v1/things: it is served, and not in the document");
    refused("paths:\n" GET POST "    put: {}\n" THING,
            "put /v1/things: it is in the document, and not served");
    refused("paths:\n" GET POST "  /v1/other: {get: {}}\n" THING,
            "get /v1/other: it is in the document");
    refused("paths:\n" GET POST, "no schema");
    refused("paths:\n"
            "  /v1/things/{id}: {get: {parameters: [{name: offset, in: query}]}}\n" POST THING,
            "\"offset\" is in the document and not in the table of the query");
    refused("paths:\n"
            "  /v1/things/{id}: {get: {requestBody: {content: {application/json: {schema: "
            "{}}}}}}\n" POST THING,
            "it takes no JSON");
    refused("paths:\n" GET POST "components: {schemas: {Thing: {properties: {nam: {}}}}}\n",
            "\"nam\" is in the document and not in the table of the body");
    refused("paths:\n" GET POST
            "components: {schemas: {Thing: {properties: {name: {maxLength: 65}}}}}\n",
            "name: \"maxLength\" is 65 in the document");
    refused("paths:\n" GET POST
            "components: {schemas: {Thing: {properties: {word: {enum: [a, b]}}}}}\n",
            "word: \"enum\" is");
}
