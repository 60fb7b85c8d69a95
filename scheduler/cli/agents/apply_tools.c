#include "scheduler/cli/agents/apply_tools.h"

#include <stdio.h>
#include <string.h>

#include "scheduler/cli/agents/agents_diff.h"
#include "scheduler/cli/agents/show_change.h"
#include "scheduler/cli/terminal.h"
#include "shared/agent/tools/declared.h"
#include "shared/agent/tools/tools.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/check/failure.h"
#include "shared/tools/http_tool.h"

#define LISTED_MAX     100000
#define COMPLAINTS_MAX 20

static size_t count_of(const struct apply_tools *apply)
{
    return json_object_array_length(apply->file->tools);
}

static struct json_object *wanted_at(const struct apply_tools *apply, size_t i)
{
    return json_object_array_get_idx(apply->file->tools, i);
}

/* NULL: the file has none of that name. */
static struct json_object *wanted_named(const struct apply_tools *apply, struct text name)
{
    for (size_t i = 0; i < count_of(apply); i++)
        if (text_equal(json_get_text(wanted_at(apply, i), "name"), name))
            return wanted_at(apply, i);
    return NULL;
}

static int note(void *arg, struct json_object *item, struct error *err)
{
    struct apply_tools *apply = arg;

    (void)err;
    json_object_object_add(apply->known, json_get_string(item, "name"), NULL);
    if (wanted_named(apply, json_get_text(item, "name")))
        json_object_object_add(apply->have, json_get_string(item, "name"), json_object_get(item));
    return 0;
}

/* Whether an agent of the file has a function, which may have the name of a tool. */
static bool has_function(const struct apply_tools *apply)
{
    for (size_t i = 0; i < json_object_array_length(apply->file->agents); i++) {
        struct json_object *tools =
            json_get(json_object_array_get_idx(apply->file->agents, i), "tools");

        for (size_t k = 0;
             json_object_is_type(tools, json_type_array) && k < json_object_array_length(tools);
             k++)
            if (json_get(json_object_array_get_idx(tools, k), "function"))
                return true;
    }
    return false;
}

int apply_tools_look(struct apply_tools *apply, struct error *err)
{
    const struct client_walk walk = {"/v1/tools?order=asc", LISTED_MAX, note, apply};

    apply->have = json_object_new_object();
    apply->known = json_object_new_object();
    for (size_t i = 0; i < count_of(apply); i++)
        json_object_object_add(apply->known, json_get_string(wanted_at(apply, i), "name"), NULL);
    return count_of(apply) > 0 || has_function(apply) ? client_walk(apply->client, &walk, err) : 0;
}

int apply_tools_check(struct apply_tools *apply, struct error *err)
{
    int wrong = 0;

    for (size_t i = 0; i < count_of(apply); i++) {
        const struct agents_place *place = &apply->file->tool_places[i];
        struct json_object *wanted = wanted_at(apply, i);
        struct client_reply reply = {0};
        int r = client_post(apply->client, "/v1/tools/check", wanted, &reply, err);

        client_reply_deinit(&reply);
        if (r < 0 && r != -E_REJECTED)
            return r;
        if (r < 0 && ++wrong <= COMPLAINTS_MAX)
            terminal_complain("%s:%zu:%zu: tool \"%.60s\": %s", apply->path, place->line,
                              place->column, json_get_string(wanted, "name"), err->text);
    }
    return wrong;
}

/* ---- agents that name them ---- */

/* The names of its secrets, as JSON; the caller's to free. */
static char *secrets_of(struct json_object *tool)
{
    CLEANUP(json_freep) struct json_object *list = json_object_new_array();
    struct text names[HTTP_TOOL_SECRETS_MAX + 1];
    size_t count = http_tool_secrets(tool, names);

    for (size_t i = 0; i < count; i++)
        json_object_array_add(list, json_object_new_string_len(names[i].ptr, (int)names[i].len));
    return xstrdup(json_text(list).ptr);
}

/* Of the tools of the file the server knows nothing yet, so it can't name one that was meant. */
static int check_type(const struct apply_tools *apply, struct json_object *item, size_t index,
                      struct error *err)
{
    const char *type = json_get_string(item, "type");
    size_t count = count_of(apply);
    CLEANUP(freep) const char **names = xcalloc(count + 1, sizeof(*names));
    const char *near;

    if (!type || !tool_is_declared(text_of(type)) || count == 0 ||
        json_object_object_get_ex(apply->known, type, NULL))
        return 0;
    for (size_t i = 0; i < count; i++)
        names[i] = json_get_string(wanted_at(apply, i), "name");
    near = declared_near(type, names, count);
    if (!near || !wanted_named(apply, text_of(near)))
        return 0;
    return error_set(err, E_INVALID, "tools[%zu].type: Invalid value: '%.64s'. Did you mean '%s'?",
                     index, type, near);
}

