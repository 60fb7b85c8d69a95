/* From what was shown to what there is. */

#include "scheduler/live/story.h"

#include "shared/base/clock.h"
#include "shared/json/json.h"
#include "shared/json/json_raw.h"

enum { MESSAGE_BEGAN = 4, MESSAGE_ENDED = 5, CALLS_BEGAN = 2 };

#define CALL_ID_TOLD_MAX 40
#define NAME_TOLD_MAX    64

static void tell(struct story *story, struct story_event event)
{
    event.now = story->run;
    event.run = event.run ? event.run : story->run;
    event.shown = &story->shown;
    story->tell(story->arg, &event);
}

/* The run as it was, or may have been, when it had this status. */
static void tell_run(struct story *story, enum shown_run as, enum run_status status)
{
    struct run run = *story->run;

    if (!run_status_terminal(status)) {
        run.completed_at = run.failed_at = run.cancelled_at = 0;
        run.last_error = run.incomplete_reason = TEXT_NONE;
        run.latency_ms = -1;
        run.result_message = (struct uuid){{0}};
    }
    if (status == RUN_QUEUED)
        run.started_at = 0;
    run.status = status;
    story->shown.run = as;
    tell(story, (struct story_event){.kind = STORY_RUN, .run = &run});
}

/* Up to `to`, which is at most SHOWN_IN_PROGRESS. */
static void run_until(struct story *story, enum shown_run to)
{
    enum shown_run *run = &story->shown.run;

    if (*run == SHOWN_REQUIRES_ACTION) {
        if (to == SHOWN_IN_PROGRESS || to == SHOWN_QUEUED)
            tell_run(story, SHOWN_QUEUED, RUN_QUEUED);
    }
    while (*run < to && *run < SHOWN_IN_PROGRESS)
        tell_run(story, *run + 1, *run == SHOWN_QUEUED ? RUN_IN_PROGRESS : RUN_QUEUED);
}

void story_run(struct story *story, const struct run *run)
{
    story->run = run;
    switch (run->status) {
    case RUN_QUEUED:
        run_until(story, SHOWN_QUEUED);
        break;
    case RUN_REQUIRES_ACTION:
        if (story->shown.run != SHOWN_REQUIRES_ACTION)
            run_until(story, SHOWN_IN_PROGRESS);
        break;
    case RUN_IN_PROGRESS:
    case RUN_CANCELLING:
        run_until(story, SHOWN_IN_PROGRESS);
        break;
    case RUN_COMPLETED:
    case RUN_INCOMPLETE:
    case RUN_FAILED:
    case RUN_CANCELLED:
    case RUN_EXPIRED:
        run_until(story, run->started_at ? SHOWN_IN_PROGRESS : SHOWN_QUEUED);
        break;
    case RUN_STATUS_COUNT:
        break;
    }
}

static void open_step(struct story *story, enum shown_open open, struct uuid step)
{
    run_until(story, SHOWN_IN_PROGRESS);
    story->shown.open = open;
    story->shown.step = step;
    story->shown.phase = 0;
    story->shown.text = story->shown.calls = story->shown.arguments = 0;
    story->shown.output = false;
    story->is_stored = false;
}

static bool is_open(const struct story *story, enum shown_open open, struct uuid step)
{
    return story->shown.open == open && uuid_equal(story->shown.step, step);
}

static void leave_step(struct story *story)
{
    story->shown.open = SHOWN_BEHIND;
    story->is_stored = false;
}

static bool has_open_step(const struct story *story)
{
    return story->shown.open != SHOWN_NO_STEP && story->shown.open != SHOWN_BEHIND;
}

/* Replies in the order in which they began: the ids of their steps differ from theirs in these bits
 * alone. */
static int reply_order(struct uuid a, struct uuid b)
{
    a.bytes[15] &= 0xfc;
    b.bytes[15] &= 0xfc;
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes));
}

