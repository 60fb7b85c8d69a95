#include "scheduler/api/hooks/hook_check.h"

#include <string.h>

#include "scheduler/outbox/hook_url.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/check/failure.h"
#include "shared/http_client/http_target.h"
#include "shared/json/json.h"
#include "shared/net/guard.h"
#include "shared/store/hooks/webhooks.h"

#define RESOLVE_MS 5000

static int refuse(struct failure *failure, const char *param, const char *host, const char *why)
{
    return failure_param(failure, 400, param, "invalid_value", "Invalid '%s': %.100s%s", param,
                         host, why);
}

SUSPENDS static int check_host(const struct guard_options *guard, const struct http_target *target,
                               const char *param, struct failure *failure)
{
    struct resolved resolved;
    struct error err;
    int r =
        guard_resolve(guard, target->host, target->port, deadline_in(RESOLVE_MS), &resolved, &err);

    if (r == -E_DENIED)
        return refuse(failure, param, target->host,
                      " has no public address, and others are not allowed here"
                      " (webhooks.private_addresses).");
    if (r == -E_NOT_FOUND)
        return refuse(failure, param, target->host, ": there is no host of this name.");
    return 0;
}

int hook_check_url(const struct guard_options *guard, struct text url, const char *param,
                   struct failure *failure)
{
    struct http_target target = {.url = NULL};
    struct error err;
    int r;

    if (strlen(url.ptr) != url.len)
        return refuse(failure, param, "", "it holds a NUL character.");
    if (http_target_parse(url.ptr, &target, &err) < 0)
        return failure_param(failure, 400, param, "invalid_value", "Invalid '%s': %s.", param,
                             err.text);
    r = check_host(guard, &target, param, failure);
    http_target_deinit(&target);
    return r;
}

int hook_check_endpoint(const struct guard_options *guard, struct text url, const char *param,
                        struct failure *failure)
{
    CLEANUP(buf_deinit) struct buf sample;
    struct text names[HOOK_URL_SECRETS_MAX];
    struct error err;
    size_t count;

    buf_init(&sample, 0);
    if (!hook_url_has_secrets(url))
        return hook_check_url(guard, url, param, failure);
    if (hook_url_read(url, names, &count, &err) < 0 ||
        hook_url_write(url, NULL, 0, &sample, &err) < 0)
        return failure_param(failure, 400, param, "invalid_value", "Invalid '%s': %s.", param,
                             err.text);
    return hook_check_url(guard, buf_text(&sample), param, failure);
}

int hook_check_of_run(void *arg, const struct store *store, struct json_object *webhook,
                      struct failure *failure)
{
    struct text endpoint = json_get_text(webhook, "endpoint");
    struct webhook found;
    struct uuid id;
    struct error err;
    int r = id_parse(ID_WEBHOOK, endpoint, &id) ? webhook_get(store, id, &found, &err)
                                                : WEBHOOK_MISSING;

    if (r == WEBHOOK_MISSING)
        return refuse(failure, "webhook.endpoint", endpoint.ptr,
                      ": there is no such webhook, whose secret would sign.");
    if (r < 0)
        return failure_from_error(failure, &err);
    if (hook_url_has_secrets(json_get_text(webhook, "url")))
        return refuse(failure, "webhook.url", "",
                      "a run may send no secrets: let a webhook of the tenant have this URL.");
    return hook_check_url(arg, json_get_text(webhook, "url"), "webhook.url", failure);
}
