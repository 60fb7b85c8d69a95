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
#include "shared/check/nearest.h"

enum { NUMBER_BYTES = 64, NUMBER_POWER = 99, NAMES_MAX = 96, NAMES_LISTED = 8 };

#define TYPE(name) (1U << json_type_##name)

/* What a value of a kind is called, and the JSON types that are one. */
static const struct {
    const char *name;
    unsigned types;
} kinds[] = {
    [FIELD_STRING] = {"a string", TYPE(string)},
    [FIELD_INTEGER] = {"an integer", TYPE(int)},
    [FIELD_NUMBER] = {"a decimal", TYPE(int) | TYPE(double)},
    [FIELD_BOOLEAN] = {"a boolean", TYPE(boolean)},
    [FIELD_OBJECT] = {"an object", TYPE(object)},
    [FIELD_ARRAY] = {"an array", TYPE(array)},
    [FIELD_METADATA] = {"an object", TYPE(object)},
    [FIELD_ANY] = {"a value", ~0U},
};

static const char *const type_names[] = {
    [json_type_null] = "null",        [json_type_boolean] = "a boolean",
    [json_type_double] = "a decimal", [json_type_int] = "an integer",
    [json_type_object] = "an object", [json_type_array] = "an array",
    [json_type_string] = "a string",
};

static bool kind_matches(enum field_kind kind, struct json_object *value)
{
    return kinds[kind].types & 1U << json_type_of(value);
}

