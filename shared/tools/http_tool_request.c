/* Making requests of declared tools. */

#include "shared/tools/http_tool_request.h"

#include <string.h>

#include "shared/base/error.h"
#include "shared/schema/schema.h"
#include "shared/secrets/envelope.h"
#include "shared/tools/json_template.h"
#include "shared/tools/url_template.h"

#define ARGUMENTS_BYTES_MAX ((size_t)1 << 20)
#define HEADERS_BYTES_MAX   ((size_t)64 << 10)

/* ---- arguments ---- */

static void add_defaults(struct json_object *schema, struct json_object *arguments)
{
    struct json_object *properties = json_get(schema, "properties");

    if (!json_object_is_type(properties, json_type_object))
        return;
    json_object_object_foreach(properties, name, property)
    {
        struct json_object *value = json_get(property, "default");

        if (value && !json_has(arguments, name))
            json_object_object_add(arguments, name, json_object_get(value));
    }
}

int http_tool_arguments(const struct http_tool *tool, struct text text, struct json_object **out,
                        struct error *err)
{
    CLEANUP(json_freep) struct json_object *schema = http_tool_schema(tool);
    CLEANUP(json_freep) struct json_object *arguments = NULL;
    int r;

    if (text_trim(text).len == 0)
        text = TEXT("{}"); /* what models write for "no arguments" */
    if (text.len > ARGUMENTS_BYTES_MAX)
        return error_set(err, E_LIMIT, "the arguments are over %zu bytes", ARGUMENTS_BYTES_MAX);
    r = json_decode(text, JSON_DEPTH_DEFAULT, &arguments, err);
    if (r < 0)
        return error_wrap(err, "the arguments are not valid JSON");
    if (!json_object_is_type(arguments, json_type_object))
        return error_set(err, E_INVALID, "the arguments must be a JSON object");
    schema_drop_nulls(schema, arguments);
    add_defaults(schema, arguments);
    r = schema_check(schema, arguments, err);
    if (r < 0)
        return error_wrap(err, "the arguments do not fit");
    *out = arguments;
    arguments = NULL;
    return 0;
}

/* ---- pairs of a query or a form ---- */

static void begin_pair(struct text name, char *separator, struct buf *out)
{
    if (*separator)
        buf_add_char(out, *separator);
    *separator = '&';
    url_encode(name, out);
    buf_add_char(out, '=');
}

/* One parameter and nothing else: a list of values becomes as many pairs, and nothing none. */
static int write_parameter(struct text name, struct text parameter,
                           const struct template_values *values, char *separator, struct buf *out)
{
    char key[96];
    struct json_object *value;

    text_excerpt(parameter, key, sizeof(key));
    value = json_get(values->arguments, key);
    for (size_t i = 0;
         json_object_is_type(value, json_type_array) && i < json_object_array_length(value); i++) {
        struct json_object *item = json_object_array_get_idx(value, i);

        begin_pair(name, separator, out);
        url_encode(json_string(item).ptr ? json_string(item) : json_text(item), out);
    }
    if (!value || json_object_is_type(value, json_type_array))
        return 0;
    begin_pair(name, separator, out);
    url_encode(json_string(value).ptr ? json_string(value) : json_text(value), out);
    return 0;
}

