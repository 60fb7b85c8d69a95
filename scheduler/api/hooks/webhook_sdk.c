/* Webhooks, as OpenAI's newest SDKs manage them (client.webhooks): the same rows, whose ids begin
 * with whe_. */

#include "scheduler/api/hooks/hook_common.h"
#include "scheduler/api/hooks/resources.h"
#include "scheduler/api/listing.h"
#include "shared/base/error.h"
#include "shared/hooks/hook_types.h"
#include "shared/json/json_write.h"

#define DAY_MS ((int64_t)24 * 3600 * 1000)

static void write_endpoint(const struct webhook *webhook, bool with_secret, struct buf *out)
{
    char id[ID_TEXT_SIZE];
    char secret[HOOK_SECRET_SIZE];
    char hint[HOOK_HINT_SIZE];
    struct json_write write;

    id_format(ID_ENDPOINT, webhook->id, id);
    hook_secret_format(&webhook->secret, secret);
    hook_hint(&webhook->secret, hint);
    json_write_init(&write, out);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "id", id);
    json_write_string(&write, "object", "webhook_endpoint");
    json_write_int(&write, "created_at", webhook->created_at);
    json_write_int(&write, "updated_at", webhook->updated_at);
    json_write_text(&write, "name", webhook->name.ptr ? webhook->name : TEXT(""));
    json_write_text(&write, "url", webhook->url);
    json_write_raw(&write, "event_types", webhook->events);
    json_write_string(&write, "signing_secret_hint", hint);
    if (with_secret)
        json_write_string(&write, "signing_secret", secret);
    json_write_close(&write);
}

static int create(struct request *request)
{
    struct webhook wanted = {
        .name = json_get_text(request->body, "name"),
        .url = json_get_text(request->body, "url"),
        .events = request_json(request, "event_types"),
    };
    struct webhook webhook;
    int r = hook_create(request, &wanted, &webhook);

    if (r == 0)
        write_endpoint(&webhook, true, &request->reply);
    return r;
}

static int get(struct request *request)
{
    return hook_show(request, ID_ENDPOINT, write_endpoint);
}

static int list(struct request *request)
{
    return hook_list(request, ID_ENDPOINT, write_endpoint);
}

static int update(struct request *request)
{
    struct text name = json_get_text(request->body, "name");
    struct text url = json_get_text(request->body, "url");
    struct text events = request_json(request, "event_types");
    struct webhook webhook;
    int r = hook_of_path(request, ID_ENDPOINT, &webhook);

    if (r < 0)
        return r;
    if (name.ptr)
        webhook.name = name;
    if (events.ptr)
        webhook.events = events;
    if (url.ptr) {
        webhook.url = url;
        r = hook_check_endpoint(request->api->hook_guard, url, "url", &request->failure);
    }
    if (r == 0)
        r = hook_update(request, &webhook, &webhook);
    if (r == 0)
        write_endpoint(&webhook, false, &request->reply);
    return r;
}

static int delete (struct request *request)
{
    return hook_delete(request, ID_ENDPOINT, "webhook_endpoint.deleted");
}

static int rotate(struct request *request)
{
    bool keep = json_get_bool(request->body, "keep_old_secret_active_for_24_hours", false);
    struct webhook webhook;
    struct uuid id;
    int r = request_id(request, 0, ID_ENDPOINT, "webhook", &id);

    if (r == 0)
        r = hook_rotate(request, id, keep ? DAY_MS : 0, &webhook);
    if (r == 0)
        write_endpoint(&webhook, true, &request->reply);
    return r;
}

