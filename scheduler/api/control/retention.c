/* How long a tenant's threads are kept, and what would go now. */

#include "shared/store/retention/retention.h"
#include "scheduler/api/control/resources.h"
#include "scheduler/api/request.h"
#include "shared/agent/checks.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/json/json_write.h"

#define LOOK_MS 3000

static void write_policy(struct json_write *w, struct text policy)
{
    if (policy.ptr)
        json_write_raw(w, "retention", policy);
    else
        json_write_null(w, "retention");
}

static int retention_show(struct request *request)
{
    struct retention retention;
    struct json_write w;
    struct error err;
    int r = retention_get(&request->store, &retention, &err);

    if (r == TENANT_MISSING)
        r = error_set(&err, E_NOT_FOUND, "the tenant is gone");
    if (r < 0)
        return request_failed(request, &err);
    json_write_init(&w, &request->reply);
    json_write_open_object(&w, NULL);
    json_write_string(&w, "object", "retention");
    write_policy(&w, retention.policy);
    json_write_raw(&w, "assistants", retention.agents);
    json_write_raw(&w, "schedules", retention.schedules);
    json_write_int(&w, "done_to", retention.done_to);
    json_write_close(&w);
    return 0;
}

static int retention_set(struct request *request)
{
    struct error err;
    int r = check_retention_whole(request->body, NULL, &request->failure);

    if (r < 0)
        return r;
    r = retention_put(&request->store, json_text(request->body), &err);
    if (r == TENANT_MISSING)
        r = error_set(&err, E_NOT_FOUND, "the tenant is gone");
    return r < 0 ? request_failed(request, &err) : retention_show(request);
}

static int retention_unset(struct request *request)
{
    struct error err;
    int r = retention_put(&request->store, TEXT_NONE, &err);

    if (r == TENANT_MISSING)
        r = error_set(&err, E_NOT_FOUND, "the tenant is gone");
    return r < 0 ? request_failed(request, &err) : retention_show(request);
}

static int retention_preview(struct request *request)
{
    struct retention_preview preview;
    struct json_write w;
    struct error err;

    if (retention_look(&request->store, deadline_in(LOOK_MS), &preview, &err) < 0)
        return request_failed(request, &err);
    json_write_init(&w, &request->reply);
    json_write_open_object(&w, NULL);
    json_write_string(&w, "object", "retention.preview");
    json_write_int(&w, "threads_deleted", preview.threads_deleted);
    json_write_int(&w, "hidden_threads_deleted", preview.hidden_deleted);
    json_write_int(&w, "threads_archived", preview.threads_archived);
    json_write_int(&w, "runs_deleted", preview.runs_deleted);
    json_write_int(&w, "batches_deleted", preview.batches_deleted);
    json_write_bool(&w, "complete", preview.complete);
    json_write_close(&w);
    return 0;
}

/* clang-format off */
static const struct endpoint table[] = {
    {.method = HTTP_METHOD_GET, .pattern = "/v1/retention", .handle = retention_show},
    {.method = HTTP_METHOD_PUT, .pattern = "/v1/retention", .handle = retention_set,
     .takes = TAKES_JSON, .body = &retention_fields},
    {.method = HTTP_METHOD_DELETE, .pattern = "/v1/retention", .handle = retention_unset},
    {.method = HTTP_METHOD_GET, .pattern = "/v1/retention/preview", .handle = retention_preview,
     .flags = ENDPOINT_LARGE},
};
/* clang-format on */

const struct endpoint_table retention_endpoints = ENDPOINT_TABLE(table);