/* `separator`: before the first; 0: none. */
static int write_pairs(struct json_object *pairs, const struct template_values *values,
                       char separator, struct buf *out, struct error *err)
{
    if (!json_object_is_type(pairs, json_type_object))
        return 0;
    json_object_object_foreach(pairs, key, value)
    {
        struct text name = text_of(key);
        struct text template = json_string(value);
        struct text parameter = template_parameter(template);
        int r = 0;

        if (parameter.ptr) {
            r = write_parameter(name, parameter, values, &separator, out);
        } else if (template.ptr) {
            struct template_piece piece;

            begin_pair(name, &separator, out);
            while ((r = template_next(&template, &piece, err)) == 0) {
                if (piece.kind == TEMPLATE_TEXT)
                    url_encode(piece.text, out);
                else
                    r = template_write_value(&piece, values, PLACE_URL, out, err);
                if (r < 0)
                    break;
            }
        } else {
            begin_pair(name, &separator, out);
            url_encode(json_text(value), out);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- the parts of the request ---- */

static int make_url(const struct http_tool *tool, const struct template_values *values,
                    struct buf *out, struct error *err)
{
    struct url_template url;
    int r = url_template_split(tool->url, &url, err);

    if (r == 0)
        r = url_template_write(&url, values, out, err);
    if (r == 0)
        r = write_pairs(tool->query, values,
                        url.query.len > 0 ? '&'
                        : url.query.ptr   ? '\0'
                                          : '?',
                        out, err);
    if (r == 0 && out->failed)
        return error_set(err, E_INVALID, "the address would have more than %d bytes",
                         TOOL_URL_BYTES_MAX);
    return r;
}

static int make_header(struct text name, struct text template, const struct template_values *values,
                       struct http_tool_request *request, struct error *err)
{
    struct buf *all = &request->header_values;
    size_t begin = all->len;
    struct text value;
    int r;

    if (template_parameter(template).ptr) {
        struct template_piece piece = {TEMPLATE_PARAMETER, template_parameter(template)};
        char key[96];

        text_excerpt(piece.text, key, sizeof(key));
        if (!json_has(values->arguments, key))
            return 0;
    }
    r = template_write(template, values, PLACE_PLAIN, all, err);
    if (r < 0)
        return r;
    if (all->failed)
        return error_set(err, E_INVALID, "the headers would have more than %zu bytes",
                         HEADERS_BYTES_MAX);
    value = (struct text){all->ptr + begin, all->len - begin};
    if (!header_value_fits(value))
        return error_set(err, E_INVALID,
                         "the header %.*s would hold a line break or another control character, or "
                         "more than %zu bytes",
                         TEXT_ARGS(name), TOOL_HEADER_VALUE_BYTES);
    request->headers[request->headers_count++] = (struct http_header){name, value};
    return 0;
}

static int make_headers(const struct http_tool *tool, const struct template_values *values,
                        struct http_tool_request *request, struct error *err)
{
    if (json_object_is_type(tool->headers, json_type_object)) {
        json_object_object_foreach(tool->headers, name, value)
        {
            int r = make_header(text_of(name), json_string(value), values, request, err);

            if (r < 0)
                return r;
        }
    }
    if (tool->body && !http_tool_header(tool, "content-type").ptr)
        request->headers[request->headers_count++] =
            (struct http_header){TEXT("Content-Type"), TEXT("application/json")};
    return 0;
}

static bool has_places(struct text template)
{
    struct template_piece piece;

    while (template_next(&template, &piece, NULL) == 0)
        if (piece.kind != TEMPLATE_TEXT)
            return true;
    return false;
}

static int make_body(const struct http_tool *tool, const struct template_values *values,
                     struct buf *out, struct error *err)
{
    struct text text = json_string(tool->body);
    int r = 0;

    if (!tool->body)
        return 0;
    if (!text.ptr && http_tool_sends_form(tool))
        r = write_pairs(tool->body, values, '\0', out, err);
    else if (!text.ptr)
        r = json_template_write(tool->body, values, out, err);
    else if (has_places(text))
        r = json_text_write(text, values, out, err);
    else
        r = template_write(text, values, PLACE_PLAIN, out, err);
    if (r == 0 && out->failed)
        return error_set(err, E_INVALID, "the body would have more than %zu bytes",
                         TOOL_BODY_BYTES_MAX);
    return r;
}

int http_tool_request_make(const struct http_tool *tool, const struct template_values *values,
                           struct http_tool_request *out, struct error *err)
{
    int r;

    *out = (struct http_tool_request){.method = tool->method};
    secret_buf_init(&out->url, TOOL_URL_BYTES_MAX);
    secret_buf_init(&out->body, tool->body ? TOOL_BODY_BYTES_MAX : 0);
    secret_buf_init(&out->header_values, tool->headers ? HEADERS_BYTES_MAX : 0);
    r = make_url(tool, values, &out->url, err);
    if (r == 0)
        r = make_headers(tool, values, out, err);
    if (r == 0)
        r = make_body(tool, values, &out->body, err);
    return r;
}

void http_tool_request_deinit(struct http_tool_request *request)
{
    secret_buf_wipe(&request->url);
    secret_buf_wipe(&request->body);
    secret_buf_wipe(&request->header_values);
}
