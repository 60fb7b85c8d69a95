/* A vocabulary for pages. Each event's data has `iteration`, `tokens_used` and `latency_ms` of the
 * run so far beside what it says:
 *
 *     run          {run_id, thread_id}      the first one
 *     thinking     {text?}                  the model is asked; what it thinks, where that is told
 *     tool_call    {id, name}               it calls a tool
 *     tool_result  {id, name, arguments, output, status}
 *     ask_user     {tool_calls}             the run waits for its client
 *     answer       {message_id, text}       the next piece of an answer
 *     error        {code, message}          the run has failed, or the stream has
 *     done         {status, result, reason} the run is over, or waits for its client
 */

#include "scheduler/api/stream/event_format.h"
#include "shared/base/clock.h"
#include "shared/json/json.h"
#include "shared/json/json_write.h"
#include "shared/sse/sse.h"

static int64_t latency_of(const struct run *run)
{
    int64_t since_ms = clock_wall_ms() - uuid_made_ms(run->id);

    if (run->latency_ms >= 0)
        return run->latency_ms;
    return since_ms > 0 ? since_ms : 0;
}

static void begin(struct json_write *w, struct buf *json, const struct run *run)
{
    json_write_init(w, json);
    json_write_open_object(w, NULL);
    json_write_int(w, "iteration", run->iterations);
    json_write_int(w, "tokens_used", run->used.prompt_tokens + run->used.completion_tokens);
    json_write_int(w, "latency_ms", latency_of(run));
}

static void write_id(struct json_write *w, const char *name, enum id_kind kind, struct uuid id)
{
    char text[ID_TEXT_SIZE];

    id_format(kind, id, text);
    json_write_string(w, name, text);
}

static void write_say(struct buf *out, const struct story_event *event, const char *name)
{
    CLEANUP(buf_deinit) struct buf json;
    struct json_write w;

    buf_init(&json, 0);
    begin(&w, &json, event->now);
    if (event->message)
        write_id(&w, "message_id", ID_MESSAGE, event->message->id);
    if (event->text.ptr)
        json_write_text(&w, "text", event->text);
    json_write_close(&w);
    event_frame(out, event->shown, name, buf_text(&json));
}

static void write_call(struct buf *out, const struct story_event *event)
{
    CLEANUP(buf_deinit) struct buf json;
    struct json_write w;

    buf_init(&json, 0);
    begin(&w, &json, event->now);
    json_write_text(&w, "id", event->call_id);
    json_write_text(&w, "name", event->name);
    json_write_close(&w);
    event_frame(out, event->shown, "tool_call", buf_text(&json));
}

static void write_result(struct buf *out, const struct story_event *event, struct json_object *call)
{
    CLEANUP(buf_deinit) struct buf json;
    struct json_object *function = json_get(call, "function");
    struct json_write w;

    buf_init(&json, 0);
    begin(&w, &json, event->now);
    json_write_text(&w, "id", json_get_text(call, "id"));
    json_write_text(&w, "name", json_get_text(function, "name"));
    json_write_text(&w, "arguments", json_get_text(function, "arguments"));
    json_write_raw_if(&w, "output", json_text(json_get(function, "output")));
    json_write_string(&w, "status", step_status_name(event->step->status));
    json_write_close(&w);
    event_frame(out, event->shown, "tool_result", buf_text(&json));
}

static void write_results(struct buf *out, const struct story_event *event)
{
    CLEANUP(json_freep) struct json_object *calls = NULL;
    struct error err;
    size_t count;

    if (event->step->type != STEP_TOOL_CALLS || !event->step->tool_calls.ptr ||
        json_decode(event->step->tool_calls, JSON_DEPTH_DEFAULT, &calls, &err) < 0 ||
        json_type_of(calls) != json_type_array)
        return;
    count = json_object_array_length(calls);
    for (size_t i = 0; i < count; i++)
        write_result(out, event, json_object_array_get_idx(calls, i));
}

