/* Checking an object against its table.
 *
 * Messages and codes are those that OpenAI's API gives, so that what users wrote against it (and
 * find when they search) holds here too. Order: members as the client wrote them, then what is
 * missing, in the order of the table. Nothing is coerced: "1" is no integer, and neither is 1.0.
 *
 * Lengths count characters (code points), not bytes; the decoder has seen to valid UTF-8.
 */

#include "shared/check/fields.h"

#include <inttypes.h>
#include <stdio.h>

#include "shared/base/error.h"
#include "shared/check/failure.h"

enum { NUMBER_BYTES = 64, NUMBER_POWER = 99 };
enum { METADATA_PAIRS = 16, METADATA_KEY = 64, METADATA_VALUE = 512 };

static const char *kind_name(enum field_kind kind)
{
    switch (kind) {
    case FIELD_STRING:
        return "a string";
    case FIELD_INTEGER:
        return "an integer";
    case FIELD_NUMBER:
        return "a decimal";
    case FIELD_BOOLEAN:
        return "a boolean";
    case FIELD_OBJECT:
    case FIELD_METADATA:
        return "an object";
    case FIELD_ARRAY:
        return "an array";
    case FIELD_ANY:
        break;
    }
    return "a value";
}

static const char *value_name(struct json_object *value)
{
    switch (json_object_get_type(value)) {
    case json_type_null:
        return "null";
    case json_type_boolean:
        return "a boolean";
    case json_type_double:
        return "a decimal";
    case json_type_int:
        return "an integer";
    case json_type_object:
        return "an object";
    case json_type_array:
        return "an array";
    case json_type_string:
        break;
    }
    return "a string";
}

static bool kind_matches(enum field_kind kind, struct json_object *value)
{
    enum json_type type = json_object_get_type(value);

    switch (kind) {
    case FIELD_STRING:
        return type == json_type_string;
    case FIELD_INTEGER:
        return type == json_type_int;
    case FIELD_NUMBER:
        return type == json_type_int || type == json_type_double;
    case FIELD_BOOLEAN:
        return type == json_type_boolean;
    case FIELD_OBJECT:
    case FIELD_METADATA:
        return type == json_type_object;
    case FIELD_ARRAY:
        return type == json_type_array;
    case FIELD_ANY:
        break;
    }
    return true;
}

static int wrong_kind(enum field_kind kind, bool nullable, struct json_object *value,
                      const struct path *path, struct failure *failure)
{
    char where[192];

    if (!path)
        return failure_set(failure, 400, NULL, "invalid_type",
                           "Invalid type for the body: expected %s, but got %s instead.",
                           kind_name(kind), value_name(value));
    path_format(path, where, sizeof(where));
    return failure_set(failure, 400, path, "invalid_type",
                       "Invalid type for '%s': expected %s%s, but got %s instead.", where,
                       kind_name(kind), nullable ? " or null" : "", value_name(value));
}

int fields_expect(enum field_kind kind, struct json_object *value, const struct path *path,
                  struct failure *failure)
{
    return kind_matches(kind, value) ? 0 : wrong_kind(kind, false, value, path, failure);
}

int fields_each(struct json_object *array, const struct path *path, field_check_fn check,
                struct failure *failure)
{
    size_t count = json_object_array_length(array);

    for (size_t i = 0; i < count; i++) {
        struct path item = {path, NULL, i};
        int r = check(json_object_array_get_idx(array, i), &item, failure);

        if (r < 0)
            return r;
    }
    return 0;
}

int fields_word(struct text value, const char *const *words, const struct path *path,
                struct failure *failure)
{
    char list[320];
    char shown[64];
    size_t at = 0;

    for (size_t i = 0; words[i]; i++)
        if (text_is(value, words[i]))
            return 0;
    for (size_t i = 0; words[i] && at < sizeof(list); i++) {
        const char *between = i == 0 ? "" : words[i + 1] ? ", " : i == 1 ? " and " : ", and ";

        at += (size_t)snprintf(list + at, sizeof(list) - at, "%s'%s'", between, words[i]);
    }
    text_excerpt(value, shown, sizeof(shown));
    return failure_set(failure, 400, path, "invalid_value",
                       "Invalid value: '%s'. Supported values are: %s.", shown, list);
}

