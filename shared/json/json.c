/* Decoding and getters on json-c.
 *
 * json-c is laxer than the RFC, stricter with its STRICT flag, and in each version in another way:
 * 0.16 takes leading zeros and unfinished numbers, 0.18 takes bytes beyond ASCII for control
 * characters when it is strict. So json_scan.h judges the text, and json-c, asked to be lax, only
 * builds the values.
 *
 * Integers beyond 64 bits become the nearest that fits in it. They are fed as if they had an
 * exponent: then they are doubles, which keep their text, and get the text back that they came
 * with.
 */

#include "shared/json/json.h"

#include <stdarg.h>
#include <string.h>

#include <json-c/json_visit.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/json/json_scan.h"

/* What large integers are fed with behind them; nobody writes it so. */
#define MARK "e000"

/* For json_c_visit: gives a marked number its text back. */
static int unmark(struct json_object *value, int flags, struct json_object *parent, const char *key,
                  size_t *index, void *arg)
{
    struct text text;
    size_t digits;

    (void)flags;
    (void)parent;
    (void)key;
    (void)index;
    (void)arg;
    if (!json_object_is_type(value, json_type_double) || !json_object_get_userdata(value))
        return JSON_C_VISIT_RETURN_CONTINUE;
    text = text_of(json_object_get_userdata(value));
    if (text.len < sizeof(MARK))
        return JSON_C_VISIT_RETURN_CONTINUE;
    digits = text.len - (sizeof(MARK) - 1);
    if (memcmp(text.ptr + digits, MARK, sizeof(MARK) - 1) != 0)
        return JSON_C_VISIT_RETURN_CONTINUE;
    json_object_set_serializer(value, json_object_userdata_to_json_string,
                               xstrndup(text.ptr, digits), json_object_free_userdata);
    return JSON_C_VISIT_RETURN_CONTINUE;
}

/* One document on its way through json-c. */
struct parse {
    struct json_tokener *tokener;
    struct json_object *object;
    enum json_tokener_error result;
};

static void feed(struct parse *parse, const char *bytes, size_t count)
{
    parse->object = json_tokener_parse_ex(parse->tokener, bytes, (int)count);
    parse->result = json_tokener_get_error(parse->tokener);
}

/* Scans and feeds piece by piece; each large integer is the end of one. */
static int parse_pieces(struct parse *parse, struct json_scan *scan, struct error *err)
{
    bool marked = false;

    do {
        size_t from = scan->at;
        int r = json_scan_on(scan, err);

        if (r < 0)
            return r;
        feed(parse, scan->in.ptr + from, scan->at - from);
        if (scan->large)
            feed(parse, MARK, sizeof(MARK) - 1);
        marked = marked || scan->large;
    } while (scan->at < scan->in.len);
    /* A number at the end: one more byte tells json-c that it is complete. */
    if (parse->result == json_tokener_continue)
        feed(parse, " ", 1);
    if (parse->result != json_tokener_success)
        return error_set(err, E_INVALID, "not understood: %s",
                         json_tokener_error_desc(parse->result));
    if (marked)
        json_c_visit(parse->object, 0, unmark, NULL);
    return 0;
}

int json_decode(struct text in, int max_depth, struct json_object **out, struct error *err)
{
    struct parse parse = {0};
    struct json_scan scan;
    int r;

    /* A byte order mark is no part of the document (RFC 8259, section 8.1). */
    if (text_starts(in, "\xEF\xBB\xBF"))
        in = (struct text){in.ptr + 3, in.len - 3};
    if (in.len == 0)
        return error_set(err, E_INVALID, "empty, where a JSON document was expected");
    if (in.len > INT32_MAX / 2)
        return error_set(err, E_LIMIT, "JSON document of %zu bytes is too large", in.len);
    if (!text_is_utf8(in))
        return error_set(err, E_INVALID, "not valid UTF-8");
    /* json-c counts scalars as a level of their own. */
    parse.tokener = json_tokener_new_ex(max_depth + 1);
    if (!parse.tokener)
        return error_set(err, E_LIMIT, "no memory for a JSON parser");
    json_scan_init(&scan, in, max_depth);
    r = parse_pieces(&parse, &scan, err);
    json_tokener_free(parse.tokener);
    if (r < 0)
        json_object_put(parse.object);
    else
        *out = parse.object;
    return r;
}

void json_free(struct json_object *object)
{
    json_object_put(object);
}

void json_freep(struct json_object **object)
{
    json_object_put(*object);
    *object = NULL;
}

struct text json_text(struct json_object *object)
{
    struct text text;

    if (!object)
        return TEXT("null");
    text.ptr = json_object_to_json_string_length(
        object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &text.len);
    return text;
}

void json_encode(struct buf *buf, struct json_object *object)
{
    if (json_object_is_type(object, json_type_string))
        buf_add_json(buf, json_string(object)); /* at once: it may be megabytes */
    else
        buf_add_text(buf, json_text(object));
}

bool json_has(struct json_object *object, const char *key)
{
    return json_object_is_type(object, json_type_object) &&
           json_object_object_get_ex(object, key, NULL);
}

struct json_object *json_get(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;

    if (!json_object_is_type(object, json_type_object))
        return NULL;
    json_object_object_get_ex(object, key, &value);
    return value;
}

struct text json_string(struct json_object *object)
{
    if (!json_object_is_type(object, json_type_string))
        return TEXT_NONE;
    return (struct text){json_object_get_string(object),
                         (size_t)json_object_get_string_len(object)};
}

struct text json_get_text(struct json_object *object, const char *key)
{
    return json_string(json_get(object, key));
}

const char *json_get_string(struct json_object *object, const char *key)
{
    return json_get_text(object, key).ptr;
}

enum json_type json_type_of(struct json_object *value)
{
    enum json_type type = json_object_get_type(value);
    const char *text = type == json_type_double ? json_object_get_userdata(value) : NULL;

    return text && !strpbrk(text, ".eE") ? json_type_int : type;
}

int64_t json_get_int(struct json_object *object, const char *key, int64_t otherwise)
{
    struct json_object *value = json_get(object, key);

    return json_type_of(value) == json_type_int ? json_object_get_int64(value) : otherwise;
}

double json_get_double(struct json_object *object, const char *key, double otherwise)
{
    struct json_object *value = json_get(object, key);

    if (json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_double))
        return json_object_get_double(value);
    return otherwise;
}

bool json_get_bool(struct json_object *object, const char *key, bool otherwise)
{
    struct json_object *value = json_get(object, key);

    return json_object_is_type(value, json_type_boolean) ? json_object_get_boolean(value)
                                                         : otherwise;
}

struct json_object *json_path(struct json_object *object, ...)
{
    va_list keys;
    const char *key;

    va_start(keys, object);
    while (object && (key = va_arg(keys, const char *)))
        object = json_get(object, key);
    va_end(keys);
    return object;
}
