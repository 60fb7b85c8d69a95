#include "scheduler/api/hooks/hook_common.h"

#include <stdio.h>
#include <string.h>

#include "scheduler/api/listing.h"
#include "scheduler/api/trace.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/log.h"
#include "shared/hooks/hook_types.h"
#include "shared/store/hooks/outbox.h"

#define HINT_CHARS 4

/* ---- what is given ---- */

static void list_types(char *out, size_t size)
{
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < hook_types_count && len < size; i++)
        len += (size_t)snprintf(out + len, size - len, "%s'%s'", i > 0 ? ", " : "",
                                hook_types[i].name);
}

static int check_filter(struct json_object *value, const struct path *path, struct failure *failure)
{
    struct text filter = json_string(value);
    char types[640];
    char shown[HOOK_TYPE_MAX + 1];

    if (fields_expect(FIELD_STRING, value, path, failure) < 0)
        return -E_INVALID;
    if (hook_filter_fits(filter))
        return 0;
    list_types(types, sizeof(types));
    text_excerpt(filter, shown, sizeof(shown));
    return failure_set(failure, 400, path, "invalid_value",
                       "Invalid value: '%s'. Supported values are: '*', families such as 'run.*', "
                       "%s.",
                       shown, types);
}

int hook_check_filters(struct json_object *value, const struct path *path, struct failure *failure)
{
    return fields_each(value, path, check_filter, failure);
}

/* ---- what is done ---- */

SUSPENDS static int find(struct request *request, struct uuid id, struct text name,
                         struct webhook *out)
{
    struct error err;
    int r = webhook_get(&request->store, id, out, &err);

    if (r == WEBHOOK_MISSING)
        return request_missing(request, "webhook", name);
    return r < 0 ? request_failed(request, &err) : 0;
}

int hook_of_path(struct request *request, enum id_kind kind, struct webhook *out)
{
    struct uuid id;
    int r = request_id(request, 0, kind, "webhook", &id);

    return r < 0 ? r : find(request, id, request->exchange->params[0], out);
}

/* Runs that are under way notify from now on, as many as one step marks; the outbox goes on. */
SUSPENDS static void mark_runs(struct request *request)
{
    struct error err;
    bool more;

    if (outbox_mark(request->store.pg, &more, &err) < 0)
        log_info("runs are marked later", LOG_ERROR(&err));
}

static int no_room(struct request *request)
{
    return failure_param(&request->failure, 400, NULL, "webhooks_full",
                         "There are %d webhooks, which is as many as there may be. Delete one, or "
                         "let one be told of more.",
                         WEBHOOKS_MAX);
}

int hook_create(struct request *request, struct webhook *webhook, struct webhook *out)
{
    struct error err;
    int r = hook_check_endpoint(request->api->hook_guard, webhook->url, "url", &request->failure);

    if (r < 0)
        return r;
    webhook->id = request->object;
    webhook->secret.len = HOOK_SECRET_BYTES;
    random_bytes(webhook->secret.bytes, HOOK_SECRET_BYTES);
    r = request->replaying ? webhook_get(&request->store, webhook->id, out, &err) : WEBHOOK_MISSING;
    request->found = r == 0;
    if (r == WEBHOOK_MISSING) {
        r = webhook_create(&request->store, webhook, out, &err);
        if (r == WEBHOOKS_FULL)
            return no_room(request);
        if (r == 0)
            mark_runs(request);
    }
    return r < 0 ? request_failed(request, &err) : r;
}

int hook_update(struct request *request, const struct webhook *webhook, struct webhook *out)
{
    struct error err;
    int r = webhook_update(&request->store, webhook, out, &err);

    if (r == WEBHOOK_MISSING)
        return request_missing(request, "webhook", request->exchange->params[0]);
    return r < 0 ? request_failed(request, &err) : 0;
}

int hook_rotate(struct request *request, struct uuid id, int64_t keep_ms, struct webhook *out)
{
    struct hook_secret secret = {.len = HOOK_SECRET_BYTES};
    struct error err;
    int r;

    random_bytes(secret.bytes, HOOK_SECRET_BYTES);
    r = webhook_rotate(&request->store, id, &secret, keep_ms, out, &err);
    if (r == WEBHOOK_MISSING)
        return request_missing(request, "webhook", request->exchange->params[0]);
    return r < 0 ? request_failed(request, &err) : 0;
}

int hook_delete(struct request *request, enum id_kind kind, const char *object)
{
    struct uuid id;
    struct error err;
    int r = request_id(request, 0, kind, "webhook", &id);

    if (r < 0)
        return r;
    r = webhook_delete(&request->store, id, &err);
    if (r == WEBHOOK_MISSING)
        return request_missing(request, "webhook", request->exchange->params[0]);
    if (r < 0)
        return request_failed(request, &err);
    request_tell_deleted(request, kind, id, object);
    return 0;
}

int hook_show(struct request *request, enum id_kind kind, hook_write_fn *write)
{
    struct webhook webhook;
    int r = hook_of_path(request, kind, &webhook);

    if (r == 0)
        write(&webhook, false, &request->reply);
    return r;
}

int hook_list(struct request *request, enum id_kind kind, hook_write_fn *write)
{
    struct webhook_list webhooks;
    struct listing page;
    struct error err;
    int r = listing_begin(&page, request, kind);

    if (r < 0)
        return r;
    r = webhook_list(&request->store, &page.page, &webhooks, &err);
    if (r < 0)
        return request_failed(request, &err);
    for (size_t i = 0; i < webhooks.count; i++) {
        listing_add(&page, webhooks.items[i].id);
        write(&webhooks.items[i], false, &request->reply);
    }
    listing_end(&page, webhooks.has_more);
    return 0;
}

int hook_try(struct request *request, const struct webhook *webhook, struct text type,
             struct hook_reply *out)
{
    CLEANUP(buf_deinit) struct buf body;
    struct uuid event = uuid_new();
    char name[ID_TEXT_SIZE];
    const char *sample = hook_sample(type);
    const struct hook_event what = {event, type, clock_wall_ms() / 1000, text_of(sample),
                                    TEXT_NONE};
    struct hook_message message = {
        .url = webhook->url.ptr,
        .vault = {request->store.pg, request->api->master_keys, request->store.tenant},
        .secret = &webhook->secret,
        .previous = &webhook->previous,
        .id = name};
    int r;

    message.trace = (struct hook_trace){request->api->tracer, request_trace(request), type, 0};

    buf_init(&body, 0);
    if (!sample)
        return failure_param(&request->failure, 400, "type", "invalid_value",
                             "Invalid 'type': there is no event of this type.");
    if (!request->api->hooks)
        return failure_param(&request->failure, 503, NULL, NULL,
                             "Webhooks can't be sent from here.");
    id_format(ID_EVENT, event, name);
    hook_body_write(&what, &body);
    message.body = buf_text(&body);
    request_rest(request);
    hook_send(request->api->hooks, request->api->hook_guard, &message, out);
    r = request_go_on(request);
    if (r < 0)
        buf_deinit(&out->answer);
    return r;
}

void hook_hint(const struct hook_secret *secret, char out[HOOK_HINT_SIZE])
{
    char text[HOOK_SECRET_SIZE];
    size_t len;

    hook_secret_format(secret, text);
    len = strlen(text);
    while (len > 0 && text[len - 1] == '=')
        text[--len] = '\0';
    snprintf(out, HOOK_HINT_SIZE, "whsec_…%s", len > HINT_CHARS ? text + len - HINT_CHARS : "");
}