static int check_string(const struct field *field, struct json_object *value,
                        const struct path *path, struct failure *failure)
{
    struct text text = json_string(value);
    int64_t length;
    char where[192];

    if (field->words)
        return fields_word(text, field->words, path, failure);
    length = (int64_t)text_characters(text);
    if (field->max == 0 || (length >= field->min && length <= field->max))
        return 0;
    path_format(path, where, sizeof(where));
    if (length > field->max)
        return failure_set(failure, 400, path, "string_above_max_length",
                           "Invalid '%s': string too long. Expected a string with maximum length "
                           "%" PRId64 ", but got a string with length %" PRId64 " instead.",
                           where, field->max, length);
    return failure_set(failure, 400, path, "string_below_min_length",
                       "Invalid '%s': string too short. Expected a string with minimum length "
                       "%" PRId64 ", but got %s instead.",
                       where, field->min, length ? "a shorter string" : "an empty string");
}

static int check_integer(const struct field *field, struct json_object *value,
                         const struct path *path, struct failure *failure)
{
    int64_t number = json_object_get_int64(value); /* saturates, so what is too large stays so */
    char where[192];

    if (field->max == 0 || (number >= field->min && number <= field->max))
        return 0;
    path_format(path, where, sizeof(where));
    if (number > field->max)
        return failure_set(failure, 400, path, "integer_above_max_value",
                           "Invalid '%s': integer above maximum value. Expected a value <= %" PRId64
                           ", but got %s instead.",
                           where, field->max, json_object_get_string(value));
    return failure_set(failure, 400, path, "integer_below_min_value",
                       "Invalid '%s': integer below minimum value. Expected a value >= %" PRId64
                       ", but got %s instead.",
                       where, field->min, json_object_get_string(value));
}

static bool number_is_sane(struct text number)
{
    struct text digits;
    struct text exponent;
    int64_t power;

    if (number.len > NUMBER_BYTES)
        return false;
    if (!text_cut(number, 'e', &digits, &exponent) && !text_cut(number, 'E', &digits, &exponent))
        return true;
    if (text_starts(exponent, "+"))
        exponent = (struct text){exponent.ptr + 1, exponent.len - 1};
    return text_to_int(exponent, &power) && power >= -NUMBER_POWER && power <= NUMBER_POWER;
}

static int check_sane(struct json_object *value, const struct path *path, struct failure *failure)
{
    char where[192];
    char shown[40];

    if (number_is_sane(text_of(json_object_get_string(value))))
        return 0;
    path_format(path, where, sizeof(where));
    text_excerpt(text_of(json_object_get_string(value)), shown, sizeof(shown));
    return failure_set(failure, 400, path, "invalid_value",
                       "Invalid '%s': the number %s has too many digits or too large an exponent.",
                       where, shown);
}

/* Recursion goes as deep as the document, and the decoder has seen to a limit on that. */
int fields_check_numbers(struct json_object *value, const struct path *path,
                         struct failure *failure)
{
    struct json_object_iterator at;
    struct json_object_iterator end;

    if (json_object_is_type(value, json_type_double))
        return check_sane(value, path, failure);
    if (json_object_is_type(value, json_type_array))
        return fields_each(value, path, fields_check_numbers, failure);
    if (!json_object_is_type(value, json_type_object))
        return 0;
    at = json_object_iter_begin(value);
    end = json_object_iter_end(value);
    for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
        struct path member = {path, json_object_iter_peek_name(&at), 0};
        int r = fields_check_numbers(json_object_iter_peek_value(&at), &member, failure);

        if (r < 0)
            return r;
    }
    return 0;
}

static int check_number(const struct field *field, struct json_object *value,
                        const struct path *path, struct failure *failure)
{
    double number = json_object_get_double(value);
    char where[192];
    char shown[40];

    if (field->max == 0 || (number >= (double)field->min && number <= (double)field->max))
        return json_object_is_type(value, json_type_double) ? check_sane(value, path, failure) : 0;
    path_format(path, where, sizeof(where));
    text_excerpt(text_of(json_object_get_string(value)), shown, sizeof(shown));
    if (number > (double)field->max)
        return failure_set(failure, 400, path, "decimal_above_max_value",
                           "Invalid '%s': decimal above maximum value. Expected a value <= %" PRId64
                           ", but got %s instead.",
                           where, field->max, shown);
    return failure_set(failure, 400, path, "decimal_below_min_value",
                       "Invalid '%s': decimal below minimum value. Expected a value >= %" PRId64
                       ", but got %s instead.",
                       where, field->min, shown);
}

