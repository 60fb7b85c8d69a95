/* What is thought is told before the step that it leads to, and is stored with that step, or, where
 * none comes, nowhere. */

#include "scheduler/api/openai/responses/events/response_thought_events.h"

#include "scheduler/api/openai/items/items.h"

static void tell_item(struct response_tape *tape, struct buf *out, const char *type,
                      struct text thought, const char *status)
{
    struct tape_event event;

    if (!tape_begin(tape, &event, type, 1))
        return;
    json_write_int(&event.w, "output_index", (int64_t)tape->thought_place);
    json_write_name(&event.w, "item");
    item_thought_write(item_thought_id(tape->thought), thought, status, &event.json);
    tape_end(&event, out);
}

static void tell_part(struct response_tape *tape, struct buf *out, const char *type,
                      struct text thought)
{
    struct tape_event event;

    if (!tape_begin(tape, &event, type, 1))
        return;
    tape_where(&event, item_thought_id(tape->thought), tape->thought_place);
    json_write_int(&event.w, "summary_index", 0);
    json_write_open_object(&event.w, "part");
    json_write_string(&event.w, "type", "summary_text");
    json_write_text(&event.w, "text", thought);
    json_write_close(&event.w);
    tape_end(&event, out);
}

static void end_thought(struct response_tape *tape, struct buf *out)
{
    struct text thought = buf_text(&tape->thoughts);
    struct tape_event event;

    tape->thinks = false;
    if (tape_begin(tape, &event, "response.reasoning_summary_text.done", 1)) {
        tape_where(&event, item_thought_id(tape->thought), tape->thought_place);
        json_write_int(&event.w, "summary_index", 0);
        json_write_text(&event.w, "text", thought);
        tape_end(&event, out);
    }
    tell_part(tape, out, "response.reasoning_summary_part.done", thought);
    tell_item(tape, out, "response.output_item.done", thought, "completed");
}

static void lose_thought(struct response_tape *tape, struct buf *out)
{
    tape->thinks = false;
    tape_lose(tape);
    tell_item(tape, out, "response.output_item.done", TEXT(""), "incomplete");
    tape->thought = (struct uuid){{0}};
}

static bool is_of(const struct response_tape *tape, struct uuid step)
{
    return uuid_equal(item_thought_id(step).message, tape->thought);
}

static void begin_thought(struct response_tape *tape, struct buf *out, struct uuid of)
{
    tape->thought = item_thought_id(of).message;
    tape->thinks = true;
    tape->thought_place = tape->items++;
    buf_reset(&tape->thoughts);
    tell_item(tape, out, "response.output_item.added", TEXT(""), "in_progress");
    tell_part(tape, out, "response.reasoning_summary_part.added", TEXT(""));
}

void thought_events_tell(struct response_tape *tape, struct buf *out,
                         const struct story_event *told)
{
    if (tape->thinks && !is_of(tape, told->shown->step))
        lose_thought(tape, out);
    if (!tape->thinks)
        begin_thought(tape, out, told->shown->step);
    buf_add_text(&tape->thoughts, told->text);
    tape_piece(tape, out, "response.reasoning_summary_text.delta", item_thought_id(tape->thought),
               tape->thought_place, told->text);
}

void thought_events_step(struct response_tape *tape, struct buf *out, const struct run_step *step)
{
    if (!tape->thinks)
        return;
    if (step && is_of(tape, step->id))
        end_thought(tape, out);
    else
        lose_thought(tape, out);
}

void thought_events_settle(struct response_tape *tape, const struct story_event *told)
{
    if (uuid_is_zero(tape->thought) || !is_of(tape, told->step->id))
        return;
    if (!told->lost && told->step->reasoning.len != tape->thoughts.len)
        tape_lose(tape);
    tape->thought = (struct uuid){{0}};
}
