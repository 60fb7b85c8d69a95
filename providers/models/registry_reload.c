/* From one registry to the next, and what differs between the two. */

#include "providers/models/registry_reload.h"

#include <stdlib.h>
#include <string.h>

#include "providers/models/registry.h"
#include "shared/base/memory.h"
#include "shared/config/config.h"

/* The entries of a list by their names, which differ. */
struct entry {
    const char *name;
    unsigned at;
};

struct entries {
    const struct config *config;
    struct entry *items;
    unsigned count;
};

/* A list of the configuration: what it is made of, and whether entry `i` of one says the same as
 * entry `j` of another. */
struct kind {
    const char *name;
    unsigned (*count)(const struct config *config);
    const char *(*name_of)(const struct config *config, unsigned i);
    bool (*equal)(const struct config *one, unsigned i, const struct config *other, unsigned j);
};

static unsigned providers_count(const struct config *config)
{
    return config->providers_count;
}

static const char *provider_name(const struct config *config, unsigned i)
{
    return config->providers[i].name;
}

static bool providers_equal(const struct config *one, unsigned i, const struct config *other,
                            unsigned j)
{
    return config_provider_equal(&one->providers[i], &other->providers[j]);
}

static unsigned models_count(const struct config *config)
{
    return config->models_count;
}

static const char *model_name(const struct config *config, unsigned i)
{
    return config->models[i].name;
}

static bool models_equal(const struct config *one, unsigned i, const struct config *other,
                         unsigned j)
{
    return config_model_equal(&one->models[i], &other->models[j]);
}

static const struct kind kinds[] = {
    {"provider", providers_count, provider_name, providers_equal},
    {"model", models_count, model_name, models_equal},
};

static int by_name(const void *one, const void *other)
{
    return strcmp(((const struct entry *)one)->name, ((const struct entry *)other)->name);
}

static struct entries sorted(const struct kind *kind, const struct config *config)
{
    struct entries entries = {config, NULL, kind->count(config)};

    entries.items = xcalloc(entries.count + 1, sizeof(*entries.items));
    for (unsigned i = 0; i < entries.count; i++)
        entries.items[i] = (struct entry){kind->name_of(config, i), i};
    qsort(entries.items, entries.count, sizeof(*entries.items), by_name);
    return entries;
}

/* The order of entry i of one list and entry j of another; the end of a list comes last. */
static int compare(const struct entries *one, unsigned i, const struct entries *other, unsigned j)
{
    if (i == one->count || j == other->count)
        return i < one->count ? -1 : 1;
    return strcmp(one->items[i].name, other->items[j].name);
}

static void tell(struct buf *out, const struct kind *kind, const char *name, const char *what)
{
    buf_printf(out, "%s%s %s %s", out->len > 0 ? ", " : "", kind->name, name, what);
}

static void tell_changes(const struct kind *kind, const struct entries *before,
                         const struct entries *after, struct buf *out)
{
    unsigned i = 0;
    unsigned j = 0;

    while (i < before->count || j < after->count) {
        int order = compare(before, i, after, j);

        if (order < 0)
            tell(out, kind, before->items[i].name, "removed");
        else if (order > 0)
            tell(out, kind, after->items[j].name, "added");
        else if (!kind->equal(before->config, before->items[i].at, after->config,
                              after->items[j].at))
            tell(out, kind, after->items[j].name, "changed");
        i += order <= 0;
        j += order >= 0;
    }
}

static void tell_kind(const struct kind *kind, const struct config *before,
                      const struct config *after, struct buf *out)
{
    struct entries old = sorted(kind, before);
    struct entries new = sorted(kind, after);

    tell_changes(kind, &old, &new, out);
    free(old.items);
    free(new.items);
}

static const char *default_of(const struct config *config)
{
    return config->default_provider ? config->default_provider : "";
}

static void tell_words(const struct config *before, const struct config *after, struct buf *out)
{
    const char *separator = out->len > 0 ? ", " : "";

    if (strcmp(default_of(before), default_of(after)) != 0) {
        buf_printf(out, "%sdefault_provider", separator);
        separator = ", ";
    }
    if (strcmp(registry_embedding_model(before), registry_embedding_model(after)) != 0)
        buf_printf(out, "%smemory.embedding_model", separator);
}

int provider_registry_reload(struct provider_registry **current, struct config *config,
                             struct buf *changed, struct error *err)
{
    const struct config *before = provider_registry_config(*current);
    struct provider_registry *made = NULL;
    int r = provider_registry_new(config, &made, err);

    if (r < 0)
        return r;
    provider_registry_own(made, config);
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++)
        tell_kind(&kinds[i], before, config, changed);
    tell_words(before, config, changed);
    provider_registry_free(*current);
    *current = made;
    return 0;
}