/* One that could not be reached is an error here. */
static int try(struct request *request)
{
    struct text type = json_get_text(request->body, "event_type");
    struct json_write write;
    struct hook_reply reply;
    struct webhook webhook;
    int r = hook_of_path(request, ID_ENDPOINT, &webhook);

    if (r == 0)
        r = hook_try(request, &webhook, type, &reply);
    if (r < 0)
        return r;
    buf_deinit(&reply.answer);
    if (reply.status == 0)
        return failure_param(&request->failure, 400, NULL, "webhook_unreachable",
                             "The webhook did not answer: %s", reply.error);
    json_write_init(&write, &request->reply);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "object", "webhook_endpoint.test");
    json_write_text(&write, "webhook_endpoint_id", request->exchange->params[0]);
    json_write_text(&write, "event_type", type);
    json_write_bool(&write, "success", true);
    json_write_int(&write, "status_code", reply.status);
    json_write_close(&write);
    return 0;
}

static int list_types(struct request *request)
{
    struct json_write write;

    json_write_init(&write, &request->reply);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "object", "list");
    json_write_open_array(&write, "data");
    for (size_t i = 0; i < hook_types_count; i++)
        json_write_string(&write, NULL, hook_types[i].name);
    json_write_close(&write);
    json_write_close(&write);
    return 0;
}

/* clang-format off */
static const struct field create_list[] = {
    {"name", FIELD_STRING, FIELD_REQUIRED, 1, HOOK_NAME_MAX, NULL, NULL},
    {"url", FIELD_STRING, FIELD_REQUIRED, 1, HOOK_URL_MAX, NULL, NULL},
    {"event_types", FIELD_ARRAY, FIELD_REQUIRED, 1, HOOK_FILTERS_MAX, NULL, hook_check_filters},
};
static const struct field update_list[] = {
    {"name", FIELD_STRING, 0, 1, HOOK_NAME_MAX, NULL, NULL},
    {"url", FIELD_STRING, 0, 1, HOOK_URL_MAX, NULL, NULL},
    {"event_types", FIELD_ARRAY, 0, 1, HOOK_FILTERS_MAX, NULL, hook_check_filters},
};
static const struct field rotate_list[] = {
    {"keep_old_secret_active_for_24_hours", FIELD_BOOLEAN, FIELD_NULLABLE, 0, 0, NULL, NULL},
};
static const struct field try_list[] = {
    {"event_type", FIELD_STRING, FIELD_REQUIRED, 1, HOOK_TYPE_MAX, NULL, NULL},
};

#define BODY(list) {list, ARRAY_LENGTH(list), sizeof(list[0]), NULL, 0}
static const struct fields create_body = BODY(create_list);
static const struct fields update_body = BODY(update_list);
static const struct fields rotate_body = BODY(rotate_list);
static const struct fields try_body = BODY(try_list);

static const struct endpoint table[] = {
    {.method = HTTP_METHOD_POST, .pattern = "/v1/webhook_endpoints", .handle = create,
     .takes = TAKES_JSON, .body = &create_body, .flags = ENDPOINT_CREATES},
    {.method = HTTP_METHOD_GET, .pattern = "/v1/webhook_endpoints", .handle = list,
     .query = listing_query, .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_GET, .pattern = "/v1/webhook_endpoints/{webhook_id}", .handle = get},
    {.method = HTTP_METHOD_POST, .pattern = "/v1/webhook_endpoints/{webhook_id}",
     .handle = update, .takes = TAKES_JSON, .body = &update_body},
    {.method = HTTP_METHOD_DELETE, .pattern = "/v1/webhook_endpoints/{webhook_id}",
     .handle = delete},
    {.method = HTTP_METHOD_POST, .pattern = "/v1/webhook_endpoints/{webhook_id}/rotate_secret",
     .handle = rotate, .takes = TAKES_JSON, .body = &rotate_body},
    {.method = HTTP_METHOD_POST, .pattern = "/v1/webhook_endpoints/{webhook_id}/test",
     .handle = try, .takes = TAKES_JSON, .body = &try_body},
    {.method = HTTP_METHOD_GET, .pattern = "/v1/webhook_event_types", .handle = list_types},
};
/* clang-format on */

const struct endpoint_table webhook_sdk_endpoints = ENDPOINT_TABLE(table);
