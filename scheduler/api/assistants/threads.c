/* Threads. The list of them is an extension: OpenAI has none. */

#include "shared/store/threads/threads.h"

#include <inttypes.h>
#include <string.h>

#include "scheduler/api/assistants/bodies.h"
#include "scheduler/api/assistants/render.h"
#include "scheduler/api/assistants/resources.h"
#include "scheduler/api/listing.h"
#include "scheduler/api/request.h"
#include "shared/agent/context_settings.h"
#include "shared/submit/new_messages.h"
#include "shared/submit/refusals.h"
#include "shared/submit/submit.h"

static int missing(struct request *request)
{
    return request_missing(request, "thread", request->exchange->params[0]);
}

/* Another thread is the active one of this agent and user. */
static int taken(struct request *request, const struct thread_draft *draft)
{
    struct uuid other;
    struct error err;
    int r = threads_find_active(&request->store, draft->agent, draft->user, &other, &err);

    if (r == 0)
        return refuse_taken(other, &request->failure);
    if (r > 0)
        (void)error_set(&err, E_UNAVAILABLE, "threads change too fast; try again");
    return request_failed(request, &err);
}

/* What a statement that makes a thread came to, and what an earlier try of it may have made. */
static int made(struct request *request, int r, const struct thread_draft *draft,
                struct thread *thread, struct error *err)
{
    int tried = r;

    if (r == THREAD_TOO_LARGE)
        return refuse_too_large(request->store.limits, &request->failure);
    if (r == USER_OVER_QUOTA)
        return refuse_over_quota(request->store.limits, &request->failure);
    if (r == -E_CONFLICT || r == -E_AMBIGUOUS)
        r = threads_get(&request->store, draft->id, thread, err);
    if (r == THREAD_MISSING && tried == -E_CONFLICT && draft->active)
        return taken(request, draft);
    request->found |= r == 0 && tried == -E_CONFLICT;
    if (r > 0)
        r = error_set(err, E_AMBIGUOUS, "not known whether the thread was created");
    if (r < 0)
        return request_failed(request, err);
    render_thread(thread, &request->reply);
    return 0;
}

static int needs_owner(struct request *request)
{
    return failure_param(&request->failure, 400, "active", "invalid_value",
                         "Invalid 'active': a thread can be the active one of an assistant and a "
                         "user. It needs 'assistant_id' and 'user_id', and must not be archived.");
}

static int thread_create(struct request *request)
{
    struct json_object *said = json_get(request->body, "messages");
    struct arena *arena = &request->exchange->arena;
    struct thread_draft draft = {
        .id = request->object,
        .metadata = request_json(request, "metadata"),
        .tool_resources = request_json(request, "tool_resources"),
        .title = json_get_text(request->body, "title"),
        .user = json_get_text(request->body, "user_id"),
        .active = json_object_get_boolean(json_get(request->body, "active")),
        .agent_state = request_json(request, "agent_state"),
    };
    struct new_messages messages;
    struct thread thread;
    struct error err;
    int r = request_agent(request, "assistant_id", json_get_text(request->body, "assistant_id"),
                          AGENT_THERE, &draft.agent);

    if (r == 0 && draft.active && (uuid_is_zero(draft.agent) || !draft.user.ptr))
        r = needs_owner(request);
    if (r == 0)
        r = request_check_models(request);
    if (r < 0)
        return r;
    r = new_messages_read(said, arena, &messages, &err);
    if (r == 0)
        r = context_settings_said(request->body, arena, &draft.memory, &err);
    if (r < 0)
        return request_failed(request, &err);
    if (!draft.title.ptr)
        draft.title = new_messages_title(said, arena);
    draft.messages = messages.items;
    draft.message_count = messages.count;
    r = request->replaying ? threads_get(&request->store, draft.id, &thread, &err) : THREAD_MISSING;
    request->found = r == 0;
    if (r == THREAD_MISSING)
        r = threads_create(&request->store, &draft, &thread, &err);
    return made(request, r, &draft, &thread, &err);
}

/* archived and active: true, false or all; order_by=created_at|last_used_at. */
static int read_words(struct request *request, struct thread_filter *out)
{
    static const char *const which[] = {"true", "false", "all", NULL};
    static const char *const orders[] = {"created_at", "last_used_at", NULL};
    struct text archived;
    struct text active;
    struct text order;
    int r = request_query_word(request, "archived", which, &archived);

    if (r == 0)
        r = request_query_word(request, "active", which, &active);
    if (r == 0)
        r = request_query_word(request, "order_by", orders, &order);
    if (r < 0)
        return r;
    out->archived = text_is(archived, "true") ? 1 : text_is(archived, "all") ? -1 : 0;
    out->active = text_is(active, "true") ? 1 : text_is(active, "false") ? 0 : -1;
    out->by_use = text_is(order, "last_used_at");
    return 0;
}

static int read_filter(struct request *request, struct thread_filter *out)
{
    int r = read_words(request, out);

    if (r == 0)
        r = request_query_agent(request, "assistant_id", AGENT_THERE, &out->agent);
    if (r == 0)
        r = request_query_user(request, "user_id", &out->user);
    return r < 0 ? r : request_query_metadata(request, &out->metadata);
}