/* A step that is known from its draft, or from what was shown of it. */
static struct run_step unstored_step(const struct story *story, enum step_status status)
{
    const struct shown *shown = &story->shown;
    bool calls = shown->open == SHOWN_CALLS;

    return (struct run_step){
        .id = shown->step,
        .run_id = story->run->id,
        .thread_id = story->run->thread_id,
        .agent_id = story->run->agent_id,
        .seq = shown->seq + 1,
        .type = calls ? STEP_TOOL_CALLS : STEP_MESSAGE_CREATION,
        .status = status,
        .message_id = calls ? (struct uuid){{0}} : uuid_derived(shown->step, 1),
        .cost_micros = -1,
        .created_at = clock_wall_ms() / 1000,
        .ended_at = status == STEP_IN_PROGRESS ? 0 : clock_wall_ms() / 1000,
    };
}

static struct message unstored_message(const struct story *story, const struct run_step *step,
                                       const char *status)
{
    return (struct message){
        .id = step->message_id,
        .thread_id = story->run->thread_id,
        .run_id = story->run->id,
        .agent_id = story->run->agent_id,
        .role = MESSAGE_ASSISTANT,
        .content = TEXT("[]"),
        .status = text_of(status),
        .incomplete_reason = TEXT("run_failed"),
        .created_at = step->created_at,
    };
}

/* As a step and its message are when they begin. */
static struct run_step as_begun(const struct run_step *step)
{
    struct run_step begun = *step;

    begun.status = STEP_IN_PROGRESS;
    begun.tool_calls = begun.usage = begun.last_error = begun.reasoning = TEXT_NONE;
    begun.ended_at = 0;
    return begun;
}

static void begin_message(struct story *story, const struct run_step *of,
                          const struct message *message)
{
    static const enum story_kind kinds[MESSAGE_BEGAN] = {STORY_STEP_BEGINS, STORY_STEP_WORKS,
                                                         STORY_MESSAGE_BEGINS, STORY_MESSAGE_WORKS};
    struct run_step step = as_begun(of);
    struct message begun = *message;

    begun.content = TEXT("[]");
    begun.status = TEXT("in_progress");
    while (story->shown.phase < MESSAGE_BEGAN) {
        enum story_kind kind = kinds[story->shown.phase++];

        tell(story, (struct story_event){.kind = kind, .step = &step, .message = &begun});
    }
}

static void begin_calls(struct story *story, const struct run_step *of)
{
    struct run_step step = as_begun(of);

    while (story->shown.phase < CALLS_BEGAN) {
        enum story_kind kind = story->shown.phase++ == 0 ? STORY_STEP_BEGINS : STORY_STEP_WORKS;

        tell(story, (struct story_event){.kind = kind, .step = &step});
    }
}

static void end_message(struct story *story, const struct run_step *step,
                        const struct message *message, bool stored)
{
    if (story->shown.phase < MESSAGE_ENDED) {
        story->shown.phase = MESSAGE_ENDED;
        tell(story,
             (struct story_event){
                 .kind = STORY_MESSAGE_ENDS, .step = step, .message = message, .lost = !stored});
    }
}

static void end_step(struct story *story, const struct run_step *step, bool stored)
{
    if (stored)
        story->shown.seq = step->seq;
    leave_step(story);
    tell(story, (struct story_event){.kind = STORY_STEP_ENDS, .step = step, .lost = !stored});
}

/* How a step ends that its worker did not end. */
static enum step_status broken_off(const struct story *story)
{
    switch (story->run->status) {
    case RUN_CANCELLED:
        return STEP_CANCELLED;
    case RUN_EXPIRED:
        return STEP_EXPIRED;
    case RUN_QUEUED:
    case RUN_IN_PROGRESS:
    case RUN_REQUIRES_ACTION:
    case RUN_CANCELLING:
    case RUN_COMPLETED:
    case RUN_INCOMPLETE:
    case RUN_FAILED:
    case RUN_STATUS_COUNT:
        break;
    }
    return STEP_FAILED;
}

