/* Putting specs together. A table says for each member whether assistants and runs have it, and
 * what stands there when nobody said anything. */

#include "shared/agent/spec.h"

#include <string.h>

#include "shared/base/error.h"
#include "shared/check/failure.h"

enum { OF_AGENT = 1, OF_RUN = 2 };

static const struct {
    const char *name;
    unsigned where;
    const char *otherwise;     /* in an assistant */
    const char *run_otherwise; /* in a run; NULL: as in an assistant */
} table[SPEC_MEMBER_COUNT] = {
    [SPEC_MODEL] = {"model", OF_AGENT | OF_RUN, "null", NULL},
    [SPEC_NAME] = {"name", OF_AGENT, "null", NULL},
    [SPEC_DESCRIPTION] = {"description", OF_AGENT, "null", NULL},
    [SPEC_INSTRUCTIONS] = {"instructions", OF_AGENT | OF_RUN, "null", "\"\""},
    [SPEC_TOOLS] = {"tools", OF_AGENT | OF_RUN, "[]", NULL},
    [SPEC_TOOL_RESOURCES] = {"tool_resources", OF_AGENT, "null", NULL},
    [SPEC_METADATA] = {"metadata", OF_AGENT, "{}", NULL},
    [SPEC_TEMPERATURE] = {"temperature", OF_AGENT | OF_RUN, "null", NULL},
    [SPEC_TOP_P] = {"top_p", OF_AGENT | OF_RUN, "null", NULL},
    [SPEC_RESPONSE_FORMAT] = {"response_format", OF_AGENT | OF_RUN, "\"auto\"", NULL},
    [SPEC_REASONING_EFFORT] = {"reasoning_effort", OF_AGENT | OF_RUN, "null", NULL},
    [SPEC_MAX_ITERATIONS] = {"max_iterations", OF_AGENT | OF_RUN, "null", NULL},
    [SPEC_TIMEOUT_SECONDS] = {"timeout_seconds", OF_AGENT | OF_RUN, "null", NULL},
    [SPEC_HTTP_ALLOW] = {"http_allow", OF_AGENT | OF_RUN, "[]", NULL},
    [SPEC_MAX_PROMPT_TOKENS] = {"max_prompt_tokens", OF_RUN, "null", NULL},
    [SPEC_MAX_COMPLETION_TOKENS] = {"max_completion_tokens", OF_RUN, "null", NULL},
    [SPEC_TRUNCATION_STRATEGY] = {"truncation_strategy", OF_RUN,
                                  "{\"type\":\"auto\",\"last_messages\":null}", NULL},
    [SPEC_TOOL_CHOICE] = {"tool_choice", OF_RUN, "\"auto\"", NULL},
    [SPEC_PARALLEL_TOOL_CALLS] = {"parallel_tool_calls", OF_RUN, "true", NULL},
};

int agent_spec_parse(struct text spec, struct arena *arena, struct agent_spec *out,
                     struct error *err)
{
    CLEANUP(json_freep) struct json_object *object = NULL;
    struct agent_spec found = {0};
    int r = json_decode(spec, JSON_DEPTH_DEFAULT + 4, &object, err);

    if (r < 0)
        return error_wrap(err, "spec of an assistant");
    if (!json_object_is_type(object, json_type_object))
        return error_set(err, E_INVALID, "the spec of an assistant is no object");
    for (size_t i = 0; i < SPEC_MEMBER_COUNT; i++) {
        struct json_object *value = json_get(object, table[i].name);
        struct text text;

        if (!value)
            continue;
        text = json_text(value);
        found.members[i] = (struct text){arena_copy(arena, text), text.len};
        if (!found.members[i].ptr)
            return error_set(err, E_LIMIT, "the spec of an assistant is too large");
    }
    *out = found;
    return 0;
}

