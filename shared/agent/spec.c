/* The members of agents, and putting specs together. */

#include "shared/agent/spec.h"

#include <string.h>

#include "shared/agent/checks.h"
#include "shared/agent/context_settings.h"
#include "shared/agent/narrow.h"
#include "shared/agent/plan.h"
#include "shared/agent/tools/declared.h"
#include "shared/agent/tools/tool_choice.h"
#include "shared/agent/tools/tools.h"
#include "shared/base/error.h"
#include "shared/check/failure.h"
#include "shared/json/json_write.h"

static const char *const efforts[] = {"none", "minimal", "low", "medium",
                                      "high", "xhigh",   "max", NULL};

static const char *const verbosities[] = {"low", "medium", "high", NULL};

/* Whether a run may name tools of the server that its agent has not. */
#define POLICY_OPEN "open"
static const char *const policies[] = {"bound", POLICY_OPEN, NULL};

#define NULLABLE FIELD_NULLABLE
#define AGENT    FIELD_OF_AGENT
#define RUN      FIELD_OF_RUN
/* clang-format off */

/* The member of the API, its kind, who has it, its limits, its words, its check; the rule for runs;
 * what stands there when nobody said anything, in an agent and in a run. */
const struct agent_member agent_members[SPEC_MEMBER_COUNT] = {
    [SPEC_MODEL] = {
        {"model", FIELD_STRING, NULLABLE | AGENT | RUN, 1, AGENT_MODEL_MAX, NULL, check_model},
        MEMBER_REPLACED, "null", NULL, false},
    [SPEC_FALLBACKS] = {
        {"fallbacks", FIELD_ARRAY, NULLABLE | AGENT | RUN, 0, AGENT_FALLBACKS_MAX, NULL,
            check_fallbacks},
        MEMBER_REPLACED, "[]", NULL, false},
    [SPEC_NAME] = {
        {"name", FIELD_STRING, NULLABLE | AGENT, 0, 256, NULL, NULL},
        MEMBER_REPLACED, "null", NULL, false},
    [SPEC_SLUG] = {
        {"slug", FIELD_STRING, NULLABLE | AGENT, 1, SLUG_MAX, NULL, check_slug},
        MEMBER_REPLACED, "null", NULL, false},
    [SPEC_DESCRIPTION] = {
        {"description", FIELD_STRING, NULLABLE | AGENT, 0, 512, NULL, NULL},
        MEMBER_REPLACED, "null", NULL, false},
    [SPEC_ROLE] = {
        {"role", FIELD_STRING, NULLABLE | AGENT, 0, 32000, NULL, NULL},
        MEMBER_REPLACED, "null", NULL, false},
    [SPEC_GOAL] = {
        {"goal", FIELD_STRING, NULLABLE | AGENT, 0, 32000, NULL, NULL},
        MEMBER_REPLACED, "null", NULL, false},
    [SPEC_CONSTRAINTS] = {
        {"constraints", FIELD_ARRAY, NULLABLE | AGENT, 0, 100, NULL, check_constraints},
        MEMBER_REPLACED, "[]", NULL, false},
    [SPEC_PERSONALITY] = {
        {"personality", FIELD_OBJECT, NULLABLE | AGENT, 0, 0, NULL, check_personality},
        MEMBER_REPLACED, "null", NULL, false},
    [SPEC_EXAMPLES] = {
        {"examples", FIELD_ARRAY, NULLABLE | AGENT, 0, 50, NULL, check_examples},
        MEMBER_REPLACED, "[]", NULL, false},
    [SPEC_INSTRUCTIONS] = {
        {"instructions", FIELD_STRING, NULLABLE | AGENT | RUN, 0, 256000, NULL, NULL},
        MEMBER_REPLACED, "null", "\"\"", false},
    [SPEC_TASK_INSTRUCTIONS] = {
        {"task_instructions", FIELD_STRING, NULLABLE | AGENT, 0, 256000, NULL, NULL},
        MEMBER_REPLACED, "null", NULL, false},
    [SPEC_TEMPLATE] = {
        {"template", FIELD_BOOLEAN, NULLABLE | AGENT, 0, 0, NULL, NULL},
        MEMBER_REPLACED, "false", NULL, false},
    [SPEC_USER_MEMORY] = {
        {"user_memory", FIELD_BOOLEAN, NULLABLE | AGENT, 0, 0, NULL, NULL},
        MEMBER_REPLACED, "false", NULL, false},
    [SPEC_PLANNING] = {
        {"planning", FIELD_BOOLEAN, NULLABLE | AGENT | RUN, 0, 0, NULL, NULL},
        MEMBER_REPLACED, "null", NULL, true},
    [SPEC_TOOLS] = {
        {"tools", FIELD_ARRAY, NULLABLE | AGENT | RUN, 0, 128, NULL, check_tools},
        MEMBER_NARROWED, "[]", NULL, false},
    [SPEC_TOOL_POLICY] = {
        {"tool_policy", FIELD_STRING, NULLABLE | AGENT, 0, 0, policies, NULL},
        MEMBER_REPLACED, "\"bound\"", NULL, false},
    [SPEC_TOOL_RESOURCES] = {
        {"tool_resources", FIELD_OBJECT, NULLABLE | AGENT, 0, 0, NULL, check_tool_resources},
        MEMBER_REPLACED, "null", NULL, false},
    [SPEC_METADATA] = {
        {"metadata", FIELD_METADATA, NULLABLE | AGENT, 0, 0, NULL, NULL},
        MEMBER_REPLACED, "{}", NULL, false},
    [SPEC_CONFIG] = {
        {"config", FIELD_ANY, NULLABLE | AGENT, 0, 0, NULL, check_config},
        MEMBER_REPLACED, "null", NULL, false},
    [SPEC_IS_ACTIVE] = {
        {"is_active", FIELD_BOOLEAN, NULLABLE | AGENT, 0, 0, NULL, NULL},
        MEMBER_REPLACED, "true", NULL, false},
    [SPEC_TEMPERATURE] = {
        {"temperature", FIELD_NUMBER, NULLABLE | AGENT | RUN, 0, 2, NULL, NULL},
        MEMBER_REPLACED, "null", NULL, false},
    [SPEC_TOP_P] = {
        {"top_p", FIELD_NUMBER, NULLABLE | AGENT | RUN, 0, 1, NULL, NULL},
        MEMBER_REPLACED, "null", NULL, false},
    [SPEC_RESPONSE_FORMAT] = {
        {"response_format", FIELD_ANY, NULLABLE | AGENT | RUN, 0, 0, NULL, check_response_format},
        MEMBER_REPLACED, "\"auto\"", NULL, false},
    [SPEC_REASONING_EFFORT] = {
        {"reasoning_effort", FIELD_STRING, NULLABLE | AGENT | RUN, 0, 0, efforts, NULL},
        MEMBER_REPLACED, "null", NULL, false},
    [SPEC_VERBOSITY] = {
        {"verbosity", FIELD_STRING, NULLABLE | AGENT | RUN, 0, 0, verbosities, NULL},
        MEMBER_REPLACED, "null", NULL, true},
    [SPEC_MAX_ITERATIONS] = {
        {"max_iterations", FIELD_INTEGER, NULLABLE | AGENT | RUN, 1, 200, NULL, NULL},
        MEMBER_CAPPED, "null", NULL, false},
    [SPEC_TIMEOUT_SECONDS] = {
        {"timeout_seconds", FIELD_INTEGER, NULLABLE | AGENT | RUN, 1, 86400, NULL, NULL},
        MEMBER_CAPPED, "null", NULL, false},
    [SPEC_HTTP_ALLOW] = {
        {"http_allow", FIELD_ARRAY, NULLABLE | AGENT | RUN, 0, 100, NULL, check_http_allow},
        MEMBER_NARROWED, "[]", NULL, false},
    [SPEC_SECRETS] = {
        {"secrets", FIELD_ARRAY, NULLABLE | AGENT, 0, 64, NULL, check_secrets},
        MEMBER_REPLACED, "[]", NULL, false},
    [SPEC_MAX_PROMPT_TOKENS] = {
        {"max_prompt_tokens", FIELD_INTEGER, NULLABLE | RUN, 256, INT32_MAX, NULL, NULL},
        MEMBER_REPLACED, "null", NULL, false},
    [SPEC_MAX_COMPLETION_TOKENS] = {
        {"max_completion_tokens", FIELD_INTEGER, NULLABLE | AGENT | RUN, 256, INT32_MAX, NULL,
            NULL},
        MEMBER_CAPPED, "null", NULL, false},
    [SPEC_MAX_OUTPUT_TOKENS] = {
        {"max_output_tokens", FIELD_INTEGER, NULLABLE | AGENT | RUN, 1, INT32_MAX, NULL, NULL},
        MEMBER_CAPPED, "null", NULL, true},
    [SPEC_MAX_TOKENS_PER_REQUEST] = {
        {"max_tokens_per_request", FIELD_INTEGER, NULLABLE | AGENT | RUN, 256, INT32_MAX, NULL,
            NULL},
        MEMBER_CAPPED, "null", NULL, true},
    [SPEC_BUDGET] = {
        {"budget", FIELD_OBJECT, NULLABLE | AGENT | RUN, 0, 0, NULL, check_budget},
        MEMBER_NARROWED, "null", NULL, true},
    [SPEC_RETENTION] = {
        {"retention", FIELD_OBJECT, NULLABLE | AGENT, 0, 0, NULL, check_retention},
        MEMBER_REPLACED, "null", NULL, true},
    [SPEC_MEMORY_STRATEGY] = {
        {"memory_strategy", FIELD_STRING, NULLABLE | AGENT, 0, 0, NULL, check_memory_strategy},
        MEMBER_REPLACED, "null", NULL, true},
    [SPEC_MEMORY_CONFIG] = {
        {"memory_config", FIELD_OBJECT, NULLABLE | AGENT, 0, 0, NULL, check_memory_config},
        MEMBER_REPLACED, "null", NULL, true},
    [SPEC_MEMORIES] = {
        {"memories", FIELD_OBJECT, NULLABLE | AGENT | RUN, 0, 0, NULL, check_memories},
        MEMBER_NARROWED, "null", NULL, true},
    [SPEC_VARIABLES] = {
        {"variables", FIELD_OBJECT, NULLABLE | RUN, 0, 0, NULL, check_variables},
        MEMBER_REPLACED, "{}", NULL, true},
    [SPEC_TRUNCATION_STRATEGY] = {
        {"truncation_strategy", FIELD_OBJECT, NULLABLE | RUN, 0, 0, NULL, check_truncation},
        MEMBER_REPLACED, "{\"type\":\"auto\",\"last_messages\":null}", NULL, false},
    [SPEC_TOOL_CHOICE] = {
        {"tool_choice", FIELD_ANY, NULLABLE | RUN, 0, 0, NULL, check_tool_choice},
        MEMBER_REPLACED, "\"auto\"", NULL, false},
    /* Only what was said goes out to a provider; the API shows true for null. */
    [SPEC_PARALLEL_TOOL_CALLS] = {
        {"parallel_tool_calls", FIELD_BOOLEAN, NULLABLE | RUN, 0, 0, NULL, NULL},
        MEMBER_REPLACED, "null", NULL, false},
};
/* clang-format on */