static int check_one(struct json_object *item, struct json_object *tool, struct json_object *agent,
                     struct error *err)
{
    CLEANUP(json_freep) struct json_object *list = json_object_new_array();
    CLEANUP(buf_deinit) struct buf expanded = {0};
    CLEANUP(freep) char *secrets = secrets_of(tool);
    const struct declared_tool one = {json_get_text(tool, "name"), json_text(tool),
                                      text_of(secrets)};
    const struct declared_tools declared = {.items = &one, .count = 1};
    struct json_object *allowed = json_get(agent, "secrets");
    struct failure failure;

    buf_init(&expanded, 0);
    json_object_array_add(list, json_object_get(item));
    if (declared_expand(json_text(list), &declared, allowed ? json_text(allowed) : TEXT_NONE,
                        &expanded, &failure) == 0)
        return 0;
    return error_set(err, E_INVALID, "%s", failure.message);
}

int apply_tools_check_agent(const struct apply_tools *apply, struct json_object *agent,
                            struct json_object **out_rest, struct error *err)
{
    struct json_object *tools = json_get(agent, "tools");
    CLEANUP(json_freep) struct json_object *left = json_object_new_array();
    CLEANUP(json_freep) struct json_object *rest = NULL;

    if (json_object_deep_copy(agent, &rest, json_c_shallow_copy_default) < 0)
        return error_set(err, E_INTERNAL, "no copy of an agent could be made");
    for (size_t i = 0;
         json_object_is_type(tools, json_type_array) && i < json_object_array_length(tools); i++) {
        struct json_object *item = json_object_array_get_idx(tools, i);
        struct json_object *tool = wanted_named(apply, json_get_text(item, "type"));

        if (!tool && check_type(apply, item, i, err) < 0)
            return -E_INVALID;
        if (!tool)
            json_object_array_add(left, json_object_get(item));
        else if (check_one(item, tool, agent, err) < 0)
            return error_wrap(err, "tools[%zu]", i);
    }
    if (tools)
        json_object_object_add(rest, "tools", json_object_get(left));
    *out_rest = rest;
    rest = NULL;
    return 0;
}

/* ---- changes ---- */

static bool is_same(struct json_object *wanted, struct json_object *have, const char *name)
{
    return agents_diff_same(json_get(wanted, name), json_get(have, name));
}

/* *out_body is what to POST; the caller's, NULL when nothing changes. */
static enum agents_change diff(struct json_object *wanted, struct json_object *have,
                               struct json_object **out_body)
{
    CLEANUP(json_freep) struct json_object *body = NULL;

    *out_body = NULL;
    if (!have) {
        *out_body = json_object_get(wanted);
        return AGENTS_CREATE;
    }
    body = json_object_new_object();
    for (size_t i = 0; i < http_tool_fields.count; i++) {
        const char *name = http_tool_fields.list[i].name;

        if (!is_same(wanted, have, name))
            json_object_object_add(body, name, json_object_get(json_get(wanted, name)));
    }
    if (json_object_object_length(body) == 0)
        return AGENTS_SAME;
    *out_body = body;
    body = NULL;
    return AGENTS_UPDATE;
}

void apply_tools_show(struct apply_tools *apply)
{
    for (size_t i = 0; i < count_of(apply); i++) {
        CLEANUP(json_freep) struct json_object *body = NULL;
        struct json_object *wanted = wanted_at(apply, i);
        struct json_object *have = json_get(apply->have, json_get_string(wanted, "name"));
        enum agents_change change = diff(wanted, have, &body);

        apply->counts[change]++;
        show_change(change, "tool ", json_get_text(wanted, "name"), have, body);
    }
}

int apply_tools_change(struct apply_tools *apply, struct error *err)
{
    for (size_t i = 0; i < count_of(apply); i++) {
        CLEANUP(json_freep) struct json_object *body = NULL;
        struct json_object *wanted = wanted_at(apply, i);
        const char *name = json_get_string(wanted, "name");
        CLEANUP(freep) char *path = xasprintf("/v1/tools/%s", name);
        struct client_reply reply = {0};
        enum agents_change change = diff(wanted, json_get(apply->have, name), &body);
        int r = 0;

        if (change == AGENTS_UPDATE)
            r = client_post(apply->client, path, body, &reply, err);
        else if (change == AGENTS_CREATE)
            r = client_post_once(apply->client, "/v1/tools", body, &reply, err);
        if (r < 0)
            return error_wrap(err, "tool \"%.60s\"", name);
        if (change != AGENTS_SAME)
            printf("%s tool %s (%s)\n", change == AGENTS_UPDATE ? "updated" : "created", name,
                   json_get_string(reply.json, "id"));
        client_reply_deinit(&reply);
    }
    return 0;
}
