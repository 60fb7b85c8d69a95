/* A vocabulary for pages. Each event's data has `iteration`, `tokens_used` and `latency_ms` of the
 * run so far beside what it says:
 *
 *     run          {run_id, thread_id}      the first one
 *     thinking     {text?}                  the model is asked; what it thinks, where that is told
 *     tool_call    {id, name}               it calls a tool
 *     tool_result  {id, name, arguments, output, status, …}  and how the call went
 *     ask_user     {tool_calls}             the run waits for its client
 *     answer       {message_id, text}       the next piece of an answer
 *     error        {code, message}          the run has failed, or the stream has
 *     done         {status, result, reason} the run is over, or waits for its client
 */

#include "scheduler/api/stream/event_format.h"
#include "shared/base/clock.h"
#include "shared/json/json.h"
#include "shared/json/json_write.h"
#include "shared/store/tools/call_report.h"

static int64_t latency_of(const struct run *run)
{
    int64_t since_ms = clock_wall_ms() - uuid_made_ms(run->id);

    if (run->latency_ms >= 0)
        return run->latency_ms;
    return since_ms > 0 ? since_ms : 0;
}

/* An event that is being written. */
struct writing {
    struct json_write json;
    struct event_sink *sink;
    size_t data;
};

/* `run`: what its members have that all events have; NULL: without these. */
static struct writing open_event(struct event_sink *sink, const struct shown *shown,
                                 const char *name, const struct run *run)
{
    struct writing writing = {.sink = sink, .data = event_begin(sink, shown, "", name)};
    struct json_write *w = &writing.json;

    json_write_init(w, sink->out);
    json_write_open_object(w, NULL);
    if (!run)
        return writing;
    json_write_int(w, "iteration", run->iterations);
    json_write_int(w, "tokens_used", run->used.prompt_tokens + run->used.completion_tokens);
    json_write_int(w, "latency_ms", latency_of(run));
    return writing;
}

static struct writing open_story(struct event_sink *sink, const struct story_event *event,
                                 const char *name)
{
    return open_event(sink, event->shown, name, event->now);
}

static void close_event(struct writing *writing)
{
    json_write_close(&writing->json);
    event_end(writing->sink, writing->data);
}

static void write_id(struct json_write *w, const char *name, enum id_kind kind, struct uuid id)
{
    char text[ID_TEXT_SIZE];

    id_format(kind, id, text);
    json_write_string(w, name, text);
}

static void write_say(struct event_sink *sink, const struct story_event *event, const char *name)
{
    struct writing e = open_story(sink, event, name);

    if (event->message)
        write_id(&e.json, "message_id", ID_MESSAGE, event->message->id);
    if (event->text.ptr)
        json_write_text(&e.json, "text", event->text);
    close_event(&e);
}

static void write_call(struct event_sink *sink, const struct story_event *event)
{
    struct writing e = open_story(sink, event, "tool_call");

    json_write_text(&e.json, "id", event->call_id);
    json_write_text(&e.json, "name", event->name);
    close_event(&e);
}

static void write_result(struct event_sink *sink, const struct story_event *event,
                         struct json_object *call)
{
    struct json_object *function = json_get(call, "function");
    struct writing e = open_story(sink, event, "tool_result");

    json_write_text(&e.json, "id", json_get_text(call, "id"));
    json_write_text(&e.json, "name", json_get_text(function, "name"));
    json_write_text(&e.json, "arguments", json_get_text(function, "arguments"));
    json_write_raw_if(&e.json, "output", json_text(json_get(function, "output")));
    json_write_string(&e.json, "status", step_status_name(event->step->status));
    call_report_copy(call, &e.json);
    close_event(&e);
}

static void write_results(struct event_sink *sink, const struct story_event *event)
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
        write_result(sink, event, json_object_array_get_idx(calls, i));
}

static void write_ask(struct event_sink *sink, const struct story_event *event)
{
    CLEANUP(json_freep) struct json_object *action = NULL;
    struct writing e = open_story(sink, event, "ask_user");
    struct json_object *calls;
    struct error err;

    if (!event->run->required_action.ptr ||
        json_decode(event->run->required_action, JSON_DEPTH_DEFAULT, &action, &err) < 0)
        action = NULL;
    calls = json_path(action, "submit_tool_outputs", "tool_calls", NULL);
    json_write_raw(&e.json, "tool_calls", calls ? json_text(calls) : TEXT("[]"));
    close_event(&e);
}

static void write_failure(struct event_sink *sink, const struct story_event *event)
{
    CLEANUP(json_freep) struct json_object *error = NULL;
    struct writing e = open_story(sink, event, "error");
    struct error err;

    if (!event->run->last_error.ptr ||
        json_decode(event->run->last_error, JSON_DEPTH_DEFAULT, &error, &err) < 0)
        error = NULL;
    json_write_text(&e.json, "code", json_get_text(error, "code"));
    json_write_text(&e.json, "message", json_get_text(error, "message"));
    close_event(&e);
}

static void write_ids(struct event_sink *sink, const struct story_event *event)
{
    struct writing e = open_story(sink, event, "run");

    write_id(&e.json, "run_id", ID_RUN, event->run->id);
    write_id(&e.json, "thread_id", ID_THREAD, event->run->thread_id);
    close_event(&e);
}

static void write_run(struct event_sink *sink, const struct story_event *event)
{
    if (event->shown->run == SHOWN_CREATED) {
        write_ids(sink, event);
        return;
    }
    switch (event->run->status) {
    case RUN_IN_PROGRESS:
        write_say(sink, event, "thinking");
        break;
    case RUN_REQUIRES_ACTION:
        write_ask(sink, event);
        break;
    case RUN_FAILED:
        write_failure(sink, event);
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

static void write_event(void *memory, struct buf *out, const struct story_event *event)
{
    struct event_sink sink = event_sink(memory, out);

    switch (event->kind) {
    case STORY_RUN:
        write_run(&sink, event);
        break;
    case STORY_THINKING:
        write_say(&sink, event, "thinking");
        break;
    case STORY_TEXT:
        write_say(&sink, event, "answer");
        break;
    case STORY_CALL:
        write_call(&sink, event);
        break;
    case STORY_STEP_ENDS:
        write_results(&sink, event);
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

static int end(void *memory, struct buf *out, const struct run *run, const struct shown *shown,
               struct error *err)
{
    struct event_sink sink = event_sink(memory, out);
    struct writing e = open_event(&sink, shown, "done", run);

    (void)err;
    json_write_string(&e.json, "status", run_status_name(run->status));
    if (run->incomplete_reason.ptr)
        json_write_text(&e.json, "reason", run->incomplete_reason);
    if (!uuid_is_zero(run->result_message))
        write_id(&e.json, "message_id", ID_MESSAGE, run->result_message);
    close_event(&e);
    return 0;
}

static void error(void *memory, struct buf *out, const char *code, const char *message)
{
    struct event_sink sink = event_sink(memory, out);
    struct writing e = open_event(&sink, NULL, "error", NULL);

    json_write_string(&e.json, "code", code);
    json_write_string(&e.json, "message", message);
    close_event(&e);
}

const struct event_format simple_events = {"simple", write_event, end, error, NULL};
