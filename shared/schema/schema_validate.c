/* Whether a schema is one: a table of keywords and what each must look like. Keywords that are not
 * in the table are anybody's, so they are left alone. */

#include "shared/base/error.h"
#include "shared/schema/schema_internal.h"

enum shape {
    SHAPE_SCHEMA,
    SHAPE_SCHEMAS,     /* a list, not empty */
    SHAPE_SCHEMA_MAP,  /* an object of schemas */
    SHAPE_PATTERN_MAP, /* the same, its keys patterns */
    SHAPE_COUNT,       /* an integer of 0 or more */
    SHAPE_NUMBER,
    SHAPE_POSITIVE, /* a number above 0 */
    SHAPE_BOOLEAN,
    SHAPE_STRINGS,     /* a list without duplicates */
    SHAPE_STRINGS_MAP, /* an object of such lists */
    SHAPE_VALUES,      /* a list, not empty */
    SHAPE_TYPE,
    SHAPE_PATTERN,
    SHAPE_REFERENCE,
};

static const struct {
    const char *keyword;
    enum shape shape;
} keywords[] = {
    {"type", SHAPE_TYPE},
    {"enum", SHAPE_VALUES},
    {"properties", SHAPE_SCHEMA_MAP},
    {"patternProperties", SHAPE_PATTERN_MAP},
    {"additionalProperties", SHAPE_SCHEMA},
    {"propertyNames", SHAPE_SCHEMA},
    {"required", SHAPE_STRINGS},
    {"dependentRequired", SHAPE_STRINGS_MAP},
    {"minProperties", SHAPE_COUNT},
    {"maxProperties", SHAPE_COUNT},
    {"items", SHAPE_SCHEMA},
    {"prefixItems", SHAPE_SCHEMAS},
    {"contains", SHAPE_SCHEMA},
    {"minItems", SHAPE_COUNT},
    {"maxItems", SHAPE_COUNT},
    {"minContains", SHAPE_COUNT},
    {"maxContains", SHAPE_COUNT},
    {"uniqueItems", SHAPE_BOOLEAN},
    {"minLength", SHAPE_COUNT},
    {"maxLength", SHAPE_COUNT},
    {"pattern", SHAPE_PATTERN},
    {"minimum", SHAPE_NUMBER},
    {"maximum", SHAPE_NUMBER},
    {"exclusiveMinimum", SHAPE_NUMBER},
    {"exclusiveMaximum", SHAPE_NUMBER},
    {"multipleOf", SHAPE_POSITIVE},
    {"anyOf", SHAPE_SCHEMAS},
    {"oneOf", SHAPE_SCHEMAS},
    {"allOf", SHAPE_SCHEMAS},
    {"not", SHAPE_SCHEMA},
    {"if", SHAPE_SCHEMA},
    {"then", SHAPE_SCHEMA},
    {"else", SHAPE_SCHEMA},
    {"$ref", SHAPE_REFERENCE},
    {"$defs", SHAPE_SCHEMA_MAP},
    {"definitions", SHAPE_SCHEMA_MAP},
};

#define TYPES_MAX 7 /* there are no more */

/* As long as it takes to compile a pattern. */
#define PATTERN_STEPS      10
#define PATTERN_STEP_BYTES 16

static int validate(struct schema_walk *walk, struct json_object *schema, struct error *err);

static int expected(struct schema_walk *walk, const char *what, struct json_object *value,
                    struct error *err)
{
    return schema_fail(walk, err, "expected %s, got %s", what, schema_kind(value));
}

static int validate_schemas(struct schema_walk *walk, struct json_object *list, struct error *err)
{
    if (!json_object_is_type(list, json_type_array) || json_object_array_length(list) == 0)
        return schema_fail(walk, err, "expected a list of schemas that is not empty");
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        size_t mark = schema_path_index(walk, i);
        int r = validate(walk, json_object_array_get_idx(list, i), err);

        if (r < 0)
            return r;
        schema_path_leave(walk, mark);
    }
    return 0;
}

static int validate_pattern(struct schema_walk *walk, const char *pattern, struct error *err)
{
    struct error why;
    int r = schema_spend(walk, PATTERN_STEPS + strlen(pattern) / PATTERN_STEP_BYTES, err);

    if (r < 0 || schema_pattern_validate(pattern, &why) == 0)
        return r;
    return schema_fail(walk, err, "%s", why.text);
}

static int validate_map(struct schema_walk *walk, enum shape shape, struct json_object *map,
                        struct error *err)
{
    if (!json_object_is_type(map, json_type_object))
        return expected(walk, "an object of schemas", map, err);
    json_object_object_foreach(map, key, schema)
    {
        size_t mark = schema_path_key(walk, key);
        int r = shape == SHAPE_PATTERN_MAP ? validate_pattern(walk, key, err) : 0;

        if (r == 0)
            r = validate(walk, schema, err);
        if (r < 0)
            return r;
        schema_path_leave(walk, mark);
    }
    return 0;
}

static int validate_strings(struct schema_walk *walk, struct json_object *list, struct error *err)
{
    size_t count;
    int r;

    if (!json_object_is_type(list, json_type_array))
        return expected(walk, "a list of strings", list, err);
    count = json_object_array_length(list);
    r = schema_spend(walk, count, err);
    for (size_t i = 0; r == 0 && i < count; i++) {
        struct json_object *item = json_object_array_get_idx(list, i);

        if (!json_object_is_type(item, json_type_string))
            return expected(walk, "a list of strings", item, err);
    }
    return r;
}

