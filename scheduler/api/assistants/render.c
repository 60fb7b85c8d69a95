/* Rendering of the API's objects, member by member, in the order in which OpenAI's documents show
 * them.
 *
 * Text is appended directly: no tree is built. The order of members and the lack of blanks carry no
 * meaning; that every member is there does, since typed clients fail on a missing one.
 */

#include "scheduler/api/assistants/render.h"

#include <string.h>

#include "scheduler/api/assistants/code/code_calls.h"
#include "shared/agent/spec.h"
#include "shared/agent/tools/declared.h"
#include "shared/json/json_raw.h"
#include "shared/text/tokens.h"

static void add_id(struct buf *out, const char *before, enum id_kind kind, struct uuid id)
{
    char text[ID_TEXT_SIZE];

    buf_add_string(out, before);
    if (uuid_is_zero(id)) {
        buf_add(out, "null", 4);
        return;
    }
    id_format(kind, id, text);
    buf_add_char(out, '"');
    buf_add_string(out, text);
    buf_add_char(out, '"');
}

static void add_int(struct buf *out, const char *before, int64_t value)
{
    buf_add_string(out, before);
    buf_add_int(out, value);
}

static void add_time(struct buf *out, const char *before, int64_t seconds)
{
    if (seconds) {
        add_int(out, before, seconds);
        return;
    }
    buf_add_string(out, before);
    buf_add(out, "null", 4);
}

/* Milliseconds, none where they are negative. */
static void add_duration(struct buf *out, const char *before, int64_t ms)
{
    if (ms >= 0) {
        add_int(out, before, ms);
        return;
    }
    buf_add_string(out, before);
    buf_add(out, "null", 4);
}

static void add_text(struct buf *out, const char *before, struct text text)
{
    buf_add_string(out, before);
    if (text.ptr)
        buf_add_json(out, text);
    else
        buf_add_string(out, "null");
}

/* JSON as the store gave it. */
static void add_raw(struct buf *out, const char *before, struct text json, const char *otherwise)
{
    buf_add_string(out, before);
    if (json.ptr)
        buf_add_text(out, json);
    else
        buf_add_string(out, otherwise);
}

void render_assistant(const struct agent *agent, const struct agent_spec *spec, struct buf *out)
{
    add_id(out, "{\"id\":", ID_ASSISTANT, agent->id);
    add_int(out, ",\"object\":\"assistant\",\"created_at\":", agent->created_at);
    buf_add_char(out, ',');
    agent_spec_write(spec, out);
    add_int(out, ",\"version\":", agent->version);
    add_int(out, ",\"updated_at\":", agent->updated_at);
    add_id(out, ",\"created_by\":", ID_KEY, agent->created_by);
    buf_add_char(out, '}');
}

void render_prompt(const struct agent *agent, struct text prompt, bool template, struct buf *out)
{
    add_id(out, "{\"object\":\"assistant.prompt\",\"assistant_id\":", ID_ASSISTANT, agent->id);
    add_int(out, ",\"version\":", agent->version);
    buf_add_string(out, template ? ",\"template\":true" : ",\"template\":false");
    buf_add_string(out, ",\"prompt\":");
    buf_add_json(out, prompt);
    add_int(out, ",\"tokens\":", tokens_estimate(prompt, TOKENS_O200K));
    buf_add_char(out, '}');
}

/* As OpenAI shows it, with the details that it has for chat completions. */
static void add_usage(const struct usage *used, struct buf *out)
{
    add_int(out, ",\"usage\":{\"prompt_tokens\":", used->prompt_tokens);
    add_int(out, ",\"completion_tokens\":", used->completion_tokens);
    add_int(out, ",\"total_tokens\":", used->prompt_tokens + used->completion_tokens);
    add_int(out, ",\"prompt_tokens_details\":{\"cached_tokens\":", used->cached_tokens);
    add_int(out, ",\"cache_write_tokens\":", used->cache_write_tokens);
    add_int(out, "},\"completion_tokens_details\":{\"reasoning_tokens\":", used->reasoning_tokens);
    buf_add_string(out, "}}");
}

