/* Making runs, by shared/submit. The reply never waits for the dispatcher. */

#include "scheduler/api/assistants/bodies.h"
#include "scheduler/api/assistants/render.h"
#include "scheduler/api/assistants/resources.h"
#include "scheduler/api/assistants/run_make.h"
#include "scheduler/api/request.h"
#include "scheduler/api/stream/run_stream.h"
#include "scheduler/api/trace.h"
#include "shared/base/log.h"
#include "shared/fiber/fiber.h"
#include "shared/submit/submit.h"
#include "shared/trace/run_span.h"

static int make_room(void *arg, size_t bytes)
{
    return request_enlarge(arg, bytes);
}

int run_make(struct request *request, struct submission *submission, struct submitted *out)
{
    struct span *span;
    int r = run_stream_expect(request, submission->id);

    if (r < 0)
        return r;
    submission->replaying = request->replaying;
    submission->made = request->made;
    submission->trace = fiber_log_context()->trace;
    submission->first_try = request->first_try;
    submission->make_room = make_room;
    submission->room_arg = request;
    span = request_trace_make_run(request, submission);
    r = submit(request->api->submitter, &request->store, submission, out, &request->failure);
    submission->made_in = NULL;
    run_span_end(span, r, r == 0 && out->found);
    if (r != 0)
        return r;
    request->found = out->found;
    if (!out->found)
        request->api->metrics.runs_created++;
    return 0;
}

/* The submission says on which thread. */
static int make(struct request *request, struct submission *submission)
{
    struct submitted submitted;
    int r;

    submission->request = request->body;
    submission->id = request->object;
    r = run_make(request, submission, &submitted);
    if (r < 0)
        return r;
    render_run(&submitted.run, &request->reply);
    return 0;
}

/* A thread that a client names: none has the id that stands for a new one. */
static int read_thread(struct request *request, struct text said, struct uuid *out)
{
    if (id_parse(ID_THREAD, said, out) && !uuid_is_zero(*out))
        return 0;
    return request_missing(request, "thread", said);
}

static int run_create(struct request *request)
{
    struct submission submission = {.as_input = false};
    int r = read_thread(request, request->exchange->params[0], &submission.thread);

    return r < 0 ? r : make(request, &submission);
}

static int run_create_with_thread(struct request *request)
{
    struct submission submission = {.as_input = false};

    return make(request, &submission);
}

/* Agent and input in one request, on a thread that is there, on the one that agent and user are at,
 * or on a new one. */
static int run_assistant(struct request *request)
{
    struct text said = json_get_text(request->body, "thread_id");
    struct text which = json_get_text(request->body, "thread");
    struct submission submission = {
        .assistant = request->exchange->params[0],
        .active_thread = text_is(which, "active"),
    };
    int r = said.ptr ? read_thread(request, said, &submission.thread) : 0;

    if (r < 0)
        return r;
    if (said.ptr && which.ptr)
        return failure_param(&request->failure, 400, "thread", "invalid_value",
                             "Invalid 'thread': the request names a thread with 'thread_id', too. "
                             "Say one of them.");
    return make(request, &submission);
}

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/threads/runs",
     .handle = run_create_with_thread, .stream = run_stream_with_thread, .query = stream_query,
     .takes = TAKES_JSON, .body = &body_create_thread_and_run, .flags = ENDPOINT_CREATES},
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/threads/{thread_id}/runs",
     .handle = run_create, .stream = run_stream, .query = stream_query,
     .takes = TAKES_JSON, .body = &body_create_run, .flags = ENDPOINT_CREATES},
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/assistants/{assistant_id}/run",
     .handle = run_assistant, .stream = run_stream, .query = stream_query,
     .takes = TAKES_JSON, .body = &body_run_assistant, .flags = ENDPOINT_CREATES},
};
/* clang-format on */

const struct endpoint_table run_create_endpoints = ENDPOINT_TABLE(table);
