#pragma once
/* Declared HTTP tools: a request to somebody's API, described by data. Pure.
 *
 *   {"type": "http", "name", "description", "parameters", "method", "url", "query", "headers",
 *    "body", "result_pointer", "class", "timeout_ms", "max_result_bytes", "allowed_actions"}
 *
 * Texts of url, query, headers and body are templates (template.h). docs/tools.md says what each
 * member means.
 */

#include "shared/base/compiler.h"
#include "shared/check/fields.h"
#include "shared/json/json.h"
#include "shared/store/runs/call_state.h"

struct failure;

#define HTTP_TOOL_BYTES_MAX          ((size_t)65536) /* of a definition, as JSON */
#define HTTP_TOOL_SECRETS_MAX        8
#define HTTP_TOOL_TIMEOUT_MAX_MS     600000
#define HTTP_TOOL_RESULT_BYTES       ((size_t)65536) /* where it says nothing */
#define HTTP_TOOL_RESULT_BYTES_MAX   ((size_t)200000)
#define HTTP_TOOL_DESCRIPTION_MAX    4096
#define HTTP_TOOL_RESULT_POINTER_MAX 512

/* The members of a definition, without its name. */
extern const struct fields http_tool_fields;

/* What the members of a definition say together, after each was checked by the table. Returns 0, or
 * -E_INVALID with *failure. */
MUSTCHECK int http_tool_check(struct json_object *definition, const struct path *path,
                              struct failure *failure);

/* The same as it is used. Borrowed from the definition, which was checked. */
struct http_tool {
    const char *method;
    enum call_class class;
    struct text url;
    struct json_object *parameters; /* JSON Schema; NULL: none */
    struct json_object *query;      /* these may be NULL, too */
    struct json_object *headers;
    struct json_object *body;
    struct json_object *allowed_actions; /* array of strings; NULL: any */
    struct text result_pointer;          /* TEXT_NONE: all of it */
    int64_t timeout_ms;                  /* 0: it says none */
    size_t max_result_bytes;
};

void http_tool_read(struct json_object *definition, struct http_tool *out);

/* Of which class its calls are: what it says, else what RFC 9110 says of its method. */
enum call_class http_tool_class(struct json_object *definition);

/* The schema of its arguments as a model is told: with the actions that are allowed. The caller's;
 * never NULL. */
struct json_object *http_tool_schema(const struct http_tool *tool);

/* The names of the secrets that a definition refers to, each once. Returns how many, up to
 * HTTP_TOOL_SECRETS_MAX + 1. Borrowed from the definition. */
size_t http_tool_secrets(struct json_object *definition,
                         struct text out[HTTP_TOOL_SECRETS_MAX + 1]);

/* Whether a body is sent as a form: a header says so. */
bool http_tool_sends_form(const struct http_tool *tool);

/* The value of a header that the tool names, as a template; TEXT_NONE: it names none. */
struct text http_tool_header(const struct http_tool *tool, const char *name);