static int thread_list(struct request *request)
{
    struct thread_filter filter = {.archived = 0};
    struct thread_list threads;
    struct listing list;
    struct error err;
    int r = listing_begin(&list, request, ID_THREAD);

    if (r == 0)
        r = read_filter(request, &filter);
    if (r < 0)
        return r;
    r = threads_list(&request->store, &filter, &list.page, &threads, &err);
    if (r == CURSOR_MISSING)
        return request_cursor_missing(request);
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

static struct text said_or(struct request *request, const char *name, struct text value,
                           struct text null)
{
    return !value.ptr && json_has(request->body, name) ? null : value;
}

static enum thread_switch read_switch(struct request *request, const char *name)
{
    if (!json_has(request->body, name))
        return THREAD_KEEP;
    return json_object_get_boolean(json_get(request->body, name)) ? THREAD_ON : THREAD_OFF;
}

static int read_change(struct request *request, struct thread_change *out)
{
    struct json_object *body = request->body;
    struct error err;
    int r = request_agent(request, "assistant_id", json_get_text(body, "assistant_id"), AGENT_THERE,
                          &out->agent);

    if (r == 0)
        r = request_if_match(request, 0, "a thread's 'agent_state_version'", &out->state_version);
    if (r < 0)
        return r;
    out->sets_agent = json_has(body, "assistant_id");
    out->metadata = said_or(request, "metadata", request_json(request, "metadata"), TEXT("{}"));
    out->tool_resources =
        said_or(request, "tool_resources", request_json(request, "tool_resources"), TEXT("{}"));
    out->agent_state =
        said_or(request, "agent_state", request_json(request, "agent_state"), TEXT("null"));
    out->title = said_or(request, "title", json_get_text(body, "title"), TEXT(""));
    out->user = said_or(request, "user_id", json_get_text(body, "user_id"), TEXT(""));
    out->active = read_switch(request, "active");
    r = context_settings_said(body, &request->exchange->arena, &out->memory, &err);
    return r < 0 ? request_failed(request, &err) : 0;
}

static int state_changed(struct request *request, struct uuid id, int64_t expected)
{
    struct thread thread;
    struct error err;
    int r = threads_get(&request->store, id, &thread, &err);

    if (r == THREAD_MISSING)
        return missing(request);
    if (r < 0)
        return request_failed(request, &err);
    return failure_param(&request->failure, 412, "If-Match", "agent_state_changed",
                         "The thread's 'agent_state' has version %" PRId64 " now, not %" PRId64
                         ". Read it again and repeat the change.",
                         thread.agent_state_version, expected);
}

static int change(struct request *request, struct uuid id, const struct thread_change *change)
{
    struct thread thread;
    struct uuid other;
    struct error err;
    int r = threads_update(&request->store, id, change, &thread, &other, &err);

    switch (r) {
    case 0:
        render_thread(&thread, &request->reply);
        return 0;
    case THREAD_MISSING:
        return missing(request);
    case THREAD_UNFIT:
        return needs_owner(request);
    case THREAD_TAKEN:
        return refuse_taken(other, &request->failure);
    case STATE_CHANGED:
        return state_changed(request, id, change->state_version);
    case USER_OVER_QUOTA:
        return refuse_over_quota(request->store.limits, &request->failure);
    default:
        return request_failed(request, &err);
    }
}

static int thread_update(struct request *request)
{
    struct thread_change wanted = {.state_version = -1};
    struct uuid id;
    int r = request_id(request, 0, ID_THREAD, "thread", &id);

    if (r == 0)
        r = request_check_models(request);
    if (r == 0)
        r = read_change(request, &wanted);
    return r < 0 ? r : change(request, id, &wanted);
}

static int set_archived(struct request *request, enum thread_switch archived)
{
    struct thread_change wanted = {.archived = archived, .state_version = -1};
    struct uuid id;
    int r = request_id(request, 0, ID_THREAD, "thread", &id);

    if (r == 0)
        r = request_if_match(request, 0, "a thread's 'agent_state_version'", &wanted.state_version);
    return r < 0 ? r : change(request, id, &wanted);
}

static int thread_archive(struct request *request)
{
    return set_archived(request, THREAD_ON);
}

static int thread_restore(struct request *request)
{
    return set_archived(request, THREAD_OFF);
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
    return made(request, r, &(struct thread_draft){.id = fork.id}, &thread, &err);
}

/* Its active run ends with it: the worker that has it in hand is told, so that it stops at once and
 * not when its next write is refused. */
static int thread_delete(struct request *request)
{
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
    run_events_thread_deleted(&request->api->events, id, &stopped);
    request_tell_deleted(request, ID_THREAD, id, "thread.deleted");
    return 0;
}

static const char *const threads_query[] = {LISTING_QUERY, "user_id", "assistant_id",
                                            "archived",    "active",  "metadata[KEY]",
                                            "order_by",    NULL};

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/threads",
     .handle = thread_create,
     .takes = TAKES_JSON, .body = &body_create_thread, .flags = ENDPOINT_CREATES},
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/threads",
     .handle = thread_list,
     .query = threads_query,
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
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/threads/{thread_id}/archive",
     .handle = thread_archive},
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/threads/{thread_id}/restore",
     .handle = thread_restore},
    {.method = HTTP_METHOD_DELETE,
     .pattern = "/v1/threads/{thread_id}",
     .handle = thread_delete},
};
/* clang-format on */

const struct endpoint_table thread_endpoints = ENDPOINT_TABLE(table);
