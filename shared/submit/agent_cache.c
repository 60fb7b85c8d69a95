/* The cache of assistants' specs. Entries are found by tenant and id, so that the id of another
 * tenant's assistant finds nothing; texts are copied out into the request's arena, so that an entry
 * may go while a request that found it still waits. */

#include "shared/submit/agent_cache.h"

#include <stdlib.h>

#include "shared/agent/checks.h"
#include "shared/base/lru.h"
#include "shared/base/memory.h"
#include "shared/store/agents/agents.h"
#include "shared/submit/spec_load.h"

struct agent_key {
    struct uuid tenant;
    struct uuid id;
};

struct cached_agent {
    struct lru_entry entry;
    struct agent_key key;
    struct agent_template template;
    struct arena arena;
};

/* A slug, and whose it was. */
struct cached_slug {
    struct lru_entry entry;
    struct uuid tenant;
    struct uuid id;
    char slug[SLUG_MAX + 1];
};

struct slug_key {
    struct uuid tenant;
    struct text slug;
};

struct agent_cache {
    struct lru agents;
    struct lru slugs;
};

static bool matches(const struct lru_entry *entry, const void *arg)
{
    const struct cached_agent *agent = CONTAINER_OF(entry, struct cached_agent, entry);
    const struct agent_key *key = arg;

    return uuid_equal(agent->key.id, key->id) && uuid_equal(agent->key.tenant, key->tenant);
}

static void drop(struct lru_entry *entry)
{
    struct cached_agent *agent = CONTAINER_OF(entry, struct cached_agent, entry);

    arena_deinit(&agent->arena);
    free(agent);
}

static bool matches_slug(const struct lru_entry *entry, const void *arg)
{
    const struct cached_slug *cached = CONTAINER_OF(entry, struct cached_slug, entry);
    const struct slug_key *key = arg;

    return text_is(key->slug, cached->slug) && uuid_equal(cached->tenant, key->tenant);
}

static void drop_slug(struct lru_entry *entry)
{
    free(CONTAINER_OF(entry, struct cached_slug, entry));
}

struct agent_cache *agent_cache_new(void)
{
    struct agent_cache *cache = xcalloc(1, sizeof(*cache));

    lru_init(&cache->agents, AGENT_CACHE_MAX, matches, drop);
    lru_init(&cache->slugs, AGENT_CACHE_MAX, matches_slug, drop_slug);
    return cache;
}

void agent_cache_free(struct agent_cache *cache)
{
    if (!cache)
        return;
    lru_deinit(&cache->agents);
    lru_deinit(&cache->slugs);
    free(cache);
}

static uint64_t hash_of(struct uuid id)
{
    return lru_hash_bytes(id.bytes, sizeof(id.bytes));
}

static struct cached_agent *find(struct agent_cache *cache, struct uuid tenant, struct uuid id)
{
    struct agent_key key = {tenant, id};
    struct lru_entry *entry = lru_find(&cache->agents, hash_of(id), &key);

    return entry ? CONTAINER_OF(entry, struct cached_agent, entry) : NULL;
}

static bool copy_spec(const struct agent_spec *spec, struct arena *arena, struct agent_spec *out)
{
    for (size_t i = 0; i < SPEC_MEMBER_COUNT; i++) {
        out->members[i] = spec->members[i];
        if (!spec->members[i].ptr)
            continue;
        out->members[i].ptr = arena_copy(arena, spec->members[i]);
        if (!out->members[i].ptr)
            return false;
    }
    return true;
}

void agent_cache_forget(struct agent_cache *cache, struct uuid tenant, struct uuid id)
{
    struct cached_agent *agent = find(cache, tenant, id);

    if (agent)
        lru_remove(&cache->agents, &agent->entry);
}

static struct cached_slug *find_slug(struct agent_cache *cache, struct uuid tenant,
                                     struct text slug)
{
    const struct slug_key key = {tenant, slug};
    struct lru_entry *entry = lru_find(&cache->slugs, text_hash(slug), &key);

    return entry ? CONTAINER_OF(entry, struct cached_slug, entry) : NULL;
}

void agent_cache_forget_slug(struct agent_cache *cache, struct uuid tenant, struct text slug)
{
    struct cached_slug *cached = find_slug(cache, tenant, slug);

    if (cached)
        lru_remove(&cache->slugs, &cached->entry);
}

int agent_cache_resolve(struct agent_cache *cache, const struct store *store, struct text slug,
                        struct uuid *out, struct error *err)
{
    struct cached_slug *cached = find_slug(cache, store->tenant, slug);
    int r;

    if (cached) {
        *out = cached->id;
        return 0;
    }
    r = agents_find(store, slug, out, err);
    if (r != 0 || slug.len > SLUG_MAX)
        return r;
    agent_cache_forget_slug(cache, store->tenant, slug); /* another may have asked meanwhile */
    cached = xcalloc(1, sizeof(*cached));
    cached->tenant = store->tenant;
    cached->id = *out;
    memcpy(cached->slug, slug.ptr, slug.len);
    lru_add(&cache->slugs, text_hash(slug), &cached->entry);
    return 0;
}

static void insert(struct agent_cache *cache, const struct store *store, struct uuid id,
                   const struct agent_template *template)
{
    const struct cached_agent *there = find(cache, store->tenant, id);
    struct cached_agent *agent;

    if (there && there->template.version > template->version)
        return; /* somebody read a later one while we waited for this one */
    agent = xcalloc(1, sizeof(*agent));
    agent->key = (struct agent_key){store->tenant, id};
    agent->template.version = template->version;
    agent->template.bytes = template->bytes;
    arena_init(&agent->arena, 2 * AGENT_CACHE_SPEC_MAX);
    agent_cache_forget(cache, store->tenant, id);
    if (copy_spec(&template->spec, &agent->arena, &agent->template.spec))
        lru_add(&cache->agents, hash_of(id), &agent->entry);
    else
        drop(&agent->entry);
}

int agent_template_read(const struct store *store, struct uuid id, struct agent_template *out,
                        struct error *err)
{
    struct agent_template found;
    struct agent agent;
    int r = agents_get(store, id, &agent, err);

    if (r == 0)
        r = agent_spec_load(agent.spec, store->arena, &found.spec, err);
    if (r != 0)
        return r;
    found.version = agent.version;
    found.bytes = agent.spec.len;
    *out = found;
    return 0;
}

int agent_cache_find(struct agent_cache *cache, const struct store *store, struct uuid id,
                     struct agent_template *out, struct error *err)
{
    struct cached_agent *cached = find(cache, store->tenant, id);
    struct agent_template found;
    struct agent agent;
    int r;

    if (cached) {
        out->version = cached->template.version;
        out->bytes = cached->template.bytes;
        if (!copy_spec(&cached->template.spec, store->arena, &out->spec))
            return error_set(err, E_LIMIT, "no room for the spec of an assistant");
        return 0;
    }
    r = agents_look(store, id, &agent, &found.bytes, err);
    if (r == AGENT_LARGE)
        out->bytes = found.bytes;
    if (r != 0)
        return r;
    r = agent_spec_parse(agent.spec, store->arena, &found.spec, err);
    if (r < 0)
        return r;
    found.version = agent.version;
    insert(cache, store, id, &found);
    *out = found;
    return 0;
}
