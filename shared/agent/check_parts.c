/* Checks of what makes an agent somebody: its name in addresses, its character, its examples, and
 * what its templates are filled with. */

#include "shared/agent/checks.h"

#include "shared/agent/placeholders.h"
#include "shared/agent/spec.h"
#include "shared/check/failure.h"

#define SENTENCE_MAX       8000  /* characters */
#define EXAMPLE_MAX        32000 /* of each of its two sides */
#define VARIABLES_MAX      64
#define VARIABLE_VALUE_MAX 16384

static bool is_slug_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool slug_fits(struct text text)
{
    for (size_t i = 0; i < text.len; i++) {
        bool within = i > 0 && i + 1 < text.len && text.ptr[i - 1] != '-';

        if (!is_slug_letter(text.ptr[i]) && !(text.ptr[i] == '-' && within))
            return false;
    }
    return text.len > 0 && text.len <= SLUG_MAX;
}

/* What stands in a path of the API where an assistant's id may stand, too. (A test goes through the
 * routes.) */
static const char *const reserved[] = {"check"};

int check_slug(struct json_object *value, const struct path *path, struct failure *failure)
{
    struct text slug = json_string(value);

    for (size_t i = 0; i < ARRAY_LENGTH(reserved); i++)
        if (text_is(slug, reserved[i]))
            return failure_set(failure, 400, path, "invalid_value",
                               "Invalid 'slug': '%s' is a part of a path of this API. Choose "
                               "another one, such as '%s-1'.",
                               reserved[i], reserved[i]);
    if (slug_fits(slug))
        return 0;
    return failure_set(failure, 400, path, "invalid_value",
                       "Invalid 'slug': expected small letters, digits and single hyphens between "
                       "them, such as 'support-berlin', of at most %d characters.",
                       SLUG_MAX);
}

static int check_constraint(struct json_object *value, const struct path *path,
                            struct failure *failure)
{
    static const struct field sentence = {.kind = FIELD_STRING, .min = 1, .max = SENTENCE_MAX};

    return fields_check_one(&sentence, value, path, failure);
}

int check_constraints(struct json_object *value, const struct path *path, struct failure *failure)
{
    return fields_each(value, path, check_constraint, failure);
}

int check_personality(struct json_object *value, const struct path *path, struct failure *failure)
{
    static const struct field list[] = {
        {.name = "tone", .kind = FIELD_STRING, .flags = FIELD_NULLABLE, .max = SENTENCE_MAX},
        {.name = "style", .kind = FIELD_STRING, .flags = FIELD_NULLABLE, .max = SENTENCE_MAX},
    };

    return fields_check(FIELDS(list), value, path, failure);
}

static int check_example(struct json_object *value, const struct path *path,
                         struct failure *failure)
{
    static const struct field list[] = {
        {.name = "user",
         .kind = FIELD_STRING,
         .flags = FIELD_REQUIRED,
         .min = 1,
         .max = EXAMPLE_MAX},
        {.name = "assistant",
         .kind = FIELD_STRING,
         .flags = FIELD_REQUIRED,
         .min = 1,
         .max = EXAMPLE_MAX},
    };
    int r = fields_expect(FIELD_OBJECT, value, path, failure);

    return r < 0 ? r : fields_check(FIELDS(list), value, path, failure);
}

int check_examples(struct json_object *value, const struct path *path, struct failure *failure)
{
    return fields_each(value, path, check_example, failure);
}

int check_config(struct json_object *value, const struct path *path, struct failure *failure)
{
    size_t bytes = json_text(value).len;
    int r = fields_check_numbers(value, path, failure);

    if (r < 0 || bytes <= AGENT_CONFIG_MAX)
        return r;
    return failure_set(failure, 400, path, "string_above_max_length",
                       "Invalid 'config': as JSON it has %zu bytes. Expected at most %d.", bytes,
                       AGENT_CONFIG_MAX);
}

static int check_variable(const char *name, struct json_object *value, const struct path *path,
                          struct failure *failure)
{
    static const struct field text = {.kind = FIELD_STRING, .max = VARIABLE_VALUE_MAX};

    if (!placeholder_name_fits(text_of(name)))
        return failure_set(failure, 400, path, "invalid_value",
                           "Invalid name of a variable in 'variables': expected a letter or '_', "
                           "then letters, digits and '_', of at most %d characters.",
                           PLACEHOLDER_NAME_MAX);
    if (json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_double))
        return fields_check_numbers(value, path, failure);
    if (json_object_is_type(value, json_type_boolean))
        return 0;
    return fields_check_one(&text, value, path, failure);
}

int check_variables(struct json_object *value, const struct path *path, struct failure *failure)
{
    if (json_object_object_length(value) > VARIABLES_MAX)
        return failure_set(failure, 400, path, "object_above_max_properties",
                           "Invalid 'variables': expected at most %d of them, got %d.",
                           VARIABLES_MAX, json_object_object_length(value));
    json_object_object_foreach(value, name, variable)
    {
        struct path at = {path, name, 0};
        int r = check_variable(name, variable, &at, failure);

        if (r < 0)
            return r;
    }
    return 0;
}
