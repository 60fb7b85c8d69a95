/* The members stand in the order in which OpenAI's documents show them; those that stock clients
 * or the specification of Open Responses want are always there.
 *
 * What the run's spec says is copied as JSON. Its tools and formats are written flat here: what a
 * function is stands beside its type. */

#include "scheduler/api/openai/responses/response_render.h"

#include "scheduler/api/openai/items/items.h"
#include "shared/agent/tools/approval.h"
#include "shared/json/json_raw.h"
#include "shared/json/json_write.h"

const char *response_status(enum run_status status)
{
    switch (status) {
    case RUN_QUEUED:
        return "queued";
    case RUN_IN_PROGRESS:
    case RUN_REQUIRES_ACTION:
    case RUN_CANCELLING:
        return "in_progress";
    case RUN_COMPLETED:
        return "completed";
    case RUN_INCOMPLETE:
        return "incomplete";
    case RUN_CANCELLED:
        return "cancelled";
    case RUN_FAILED:
    case RUN_EXPIRED:
    case RUN_STATUS_COUNT:
        break;
    }
    return "failed";
}

struct text response_said(const struct run *run)
{
    return json_raw_get(run->spec, RESPONSE_MEMBER);
}

bool response_is_background(const struct run *run)
{
    struct text said = response_said(run);

    return !said.ptr || json_raw_is_true(json_raw_get(said, "background"));
}

bool response_is_unstored(const struct run *run)
{
    return json_raw_type(json_raw_get(response_said(run), "store")) == JSON_RAW_BOOL &&
           !json_raw_is_true(json_raw_get(response_said(run), "store"));
}

bool response_has_own_thread(const struct run *run)
{
    struct text said = response_said(run);

    return said.ptr && !json_raw_is_true(json_raw_get(said, "conversation"));
}

/* JSON as it is stored. */
static void write_raw(struct json_write *w, const char *name, struct text json,
                      const char *otherwise)
{
    json_write_raw(w, name, json.ptr ? json : text_of(otherwise));
}

static void write_id(struct json_write *w, const char *name, enum id_kind kind, struct uuid id)
{
    char text[ID_TEXT_SIZE];

    id_format(kind, id, text);
    json_write_string(w, name, text);
}

static void write_error(struct json_write *w, const struct run *run)
{
    struct text code = json_raw_get(run->last_error, "code");

    if (run->status != RUN_FAILED && run->status != RUN_EXPIRED) {
        json_write_null(w, "error");
        return;
    }
    json_write_open_object(w, "error");
    if (run->status == RUN_EXPIRED) {
        json_write_string(w, "code", "server_error");
        json_write_string(w, "message", "The response was not made in time.");
    } else {
        write_raw(w, "code", code, "\"server_error\"");
        write_raw(w, "message", json_raw_get(run->last_error, "message"),
                  "\"The response could not be made.\"");
    }
    json_write_close(w);
}

/* OpenAI has two reasons. Those that are ours alone (of other budgets) are named as they are. */
static void write_incomplete(struct json_write *w, const struct run *run)
{
    if (run->status != RUN_INCOMPLETE || !run->incomplete_reason.ptr) {
        json_write_null(w, "incomplete_details");
        return;
    }
    json_write_open_object(w, "incomplete_details");
    if (text_is(run->incomplete_reason, "max_completion_tokens"))
        json_write_string(w, "reason", "max_output_tokens");
    else
        json_write_text(w, "reason", run->incomplete_reason);
    json_write_close(w);
}

static void write_text(struct json_write *w, struct text spec)
{
    struct text format = json_raw_get(spec, "response_format");
    struct text schema = json_raw_get(format, "json_schema");

    json_write_open_object(w, "text");
    if (schema.ptr) {
        json_write_open_object(w, "format");
        json_write_string(w, "type", "json_schema");
        json_write_raw(w, "name", json_raw_get(schema, "name"));
        json_write_raw_if(w, "description", json_raw_get(schema, "description"));
        write_raw(w, "schema", json_raw_get(schema, "schema"), "{}");
        write_raw(w, "strict", json_raw_get(schema, "strict"), "null");
        json_write_close(w);
    } else if (json_raw_type(format) == JSON_RAW_OBJECT) {
        json_write_raw(w, "format", format);
    } else {
        json_write_raw(w, "format", TEXT("{\"type\":\"text\"}"));
    }
    write_raw(w, "verbosity", json_raw_get(spec, "verbosity"), "\"medium\"");
    json_write_close(w);
}

