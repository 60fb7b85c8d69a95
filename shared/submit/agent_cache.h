#pragma once
/* Specs of assistants that runs were made from lately, so that making a run costs one query.
 *
 * At most AGENT_CACHE_MAX, the least recently used make room; specs over AGENT_CACHE_SPEC_MAX bytes
 * are not kept, nor read by the way. A cached spec is never trusted alone: runs_create refuses one
 * whose version is not the latest any more (AGENT_MISSING), and the caller then forgets it and asks
 * again.
 */

#include "shared/agent/spec.h"
#include "shared/base/compiler.h"
#include "shared/base/id.h"

struct agent_cache;
struct error;
struct store;

#define AGENT_CACHE_MAX      1024
#define AGENT_CACHE_SPEC_MAX SMALL_BYTES_MAX

struct agent_cache *agent_cache_new(void);
void agent_cache_free(struct agent_cache *cache); /* accepts NULL */

struct agent_template {
    int64_t version;
    size_t bytes; /* of the spec as it is stored */
    struct agent_spec spec;
};

/* Returns 0 with *out, whose texts live in store->arena; AGENT_MISSING; AGENT_LARGE with out->bytes
 * alone: agent_template_read reads it; or what the store failed with. */
SUSPENDS MUSTCHECK int agent_cache_find(struct agent_cache *cache, const struct store *store,
                                        struct uuid id, struct agent_template *out,
                                        struct error *err);

/* The same past the cache, whatever the size. */
SUSPENDS MUSTCHECK int agent_template_read(const struct store *store, struct uuid id,
                                           struct agent_template *out, struct error *err);

void agent_cache_forget(struct agent_cache *cache, struct uuid tenant, struct uuid id);

/* The id of the assistant that has a slug. It may have got another one since: then its spec, found
 * by that id, says so, or is not the latest any more. Returns 0, AGENT_MISSING, or what the store
 * failed with. */
SUSPENDS MUSTCHECK int agent_cache_resolve(struct agent_cache *cache, const struct store *store,
                                           struct text slug, struct uuid *out, struct error *err);
void agent_cache_forget_slug(struct agent_cache *cache, struct uuid tenant, struct text slug);
