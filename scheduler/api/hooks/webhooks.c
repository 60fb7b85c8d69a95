/* Webhooks, as we say it: docs/webhooks.md. */

#include <string.h>

#include "scheduler/api/hooks/hook_common.h"
#include "scheduler/api/hooks/resources.h"
#include "scheduler/api/listing.h"
#include "shared/base/error.h"
#include "shared/hooks/hook_types.h"
#include "shared/json/json_write.h"

#define DAY_MS ((int64_t)24 * 3600 * 1000)

/* ---- what is shown ---- */

static void write_time(struct json_write *write, const char *name, int64_t at)
{
    if (at > 0)
        json_write_int(write, name, at);
    else
        json_write_null(write, name);
}

static void write_webhook(const struct webhook *webhook, bool with_secret, struct buf *out)
{
    char id[ID_TEXT_SIZE];
    char secret[HOOK_SECRET_SIZE];
    char hint[HOOK_HINT_SIZE];
    struct json_write write;

    id_format(ID_WEBHOOK, webhook->id, id);
    hook_secret_format(&webhook->secret, secret);
    hook_hint(&webhook->secret, hint);
    json_write_init(&write, out);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "id", id);
    json_write_string(&write, "object", "webhook");
    json_write_int(&write, "created_at", webhook->created_at);
    json_write_int(&write, "updated_at", webhook->updated_at);
    json_write_text(&write, "name", webhook->name);
    json_write_text(&write, "description", webhook->description);
    json_write_text(&write, "url", webhook->url);
    json_write_raw(&write, "events", webhook->events);
    json_write_string(&write, "payload", webhook->full_payload ? "full" : "thin");
    json_write_raw(&write, "metadata", webhook->metadata);
    json_write_bool(&write, "enabled", webhook->enabled);
    json_write_text(&write, "disabled_reason", webhook->reason);
    write_time(&write, "disabled_at", webhook->disabled_at);
    write_time(&write, "failing_since", webhook->failing_since);
    json_write_int(&write, "waiting", webhook->waiting);
    json_write_string(&write, "secret_hint", hint);
    write_time(&write, "previous_secret_until", webhook->previous_until);
    if (with_secret)
        json_write_string(&write, "secret", secret);
    json_write_close(&write);
}

/* ---- what is read ---- */

/* A text that may be taken away by null. */
static struct text said_or(struct request *request, const char *name, struct text otherwise)
{
    return json_has(request->body, name) ? json_get_text(request->body, name) : otherwise;
}

static struct text json_said_or(struct request *request, const char *name, struct text otherwise)
{
    struct text said = request_json(request, name);

    return said.ptr ? said : otherwise;
}

static void read_body(struct request *request, struct webhook *webhook)
{
    struct text url = json_get_text(request->body, "url");
    struct text payload = json_get_text(request->body, "payload");

    webhook->name = said_or(request, "name", webhook->name);
    webhook->description = said_or(request, "description", webhook->description);
    webhook->events = json_said_or(request, "events", webhook->events);
    webhook->metadata = json_said_or(request, "metadata", webhook->metadata);
    webhook->enabled = json_get_bool(request->body, "enabled", webhook->enabled);
    if (url.ptr)
        webhook->url = url;
    if (payload.ptr)
        webhook->full_payload = text_is(payload, "full");
}

/* ---- endpoints ---- */

static int create(struct request *request)
{
    struct webhook wanted = {.enabled = true};
    struct webhook webhook;
    int r;

    read_body(request, &wanted);
    r = hook_create(request, &wanted, &webhook);
    if (r == 0)
        write_webhook(&webhook, true, &request->reply);
    return r;
}

static int get(struct request *request)
{
    return hook_show(request, ID_WEBHOOK, write_webhook);
}

static int list(struct request *request)
{
    return hook_list(request, ID_WEBHOOK, write_webhook);
}

static int update(struct request *request)
{
    struct webhook webhook;
    int r = hook_of_path(request, ID_WEBHOOK, &webhook);

    if (r < 0)
        return r;
    read_body(request, &webhook);
    if (json_get(request->body, "url"))
        r = hook_check_endpoint(request->api->hook_guard, webhook.url, "url", &request->failure);
    if (r == 0)
        r = hook_update(request, &webhook, &webhook);
    if (r == 0)
        write_webhook(&webhook, false, &request->reply);
    return r;
}

static int delete (struct request *request)
{
    return hook_delete(request, ID_WEBHOOK, "webhook.deleted");
}

static int rotate(struct request *request)
{
    struct uuid id;
    struct webhook webhook;
    int64_t keep_s = json_get_int(request->body, "keep_seconds", DAY_MS / 1000);
    int r = request_id(request, 0, ID_WEBHOOK, "webhook", &id);

    if (r == 0)
        r = hook_rotate(request, id, keep_s * 1000, &webhook);
    if (r == 0)
        write_webhook(&webhook, true, &request->reply);
    return r;
}

