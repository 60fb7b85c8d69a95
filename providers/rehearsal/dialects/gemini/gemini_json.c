/* JSON as Google's servers read it: protocol buffers, whose fields have two names, and no others.
 */

#include <ctype.h>

#include "providers/rehearsal/dialects/gemini/gemini.h"

#define NAME_SIZE 64

/* "functionCall" as "function_call". */
static void to_snake(const char *name, char out[NAME_SIZE])
{
    size_t len = 0;

    for (; *name && len + 2 < NAME_SIZE; name++) {
        if (isupper((unsigned char)*name))
            out[len++] = '_';
        out[len++] = (char)tolower((unsigned char)*name);
    }
    out[len] = '\0';
}

struct json_object *dialect_gemini_get(struct json_object *object, const char *name)
{
    struct json_object *value = json_get(object, name);
    char snake[NAME_SIZE];

    if (value)
        return value;
    to_snake(name, snake);
    return strcmp(snake, name) == 0 ? NULL : json_get(object, snake);
}

static bool is_known(const char *name, const char *const *known)
{
    char snake[NAME_SIZE];

    for (; *known; known++) {
        if (strcmp(name, *known) == 0)
            return true;
        to_snake(*known, snake);
        if (strcmp(name, snake) == 0)
            return true;
    }
    return false;
}

int dialect_gemini_check_members(struct problem *problem, struct json_object *object,
                                 const char *const *known, const char *at)
{
    if (!object)
        return 0;
    if (!json_object_is_type(object, json_type_object))
        return problem_set(problem, NULL, "Invalid value at '%.200s' (expected an object)", at);
    json_object_object_foreach(object, name, value)
    {
        (void)value;
        if (is_known(name, known))
            continue;
        return problem_set(problem, NULL,
                           "Invalid JSON payload received. Unknown name \"%.60s\"%s%.200s%s: "
                           "Cannot find field.",
                           name, *at ? " at '" : "", at, *at ? "'" : "");
    }
    return 0;
}

int dialect_gemini_check_key(const struct request *request, struct problem *problem)
{
    if (request->key.len)
        return 0;
    return problem_set_as(problem, 403, NULL,
                          "Method doesn't allow unregistered callers (callers without established "
                          "identity). Please use API Key or other form of API consumer identity to "
                          "call this API.");
}

bool dialect_gemini_model_signs(struct text model)
{
    return text_starts(model, "gemini-3");
}

void dialect_gemini_gather(struct json_object *content, struct buf *out)
{
    struct json_object *parts = json_get(content, "parts");
    bool any = false;

    for (size_t i = 0; i < reader_length(parts); i++) {
        struct json_object *part = json_object_array_get_idx(parts, i);
        struct text text = json_get_text(part, "text");

        if (!text.len || json_get_bool(part, "thought", false))
            continue;
        if (any)
            buf_add_char(out, '\n');
        buf_add_text(out, text);
        any = true;
    }
}
