/* The cache of assistants' specs. Entries are found by tenant and id, so that the id of another
 * tenant's assistant finds nothing; texts are copied out into the request's arena, so that an entry
 * may go while a request that found it still waits. */

#include "shared/submit/agent_cache.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/list.h"
#include "shared/base/memory.h"
#include "shared/store/agents/agents.h"

enum { BUCKETS = 1024 };

struct cached_agent {
    struct list bucket;
    struct list use;
    struct uuid tenant;
    struct uuid id;
    struct agent_template template;
    struct arena arena;
};

struct agent_cache {
    struct list buckets[BUCKETS];
    struct list uses; /* least recently used first */
    size_t count;
};

struct agent_cache *agent_cache_new(void)
{
    struct agent_cache *cache = xcalloc(1, sizeof(*cache));

    for (size_t i = 0; i < BUCKETS; i++)
        list_init(&cache->buckets[i]);
    list_init(&cache->uses);
    return cache;
}

static void drop(struct agent_cache *cache, struct cached_agent *agent)
{
    list_remove(&agent->bucket);
    list_remove(&agent->use);
    arena_deinit(&agent->arena);
    free(agent);
    cache->count--;
}

void agent_cache_free(struct agent_cache *cache)
{
    if (!cache)
        return;
    while (!list_empty(&cache->uses))
        drop(cache, CONTAINER_OF(cache->uses.next, struct cached_agent, use));
    free(cache);
}

/* The last bytes of an id are random. */
static struct list *bucket_of(struct agent_cache *cache, struct uuid id)
{
    return &cache->buckets[(id.bytes[15] | id.bytes[14] << 8) % BUCKETS];
}

static struct cached_agent *find(struct agent_cache *cache, struct uuid tenant, struct uuid id)
{
    list_for_each (item, bucket_of(cache, id)) {
        struct cached_agent *agent = CONTAINER_OF(item, struct cached_agent, bucket);

        if (uuid_equal(agent->id, id) && uuid_equal(agent->tenant, tenant))
            return agent;
    }
    return NULL;
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
        drop(cache, agent);
}

static void insert(struct agent_cache *cache, const struct store *store, struct uuid id,
                   const struct agent_template *template)
{
    struct cached_agent *agent;

    agent_cache_forget(cache, store->tenant, id);
    if (cache->count == AGENT_CACHE_MAX)
        drop(cache, CONTAINER_OF(cache->uses.next, struct cached_agent, use));
    agent = xcalloc(1, sizeof(*agent));
    agent->tenant = store->tenant;
    agent->id = id;
    agent->template.version = template->version;
    arena_init(&agent->arena, 2 * AGENT_CACHE_SPEC_MAX);
    list_add(bucket_of(cache, id), &agent->bucket);
    list_add(&cache->uses, &agent->use);
    cache->count++;
    if (!copy_spec(&template->spec, &agent->arena, &agent->template.spec))
        drop(cache, agent);
}

int agent_cache_find(struct agent_cache *cache, const struct store *store, struct uuid id,
                     bool fresh, struct agent_template *out, struct error *err)
{
    struct cached_agent *cached = fresh ? NULL : find(cache, store->tenant, id);
    struct agent_template found;
    struct agent agent;
    int r;

    if (cached) {
        list_remove(&cached->use);
        list_add(&cache->uses, &cached->use);
        out->version = cached->template.version;
        if (!copy_spec(&cached->template.spec, store->arena, &out->spec))
            return error_set(err, E_LIMIT, "no room for the spec of an assistant");
        return 0;
    }
    r = agents_get(store, id, &agent, err);
    if (r != 0)
        return r;
    r = agent_spec_parse(agent.spec, store->arena, &found.spec, err);
    if (r < 0)
        return r;
    found.version = agent.version;
    if (agent.spec.len <= AGENT_CACHE_SPEC_MAX)
        insert(cache, store, id, &found);
    *out = found;
    return 0;
}
