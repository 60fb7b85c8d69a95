/* What models leave out of arguments */

#include "shared/json/json.h"
#include "shared/schema/schema.h"

static bool is_required(struct json_object *schema, const char *name)
{
    struct json_object *required = json_get(schema, "required");
    size_t count =
        json_object_is_type(required, json_type_array) ? json_object_array_length(required) : 0;

    for (size_t i = 0; i < count; i++)
        if (text_is(json_string(json_object_array_get_idx(required, i)), name))
            return true;
    return false;
}

void schema_drop_nulls(struct json_object *schema, struct json_object *arguments)
{
    if (!json_object_is_type(arguments, json_type_object))
        return;
    json_object_object_foreach(arguments, name, value)
    {
        if (!value && !is_required(schema, name))
            json_object_object_del(arguments, name);
    }
}
