/* A schema and a value, with a line break between: any pair is judged or refused, within bounds. A
 * value that satisfies a schema does not satisfy its negation, and is one of an enum that names
 * it. */

#include <string.h>

#include "shared/base/error.h"
#include "shared/json/json.h"
#include "shared/schema/schema.h"

static int check(struct json_object *schema, struct json_object *value)
{
    struct error err = {0};
    int r = schema_check(schema, value, &err);

    ASSERT(r == 0 || r == -E_INVALID || r == -E_LIMIT);
    ASSERT(r == 0 || (err.text[0] && text_is_utf8(text_of(err.text))));
    return r;
}

static struct json_object *wrap(const char *key, struct json_object *inner)
{
    struct json_object *outer = json_object_new_object();

    json_object_object_add(outer, key, inner);
    return outer;
}

/* References would mean something else one level further down. */
static bool has_references(struct text schema)
{
    return memmem(schema.ptr, schema.len, "ref", 3) || memmem(schema.ptr, schema.len, "\\", 1);
}

static void check_laws(struct text schema_text, struct json_object *schema,
                       struct json_object *value)
{
    struct error err = {0};
    int valid = schema_validate_schema(schema, &err);
    int r = check(schema, value);
    CLEANUP(json_freep) struct json_object *negation = wrap("not", json_object_get(schema));
    CLEANUP(json_freep) struct json_object *listed = json_object_new_array();
    int opposite = check(negation, value);

    ASSERT(valid == 0 || valid == -E_INVALID || valid == -E_LIMIT);
    ASSERT(valid == 0 || (err.text[0] && text_is_utf8(text_of(err.text))));
    if (valid == 0 && r != -E_LIMIT && opposite != -E_LIMIT && !has_references(schema_text))
        ASSERT((r == 0) != (opposite == 0));
    json_object_array_add(listed, json_object_get(value));
    listed = wrap("enum", listed);
    r = check(listed, value);
    ASSERT(r == 0 || r == -E_LIMIT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *split = size ? memchr(data, '\n', size) : NULL;
    CLEANUP(json_freep) struct json_object *schema = NULL;
    CLEANUP(json_freep) struct json_object *value = NULL;
    struct text schema_text;
    struct text value_text;

    if (!split)
        return 0;
    schema_text = (struct text){(const char *)data, (size_t)(split - data)};
    value_text = (struct text){(const char *)split + 1, size - schema_text.len - 1};
    if (json_decode(schema_text, JSON_DEPTH_DEFAULT, &schema, NULL) < 0 ||
        json_decode(value_text, JSON_DEPTH_DEFAULT, &value, NULL) < 0)
        return 0;
    check_laws(schema_text, schema, value);
    return 0;
}
