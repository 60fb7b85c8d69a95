/* Conversations: https://platform.openai.com/docs/api-reference/conversations
 *
 * A conversation is a thread, and is one for the Assistants API, too. */

#include "scheduler/api/openai/conversations/conversations.h"

#include "scheduler/api/openai/conversations/conversation_bodies.h"
#include "scheduler/api/openai/conversations/resources.h"
#include "scheduler/api/openai/items/item_read.h"
#include "shared/base/error.h"
#include "shared/json/json_write.h"
#include "shared/store/threads/threads.h"
#include "shared/submit/refusals.h"

int conversation_missing(struct request *request)
{
    char shown[64];

    text_excerpt(request->exchange->params[0], shown, sizeof(shown));
    return failure_param(&request->failure, 404, NULL, NULL, "Conversation with id '%s' not found.",
                         shown);
}

int conversation_read_id(struct request *request, struct uuid *out)
{
    return id_parse(ID_CONVERSATION, request->exchange->params[0], out)
               ? 0
               : conversation_missing(request);
}

static void write_id(struct json_write *w, struct uuid id)
{
    char text[ID_TEXT_SIZE];

    id_format(ID_CONVERSATION, id, text);
    json_write_string(w, "id", text);
}

static void show(struct request *request, const struct thread *thread)
{
    struct json_write w;

    json_write_init(&w, &request->reply);
    json_write_open_object(&w, NULL);
    write_id(&w, thread->id);
    json_write_string(&w, "object", "conversation");
    json_write_int(&w, "created_at", thread->created_at);
    json_write_raw(&w, "metadata", thread->metadata.ptr ? thread->metadata : TEXT("{}"));
    json_write_close(&w);
}

/* What a statement came to, and what an earlier try of it may have made. */
static int show_made(struct request *request, int r, struct uuid id, struct thread *thread,
                     struct error *err)
{
    int tried = r;

    if (r == THREAD_TOO_LARGE)
        return refuse_too_large(request->store.limits, &request->failure);
    if (r == -E_CONFLICT || r == -E_AMBIGUOUS)
        r = threads_get(&request->store, id, thread, err);
    request->found |= r == 0 && tried == -E_CONFLICT;
    if (r > 0)
        r = error_set(err, E_AMBIGUOUS, "not known whether the conversation was created");
    if (r < 0)
        return request_failed(request, err);
    show(request, thread);
    return 0;
}

static int create(struct request *request)
{
    struct thread_draft draft = {.id = request->object,
                                 .metadata = request_json(request, "metadata")};
    struct json_object *said = json_get(request->body, "items");
    struct read_items items = {.count = 0};
    struct thread thread;
    struct error err;
    int r = said ? items_read(request, said, &items) : 0;

    if (r < 0)
        return r;
    draft.messages = items.drafts;
    draft.message_count = items.count;
    draft.title = items.title;
    r = request->replaying ? threads_get(&request->store, draft.id, &thread, &err) : THREAD_MISSING;
    request->found = r == 0;
    if (r == THREAD_MISSING)
        r = threads_create(&request->store, &draft, &thread, &err);
    return show_made(request, r, draft.id, &thread, &err);
}

int conversation_show(struct request *request, struct uuid id)
{
    struct thread thread;
    struct error err;
    int r = threads_get(&request->store, id, &thread, &err);

    if (r == THREAD_MISSING)
        return conversation_missing(request);
    if (r < 0)
        return request_failed(request, &err);
    show(request, &thread);
    return 0;
}

static int get(struct request *request)
{
    struct uuid id;
    int r = conversation_read_id(request, &id);

    return r < 0 ? r : conversation_show(request, id);
}

static int update(struct request *request)
{
    struct text metadata = request_json(request, "metadata");
    const struct thread_change change = {.metadata = metadata.ptr ? metadata : TEXT("{}"),
                                         .state_version = -1};
    struct thread thread;
    struct uuid other;
    struct uuid id;
    struct error err;
    int r = conversation_read_id(request, &id);

    if (r < 0)
        return r;
    r = threads_update(&request->store, id, &change, &thread, &other, &err);
    if (r == THREAD_MISSING)
        return conversation_missing(request);
    if (r > 0)
        r = error_set(&err, E_UNAVAILABLE, "the thread changes too fast");
    if (r < 0)
        return request_failed(request, &err);
    show(request, &thread);
    return 0;
}

static int delete (struct request *request)
{
    struct run_stopped stopped;
    struct uuid id;
    struct error err;
    int r = conversation_read_id(request, &id);

    if (r < 0)
        return r;
    r = threads_delete(&request->store, id, &stopped, &err);
    if (r == THREAD_MISSING)
        return conversation_missing(request);
    if (r < 0)
        return request_failed(request, &err);
    run_events_thread_deleted(&request->api->events, id, &stopped);
    request_tell_deleted(request, ID_CONVERSATION, id, "conversation.deleted");
    return 0;
}

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/conversations",
     .handle = create,
     .takes = TAKES_JSON, .body = &body_conversation, .flags = ENDPOINT_CREATES},
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/conversations/{conversation_id}",
     .handle = get},
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/conversations/{conversation_id}",
     .handle = update,
     .takes = TAKES_JSON, .body = &body_update_conversation},
    {.method = HTTP_METHOD_DELETE,
     .pattern = "/v1/conversations/{conversation_id}",
     .handle = delete},
};
/* clang-format on */

const struct endpoint_table conversation_endpoints = ENDPOINT_TABLE(table);