const struct fields agent_fields = {&agent_members[0].field, SPEC_MEMBER_COUNT,
                                    sizeof(agent_members[0]), NULL, 0};

static const char *name_of(enum spec_member member)
{
    return agent_members[member].field.name;
}

static bool is_of(enum spec_member member, unsigned whose)
{
    return agent_members[member].field.flags & whose;
}

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
    for (enum spec_member i = 0; i < SPEC_MEMBER_COUNT; i++) {
        struct json_object *value = json_get(object, name_of(i));
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

int agent_spec_check_size(const struct agent_spec *spec, size_t bytes, const char *whose,
                          struct failure *failure)
{
    enum spec_member largest = SPEC_MODEL;

    if (bytes <= SPEC_BYTES_MAX)
        return 0;
    for (enum spec_member i = 0; i < SPEC_MEMBER_COUNT; i++)
        if (spec->members[i].len > spec->members[largest].len)
            largest = i;
    return failure_param(failure, 400, name_of(largest), "string_above_max_length",
                         "The %s is too large: as JSON it has %zu bytes, %zu of them in '%s'. "
                         "Expected at most %zu bytes in all.",
                         whose, bytes, spec->members[largest].len, name_of(largest),
                         SPEC_BYTES_MAX);
}

void agent_spec_merge(const struct agent_spec *spec, struct json_object *body,
                      struct agent_spec *out)
{
    for (enum spec_member i = 0; i < SPEC_MEMBER_COUNT; i++) {
        struct json_object *value = json_get(body, name_of(i));

        out->members[i] = spec ? spec->members[i] : TEXT_NONE;
        if (!is_of(i, FIELD_OF_AGENT))
            out->members[i] = TEXT_NONE;
        else if (json_has(body, name_of(i)))
            out->members[i] = value ? json_text(value) : TEXT_NONE;
    }
}

static void write_member(struct buf *out, enum spec_member member, struct text value,
                         const char *otherwise)
{
    buf_add_char(out, '"');
    buf_add_string(out, name_of(member));
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
        if (!is_of(i, FIELD_OF_AGENT))
            continue;
        if (!first)
            buf_add_char(out, ',');
        first = false;
        write_member(out, i, spec->members[i], agent_members[i].otherwise);
    }
}

