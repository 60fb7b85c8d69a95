/* What a schema asks of single values: kinds, numbers, equality, lengths, references, paths. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "shared/base/error.h"
#include "shared/schema/schema_internal.h"

#define POINTER_SEGMENT_MAX 256

void schema_walk_init(struct schema_walk *walk, struct json_object *root)
{
    *walk = (struct schema_walk){.root = root};
    buf_init(&walk->path, (size_t)1 << 20);
    buf_add_char(&walk->path, '$');
}

void schema_walk_deinit(struct schema_walk *walk)
{
    buf_deinit(&walk->path);
    schema_patterns_deinit(&walk->patterns);
}

static bool is_plain(const char *key)
{
    for (const char *c = key; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
              *c == '_' || *c == '-' || *c == '$'))
            return false;
    return key[0] != '\0';
}

size_t schema_path_key(struct schema_walk *walk, const char *key)
{
    size_t mark = walk->path.len;

    if (is_plain(key)) {
        buf_add_char(&walk->path, '.');
        buf_add_string(&walk->path, key);
    } else {
        buf_add_char(&walk->path, '[');
        buf_add_json_string(&walk->path, key);
        buf_add_char(&walk->path, ']');
    }
    return mark;
}

size_t schema_path_index(struct schema_walk *walk, size_t index)
{
    size_t mark = walk->path.len;

    buf_printf(&walk->path, "[%zu]", index);
    return mark;
}

void schema_path_leave(struct schema_walk *walk, size_t mark)
{
    if (!walk->path.failed)
        walk->path.len = mark;
}

int schema_fail(struct schema_walk *walk, struct error *err, const char *format, ...)
{
    struct text path = buf_text(&walk->path);
    char sentence[240];
    va_list args;

    va_start(args, format);
    vsnprintf(sentence, sizeof(sentence), format, args);
    va_end(args);
    return error_set(err, E_INVALID, "%.*s%s: %s",
                     (int)(path.len > SCHEMA_PATH_MAX ? SCHEMA_PATH_MAX : path.len), path.ptr,
                     path.len > SCHEMA_PATH_MAX ? "..." : "", sentence);
}

int schema_spend(struct schema_walk *walk, size_t steps, struct error *err)
{
    walk->steps += steps;
    if (walk->steps > SCHEMA_STEPS_MAX)
        return error_set(err, E_LIMIT, "checking against the schema takes over %d steps",
                         SCHEMA_STEPS_MAX);
    return 0;
}

int schema_enter(struct schema_walk *walk, struct error *err)
{
    if (walk->depth >= SCHEMA_DEPTH_MAX)
        return error_set(err, E_LIMIT, "the schema or the value is nested deeper than %d levels",
                         SCHEMA_DEPTH_MAX);
    walk->depth++;
    return schema_spend(walk, 1, err);
}

const char *schema_kind(struct json_object *value)
{
    switch (json_object_get_type(value)) {
    case json_type_null:
        return "null";
    case json_type_boolean:
        return "a boolean";
    case json_type_double:
    case json_type_int:
        return "a number";
    case json_type_object:
        return "an object";
    case json_type_array:
        return "an array";
    case json_type_string:
        break;
    }
    return "a string";
}

static const struct {
    const char *type;
    const char *with_article;
} types[] = {
    {"string", "a string"},  {"number", "a number"}, {"integer", "an integer"},
    {"object", "an object"}, {"array", "an array"},  {"boolean", "a boolean"},
    {"null", "null"},
};

bool schema_type_known(const char *type)
{
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++)
        if (strcmp(type, types[i].type) == 0)
            return true;
    return false;
}

const char *schema_type_article(const char *type)
{
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++)
        if (strcmp(type, types[i].type) == 0)
            return types[i].with_article;
    return type;
}

static bool is_integral(struct json_object *value)
{
    double number;

    if (json_object_is_type(value, json_type_int))
        return true;
    return schema_number(value, &number) && isfinite(number) && floor(number) == number;
}

const char *schema_shown(struct json_object *value, char out[SCHEMA_SHOWN_MAX + 8])
{
    struct text text;

    if (json_object_is_type(value, json_type_object) || json_object_is_type(value, json_type_array))
        return schema_kind(value);
    text = value ? json_text(value) : TEXT("null");
    if (text.len > SCHEMA_SHOWN_MAX)
        return schema_kind(value);
    snprintf(out, SCHEMA_SHOWN_MAX + 8, "%.*s", TEXT_ARGS(text));
    return out;
}

bool schema_is_type(struct json_object *value, const char *type)
{
    switch (json_object_get_type(value)) {
    case json_type_null:
        return strcmp(type, "null") == 0;
    case json_type_boolean:
        return strcmp(type, "boolean") == 0;
    case json_type_double:
    case json_type_int:
        return strcmp(type, "number") == 0 || (strcmp(type, "integer") == 0 && is_integral(value));
    case json_type_object:
        return strcmp(type, "object") == 0;
    case json_type_array:
        return strcmp(type, "array") == 0;
    case json_type_string:
        break;
    }
    return strcmp(type, "string") == 0;
}

bool schema_number(struct json_object *value, double *out)
{
    if (!json_object_is_type(value, json_type_int) && !json_object_is_type(value, json_type_double))
        return false;
    *out = json_object_get_double(value);
    return true;
}

int schema_compare(struct json_object *a, struct json_object *b)
{
    double x = json_object_get_double(a), y = json_object_get_double(b);

    if (json_object_is_type(a, json_type_int) && json_object_is_type(b, json_type_int) &&
        fabs(x) < 9.2e18 && fabs(y) < 9.2e18) {
        int64_t i = json_object_get_int64(a), k = json_object_get_int64(b);

        return (i > k) - (i < k);
    }
    return (x > y) - (x < y);
}

static bool equal_arrays(struct json_object *a, struct json_object *b, unsigned depth)
{
    size_t count = json_object_array_length(a);

    if (count != json_object_array_length(b))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!schema_equal(json_object_array_get_idx(a, i), json_object_array_get_idx(b, i), depth))
            return false;
    return true;
}

static bool equal_objects(struct json_object *a, struct json_object *b, unsigned depth)
{
    if (json_object_object_length(a) != json_object_object_length(b))
        return false;
    json_object_object_foreach(a, key, left)
    {
        struct json_object *right;

        if (!json_object_object_get_ex(b, key, &right) || !schema_equal(left, right, depth))
            return false;
    }
    return true;
}

bool schema_equal(struct json_object *a, struct json_object *b, unsigned depth)
{
    double ignored;

    if (depth >= SCHEMA_DEPTH_MAX)
        return false;
    if (schema_number(a, &ignored) && schema_number(b, &ignored))
        return schema_compare(a, b) == 0;
    if (json_object_get_type(a) != json_object_get_type(b))
        return false;
    switch (json_object_get_type(a)) {
    case json_type_boolean:
        return json_object_get_boolean(a) == json_object_get_boolean(b);
    case json_type_string:
        return text_equal(json_string(a), json_string(b));
    case json_type_array:
        return equal_arrays(a, b, depth + 1);
    case json_type_object:
        return equal_objects(a, b, depth + 1);
    case json_type_null:
    case json_type_double:
    case json_type_int:
        break;
    }
    return true;
}

/* One segment of a pointer with ~1 and ~0 undone; false when it is too long or malformed. */
static bool unescape(struct text segment, char out[POINTER_SEGMENT_MAX])
{
    size_t len = 0;

    for (size_t i = 0; i < segment.len; i++) {
        char c = segment.ptr[i];

        if (len + 1 >= POINTER_SEGMENT_MAX)
            return false;
        if (c == '~') {
            if (++i >= segment.len || (segment.ptr[i] != '0' && segment.ptr[i] != '1'))
                return false;
            c = segment.ptr[i] == '0' ? '~' : '/';
        }
        out[len++] = c;
    }
    out[len] = '\0';
    return true;
}

