/* Threads. The list of them is an extension: OpenAI has none. */

#include "shared/store/threads/threads.h"
#include "scheduler/api/assistants/bodies.h"
#include "scheduler/api/assistants/render.h"
#include "scheduler/api/assistants/resources.h"
#include "scheduler/api/listing.h"
#include "scheduler/api/request.h"
#include "shared/submit/new_messages.h"

static int missing(struct request *request)
{
    return request_missing(request, "thread", request->exchange->params[0]);
}

/* What a statement that makes a thread came to, and what an earlier try of it may have made. */
static int made(struct request *request, int r, struct uuid id, struct thread *thread,
                struct error *err)
{
    request->found |= r == -E_CONFLICT;
    if (r == -E_CONFLICT || r == -E_AMBIGUOUS)
        r = threads_get(&request->store, id, thread, err);
    if (r > 0)
        r = error_set(err, E_AMBIGUOUS, "not known whether the thread was created");
    if (r < 0)
        return request_failed(request, err);
    render_thread(thread, &request->reply);
    return 0;
}

static int thread_create(struct request *request)
{
    struct thread_draft draft = {
        .id = request->object,
        .metadata = request_json(request, "metadata"),
        .tool_resources = request_json(request, "tool_resources"),
        .title = json_get_text(request->body, "title"),
    };
    struct new_messages messages;
    struct thread thread;
    struct error err;
    int r = new_messages_read(json_get(request->body, "messages"), &request->exchange->arena,
                              &messages, &err);

    if (r < 0)
        return request_failed(request, &err);
    draft.messages = messages.items;
    draft.message_count = messages.count;
    r = request->replaying ? threads_get(&request->store, draft.id, &thread, &err) : THREAD_MISSING;
    request->found = r == 0;
    if (r == THREAD_MISSING)
        r = threads_create(&request->store, &draft, &thread, &err);
    return made(request, r, draft.id, &thread, &err);
}

static int thread_list(struct request *request)
{
    struct thread_list threads;
    struct listing list;
    struct error err;
    int r = listing_begin(&list, request, ID_THREAD);

    if (r < 0)
        return r;
    r = threads_list(&request->store, &list.page, &threads, &err);
    if (r < 0)
        return request_failed(request, &err);
    for (size_t i = 0; i < threads.count; i++) {
        listing_add(&list, threads.items[i].id);
        render_thread(&threads.items[i], &request->reply);
    }
    listing_end(&list, threads.has_more);
    return 0;
}

static int thread_get(struct request *request)
{
    struct thread thread;
    struct uuid id;
    struct error err;
    int r = request_id(request, 0, ID_THREAD, "thread", &id);

    if (r < 0)
        return r;
    r = threads_get(&request->store, id, &thread, &err);
    if (r == THREAD_MISSING)
        return missing(request);
    if (r < 0)
        return request_failed(request, &err);
    render_thread(&thread, &request->reply);
    return 0;
}

static int thread_update(struct request *request)
{
    struct thread_change change = {
        .metadata = request_json(request, "metadata"),
        .tool_resources = request_json(request, "tool_resources"),
        .title = json_get_text(request->body, "title"),
    };
    struct thread thread;
    struct uuid id;
    struct error err;
    int r = request_id(request, 0, ID_THREAD, "thread", &id);

    if (r < 0)
        return r;
    if (!change.metadata.ptr && json_has(request->body, "metadata"))
        change.metadata = TEXT("{}");
    if (!change.tool_resources.ptr && json_has(request->body, "tool_resources"))
        change.tool_resources = TEXT("{}");
    if (!change.title.ptr && json_has(request->body, "title"))
        change.title = TEXT("");
    r = threads_update(&request->store, id, &change, &thread, &err);
    if (r == THREAD_MISSING)
        return missing(request);
    if (r < 0)
        return request_failed(request, &err);
    render_thread(&thread, &request->reply);
    return 0;
}

static int message_missing(struct request *request)
{
    return request_missing(request, "message", json_get_text(request->body, "message_id"));
}

static int thread_fork(struct request *request)
{
    struct text message = json_get_text(request->body, "message_id");
    struct thread_fork fork = {
        .id = request->object,
        .title = json_get_text(request->body, "title"),
        .metadata = request_json(request, "metadata"),
    };
    struct thread thread;
    struct error err;
    int r = request_id(request, 0, ID_THREAD, "thread", &fork.source);

    if (r < 0)
        return r;
    if (message.ptr && !id_parse(ID_MESSAGE, message, &fork.message))
        return message_missing(request);
    r = request->replaying ? threads_get(&request->store, fork.id, &thread, &err) : THREAD_MISSING;
    request->found = r == 0;
    if (r == THREAD_MISSING)
        r = threads_fork(&request->store, &fork, &thread, &err);
    if (r == THREAD_MISSING)
        return missing(request);
    if (r == MESSAGE_MISSING)
        return message_missing(request);
    return made(request, r, fork.id, &thread, &err);
}

/* Its active run ends with it: the worker that has it in hand is told, so that it stops at once and
 * not when its next write is refused. */
static int thread_delete(struct request *request)
{
    const struct run_events *events = &request->api->events;
    struct run_stopped stopped;
    struct uuid id;
    struct error err;
    int r = request_id(request, 0, ID_THREAD, "thread", &id);

    if (r < 0)
        return r;
    r = threads_delete(&request->store, id, &stopped, &err);
    if (r == THREAD_MISSING)
        return missing(request);
    if (r < 0)
        return request_failed(request, &err);
    if (stopped.owner && events->run_cancelling)
        events->run_cancelling(stopped.owner, stopped.id, events->arg);
    render_deleted(ID_THREAD, id, "thread.deleted", &request->reply);
    return 0;
}

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/threads",
     .handle = thread_create,
     .takes = TAKES_JSON, .body = &body_create_thread, .flags = ENDPOINT_CREATES},
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/threads",
     .handle = thread_list,
     .query = listing_query,
     .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/threads/{thread_id}",
     .handle = thread_get},
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/threads/{thread_id}",
     .handle = thread_update,
     .takes = TAKES_JSON, .body = &body_update_thread},
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/threads/{thread_id}/fork",
     .handle = thread_fork,
     .takes = TAKES_JSON, .body = &body_fork_thread, .flags = ENDPOINT_CREATES | ENDPOINT_LARGE},
    {.method = HTTP_METHOD_DELETE,
     .pattern = "/v1/threads/{thread_id}",
     .handle = thread_delete},
};
/* clang-format on */

const struct endpoint_table thread_endpoints = ENDPOINT_TABLE(table);
