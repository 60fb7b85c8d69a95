/* OpenAI's events of Assistants.
 *
 * Stock clients are strict, each major in its own way: ids and names of calls are said once, no id
 * stands within a delta, each step and message is over before the next one begins, and an error is
 * nested. The order is the story's.
 */

#include <string.h>

#include "scheduler/api/assistants/render.h"
#include "scheduler/api/stream/event_format.h"

size_t event_begin(struct buf *out, const struct shown *shown, const char *family, const char *name)
{
    if (shown) {
        buf_add_string(out, "id: ");
        shown_write(shown, out);
        buf_add_char(out, '\n');
    }
    buf_add_string(out, "event: ");
    buf_add_string(out, family);
    buf_add_string(out, name);
    buf_add_string(out, "\ndata: ");
    return out->len;
}

/* JSON that is kept as it was written may go over several lines, which a line of data may not:
 * where JSON has a line's end, a blank says the same. */
void event_end(struct buf *out, size_t data)
{
    char *at = out->ptr + data;

    if (out->failed)
        return;
    for (char *end = at; (end = memchr(end, '\n', out->len - (size_t)(end - out->ptr)));)
        *end = ' ';
    for (char *end = at; (end = memchr(end, '\r', out->len - (size_t)(end - out->ptr)));)
        *end = ' ';
    buf_add(out, "\n\n", 2);
}

static void write_run(struct buf *out, const struct story_event *event)
{
    bool is_new = event->shown->run == SHOWN_CREATED;
    size_t data = event_begin(out, event->shown, "thread.run.",
                              is_new ? "created" : run_status_name(event->run->status));

    render_run(event->run, out);
    event_end(out, data);
}

static void write_step(struct buf *out, const struct story_event *event, const char *what)
{
    size_t data = event_begin(out, event->shown, "thread.run.step.", what);

    render_step(event->step, out);
    event_end(out, data);
}

static void write_message(struct buf *out, const struct story_event *event, const char *what)
{
    size_t data = event_begin(out, event->shown, "thread.message.", what);

    render_message(event->message, out);
    event_end(out, data);
}

/* The delta of an object, up to its value. */
static size_t begin_delta(struct buf *out, const struct story_event *event, enum id_kind kind,
                          struct uuid id, const char *object)
{
    size_t data = event_begin(out, event->shown, object, "");
    char text[ID_TEXT_SIZE];

    id_format(kind, id, text);
    buf_add_string(out, "{\"id\":\"");
    buf_add_string(out, text);
    buf_add_string(out, "\",\"object\":\"");
    buf_add_string(out, object);
    buf_add_string(out, "\",\"delta\":");
    return data;
}

static void end_delta(struct buf *out, size_t data)
{
    buf_add_char(out, '}');
    event_end(out, data);
}

static void write_text(struct buf *out, const struct story_event *event)
{
    size_t data = begin_delta(out, event, ID_MESSAGE, event->message->id, "thread.message.delta");

    buf_add_string(out, "{\"content\":[{\"index\":0,");
    if (event->refuses) {
        buf_add_string(out, "\"type\":\"refusal\",\"refusal\":");
        buf_add_json(out, event->text);
    } else {
        buf_add_string(out, "\"type\":\"text\",\"text\":{\"value\":");
        buf_add_json(out, event->text);
        buf_add_string(out, ",\"annotations\":[]}");
    }
    buf_add_string(out, "}]}");
    end_delta(out, data);
}

static size_t begin_call_delta(struct buf *out, const struct story_event *event)
{
    size_t data = begin_delta(out, event, ID_STEP, event->step->id, "thread.run.step.delta");

    buf_add_string(out, "{\"step_details\":{\"type\":\"tool_calls\",\"tool_calls\":[{\"index\":");
    buf_add_int(out, (int64_t)event->number);
    buf_add_char(out, ',');
    return data;
}

static void end_call_delta(struct buf *out, size_t data)
{
    buf_add_string(out, "}}]}}");
    end_delta(out, data);
}

static void write_call(struct buf *out, const struct story_event *event)
{
    size_t data = begin_call_delta(out, event);

    buf_add_string(out, "\"id\":");
    buf_add_json(out, event->call_id);
    buf_add_string(out, ",\"type\":\"function\",\"function\":{\"name\":");
    buf_add_json(out, event->name);
    buf_add_string(out, ",\"arguments\":\"\",\"output\":null");
    end_call_delta(out, data);
}

static void write_call_part(struct buf *out, const struct story_event *event, const char *member)
{
    size_t data = begin_call_delta(out, event);

    buf_add_string(out, "\"type\":\"function\",\"function\":{\"");
    buf_add_string(out, member);
    buf_add_string(out, "\":");
    buf_add_json(out, event->text);
    end_call_delta(out, data);
}

/* OpenAI has none for what a model thinks; clients pass over what they do not know. */
static void write_thinking(struct buf *out, const struct story_event *event)
{
    size_t data = begin_delta(out, event, ID_RUN, event->run->id, "thread.run.reasoning.delta");

    buf_add_string(out, "{\"text\":");
    buf_add_json(out, event->text);
    buf_add_char(out, '}');
    end_delta(out, data);
}

static void write_message_end(struct buf *out, const struct story_event *event)
{
    bool incomplete = text_is(event->message->status, "incomplete");

    write_message(out, event, incomplete ? "incomplete" : "completed");
}

static void write_event(void *memory, struct buf *out, const struct story_event *event)
{
    (void)memory;
    switch (event->kind) {
    case STORY_RUN:
        write_run(out, event);
        break;
    case STORY_STEP_BEGINS:
        write_step(out, event, "created");
        break;
    case STORY_STEP_WORKS:
        write_step(out, event, "in_progress");
        break;
    case STORY_STEP_ENDS:
        write_step(out, event, step_status_name(event->step->status));
        break;
    case STORY_MESSAGE_BEGINS:
        write_message(out, event, "created");
        break;
    case STORY_MESSAGE_WORKS:
        write_message(out, event, "in_progress");
        break;
    case STORY_MESSAGE_ENDS:
        write_message_end(out, event);
        break;
    case STORY_TEXT:
        write_text(out, event);
        break;
    case STORY_CALL:
        write_call(out, event);
        break;
    case STORY_ARGUMENTS:
        write_call_part(out, event, "arguments");
        break;
    case STORY_OUTPUT:
        write_call_part(out, event, "output");
        break;
    case STORY_THINKING:
        write_thinking(out, event);
        break;
    }
}

static int end(void *memory, struct buf *out, const struct run *run, const struct shown *shown,
               struct error *err)
{
    size_t data = event_begin(out, shown, "", "done");

    (void)memory;
    (void)run;
    (void)err;
    buf_add_string(out, "[DONE]");
    event_end(out, data);
    return 0;
}

static void error(void *memory, struct buf *out, const char *code, const char *message)
{
    size_t data = event_begin(out, NULL, "", "error");

    (void)memory;
    buf_add_string(out, "{\"error\":{\"message\":");
    buf_add_json_string(out, message);
    buf_add_string(out, ",\"type\":\"server_error\",\"param\":null,\"code\":");
    buf_add_json_string(out, code);
    buf_add_string(out, "}}");
    event_end(out, data);
}

const struct event_format assistants_events = {NULL, write_event, end, error};
