/* Stock clients are strict: response.created comes first, an item and its part are added before a
 * piece of it comes, an unknown event lets newer ones throw, and the last event replaces all that
 * they have gathered, so it holds the whole response. There is no event for a response that was
 * cancelled: it is incomplete, and its status says more.
 *
 *     message   item added, part added, delta…, text done, part done, item done
 *     function  item added, delta…, arguments done, item done
 *     server's  item added, in progress, delta…, arguments done;  when its step ends: completed
 *               or failed, item done
 *     thought   item added, part added, delta…, text done, part done, item done
 */

#include "scheduler/api/openai/responses/events/response_events.h"

#include "scheduler/api/openai/items/items.h"
#include "scheduler/api/openai/responses/events/response_call_events.h"
#include "scheduler/api/openai/responses/events/response_thought_events.h"
#include "scheduler/api/openai/responses/response_output.h"
#include "scheduler/api/openai/responses/response_render.h"
#include "shared/json/json_raw.h"
#include "shared/json/json_write.h"
#include "shared/sse/sse.h"

/* ---- the response ---- */

static void tell_response(struct response_tape *tape, struct buf *out, const char *type,
                          const struct run *run, struct text output)
{
    struct tape_event event;

    if (!tape_begin(tape, &event, type, 1))
        return;
    json_write_name(&event.w, "response");
    response_write(run, output, &event.json);
    tape_end(&event, out);
}

static void tell_run(struct response_tape *tape, struct buf *out, const struct story_event *told)
{
    enum shown_run as = told->shown->run;
    struct run run = *told->run;
    bool background = response_is_background(&run);

    if (as > SHOWN_IN_PROGRESS || (tape->said & 1U << as) || (as == SHOWN_QUEUED && !background))
        return;
    tape->said |= 1U << as;
    if (as == SHOWN_CREATED)
        item_functions_write(run.spec, &tape->functions);
    if (!background)
        run.status = RUN_IN_PROGRESS;
    if (as == SHOWN_CREATED)
        tell_response(tape, out, "response.created", &run, TEXT(""));
    else if (as == SHOWN_QUEUED)
        tell_response(tape, out, "response.queued", &run, TEXT(""));
    else
        tell_response(tape, out, "response.in_progress", &run, TEXT(""));
}

/* ---- messages ---- */

static struct item_id message_item(const struct response_tape *tape)
{
    return (struct item_id){ITEM_MESSAGE, tape->message, 0};
}

/* As it is before anything was said, or when nothing will be. */
static void tell_empty_message(struct response_tape *tape, struct buf *out, const char *type,
                               size_t place, const char *status)
{
    char id[ITEM_ID_SIZE];
    struct tape_event event;

    if (!tape_begin(tape, &event, type, 1))
        return;
    item_id_format(message_item(tape), id);
    json_write_int(&event.w, "output_index", (int64_t)place);
    json_write_open_object(&event.w, "item");
    json_write_string(&event.w, "id", id);
    json_write_string(&event.w, "type", "message");
    json_write_string(&event.w, "status", status);
    json_write_string(&event.w, "role", "assistant");
    json_write_raw(&event.w, "content", TEXT("[]"));
    json_write_close(&event.w);
    tape_end(&event, out);
}

static void begin_message(struct response_tape *tape, struct buf *out,
                          const struct message *message)
{
    tape->message = message->id;
    tape->has_part = false;
    tape->text_bytes = 0;
    tell_empty_message(tape, out, "response.output_item.added", tape->items++, "in_progress");
}

static void begin_part(struct response_tape *tape, struct buf *out, bool refuses)
{
    struct tape_event event;

    if (tape->has_part)
        return;
    tape->has_part = true;
    if (!tape_begin(tape, &event, "response.content_part.added", 1))
        return;
    tape_where(&event, message_item(tape), tape->items - 1);
    json_write_int(&event.w, "content_index", 0);
    json_write_raw(&event.w, "part",
                   refuses ? TEXT("{\"type\":\"refusal\",\"refusal\":\"\"}")
                           : TEXT("{\"type\":\"output_text\",\"text\":\"\",\"annotations\":[],"
                                  "\"logprobs\":[]}"));
    tape_end(&event, out);
}

static void tell_text(struct response_tape *tape, struct buf *out, const struct story_event *told)
{
    begin_part(tape, out, told->refuses);
    tape->text_bytes += told->text.len;
    tape_piece(tape, out, told->refuses ? "response.refusal.delta" : TAPE_TEXT_DELTA,
               message_item(tape), tape->items - 1, told->text);
}

/* The one part of what was said: its text, as a JSON string. */
static struct text first_text(const struct message *message, bool *out_refuses)
{
    struct json_raw_walk walk;
    struct text part = TEXT_NONE;
    struct text refusal;
    struct text text;

    json_raw_begin(message->content, &walk);
    if (!json_raw_next(&walk, &part))
        part = TEXT_NONE;
    refusal = json_raw_get(part, "refusal");
    text = json_raw_get(json_raw_get(part, "text"), "value");
    *out_refuses = refusal.ptr != NULL;
    if (refusal.ptr)
        return refusal;
    return text.ptr ? text : TEXT("\"\"");
}

static size_t length_of(struct text json_string)
{
    CLEANUP(buf_deinit) struct buf text;

    buf_init(&text, 0);
    (void)json_raw_add_string(json_string, &text);
    return text.len;
}

