/* Bodies of requests, from bytes to checked JSON. */

#include "scheduler/api/body.h"

#include <stdio.h>

#include "providers/models/registry.h"
#include "providers/reply/embedding.h"
#include "scheduler/api/access/shares.h"
#include "scheduler/api/admit.h"
#include "scheduler/api/request.h"
#include "shared/fiber/offload.h"

/* The body as JSON, and what is wrong with it. Touches nothing but the request. */
static int decode_body(struct request *request, struct text body)
{
    struct error err;
    int r = json_decode(body, JSON_DEPTH_DEFAULT, &request->body, &err);

    if (r < 0)
        return failure_param(&request->failure, 400, NULL, NULL,
                             "We could not parse the JSON body of your request: %s. The body must "
                             "be one JSON object in UTF-8.",
                             err.text);
    r = fields_expect(FIELD_OBJECT, request->body, NULL, &request->failure);
    return r < 0 ? r
                 : fields_check(*request->endpoint->body, request->body, NULL, &request->failure);
}

struct decoding {
    struct request *request;
    struct text body;
    int result;
};

static void decode(void *arg)
{
    struct decoding *decoding = arg;

    decoding->result = decode_body(decoding->request, decoding->body);
}

static int decode_large(struct decoding *decoding)
{
    struct request *request = decoding->request;
    struct budget *readers = &request->share->readers;
    struct error err;

    if (budget_take(readers, 1, request->exchange->deadline_ms, &err) < 0)
        return request_crowded(request, &err);
    offload_large(decoding->body.len, decode, decoding);
    budget_give(readers, 1);
    return decoding->result;
}

int body_read(struct request *request)
{
    struct decoding decoding = {.request = request, .body = request->exchange->body};
    size_t max = request_body_max(request, SIZE_MAX);

    if (request->endpoint->takes == TAKES_FORM)
        return 0; /* the endpoint reads it, and knows what is too much */
    if (decoding.body.len > max)
        return failure_param(&request->failure, 413, NULL, NULL,
                             "The body of this request is larger than %zu bytes.", max);
    if (request->endpoint->takes != TAKES_JSON)
        return 0;
    if (text_trim(decoding.body).len == 0)
        decoding.body = TEXT("{}");
    if (decoding.body.len >= OFFLOAD_LARGE_BYTES)
        return decode_large(&decoding);
    return decode_body(request, decoding.body);
}

static int check_model(const struct api *api, const char *param, struct text model,
                       struct failure *failure)
{
    struct provider_target target;
    struct error err;

    if (provider_registry_resolve(api->registry, model, &target, &err) < 0)
        return failure_param(failure, 400, param, "model_not_found", "%s.", err.text);
    if (target.provider->embedding && target.provider->embedding->make)
        return failure_param(failure, 400, param, "model_not_found",
                             "The model '%.*s' makes vectors and answers nothing. Name one that "
                             "answers.",
                             TEXT_ARGS(model));
    return 0;
}

/* Where a body names a model: a member, in others. */
static const char *const model_members[][4] = {
    {"model"},
    {"budget", "fallback_model"},
    {"memory_config", "summary_model"},
    {"thread", "memory_config", "summary_model"},
    {"memories", "model"},
};

static int check_member(const struct api *api, struct json_object *body, const char *const *names,
                        struct failure *failure)
{
    char param[64] = "";
    size_t used = 0;

    for (; names[1]; names++) {
        body = json_get(body, names[0]);
        used += (size_t)snprintf(param + used, sizeof(param) - used, "%s.", names[0]);
    }
    (void)snprintf(param + used, sizeof(param) - used, "%s", names[0]);
    return json_get(body, names[0])
               ? check_model(api, param, json_get_text(body, names[0]), failure)
               : 0;
}

int body_check_models(void *arg, struct json_object *body, struct failure *failure)
{
    struct json_object *fallbacks = json_get(body, "fallbacks");
    size_t count = fallbacks ? json_object_array_length(fallbacks) : 0;
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_LENGTH(model_members); i++)
        r = check_member(arg, body, model_members[i], failure);
    for (size_t i = 0; r == 0 && i < count; i++) {
        char param[32];

        (void)snprintf(param, sizeof(param), "fallbacks[%zu]", i);
        r = check_model(arg, param, json_string(json_object_array_get_idx(fallbacks, i)), failure);
    }
    return r;
}

int request_check_model(struct request *request, const char *param, struct text model)
{
    return model.ptr ? check_model(request->api, param, model, &request->failure) : 0;
}

int request_check_models(struct request *request)
{
    return body_check_models(request->api, request->body, &request->failure);
}
