/* Calls without any tag around them: the text as a whole is JSON, or a code block. Any JSON may be
 * an answer, so the names of tools that are offered decide. */

#include "providers/prompted/prompted_bare.h"

#include "shared/agent/tools/tools.h"
#include "shared/json/json.h"
#include "shared/json/json_raw.h"

#define BLOCK "```"

/* Of the line that opens a code block. */
#define OPENING_MAX 256

static struct text behind(struct text in, size_t len)
{
    return text_trim((struct text){in.ptr + len, in.len - len});
}

bool prompted_block(struct text in, struct text *out)
{
    struct text content = text_trim(in);
    struct text first_line;

    if (!text_starts(content, BLOCK) || !text_cut(content, '\n', &first_line, &content) ||
        first_line.len > OPENING_MAX ||
        memchr(first_line.ptr + strlen(BLOCK), '`', first_line.len - strlen(BLOCK)))
        return false;
    content = text_trim(content);
    if (text_ends(content, BLOCK))
        content = text_trim((struct text){content.ptr, content.len - strlen(BLOCK)});
    if (memmem(content.ptr, content.len, "\n" BLOCK, strlen(BLOCK) + 1) ||
        text_starts(content, BLOCK))
        return false; /* there is more than one block */
    *out = content;
    return true;
}

static bool add(struct text object, const struct chat_request *request, struct prompted_calls *out)
{
    struct prompted_call call;

    if (out->count == PROMPTED_CALLS_MAX || !prompted_json_call(object, TEXT_NONE, &call) ||
        call.problem || !prompted_is_offered(request, call.name))
        return false;
    out->items[out->count++] = call;
    return true;
}

static bool add_value(struct text value, const struct chat_request *request,
                      struct prompted_calls *out)
{
    struct json_raw_walk walk;
    struct text list = json_raw_get(value, "tool_calls");
    struct text object;
    size_t before = out->count;

    if (json_raw_type(value) == JSON_RAW_ARRAY)
        list = value;
    if (json_raw_type(list) != JSON_RAW_ARRAY)
        return add(value, request, out);
    json_raw_begin(list, &walk);
    while (json_raw_next(&walk, &object))
        if (!add(object, request, out))
            return false;
    return out->count > before;
}

/* The string at the start of a text, without its quotes. False: it does not end here. */
static bool take_string(struct text *in, struct text *out)
{
    size_t len = text_starts(*in, "\"") ? prompted_json_extent(*in) : 0;

    if (len == 0)
        return false;
    *out = (struct text){in->ptr + 1, len - 2};
    *in = behind(*in, len);
    return true;
}

/* Whether an object that begins so can be a call: its first member says much. */
static bool object_begins(struct text in, const struct chat_request *request)
{
    static const char *const members[] = {"name",      "function",   "tool",      "tool_name",
                                          "arguments", "parameters", "args",      "input",
                                          "type",      "id",         "tool_calls"};
    struct text rest = behind(in, 1);
    struct text name;
    struct text value;
    size_t known = 0;

    if (rest.len > 0 && rest.ptr[0] != '"')
        return false;
    if (!take_string(&rest, &name))
        return true;
    while (known < ARRAY_LENGTH(members) && !text_is(name, members[known]))
        known++;
    if (known == ARRAY_LENGTH(members))
        return false;
    if (known >= 4 || rest.len == 0)
        return true;
    rest = behind(rest, 1); /* the colon */
    if (rest.len > 0 && rest.ptr[0] != '"')
        return text_is(name, "function");
    if (!take_string(&rest, &value))
        return rest.len <= TOOL_NAME_MAX + 1;
    return value.len <= TOOL_NAME_MAX && prompted_is_offered(request, text_trim(value));
}

static bool json_begins(struct text in, const struct chat_request *request)
{
    struct text rest = behind(in, 1);

    if (in.ptr[0] == '{')
        return object_begins(in, request);
    if (in.ptr[0] != '[')
        return false;
    if (rest.len == 0)
        return true;
    return rest.ptr[0] == '{' && object_begins(rest, request);
}

bool prompted_bare_begins(struct text in, const struct chat_request *request)
{
    struct text rest = text_trim(in);
    struct text line;

    if (rest.len == 0 || (rest.len < 3 && rest.ptr[0] == '`'))
        return true;
    if (text_starts(rest, BLOCK)) {
        if (!text_cut(rest, '\n', &line, &rest))
            return rest.len <= OPENING_MAX;
        rest = text_trim(rest);
        if (rest.len == 0)
            return true;
        if (rest.ptr[0] == '<')
            return prompted_tag(rest, "tool_call") != CALL_NONE;
    }
    return json_begins(rest, request);
}

enum call_result prompted_bare_read(struct text in, const struct chat_request *request,
                                    struct prompted_calls *out)
{
    struct text rest = text_trim(in);
    struct text value;

    out->count = 0;
    out->in_vain = 0;
    if (!prompted_bare_begins(rest, request))
        return CALL_NONE;
    (void)prompted_block(rest, &rest);
    while (rest.len > 0) {
        size_t len = prompted_json_extent(rest);
        struct text said = {rest.ptr, len};

        if (len == 0 || json_raw_check(said, JSON_DEPTH_DEFAULT, &value, NULL) < 0 ||
            !add_value(value, request, out))
            return CALL_NONE;
        rest = behind(rest, len);
        if (text_starts(rest, ";") || text_starts(rest, ","))
            rest = behind(rest, 1);
    }
    return out->count > 0 ? CALL_READ : CALL_NONE;
}
