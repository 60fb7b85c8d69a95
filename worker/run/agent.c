/* Parsing of a run's spec into what the loop reads. The API has validated it when the run was made;
 * what is odd here all the same (a spec written by hand into the database) is an error, not a
 * guess. */

#include "worker/run/agent.h"

#include <stdio.h>

#include "providers/chat_read.h"
#include "shared/agent/spec.h"
#include "shared/agent/tools.h"
#include "shared/base/error.h"
#include "shared/json/json.h"
#include "shared/json/json_raw.h"
#include "worker/tools/tool.h"

#define TOOLS_MAX (size_t) agent_members[SPEC_TOOLS].field.max

static int out_of_room(struct error *err)
{
    return error_set(err, E_LIMIT, "the spec is too large for the run's memory");
}

static int copy_text(struct arena *arena, struct text text, struct text *out, struct error *err)
{
    char *copy;

    if (!text.ptr)
        return 0;
    copy = arena_copy(arena, text);
    if (!copy)
        return out_of_room(err);
    *out = (struct text){copy, text.len};
    return 0;
}

/* `raw` is the text of `item`: a function's parameters are kept as they were written. */
static int parse_tool(struct json_object *item, struct text raw, struct arena *arena,
                      struct agent_setup *agent, struct error *err)
{
    struct agent_tool *tool = &agent->tools[agent->tools_count];
    struct chat_tool *shown = &agent->chat_tools[agent->tools_count];
    struct text type = json_get_text(item, "type");
    const struct tool_kind *kind = tool_kind_find(type);
    int r;

    if (kind && kind->executor == TOOL_BY_CLIENT) {
        r = chat_read_function(json_raw_get(raw, "function"), arena, shown, err);
        if (r < 0)
            return r;
        tool->name = shown->name;
        agent->tools_count++;
        return 0;
    }
    tool->tool = tool_find(type);
    if (!tool->tool)
        return error_set(err, E_INVALID, "there is no tool of the type '%.*s' here",
                         (int)(type.len < 64 ? type.len : 64), type.ptr ? type.ptr : "");
    tool->name = text_of(tool->tool->name);
    if (json_get(item, "class")) {
        if (!tool_class_parse(json_get_text(item, "class"), &tool->class))
            return error_set(err, E_INVALID, "the class of the tool %s is none", tool->tool->name);
        tool->has_class = true;
    }
    shown->name = tool->name;
    shown->description = text_of(tool->tool->description);
    shown->parameters = text_of(tool->tool->parameters);
    agent->tools_count++;
    return 0;
}

static int parse_tools(struct json_object *list, struct text raw, struct arena *arena,
                       struct agent_setup *agent, struct error *err)
{
    struct json_raw_walk walk;
    struct text item;
    size_t count;

    if (!json_object_is_type(list, json_type_array))
        return 0;
    count = json_object_array_length(list);
    if (count > TOOLS_MAX)
        return error_set(err, E_LIMIT, "more than %zu tools", TOOLS_MAX);
    agent->tools = arena_calloc(arena, count, sizeof(*agent->tools));
    agent->chat_tools = arena_calloc(arena, count, sizeof(*agent->chat_tools));
    if (!agent->tools || !agent->chat_tools)
        return out_of_room(err);
    json_raw_begin(raw, &walk);
    for (size_t i = 0; i < count && json_raw_next(&walk, &item); i++) {
        int r = parse_tool(json_object_array_get_idx(list, i), item, arena, agent, err);

        if (r < 0)
            return r;
    }
    return 0;
}

static int parse_http_allow(struct json_object *list, struct arena *arena,
                            struct agent_setup *agent, struct error *err)
{
    size_t count;

    if (!json_object_is_type(list, json_type_array))
        return 0;
    count = json_object_array_length(list);
    agent->http_allow = arena_calloc(arena, count, sizeof(*agent->http_allow));
    if (!agent->http_allow)
        return out_of_room(err);
    for (size_t i = 0; i < count; i++) {
        struct text host = json_string(json_object_array_get_idx(list, i));
        const char *copy = host.ptr ? arena_copy(arena, host) : NULL;

        if (!copy)
            return error_set(err, E_INVALID, "http_allow[%zu] is no host name", i);
        agent->http_allow[agent->http_allow_count++] = copy;
    }
    return 0;
}

static void parse_numbers(struct json_object *spec, struct agent_setup *agent)
{
    struct json_object *truncation = json_get(spec, "truncation_strategy");

    agent->has_temperature = json_get(spec, "temperature");
    agent->temperature = json_get_double(spec, "temperature", 0);
    agent->has_top_p = json_get(spec, "top_p");
    agent->top_p = json_get_double(spec, "top_p", 0);
    agent->max_prompt_tokens = json_get_int(spec, "max_prompt_tokens", 0);
    agent->max_completion_tokens = json_get_int(spec, "max_completion_tokens", 0);
    agent->max_iterations = json_get_int(spec, "max_iterations", 0);
    agent->timeout_ms = json_get_int(spec, "timeout_seconds", 0) * 1000;
    if (text_is(json_get_text(truncation, "type"), "last_messages"))
        agent->last_messages = json_get_int(truncation, "last_messages", 0);
    if (json_get(spec, "parallel_tool_calls"))
        agent->parallel_tool_calls =
            json_get_bool(spec, "parallel_tool_calls", true) ? CHAT_SWITCH_ON : CHAT_SWITCH_OFF;
}

static int parse_texts(struct json_object *spec, struct arena *arena, struct agent_setup *agent,
                       struct error *err)
{
    int r = copy_text(arena, json_get_text(spec, "model"), &agent->model, err);

    if (r == 0)
        r = copy_text(arena, json_get_text(spec, "instructions"), &agent->instructions, err);
    if (r == 0)
        r = copy_text(arena, json_get_text(spec, "reasoning_effort"), &agent->reasoning_effort,
                      err);
    if (r == 0)
        r = copy_text(arena, json_get_text(spec, "trace_id"), &agent->trace, err);
    return r;
}

int agent_parse(struct text spec_text, struct arena *arena, struct agent_setup *out,
                struct error *err)
{
    CLEANUP(json_freep) struct json_object *spec = NULL;
    struct agent_setup agent = {0};
    struct text raw = TEXT_NONE; /* the same, as it was written */
    int r = json_decode(spec_text, JSON_DEPTH_DEFAULT * 2, &spec, err);

    if (r == 0)
        r = json_raw_check(spec_text, JSON_RAW_DEPTH_MAX, &raw, err);
    if (r < 0)
        return error_wrap(err, "the run's spec");
    r = parse_texts(spec, arena, &agent, err);
    if (r == 0)
        r = chat_read_tool_choice(json_raw_get(raw, "tool_choice"), arena, &agent.tool_choice, err);
    if (r == 0)
        r = chat_read_format(json_raw_get(raw, "response_format"), arena, &agent.response_format,
                             err);
    if (r == 0)
        r = parse_tools(json_get(spec, "tools"), json_raw_get(raw, "tools"), arena, &agent, err);
    if (r == 0)
        r = parse_http_allow(json_get(spec, "http_allow"), arena, &agent, err);
    if (r < 0)
        return r;
    if (!agent.model.len)
        return error_set(err, E_INVALID, "the run's spec names no model");
    parse_numbers(spec, &agent);
    *out = agent;
    return 0;
}

const struct agent_tool *agent_find_tool(const struct agent_setup *agent, struct text name)
{
    for (size_t i = 0; i < agent->tools_count; i++)
        if (text_equal(agent->tools[i].name, name))
            return &agent->tools[i];
    return NULL;
}
