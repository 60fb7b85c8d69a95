/* Schemas of bodies. A member that the document has is one of the table, and the table says what
 * kind it is; the document may say it again, and then the same. */

#include "scheduler/api/document/document.h"
#include "shared/base/error.h"

struct filling {
    struct json_object *properties;
    struct json_object *required; /* NULL: none is */
    const char *where;
    struct error *err;
    int r;
};

/* ---- one member ---- */

static struct json_object *type_of(const struct field *field)
{
    static const char *const names[] = {
        [FIELD_STRING] = "string",   [FIELD_INTEGER] = "integer", [FIELD_NUMBER] = "number",
        [FIELD_BOOLEAN] = "boolean", [FIELD_OBJECT] = "object",   [FIELD_ARRAY] = "array",
        [FIELD_METADATA] = "object", [FIELD_ANY] = NULL,
    };
    struct json_object *both;

    if (!names[field->kind])
        return NULL;
    if (!(field->flags & FIELD_NULLABLE))
        return json_object_new_string(names[field->kind]);
    both = json_object_new_array();
    json_object_array_add(both, json_object_new_string(names[field->kind]));
    json_object_array_add(both, json_object_new_string("null"));
    return both;
}

static struct json_object *words_of(const struct field *field)
{
    struct json_object *words = json_object_new_array();

    for (const char *const *word = field->words; *word; word++)
        json_object_array_add(words, json_object_new_string(*word));
    if (field->flags & FIELD_NULLABLE)
        json_object_array_add(words, NULL);
    return words;
}

static void add_limits(struct json_object *out, const struct field *field)
{
    static const char *const names[][2] = {
        [FIELD_STRING] = {"minLength", "maxLength"},
        [FIELD_INTEGER] = {"minimum", "maximum"},
        [FIELD_NUMBER] = {"minimum", "maximum"},
        [FIELD_ARRAY] = {"minItems", "maxItems"},
        [FIELD_ANY] = {NULL, NULL},
    };
    bool counts = field->kind == FIELD_STRING || field->kind == FIELD_ARRAY;

    if (field->max == 0 || !names[field->kind][0])
        return;
    if (!counts || field->min > 0)
        json_object_object_add(out, names[field->kind][0], json_object_new_int64(field->min));
    if (!counts || field->max < INT32_MAX)
        json_object_object_add(out, names[field->kind][1], json_object_new_int64(field->max));
}

static void add_metadata(struct json_object *out)
{
    struct json_object *values = json_object_new_object();
    struct json_object *names = json_object_new_object();

    json_object_object_add(values, "type", json_object_new_string("string"));
    json_object_object_add(values, "maxLength", json_object_new_int(METADATA_VALUE_MAX));
    json_object_object_add(names, "maxLength", json_object_new_int(METADATA_KEY_MAX));
    json_object_object_add(out, "maxProperties", json_object_new_int(METADATA_PAIRS_MAX));
    json_object_object_add(out, "propertyNames", names);
    json_object_object_add(out, "additionalProperties", values);
}

/* What the table says of a member. */
static struct json_object *schema_of(const struct field *field)
{
    struct json_object *out = json_object_new_object();
    struct json_object *type = type_of(field);

    if (type)
        json_object_object_add(out, "type", type);
    if (field->words)
        json_object_object_add(out, "enum", words_of(field));
    add_limits(out, field);
    if (field->kind == FIELD_METADATA)
        add_metadata(out);
    if (field->flags & FIELD_NOT_OFFERED) {
        json_object_object_add(out, "description", json_object_new_string("Not offered"));
        json_object_object_add(out, "x-not-offered", json_object_new_boolean(true));
    }
    return out;
}

/* ---- both together ---- */

/* These the table decides, also by saying nothing. */
static bool is_of_table(const char *name)
{
    static const char *const names[] = {"type",    "enum",    "minLength", "maxLength",
                                        "minimum", "maximum", "minItems",  "maxItems"};

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static int contradicts(struct filling *filling, const struct field *field, const char *what,
                       struct json_object *said)
{
    return error_set(filling->err, E_INVALID,
                     "%s: %s: \"%s\" is %.*s in the document, and not in "
                     "the table of the body",
                     filling->where, field->name, what, TEXT_ARGS(json_text(said)));
}

static int check_said(struct filling *filling, const struct field *field, struct json_object *said,
                      struct json_object *table)
{
    json_object_object_foreach(said, name, value)
    {
        if (field->kind != FIELD_ANY && is_of_table(name) &&
            !json_object_equal(value, json_get(table, name)))
            return contradicts(filling, field, name, value);
    }
    return 0;
}

/* {"$ref"} or {"anyOf"}: another schema says what it is, where the table says no more than "an
 * object", or "anything". */
static bool is_elsewhere(struct json_object *said)
{
    return json_has(said, "$ref") || json_has(said, "anyOf") || json_has(said, "oneOf");
}

static void merge(struct json_object *said, struct json_object *table)
{
    json_object_object_foreach(table, name, value)
    {
        json_object_object_add(said, name, json_object_get(value));
    }
}

/* Null as well. */
static struct json_object *or_null(struct json_object *said)
{
    struct json_object *null = json_object_new_object();
    struct json_object *both = json_object_new_array();
    struct json_object *out = json_object_new_object();

    json_object_object_add(null, "type", json_object_new_string("null"));
    json_object_array_add(both, json_object_get(said));
    json_object_array_add(both, null);
    json_object_object_add(out, "anyOf", both);
    return out;
}

static void fill(void *arg, const struct field *field)
{
    struct filling *filling = arg;
    struct json_object *said = json_get(filling->properties, field->name);
    CLEANUP(json_freep) struct json_object *table = schema_of(field);

    if (filling->r < 0 || field->flags & FIELD_ELSEWHERE)
        return;
    if (field->flags & FIELD_REQUIRED)
        json_object_array_add(filling->required, json_object_new_string(field->name));
    if (!said) {
        json_object_object_add(filling->properties, field->name, json_object_get(table));
    } else if (is_elsewhere(said)) {
        if (json_has(said, "$ref") && field->flags & FIELD_NULLABLE)
            json_object_object_add(filling->properties, field->name, or_null(said));
    } else {
        filling->r = check_said(filling, field, said, table);
        if (filling->r == 0)
            merge(said, table);
    }
}

static int check_names(struct json_object *properties, const struct fields *fields,
                       const char *where, struct error *err)
{
    json_object_object_foreach(properties, name, value)
    {
        (void)value;
        if (!fields_find(fields, name))
            return error_set(err, E_INVALID,
                             "%s: \"%s\" is in the document and not in the table "
                             "of the body",
                             where, name);
    }
    return 0;
}

/* Where a schema is that of several bodies, the second finds what the first has filled in. */
int document_body(struct json_object *schema, const struct fields *fields, const char *where,
                  struct error *err)
{
    struct filling filling = {.properties = json_get(schema, "properties"),
                              .required = json_object_new_array(),
                              .where = where,
                              .err = err};

    if (!filling.properties) {
        filling.properties = json_object_new_object();
        json_object_object_add(schema, "properties", filling.properties);
    }
    filling.r = check_names(filling.properties, fields, where, err);
    fields_walk(fields, fill, &filling);
    json_object_object_add(schema, "type", json_object_new_string("object"));
    if (json_object_array_length(filling.required) > 0)
        json_object_object_add(schema, "required", filling.required);
    else
        json_free(filling.required);
    return filling.r;
}