/* What was told of and will not be stored. */
static void break_off(struct story *story)
{
    struct run_step step = unstored_step(story, broken_off(story));
    struct message message;

    switch (story->shown.open) {
    case SHOWN_NO_STEP:
    case SHOWN_BEHIND:
        return;
    case SHOWN_THINKING:
        leave_step(story);
        return;
    case SHOWN_MESSAGE:
        message = unstored_message(story, &step, "in_progress");
        begin_message(story, &step, &message);
        message.status = TEXT("incomplete");
        end_message(story, &step, &message, false);
        break;
    case SHOWN_CALLS:
        begin_calls(story, &step);
        step.tool_calls = TEXT("[]");
        break;
    }
    end_step(story, &step, false);
}

static void tell_text(struct story *story, const struct run_step *step,
                      const struct message *message, struct text text, bool refuses)
{
    size_t told = story->shown.text;

    if (text.len <= told)
        return;
    text.ptr += told;
    text.len -= told;
    if (!text_is_utf8(text)) /* it is another text than the one that was told */
        return;
    story->shown.text += text.len;
    tell(story, (struct story_event){.kind = STORY_TEXT,
                                     .step = step,
                                     .message = message,
                                     .text = text,
                                     .refuses = refuses});
}

/* The one part of an answer's content. */
static void tell_content(struct story *story, const struct run_step *step,
                         const struct message *message)
{
    CLEANUP(json_freep) struct json_object *content = NULL;
    struct json_object *part;
    struct text refusal;
    struct error err;

    if (json_decode(message->content, JSON_DEPTH_DEFAULT, &content, &err) < 0 ||
        json_type_of(content) != json_type_array)
        return;
    part = json_object_array_get_idx(content, 0);
    refusal = json_get_text(part, "refusal");
    if (refusal.ptr)
        tell_text(story, step, message, refusal, true);
    else
        tell_text(story, step, message, json_string(json_path(part, "text", "value", NULL)), false);
}

static void tell_message_step(struct story *story, const struct run_step *step,
                              const struct message *message)
{
    if (!message) {
        story->shown.seq = step->seq;
        if (is_open(story, SHOWN_MESSAGE, step->id))
            break_off(story);
        return;
    }
    if (!is_open(story, SHOWN_MESSAGE, step->id))
        open_step(story, SHOWN_MESSAGE, step->id);
    begin_message(story, step, message);
    tell_content(story, step, message);
    end_message(story, step, message, true);
    end_step(story, step, true);
}

static void tell_call(struct story *story, const struct run_step *step, size_t number,
                      struct text id, struct text name)
{
    story->shown.calls = number + 1;
    story->shown.arguments = 0;
    story->shown.output = false;
    tell(story,
         (struct story_event){
             .kind = STORY_CALL, .step = step, .number = number, .call_id = id, .name = name});
}

/* Of the last call that was told. */
static void tell_arguments(struct story *story, const struct run_step *step, struct text arguments)
{
    size_t told = story->shown.arguments;

    if (arguments.len <= told)
        return;
    arguments.ptr += told;
    arguments.len -= told;
    if (!text_is_utf8(arguments))
        return;
    story->shown.arguments += arguments.len;
    tell(story, (struct story_event){.kind = STORY_ARGUMENTS,
                                     .step = step,
                                     .number = story->shown.calls - 1,
                                     .text = arguments});
}

static void tell_output(struct story *story, const struct run_step *step, struct json_object *call)
{
    struct text output = json_string(json_path(call, "function", "output", NULL));

    if (!output.ptr || story->shown.output)
        return;
    story->shown.output = true;
    tell(story, (struct story_event){.kind = STORY_OUTPUT,
                                     .step = step,
                                     .number = story->shown.calls - 1,
                                     .call_id = json_get_text(call, "id"),
                                     .name = json_string(json_path(call, "function", "name", NULL)),
                                     .text = output});
}

