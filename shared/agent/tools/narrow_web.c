/* An agent that names no domains may read all, so a request may name any; else those that one of
 * the agent's covers. A request that names none has the agent's. */

#include "shared/agent/tools/narrow_web.h"

#include "shared/base/error.h"
#include "shared/check/failure.h"
#include "shared/json/json_write.h"
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

static void write_list(struct json_write *write, struct json_object *list)
{
    for (size_t i = 0; i < length_of(list); i++)
        json_write_text(write, NULL, at(list, i));
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

static void write_filters(struct json_write *write, struct json_object *agents,
                          struct json_object *said)
{
    struct json_object *allowed = json_get(said, "allowed_domains");

    if (length_of(allowed) == 0)
        allowed = json_get(agents, "allowed_domains");
    json_write_open_object(write, "filters");
    json_write_open_array(write, "allowed_domains");
    write_list(write, allowed);
    json_write_close(write);
    json_write_open_array(write, "blocked_domains");
    write_list(write, json_get(agents, "blocked_domains"));
    write_list(write, json_get(said, "blocked_domains"));
    json_write_close(write);
    json_write_close(write);
}

/* The stricter of the two. */
static struct text robots_of(struct json_object *agents, struct json_object *said)
{
    return json_get_text(text_is(json_get_text(said, "robots"), "obey") ? said : agents, "robots");
}

int narrow_web_tool(struct json_write *write, struct json_object *agents, struct json_object *said,
                    const struct path *path, struct failure *failure)
{
    struct json_object *agents_filters = json_get(agents, "filters");
    struct json_object *said_filters = json_get(said, "filters");
    struct text size = json_get_text(said, "search_context_size");
    struct path robots = {path, "robots", 0};
    int r = check_allowed(json_get(agents_filters, "allowed_domains"),
                          json_get(said_filters, "allowed_domains"), path, failure);

    if (r < 0)
        return r;
    if (text_is(json_get_text(said, "robots"), "ignore") &&
        !text_is(json_get_text(agents, "robots"), "ignore"))
        return failure_set(failure, 400, &robots, "not_permitted",
                           "The assistant's tool obeys robots.txt, and a run can't change that.");
    if (!size.ptr)
        size = json_get_text(agents, "search_context_size");
    json_write_open_object(write, NULL);
    json_write_text(write, "type", json_get_text(agents, "type"));
    if (agents_filters || said_filters)
        write_filters(write, agents_filters, said_filters);
    if (size.ptr)
        json_write_text(write, "search_context_size", size);
    if (robots_of(agents, said).ptr)
        json_write_text(write, "robots", robots_of(agents, said));
    json_write_close(write);
    return 0;
}
