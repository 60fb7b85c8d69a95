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

static int find_agent(const struct request *request, struct text said, enum agent_sought sought,
                      struct uuid *out, struct error *err)
{
    if (!id_parse(ID_ASSISTANT, said, out))
        return slug_fits(said) ? agents_find(&request->store, said, out, err) : AGENT_MISSING;
    if (sought == AGENT_AS_SAID && !uuid_is_zero(*out))
        return 0;
    return agents_exists(&request->store, *out, sought == AGENT_EVER, err);
}

int request_agent(struct request *request, const char *param, struct text said,
                  enum agent_sought sought, struct uuid *out)
{
    struct error err;
    int r;

    *out = (struct uuid){{0}};
    if (!said.ptr)
        return 0;
    if (said.len == 0)
        return failure_param(&request->failure, 400, param, "invalid_value",
                             "Invalid '%s': it is empty, and no assistant has such a name. Say its "
                             "id or slug, or leave '%s' out.",
                             param, param);
    r = find_agent(request, said, sought, out, &err);
    if (r == AGENT_MISSING)
        return request_missing(request, "assistant", said);
    return r < 0 ? request_failed(request, &err) : 0;
}

int request_query_agent(struct request *request, const char *param, enum agent_sought sought,
                        struct uuid *out)
{
    return request_agent(request, param, http_query_get(request->exchange, param, 0), sought, out);
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
