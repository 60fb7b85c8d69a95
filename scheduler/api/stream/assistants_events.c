/* OpenAI's events of Assistants.
 *
 * Stock clients are strict, each major in its own way: ids and names of calls are said once, no id
 * stands within a delta, each step and message is over before the next one begins, and an error is
 * nested. The order is the story's.
 */

#include "scheduler/api/assistants/render.h"
#include "scheduler/api/stream/event_format.h"

static void write_run(struct event_sink *sink, const struct story_event *event)
{
    bool is_new = event->shown->run == SHOWN_CREATED;
    size_t data = event_begin(sink, event->shown, "thread.run.",
                              is_new ? "created" : run_status_name(event->run->status));

    render_run(event->run, sink->out);
    event_end(sink, data);
}

static void write_step(struct event_sink *sink, const struct story_event *event, const char *what)
{
    size_t data = event_begin(sink, event->shown, "thread.run.step.", what);

    render_step(event->step, sink->out);
    event_end(sink, data);
}

static void write_message(struct event_sink *sink, const struct story_event *event,
                          const char *what)
{
    size_t data = event_begin(sink, event->shown, "thread.message.", what);

    render_message(event->message, sink->out);
    event_end(sink, data);
}

/* The delta of an object, up to its value. */
static size_t begin_delta(struct event_sink *sink, const struct story_event *event,
                          enum id_kind kind, struct uuid id, const char *object)
{
    size_t data = event_begin(sink, event->shown, object, "");
    char text[ID_TEXT_SIZE];

    id_format(kind, id, text);
    buf_add_string(sink->out, "{\"id\":\"");
    buf_add_string(sink->out, text);
    buf_add_string(sink->out, "\",\"object\":\"");
    buf_add_string(sink->out, object);
    buf_add_string(sink->out, "\",\"delta\":");
    return data;
}

static void end_delta(struct event_sink *sink, size_t data)
{
    buf_add_char(sink->out, '}');
    event_end(sink, data);
}

static void write_text(struct event_sink *sink, const struct story_event *event)
{
    size_t data = begin_delta(sink, event, ID_MESSAGE, event->message->id, "thread.message.delta");

    buf_add_string(sink->out, "{\"content\":[{\"index\":0,");
    if (event->refuses) {
        buf_add_string(sink->out, "\"type\":\"refusal\",\"refusal\":");
        buf_add_json(sink->out, event->text);
    } else {
        buf_add_string(sink->out, "\"type\":\"text\",\"text\":{\"value\":");
        buf_add_json(sink->out, event->text);
        buf_add_string(sink->out, ",\"annotations\":[]}");
    }
    buf_add_string(sink->out, "}]}");
    end_delta(sink, data);
}

static size_t begin_call_delta(struct event_sink *sink, const struct story_event *event)
{
    size_t data = begin_delta(sink, event, ID_STEP, event->step->id, "thread.run.step.delta");

    buf_add_string(sink->out,
                   "{\"step_details\":{\"type\":\"tool_calls\",\"tool_calls\":[{\"index\":");
    buf_add_int(sink->out, (int64_t)event->number);
    buf_add_char(sink->out, ',');
    return data;
}

static void end_call_delta(struct event_sink *sink, size_t data)
{
    buf_add_string(sink->out, "}}]}}");
    end_delta(sink, data);
}

static void write_call(struct event_sink *sink, const struct story_event *event)
{
    size_t data = begin_call_delta(sink, event);

    buf_add_string(sink->out, "\"id\":");
    buf_add_json(sink->out, event->call_id);
    buf_add_string(sink->out, ",\"type\":\"function\",\"function\":{\"name\":");
    buf_add_json(sink->out, event->name);
    buf_add_string(sink->out, ",\"arguments\":\"\",\"output\":null");
    end_call_delta(sink, data);
}

static void write_call_part(struct event_sink *sink, const struct story_event *event,
                            const char *member)
{
    size_t data = begin_call_delta(sink, event);

    buf_add_string(sink->out, "\"type\":\"function\",\"function\":{\"");
    buf_add_string(sink->out, member);
    buf_add_string(sink->out, "\":");
    buf_add_json(sink->out, event->text);
    end_call_delta(sink, data);
}

/* OpenAI has none for what a model thinks; clients pass over what they do not know. */
static void write_thinking(struct event_sink *sink, const struct story_event *event)
{
    size_t data = begin_delta(sink, event, ID_RUN, event->run->id, "thread.run.reasoning.delta");

    buf_add_string(sink->out, "{\"text\":");
    buf_add_json(sink->out, event->text);
    buf_add_char(sink->out, '}');
    end_delta(sink, data);
}

static void write_message_end(struct event_sink *sink, const struct story_event *event)
{
    bool incomplete = text_is(event->message->status, "incomplete");

    write_message(sink, event, incomplete ? "incomplete" : "completed");
}

static void write_event(void *memory, struct buf *out, const struct story_event *event)
{
    struct event_sink sink = event_sink(memory, out);

    switch (event->kind) {
    case STORY_RUN:
        write_run(&sink, event);
        break;
    case STORY_STEP_BEGINS:
        write_step(&sink, event, "created");
        break;
    case STORY_STEP_WORKS:
        write_step(&sink, event, "in_progress");
        break;
    case STORY_STEP_ENDS:
        write_step(&sink, event, step_status_name(event->step->status));
        break;
    case STORY_MESSAGE_BEGINS:
        write_message(&sink, event, "created");
        break;
    case STORY_MESSAGE_WORKS:
        write_message(&sink, event, "in_progress");
        break;
    case STORY_MESSAGE_ENDS:
        write_message_end(&sink, event);
        break;
    case STORY_TEXT:
        write_text(&sink, event);
        break;
    case STORY_CALL:
        write_call(&sink, event);
        break;
    case STORY_ARGUMENTS:
        write_call_part(&sink, event, "arguments");
        break;
    case STORY_OUTPUT:
        write_call_part(&sink, event, "output");
        break;
    case STORY_THINKING:
        write_thinking(&sink, event);
        break;
    }
}

static int end(void *memory, struct buf *out, const struct run *run, const struct shown *shown,
               struct error *err)
{
    struct event_sink sink = event_sink(memory, out);
    size_t data = event_begin(&sink, shown, "", "done");

    (void)run;
    (void)err;
    buf_add_string(out, EVENT_DONE);
    event_end(&sink, data);
    return 0;
}

static void error(void *memory, struct buf *out, const char *code, const char *message)
{
    struct event_sink sink = event_sink(memory, out);
    size_t data = event_begin(&sink, NULL, "", "error");

    buf_add_string(out, "{\"error\":{\"message\":");
    buf_add_json_string(out, message);
    buf_add_string(out, ",\"type\":\"server_error\",\"param\":null,\"code\":");
    buf_add_json_string(out, code);
    buf_add_string(out, "}}");
    event_end(&sink, data);
}

const struct event_format assistants_events = {NULL, write_event, end, error, NULL};
