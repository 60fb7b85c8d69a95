/* A call's arguments are whole when the next one begins, or its step is stored: then a function's
 * call is over, and a server's is when its step ends. */

#include "scheduler/api/openai/responses/events/response_call_events.h"

#include "scheduler/api/openai/items/items.h"
#include "shared/events/frame.h"
#include "shared/json/json.h"

/* The message that has the calls of a step: that of the text before them, or one that is hidden. */
static struct uuid message_of_calls(const struct response_tape *tape, struct uuid step)
{
    if (!uuid_is_zero(tape->message) && uuid_equal(reply_calls_step(tape->message, true), step))
        return tape->message;
    return uuid_derived(step, 2); /* which reply_calls_step has made of it */
}

static void tell_call_item(struct response_tape *tape, struct buf *out, const char *type,
                           const struct item_call *call)
{
    struct tape_event event;

    if (!tape_begin(tape, &event, type, 1))
        return;
    json_write_int(&event.w, "output_index", (int64_t)(tape->first_call + call->id.place));
    json_write_name(&event.w, "item");
    item_call_write(call, &event.json);
    tape_end(&event, out);
}

static void tell_call_state(struct response_tape *tape, struct buf *out, const char *type,
                            struct item_id item)
{
    struct tape_event event;

    if (!tape_begin(tape, &event, type, 1))
        return;
    tape_where(&event, item, tape->first_call + item.place);
    tape_end(&event, out);
}

/* The last call, with these arguments. */
static struct item_call last_call(const struct response_tape *tape, const char *status)
{
    return (struct item_call){
        .id = {tape->call_is_servers ? ITEM_SERVER_CALL : ITEM_FUNCTION_CALL, tape->calls,
               tape->calls_count - 1},
        .call_id = buf_text(&tape->call_id),
        .name = buf_text(&tape->name),
        .arguments = buf_text(&tape->arguments),
        .status = status,
    };
}

/* Its arguments are whole. A function's call is over then. */
static void end_arguments(struct response_tape *tape, struct buf *out)
{
    struct item_call call = last_call(tape, "completed");
    struct tape_event event;

    if (!tape->call_is_open)
        return;
    tape->call_is_open = false;
    if (tape_begin(tape, &event,
                   tape->call_is_servers ? "response.mcp_call_arguments.done"
                                         : "response.function_call_arguments.done",
                   1)) {
        tape_where(&event, call.id, tape->first_call + call.id.place);
        if (!tape->call_is_servers)
            json_write_text(&event.w, "name", call.name);
        json_write_text(&event.w, "arguments", call.arguments);
        tape_end(&event, out);
    }
    if (!tape->call_is_servers)
        tell_call_item(tape, out, "response.output_item.done", &call);
}

static void begin_calls(struct response_tape *tape, const struct run_step *step)
{
    tape->calls = message_of_calls(tape, step->id);
    tape->first_call = tape->items;
    tape->calls_count = 0;
}

void call_events_begin(struct response_tape *tape, struct buf *out, const struct story_event *told)
{
    struct item_call call;

    if (told->number == 0 && tape->calls_count == 0)
        begin_calls(tape, told->step);
    end_arguments(tape, out);
    buf_reset(&tape->call_id);
    buf_reset(&tape->name);
    buf_reset(&tape->arguments);
    buf_add_text(&tape->call_id, told->call_id);
    buf_add_text(&tape->name, told->name);
    tape->call_is_open = true;
    tape->call_is_servers = item_runs_on_server(buf_text(&tape->functions), told->name);
    tape->calls_count++;
    tape->items++;
    call = last_call(tape, "in_progress");
    tell_call_item(tape, out, "response.output_item.added", &call);
    if (tape->call_is_servers)
        tell_call_state(tape, out, "response.mcp_call.in_progress", call.id);
}

void call_events_arguments(struct response_tape *tape, struct buf *out, struct text piece)
{
    struct item_call call = last_call(tape, "in_progress");

    buf_add_text(&tape->arguments, piece);
    tape_piece(tape, out,
               tape->call_is_servers ? "response.mcp_call_arguments.delta"
                                     : "response.function_call_arguments.delta",
               call.id, tape->first_call + call.id.place, piece);
}

/* What came of a server's call, as its step has it. */
static void end_call(struct response_tape *tape, struct buf *out, struct json_object *stored,
                     size_t place, bool completed)
{
    struct json_object *function = json_get(stored, "function");
    struct text output = json_get_text(function, "output");
    struct item_call call = {
        .id = {ITEM_SERVER_CALL, tape->calls, place},
        .call_id = json_get_text(stored, "id"),
        .name = json_get_text(function, "name"),
        .arguments = json_get_text(function, "arguments"),
        .output = output,
        .status = output.ptr ? "completed" : "incomplete",
    };

    if (!item_runs_on_server(buf_text(&tape->functions), call.name))
        return;
    tell_call_state(tape, out,
                    completed && output.ptr ? "response.mcp_call.completed"
                                            : "response.mcp_call.failed",
                    call.id);
    tell_call_item(tape, out, "response.output_item.done", &call);
}

/* The arguments of the last call as they are stored, which may be others than those told. */
static void settle_arguments(struct response_tape *tape, struct buf *out, struct json_object *call)
{
    struct text arguments = json_get_text(json_get(call, "function"), "arguments");

    if (!tape->call_is_open)
        return;
    if (arguments.len != tape->arguments.len)
        tape_lose(tape);
    buf_reset(&tape->arguments);
    buf_add_text(&tape->arguments, arguments);
    end_arguments(tape, out);
}

static void lose_calls(struct response_tape *tape, struct buf *out)
{
    struct item_call call = last_call(tape, "incomplete");

    tape_lose(tape);
    if (!tape->call_is_open)
        return;
    tape->call_is_open = false;
    tell_call_item(tape, out, "response.output_item.done", &call);
}

void call_events_end(struct response_tape *tape, struct buf *out, const struct story_event *told)
{
    const struct run_step *step = told->step;
    CLEANUP(json_freep) struct json_object *calls = NULL;
    struct error err;
    size_t count = 0;

    if (tape->calls_count == 0)
        return;
    if (!told->lost && step->tool_calls.ptr &&
        json_decode(step->tool_calls, JSON_DEPTH_DEFAULT, &calls, &err) == 0 &&
        json_type_of(calls) == json_type_array)
        count = json_object_array_length(calls);
    if (count < tape->calls_count)
        lose_calls(tape, out);
    else
        settle_arguments(tape, out, json_object_array_get_idx(calls, tape->calls_count - 1));
    for (size_t i = 0; i < count; i++)
        end_call(tape, out, json_object_array_get_idx(calls, i), i, step->status == STEP_COMPLETED);
    tape->calls_count = 0;
}