static void write_ask(struct buf *out, const struct story_event *event)
{
    CLEANUP(json_freep) struct json_object *action = NULL;
    CLEANUP(buf_deinit) struct buf json;
    struct json_object *calls;
    struct json_write w;
    struct error err;

    if (!event->run->required_action.ptr ||
        json_decode(event->run->required_action, JSON_DEPTH_DEFAULT, &action, &err) < 0)
        action = NULL;
    calls = json_path(action, "submit_tool_outputs", "tool_calls", NULL);
    buf_init(&json, 0);
    begin(&w, &json, event->now);
    json_write_raw(&w, "tool_calls", calls ? json_text(calls) : TEXT("[]"));
    json_write_close(&w);
    event_frame(out, event->shown, "ask_user", buf_text(&json));
}

static void write_failure(struct buf *out, const struct story_event *event)
{
    CLEANUP(json_freep) struct json_object *error = NULL;
    CLEANUP(buf_deinit) struct buf json;
    struct json_write w;
    struct error err;

    if (!event->run->last_error.ptr ||
        json_decode(event->run->last_error, JSON_DEPTH_DEFAULT, &error, &err) < 0)
        error = NULL;
    buf_init(&json, 0);
    begin(&w, &json, event->now);
    json_write_text(&w, "code", json_get_text(error, "code"));
    json_write_text(&w, "message", json_get_text(error, "message"));
    json_write_close(&w);
    event_frame(out, event->shown, "error", buf_text(&json));
}

static void write_ids(struct buf *out, const struct story_event *event)
{
    CLEANUP(buf_deinit) struct buf json;
    struct json_write w;

    buf_init(&json, 0);
    begin(&w, &json, event->now);
    write_id(&w, "run_id", ID_RUN, event->run->id);
    write_id(&w, "thread_id", ID_THREAD, event->run->thread_id);
    json_write_close(&w);
    event_frame(out, event->shown, "run", buf_text(&json));
}

static void write_run(struct buf *out, const struct story_event *event)
{
    if (event->shown->run == SHOWN_CREATED) {
        write_ids(out, event);
        return;
    }
    switch (event->run->status) {
    case RUN_IN_PROGRESS:
        write_say(out, event, "thinking");
        break;
    case RUN_REQUIRES_ACTION:
        write_ask(out, event);
        break;
    case RUN_FAILED:
        write_failure(out, event);
        break;
    case RUN_QUEUED:
    case RUN_CANCELLING:
    case RUN_COMPLETED:
    case RUN_INCOMPLETE:
    case RUN_CANCELLED:
    case RUN_EXPIRED:
    case RUN_STATUS_COUNT:
        break;
    }
}

static void write_event(struct buf *out, const struct story_event *event)
{
    switch (event->kind) {
    case STORY_RUN:
        write_run(out, event);
        break;
    case STORY_THINKING:
        write_say(out, event, "thinking");
        break;
    case STORY_TEXT:
        write_say(out, event, "answer");
        break;
    case STORY_CALL:
        write_call(out, event);
        break;
    case STORY_STEP_ENDS:
        write_results(out, event);
        break;
    case STORY_STEP_BEGINS:
    case STORY_STEP_WORKS:
    case STORY_MESSAGE_BEGINS:
    case STORY_MESSAGE_WORKS:
    case STORY_MESSAGE_ENDS:
    case STORY_ARGUMENTS:
    case STORY_OUTPUT:
        break;
    }
}

static void end(struct buf *out, const struct run *run, const struct shown *shown)
{
    CLEANUP(buf_deinit) struct buf json;
    struct json_write w;

    buf_init(&json, 0);
    begin(&w, &json, run);
    json_write_string(&w, "status", run_status_name(run->status));
    if (run->incomplete_reason.ptr)
        json_write_text(&w, "reason", run->incomplete_reason);
    if (!uuid_is_zero(run->result_message))
        write_id(&w, "message_id", ID_MESSAGE, run->result_message);
    json_write_close(&w);
    event_frame(out, shown, "done", buf_text(&json));
}

static void error(struct buf *out, const char *code, const char *message)
{
    CLEANUP(buf_deinit) struct buf json;
    struct json_write w;

    buf_init(&json, 0);
    json_write_init(&w, &json);
    json_write_open_object(&w, NULL);
    json_write_string(&w, "code", code);
    json_write_string(&w, "message", message);
    json_write_close(&w);
    event_frame(out, NULL, "error", buf_text(&json));
}

const struct event_format simple_events = {"simple", write_event, end, error};