static void write_function(struct json_write *w, struct text function)
{
    json_write_open_object(w, NULL);
    json_write_string(w, "type", "function");
    json_write_raw(w, "name", json_raw_get(function, "name"));
    write_raw(w, "description", json_raw_get(function, "description"), "null");
    write_raw(w, "parameters", json_raw_get(function, "parameters"), "null");
    write_raw(w, "strict", json_raw_get(function, "strict"), "null");
    json_write_close(w);
}

static bool is_of_mcp(struct text tool)
{
    return json_raw_is(json_raw_get(tool, "type"), "mcp");
}

static bool is_servers(struct text tool)
{
    return !json_raw_get(tool, "function").ptr && !is_of_mcp(tool);
}

/* What the tools need as OpenAI's word says it: "never", or of which calls may need an approval.
 * Which of their calls do, by the arguments, no member of OpenAI's tells. */
static void write_approvals(struct json_write *w, struct text tools)
{
    struct json_raw_walk walk;
    struct text tool;
    bool any = false;

    json_raw_begin(tools, &walk);
    while (json_raw_next(&walk, &tool)) {
        if (!is_servers(tool) || !approval_may_be_needed(tool))
            continue;
        if (!any) {
            json_write_open_object(w, "require_approval");
            json_write_open_object(w, "always");
            json_write_open_array(w, "tool_names");
        }
        any = true;
        json_write_raw(w, NULL, json_raw_get(tool, "type"));
    }
    if (!any) {
        json_write_string(w, "require_approval", "never");
        return;
    }
    json_write_close(w);
    json_write_close(w);
    json_write_close(w);
}

/* Those that the server runs are tools of its one server. */
static void write_server_tools(struct json_write *w, struct text tools)
{
    struct json_raw_walk walk;
    struct text tool;
    bool any = false;

    json_raw_begin(tools, &walk);
    while (json_raw_next(&walk, &tool)) {
        if (!is_servers(tool))
            continue;
        if (!any) {
            json_write_open_object(w, NULL);
            json_write_string(w, "type", "mcp");
            json_write_string(w, "server_label", ITEM_SERVER_LABEL);
            write_approvals(w, tools);
            json_write_open_array(w, "allowed_tools");
        }
        any = true;
        json_write_raw(w, NULL, json_raw_get(tool, "type"));
    }
    if (!any)
        return;
    json_write_close(w);
    json_write_close(w);
}

/* A server of the agent, by its label: where it is, and with which headers, is the agent's. */
static void write_server(struct json_write *w, struct text tool)
{
    json_write_open_object(w, NULL);
    json_write_string(w, "type", "mcp");
    json_write_raw(w, "server_label", json_raw_get(tool, "server_label"));
    json_write_string(w, "require_approval", approval_may_be_needed(tool) ? "always" : "never");
    json_write_raw_if(w, "allowed_tools", json_raw_get(tool, "allowed_tools"));
    json_write_close(w);
}

static void write_tools(struct json_write *w, struct text tools)
{
    struct json_raw_walk walk;
    struct text tool;

    json_write_open_array(w, "tools");
    json_raw_begin(tools, &walk);
    while (json_raw_next(&walk, &tool))
        if (is_of_mcp(tool))
            write_server(w, tool);
        else if (!is_servers(tool))
            write_function(w, json_raw_get(tool, "function"));
    write_server_tools(w, tools);
    json_write_close(w);
}

static void write_tool_choice(struct json_write *w, struct text choice)
{
    struct text function = json_raw_get(choice, "function");

    if (json_raw_type(choice) != JSON_RAW_OBJECT) {
        write_raw(w, "tool_choice", choice, "\"auto\"");
        return;
    }
    json_write_open_object(w, "tool_choice");
    if (function.ptr) {
        json_write_string(w, "type", "function");
        json_write_raw(w, "name", json_raw_get(function, "name"));
    } else {
        json_write_string(w, "type", "mcp");
        json_write_string(w, "server_label", ITEM_SERVER_LABEL);
        json_write_raw(w, "name", json_raw_get(choice, "type"));
    }
    json_write_close(w);
}

