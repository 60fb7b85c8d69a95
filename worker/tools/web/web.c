/* What tools of the web share, and what an agent says of one. */

#include "worker/tools/web/web.h"

#include <stdlib.h>

#include <json-c/json.h>

#include "shared/base/arena.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/config/config.h"
#include "shared/json/json.h"
#include "shared/limits/limits.h"

#define COUNT_DEFAULT 5
#define COUNT_LOW     3
#define COUNT_HIGH    10

int web_new(const struct web_options *options, struct web **out, struct error *err)
{
    struct web *web = xcalloc(1, sizeof(*web));
    int r = 0;

    web->options = *options;
    web->robots = strcmp(options->robots, "ignore") == 0  ? WEB_ROBOTS_IGNORE
                  : strcmp(options->robots, "agent") == 0 ? WEB_ROBOTS_AGENT
                                                          : WEB_ROBOTS_OBEY;
    web->keys = xcalloc(options->engine_count + 1, sizeof(*web->keys));
    web->limits = options->redis ? limits_new(options->redis) : NULL;
    robots_cache_init(&web->cache);
    cond_init(&web->freed);
    for (size_t i = 0; r == 0 && i < options->engine_count; i++)
        r = config_search_key(&options->engines[i], &web->keys[i], err);
    if (r == 0)
        *out = web;
    else
        web_free(web);
    return r;
}

void web_free(struct web *web)
{
    if (!web)
        return;
    robots_cache_deinit(&web->cache);
    if (web->limits)
        limits_free(web->limits);
    for (size_t i = 0; i < web->options.engine_count; i++) {
        if (web->keys[i])
            explicit_bzero(web->keys[i], strlen(web->keys[i]));
        free(web->keys[i]);
    }
    free(web->keys);
    free(web);
}

void web_set_workers(struct web *web, int64_t workers)
{
    if (web->limits)
        limits_set_workers(web->limits, workers);
}

/* ---- what an agent says ---- */

static int read_domains(struct json_object *list, struct arena *arena, const struct text **out,
                        size_t *out_count, struct error *err)
{
    size_t count = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
    struct text *domains = count ? arena_calloc(arena, count, sizeof(*domains)) : NULL;

    for (size_t i = 0; i < count; i++) {
        struct text domain = json_string(json_object_array_get_idx(list, i));
        char *copy = domains && domain.ptr ? arena_copy(arena, domain) : NULL;

        if (!copy)
            return error_set(err, E_INVALID, "a domain of a tool is none, or there is no room");
        domains[i] = (struct text){copy, domain.len};
    }
    *out = domains;
    *out_count = count;
    return 0;
}

int web_tool_read(struct json_object *item, struct arena *arena, struct web_tool *out,
                  struct error *err)
{
    struct json_object *filters = json_get(item, "filters");
    struct text size = json_get_text(item, "search_context_size");
    int r;

    *out = (struct web_tool){
        .reads_pages = text_is(json_get_text(item, "type"), "read_page"),
        .ignores_robots = text_is(json_get_text(item, "robots"), "ignore"),
        .obeys_robots = text_is(json_get_text(item, "robots"), "obey"),
        .count = text_is(size, "low")    ? COUNT_LOW
                 : text_is(size, "high") ? COUNT_HIGH
                                         : COUNT_DEFAULT,
    };
    r = read_domains(json_get(filters, "allowed_domains"), arena, &out->rules.allowed,
                     &out->rules.allowed_count, err);
    if (r < 0)
        return r;
    return read_domains(json_get(filters, "blocked_domains"), arena, &out->rules.blocked,
                        &out->rules.blocked_count, err);
}
