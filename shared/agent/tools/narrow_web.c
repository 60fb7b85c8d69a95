/* An agent that names no domains may read all, so a request may name any; else those that one of
 * the agent's covers. A request that names none has the agent's. */

#include "shared/agent/tools/narrow_web.h"

#include "shared/base/error.h"
#include "shared/check/failure.h"
#include "shared/net/domain.h"

static size_t length_of(struct json_object *list)
{
    return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

static struct text at(struct json_object *list, size_t place)
{
    return json_string(json_object_array_get_idx(list, place));
}

static bool covered(struct json_object *list, struct text domain)
{
    for (size_t i = 0; i < length_of(list); i++)
        if (domain_covers(at(list, i), domain))
            return true;
    return false;
}

static void add_all(struct json_object *list, struct json_object *from)
{
    for (size_t i = 0; i < length_of(from); i++)
        json_object_array_add(list, json_object_get(json_object_array_get_idx(from, i)));
}

static int check_allowed(struct json_object *agents, struct json_object *said,
                         const struct path *path, struct failure *failure)
{
    struct path filters = {path, "filters", 0};
    struct path list = {&filters, "allowed_domains", 0};

    for (size_t i = 0; length_of(agents) > 0 && i < length_of(said); i++) {
        struct path item = {&list, NULL, i};

        if (!covered(agents, at(said, i)))
            return failure_set(failure, 400, &item, "not_permitted",
                               "The assistant's tool may not read '%.*s'. A run may name some of "
                               "the domains of its assistant, and no others.",
                               TEXT_ARGS(text_prefix(at(said, i), 100)));
    }
    return 0;
}

static struct json_object *filters_of(struct json_object *agents, struct json_object *said)
{
    struct json_object *out = json_object_new_object();
    struct json_object *allowed = json_object_new_array();
    struct json_object *blocked = json_object_new_array();
    struct json_object *wanted = json_get(said, "allowed_domains");

    add_all(allowed, length_of(wanted) > 0 ? wanted : json_get(agents, "allowed_domains"));
    add_all(blocked, json_get(agents, "blocked_domains"));
    add_all(blocked, json_get(said, "blocked_domains"));
    json_object_object_add(out, "allowed_domains", allowed);
    json_object_object_add(out, "blocked_domains", blocked);
    return out;
}

static void add(struct json_object *to, const char *name, struct json_object *value)
{
    if (value)
        json_object_object_add(to, name, json_object_get(value));
}

int narrow_web_tool(struct json_object *agents, struct json_object *said, const struct path *path,
                    struct json_object **out, struct failure *failure)
{
    struct json_object *agents_filters = json_get(agents, "filters");
    struct json_object *said_filters = json_get(said, "filters");
    struct json_object *size = json_get(said, "search_context_size");
    bool obeys = text_is(json_get_text(said, "robots"), "obey");
    struct path robots = {path, "robots", 0};
    int r = check_allowed(json_get(agents_filters, "allowed_domains"),
                          json_get(said_filters, "allowed_domains"), path, failure);

    if (r < 0)
        return r;
    if (text_is(json_get_text(said, "robots"), "ignore") &&
        !text_is(json_get_text(agents, "robots"), "ignore"))
        return failure_set(failure, 400, &robots, "not_permitted",
                           "The assistant's tool obeys robots.txt, and a run can't change that.");
    *out = json_object_new_object();
    add(*out, "type", json_get(agents, "type"));
    if (agents_filters || said_filters)
        json_object_object_add(*out, "filters", filters_of(agents_filters, said_filters));
    add(*out, "search_context_size", size ? size : json_get(agents, "search_context_size"));
    add(*out, "robots", json_get(obeys ? said : agents, "robots"));
    return 0;
}
