/* Messages of a thread. What a run's tools exchange with the model stays hidden (see the store). */

#include "shared/store/threads/messages.h"
#include "scheduler/api/assistants/bodies.h"
#include "scheduler/api/assistants/message_show.h"
#include "scheduler/api/assistants/render.h"
#include "scheduler/api/assistants/resources.h"
#include "scheduler/api/listing.h"
#include "scheduler/api/request.h"
#include "shared/fiber/offload.h"
#include "shared/submit/submit.h"

#define MESSAGE_BYTES 512 /* of a message, what stands around its content */

/* About as long as they are as JSON. */
static size_t messages_bytes(const struct message_list *messages)
{
    size_t bytes = 0;

    for (size_t i = 0; i < messages->count; i++)
        bytes += MESSAGE_BYTES + messages->items[i].content.len + messages->items[i].metadata.len;
    return bytes;
}

static int thread_missing(struct request *request)
{
    return request_missing(request, "thread", request->exchange->params[0]);
}

static int message_missing(struct request *request)
{
    return request_missing(request, "message", request->exchange->params[1]);
}

int message_refuse_busy(struct request *request, const char *verb, struct uuid run,
                        const char *hint)
{
    char text[ID_TEXT_SIZE];

    id_format(ID_RUN, run, text);
    return failure_param(&request->failure, 400, NULL, NULL,
                         "Can't %s %.*s while a run %s is active.%s", verb,
                         TEXT_ARGS(request->exchange->params[0]), text, hint);
}

static int read_ids(struct request *request, struct uuid *thread, struct uuid *message)
{
    int r = request_id(request, 0, ID_THREAD, "thread", thread);

    return r < 0 ? r : request_id(request, 1, ID_MESSAGE, "message", message);
}

struct showing {
    struct request *request;
    const struct message_list *messages;
    struct listing *list; /* NULL: one message alone */
};

static void show_page(void *arg)
{
    const struct showing *showing = arg;
    const struct message_list *messages = showing->messages;

    (void)buf_reserve(&showing->request->reply, messages_bytes(messages));
    for (size_t i = 0; i < messages->count; i++) {
        if (showing->list)
            listing_add(showing->list, messages->items[i].id);
        render_message(&messages->items[i], &showing->request->reply);
    }
}

void message_show(struct request *request, const struct message *message)
{
    struct message one = *message;
    struct message_list messages = {.items = &one, .count = 1};
    struct showing showing = {request, &messages, NULL};

    offload_large(messages_bytes(&messages), show_page, &showing);
}

static int read_hidden(struct request *request, bool *out)
{
    static const char *const words[] = {"true", "false", NULL};
    struct path at = {NULL, "hidden", 0};
    struct text said = http_query_get(request->exchange, "hidden", 0);

    *out = text_is(said, "true");
    return said.ptr ? fields_word(said, words, &at, &request->failure) : 0;
}

/* run_id, pending_for and hidden of the query. */
static int read_filter(struct request *request, struct message_filter *out)
{
    struct text run = http_query_get(request->exchange, "run_id", 0);
    int r;

    *out = (struct message_filter){.hidden = false};
    if (run.len > 0 && (!id_parse(ID_RUN, run, &out->run) || uuid_is_zero(out->run)))
        return request_missing(request, "run", run);
    r = read_hidden(request, &out->hidden);
    if (r == 0)
        r = request_query_agent(request, "pending_for", AGENT_THERE, &out->pending_for);
    if (r < 0 || uuid_is_zero(out->run) || uuid_is_zero(out->pending_for))
        return r;
    return failure_param(&request->failure, 400, "pending_for", "invalid_value",
                         "'pending_for' and 'run_id' can't be asked for together.");
}

static int message_list(struct request *request)
{
    struct message_list messages;
    struct showing showing;
    struct listing list;
    struct message_filter filter;
    struct uuid thread;
    struct error err;
    int r = request_id(request, 0, ID_THREAD, "thread", &thread);

    if (r == 0)
        r = listing_begin(&list, request, ID_MESSAGE);
    if (r == 0)
        r = read_filter(request, &filter);
    if (r < 0)
        return r;
    r = messages_list(&request->store, thread, &filter, &list.page, &messages, &err);
    if (r == THREAD_MISSING)
        return thread_missing(request);
    if (r == CURSOR_MISSING)
        return request_cursor_missing(request);
    if (r < 0)
        return request_failed(request, &err);
    showing = (struct showing){request, &messages, &list};
    offload_large(messages_bytes(&messages), show_page, &showing);
    listing_end(&list, messages.has_more);
    return 0;
}

/* What the store found of the message in the path. */
static int show_message(struct request *request, int r, const struct message *message,
                        const struct error *err)
{
    if (r == MESSAGE_MISSING)
        return message_missing(request);
    if (r < 0)
        return request_failed(request, err);
    message_show(request, message);
    return 0;
}

static int message_get(struct request *request)
{
    struct message message;
    struct uuid thread;
    struct uuid id;
    struct error err;
    int r = read_ids(request, &thread, &id);

    if (r < 0)
        return r;
    r = messages_get(&request->store, thread, id, &message, &err);
    return show_message(request, r, &message, &err);
}

static int message_update(struct request *request)
{
    struct text metadata = request_json(request, "metadata");
    struct message message;
    struct uuid thread;
    struct uuid id;
    struct error err;
    int r = read_ids(request, &thread, &id);

    if (r < 0)
        return r;
    if (!json_has(request->body, "metadata"))
        r = messages_get(&request->store, thread, id, &message, &err);
    else
        r = messages_update(&request->store, thread, id, metadata.ptr ? metadata : TEXT("{}"),
                            &message, &err);
    return show_message(request, r, &message, &err);
}

static int message_delete(struct request *request)
{
    struct uuid active;
    struct uuid thread;
    struct uuid id;
    struct error err;
    int r = read_ids(request, &thread, &id);

    if (r < 0)
        return r;
    r = messages_delete(&request->store, thread, id, &active, &err);
    if (r == MESSAGE_MISSING)
        return message_missing(request);
    if (r == THREAD_BUSY)
        return message_refuse_busy(request, "delete messages from", active, "");
    if (r < 0)
        return request_failed(request, &err);
    request_tell_deleted(request, ID_MESSAGE, id, "thread.message.deleted");
    return 0;
}

static const char *const messages_query[] = {LISTING_QUERY, "run_id", "pending_for", "hidden",
                                             NULL};

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/threads/{thread_id}/messages",
     .handle = message_list,
     .query = messages_query,
     .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/threads/{thread_id}/messages/{message_id}",
     .handle = message_get,
     .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/threads/{thread_id}/messages/{message_id}",
     .handle = message_update,
     .takes = TAKES_JSON, .body = &body_update_message, .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_DELETE,
     .pattern = "/v1/threads/{thread_id}/messages/{message_id}",
     .handle = message_delete},
};
/* clang-format on */

const struct endpoint_table message_endpoints = ENDPOINT_TABLE(table);