/* The calls of a stored step. What comes of several calls stands in the finished step: a call that
 * is told ends the one before, for a client. */
static void tell_calls(struct story *story, const struct run_step *step, struct json_object *calls)
{
    size_t count = json_object_array_length(calls);

    for (size_t i = story->shown.calls > 0 ? story->shown.calls - 1 : 0; i < count; i++) {
        struct json_object *call = json_object_array_get_idx(calls, i);
        struct json_object *function = json_get(call, "function");

        if (i == story->shown.calls)
            tell_call(story, step, i, json_get_text(call, "id"), json_get_text(function, "name"));
        tell_arguments(story, step, json_get_text(function, "arguments"));
        if (count == 1)
            tell_output(story, step, call);
    }
}

static void tell_calls_step(struct story *story, const struct run_step *step)
{
    CLEANUP(json_freep) struct json_object *calls = NULL;
    struct error err;

    if (!is_open(story, SHOWN_CALLS, step->id))
        open_step(story, SHOWN_CALLS, step->id);
    begin_calls(story, step);
    story->is_stored = true;
    if (step->tool_calls.ptr &&
        json_decode(step->tool_calls, JSON_DEPTH_DEFAULT, &calls, &err) == 0 &&
        json_type_of(calls) == json_type_array)
        tell_calls(story, step, calls);
    if (step->status == STEP_COMPLETED)
        run_until(story, SHOWN_IN_PROGRESS); /* the run's row may be older than the step's */
    if (step->status != STEP_IN_PROGRESS)
        end_step(story, step, true);
}

static bool thinks_of(const struct story *story, struct uuid of)
{
    return story->shown.open == SHOWN_THINKING && reply_order(story->shown.step, of) == 0;
}

/* What a model thought is told before its answer begins: from a draft, or from the step that it led
 * to. `of`: an id of the reply's. */
static void tell_thinking(struct story *story, struct uuid of, struct text text)
{
    size_t told;

    if (text.len == 0)
        return;
    if (!has_open_step(story))
        open_step(story, SHOWN_THINKING, of);
    told = story->shown.text;
    if (!thinks_of(story, of) || text.len <= told)
        return;
    text.ptr += told;
    text.len -= told;
    if (!text_is_utf8(text))
        return;
    story->shown.text += text.len;
    tell(story, (struct story_event){.kind = STORY_THINKING, .text = text});
}

void story_step(struct story *story, const struct run_step *step, const struct message *message)
{
    bool is_gone = step->type == STEP_MESSAGE_CREATION && !message;

    if (step->seq <= story->shown.seq)
        return;
    if (has_open_step(story) && !uuid_equal(story->shown.step, step->id) &&
        (is_gone || !thinks_of(story, step->id)))
        break_off(story);
    if (!is_gone)
        tell_thinking(story, step->id, step->reasoning);
    if (step->type == STEP_MESSAGE_CREATION)
        tell_message_step(story, step, message);
    else
        tell_calls_step(story, step);
}

