#include "scheduler/api/openai/batch_line.h"

#include <stdio.h>

#include "providers/openai_api/chat_request.h"
#include "scheduler/api/openai/chat_bodies.h"
#include "scheduler/api/openai/responses/response_bodies.h"
#include "shared/base/error.h"
#include "shared/submit/submit.h"

#define LINES_MAX_CALLS 50000
#define LINES_MAX_RUNS  1000000

static int check_no_stream(struct json_object *body, struct failure *failure)
{
    if (!json_get_bool(body, "stream", false))
        return 0;
    return failure_param(failure, 400, "stream", "invalid_value",
                         "Invalid 'stream': a line of a batch has one answer, in the output file.");
}

/* As it will be read: what of messages no table says is found out here. */
static int check_completion(struct json_object *body, struct failure *failure)
{
    struct arena arena;
    struct chat_ask ask;
    struct error err;
    int r = fields_check(body_chat_completion, body, NULL, failure);

    if (r == 0)
        r = check_no_stream(body, failure);
    if (r < 0)
        return r;
    arena_init(&arena, 0);
    if (chat_request_read(body, &arena, &ask, &err) < 0)
        r = failure_param(failure, 400, "messages", "invalid_value", "Invalid 'messages': %s.",
                          err.text);
    arena_deinit(&arena);
    return r;
}

static int check_embedding(struct json_object *body, struct failure *failure)
{
    return fields_check(body_embedding, body, NULL, failure);
}

static int check_run(struct json_object *body, struct failure *failure)
{
    int r = submission_check(body, true, failure);

    return r < 0 ? r : check_no_stream(body, failure);
}

static int check_response(struct json_object *body, struct failure *failure)
{
    int r = fields_check(body_response, body, NULL, failure);

    return r < 0 ? r : check_no_stream(body, failure);
}

static const struct batch_endpoint endpoints[] = {
    {"/v1/chat/completions", "completion", false, LINES_MAX_CALLS, check_completion},
    {"/v1/embeddings", "embedding", false, LINES_MAX_CALLS, check_embedding},
    {"/v1/responses", NULL, true, LINES_MAX_CALLS, check_response},
    {"/v1/threads/runs", NULL, false, LINES_MAX_RUNS, check_run},
};

const char *const batch_endpoint_urls[] = {"/v1/chat/completions", "/v1/embeddings",
                                           "/v1/responses", "/v1/threads/runs", NULL};
_Static_assert(ARRAY_LENGTH(endpoints) + 1 == ARRAY_LENGTH(batch_endpoint_urls), "the same");

const struct batch_endpoint *batch_endpoint_find(struct text url)
{
    for (size_t i = 0; i < ARRAY_LENGTH(endpoints); i++)
        if (text_is(url, endpoints[i].url))
            return &endpoints[i];
    return NULL;
}

static int fault_set(struct batch_fault *fault, const char *code, const char *param,
                     const char *format, ...) PRINTF(4, 5);

static int fault_set(struct batch_fault *fault, const char *code, const char *param,
                     const char *format, ...)
{
    va_list args;

    fault->code = code;
    fault->param = param;
    va_start(args, format);
    (void)vsnprintf(fault->message, sizeof(fault->message), format, args);
    va_end(args);
    return -E_INVALID;
}

static int missing(struct batch_fault *fault, const char *param)
{
    return fault_set(fault, "missing_required_parameter", param,
                     "Missing required parameter: '%s'.", param);
}

static int check_url(struct text url, const struct batch_endpoint *endpoint,
                     struct batch_fault *fault)
{
    char shown[100];

    if (text_is(url, endpoint->url))
        return 0;
    text_excerpt(url, shown, sizeof(shown));
    return fault_set(fault, "url_mismatch", "url",
                     "The URL provided for this request ('%s') does not match the batch endpoint "
                     "('%s').",
                     shown, endpoint->url);
}

static int check_custom_id(struct text id, struct batch_fault *fault)
{
    if (!id.ptr || id.len == 0)
        return missing(fault, "custom_id");
    if (text_characters(id) <= BATCH_CUSTOM_ID_MAX)
        return 0;
    return fault_set(fault, "invalid_custom_id", "custom_id",
                     "The 'custom_id' is longer than %d characters.", BATCH_CUSTOM_ID_MAX);
}

int batch_line_read(struct text text, const struct batch_endpoint *endpoint, struct batch_ask *out,
                    struct batch_fault *fault)
{
    struct batch_ask ask = {.line = NULL};
    struct text method;
    struct error err;
    int r = json_decode(text, JSON_DEPTH_DEFAULT * 2, &ask.line, &err);

    *out = ask;
    if (r < 0 || !json_object_is_type(ask.line, json_type_object))
        return fault_set(fault, "invalid_json_line", NULL,
                         "This line is not parseable as valid JSON%s%s.", r < 0 ? ": " : " object",
                         r < 0 ? err.text : "");
    ask.custom_id = json_get_text(ask.line, "custom_id");
    r = check_custom_id(ask.custom_id, fault);
    if (r < 0)
        return r;
    method = json_get_text(ask.line, "method");
    if (!method.ptr)
        return missing(fault, "method");
    if (!text_is(method, "POST"))
        return fault_set(fault, "invalid_method", "method", "The method of a line must be 'POST'.");
    if (!json_get_text(ask.line, "url").ptr)
        return missing(fault, "url");
    r = check_url(json_get_text(ask.line, "url"), endpoint, fault);
    if (r < 0)
        return r;
    ask.body = json_get(ask.line, "body");
    *out = ask;
    if (!ask.body || !json_object_is_type(ask.body, json_type_object))
        return missing(fault, "body");
    return 0;
}
