/* What `require_approval` of a tool may look like: approval.h. Everything is bounded, since each
 * call of the tool is held against it. */

#include <json-c/json_pointer.h>

#include "shared/agent/checks.h"
#include "shared/agent/tools/approval.h"
#include "shared/base/error.h"
#include "shared/check/failure.h"

#define NAMES_MAX       128
#define CONDITIONS_MAX  16
#define WORDS_MAX       64
#define PATH_MAX_CHARS  256
#define SERVER_NAME_MAX 128

static const char *const words[] = {"always", "never"};

static int check_pointer(struct json_object *value, const struct path *path,
                         struct failure *failure)
{
    struct text pointer = json_string(value);
    bool fits = text_starts(pointer, "/");
    char where[192];

    for (size_t i = 0; fits && i < pointer.len; i++)
        if (pointer.ptr[i] == '~' &&
            (i + 1 == pointer.len || (pointer.ptr[i + 1] != '0' && pointer.ptr[i + 1] != '1')))
            fits = false;
    if (fits)
        return 0;
    path_format(path, where, sizeof(where));
    return failure_set(failure, 400, path, "invalid_value",
                       "Invalid '%s': expected a JSON pointer to an argument (RFC 6901), such as "
                       "'/amount'.",
                       where);
}

static int check_word(struct json_object *value, const struct path *path, struct failure *failure)
{
    char where[192];

    if (value && !json_object_is_type(value, json_type_array) &&
        !json_object_is_type(value, json_type_object))
        return fields_check_numbers(value, path, failure);
    path_format(path, where, sizeof(where));
    return failure_set(failure, 400, path, "invalid_type",
                       "Invalid type for '%s': expected a string, a number or a boolean.", where);
}

static int check_words(struct json_object *value, const struct path *path, struct failure *failure)
{
    return fields_each(value, path, check_word, failure);
}

static int check_condition(struct json_object *value, const struct path *path,
                           struct failure *failure)
{
    static const struct field list[] = {
        {"path", FIELD_STRING, FIELD_REQUIRED, 2, PATH_MAX_CHARS, NULL, check_pointer},
        {"one_of", FIELD_ARRAY, FIELD_NULLABLE, 1, WORDS_MAX, NULL, check_words},
        {"min", FIELD_NUMBER, FIELD_NULLABLE, 0, 0, NULL, NULL},
        {"max", FIELD_NUMBER, FIELD_NULLABLE, 0, 0, NULL, NULL},
    };
    bool in_range;
    char where[192];
    int r = fields_expect(FIELD_OBJECT, value, path, failure);

    if (r == 0)
        r = fields_check(FIELDS(list), value, path, failure);
    if (r < 0)
        return r;
    in_range = json_get(value, "min") || json_get(value, "max");
    if (in_range != (json_get(value, "one_of") != NULL))
        return 0;
    path_format(path, where, sizeof(where));
    return failure_set(failure, 400, path, "invalid_value",
                       "Invalid '%s': expected either 'one_of', or 'min', 'max' or both.", where);
}

static int check_conditions(struct json_object *value, const struct path *path,
                            struct failure *failure)
{
    return fields_each(value, path, check_condition, failure);
}

static int check_names(struct json_object *value, const struct path *path, struct failure *failure)
{
    return fields_each(value, path, check_tool_name, failure);
}

/* An empty filter would be met by every call: that is a word of its own. */
static int check_filter(struct json_object *value, const struct path *path, struct failure *failure)
{
    static const struct field list[] = {
        {"tool_names", FIELD_ARRAY, FIELD_NULLABLE, 1, NAMES_MAX, NULL, check_names},
        {"arguments", FIELD_ARRAY, FIELD_NULLABLE, 1, CONDITIONS_MAX, NULL, check_conditions},
    };
    char where[192];
    int r = fields_check(FIELDS(list), value, path, failure);

    if (r < 0 || json_get(value, "tool_names") || json_get(value, "arguments"))
        return r;
    path_format(path, where, sizeof(where));
    return failure_set(failure, 400, path, "invalid_value",
                       "Invalid '%s': expected 'tool_names', 'arguments' or both.", where);
}

static int check_server_name(struct json_object *value, const struct path *path,
                             struct failure *failure)
{
    static const struct field name = {.kind = FIELD_STRING, .min = 1, .max = SERVER_NAME_MAX};

    return fields_check_one(&name, value, path, failure);
}

static int check_server_names(struct json_object *value, const struct path *path,
                              struct failure *failure)
{
    return fields_each(value, path, check_server_name, failure);
}

static int check_server_filter(struct json_object *value, const struct path *path,
                               struct failure *failure)
{
    static const struct field list[] = {
        {"tool_names", FIELD_ARRAY, FIELD_NULLABLE, 1, NAMES_MAX, NULL, check_server_names},
        {"read_only", FIELD_BOOLEAN, FIELD_NULLABLE, 0, 0, NULL, NULL},
        {"arguments", FIELD_ARRAY, FIELD_NULLABLE, 1, CONDITIONS_MAX, NULL, check_conditions},
    };
    char where[192];
    int r = fields_check(FIELDS(list), value, path, failure);

    if (r < 0 || json_get(value, "tool_names") || json_get(value, "arguments") ||
        json_get(value, "read_only"))
        return r;
    path_format(path, where, sizeof(where));
    return failure_set(failure, 400, path, "invalid_value",
                       "Invalid '%s': expected 'tool_names', 'read_only' or 'arguments'.", where);
}

/* A word, or an object of these members. */
static int check_rule(struct fields members, struct json_object *value, const struct path *path,
                      struct failure *failure)
{
    char shown[64];
    char where[192];
    int r;

    if (!value || text_is(json_string(value), words[0]) || text_is(json_string(value), words[1]))
        return 0;
    text_excerpt(json_string(value), shown, sizeof(shown));
    path_format(path, where, sizeof(where));
    if (json_object_is_type(value, json_type_string))
        return failure_set(failure, 400, path, "invalid_value",
                           "Invalid value: '%s'. Supported values are: 'always', 'never', and an "
                           "object that has a filter for one of them or both.",
                           shown);
    if (!json_object_is_type(value, json_type_object))
        return failure_set(failure, 400, path, "invalid_type",
                           "Invalid type for '%s': expected 'always', 'never' or an object.",
                           where);
    r = fields_check(members, value, path, failure);
    if (r < 0 || json_get(value, "always") || json_get(value, "never"))
        return r;
    return failure_set(failure, 400, path, "invalid_value",
                       "Invalid '%s': expected 'always', 'never' or both.", where);
}

int check_require_approval(struct json_object *value, const struct path *path,
                           struct failure *failure)
{
    static const struct field list[] = {
        {"always", FIELD_OBJECT, FIELD_NULLABLE, 0, 0, NULL, check_filter},
        {"never", FIELD_OBJECT, FIELD_NULLABLE, 0, 0, NULL, check_filter},
    };

    return check_rule(FIELDS(list), value, path, failure);
}

int check_server_approval(struct json_object *value, const struct path *path,
                          struct failure *failure)
{
    static const struct field list[] = {
        {"always", FIELD_OBJECT, FIELD_NULLABLE, 0, 0, NULL, check_server_filter},
        {"never", FIELD_OBJECT, FIELD_NULLABLE, 0, 0, NULL, check_server_filter},
    };

    return check_rule(FIELDS(list), value, path, failure);
}
