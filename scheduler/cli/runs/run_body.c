/* Bodies of runs, and their variables. Names and values are judged by the server. */

#include "scheduler/cli/runs/run_body.h"

#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/base/text.h"

/* [{"role":"user","content":PROMPT}] */
static struct json_object *messages_of(const char *prompt)
{
    struct json_object *message = json_object_new_object();
    struct json_object *messages = json_object_new_array();

    json_object_object_add(message, "role", json_object_new_string("user"));
    json_object_object_add(message, "content", json_object_new_string(prompt));
    json_object_array_add(messages, message);
    return messages;
}

struct json_object *run_submission(const char *agent_id, const char *prompt)
{
    struct json_object *body = json_object_new_object();
    struct json_object *thread = json_object_new_object();

    json_object_object_add(thread, "messages", messages_of(prompt));
    json_object_object_add(body, "assistant_id", json_object_new_string(agent_id));
    json_object_object_add(body, "thread", thread);
    return body;
}

struct json_object *run_continuation(const char *agent_id, const char *prompt)
{
    struct json_object *body = json_object_new_object();

    json_object_object_add(body, "assistant_id", json_object_new_string(agent_id));
    json_object_object_add(body, "additional_messages", messages_of(prompt));
    return body;
}

static int add_variable(struct json_object *variables, const char *name, struct json_object *value,
                        struct error *err)
{
    if (json_has(variables, name)) {
        json_free(value);
        return error_set(err, E_INVALID, "--variables says \"%.60s\" twice", name);
    }
    json_object_object_add(variables, name, value);
    return 0;
}

/* '{"name": "value"}' */
static int add_object(struct json_object *variables, struct text text, struct error *err)
{
    CLEANUP(json_freep) struct json_object *object = NULL;
    int r = json_decode(text, JSON_DEPTH_DEFAULT, &object, err);

    if (r < 0) {
        struct error cause = *err;

        return error_set(err, E_INVALID, "--variables is no JSON object: %.120s", cause.text);
    }
    json_object_object_foreach(object, name, value)
    {
        r = add_variable(variables, name, json_object_get(value), err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int add_given(struct json_object *variables, const char *given, struct error *err)
{
    CLEANUP(freep) char *name = NULL;
    struct text before;
    struct text value;

    if (!text_is_utf8(text_of(given)))
        return error_set(err, E_INVALID, "--variables is not UTF-8");
    if (given[0] == '{')
        return add_object(variables, text_of(given), err);
    if (!text_cut(text_of(given), '=', &before, &value) || before.len == 0)
        return error_set(err, E_INVALID,
                         "--variables must be NAME=VALUE or a JSON object, not \"%.60s\"", given);
    name = xstrndup(before.ptr, before.len);
    return add_variable(variables, name, json_object_new_string_len(value.ptr, (int)value.len),
                        err);
}

int run_variables(const struct arguments *args, struct json_object **out, struct error *err)
{
    CLEANUP(json_freep) struct json_object *variables = NULL;
    const char *given;

    for (size_t n = 0; (given = arguments_each(args, "variables", n)); n++) {
        int r;

        if (!variables)
            variables = json_object_new_object();
        r = add_given(variables, given, err);
        if (r < 0)
            return r;
    }
    *out = variables;
    variables = NULL;
    return 0;
}

void run_add_variables(struct json_object *body, struct json_object *variables)
{
    struct json_object *there = json_get(body, "variables");

    if (!variables)
        return;
    if (!there) {
        there = json_object_new_object();
        json_object_object_add(body, "variables", there);
    }
    json_object_object_foreach(variables, name, value)
    {
        if (!json_has(there, name))
            json_object_object_add(there, name, json_object_get(value));
    }
}
