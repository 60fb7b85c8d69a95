/* What is known of a user: keys and values, of all agents or, with the query's assistant_id, of one
 * alone. Each request has the same effect however often it is made. */

#include "scheduler/api/assistants/bodies.h"
#include "scheduler/api/assistants/resources.h"
#include "scheduler/api/assistants/users.h"
#include "scheduler/api/listing.h"
#include "shared/agent/memory.h"
#include "shared/json/json_write.h"
#include "shared/store/users/memory_keys.h"

/* A value may come with each of its characters as an escape. */
#define PUT_BODY_MAX ((size_t)MEMORY_VALUE_MAX * 8)

/* With AGENT_EVER what an agent knew that was deleted can still be seen and forgotten. */
static int read_scope(struct request *request, enum agent_sought sought,
                      struct memory_key_scope *out)
{
    int r = request_user(request, &out->user);

    return r < 0 ? r : request_query_agent(request, "assistant_id", sought, &out->agent);
}

static int read_key(struct request *request, struct text *out)
{
    static const struct path path = {NULL, "key", 0};

    *out = request->exchange->params[1];
    return memory_name_check(*out, MEMORY_KEY_MAX, &path, &request->failure);
}

static int missing(struct request *request)
{
    char key[64];
    char user[64];

    text_excerpt(request->exchange->params[1], key, sizeof(key));
    text_excerpt(request->exchange->params[0], user, sizeof(user));
    return failure_param(&request->failure, 404, NULL, NULL,
                         "Nothing is known under the key '%s' of the user '%s'.", key, user);
}

static int full(struct request *request)
{
    char user[64];

    text_excerpt(request->exchange->params[0], user, sizeof(user));
    return failure_param(&request->failure, 400, NULL, "memory_full",
                         "Too much is known of the user '%s': at most %d keys, those of all agents "
                         "and of each together. Delete some first.",
                         user, MEMORY_KEYS_MAX);
}

static void write_agent(struct json_write *write, struct uuid agent)
{
    char id[ID_TEXT_SIZE];

    id_format(ID_ASSISTANT, agent, id);
    json_write_text(write, "assistant_id", uuid_is_zero(agent) ? TEXT_NONE : text_of(id));
}

static void render(const struct memory_key_scope *scope, const struct memory_key *memory,
                   struct buf *out)
{
    struct json_write write;

    json_write_init(&write, out);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "object", "user.memory");
    json_write_text(&write, "user_id", scope->user);
    json_write_text(&write, "key", memory->key);
    json_write_raw(&write, "value", memory->value);
    write_agent(&write, scope->agent);
    json_write_int(&write, "created_at", memory->created_at);
    json_write_int(&write, "updated_at", memory->updated_at);
    json_write_close(&write);
}

static void begin_receipt(const struct memory_key_scope *scope, const char *object,
                          struct json_write *write)
{
    json_write_open_object(write, NULL);
    json_write_string(write, "object", object);
    json_write_text(write, "user_id", scope->user);
    write_agent(write, scope->agent);
}

/* key: TEXT_NONE for the whole scope. */
static void render_deleted_memory(const struct memory_key_scope *scope, struct text key,
                                  int64_t removed, struct buf *out)
{
    struct json_write write;

    json_write_init(&write, out);
    begin_receipt(scope, "user.memory.deleted", &write);
    json_write_text_if(&write, "key", key);
    json_write_bool(&write, "deleted", true);
    json_write_int(&write, "removed", removed);
    json_write_close(&write);
}

static void render_replaced(const struct memory_key_scope *scope, int64_t count, struct buf *out)
{
    struct json_write write;

    json_write_init(&write, out);
    begin_receipt(scope, "user.memory.replaced", &write);
    json_write_int(&write, "count", count);
    json_write_close(&write);
}

static int memory_put(struct request *request)
{
    struct text value = request_json(request, "value");
    struct memory_key_scope scope;
    struct memory_key memory;
    struct text key;
    struct error err;
    int r = read_key(request, &key);

    if (r == 0)
        r = read_scope(request, AGENT_THERE, &scope);
    if (r < 0)
        return r;
    request_write_apart(request);
    r = memory_keys_put(&request->store, &scope, key, value.ptr ? value : TEXT("null"), &memory,
                        &err);
    if (r == MEMORY_KEYS_FULL)
        return full(request);
    if (r < 0)
        return request_failed(request, &err);
    render(&scope, &memory, &request->reply);
    return 0;
}