static int check_array(const struct field *field, struct json_object *value,
                       const struct path *path, struct failure *failure)
{
    int64_t count = (int64_t)json_object_array_length(value);
    char where[192];

    if (field->max == 0 || (count >= field->min && count <= field->max))
        return 0;
    path_format(path, where, sizeof(where));
    if (count > field->max)
        return failure_set(failure, 400, path, "array_above_max_length",
                           "Invalid '%s': array too long. Expected an array with maximum length "
                           "%" PRId64 ", but got an array with length %" PRId64 " instead.",
                           where, field->max, count);
    return failure_set(failure, 400, path, "array_below_min_length",
                       "Invalid '%s': array too short. Expected an array with minimum length "
                       "%" PRId64 ", but got an array with length %" PRId64 " instead.",
                       where, field->min, count);
}

static int check_pair(const char *key, struct json_object *value, const struct path *path,
                      struct failure *failure)
{
    static const struct field value_field = {
        .name = "", .kind = FIELD_STRING, .max = METADATA_VALUE};
    struct path member = {path, key, 0};
    size_t length = text_characters(text_of(key));
    int r;

    if (length > METADATA_KEY)
        return failure_set(failure, 400, path, "string_above_max_length",
                           "Invalid '%s': key too long. Expected keys with maximum length %d, but "
                           "got a key with length %zu instead.",
                           path->name, METADATA_KEY, length);
    r = fields_expect(FIELD_STRING, value, &member, failure);
    if (r < 0)
        return r;
    return check_string(&value_field, value, &member, failure);
}

static int check_metadata(struct json_object *value, const struct path *path,
                          struct failure *failure)
{
    struct json_object_iterator at = json_object_iter_begin(value);
    struct json_object_iterator end = json_object_iter_end(value);
    int count = json_object_object_length(value);

    if (count > METADATA_PAIRS)
        return failure_set(failure, 400, path, "object_above_max_properties",
                           "Invalid '%s': too many properties. Expected an object with at most %d "
                           "properties, but got an object with %d properties instead.",
                           path->name, METADATA_PAIRS, count);
    for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
        int r = check_pair(json_object_iter_peek_name(&at), json_object_iter_peek_value(&at), path,
                           failure);
        if (r < 0)
            return r;
    }
    return 0;
}

static int check_limits(const struct field *field, struct json_object *value,
                        const struct path *path, struct failure *failure)
{
    switch (field->kind) {
    case FIELD_STRING:
        return check_string(field, value, path, failure);
    case FIELD_INTEGER:
        return check_integer(field, value, path, failure);
    case FIELD_NUMBER:
        return check_number(field, value, path, failure);
    case FIELD_ARRAY:
        return check_array(field, value, path, failure);
    case FIELD_METADATA:
        return check_metadata(value, path, failure);
    case FIELD_BOOLEAN:
    case FIELD_OBJECT:
    case FIELD_ANY:
        break;
    }
    return 0;
}

int fields_check_one(const struct field *field, struct json_object *value, const struct path *path,
                     struct failure *failure)
{
    bool nullable = field->flags & FIELD_NULLABLE;
    int r;

    if (!value && nullable)
        return 0;
    if (!kind_matches(field->kind, value))
        return wrong_kind(field->kind, nullable, value, path, failure);
    r = check_limits(field, value, path, failure);
    if (r < 0 || !field->check)
        return r;
    return field->check(value, path, failure);
}

static const struct field *find(struct fields fields, const char *name)
{
    for (size_t i = 0; i < fields.count; i++)
        if (strcmp(fields.list[i].name, name) == 0)
            return &fields.list[i];
    return NULL;
}

int fields_check(struct fields fields, struct json_object *object, const struct path *path,
                 struct failure *failure)
{
    struct json_object_iterator at = json_object_iter_begin(object);
    struct json_object_iterator end = json_object_iter_end(object);
    char where[192];

    for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
        struct path member = {path, json_object_iter_peek_name(&at), 0};
        const struct field *field = find(fields, member.name);
        int r;

        if (!field) {
            path_format(&member, where, sizeof(where));
            return failure_set(failure, 400, &member, "unknown_parameter",
                               "Unknown parameter: '%s'.", where);
        }
        r = fields_check_one(field, json_object_iter_peek_value(&at), &member, failure);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < fields.count; i++) {
        struct path member = {path, fields.list[i].name, 0};

        if (!(fields.list[i].flags & FIELD_REQUIRED) ||
            json_object_object_get_ex(object, member.name, NULL))
            continue;
        path_format(&member, where, sizeof(where));
        return failure_set(failure, 400, &member, "missing_required_parameter",
                           "Missing required parameter: '%s'.", where);
    }
    return 0;
}
