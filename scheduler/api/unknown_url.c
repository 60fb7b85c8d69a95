/* Whose URL is unknown has mistyped it, has left out /v1, or asks for a part of OpenAI's API that
 * is not here. */

#include "scheduler/api/unknown_url.h"

#include "scheduler/api/request.h"

static const struct {
    const char *name; /* of the first part behind /v1 */
    const char *what;
} not_offered[] = {
    {"audio", "audio"},
    {"batches", "batches of requests (the command `penstock batch run` works through a file)"},
    {"chat", "stored chat completions"},
    {"completions", "completions: it runs assistants on threads, in the background"},
    {"evals", "evaluations"},
    {"fine_tuning", "fine-tuning"},
    {"images", "images"},
    {"models", "a list of models: the models are those of its providers"},
    {"moderations", "moderations"},
    {"realtime", "realtime sessions"},
    {"vector_stores", "vector stores"},
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

static const char *find_not_offered(struct text path)
{
    struct text part = first_part(behind_v1(path));

    for (size_t i = 0; i < ARRAY_LENGTH(not_offered); i++)
        if (text_is(part, not_offered[i].name))
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
    const char *what = find_not_offered(path);
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
                         "docs/openapi.yaml of Penstock's sources lists what is served.",
                         method, shown);
}
