/* Getters on json-c's objects, and writing them. Reading is json_read.c. */

#include "shared/base/json.h"

#include <stdarg.h>

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

int64_t json_get_int(struct json_object *object, const char *key, int64_t otherwise)
{
    struct json_object *value = json_get(object, key);

    return json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : otherwise;
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