static int wrong_kind(enum field_kind kind, bool nullable, struct json_object *value,
                      const struct path *path, struct failure *failure)
{
    char where[192];

    if (!path)
        return failure_set(failure, 400, NULL, "invalid_type",
                           "Invalid type for the body: expected %s, but got %s instead.",
                           kinds[kind].name, type_names[json_type_of(value)]);
    path_format(path, where, sizeof(where));
    return failure_set(failure, 400, path, "invalid_type",
                       "Invalid type for '%s': expected %s%s, but got %s instead.", where,
                       kinds[kind].name, nullable ? " or null" : "",
                       type_names[json_type_of(value)]);
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

void words_format(const char *const *words, char *out, size_t size)
{
    static const char more[] = ", \xE2\x80\xA6";
    size_t at = 0;

    out[0] = '\0';
    for (size_t i = 0; words[i]; i++) {
        const char *between = i == 0 ? "" : words[i + 1] ? ", " : i == 1 ? " and " : ", and ";
        size_t left = size - at;
        size_t room = words[i + 1] ? sizeof(more) : 1; /* behind it */

        if (strlen(between) + strlen(words[i]) + 2 + room > left) {
            (void)snprintf(out + at, left, "%s", i == 0 ? more + 2 : more);
            return;
        }
        at += (size_t)snprintf(out + at, left, "%s'%s'", between, words[i]);
    }
}

int fields_word(struct text value, const char *const *words, const struct path *path,
                struct failure *failure)
{
    char list[320];
    char shown[64];

    for (size_t i = 0; words[i]; i++)
        if (text_is(value, words[i]))
            return 0;
    words_format(words, list, sizeof(list));
    text_excerpt(value, shown, sizeof(shown));
    return failure_set(failure, 400, path, "invalid_value",
                       "Invalid value: '%s'. Supported values are: %s.", shown, list);
}

/* "string", "array": too long or too short. */
static int length_outside(const struct field *field, const char *noun, int64_t length,
                          const struct path *path, struct failure *failure)
{
    const char *article = kinds[field->kind].name; /* with its noun */
    bool above = length > field->max;
    bool string = field->kind == FIELD_STRING;
    char where[192];

    path_format(path, where, sizeof(where));
    if (length == 0)
        return failure_set(failure, 400, path,
                           string ? "string_below_min_length" : "array_below_min_length",
                           "Invalid '%s': %s too short. Expected %s with minimum length %" PRId64
                           ", but got an empty %s instead.",
                           where, noun, article, field->min, noun);
    return failure_set(failure, 400, path,
                       above ? (string ? "string_above_max_length" : "array_above_max_length")
                             : (string ? "string_below_min_length" : "array_below_min_length"),
                       "Invalid '%s': %s too %s. Expected %s with %s length %" PRId64
                       ", but got %s with length %" PRId64 " instead.",
                       where, noun, above ? "long" : "short", article,
                       above ? "maximum" : "minimum", above ? field->max : field->min, article,
                       length);
}

/* "integer", "decimal": above or below its limits. */
static int value_outside(const struct field *field, bool above, struct text value,
                         const struct path *path, struct failure *failure)
{
    bool integer = field->kind == FIELD_INTEGER;
    char where[192];
    char shown[40];

    path_format(path, where, sizeof(where));
    text_excerpt(value, shown, sizeof(shown));
    return failure_set(
        failure, 400, path,
        above ? (integer ? "integer_above_max_value" : "decimal_above_max_value")
              : (integer ? "integer_below_min_value" : "decimal_below_min_value"),
        "Invalid '%s': %s %s value. Expected a value %s %" PRId64 ", but got %s instead.", where,
        integer ? "integer" : "decimal", above ? "above maximum" : "below minimum",
        above ? "<=" : ">=", above ? field->max : field->min, shown);
}

static bool is_limited(const struct field *field)
{
    return field->max != 0;
}

static int check_string(const struct field *field, struct json_object *value,
                        const struct path *path, struct failure *failure)
{
    struct text text = json_string(value);
    int64_t length;

    if (field->words)
        return fields_word(text, field->words, path, failure);
    if (!is_limited(field))
        return 0;
    length = (int64_t)text_characters(text);
    if (length >= field->min && length <= field->max)
        return 0;
    return length_outside(field, "string", length, path, failure);
}

static int check_array(const struct field *field, struct json_object *value,
                       const struct path *path, struct failure *failure)
{
    int64_t count = (int64_t)json_object_array_length(value);

    if (!is_limited(field) || (count >= field->min && count <= field->max))
        return 0;
    return length_outside(field, "array", count, path, failure);
}

static int check_integer(const struct field *field, struct json_object *value,
                         const struct path *path, struct failure *failure)
{
    int64_t number = json_object_get_int64(value); /* saturates, so what is too large stays so */

    if (!is_limited(field) || (number >= field->min && number <= field->max))
        return 0;
    return value_outside(field, number > field->max, text_of(json_object_get_string(value)), path,
                         failure);
}

int fields_check_integer(const struct field *field, int64_t number, struct failure *failure)
{
    struct path path = {NULL, field->name, 0};
    char shown[24];

    if (number >= field->min && number <= field->max)
        return 0;
    snprintf(shown, sizeof(shown), "%" PRId64, number);
    return value_outside(field, number > field->max, text_of(shown), &path, failure);
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

    if (!is_limited(field) || (number >= (double)field->min && number <= (double)field->max))
        return json_object_is_type(value, json_type_double) ? check_sane(value, path, failure) : 0;
    return value_outside(field, number > (double)field->max, text_of(json_object_get_string(value)),
                         path, failure);
}

static int check_pair(const char *key, struct json_object *value, const struct path *path,
                      struct failure *failure)
{
    static const struct field value_field = {
        .name = "", .kind = FIELD_STRING, .max = METADATA_VALUE_MAX};
    struct path member = {path, key, 0};
    size_t length = text_characters(text_of(key));
    int r;

    if (length > METADATA_KEY_MAX)
        return failure_set(failure, 400, path, "string_above_max_length",
                           "Invalid '%s': key too long. Expected keys with maximum length %d, but "
                           "got a key with length %zu instead.",
                           path->name, METADATA_KEY_MAX, length);
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

    if (count > METADATA_PAIRS_MAX)
        return failure_set(failure, 400, path, "object_above_max_properties",
                           "Invalid '%s': too many properties. Expected an object with at most %d "
                           "properties, but got an object with %d properties instead.",
                           path->name, METADATA_PAIRS_MAX, count);
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

static const struct field *field_at(const struct fields *fields, size_t place)
{
    return (const struct field *)(const void *)((const char *)fields->list +
                                                place * fields->stride);
}

static const struct field *find_among(const struct fields *fields, const char *name, unsigned only)
{
    for (size_t i = 0; i < fields->count; i++) {
        const struct field *field = field_at(fields, i);

        if (strcmp(field->name, name) == 0)
            return only == 0 || field->flags & only ? field : NULL;
    }
    return NULL;
}

const struct field *fields_find(const struct fields *fields, const char *name)
{
    const struct field *field = find_among(fields, name, 0);

    if (!field && fields->base)
        field = find_among(fields->base, name, fields->only);
    return field;
}

void fields_walk(const struct fields *fields, void (*fn)(void *arg, const struct field *field),
                 void *arg)
{
    for (size_t i = 0; i < fields->count; i++)
        fn(arg, field_at(fields, i));
    for (size_t i = 0; fields->base && i < fields->base->count; i++) {
        const struct field *field = field_at(fields->base, i);

        if (fields_find(fields, field->name) == field)
            fn(arg, field);
    }
}

struct names {
    const char *list[NAMES_MAX]; /* ended by NULL */
    size_t count;
};

static void add_name(void *arg, const struct field *field)
{
    struct names *names = arg;

    if (names->count + 1 < NAMES_MAX && !(field->flags & (FIELD_NOT_OFFERED | FIELD_ELSEWHERE)))
        names->list[names->count++] = field->name;
}

/* What people say for what they have met elsewhere under this name. It counts where an object has
 * the member that is meant; with a sentence, where there is none that stands for it. */
static const struct other_word {
    const char *said;
    const char *meant;
    const char *sentence; /* NULL: "Did you mean …?" */
} other_words[] = {
    {"agent", "assistant_id", NULL},
    {"agent_id", "assistant_id", NULL},
    {"call_id", "tool_call_id", NULL},
    {"comment", "note", NULL},
    {"input_schema", "parameters", NULL},
    {"inputSchema", "parameters", NULL},
    {"label", "server_label", NULL},
    {"message", "input", NULL},
    {"params", "parameters", NULL},
    {"prompt", "input", NULL},
    {"reason", "note", NULL},
    {"result_path", "result_pointer", NULL},
    {"system", "instructions", NULL},
    {"system_prompt", "instructions", NULL},
    {"url", "server_url", NULL},
    {"allowed_domains", "filters", "It is a member of 'filters'."},
    {"blocked_domains", "filters", "It is a member of 'filters'."},
    {"user_location", "search_context_size",
     "Searches here do not know where somebody is: leave it out."},
    {"connector_id", "server_label",
     "There are no connectors here: name a server by its 'server_url', or one of the operator's by "
     "its 'server_label' alone."},
    {"secrets", "result_pointer",
     "An assistant names the secrets that its tools may use, in its own 'secrets'; a tool refers "
     "to one as ${secret:NAME}."},
};

static const struct other_word *other_word(const char *name, const struct names *names)
{
    for (size_t i = 0; i < ARRAY_LENGTH(other_words); i++)
        for (size_t j = 0; strcmp(name, other_words[i].said) == 0 && j < names->count; j++)
            if (strcmp(names->list[j], other_words[i].meant) == 0)
                return &other_words[i];
    return NULL;
}

static int unknown(const struct fields *fields, const struct path *member, struct failure *failure)
{
    struct names names = {.count = 0};
    const struct other_word *other;
    const char *near;
    char list[320] = "";
    char where[192];

    fields_walk(fields, add_name, &names);
    other = other_word(member->name, &names);
    near = other ? other->meant : nearest_word(member->name, names.list, names.count);
    path_format(member, where, sizeof(where));
    if (other && other->sentence)
        return failure_set(failure, 400, member, "unknown_parameter", "Unknown parameter: '%s'. %s",
                           where, other->sentence);
    if (near)
        return failure_set(failure, 400, member, "unknown_parameter",
                           "Unknown parameter: '%s'. Did you mean '%s'?", where, near);
    if (names.count > 0 && names.count <= NAMES_LISTED)
        words_format(names.list, list, sizeof(list));
    return failure_set(failure, 400, member, "unknown_parameter", "Unknown parameter: '%s'.%s%s%s",
                       where, *list ? " Supported parameters are: " : "", list, *list ? "." : "");
}

/* Of a base that is taken in part (`only`) somebody else says what is required. */
static int check_required(const struct fields *fields, struct json_object *object,
                          const struct path *path, struct failure *failure)
{
    char where[192];

    for (size_t i = 0; i < fields->count; i++) {
        const struct field *field = field_at(fields, i);
        struct path member = {path, field->name, 0};

        if (!(field->flags & FIELD_REQUIRED) ||
            json_object_object_get_ex(object, member.name, NULL))
            continue;
        path_format(&member, where, sizeof(where));
        return failure_set(failure, 400, &member, "missing_required_parameter",
                           "Missing required parameter: '%s'.", where);
    }
    if (fields->base && fields->only == 0)
        return check_required(fields->base, object, path, failure);
    return 0;
}

int fields_check(struct fields fields, struct json_object *object, const struct path *path,
                 struct failure *failure)
{
    struct json_object_iterator at = json_object_iter_begin(object);
    struct json_object_iterator end = json_object_iter_end(object);

    for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
        struct path member = {path, json_object_iter_peek_name(&at), 0};
        const struct field *field = fields_find(&fields, member.name);
        int r = field ? fields_check_one(field, json_object_iter_peek_value(&at), &member, failure)
                      : unknown(&fields, &member, failure);

        if (r < 0)
            return r;
    }
    return check_required(&fields, object, path, failure);
}