static int memory_replace(struct request *request)
{
    struct memory_key_scope scope;
    int64_t count;
    struct error err;
    int r = read_scope(request, AGENT_THERE, &scope);

    if (r < 0)
        return r;
    request_write_apart(request);
    r = memory_keys_replace(&request->store, &scope, request_json(request, "memory"), &count, &err);
    if (r == MEMORY_KEYS_FULL)
        return full(request);
    if (r < 0)
        return request_failed(request, &err);
    render_replaced(&scope, count, &request->reply);
    return 0;
}

static int memory_list(struct request *request)
{
    struct memory_key_page page;
    struct memory_key_list memories;
    struct memory_key_scope scope;
    struct listing list;
    struct error err;
    int r = read_scope(request, AGENT_EVER, &scope);

    if (r == 0)
        r = listing_begin_texts(&list, request, MEMORY_KEY_MAX, &page.after, &page.before);
    if (r < 0)
        return r;
    page.limit = list.page.limit;
    page.bytes_max = list.page.bytes_max;
    page.ascending = !text_is(http_query_get(request->exchange, "order", 0), "desc");
    r = memory_keys_list(&request->store, &scope, &page, &memories, &err);
    if (r < 0)
        return request_failed(request, &err);
    for (size_t i = 0; i < memories.count; i++) {
        listing_add_text(&list, memories.items[i].key);
        render(&scope, &memories.items[i], &request->reply);
    }
    listing_end(&list, memories.has_more);
    return 0;
}

static int memory_get(struct request *request)
{
    struct memory_key_scope scope;
    struct memory_key memory;
    struct text key;
    struct error err;
    int r = read_key(request, &key);

    if (r == 0)
        r = read_scope(request, AGENT_EVER, &scope);
    if (r < 0)
        return r;
    r = memory_keys_get(&request->store, &scope, key, &memory, &err);
    if (r == MEMORY_KEY_MISSING)
        return missing(request);
    if (r < 0)
        return request_failed(request, &err);
    render(&scope, &memory, &request->reply);
    return 0;
}

static int forget(struct request *request, struct text key)
{
    struct memory_key_scope scope;
    int64_t removed;
    struct error err;
    int r = read_scope(request, AGENT_EVER, &scope);

    if (r < 0)
        return r;
    request_write_apart(request);
    r = memory_keys_delete(&request->store, &scope, key, &removed, &err);
    if (r < 0)
        return request_failed(request, &err);
    render_deleted_memory(&scope, key, removed, &request->reply);
    return 0;
}

static int memory_delete(struct request *request)
{
    struct text key;
    int r = read_key(request, &key);

    return r < 0 ? r : forget(request, key);
}

static int memory_delete_all(struct request *request)
{
    return forget(request, TEXT_NONE);
}

static const char *const list_query[] = {LISTING_QUERY, "assistant_id", NULL};
static const char *const scope_query[] = {"assistant_id", NULL};

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/users/{user}/memory",
     .handle = memory_list,
     .query = list_query,
     .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_PUT,
     .pattern = "/v1/users/{user}/memory",
     .handle = memory_replace,
     .takes = TAKES_JSON, .body = &body_replace_memory, .query = scope_query},
    {.method = HTTP_METHOD_DELETE,
     .pattern = "/v1/users/{user}/memory",
     .handle = memory_delete_all,
     .query = scope_query},
    {.method = HTTP_METHOD_GET,
     .pattern = "/v1/users/{user}/memory/{key}",
     .handle = memory_get,
     .query = scope_query},
    {.method = HTTP_METHOD_PUT,
     .pattern = "/v1/users/{user}/memory/{key}",
     .handle = memory_put,
     .takes = TAKES_JSON, .body = &body_put_memory, .query = scope_query,
     .body_bytes_max = PUT_BODY_MAX},
    {.method = HTTP_METHOD_DELETE,
     .pattern = "/v1/users/{user}/memory/{key}",
     .handle = memory_delete,
     .query = scope_query},
};
/* clang-format on */

const struct endpoint_table user_memory_endpoints = ENDPOINT_TABLE(table);