void agent_spec_merge(const struct agent_spec *spec, struct json_object *body,
                      struct agent_spec *out)
{
    for (size_t i = 0; i < SPEC_MEMBER_COUNT; i++) {
        struct json_object *value = json_get(body, table[i].name);

        out->members[i] = spec ? spec->members[i] : TEXT_NONE;
        if (!(table[i].where & OF_AGENT))
            out->members[i] = TEXT_NONE;
        else if (json_has(body, table[i].name))
            out->members[i] = value ? json_text(value) : TEXT_NONE;
    }
}

static void write_member(struct buf *out, enum spec_member member, struct text value,
                         const char *otherwise)
{
    buf_add_char(out, '"');
    buf_add_string(out, table[member].name);
    buf_add(out, "\":", 2);
    if (value.ptr)
        buf_add_text(out, value);
    else
        buf_add_string(out, otherwise);
}

void agent_spec_write(const struct agent_spec *spec, struct buf *out)
{
    bool first = true;

    for (enum spec_member i = 0; i < SPEC_MEMBER_COUNT; i++) {
        if (!(table[i].where & OF_AGENT))
            continue;
        if (!first)
            buf_add_char(out, ',');
        first = false;
        write_member(out, i, spec->members[i], table[i].otherwise);
    }
}

/* "instructions" with the additional ones after them. Both are JSON strings, so they are joined as
 * such. */
static void write_instructions(struct buf *out, struct text instructions, struct text additional)
{
    buf_add_string(out, "\"instructions\":\"");
    if (instructions.len > 2) {
        buf_add(out, instructions.ptr + 1, instructions.len - 2);
        buf_add(out, "\\n\\n", 4);
    }
    buf_add(out, additional.ptr + 1, additional.len - 1);
}

static bool has_tool(struct text tools_text, struct text name)
{
    CLEANUP(json_freep) struct json_object *tools = NULL;

    if (!tools_text.ptr || json_decode(tools_text, JSON_DEPTH_DEFAULT, &tools, NULL) < 0)
        return false;
    for (size_t i = 0; i < json_object_array_length(tools); i++) {
        struct json_object *tool = json_object_array_get_idx(tools, i);
        struct json_object *function = json_get(tool, "function");

        if (text_equal(function ? json_get_text(function, "name") : json_get_text(tool, "type"),
                       name))
            return true;
    }
    return false;
}

static int check_choice(struct json_object *choice, struct text tools, struct failure *failure)
{
    struct json_object *function = json_get(choice, "function");
    struct text name = function ? json_get_text(function, "name") : json_get_text(choice, "type");

    if (!json_object_is_type(choice, json_type_object) || has_tool(tools, name))
        return 0;
    return failure_param(failure, 400, "tool_choice", "invalid_value",
                         "Invalid value for 'tool_choice': '%.*s' is none of the run's tools.",
                         TEXT_ARGS(name));
}

int run_spec_write(const struct agent_spec *spec, struct json_object *body, struct buf *out,
                   struct failure *failure)
{
    struct json_object *additional = json_get(body, "additional_instructions");
    struct text members[SPEC_MEMBER_COUNT];
    char between = '{';

    for (enum spec_member i = 0; i < SPEC_MEMBER_COUNT; i++) {
        struct json_object *value = json_get(body, table[i].name);
        const char *otherwise =
            table[i].run_otherwise ? table[i].run_otherwise : table[i].otherwise;

        if (!(table[i].where & OF_RUN))
            continue;
        members[i] = value ? json_text(value) : spec->members[i];
        buf_add_char(out, between);
        between = ',';
        if (i == SPEC_INSTRUCTIONS && additional)
            write_instructions(out, members[i], json_text(additional));
        else
            write_member(out, i, members[i], otherwise);
    }
    buf_add_char(out, '}');
    return check_choice(json_get(body, "tool_choice"), members[SPEC_TOOLS], failure);
}

void run_spec_add_trace(struct buf *spec, const char *trace)
{
    if (spec->failed)
        return;
    ASSERT(spec->len > 2 && spec->ptr[spec->len - 1] == '}');
    spec->ptr[spec->len - 1] = ',';
    buf_add_string(spec, "\"trace_id\":");
    buf_add_json_string(spec, trace);
    buf_add_char(spec, '}');
}