/* What it is told of, where that is one type; else the end of a run. */
static struct text type_for(const struct webhook *webhook)
{
    struct text text = webhook->events;

    if (text_starts(text, "[\"") && text_ends(text, "\"]") && text.len > 4) {
        text = (struct text){text.ptr + 2, text.len - 4};
        if (hook_sample(text))
            return text;
    }
    return TEXT("run.completed");
}

static int try(struct request *request)
{
    struct text type = json_get_text(request->body, "type");
    struct json_write write;
    struct hook_reply reply;
    struct webhook webhook;
    int r = hook_of_path(request, ID_WEBHOOK, &webhook);

    if (r < 0)
        return r;
    if (!type.ptr)
        type = type_for(&webhook);
    r = hook_try(request, &webhook, type, &reply);
    if (r < 0)
        return r;
    json_write_init(&write, &request->reply);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "object", "webhook.test");
    json_write_text(&write, "webhook_id", request->exchange->params[0]);
    json_write_text(&write, "type", type);
    json_write_bool(&write, "success", reply.result == HOOK_OK);
    if (reply.status > 0)
        json_write_int(&write, "status_code", reply.status);
    else
        json_write_null(&write, "status_code");
    json_write_int(&write, "duration_ms", reply.duration_ms);
    json_write_text(&write, "answer", reply.answer.len > 0 ? buf_text(&reply.answer) : TEXT_NONE);
    json_write_text(&write, "error", reply.error[0] ? text_of(reply.error) : TEXT_NONE);
    json_write_close(&write);
    buf_deinit(&reply.answer);
    return 0;
}

static const char *const payloads[] = {"thin", "full", NULL};

/* clang-format off */
#define TEXTS \
    {"name", FIELD_STRING, FIELD_NULLABLE, 1, HOOK_NAME_MAX, NULL, NULL}, \
    {"description", FIELD_STRING, FIELD_NULLABLE, 1, HOOK_DESCRIPTION_MAX, NULL, NULL}, \
    {"payload", FIELD_STRING, FIELD_NULLABLE, 0, 0, payloads, NULL}, \
    {"metadata", FIELD_METADATA, FIELD_NULLABLE, 0, 0, NULL, NULL}

static const struct field create_list[] = {
    {"url", FIELD_STRING, FIELD_REQUIRED, 1, HOOK_URL_MAX, NULL, NULL},
    {"events", FIELD_ARRAY, FIELD_REQUIRED, 0, HOOK_FILTERS_MAX, NULL, hook_check_filters},
    TEXTS,
};
static const struct field update_list[] = {
    {"url", FIELD_STRING, 0, 1, HOOK_URL_MAX, NULL, NULL},
    {"events", FIELD_ARRAY, 0, 0, HOOK_FILTERS_MAX, NULL, hook_check_filters},
    {"enabled", FIELD_BOOLEAN, 0, 0, 0, NULL, NULL},
    TEXTS,
};
static const struct field rotate_list[] = {
    {"keep_seconds", FIELD_INTEGER, 0, 0, 7 * DAY_MS / 1000, NULL, NULL},
};
static const struct field try_list[] = {
    {"type", FIELD_STRING, FIELD_NULLABLE, 1, HOOK_TYPE_MAX, NULL, NULL},
};

#define BODY(list) {list, ARRAY_LENGTH(list), sizeof(list[0]), NULL, 0}
static const struct fields create_body = BODY(create_list);
static const struct fields update_body = BODY(update_list);
static const struct fields rotate_body = BODY(rotate_list);
static const struct fields try_body = BODY(try_list);

static const struct endpoint table[] = {
    {.method = HTTP_METHOD_POST, .pattern = "/v1/webhooks", .handle = create,
     .takes = TAKES_JSON, .body = &create_body, .flags = ENDPOINT_CREATES},
    {.method = HTTP_METHOD_GET, .pattern = "/v1/webhooks", .handle = list, .query = listing_query,
     .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_GET, .pattern = "/v1/webhooks/{webhook_id}", .handle = get},
    {.method = HTTP_METHOD_POST, .pattern = "/v1/webhooks/{webhook_id}", .handle = update,
     .takes = TAKES_JSON, .body = &update_body},
    {.method = HTTP_METHOD_DELETE, .pattern = "/v1/webhooks/{webhook_id}", .handle = delete},
    {.method = HTTP_METHOD_POST, .pattern = "/v1/webhooks/{webhook_id}/rotate_secret",
     .handle = rotate, .takes = TAKES_JSON, .body = &rotate_body},
    {.method = HTTP_METHOD_POST, .pattern = "/v1/webhooks/{webhook_id}/test", .handle = try,
     .takes = TAKES_JSON, .body = &try_body},
};
/* clang-format on */

const struct endpoint_table webhook_endpoints = ENDPOINT_TABLE(table);