static bool word_is_in_form(struct text word, size_t max)
{
    for (size_t i = 0; i < word.len; i++) {
        unsigned char c = (unsigned char)word.ptr[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-'))
            return false;
    }
    return word.len > 0 && word.len <= max;
}

/* Ids and names are told once, so only those that will be stored as they are; and the arguments
 * before them are told no more, so these must be whole. */
static bool call_can_be_told(const struct draft *draft, size_t number)
{
    const struct draft_call *call = &draft->calls[number];
    struct text value;

    for (size_t i = 0; i < number; i++)
        if (text_equal(buf_text(&draft->calls[i].id), buf_text(&call->id)))
            return false;
    if (number > 0 && json_raw_check(buf_text(&draft->calls[number - 1].arguments),
                                     JSON_DEPTH_DEFAULT, &value, NULL) < 0)
        return false;
    return word_is_in_form(buf_text(&call->id), CALL_ID_TOLD_MAX) &&
           word_is_in_form(buf_text(&call->name), NAME_TOLD_MAX);
}

static void draft_text(struct story *story, const struct draft *draft)
{
    struct uuid id = reply_message_step(draft->reply);
    struct run_step step;
    struct message message;

    if (story->shown.open == SHOWN_CALLS) /* they came before the text, and stand behind it */
        break_off(story);
    if (!is_open(story, SHOWN_MESSAGE, id))
        open_step(story, SHOWN_MESSAGE, id);
    step = unstored_step(story, STEP_IN_PROGRESS);
    message = unstored_message(story, &step, "in_progress");
    begin_message(story, &step, &message);
    tell_text(story, &step, &message, buf_text(&draft->text), draft->refuses);
}

static void draft_calls(struct story *story, const struct draft *draft)
{
    struct uuid id = reply_calls_step(draft->reply, false);
    struct run_step step;

    if (!is_open(story, SHOWN_CALLS, id)) {
        if (!call_can_be_told(draft, 0))
            return;
        open_step(story, SHOWN_CALLS, id);
    }
    step = unstored_step(story, STEP_IN_PROGRESS);
    begin_calls(story, &step);
    for (size_t i = story->shown.calls > 0 ? story->shown.calls - 1 : 0; i < draft->calls_count;
         i++) {
        const struct draft_call *call = &draft->calls[i];

        if (i == story->shown.calls) {
            if (!call_can_be_told(draft, i))
                return;
            tell_call(story, &step, i, buf_text(&call->id), buf_text(&call->name));
        }
        tell_arguments(story, &step, buf_text(&call->arguments));
    }
}

static bool step_is_of(const struct draft *draft, struct uuid step)
{
    return uuid_equal(step, reply_message_step(draft->reply)) ||
           uuid_equal(step, reply_calls_step(draft->reply, false)) ||
           uuid_equal(step, reply_calls_step(draft->reply, true));
}

/* Whether the draft's reply was told and is over, or came before one that was told: a worker that
 * has lost its run may go on speaking for a while. */
static bool is_behind(const struct story *story, const struct draft *draft)
{
    struct uuid step = story->shown.step;

    if (story->shown.open == SHOWN_NO_STEP)
        return false;
    if (reply_order(draft->reply, step) < 0)
        return true;
    if (has_open_step(story))
        return false;
    return uuid_equal(step, reply_message_step(draft->reply)) ||
           uuid_equal(step, reply_calls_step(draft->reply, true)) ||
           (uuid_equal(step, reply_calls_step(draft->reply, false)) && draft->text.len == 0);
}

/* The calls of a reply that has a text come when that is stored: only then is its message over. */
void story_draft(struct story *story, const struct draft *draft)
{
    const struct shown *shown = &story->shown;

    if (uuid_is_zero(draft->reply) || story->is_stored || shown->run >= SHOWN_ENDED ||
        is_behind(story, draft))
        return;
    if (has_open_step(story) && !uuid_equal(shown->step, draft->reply) &&
        !step_is_of(draft, shown->step))
        break_off(story);
    tell_thinking(story, draft->reply, buf_text(&draft->reasoning));
    if (draft->text.len > 0)
        draft_text(story, draft);
    else if (draft->calls_count > 0 && shown->open != SHOWN_MESSAGE)
        draft_calls(story, draft);
}

void story_standing(struct story *story)
{
    enum run_status status = story->run->status;
    enum shown_run run = story->shown.run;

    if (status == RUN_REQUIRES_ACTION && run < SHOWN_REQUIRES_ACTION) {
        if (story->is_stored) /* else the calls were answered since the run was read */
            tell_run(story, SHOWN_REQUIRES_ACTION, status);
    } else if (status == RUN_CANCELLING && run < SHOWN_CANCELLING) {
        tell_run(story, SHOWN_CANCELLING, status);
    } else if (run_status_terminal(status) && run < SHOWN_ENDED) {
        break_off(story);
        tell_run(story, SHOWN_ENDED, status);
    }
}
