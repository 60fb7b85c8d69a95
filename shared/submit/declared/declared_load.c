#include "shared/submit/declared/declared_load.h"

#include "shared/agent/spec.h"
#include "shared/store/tools/tools.h"

#define NAMES_MAX 256 /* of an agent and of a request, 128 each */

/* For who named one that is not there. */
static int load_names(const struct store *store, struct declared_tools *out, struct error *err)
{
    struct text *names;
    const char **list;
    size_t count;
    int r = tools_names(store, &names, &count, err);

    if (r < 0)
        return r;
    list = arena_calloc(store->arena, count + 1, sizeof(*list));
    if (!list)
        return error_set(err, E_LIMIT, "no room for the names of tools");
    for (size_t i = 0; i < count; i++)
        list[i] = arena_copy(store->arena, names[i]);
    out->names = list;
    out->names_count = count;
    return 0;
}

static bool is_found(const struct declared_tools *tools, struct text name)
{
    for (size_t i = 0; i < tools->count; i++)
        if (text_equal(tools->items[i].name, name))
            return true;
    return false;
}

int declared_load(const struct store *store, struct text tools, struct json_object *said,
                  struct declared_tools *out, struct error *err)
{
    struct text names[NAMES_MAX];
    size_t count = declared_names(tools, names, NAMES_MAX / 2);
    struct stored_tool_list found;
    struct declared_tool *items;
    int r;

    *out = (struct declared_tools){.count = 0};
    if (said)
        count += declared_names(json_text(said), &names[count], NAMES_MAX - count);
    if (count == 0)
        return 0;
    r = tools_named(store, names, count, &found, err);
    if (r < 0)
        return r;
    items = arena_calloc(store->arena, found.count + 1, sizeof(*items));
    if (!items)
        return error_set(err, E_LIMIT, "no room for the tools of an assistant");
    for (size_t i = 0; i < found.count; i++)
        items[i] = (struct declared_tool){found.items[i].name, found.items[i].definition,
                                          found.items[i].secrets};
    *out = (struct declared_tools){.items = items, .count = found.count};
    for (size_t i = 0; i < count; i++)
        if (!is_found(out, names[i]))
            return load_names(store, out, err);
    return 0;
}
