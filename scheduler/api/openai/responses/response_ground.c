/* What stands before a response does not change while it is made: its run is made only behind the
 * message that was the last one when the ground was looked at. Somebody else may be quicker. A
 * conversation has moved on then, and is looked at again; who goes on behind a response is put into
 * a copy of what that one saw. */

#include "scheduler/api/openai/responses/response_ground.h"

#include <string.h>

#include "scheduler/api/assistants/run_make.h"
#include "scheduler/api/openai/responses/response_find.h"
#include "scheduler/api/openai/responses/response_render.h"
#include "scheduler/api/trace.h"
#include "shared/base/error.h"
#include "shared/store/runs/runs.h"
#include "shared/store/threads/threads.h"

#define CONVERSATION_TRIES 5

/* ---- find ---- */

static struct text conversation_said(struct json_object *body)
{
    struct json_object *said = json_get(body, "conversation");

    return json_object_is_type(said, json_type_object) ? json_get_text(said, "id")
                                                       : json_string(said);
}

static int conversation_missing(struct request *request, struct text said)
{
    char shown[64];

    text_excerpt(said, shown, sizeof(shown));
    return failure_param(&request->failure, 404, "conversation", NULL,
                         "Conversation with id '%s' not found.", shown);
}

static int locked(struct request *request)
{
    return failure_param(&request->failure, 400, "conversation", "conversation_locked",
                         "Another process is currently operating on this conversation. Please "
                         "retry in a few seconds.");
}

static int look_at_conversation(struct request *request, struct response_ground *ground)
{
    struct text said = conversation_said(request->body);
    struct error err;
    int r = threads_tip(&request->store, ground->thread, (struct uuid){{0}}, &ground->tip, &err);

    if (r == THREAD_MISSING)
        return conversation_missing(request, said);
    if (r < 0)
        return request_failed(request, &err);
    return uuid_is_zero(ground->tip.active_run) ? 0 : locked(request);
}

static int previous_missing(struct request *request, struct text said)
{
    char shown[64];

    text_excerpt(said, shown, sizeof(shown));
    return failure_param(&request->failure, 400, "previous_response_id",
                         "previous_response_not_found", "Previous response with id '%s' not found.",
                         shown);
}

static int find_previous(struct request *request, struct text said, struct response_ground *ground)
{
    struct run run;
    struct error err;
    int r;

    ground->kind = GROUND_PREVIOUS;
    if (!id_parse(ID_RESPONSE, said, &ground->previous))
        return previous_missing(request, said);
    if (response_find(request, ground->previous, &run) < 0)
        return request->failure.status == 404 ? previous_missing(request, said) : -E_INVALID;
    if (response_is_unstored(&run))
        return previous_missing(request, said);
    if (!run_status_terminal(run.status))
        return failure_param(&request->failure, 400, "previous_response_id",
                             "previous_response_not_ended",
                             "The response '%.*s' has not ended: its status is '%s'.",
                             TEXT_ARGS(said), response_status(run.status));
    ground->thread = run.thread_id;
    ground->goes_on = response_has_own_thread(&run);
    r = threads_tip(&request->store, run.thread_id, run.id, &ground->tip, &err);
    if (r > 0)
        return previous_missing(request, said);
    return r < 0 ? request_failed(request, &err) : 0;
}

int response_ground_find(struct request *request, struct response_ground *out)
{
    struct text previous = json_get_text(request->body, "previous_response_id");
    struct text conversation = conversation_said(request->body);

    *out = (struct response_ground){.kind = GROUND_NEW};
    if (previous.ptr)
        return find_previous(request, previous, out);
    if (!conversation.ptr)
        return 0;
    out->kind = GROUND_CONVERSATION;
    if (!id_parse(ID_CONVERSATION, conversation, &out->thread))
        return conversation_missing(request, conversation);
    return look_at_conversation(request, out);
}

/* ---- check ---- */

int response_no_output(struct request *request, struct text call)
{
    char shown[72];

    text_excerpt(call, shown, sizeof(shown));
    return failure_param(&request->failure, 400, "input", NULL,
                         "No tool output found for function call %s.", shown);
}

static int no_call(struct request *request, struct text call)
{
    char shown[72];

    text_excerpt(call, shown, sizeof(shown));
    return failure_param(&request->failure, 400, "input", NULL,
                         "No tool call found for function call output with call_id %s.", shown);
}

static bool is_among(struct text text, const struct text *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (text_equal(text, list[i]))
            return true;
    return false;
}

int response_ground_check(struct request *request, const struct response_ground *ground,
                          const struct read_items *items)
{
    const struct thread_tip *tip = &ground->tip;

    if (items->open_call.ptr)
        return response_no_output(request, items->open_call);
    if (items->repeated.ptr)
        return no_call(request, items->repeated);
    for (size_t i = 0; i < items->outputs_count; i++)
        if (!is_among(items->outputs[i], tip->calls, tip->call_count))
            return no_call(request, items->outputs[i]);
    for (size_t i = 0; i < tip->call_count; i++)
        if (!is_among(tip->calls[i], items->outputs, items->outputs_count))
            return response_no_output(request, tip->calls[i]);
    return 0;
}

/* ---- submit ---- */

static bool is_stored(const struct request *request)
{
    return json_get_bool(request->body, "store", true);
}

/* The thread was deleted meanwhile. */
static bool is_gone(const struct request *request)
{
    return strncmp(request->failure.message, "No thread", strlen("No thread")) == 0;
}

/* Behind the last message of the conversation, which may have got others meanwhile. */
static int submit_to_conversation(struct request *request, struct response_ground *ground,
                                  const struct read_items *items, struct submission *submission,
                                  struct submitted *out)
{
    for (int tries = 0; tries < CONVERSATION_TRIES; tries++) {
        int r;

        submission->behind = ground->tip.position;
        r = run_make(request, submission, out);
        if (r < 0 && is_gone(request))
            return conversation_missing(request, conversation_said(request->body));
        if (r == THREAD_BUSY)
            return locked(request);
        if (r != THREAD_MOVED)
            return r;
        r = look_at_conversation(request, ground);
        if (r == 0)
            r = response_ground_check(request, ground, items);
        if (r < 0)
            return r;
    }
    return locked(request);
}

int response_ground_prepare(struct request *request, const struct response_ground *ground,
                            struct submission *submission, struct submit_draft *out)
{
    ASSERT(ground->kind == GROUND_NEW);
    submission->hidden = true;
    submission->erases = !is_stored(request) && !ground->lingers;
    submission->made_in = request_trace(request);
    return submit_prepare(request->api->submitter, &request->store, submission, out,
                          &request->failure);
}

int response_ground_submit(struct request *request, struct response_ground *ground,
                           const struct read_items *items, struct submission *submission,
                           struct submitted *out)
{
    int r;

    submission->thread = ground->thread;
    submission->hidden = ground->kind != GROUND_CONVERSATION;
    submission->erases = !is_stored(request) && !ground->lingers;
    submission->is_behind = ground->kind != GROUND_NEW;
    submission->behind = ground->tip.position;
    if (ground->kind == GROUND_CONVERSATION)
        return submit_to_conversation(request, ground, items, submission, out);
    if (ground->kind == GROUND_PREVIOUS)
        submission->copy =
            ground->goes_on && is_stored(request) ? SUBMIT_COPY_IF_MOVED : SUBMIT_COPY;
    r = run_make(request, submission, out);
    if (r < 0 && ground->kind == GROUND_PREVIOUS && is_gone(request))
        return previous_missing(request, json_get_text(request->body, "previous_response_id"));
    return r;
}
