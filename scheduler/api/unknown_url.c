/* Whose URL is unknown has mistyped it, has left out /v1, or asks for a part of OpenAI's API that
 * is not here. */

#include "scheduler/api/unknown_url.h"

#include <string.h>

#include "scheduler/api/request.h"

#define ANY_METHOD (-1)

static const struct {
    int method;
    const char *path; /* behind /v1/, with all that lies below it */
    const char *what;
} not_offered[] = {
    {ANY_METHOD, "audio", "audio"},
    {ANY_METHOD, "chat/completions", "stored chat completions"},
    {ANY_METHOD, "chatkit", "ChatKit"},
    {ANY_METHOD, "completions", "completions of a bare text. Ask /v1/chat/completions"},
    {ANY_METHOD, "containers", "containers"},
    {ANY_METHOD, "evals", "evaluations"},
    {ANY_METHOD, "fine_tuning", "fine-tuning"},
    {ANY_METHOD, "images", "images"},
    {HTTP_METHOD_DELETE, "models", "the deletion of models: they are those of its configuration"},
    {ANY_METHOD, "moderations", "moderations"},
    {ANY_METHOD, "organization/costs", "costs of an organization. Ask /v1/usage"},
    {ANY_METHOD, "organization/usage", "usage of an organization. Ask /v1/usage"},
    {ANY_METHOD, "organization", "the administration of organizations"},
    {ANY_METHOD, "projects", "the administration of projects"},
    {ANY_METHOD, "realtime", "realtime sessions"},
    {ANY_METHOD, "skills", "skills"},
    {ANY_METHOD, "vector_stores", "vector stores"},
    {ANY_METHOD, "videos", "videos"},
};

/* The first part of a path, without slashes. */
static struct text first_part(struct text path)
{
    struct text rest;

    if (text_starts(path, "/"))
        path = (struct text){path.ptr + 1, path.len - 1};
    (void)text_cut(path, '/', &path, &rest);
    return path;
}

static struct text behind_v1(struct text path)
{
    return text_starts(path, "/v1/") ? (struct text){path.ptr + 3, path.len - 3} : TEXT_NONE;
}

static bool is_below(struct text path, const char *of)
{
    size_t len = strlen(of);

    return text_starts(path, of) && (path.len == len || path.ptr[len] == '/');
}

/* NULL: it is not known to be of OpenAI's API. */
static const char *find_not_offered(enum http_method method, struct text path)
{
    path = behind_v1(path);
    if (path.len == 0)
        return NULL;
    path = (struct text){path.ptr + 1, path.len - 1};
    for (size_t i = 0; i < ARRAY_LENGTH(not_offered); i++)
        if ((not_offered[i].method == ANY_METHOD || not_offered[i].method == (int)method) &&
            is_below(path, not_offered[i].path))
            return not_offered[i].what;
    return NULL;
}

/* Would something be served if /v1 stood before it? */
static bool lacks_v1(const struct endpoints *endpoints, struct text path)
{
    struct text part = first_part(path);

    for (size_t i = 0; part.len > 0 && i < endpoints->count; i++)
        if (text_equal(part, first_part(behind_v1(text_of(endpoints->items[i]->pattern)))))
            return true;
    return false;
}

int refuse_unknown_url(struct request *request)
{
    struct text path = request->exchange->path;
    const char *method = http_method_name(request->exchange->method);
    const char *what = find_not_offered(request->exchange->method, path);
    char shown[160];

    text_excerpt(path, shown, sizeof(shown));
    if (what)
        return failure_param(&request->failure, 404, NULL, "unknown_url",
                             "Unknown request URL: %s %s. Penstock does not offer %s.", method,
                             shown, what);
    if (lacks_v1(&request->api->endpoints, path))
        return failure_param(&request->failure, 404, NULL, "unknown_url",
                             "Unknown request URL: %s %s. Did you mean /v1%s? The base URL of a "
                             "client ends in /v1.",
                             method, shown, shown);
    return failure_param(&request->failure, 404, NULL, "unknown_url",
                         "Unknown request URL: %s %s. Please check the URL for typos; "
                         "GET /v1/openapi.json lists what is served.",
                         method, shown);
}

int refuse_method(struct request *request, const char *allow)
{
    struct http_exchange *exchange = request->exchange;
    const char *what = find_not_offered(exchange->method, exchange->path);
    char shown[160];

    text_excerpt(exchange->path, shown, sizeof(shown));
    http_add_header(exchange, "Allow", text_of(allow));
    return failure_param(
        &request->failure, 405, NULL, "method_not_supported",
        "Not allowed to %s on %s. Allowed: %s.%s%s%s", http_method_name(exchange->method), shown,
        allow, what ? " Penstock does not offer " : "", what ? what : "", what ? "." : "");
}