void render_thread(const struct thread *thread, struct buf *out)
{
    add_id(out, "{\"id\":", ID_THREAD, thread->id);
    add_int(out, ",\"object\":\"thread\",\"created_at\":", thread->created_at);
    add_raw(out, ",\"metadata\":", thread->metadata, "{}");
    add_raw(out, ",\"tool_resources\":", thread->tool_resources, "null");
    add_text(out, ",\"title\":", thread->title);
    add_id(out, ",\"forked_from\":", ID_THREAD, thread->forked_from);
    add_id(out, ",\"assistant_id\":", ID_ASSISTANT, thread->agent);
    add_text(out, ",\"user_id\":", thread->user);
    buf_add_string(out, thread->active ? ",\"active\":true" : ",\"active\":false");
    add_raw(out, ",\"agent_state\":", thread->agent_state, "null");
    add_int(out, ",\"agent_state_version\":", thread->agent_state_version);
    add_raw(out, ",\"memory_strategy\":", json_raw_get(thread->memory, "strategy"), "null");
    add_raw(out, ",\"memory_config\":", json_raw_get(thread->memory, "config"), "null");
    add_time(out, ",\"archived_at\":", thread->archived_at);
    add_time(out, ",\"last_used_at\":", thread->last_used_at);
    add_int(out, ",\"message_count\":", thread->counts.messages);
    add_int(out, ",\"total_bytes\":", thread->counts.bytes);
    add_int(out, ",\"token_count\":", thread->counts.tokens);
    add_usage(&thread->used, out);
    add_int(out, ",\"cost_micros\":", thread->used.cost_micros);
    buf_add_char(out, '}');
}

void render_search_hit(const struct search_hit *hit, struct buf *out)
{
    add_id(out, "{\"object\":\"thread.search_result\",\"thread_id\":", ID_THREAD, hit->thread_id);
    add_id(out, ",\"message_id\":", ID_MESSAGE, hit->message_id);
    add_text(out, ",\"role\":", hit->role);
    add_text(out, ",\"snippet\":", hit->snippet);
    add_raw(out, ",\"highlights\":", hit->highlights, "[]");
    add_text(out, ",\"title\":", hit->title);
    add_text(out, ",\"user_id\":", hit->user);
    add_id(out, ",\"assistant_id\":", ID_ASSISTANT, hit->agent);
    add_int(out, ",\"created_at\":", hit->created_at);
    buf_add_char(out, '}');
}

void render_message(const struct message *message, struct buf *out)
{
    bool completed = !message->status.ptr || text_is(message->status, "completed");
    bool incomplete = text_is(message->status, "incomplete");

    add_id(out, "{\"id\":", ID_MESSAGE, message->id);
    add_int(out, ",\"object\":\"thread.message\",\"created_at\":", message->created_at);
    add_id(out, ",\"thread_id\":", ID_THREAD, message->thread_id);
    buf_add_string(out, ",\"status\":");
    buf_add_json(out, completed ? TEXT("completed") : message->status);
    buf_add_string(out, ",\"incomplete_details\":");
    if (incomplete) {
        buf_add_string(out, "{\"reason\":");
        buf_add_json(out, message->incomplete_reason.ptr ? message->incomplete_reason
                                                         : TEXT("run_failed"));
        buf_add_char(out, '}');
    } else {
        buf_add_string(out, "null");
    }
    add_time(out, ",\"completed_at\":", completed ? message->created_at : 0);
    add_time(out, ",\"incomplete_at\":", incomplete ? message->created_at : 0);
    buf_add_string(out, ",\"role\":");
    buf_add_json_string(out, message_role_name(message->role));
    add_raw(out, ",\"content\":", message->content, "[]");
    add_id(out, ",\"assistant_id\":", ID_ASSISTANT, message->agent_id);
    add_id(out, ",\"run_id\":", ID_RUN, message->run_id);
    add_raw(out, ",\"attachments\":", message->attachments, "[]");
    add_raw(out, ",\"metadata\":", message->metadata, "{}");
    add_int(out, ",\"token_count\":", message->tokens);
    add_text(out, ",\"pending\":", message->waits);
    add_text(out, ",\"tool_name\":", message->tool_name);
    if (message->tool_call_id.ptr)
        add_text(out, ",\"tool_call_id\":", message->tool_call_id);
    if (message->tool_calls.ptr)
        add_raw(out, ",\"tool_calls\":", message->tool_calls, "null");
    buf_add_char(out, '}');
}

