/* Parsing of a run's spec into what the loop reads. The API has validated it when the run was made;
 * what is odd here all the same (a spec written by hand into the database) is an error, not a
 * guess. */

#include "worker/run/task/setup.h"

#include "providers/chat_read.h"
#include "shared/agent/prompt.h"
#include "shared/agent/spec.h"
#include "shared/base/error.h"
#include "shared/json/json.h"
#include "shared/json/json_raw.h"
#include "shared/mcp/mcp_tools.h"

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

static void parse_options(struct json_object *spec, struct model_options *options)
{
    options->has_temperature = json_get(spec, "temperature");
    options->temperature = json_get_double(spec, "temperature", 0);
    options->has_top_p = json_get(spec, "top_p");
    options->top_p = json_get_double(spec, "top_p", 0);
    if (json_get(spec, "parallel_tool_calls"))
        options->parallel_tool_calls =
            json_get_bool(spec, "parallel_tool_calls", true) ? CHAT_SWITCH_ON : CHAT_SWITCH_OFF;
}

static void parse_limits(struct json_object *spec, struct run_setup *setup)
{
    setup->budgets = (struct run_budgets){
        .max_prompt_tokens = json_get_int(spec, "max_prompt_tokens", 0),
        .max_completion_tokens = json_get_int(spec, "max_completion_tokens", 0),
        .max_iterations = json_get_int(spec, "max_iterations", 0),
        .max_output_tokens = json_get_int(spec, "max_output_tokens", 0),
    };
    setup->tokens_per_request = json_get_int(spec, "max_tokens_per_request", 0);
    setup->planning = json_get_bool(spec, "planning", false);
    setup->if_pending = json_get_bool(spec, "if_pending", false);
    setup->ends_at_calls = text_is(json_get_text(spec, "client_calls"), "end");
    setup->timeout_ms = json_get_int(spec, "timeout_seconds", 0) * 1000;
    context_settings_read(spec, &setup->memory);
}

/* The system prompt. */
static int parse_prompt(struct json_object *spec, struct arena *arena, struct text *out,
                        struct error *err)
{
    CLEANUP(buf_deinit) struct buf prompt;
    struct text preamble = json_get_text(spec, "preamble");
    struct text instructions = json_get_text(spec, "instructions");
    struct text memory = json_get_text(spec, "memory");

    buf_init(&prompt, 0);
    if (preamble.len == 0 && memory.len == 0)
        return copy_text(arena, instructions, out, err);
    agent_prompt_write(preamble, instructions, memory, &prompt);
    return prompt.failed ? out_of_room(err) : copy_text(arena, buf_text(&prompt), out, err);
}

static int parse_texts(struct json_object *spec, struct arena *arena, struct run_setup *setup,
                       struct error *err)
{
    struct model_options *options = &setup->options;
    int r = copy_text(arena, json_get_text(spec, "model"), &setup->model, err);

    if (r == 0)
        r = parse_prompt(spec, arena, &setup->instructions, err);
    if (r == 0)
        r = copy_text(arena, json_get_text(spec, "reasoning_effort"), &options->reasoning_effort,
                      err);
    if (r == 0)
        r = copy_text(arena, json_get_text(spec, "verbosity"), &options->verbosity, err);
    if (r == 0)
        r = copy_text(arena, json_get_text(spec, "trace_id"), &setup->trace, err);
    return r;
}

int setup_parse_trace(struct json_object *spec, struct arena *arena, struct run_setup *setup,
                      struct error *err)
{
    struct json_object *trace = json_get(spec, "trace");
    int r;

    if (!trace)
        return 0;
    r = copy_text(arena, json_get_text(trace, "parent"), &setup->traceparent, err);
    if (r == 0)
        r = copy_text(arena, json_get_text(trace, "state"), &setup->tracestate, err);
    if (r == 0)
        r = copy_text(arena, json_get_text(trace, "agent_id"), &setup->agent_id, err);
    if (r == 0)
        r = copy_text(arena, json_get_text(trace, "agent_name"), &setup->agent_name, err);
    return r;
}

static int parse_memories(struct json_object *spec, struct arena *arena,
                          struct memories_settings *out, struct error *err)
{
    int r;

    memories_settings_read(spec, out);
    if (!out->said)
        return 0;
    r = copy_text(arena, out->json, &out->json, err);
    if (r == 0 && out->model.ptr)
        r = copy_text(arena, out->model, &out->model, err);
    if (r == 0)
        r = copy_text(arena, out->instructions, &out->instructions, err);
    return r;
}

