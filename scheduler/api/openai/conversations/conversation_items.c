/* The items of conversations. An item is a message or a part of one, so deleting one that came with
 * others in the same reply of a model (a text and its calls) deletes all of these: a model can't be
 * told half of what it said. */

#include "scheduler/api/openai/conversations/conversation_bodies.h"
#include "scheduler/api/openai/conversations/conversations.h"
#include "scheduler/api/openai/conversations/resources.h"
#include "scheduler/api/openai/items/item_pages.h"
#include "scheduler/api/openai/items/item_read.h"
#include "shared/base/error.h"
#include "shared/json/json_write.h"
#include "shared/store/threads/messages.h"
#include "shared/store/threads/threads.h"
#include "shared/submit/refusals.h"

int conversation_locked(struct request *request)
{
    return failure_param(&request->failure, 400, "conversation", "conversation_locked",
                         "Another process is currently operating on this conversation. Please "
                         "retry in a few seconds.");
}

static int item_missing(struct request *request)
{
    char shown[64];

    text_excerpt(request->exchange->params[1], shown, sizeof(shown));
    return failure_param(&request->failure, 404, NULL, NULL, "Item with id '%s' not found.", shown);
}

static int list(struct request *request)
{
    struct uuid thread;
    int r = conversation_read_id(request, &thread);

    return r < 0 ? r : item_pages_show(request, thread, (struct uuid){{0}}, conversation_missing);
}

/* Those that an earlier try has added. */
static int show_added(struct request *request, const struct read_items *items)
{
    struct uuid *ids = arena_calloc(&request->exchange->arena, items->count, sizeof(*ids));
    struct message_list found;
    struct error err;
    int r = ids ? 0 : error_set(&err, E_LIMIT, "no room");

    for (size_t i = 0; r == 0 && i < items->count; i++)
        ids[i] = items->drafts[i].id;
    if (r == 0)
        r = messages_find(&request->store, ids, items->count, &found, &err);
    if (r < 0)
        return request_failed(request, &err);
    request->found = true;
    return item_pages_show_all(request, found.items, found.count);
}

static int add_all(struct request *request, struct uuid thread, const struct read_items *items)
{
    struct message *messages =
        arena_calloc(&request->exchange->arena, items->count + 1, sizeof(*messages));
    struct error err;
    int r;

    if (!messages)
        return request_failed(request, (error_set(&err, E_LIMIT, "no room"), &err));
    if (items->count == 0)
        return item_pages_show_all(request, messages, 0);
    r = messages_add(&request->store, thread, items->drafts, items->count, items->title, messages,
                     NULL, &err);
    if (r == THREAD_MISSING)
        return conversation_missing(request);
    if (r == THREAD_BUSY)
        return conversation_locked(request);
    if (r == THREAD_TOO_LARGE)
        return refuse_too_large(request->store.limits, &request->failure);
    if (r == USER_OVER_QUOTA)
        return refuse_over_quota(request->store.limits, &request->failure);
    if (r == -E_CONFLICT)
        return show_added(request, items);
    if (r < 0)
        return request_failed(request, &err);
    return item_pages_show_all(request, messages, items->count);
}

/* Ids of the messages are made of the request's, so that a second try adds nothing. */
static int add(struct request *request)
{
    struct read_items items;
    struct uuid thread;
    int r = conversation_read_id(request, &thread);

    if (r == 0)
        r = items_read(request, json_get(request->body, "items"), &items);
    if (r < 0)
        return r;
    ASSERT(items.count <= UINT8_MAX);
    for (size_t i = 0; i < items.count; i++)
        items.drafts[i].id = i == 0 ? request->object : uuid_derived(request->object, (uint8_t)i);
    return add_all(request, thread, &items);
}

/* The item in the path. */
static int find(struct request *request, struct uuid thread, const struct item **out)
{
    struct arena *arena = &request->exchange->arena;
    struct item_source source = {.is_servers = item_is_servers};
    struct items *items = arena_calloc(arena, 1, sizeof(*items));
    struct message_list found;
    struct item_id id;
    struct error err;
    int r;

    if (!item_id_parse(request->exchange->params[1], &id))
        return item_missing(request);
    r = items ? messages_find(&request->store, &id.message, 1, &found, &err)
              : error_set(&err, E_LIMIT, "no room");
    if (r == 0) {
        source.messages = found.items;
        source.count = found.count;
        r = items_of(&source, arena, items, &err);
    }
    if (r < 0)
        return request_failed(request, &err);
    *out = items_find(items, id);
    return *out && uuid_equal((*out)->message->thread_id, thread) ? 0 : item_missing(request);
}

static int get(struct request *request)
{
    const struct item *item;
    struct uuid thread;
    int r = conversation_read_id(request, &thread);

    if (r == 0)
        r = find(request, thread, &item);
    if (r == 0)
        item_write(item, &request->reply);
    return r;
}

/* The reply is the conversation. */
static int delete (struct request *request)
{
    const struct item *item;
    struct uuid thread;
    struct error err;
    int r = conversation_read_id(request, &thread);

    if (r == 0)
        r = find(request, thread, &item);
    if (r < 0)
        return r;
    r = messages_delete_exchange(&request->store, thread, item->id.message, NULL, &err);
    if (r == MESSAGE_MISSING)
        return item_missing(request);
    if (r == THREAD_BUSY)
        return conversation_locked(request);
    return r < 0 ? request_failed(request, &err) : conversation_show(request, thread);
}

/* clang-format off */
static const char *const include_query[] = {"include", "include[]", NULL};

static const struct endpoint table[] = {
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/conversations/{conversation_id}/items",
     .handle = list,
     .query = item_pages_query,
     .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/conversations/{conversation_id}/items",
     .handle = add,
     .takes = TAKES_JSON, .body = &body_add_items, .query = include_query,
     .flags = ENDPOINT_CREATES},
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/conversations/{conversation_id}/items/{item_id}",
     .handle = get,
     .query = include_query,
     .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_DELETE,
     .pattern = "/v1/conversations/{conversation_id}/items/{item_id}",
     .handle = delete,
     .flags = ENDPOINT_LARGE},
};
/* clang-format on */

const struct endpoint_table conversation_item_endpoints = ENDPOINT_TABLE(table);
