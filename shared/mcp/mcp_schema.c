/* Making schemas fit.
 *
 * The walk goes into all values that may be schemas, by their keywords, and copies all else as it
 * is. It goes no deeper than DEPTH_MAX and writes no more than a schema may have, so a reference
 * that leads to itself ends: within DEPTH_MAX - a schema that allows anything stands there.
 */

#include "shared/mcp/mcp_schema.h"

#include <string.h>

#include "shared/base/error.h"
#include "shared/schema/schema.h"

#define DEPTH_MAX     24 /* of schemas within schemas */
#define REFERENCE_MAX 8  /* of references, each within what another one leads to */
#define POINTER_MAX   512
#define VALUES_MAX    4000

/* What a schema has under a keyword. */
enum shape {
    SHAPE_VALUE,   /* no schema */
    SHAPE_SCHEMA,  /* one */
    SHAPE_LIST,    /* an array of them */
    SHAPE_NAMED,   /* an object of them */
    SHAPE_DROPPED, /* nothing that is shown */
};

static const struct keyword {
    const char *name;
    enum shape shape;
} keywords[] = {
    {"properties", SHAPE_NAMED},
    {"patternProperties", SHAPE_NAMED},
    {"dependentSchemas", SHAPE_NAMED},
    {"additionalProperties", SHAPE_SCHEMA},
    {"propertyNames", SHAPE_SCHEMA},
    {"items", SHAPE_SCHEMA},
    {"contains", SHAPE_SCHEMA},
    {"not", SHAPE_SCHEMA},
    {"if", SHAPE_SCHEMA},
    {"then", SHAPE_SCHEMA},
    {"else", SHAPE_SCHEMA},
    {"prefixItems", SHAPE_LIST},
    {"anyOf", SHAPE_LIST},
    {"oneOf", SHAPE_LIST},
    {"allOf", SHAPE_LIST},
    {"$schema", SHAPE_DROPPED},
    {"$id", SHAPE_DROPPED},
    {"$anchor", SHAPE_DROPPED},
    {"$comment", SHAPE_DROPPED},
    {"$defs", SHAPE_DROPPED},
    {"definitions", SHAPE_DROPPED},
    {"$ref", SHAPE_DROPPED},
    {"x-mcp-header", SHAPE_DROPPED},
};

struct walk {
    struct json_object *root;
    int references; /* that the present place is within */
    size_t values;
    bool too_large;
    const char *stray; /* a reference to elsewhere, or to nothing; NULL: none */
};

static enum shape shape_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(keywords); i++)
        if (strcmp(keywords[i].name, name) == 0)
            return keywords[i].shape;
    return SHAPE_VALUE;
}

static bool has_type(struct json_object *schema, const char *type)
{
    struct json_object *said = json_get(schema, "type");
    size_t count = json_object_is_type(said, json_type_array) ? json_object_array_length(said) : 0;

    for (size_t i = 0; i < count; i++)
        if (text_is(json_string(json_object_array_get_idx(said, i)), type))
            return true;
    return text_is(json_string(said), type);
}

/* What a reference leads to, within the schema; NULL: nowhere. */
static struct json_object *find(const struct walk *walk, struct text reference)
{
    char pointer[POINTER_MAX];
    struct json_object *found = NULL;

    if (reference.len == 0 || reference.ptr[0] != '#' || reference.len >= sizeof(pointer))
        return NULL;
    if (reference.len == 1)
        return walk->root;
    memcpy(pointer, reference.ptr + 1, reference.len - 1);
    pointer[reference.len - 1] = 0;
    return json_pointer_get(walk->root, pointer, &found) == 0 ? found : NULL;
}

static struct json_object *fit(struct walk *walk, struct json_object *schema, int depth);

static struct json_object *fit_list(struct walk *walk, struct json_object *list, int depth)
{
    size_t count = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    struct json_object *made = json_object_new_array();

    for (size_t i = 0; i < count; i++)
        json_object_array_add(made, fit(walk, json_object_array_get_idx(list, i), depth + 1));
    return made;
}

static struct json_object *fit_named(struct walk *walk, struct json_object *map, int depth)
{
    struct json_object *made = json_object_new_object();

