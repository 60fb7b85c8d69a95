/* What the endpoints share: failures of the store, ids in paths, members of bodies. */

#include "scheduler/api/request.h"
#include "shared/agent/checks.h"
#include "shared/store/agents/agents.h"

int request_failed(struct request *request, const struct error *err)
{
    return failure_from_error(&request->failure, err);
}

int request_missing(struct request *request, const char *what, struct text id)
{
    return failure_missing(&request->failure, what, id);
}

int request_agent(struct request *request, struct text said, struct uuid *out)
{
    struct error err;
    int r;

    *out = (struct uuid){{0}};
    if (said.len == 0)
        return 0;
    r = submitter_find_agent(request->api->submitter, &request->store, said, out, &err);
    if (r == AGENT_MISSING)
        return request_missing(request, "assistant", said);
    return r < 0 ? request_failed(request, &err) : 0;
}

int request_agent_filter(struct request *request, struct text said, struct uuid *out)
{
    struct error err;
    int r;

    *out = (struct uuid){{0}};
    if (said.len == 0)
        return 0;
    if (id_parse(ID_ASSISTANT, said, out) && !uuid_is_zero(*out))
        return 0;
    r = slug_fits(said) ? agents_find(&request->store, said, out, &err) : AGENT_MISSING;
    if (r == AGENT_MISSING)
        return request_missing(request, "assistant", said);
    return r < 0 ? request_failed(request, &err) : 0;
}

int request_id(struct request *request, size_t index, enum id_kind kind, const char *what,
               struct uuid *out)
{
    struct text text = request->exchange->params[index];

    if (id_parse(kind, text, out))
        return 0;
    return request_missing(request, what, text);
}

int request_cursor_missing(struct request *request)
{
    const char *name = http_query_get(request->exchange, "after", 0).len ? "after" : "before";
    char shown[64];

    text_excerpt(http_query_get(request->exchange, name, 0), shown, sizeof(shown));
    return failure_param(&request->failure, 400, name, "invalid_value",
                         "Invalid '%s': '%s' is not in this list.", name, shown);
}

struct text request_json(struct request *request, const char *name)
{
    struct json_object *value = json_get(request->body, name);

    return value ? json_text(value) : TEXT_NONE;
}
