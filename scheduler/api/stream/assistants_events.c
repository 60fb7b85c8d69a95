/* OpenAI's events of Assistants.
 *
 * Stock clients are strict, each major in its own way: ids and names of calls are said once, no id
 * stands within a delta, each step and message is over before the next one begins, and an error is
 * nested. The order is the story's.
 */

#include <stdio.h>

#include "scheduler/api/assistants/render.h"
#include "scheduler/api/stream/event_format.h"
#include "shared/sse/sse.h"

void event_frame(struct buf *out, const struct shown *shown, const char *name, struct text data)
{
    char id[SHOWN_TEXT_SIZE];

    if (shown) {
        shown_format(shown, id);
        buf_printf(out, "id: %s\n", id);
    }
    sse_write(out, text_of(name), data);
}

static void write_run(struct buf *json, const struct story_event *event, char name[64])
{
    enum shown_run shown = event->shown->run;
    const char *what = shown == SHOWN_CREATED ? "created" : run_status_name(event->run->status);

    (void)snprintf(name, 64, "thread.run.%s", what);
    render_run(event->run, json);
}

static void write_step(struct buf *json, const struct story_event *event, const char *what,
                       char name[64])
{
    (void)snprintf(name, 64, "thread.run.step.%s", what);
    render_step(event->step, json);
}

static void write_message(struct buf *json, const struct story_event *event, const char *what,
                          char name[64])
{
    (void)snprintf(name, 64, "thread.message.%s", what);
    render_message(event->message, json);
}

static void add_object_id(struct buf *json, enum id_kind kind, struct uuid id, const char *object)
{
    char text[ID_TEXT_SIZE];

    id_format(kind, id, text);
    buf_printf(json, "{\"id\":\"%s\",\"object\":\"%s\",\"delta\":", text, object);
}

static void write_text(struct buf *json, const struct story_event *event)
{
    add_object_id(json, ID_MESSAGE, event->message->id, "thread.message.delta");
    buf_add_string(json, "{\"content\":[{\"index\":0,");
    if (event->refuses) {
        buf_add_string(json, "\"type\":\"refusal\",\"refusal\":");
        buf_add_json(json, event->text);
    } else {
        buf_add_string(json, "\"type\":\"text\",\"text\":{\"value\":");
        buf_add_json(json, event->text);
        buf_add_string(json, ",\"annotations\":[]}");
    }
    buf_add_string(json, "}]}}");
}

static void begin_call_delta(struct buf *json, const struct story_event *event)
{
    add_object_id(json, ID_STEP, event->step->id, "thread.run.step.delta");
    buf_printf(json, "{\"step_details\":{\"type\":\"tool_calls\",\"tool_calls\":[{\"index\":%zu,",
               event->number);
}

static void write_call(struct buf *json, const struct story_event *event)
{
    begin_call_delta(json, event);
    buf_add_string(json, "\"id\":");
    buf_add_json(json, event->call_id);
    buf_add_string(json, ",\"type\":\"function\",\"function\":{\"name\":");
    buf_add_json(json, event->name);
    buf_add_string(json, ",\"arguments\":\"\",\"output\":null}}]}}}");
}

static void write_call_part(struct buf *json, const struct story_event *event, const char *member)
{
    begin_call_delta(json, event);
    buf_printf(json, "\"type\":\"function\",\"function\":{\"%s\":", member);
    buf_add_json(json, event->text);
    buf_add_string(json, "}}]}}}");
}

/* OpenAI has none for what a model thinks; clients pass over what they do not know. */
static void write_thinking(struct buf *json, const struct story_event *event)
{
    char text[ID_TEXT_SIZE];

    id_format(ID_RUN, event->run->id, text);
    buf_printf(
        json,
        "{\"id\":\"%s\",\"object\":\"thread.run.reasoning.delta\",\"delta\":{\"text\":", text);
    buf_add_json(json, event->text);
    buf_add_string(json, "}}");
}

static const char *message_end(const struct message *message)
{
    return text_is(message->status, "incomplete") ? "incomplete" : "completed";
}

static void write_event(struct buf *out, const struct story_event *event)
{
    CLEANUP(buf_deinit) struct buf json;
    char name[64] = "thread.run.step.delta";

    buf_init(&json, 0);
    switch (event->kind) {
    case STORY_RUN:
        write_run(&json, event, name);
        break;
    case STORY_STEP_BEGINS:
        write_step(&json, event, "created", name);
        break;
    case STORY_STEP_WORKS:
        write_step(&json, event, "in_progress", name);
        break;
    case STORY_STEP_ENDS:
        write_step(&json, event, step_status_name(event->step->status), name);
        break;
    case STORY_MESSAGE_BEGINS:
        write_message(&json, event, "created", name);
        break;
    case STORY_MESSAGE_WORKS:
        write_message(&json, event, "in_progress", name);
        break;
    case STORY_MESSAGE_ENDS:
        write_message(&json, event, message_end(event->message), name);
        break;
    case STORY_TEXT:
        (void)snprintf(name, sizeof(name), "thread.message.delta");
        write_text(&json, event);
        break;
    case STORY_CALL:
        write_call(&json, event);
        break;
    case STORY_ARGUMENTS:
        write_call_part(&json, event, "arguments");
        break;
    case STORY_OUTPUT:
        write_call_part(&json, event, "output");
        break;
    case STORY_THINKING:
        (void)snprintf(name, sizeof(name), "thread.run.reasoning.delta");
        write_thinking(&json, event);
        break;
    }
    event_frame(out, event->shown, name, buf_text(&json));
}

static void end(struct buf *out, const struct run *run, const struct shown *shown)
{
    (void)run;
    event_frame(out, shown, "done", TEXT("[DONE]"));
}

static void error(struct buf *out, const char *code, const char *message)
{
    CLEANUP(buf_deinit) struct buf json;

    buf_init(&json, 0);
    buf_add_string(&json, "{\"error\":{\"message\":");
    buf_add_json_string(&json, message);
    buf_add_string(&json, ",\"type\":\"server_error\",\"param\":null,\"code\":");
    buf_add_json_string(&json, code);
    buf_add_string(&json, "}}");
    event_frame(out, NULL, "error", buf_text(&json));
}

const struct event_format assistants_events = {NULL, write_event, end, error};