static void write_usage(struct json_write *w, const struct run *run)
{
    const struct usage *used = &run->used;

    if (!run_status_terminal(run->status)) {
        json_write_null(w, "usage");
        return;
    }
    json_write_open_object(w, "usage");
    json_write_int(w, "input_tokens", used->prompt_tokens);
    json_write_open_object(w, "input_tokens_details");
    json_write_int(w, "cached_tokens", used->cached_tokens);
    json_write_int(w, "cache_write_tokens", used->cache_write_tokens);
    json_write_close(w);
    json_write_int(w, "output_tokens", used->completion_tokens);
    json_write_open_object(w, "output_tokens_details");
    json_write_int(w, "reasoning_tokens", used->reasoning_tokens);
    json_write_close(w);
    json_write_int(w, "total_tokens", used->prompt_tokens + used->completion_tokens);
    json_write_close(w);
}

/* What became of it. */
static void write_state(struct json_write *w, const struct run *run)
{
    write_id(w, "id", ID_RESPONSE, run->id);
    json_write_string(w, "object", "response");
    json_write_int(w, "created_at", run->created_at);
    json_write_string(w, "status", response_status(run->status));
    json_write_bool(w, "background", response_is_background(run));
    if (run->status == RUN_COMPLETED && run->completed_at)
        json_write_int(w, "completed_at", run->completed_at);
    else
        json_write_null(w, "completed_at");
    write_error(w, run);
    write_incomplete(w, run);
}

/* How its model is asked. Where nobody says a number OpenAI's is shown, as Open Responses wants
 * one: what holds then is the provider's. */
static void write_settings(struct json_write *w, struct text spec, struct text said)
{
    struct text instructions = json_raw_get(spec, "instructions");
    struct text parallel = json_raw_get(spec, "parallel_tool_calls");
    struct text model = json_raw_get(said, "model");

    write_raw(w, "instructions", json_raw_is(instructions, "") ? TEXT_NONE : instructions, "null");
    write_raw(w, "max_output_tokens", json_raw_get(spec, "max_output_tokens"), "null");
    json_write_null(w, "max_tool_calls");
    write_raw(w, "model", model.ptr ? model : json_raw_get(spec, "model"), "\"\"");
    write_raw(w, "parallel_tool_calls", parallel, "true");
    write_raw(w, "temperature", json_raw_get(spec, "temperature"), "1");
    write_raw(w, "top_p", json_raw_get(spec, "top_p"), "1");
    json_write_int(w, "presence_penalty", 0);
    json_write_int(w, "frequency_penalty", 0);
    json_write_int(w, "top_logprobs", 0);
    json_write_open_object(w, "reasoning");
    write_raw(w, "effort", json_raw_get(spec, "reasoning_effort"), "null");
    write_raw(w, "summary", json_raw_get(said, "summary"), "null");
    json_write_close(w);
    write_text(w, spec);
    write_tool_choice(w, json_raw_get(spec, "tool_choice"));
    write_tools(w, json_raw_get(spec, "tools"));
    json_write_string(w, "truncation", "auto");
}

/* Where it stands, and for whom it was made. */
static void write_place(struct json_write *w, const struct run *run, struct text said)
{
    write_raw(w, "previous_response_id", json_raw_get(said, "previous_response_id"), "null");
    if (!said.ptr || json_raw_is_true(json_raw_get(said, "conversation"))) {
        json_write_open_object(w, "conversation");
        write_id(w, "id", ID_CONVERSATION, run->thread_id);
        json_write_close(w);
    } else {
        json_write_null(w, "conversation");
    }
    json_write_bool(w, "store", !response_is_unstored(run));
    write_raw(w, "service_tier", json_raw_get(said, "service_tier"), "\"default\"");
    write_raw(w, "user", json_raw_get(said, "user"), "null");
    write_raw(w, "safety_identifier", json_raw_get(said, "safety_identifier"), "null");
    write_raw(w, "prompt_cache_key", json_raw_get(said, "prompt_cache_key"), "null");
    write_raw(w, "metadata", run->metadata, "{}");
}

void response_write(const struct run *run, struct text output, struct buf *out)
{
    struct text said = response_said(run);
    struct json_write w;

    json_write_init(&w, out);
    json_write_open_object(&w, NULL);
    write_state(&w, run);
    json_write_name(&w, "output");
    buf_add_char(out, '[');
    buf_add_text(out, output);
    buf_add_char(out, ']');
    write_settings(&w, text_trim(run->spec), said);
    write_place(&w, run, said);
    write_usage(&w, run);
    json_write_close(&w);
}
