/* Calls of models for requests. */

#include "scheduler/api/openai/model_answer.h"

#include <string.h>

#include "providers/models/registry.h"
#include "providers/openai_api/call_failure.h"
#include "scheduler/api/trace.h"
#include "scheduler/gateway/gateway.h"
#include "shared/base/clock.h"
#include "shared/base/error.h"

enum { STATUS_CLIENT_GONE = 499, CROWDED_RETRY_MS = 1000 };

int model_answer_check(struct request *request, const struct text *models, size_t count)
{
    struct provider_target target;
    struct error err;

    for (size_t i = 0; i < count; i++)
        if (provider_registry_resolve(request->api->registry, models[i], &target, &err) < 0)
            return failure_param(&request->failure, 404, i == 0 ? "model" : "fallbacks",
                                 "model_not_found", "%s.%s", err.text,
                                 memchr(models[i].ptr, '/', models[i].len)
                                     ? ""
                                     : " Agents are asked at /v1/responses and /v1/threads/runs.");
    return 0;
}

int model_answer_start(struct request *request, struct model_call *call)
{
    struct failure *failure = &request->failure;

    if (!request->api->gateway)
        return failure_param(failure, 503, NULL, "service_unavailable",
                             "This server calls no models for its clients.");
    call->arena = &request->exchange->arena;
    call->tenant = request->store.tenant;
    call->rates = request->rates;
    call->traced = request_trace(request) != NULL;
    if (call->traced)
        call->trace = *request_trace(request);
    if (model_call_start(request->api->gateway, call) == MODEL_CALL_CROWDED) {
        failure_param(failure, 429, NULL, "too_many_calls",
                      "Too many calls of models are under way at once. Please try again.");
        failure->retry_after_ms = CROWDED_RETRY_MS;
        failure->retry_after_s = CROWDED_RETRY_MS / 1000;
        return -E_INVALID;
    }
    request_rest(request);
    return 0;
}

int model_answer_wait(struct request *request, const struct model_call *call, int64_t deadline_ms)
{
    struct error err;
    int r;

    if (call->over)
        return 0;
    r = http_await_wake(request->exchange, "a model's answer", deadline_ms, &err);
    return r == HTTP_PEER_GONE ? -E_CANCELED : r;
}

int model_answer_await(struct request *request, const struct model_call *call)
{
    int r = 0;

    while (r == 0 && !call->over)
        r = model_answer_wait(request, call, DEADLINE_NONE);
    if (r < 0)
        return model_answer_gone(request);
    request->exchange->deadline_ms = deadline_in(ANSWER_WRITE_MS);
    return call->answered ? 0 : call_failure(&call->failure, &request->failure);
}

int model_answer_gone(struct request *request)
{
    http_abort(request->exchange);
    return failure_param(&request->failure, STATUS_CLIENT_GONE, NULL, NULL,
                         "The client went away before the model had answered.");
}

struct text model_answer_name(struct request *request, const struct model_call *call)
{
    const char *name = arena_printf(&request->exchange->arena, "%s/%s", call->target.provider_name,
                                    call->target.model);

    return name ? text_of(name) : TEXT("");
}