static void end_part(struct response_tape *tape, struct buf *out, const struct message *message)
{
    size_t place = tape->items - 1;
    struct tape_event event;
    struct text text;
    struct text parts;
    bool refuses;

    text = first_text(message, &refuses);
    begin_part(tape, out, refuses);
    if (length_of(text) != tape->text_bytes) /* it is another one than the one that was told */
        tape_lose(tape);
    if (tape_begin(tape, &event, refuses ? "response.refusal.done" : "response.output_text.done",
                   1)) {
        tape_where(&event, message_item(tape), place);
        json_write_int(&event.w, "content_index", 0);
        json_write_raw(&event.w, refuses ? "refusal" : "text", text);
        if (!refuses)
            json_write_raw(&event.w, "logprobs", TEXT("[]"));
        tape_end(&event, out);
    }
    if (tape_begin(tape, &event, "response.content_part.done", 1)) {
        CLEANUP(buf_deinit) struct buf content;

        buf_init(&content, (size_t)32 << 20);
        item_content_write(message, &content);
        parts = buf_text(&content);
        tape_where(&event, message_item(tape), place);
        json_write_int(&event.w, "content_index", 0);
        json_write_raw(&event.w, "part",
                       parts.len > 2 ? (struct text){parts.ptr + 1, parts.len - 2}
                                     : TEXT("{\"type\":\"output_text\",\"text\":\"\","
                                            "\"annotations\":[],\"logprobs\":[]}"));
        tape_end(&event, out);
    }
}

static void end_message(struct response_tape *tape, struct buf *out, const struct story_event *told)
{
    const struct item item = {.id = message_item(tape), .message = told->message};
    size_t place = tape->items - 1;
    struct tape_event event;

    if (told->lost) {
        tape_lose(tape);
        tell_empty_message(tape, out, "response.output_item.done", place, "incomplete");
        return;
    }
    end_part(tape, out, told->message);
    if (!tape_begin(tape, &event, "response.output_item.done", 1))
        return;
    json_write_int(&event.w, "output_index", (int64_t)place);
    json_write_name(&event.w, "item");
    item_write(&item, &event.json);
    tape_end(&event, out);
}

/* ---- the vocabulary ---- */

static void write_event(void *memory, struct buf *out, const struct story_event *event)
{
    struct response_tape *tape = memory;

    switch (event->kind) {
    case STORY_RUN:
        tell_run(tape, out, event);
        break;
    case STORY_MESSAGE_BEGINS:
        begin_message(tape, out, event->message);
        break;
    case STORY_TEXT:
        tell_text(tape, out, event);
        break;
    case STORY_MESSAGE_ENDS:
        end_message(tape, out, event);
        break;
    case STORY_CALL:
        call_events_begin(tape, out, event);
        break;
    case STORY_ARGUMENTS:
        call_events_arguments(tape, out, event->text);
        break;
    case STORY_THINKING:
        thought_events_tell(tape, out, event);
        break;
    case STORY_STEP_BEGINS:
        thought_events_step(tape, out, event->step);
        break;
    case STORY_STEP_ENDS:
        if (event->step->type == STEP_TOOL_CALLS)
            call_events_end(tape, out, event);
        thought_events_settle(tape, event);
        break;
    case STORY_STEP_WORKS:
    case STORY_MESSAGE_WORKS:
    case STORY_OUTPUT:
        break;
    }
}

static const char *last_event(enum run_status status)
{
    switch (status) {
    case RUN_COMPLETED:
        return "response.completed";
    case RUN_INCOMPLETE:
    case RUN_CANCELLED:
        return "response.incomplete";
    case RUN_QUEUED:
    case RUN_IN_PROGRESS:
    case RUN_REQUIRES_ACTION:
    case RUN_CANCELLING:
    case RUN_FAILED:
    case RUN_EXPIRED:
    case RUN_STATUS_COUNT:
        break;
    }
    return "response.failed";
}

/* It is told to whoever comes, whatever number he has. */
static int end(void *memory, struct buf *out, const struct run *run, const struct shown *shown,
               struct error *err)
{
    struct response_tape *tape = memory;
    struct request *request = tape->request;
    struct arena *before = request->store.arena;
    CLEANUP(buf_deinit) struct buf output;
    struct arena arena;
    int r;

    (void)shown;
    buf_init(&output, (size_t)64 << 20);
    arena_init(&arena, 0);
    request->store.arena = &arena;
    r = response_output(request, run, false, &output, err);
    request->store.arena = before;
    arena_deinit(&arena);
    if (r < 0)
        return r;
    thought_events_step(tape, out, NULL);
    if (tape->number < tape->after)
        tape->number = tape->after;
    tape->unstored = response_is_unstored(run);
    tape->thread = run->thread_id;
    tell_response(tape, out, last_event(run->status), run, buf_text(&output));
    sse_write(out, TEXT(""), TEXT("[DONE]"));
    return 0;
}

/* Clients of different ages look for it in different places. */
static void write_failure(struct json_write *w, const char *code, const char *message)
{
    json_write_string(w, "code", code);
    json_write_string(w, "message", message);
    json_write_null(w, "param");
}

static void error(void *memory, struct buf *out, const char *code, const char *message)
{
    struct response_tape *tape = memory;
    struct tape_event event;

    if (tape->number < tape->after)
        tape->number = tape->after;
    if (!tape_begin(tape, &event, "error", 1))
        return;
    write_failure(&event.w, code, message);
    json_write_open_object(&event.w, "error");
    json_write_string(&event.w, "type", "server_error");
    write_failure(&event.w, code, message);
    json_write_close(&event.w);
    tape_end(&event, out);
}

const struct event_format response_events = {NULL, write_event, end, error, NULL};
