#include "worker/tools/arguments.h"

#include "shared/base/error.h"
#include "shared/schema/schema.h"
#include "worker/tools/tool.h"

int arguments_read(const char *name, const char *parameters, struct text arguments,
                   struct json_object **out, struct error *err)
{
    CLEANUP(json_freep) struct json_object *read = NULL;
    CLEANUP(json_freep) struct json_object *schema = NULL;
    int r;

    if (arguments.len > TOOL_ARGUMENTS_MAX)
        return error_set(err, E_LIMIT, "the arguments are over %zu bytes", TOOL_ARGUMENTS_MAX);
    r = json_decode(arguments, JSON_DEPTH_DEFAULT, &read, err);
    if (r < 0)
        return error_wrap(err, "the arguments are not valid JSON");
    if (!json_object_is_type(read, json_type_object))
        return error_set(err, E_INVALID, "the arguments of %s must be a JSON object", name);
    r = json_decode(text_of(parameters), JSON_DEPTH_DEFAULT, &schema, err);
    ASSERT(r == 0);
    schema_drop_nulls(schema, read);
    r = schema_check(schema, read, err);
    if (r < 0)
        return error_wrap(err, "the arguments do not fit");
    *out = read;
    read = NULL;
    return 0;
}
