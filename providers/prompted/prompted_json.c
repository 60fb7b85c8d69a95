/* Calls as JSON. Of members that mean the same the first in the list counts. */

#include "providers/prompted/prompted_json.h"

#include "shared/json/json.h"
#include "shared/json/json_raw.h"

#define NO_NAME                                                                                    \
    "the call names no tool: write <tool_call><name>NAME</name><arguments>{…}</arguments>"       \
    "</tool_call>"
#define NO_OBJECT "the arguments of the call are not one valid JSON object"
#define NO_MEMBER "the call has members beside its name, but none called \"arguments\""

static const char *const name_members[] = {"name", "function", "tool", "tool_name"};
static const char *const argument_members[] = {"arguments", "parameters", "args", "input"};
static const char *const other_members[] = {"type", "id"};

size_t prompted_json_extent(struct text in)
{
    bool in_string = false;
    size_t depth = 0;

    for (size_t at = 0; at < in.len; at++) {
        char c = in.ptr[at];

        if (in_string && c == '\\')
            at++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '{' || c == '['))
            depth++;
        else if (!in_string && (c == '}' || c == ']') && depth > 0)
            depth--;
        else
            continue;
        if (!in_string && depth == 0)
            return at < in.len ? at + 1 : 0;
    }
    return 0;
}

/* What stands in a string. Names of tools have no escapes; one with some is no tool's. */
static struct text inside(struct text string)
{
    if (json_raw_type(string) != JSON_RAW_STRING)
        return TEXT_NONE;
    return (struct text){string.ptr + 1, string.len - 2};
}

static struct text first_of(struct text object, const char *const *names, size_t count)
{
    struct text value = TEXT_NONE;

    for (size_t i = 0; i < count && !value.ptr; i++)
        value = json_raw_get(object, names[i]);
    return value;
}

static struct text name_in(struct text object)
{
    return text_trim(inside(first_of(object, name_members, ARRAY_LENGTH(name_members))));
}

static bool is_one_of(struct text name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (json_raw_is(name, names[i]))
            return true;
    return false;
}

/* Members that are neither its name, nor what servers write beside it. */
static bool has_more(struct text object)
{
    struct json_raw_walk walk;
    struct text value;

    json_raw_begin(object, &walk);
    while (json_raw_next(&walk, &value))
        if (!is_one_of(walk.name, name_members, ARRAY_LENGTH(name_members)) &&
            !is_one_of(walk.name, argument_members, ARRAY_LENGTH(argument_members)) &&
            !is_one_of(walk.name, other_members, ARRAY_LENGTH(other_members)))
            return true;
    return false;
}

void prompted_set_arguments(struct prompted_call *call, struct text said)
{
    struct text value;

    call->arguments = text_trim(said);
    if (call->arguments.len == 0)
        return;
    if (json_raw_check(call->arguments, JSON_DEPTH_DEFAULT, &value, NULL) == 0) {
        enum json_raw_type type = json_raw_type(value);

        if (type == JSON_RAW_OBJECT || type == JSON_RAW_STRING || type == JSON_RAW_NULL)
            return;
    }
    call->problem = NO_OBJECT;
}

bool prompted_json_call(struct text object, struct text tool, struct prompted_call *out)
{
    struct prompted_call call = {.name = tool};
    struct text within = json_raw_get(object, "function");
    struct text arguments;
    struct text name;

    if (json_raw_type(object) != JSON_RAW_OBJECT)
        return false;
    if (json_raw_type(within) == JSON_RAW_OBJECT)
        object = within;
    name = name_in(object);
    arguments = first_of(object, argument_members, ARRAY_LENGTH(argument_members));
    if (tool.len > 0 && !(text_equal(name, tool) && arguments.ptr)) {
        prompted_set_arguments(&call, object);
        *out = call;
        return true;
    }
    call.name = name;
    prompted_set_arguments(&call, arguments);
    if (name.len == 0)
        call.problem = NO_NAME;
    else if (!arguments.ptr && has_more(object))
        call.problem = NO_MEMBER;
    *out = call;
    return true;
}
