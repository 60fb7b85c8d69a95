/* Making runs, by shared/submit. The reply never waits for the dispatcher. */

#include "scheduler/api/assistants/bodies.h"
#include "scheduler/api/assistants/render.h"
#include "scheduler/api/assistants/resources.h"
#include "scheduler/api/assistants/run_make.h"
#include "scheduler/api/request.h"
#include "scheduler/api/stream/run_stream.h"
#include "shared/base/log.h"
#include "shared/fiber/fiber.h"
#include "shared/submit/submit.h"

static int make_room(void *arg, size_t bytes)
{
    return request_enlarge(arg, bytes);
}

int run_make(struct request *request, struct submission *submission, struct submitted *out)
{
    int r;

    submission->replaying = request->replaying;
    submission->made = request->made;
    submission->trace = fiber_log_context()->trace;
    submission->first_try = request->first_try;
    submission->make_room = make_room;
    submission->room_arg = request;
    r = submit(request->api->submitter, &request->store, submission, out, &request->failure);
    if (r < 0)
        return r;
    request->found = out->found;
    if (!out->found)
        request->api->metrics.runs_created++;
    return 0;
}

/* `thread` zero: a new one; `assistant` TEXT_NONE: the body says. */
static int make(struct request *request, struct uuid thread, struct text assistant)
{
    struct submission submission = {
        .request = request->body,
        .id = request->object,
        .thread = thread,
        .assistant = assistant,
    };
    struct submitted submitted;
    int r = run_make(request, &submission, &submitted);

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
    struct uuid thread;
    int r = read_thread(request, request->exchange->params[0], &thread);

    return r < 0 ? r : make(request, thread, TEXT_NONE);
}

static int run_create_with_thread(struct request *request)
{
    return make(request, (struct uuid){{0}}, TEXT_NONE);
}

/* Agent and input in one request, on a thread that is there or a new one. */
static int run_assistant(struct request *request)
{
    struct text said = json_get_text(request->body, "thread_id");
    struct uuid thread = {{0}};
    int r = said.ptr ? read_thread(request, said, &thread) : 0;

    if (r < 0)
        return r;
    return make(request, thread, request->exchange->params[0]);
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
