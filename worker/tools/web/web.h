#pragma once
/* What the tools that read the web share in a worker: the search engines of the operator, what
 * sites' robots.txt say, and how many pages are read at once. Process lifetime. */

#include "shared/base/compiler.h"
#include "shared/fiber/cond.h"
#include "shared/net/domain.h"
#include "worker/tools/web/robots_cache.h"

struct arena;
struct config_search_engine;
struct error;
struct json_object;
struct limits;
struct redis;

#define WEB_PAGES_AT_ONCE 16 /* of a worker; each may take some megabytes */

/* Whose word on robots.txt counts. */
enum web_robots { WEB_ROBOTS_OBEY, WEB_ROBOTS_AGENT, WEB_ROBOTS_IGNORE };

struct web_options {
    const struct config_search_engine *engines; /* in their order; they outlive it */
    size_t engine_count;
    const char *robots;  /* "obey", "agent" or "ignore" */
    struct redis *redis; /* of limits that workers share; outlives it */
};

struct web {
    struct web_options options;
    enum web_robots robots;
    struct limits *limits;
    char **keys; /* of the engines */
    struct robots_cache cache;
    size_t pages;
    struct cond freed;
};

/* Reads the keys of the engines. Returns 0, or what is wrong with a file of one. */
MUSTCHECK int web_new(const struct web_options *options, struct web **out, struct error *err);
void web_free(struct web *web); /* accepts NULL */

/* How many workers share the limits of engines. */
void web_set_workers(struct web *web, int64_t workers);

/* What an agent says of a tool of the web. */
struct web_tool {
    bool reads_pages; /* read_page; else web_search */
    struct domain_rules rules;
    bool ignores_robots; /* where the operator leaves that to agents */
    bool obeys_robots;   /* whatever the operator says */
    int count;           /* of results, unless the model says */
};

/* From a member of a spec's `tools`, into the arena. Returns 0, -E_INVALID or -E_LIMIT. */
MUSTCHECK int web_tool_read(struct json_object *item, struct arena *arena, struct web_tool *out,
                            struct error *err);
