/* What was told, to whom, and what came of it. */

#include "shared/store/hooks/webhook_log.h"
#include "scheduler/api/hooks/hook_common.h"
#include "scheduler/api/hooks/resources.h"
#include "scheduler/api/listing.h"
#include "shared/base/error.h"
#include "shared/hooks/hook_types.h"
#include "shared/json/json_write.h"

static void write_number(struct json_write *write, const char *name, int64_t number)
{
    if (number > 0)
        json_write_int(write, name, number);
    else
        json_write_null(write, name);
}

static void write_delivery(const struct webhook_delivery *delivery, struct buf *out)
{
    char id[ID_TEXT_SIZE];
    char event[ID_TEXT_SIZE];
    struct json_write write;

    id_format(ID_DELIVERY, delivery->id, id);
    id_format(ID_EVENT, delivery->event, event);
    json_write_init(&write, out);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "id", id);
    json_write_string(&write, "object", "webhook.delivery");
    json_write_int(&write, "created_at", delivery->created_at);
    json_write_string(&write, "event_id", event);
    json_write_text(&write, "type", delivery->type);
    json_write_text(&write, "url", delivery->url);
    json_write_text(&write, "state", delivery->state);
    json_write_text(&write, "cause", delivery->cause);
    json_write_int(&write, "tries", delivery->tries);
    write_number(&write, "next_try_at", delivery->next_at);
    write_number(&write, "ended_at", delivery->ended_at);
    write_number(&write, "status_code", delivery->status);
    json_write_text(&write, "error", delivery->error);
    json_write_raw(&write, "attempts", delivery->attempts.ptr ? delivery->attempts : TEXT("[]"));
    json_write_close(&write);
}

static const char *const states[] = {"pending", "delivered", "dead", "skipped", NULL};

static int read_filter(struct request *request, struct delivery_filter *out)
{
    int r = request_query_word(request, "state", states, &out->state);

    if (r < 0)
        return r;
    out->type = http_query_get(request->exchange, "type", 0);
    if (out->type.len == 0)
        out->type = TEXT_NONE;
    if (!out->type.ptr || hook_sample(out->type))
        return 0;
    return failure_param(&request->failure, 400, "type", "invalid_value",
                         "Invalid 'type': there is no event of this type.");
}

static int list(struct request *request)
{
    struct webhook_deliveries deliveries;
    struct delivery_filter filter = {.state = TEXT_NONE};
    struct webhook webhook;
    struct listing page;
    struct error err;
    int r = hook_of_path(request, ID_WEBHOOK, &webhook);

    filter.endpoint = webhook.id;
    if (r == 0)
        r = read_filter(request, &filter);
    if (r == 0)
        r = listing_begin(&page, request, ID_DELIVERY);
    if (r < 0)
        return r;
    r = webhook_deliveries_list(&request->store, &filter, &page.page, &deliveries, &err);
    if (r < 0)
        return request_failed(request, &err);
    for (size_t i = 0; i < deliveries.count; i++) {
        listing_add(&page, deliveries.items[i].id);
        write_delivery(&deliveries.items[i], &request->reply);
    }
    listing_end(&page, deliveries.has_more);
    return 0;
}

static int redeliver(struct request *request)
{
    struct webhook_delivery delivery;
    struct webhook webhook;
    struct uuid id;
    struct error err;
    int r = hook_of_path(request, ID_WEBHOOK, &webhook);

    if (r == 0)
        r = request_id(request, 1, ID_DELIVERY, "delivery", &id);
    if (r < 0)
        return r;
    if (!webhook.enabled)
        return failure_param(&request->failure, 409, NULL, NULL,
                             "The webhook is disabled: enable it first.");
    r = webhook_redeliver(&request->store, webhook.id, id, &delivery, &err);
    if (r == DELIVERY_MISSING)
        return request_missing(request, "delivery", request->exchange->params[1]);
    if (r < 0)
        return request_failed(request, &err);
    write_delivery(&delivery, &request->reply);
    return 0;
}

static int recover(struct request *request)
{
    struct json_write write;
    struct webhook webhook;
    struct error err;
    int64_t count = 0;
    int r = hook_of_path(request, ID_WEBHOOK, &webhook);

    if (r < 0)
        return r;
    if (!webhook.enabled)
        return failure_param(&request->failure, 409, NULL, NULL,
                             "The webhook is disabled: enable it first.");
    r = webhook_recover(&request->store, webhook.id, json_get_int(request->body, "since", 0),
                        json_get_int(request->body, "until", 0), &count, &err);
    if (r == WEBHOOK_MISSING)
        return request_missing(request, "webhook", request->exchange->params[0]);
    if (r < 0)
        return request_failed(request, &err);
    json_write_init(&write, &request->reply);
    json_write_open_object(&write, NULL);
    json_write_string(&write, "object", "webhook.recovery");
    json_write_text(&write, "webhook_id", request->exchange->params[0]);
    json_write_int(&write, "recovered", count);
    json_write_bool(&write, "has_more", count >= RECOVER_MAX);
    json_write_close(&write);
    return 0;
}

static int event(struct request *request)
{
    struct webhook_event event;
    struct uuid id;
    struct error err;
    int r = request_id(request, 0, ID_EVENT, "event", &id);

    if (r < 0)
        return r;
    r = webhook_event_get(&request->store, id, &event, &err);
    if (r == EVENT_MISSING)
        return request_missing(request, "event", request->exchange->params[0]);
    if (r < 0)
        return request_failed(request, &err);
    hook_body_write(
        &(struct hook_event){event.id, event.type, event.created_at, event.data, TEXT_NONE},
        &request->reply);
    return 0;
}

static const char *const query[] = {LISTING_QUERY, "state", "type", NULL};

/* clang-format off */
static const struct field recover_list[] = {
    {"since", FIELD_INTEGER, FIELD_REQUIRED, 0, REQUEST_TIME_MAX, NULL, NULL},
    {"until", FIELD_INTEGER, FIELD_NULLABLE, 1, REQUEST_TIME_MAX, NULL, NULL},
};
static const struct fields recover_body = {recover_list, ARRAY_LENGTH(recover_list),
                                           sizeof(recover_list[0]), NULL, 0};

static const struct endpoint table[] = {
    {.method = HTTP_METHOD_GET, .pattern = "/v1/webhooks/{webhook_id}/deliveries", .handle = list,
     .query = query, .flags = ENDPOINT_LARGE},
    {.method = HTTP_METHOD_POST,
     .pattern = "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver",
     .handle = redeliver},
    {.method = HTTP_METHOD_POST, .pattern = "/v1/webhooks/{webhook_id}/recover", .handle = recover,
     .takes = TAKES_JSON, .body = &recover_body},
    {.method = HTTP_METHOD_GET, .pattern = "/v1/webhook_events/{event_id}", .handle = event},
};
/* clang-format on */

const struct endpoint_table webhook_log_endpoints = ENDPOINT_TABLE(table);