static int parse_fallbacks(struct json_object *spec, struct arena *arena, struct run_setup *setup,
                           struct error *err)
{
    struct json_object *names = json_get(spec, "fallbacks");
    size_t count =
        json_object_is_type(names, json_type_array) ? json_object_array_length(names) : 0;
    int r = 0;

    if (count == 0)
        return 0;
    if (count > AGENT_FALLBACKS_MAX)
        return error_set(err, E_INVALID, "the run's spec names more than %d fallbacks",
                         AGENT_FALLBACKS_MAX);
    setup->fallbacks = arena_calloc(arena, count, sizeof(*setup->fallbacks));
    if (!setup->fallbacks)
        return out_of_room(err);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = copy_text(arena, json_string(json_object_array_get_idx(names, i)), &setup->fallbacks[i],
                      err);
    setup->fallbacks_count = count;
    return r;
}

static int parse_budget(struct json_object *spec, struct arena *arena, struct run_budget *out,
                        struct error *err)
{
    struct json_object *budget = json_get(spec, "budget");

    *out = (struct run_budget){.at_limit = BUDGET_END};
    if (!budget)
        return 0;
    out->max.of[BUDGET_TOKENS] = json_get_int(budget, "max_tokens", 0);
    out->max.of[BUDGET_COST] = json_get_int(budget, "max_cost_micros", 0);
    if (json_get(budget, "at_limit") &&
        !budget_at_limit_parse(json_get_text(budget, "at_limit"), &out->at_limit))
        return error_set(err, E_INVALID, "the run's budget has an unknown 'at_limit'");
    return copy_text(arena, json_get_text(budget, "fallback_model"), &out->fallback_model, err);
}

/* A tool of a server, named as the server has it. */
static int parse_choice_of_server(struct json_object *choice, struct arena *arena,
                                  struct chat_tool_choice *out, struct error *err)
{
    char name[MCP_MODEL_NAME_SIZE];

    if (!text_is(json_get_text(choice, "type"), "mcp"))
        return 0;
    mcp_model_name(json_get_text(choice, "server_label"), json_get_text(choice, "name"), false,
                   name);
    return copy_text(arena, text_of(name), &out->name, err);
}

/* What goes to the model as it was written. */
static int parse_raw(struct text raw, struct arena *arena, struct model_options *options,
                     struct error *err)
{
    int r =
        chat_read_tool_choice(json_raw_get(raw, "tool_choice"), arena, &options->tool_choice, err);

    if (r == 0)
        r = chat_read_format(json_raw_get(raw, "response_format"), arena, &options->response_format,
                             err);
    return r;
}

int setup_parse(struct text spec_text, struct arena *arena, struct run_setup *out,
                struct error *err)
{
    CLEANUP(json_freep) struct json_object *spec = NULL;
    struct run_setup setup = {.tokens_per_request = 0};
    struct text raw = TEXT_NONE; /* the same, as it was written */
    int r = json_decode(spec_text, JSON_DEPTH_DEFAULT * 2, &spec, err);

    if (r == 0)
        r = json_raw_check(spec_text, JSON_RAW_DEPTH_MAX, &raw, err);
    if (r < 0)
        return error_wrap(err, "the run's spec");
    r = parse_texts(spec, arena, &setup, err);
    if (r == 0)
        r = copy_text(arena, json_get_text(spec, "agent_slug"), &setup.agent_slug, err);
    if (r == 0)
        r = setup_parse_trace(spec, arena, &setup, err);
    if (r == 0)
        r = parse_fallbacks(spec, arena, &setup, err);
    if (r == 0)
        r = parse_budget(spec, arena, &setup.budget, err);
    if (r == 0)
        r = parse_memories(spec, arena, &setup.memories, err);
    if (r == 0)
        r = parse_raw(raw, arena, &setup.options, err);
    if (r == 0)
        r = parse_choice_of_server(json_get(spec, "tool_choice"), arena, &setup.options.tool_choice,
                                   err);
    if (r == 0)
        r = toolbox_read(spec, raw, arena, &setup.tools, err);
    if (r < 0)
        return r;
    if (!setup.model.len)
        return error_set(err, E_INVALID, "the run's spec names no model");
    parse_options(spec, &setup.options);
    parse_limits(spec, &setup);
    r = copy_text(arena, setup.memory.summary_model, &setup.memory.summary_model, err);
    if (r == 0)
        *out = setup;
    return r;
}
