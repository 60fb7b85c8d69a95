#include "scheduler/api/openai/not_offered.h"

#include <string.h>

#include "shared/json/json.h"

int refuse_parameter(const struct path *path, struct failure *failure)
{
    char where[192];

    path_format(path, where, sizeof(where));
    return failure_set(failure, 400, path, "unsupported_parameter",
                       "Unsupported parameter: '%s' can't be said to every provider, so it is not "
                       "offered here.",
                       where);
}

int refuse_renamed(const struct renamed *list, const char *api, const struct path *path,
                   struct failure *failure)
{
    while (list->here && strcmp(list->name, path->name) != 0)
        list++;
    ASSERT(list->here);
    return failure_set(failure, 400, path, "unsupported_parameter",
                       "Unsupported parameter: '%s'. In %s it is '%s'.", list->name, api,
                       list->here);
}

int check_nothing(struct json_object *value, const struct path *path, struct failure *failure)
{
    switch (json_type_of(value)) {
    case json_type_null:
        return 0;
    case json_type_boolean:
        return json_object_get_boolean(value) ? refuse_parameter(path, failure) : 0;
    case json_type_int:
    case json_type_double:
        return json_object_get_double(value) != 0 ? refuse_parameter(path, failure) : 0;
    case json_type_string:
        return json_string(value).len > 0 ? refuse_parameter(path, failure) : 0;
    case json_type_array:
        return json_object_array_length(value) > 0 ? refuse_parameter(path, failure) : 0;
    case json_type_object:
        return json_object_object_length(value) > 0 ? refuse_parameter(path, failure) : 0;
    }
    return 0;
}