    if (!json_object_is_type(map, json_type_object))
        return made;
    json_object_object_foreach(map, name, value)
    {
        json_object_object_add(made, name, fit(walk, value, depth + 1));
    }
    return made;
}

static struct json_object *fit_keyword(struct walk *walk, enum shape shape,
                                       struct json_object *value, int depth)
{
    switch (shape) {
    case SHAPE_SCHEMA:
        if (!json_object_is_type(value, json_type_array)) /* as `items` was once */
            return fit(walk, value, depth + 1);
        return fit_list(walk, value, depth);
    case SHAPE_LIST:
        return fit_list(walk, value, depth);
    case SHAPE_NAMED:
        return fit_named(walk, value, depth);
    case SHAPE_VALUE:
    case SHAPE_DROPPED:
        break;
    }
    return json_object_get(value);
}

/* Puts what a reference leads to, and then what stands beside it, into `made`. */
static void follow(struct walk *walk, struct text reference, struct json_object *made, int depth)
{
    struct json_object *target = find(walk, reference);
    struct json_object *copy;

    if (!target && !walk->stray)
        walk->stray = reference.ptr;
    if (!target || walk->references >= REFERENCE_MAX)
        return;
    walk->references++;
    copy = fit(walk, target, depth + 1);
    walk->references--;
    if (json_object_is_type(copy, json_type_object)) {
        json_object_object_foreach(copy, name, value)
        {
            json_object_object_add(made, name, json_object_get(value));
        }
    }
    json_free(copy);
}

static void complete(struct json_object *made)
{
    if (has_type(made, "object") && !json_get(made, "properties"))
        json_object_object_add(made, "properties", json_object_new_object());
    if (has_type(made, "array") && !json_get(made, "items") && !json_get(made, "prefixItems"))
        json_object_object_add(made, "items", json_object_new_object());
}

/* The caller's to free. What is no object (`true` allows anything) stays. */
static struct json_object *fit(struct walk *walk, struct json_object *schema, int depth)
{
    struct json_object *made;

    if (++walk->values > VALUES_MAX || depth > DEPTH_MAX) {
        walk->too_large |= walk->values > VALUES_MAX || walk->references == 0;
        return json_object_new_object();
    }
    if (!json_object_is_type(schema, json_type_object))
        return json_object_get(schema);
    made = json_object_new_object();
    if (json_get_text(schema, "$ref").ptr)
        follow(walk, json_get_text(schema, "$ref"), made, depth);
    json_object_object_foreach(schema, name, value)
    {
        enum shape shape = shape_of(name);

        if (shape != SHAPE_DROPPED)
            json_object_object_add(made, name, fit_keyword(walk, shape, value, depth));
    }
    complete(made);
    return made;
}

static int check(const struct walk *walk, struct json_object *made, struct error *err)
{
    int r;

    if (walk->too_large)
        return error_set(err, E_LIMIT, "its schema has too many parts, or too many levels");
    if (walk->stray)
        return error_set(err, E_INVALID, "its schema refers to %.80s, which is not in it",
                         walk->stray);
    if (json_text(made).len > MCP_SCHEMA_BYTES_MAX)
        return error_set(err, E_LIMIT, "its schema is larger than %zu bytes", MCP_SCHEMA_BYTES_MAX);
    r = schema_validate_schema(made, err);
    return r < 0 ? error_wrap(err, "its schema") : 0;
}

int mcp_schema_fit(struct json_object *schema, struct buf *out, struct error *err)
{
    struct walk walk = {.root = schema};
    CLEANUP(json_freep) struct json_object *made = NULL;
    int r;

    if (schema && !json_object_is_type(schema, json_type_object))
        return error_set(err, E_INVALID, "its schema is no object");
    if (json_get(schema, "type") && !has_type(schema, "object"))
        return error_set(err, E_INVALID, "its arguments are no object");
    made = schema ? fit(&walk, schema, 0) : json_object_new_object();
    json_object_object_add(made, "type", json_object_new_string("object"));
    complete(made);
    r = check(&walk, made, err);
    if (r == 0)
        json_encode(out, made);
    return r;
}
