/* A file that is not there (4xx) forbids nothing. One that can't be had, since the server fails,
 * is not reached, or redirects to where nobody may go, forbids all, for a minute. */

#include "worker/tools/web/page_robots.h"

#include <stdio.h>
#include <stdlib.h>

#include "shared/base/clock.h"
#include "shared/base/error.h"
#include "shared/base/memory.h"
#include "shared/fiber/offload.h"
#include "worker/tools/web/hops.h"
#include "worker/tools/web/web.h"

#define ORIGIN_SIZE (HTTP_TARGET_HOST_SIZE + 24)

/* "https://host:443", IPv6 in brackets. */
static void write_origin(const struct http_target *target, char out[ORIGIN_SIZE])
{
    bool secure = text_starts(text_of(target->url), "https://");
    bool six = strchr(target->host, ':') != NULL;

    (void)snprintf(out, ORIGIN_SIZE, "%s://%s%s%s:%d", secure ? "https" : "http", six ? "[" : "",
                   target->host, six ? "]" : "", target->port);
}

/* What is behind the host, with its query. */
static struct text path_of(const char *url)
{
    const char *host = strstr(url, "://");
    const char *path = host ? strpbrk(host + 3, "/?") : NULL;

    return path && *path == '/' ? text_of(path) : TEXT("/");
}

struct parsing {
    struct text file;
    struct robots robots;
};

static void parse(void *arg)
{
    struct parsing *parsing = arg;

    robots_parse(parsing->file, &parsing->robots);
}

/* Returns 0 with *out and *out_forbidden; -E_CANCELED; or what is wrong with the address of the
 * page, which is not the fault of its robots.txt. */
static int fetch(const struct page_robots *ask, const struct http_target *target,
                 const char *origin, struct robots *out, bool *out_forbidden, struct error *err)
{
    const struct hops hops = {
        .http = ask->http,
        .guard = ask->guard,
        .accept = "text/plain,*/*;q=0.5",
        .deadline_ms = ask->deadline_ms,
        .max_bytes = ROBOTS_BYTES_MAX,
    };
    struct hops_reply *reply = xcalloc(1, sizeof(*reply));
    struct parsing parsing = {.file = TEXT_NONE};
    char url[ORIGIN_SIZE + 16];
    struct resolved found;
    int status = 0;
    int r = hops_find_addresses(&hops, target, &found, err);

    if (r < 0) {
        free(reply);
        return r;
    }

    (void)snprintf(url, sizeof(url), "%s/robots.txt", origin);
    r = hops_get(&hops, url, reply, err);
    if (r == 0) {
        status = reply->response.status;
        parsing.file = status / 100 == 2 ? reply->response.body : TEXT_NONE;
        offload_large(parsing.file.len, parse, &parsing);
        http_response_deinit(&reply->response);
    }
    free(reply);
    *out = parsing.robots;
    *out_forbidden = status / 100 != 2 && status / 100 != 4;
    return r == -E_CANCELED ? r : 0;
}

int page_robots_check(const struct page_robots *ask, const struct http_target *target,
                      struct error *err)
{
    struct robots_cache *cache = &ask->web->cache;
    const struct robots_entry *known;
    char origin[ORIGIN_SIZE];
    struct text name;

    write_origin(target, origin);
    name = text_of(origin);
    known = robots_cache_find(cache, name, clock_ms());
    if (!known) {
        struct robots robots;
        bool forbidden;
        int r = fetch(ask, target, origin, &robots, &forbidden, err);

        if (r < 0)
            return r;
        known = robots_cache_add(cache, name, &robots, forbidden, clock_ms());
    }
    if (known->forbidden)
        return error_set(err, E_DENIED,
                         "robots.txt of %.100s could not be read, so nothing of it may be: try "
                         "again later",
                         target->host);
    if (!robots_allow(&known->robots, path_of(target->url)))
        return error_set(err, E_DENIED, "robots.txt of %.100s asks programs not to read this page",
                         target->host);
    return 0;
}