static bool step_down(struct json_object **at, const char *segment)
{
    int64_t index;

    if (json_object_is_type(*at, json_type_object))
        return json_object_object_get_ex(*at, segment, at);
    if (!json_object_is_type(*at, json_type_array) || !text_to_int(text_of(segment), &index) ||
        index < 0 || (size_t)index >= json_object_array_length(*at))
        return false;
    *at = json_object_array_get_idx(*at, (size_t)index);
    return true;
}

bool schema_resolve(struct json_object *root, const char *reference, struct json_object **out)
{
    struct text rest = text_of(reference);
    struct json_object *at = root;
    char segment[POINTER_SEGMENT_MAX];

    if (!text_starts(rest, "#"))
        return false;
    rest = (struct text){rest.ptr + 1, rest.len - 1};
    while (rest.len > 0) {
        struct text head, tail;

        if (rest.ptr[0] != '/')
            return false;
        rest = (struct text){rest.ptr + 1, rest.len - 1};
        if (!text_cut(rest, '/', &head, &tail)) {
            head = rest;
            tail = TEXT_NONE;
        } else {
            tail = (struct text){tail.ptr - 1, tail.len + 1}; /* with its '/' */
        }
        if (!unescape(head, segment) || !step_down(&at, segment))
            return false;
        rest = tail;
    }
    *out = at;
    return true;
}