static void add_run_times(const struct run *run, struct buf *out)
{
    bool ended = run_status_terminal(run->status);

    add_time(out, ",\"expires_at\":", ended ? 0 : run->expires_at);
    add_time(out, ",\"started_at\":", run->started_at);
    add_time(out, ",\"cancelled_at\":", run->cancelled_at);
    add_time(out, ",\"failed_at\":", run->failed_at);
    add_time(out, ",\"completed_at\":", run->completed_at);
}

static void add_run_usage(const struct run *run, struct buf *out)
{
    if (run_status_terminal(run->status))
        add_usage(&run->used, out);
    else
        buf_add_string(out, ",\"usage\":null");
    add_int(out, ",\"cost_micros\":", run->used.cost_micros);
}

/* The value of a spec's member parallel_tool_calls when nobody said it; TEXT_NONE when somebody
 * did. */
static struct text find_unsaid(struct text spec)
{
    struct json_raw_walk walk;
    struct text value;

    json_raw_begin(spec, &walk);
    while (json_raw_next(&walk, &value))
        if (json_raw_type(value) == JSON_RAW_NULL && json_raw_is(walk.name, "parallel_tool_calls"))
            return value;
    return TEXT_NONE;
}

/* model, instructions, tools, temperature, …: all that run_spec_write wrote. Whether calls may be
 * made in parallel is stored when it was said, and shown always. */
static void add_run_spec(struct text spec, struct buf *out)
{
    CLEANUP(buf_deinit) struct buf shown = {0};
    struct text unsaid;

    buf_init(&shown, 0);
    if (declared_has(spec)) {
        declared_hide(spec, &shown);
        spec = buf_text(&shown);
    }

    if (spec.len <= 2) {
        buf_add_char(out, '}');
        return;
    }
    unsaid = find_unsaid(spec);
    buf_add_char(out, ',');
    if (unsaid.ptr) {
        buf_add(out, spec.ptr + 1, (size_t)(unsaid.ptr - spec.ptr) - 1);
        buf_add_string(out, "true");
        spec.len -= (size_t)(unsaid.ptr + unsaid.len - spec.ptr);
        spec.ptr = unsaid.ptr + unsaid.len;
        buf_add_text(out, spec);
    } else {
        buf_add(out, spec.ptr + 1, spec.len - 1);
    }
}

/* What a queued run waits for, and until when. Open calls of one that is queued are those
 * of the tool `wait`. */
static void add_run_wait(const struct run *run, struct buf *out)
{
    add_text(out,
             ",\"waits_for\":", text_is(run->waits_for, "calls") ? TEXT("time") : run->waits_for);
    add_time(out, ",\"waits_until\":", run->waits_for.ptr ? run->waits_until : 0);
}

/* The thread up to its last message: a run that failed, expired or was cancelled has seen
 * nothing. */
static bool has_seen(const struct run *run)
{
    return run->status == RUN_COMPLETED || run->status == RUN_INCOMPLETE;
}

void render_run(const struct run *run, struct buf *out)
{
    static const struct uuid none = {{0}};
    struct text spec = text_trim(run->spec);

    add_id(out, "{\"id\":", ID_RUN, run->id);
    add_int(out, ",\"object\":\"thread.run\",\"created_at\":", run->created_at);
    add_text(out, ",\"kind\":", run->kind);
    add_id(out, ",\"thread_id\":", ID_THREAD, run->thread_id);
    add_id(out, ",\"assistant_id\":", ID_ASSISTANT, run->agent_id);
    buf_add_string(out, ",\"status\":");
    buf_add_json_string(out, run_status_name(run->status));
    add_raw(out, ",\"required_action\":",
            run->status == RUN_REQUIRES_ACTION ? run->required_action : TEXT_NONE, "null");
    add_raw(out, ",\"last_error\":", run->last_error, "null");
    add_run_times(run, out);
    buf_add_string(out, ",\"incomplete_details\":");
    if (run->incomplete_reason.ptr) {
        buf_add_string(out, "{\"reason\":");
        buf_add_json(out, run->incomplete_reason);
        buf_add_char(out, '}');
    } else {
        buf_add(out, "null", 4);
    }
    add_raw(out, ",\"metadata\":", run->metadata, "{}");
    add_run_usage(run, out);
    buf_add_string(out, run->held ? ",\"held\":true" : ",\"held\":false");
    add_run_wait(run, out);
    add_int(out, ",\"crashes\":", run->crashes);
    add_int(out, ",\"messages_left_out\":", run->left_out);
    add_text(out, ",\"user\":", run->user);
    add_int(out, ",\"iterations\":", run->iterations);
    add_raw(out, ",\"tools_used\":", run->tools, "[]");
    add_raw(out, ",\"mcp_problems\":", run->mcp_problems, "[]");
    if (run->memory.ptr)
        add_raw(out, ",\"result\":", run->memory, "null");
    if (run->recalled.ptr)
        add_raw(out, ",\"recalled\":", run->recalled, "null");
    add_duration(out, ",\"queue_ms\":", run->queue_ms);
    add_duration(out, ",\"latency_ms\":", run->latency_ms);
    add_duration(out, ",\"first_token_ms\":", run->first_token_ms);
    add_id(out, ",\"read_until\":", ID_MESSAGE, has_seen(run) ? run->result_message : none);
    add_run_spec(spec, out);
}

