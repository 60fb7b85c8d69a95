/* What the endpoints share: failures of the store, ids in paths, members of bodies and queries. */

#include "scheduler/api/request.h"

#include <inttypes.h>
#include <string.h>

#include "shared/agent/checks.h"
#include "shared/agent/memory.h"
#include "shared/base/error.h"
#include "shared/store/agents/agents.h"

int request_failed(struct request *request, const struct error *err)
{
    return failure_from_error(&request->failure, err);
}

int request_missing(struct request *request, const char *what, struct text id)
{
    return failure_missing(&request->failure, what, id);
}

void request_tell_deleted(struct request *request, enum id_kind kind, struct uuid id,
                          const char *object)
{
    char text[ID_TEXT_SIZE];

    id_format(kind, id, text);
    buf_add_string(&request->reply, "{\"id\":");
    buf_add_json_string(&request->reply, text);
    buf_add_string(&request->reply, ",\"object\":");
    buf_add_json_string(&request->reply, object);
    buf_add_string(&request->reply, ",\"deleted\":true}");
}

int request_check_ticket(struct request *request, struct uuid thread)
{
    if (uuid_is_zero(request->ticket_thread) || uuid_equal(request->ticket_thread, thread))
        return 0;
    return failure_param(&request->failure, 403, NULL, "ticket_of_another_thread",
                         "The ticket was made for another thread.");
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

int request_query_word(struct request *request, const char *name, const char *const *words,
                       struct text *out)
{
    struct path path = {NULL, name, 0};

    *out = http_query_get(request->exchange, name, 0);
    return out->ptr ? fields_word(*out, words, &path, &request->failure) : 0;
}

int request_query_int(struct request *request, const char *name, int64_t min, int64_t max,
                      int64_t *out)
{
    struct text text = http_query_get(request->exchange, name, 0);
    int64_t value;
    char shown[32];

    if (!text.ptr)
        return 0;
    if (text_to_int(text, &value) && value >= min && value <= max) {
        *out = value;
        return 0;
    }
    text_excerpt(text, shown, sizeof(shown));
    return failure_param(&request->failure, 400, name, "invalid_value",
                         "Invalid '%s': expected an integer of %" PRId64 " to %" PRId64
                         ", but got '%s'.",
                         name, min, max, shown);
}

int request_query_time(struct request *request, const char *name, int64_t *out)
{
    struct text text = http_query_get(request->exchange, name, 0);
    int64_t value;
    char shown[32];

    if (!text.ptr)
        return 0;
    if (text_to_int(text, &value) && value >= 0 && value <= REQUEST_TIME_MAX) {
        *out = value;
        return 0;
    }
    text_excerpt(text, shown, sizeof(shown));
    return failure_param(&request->failure, 400, name, "invalid_value",
                         "Invalid '%s': expected unix seconds, 0 to %" PRId64 ", but got '%s'.",
                         name, REQUEST_TIME_MAX, shown);
}

int request_query_user(struct request *request, const char *name, struct text *out)
{
    struct path path = {NULL, name, 0};

    *out = http_query_get(request->exchange, name, 0);
    return out->ptr ? memory_name_check(*out, USER_ID_MAX, &path, &request->failure) : 0;
}

static int too_large(struct request *request)
{
    struct error err;

    (void)error_set(&err, E_LIMIT, "the query is too large");
    return request_failed(request, &err);
}

static int said_twice(struct request *request, struct text name)
{
    char shown[80];

    text_excerpt(name, shown, sizeof(shown));
    return failure_param(&request->failure, 400, shown, "invalid_value",
                         "The query says '%s' twice. Say it once: it has one value there.", shown);
}

int request_query_metadata(struct request *request, struct text *out)
{
    struct http_exchange *exchange = request->exchange;
    CLEANUP(json_freep) struct json_object *object = json_object_new_object();
    struct text rest = exchange->query;
    struct text name;

    *out = TEXT_NONE;
    while (http_query_next(exchange, &rest, &name)) {
        struct text key = {name.ptr + strlen("metadata["), name.len - strlen("metadata[]")};
        const char *whole;
        const char *said;
        struct text value;

        if (!text_starts(name, "metadata[") || !text_ends(name, "]"))
            continue;
        whole = arena_copy(&exchange->arena, name);
        said = arena_copy(&exchange->arena, key);
        if (!whole || !said)
            return too_large(request);
        if (json_has(object, said))
            return said_twice(request, name);
        value = http_query_get(exchange, whole, 0);
        json_object_object_add(object, said, json_object_new_string_len(value.ptr, (int)value.len));
    }
    if (json_object_object_length(object) == 0)
        return 0;
    *out = json_text(object);
    out->ptr = arena_copy(&exchange->arena, *out);
    return out->ptr ? 0 : too_large(request);
}

int request_if_match(struct request *request, int64_t least, const char *what, int64_t *out)
{
    struct text said = text_trim(http_header_get(request->exchange, "if-match"));

    *out = -1;
    if (said.len == 0 || text_is(said, "*"))
        return 0;
    if (said.len >= 2 && said.ptr[0] == '"' && text_ends(said, "\""))
        said = (struct text){said.ptr + 1, said.len - 2};
    if (text_to_int(said, out) && *out >= least)
        return 0;
    return failure_param(&request->failure, 400, "If-Match", "invalid_value",
                         "Invalid If-Match: expected %s, such as \"3\".", what);
}