static int validate_strings_map(struct schema_walk *walk, struct json_object *map,
                                struct error *err)
{
    if (!json_object_is_type(map, json_type_object))
        return expected(walk, "an object of lists of strings", map, err);
    json_object_object_foreach(map, key, list)
    {
        size_t mark = schema_path_key(walk, key);
        int r = validate_strings(walk, list, err);

        if (r < 0)
            return r;
        schema_path_leave(walk, mark);
    }
    return 0;
}

static int validate_type_name(struct schema_walk *walk, struct json_object *name, struct error *err)
{
    if (json_object_is_type(name, json_type_string) &&
        schema_type_known(json_object_get_string(name)))
        return 0;
    return schema_fail(walk, err,
                       "expected \"string\", \"number\", \"integer\", \"boolean\", \"object\", "
                       "\"array\" or \"null\"");
}

static int validate_type(struct schema_walk *walk, struct json_object *type, struct error *err)
{
    int r = 0;

    if (!json_object_is_type(type, json_type_array))
        return validate_type_name(walk, type, err);
    if (json_object_array_length(type) == 0 || json_object_array_length(type) > TYPES_MAX)
        return schema_fail(walk, err, "expected a type or a list of 1 to %d types", TYPES_MAX);
    for (size_t i = 0; r == 0 && i < json_object_array_length(type); i++)
        r = validate_type_name(walk, json_object_array_get_idx(type, i), err);
    return r;
}

static int validate_reference(struct schema_walk *walk, struct json_object *reference,
                              struct error *err)
{
    struct json_object *target;
    int r;

    if (!json_object_is_type(reference, json_type_string))
        return expected(walk, "a string", reference, err);
    r = schema_spend(walk, json_string(reference).len / SCHEMA_STEP_BYTES, err);
    if (r < 0)
        return r;
    if (!schema_resolve(walk->root, json_object_get_string(reference), &target))
        return schema_fail(walk, err,
                           "\"%.80s\" leads nowhere: expected a place in this schema, such as "
                           "#/$defs/name",
                           json_object_get_string(reference));
    if (!json_object_is_type(target, json_type_object) &&
        !json_object_is_type(target, json_type_boolean))
        return schema_fail(walk, err, "\"%.80s\" leads to %s, not to a schema",
                           json_object_get_string(reference), schema_kind(target));
    return 0;
}

static int validate_number(struct schema_walk *walk, enum shape shape, struct json_object *value,
                           struct error *err)
{
    double number;

    if (!schema_number(value, &number))
        return expected(walk, "a number", value, err);
    if (shape == SHAPE_COUNT && (!schema_is_type(value, "integer") || number < 0))
        return schema_fail(walk, err, "expected an integer of 0 or more");
    if (shape == SHAPE_POSITIVE && number <= 0)
        return schema_fail(walk, err, "expected a number above 0");
    return 0;
}

static int validate_keyword(struct schema_walk *walk, enum shape shape, struct json_object *value,
                            struct error *err)
{
    switch (shape) {
    case SHAPE_SCHEMA:
        return validate(walk, value, err);
    case SHAPE_SCHEMAS:
        return validate_schemas(walk, value, err);
    case SHAPE_SCHEMA_MAP:
    case SHAPE_PATTERN_MAP:
        return validate_map(walk, shape, value, err);
    case SHAPE_COUNT:
    case SHAPE_NUMBER:
    case SHAPE_POSITIVE:
        return validate_number(walk, shape, value, err);
    case SHAPE_BOOLEAN:
        if (json_object_is_type(value, json_type_boolean))
            return 0;
        return expected(walk, "true or false", value, err);
    case SHAPE_STRINGS:
        return validate_strings(walk, value, err);
    case SHAPE_STRINGS_MAP:
        return validate_strings_map(walk, value, err);
    case SHAPE_VALUES:
        if (json_object_is_type(value, json_type_array) && json_object_array_length(value) > 0)
            return 0;
        return schema_fail(walk, err, "expected a list of values that is not empty");
    case SHAPE_TYPE:
        return validate_type(walk, value, err);
    case SHAPE_PATTERN:
        if (!json_object_is_type(value, json_type_string))
            return expected(walk, "a string", value, err);
        return validate_pattern(walk, json_object_get_string(value), err);
    case SHAPE_REFERENCE:
        break;
    }
    return validate_reference(walk, value, err);
}

static int validate(struct schema_walk *walk, struct json_object *schema, struct error *err)
{
    int r;

    if (json_object_is_type(schema, json_type_boolean))
        return 0;
    if (!json_object_is_type(schema, json_type_object))
        return expected(walk, "a schema (an object, true or false)", schema, err);
    r = schema_enter(walk, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < ARRAY_LENGTH(keywords); i++) {
        struct json_object *value;
        size_t mark;

        if (!json_object_object_get_ex(schema, keywords[i].keyword, &value))
            continue;
        mark = schema_path_key(walk, keywords[i].keyword);
        r = validate_keyword(walk, keywords[i].shape, value, err);
        if (r < 0)
            return r;
        schema_path_leave(walk, mark);
    }
    walk->depth--;
    return 0;
}

int schema_validate_schema(struct json_object *schema, struct error *err)
{
    CLEANUP(schema_walk_deinit) struct schema_walk walk;

    schema_walk_init(&walk, schema);
    return validate(&walk, schema, err);
}