static void add_step_details(const struct run_step *step, struct buf *out)
{
    switch (step->type) {
    case STEP_MESSAGE_CREATION:
        add_id(out,
               ",\"step_details\":{\"type\":\"message_creation\",\"message_creation\":"
               "{\"message_id\":",
               ID_MESSAGE, step->message_id);
        buf_add_string(out, "}}");
        return;
    case STEP_TOOL_CALLS:
        buf_add_string(out, ",\"step_details\":{\"type\":\"tool_calls\",\"tool_calls\":");
        code_calls_render(step->tool_calls.ptr ? step->tool_calls : TEXT("[]"), out);
        buf_add_char(out, '}');
        return;
    }
}

/* As it is stored; what a worker leaves out since it is 0 is shown. */
static void add_step_usage(struct text usage, struct buf *out)
{
    static const char none[] =
        ",\"prompt_tokens_details\":{\"cached_tokens\":0,\"cache_write_tokens\":0},"
        "\"completion_tokens_details\":{\"reasoning_tokens\":0}}";

    usage = text_trim(usage);
    buf_add_string(out, ",\"usage\":");
    if (!text_ends(usage, "}") || json_raw_get(usage, "prompt_tokens_details").ptr) {
        buf_add_text(out, usage.ptr ? usage : TEXT("null"));
        return;
    }
    buf_add(out, usage.ptr, usage.len - 1);
    buf_add_string(out, none);
}

void render_step(const struct run_step *step, struct buf *out)
{
    int64_t ended = step->ended_at;

    add_id(out, "{\"id\":", ID_STEP, step->id);
    add_int(out, ",\"object\":\"thread.run.step\",\"created_at\":", step->created_at);
    add_id(out, ",\"run_id\":", ID_RUN, step->run_id);
    add_id(out, ",\"assistant_id\":", ID_ASSISTANT, step->agent_id);
    add_id(out, ",\"thread_id\":", ID_THREAD, step->thread_id);
    buf_add_string(out, ",\"type\":");
    buf_add_json_string(out, step_type_name(step->type));
    buf_add_string(out, ",\"status\":");
    buf_add_json_string(out, step_status_name(step->status));
    add_time(out, ",\"cancelled_at\":", step->status == STEP_CANCELLED ? ended : 0);
    add_time(out, ",\"completed_at\":", step->status == STEP_COMPLETED ? ended : 0);
    add_time(out, ",\"expired_at\":", step->status == STEP_EXPIRED ? ended : 0);
    add_time(out, ",\"failed_at\":", step->status == STEP_FAILED ? ended : 0);
    add_raw(out, ",\"last_error\":", step->last_error, "null");
    add_step_details(step, out);
    add_step_usage(step->usage, out);
    add_text(out, ",\"model\":", step->model);
    if (step->cost_micros >= 0)
        add_int(out, ",\"cost_micros\":", step->cost_micros);
    else
        buf_add_string(out, ",\"cost_micros\":null");
    add_raw(out, ",\"tried\":", step->tried, "[]");
    add_int(out, ",\"messages_left_out\":", step->left_out);
    add_text(out, ",\"reasoning\":", step->reasoning);
    buf_add_string(out, ",\"metadata\":{}}");
}
