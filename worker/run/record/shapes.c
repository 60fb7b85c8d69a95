/* The JSON of a run's rows. */

#include "worker/run/record/shapes.h"

#include "shared/base/error.h"
#include "shared/json/json_raw.h"
#include "shared/json/json_write.h"

void shape_content(struct buf *out, struct text text, bool refusal)
{
    struct json_write w;

    json_write_init(&w, out);
    json_write_open_array(&w, NULL);
    json_write_open_object(&w, NULL);
    if (refusal) {
        json_write_string(&w, "type", "refusal");
        json_write_text(&w, "refusal", text);
    } else {
        json_write_string(&w, "type", "text");
        json_write_open_object(&w, "text");
        json_write_text(&w, "value", text);
        json_write_raw(&w, "annotations", TEXT("[]"));
        json_write_close(&w);
    }
    json_write_close(&w);
    json_write_close(&w);
}

/* Most calls have none of these; the API shows zeros then. */
static void write_details(struct json_write *w, const struct chat_usage *usage)
{
    if (usage->cached_input_tokens == 0 && usage->cache_write_tokens == 0 &&
        usage->reasoning_tokens == 0)
        return;
    json_write_open_object(w, "prompt_tokens_details");
    json_write_int(w, "cached_tokens", usage->cached_input_tokens);
    json_write_int(w, "cache_write_tokens", usage->cache_write_tokens);
    json_write_close(w);
    json_write_open_object(w, "completion_tokens_details");
    json_write_int(w, "reasoning_tokens", usage->reasoning_tokens);
    json_write_close(w);
}

void shape_usage(struct buf *out, const struct chat_usage *usage)
{
    struct json_write w;

    json_write_init(&w, out);
    json_write_open_object(&w, NULL);
    json_write_int(&w, "prompt_tokens", usage->input_tokens);
    json_write_int(&w, "completion_tokens", usage->output_tokens);
    json_write_int(&w, "total_tokens", usage->input_tokens + usage->output_tokens);
    write_details(&w, usage);
    json_write_close(&w);
}

/* What the model wrote, where the call differs from it: for people, no program reads it. */
static void write_said(struct json_write *w, struct text said)
{
    if (said.len > 0)
        json_write_raw(w, "said", said);
}

void shape_message_calls(struct buf *out, const struct chat_tool_call *calls, size_t count)
{
    struct json_write w;

    json_write_init(&w, out);
    json_write_open_array(&w, NULL);
    for (size_t i = 0; i < count; i++) {
        json_write_open_object(&w, NULL);
        json_write_text(&w, "id", calls[i].id);
        json_write_text(&w, "name", calls[i].name);
        json_write_text(&w, "arguments", calls[i].arguments);
        write_said(&w, calls[i].said);
        json_write_close(&w);
    }
    json_write_close(&w);
}

static const char *type_of(const struct ledger_call *call)
{
    return call->tool && call->tool->source->type ? call->tool->source->type : "function";
}

/* Opens {"id","type","function":{"name","arguments"; both objects are left open. */
static void open_call(struct json_write *w, const struct ledger_call *call)
{
    json_write_open_object(w, NULL);
    json_write_text(w, "id", call->call_id);
    json_write_string(w, "type", type_of(call));
    json_write_open_object(w, "function");
    json_write_text(w, "name", call->name);
    json_write_text(w, "arguments", call->arguments);
}

static bool is_for_approver(const struct ledger_call *call)
{
    return call->state == CALL_OPEN && call->kind == WAIT_APPROVAL;
}

void shape_step_calls(struct buf *out, const struct ledger_call *calls, size_t count)
{
    struct json_write w;

    json_write_init(&w, out);
    json_write_open_array(&w, NULL);
    for (size_t i = 0; i < count; i++) {
        open_call(&w, &calls[i]);
        json_write_text(&w, "output", calls[i].result);
        json_write_close(&w);
        if (calls[i].state == CALL_UNKNOWN)
            json_write_string(&w, "status", "unknown");
        if (calls[i].approval.ptr)
            json_write_raw(&w, "approval", calls[i].approval);
        else if (is_for_approver(&calls[i]))
            json_write_raw(&w, "approval", TEXT("{\"decision\":\"waiting\"}"));
        if (calls[i].result.ptr)
            call_report_write(&calls[i].report, calls[i].result.len, calls[i].is_error, &w);
        write_said(&w, calls[i].said);
        json_write_close(&w);
    }
    json_write_close(&w);
}

static bool is_for_client(const struct ledger_call *call)
{
    return call->state == CALL_OPEN && wait_of(call->kind)->settler == WAIT_SETTLED_BY_CLIENT;
}

/* The arguments as JSON, to be shown; what an earlier version stored may be something else. */
static struct text shown_arguments(struct text arguments)
{
    struct error err;
    struct text value;

    return json_raw_check(arguments, JSON_RAW_DEPTH_MAX, &value, &err) == 0 ? value : TEXT("{}");
}

static void write_asked(struct json_write *w, const struct ledger_call *call)
{
    CLEANUP(buf_deinit) struct buf question;
    struct json_write q;

    buf_init(&question, 0);
    json_write_init(&q, &question);
    json_write_open_object(&q, NULL);
    json_write_text(&q, "tool", call->name);
    json_write_name(&q, "arguments");
    json_raw_write(shown_arguments(call->arguments), &question);
    json_write_close(&q);
    json_write_open_object(w, NULL);
    json_write_text(w, "id", call->call_id);
    json_write_string(w, "type", "function");
    json_write_open_object(w, "function");
    json_write_string(w, "name", APPROVAL_FUNCTION);
    json_write_text(w, "arguments", buf_text(&question));
    json_write_close(w);
    w->out->failed |= question.failed;
}

static void write_approval(struct json_write *w, const struct ledger_call *call,
                           const struct shape_asking *asking)
{
    write_asked(w, call);
    json_write_open_object(w, "approval");
    json_write_text(w, "tool", call->name);
    json_write_text(w, "arguments", call->arguments);
    if (call->due_in_ms != CALL_NEVER_DUE)
        json_write_int(w, "expires_at", asking->now_s + call->due_in_ms / 1000);
    if (call->tool)
        json_write_raw_if(w, "parameters", tool_parameters(asking->tools, call->tool));
    json_write_close(w);
    json_write_close(w);
}

bool shape_required_action(struct buf *out, const struct ledger_call *calls, size_t count,
                           const struct shape_asking *asking)
{
    struct json_write w;
    bool any = false;

    json_write_init(&w, out);
    json_write_open_object(&w, NULL);
    json_write_string(&w, "type", "submit_tool_outputs");
    json_write_open_object(&w, "submit_tool_outputs");
    json_write_open_array(&w, "tool_calls");
    for (size_t i = 0; i < count; i++) {
        if (is_for_approver(&calls[i])) {
            write_approval(&w, &calls[i], asking);
            any = true;
        } else if (is_for_client(&calls[i])) {
            open_call(&w, &calls[i]);
            json_write_close(&w);
            json_write_close(&w);
            any = true;
        }
    }
    json_write_close(&w);
    json_write_close(&w);
    json_write_close(&w);
    return any;
}