int agent_spec_check_room(const struct agent_spec *spec, struct failure *failure)
{
    return plan_check_room(spec->members[SPEC_PLANNING], spec->members[SPEC_TOOLS],
                           (size_t)agent_members[SPEC_TOOLS].field.max, failure);
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

/* A text of ours that a run may lack. */
static void write_text_if(struct buf *out, const char *name, struct text text)
{
    if (text.len == 0)
        return;
    buf_add_string(out, name);
    buf_add_json(out, text);
}

/* What the agent says of memory stays beside what the run is told otherwise
 * (context_settings.h). */
static void write_memory(const struct agent_spec *spec, struct buf *out)
{
    static const enum spec_member members[] = {SPEC_MEMORY_STRATEGY, SPEC_MEMORY_CONFIG};

    for (size_t i = 0; i < ARRAY_LENGTH(members); i++) {
        struct text value = spec->members[members[i]];

        if (!value.ptr)
            continue;
        buf_add_char(out, ',');
        write_member(out, members[i], value, "null");
    }
}

static int check_cap(enum spec_member member, struct text agents, struct json_object *said,
                     struct failure *failure)
{
    int64_t most;

    if (!agents.ptr || !text_to_int(agents, &most) || json_object_get_int64(said) <= most)
        return 0;
    return failure_param(failure, 400, name_of(member), "budget_not_permitted",
                         "Invalid '%s': a run may have less than its assistant, and not more. The "
                         "assistant says %.*s, the run %.*s.",
                         name_of(member), TEXT_ARGS(agents), TEXT_ARGS(json_text(said)));
}

static bool is_open(const struct agent_spec *spec)
{
    return text_is(spec->members[SPEC_TOOL_POLICY], "\"" POLICY_OPEN "\"");
}

/* A run's member: the agent's, the body's, or of a permission what both say (into `narrowed`). */
static int choose(const struct agent_spec *spec, enum spec_member member, struct json_object *said,
                  struct buf *narrowed, struct text *out, struct failure *failure)
{
    struct text agents = spec->members[member];
    int r;

    if (!said) {
        *out = agents;
        return 0;
    }
    *out = json_text(said);
    if (agent_members[member].rule == MEMBER_CAPPED)
        return check_cap(member, agents, said, failure);
    if (member == SPEC_PLANNING && !is_open(spec))
        return plan_narrow(agents, said, failure);
    if (agent_members[member].rule != MEMBER_NARROWED)
        return 0;
    if (member == SPEC_TOOLS)
        r = is_open(spec) ? narrow_open_tools(agents, said, narrowed, failure)
                          : narrow_tools(agents, said, narrowed, failure);
    else if (member == SPEC_BUDGET)
        r = narrow_budget(agents, said, narrowed, failure);
    else if (member == SPEC_MEMORIES)
        r = narrow_memories(agents, said, narrowed, failure);
    else
        r = narrow_hosts(agents, said, narrowed, failure);
    if (r == 0)
        *out = buf_text(narrowed);
    return r;
}

/* The tools, but for functions that `functions` has by the same name, and then these. */
static int add_functions(struct text tools_text, struct json_object *functions, struct buf *out,
                         struct failure *failure)
{
    CLEANUP(json_freep) struct json_object *tools = NULL;
    struct json_write write;

    if (tools_text.ptr && json_decode(tools_text, JSON_DEPTH_DEFAULT + 4, &tools, NULL) < 0)
        tools = NULL;
    json_write_init(&write, out);
    json_write_open_array(&write, NULL);
    for (size_t i = 0; tools && i < json_object_array_length(tools); i++) {
        struct json_object *tool = json_object_array_get_idx(tools, i);
        struct text name = tool_spec_name(tool);

        if (!tool_list_has(functions, name))
            json_write_raw(&write, NULL, json_text(tool));
        else if (!json_get(tool, "function"))
            return failure_param(failure, 400, "tools", "duplicate_value",
                                 "The function '%.*s' has the name of a tool that the server runs "
                                 "for this run.",
                                 TEXT_ARGS(name));
    }
    for (size_t i = 0; i < json_object_array_length(functions); i++)
        json_write_raw(&write, NULL, json_text(json_object_array_get_idx(functions, i)));
    json_write_close(&write);
    return 0;
}

/* Tools of the tenant's own become what they are. */
static int expand_tools(const struct agent_spec *spec, const struct run_prompt *prompt,
                        struct text *tools, struct buf *expanded, struct failure *failure)
{
    int r;

    if (!declared_concerns(*tools))
        return 0;
    r = declared_expand(*tools, prompt->declared, spec->members[SPEC_SECRETS], expanded, failure);
    *tools = buf_text(expanded);
    return r;
}

int run_spec_write(const struct agent_spec *spec, struct json_object *body,
                   const struct run_prompt *prompt, struct buf *out, struct failure *failure)
{
    struct json_object *additional = json_get(body, "additional_instructions");
    struct json_object *functions = json_get(body, "functions");
    CLEANUP(buf_deinit) struct buf tools;
    CLEANUP(buf_deinit) struct buf with_functions;
    CLEANUP(buf_deinit) struct buf expanded;
    CLEANUP(buf_deinit) struct buf hosts;
    CLEANUP(buf_deinit) struct buf budget;
    struct agent_spec run = {0};
    size_t before = out->len;
    char between = '{';

    buf_init(&tools, 0);
    buf_init(&with_functions, 0);
    buf_init(&expanded, 0);
    buf_init(&hosts, 0);
    buf_init(&budget, 0);
    for (enum spec_member i = 0; i < SPEC_MEMBER_COUNT; i++) {
        const struct agent_member *member = &agent_members[i];
        int r;

        if (!is_of(i, FIELD_OF_RUN))
            continue;
        r = choose(spec, i, json_get(body, name_of(i)),
                   i == SPEC_TOOLS    ? &tools
                   : i == SPEC_BUDGET ? &budget
                                      : &hosts,
                   &run.members[i], failure);
        if (r == 0 && i == SPEC_TOOLS && functions) {
            r = add_functions(run.members[i], functions, &with_functions, failure);
            run.members[i] = buf_text(&with_functions);
        }
        if (r == 0 && i == SPEC_TOOLS)
            r = expand_tools(spec, prompt, &run.members[i], &expanded, failure);
        if (r < 0)
            return r;
        if (i == SPEC_INSTRUCTIONS && prompt->instructions.ptr)
            run.members[i] = prompt->instructions;
        if (member->run_may_lack && !run.members[i].ptr)
            continue;
        buf_add_char(out, between);
        between = ',';
        if (i == SPEC_INSTRUCTIONS && additional)
            write_instructions(out, run.members[i], json_text(additional));
        else
            write_member(out, i, run.members[i],
                         member->run_otherwise ? member->run_otherwise : member->otherwise);
    }
    write_memory(spec, out);
    write_text_if(out, ",\"preamble\":", prompt->preamble);
    write_text_if(out, ",\"memory\":", prompt->memory);
    buf_add_char(out, '}');
    if (agent_spec_check_size(&run, out->len - before, "run", failure) < 0 ||
        agent_spec_check_room(&run, failure) < 0)
        return -E_INVALID;
    return tool_choice_check(json_get(body, "tool_choice"), run.members[SPEC_TOOLS], failure);
}

/* Opens the object again, for a member more. */
static bool reopen(struct buf *spec)
{
    if (spec->failed)
        return false;
    ASSERT(spec->len > 2 && spec->ptr[spec->len - 1] == '}');
    spec->ptr[spec->len - 1] = ',';
    return true;
}

void run_spec_add_truncation_said(struct buf *spec)
{
    if (reopen(spec))
        buf_add_string(spec, "\"truncation_said\":true}");
}

void run_spec_add_if_pending(struct buf *spec)
{
    if (reopen(spec))
        buf_add_string(spec, "\"if_pending\":true}");
}

void run_spec_add_start_after(struct buf *spec, int64_t unix_s)
{
    if (!reopen(spec))
        return;
    buf_add_string(spec, "\"start_after\":");
    buf_add_int(spec, unix_s);
    buf_add_char(spec, '}');
}

void run_spec_add_calls_end(struct buf *spec)
{
    if (reopen(spec))
        buf_add_string(spec, "\"client_calls\":\"end\"}");
}

void run_spec_add_response(struct buf *spec, struct text response)
{
    if (!reopen(spec))
        return;
    buf_add_string(spec, "\"response\":");
    buf_add_text(spec, response);
    buf_add_char(spec, '}');
}

void run_spec_add_webhook(struct buf *spec, struct text webhook)
{
    if (!reopen(spec))
        return;
    buf_add_string(spec, "\"webhook\":");
    buf_add_text(spec, webhook);
    buf_add_char(spec, '}');
}

void run_spec_add_trace(struct buf *spec, const char *trace)
{
    if (!reopen(spec))
        return;
    buf_add_string(spec, "\"trace_id\":");
    buf_add_json_string(spec, trace);
    buf_add_char(spec, '}');
}

void run_spec_add_slug(struct buf *spec, struct text slug)
{
    if (!reopen(spec))
        return;
    buf_add_string(spec, "\"agent_slug\":");
    buf_add_text(spec, slug);
    buf_add_char(spec, '}');
}

void run_spec_add_traceparent(struct buf *spec, const struct run_spec_trace *trace)
{
    if (!reopen(spec))
        return;
    buf_add_string(spec, "\"trace\":{\"parent\":");
    buf_add_json_string(spec, trace->parent);
    if (trace->state.len > 0) {
        buf_add_string(spec, ",\"state\":");
        buf_add_json(spec, trace->state);
    }
    if (trace->agent[0]) {
        buf_add_string(spec, ",\"agent_id\":");
        buf_add_json_string(spec, trace->agent);
    }
    if (trace->name.len > 0) {
        buf_add_string(spec, ",\"agent_name\":");
        buf_add_text(spec, trace->name);
    }
    buf_add_string(spec, "}}");
}
