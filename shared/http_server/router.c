/* Routes.
 *
 * A node of the tree stands for a place in the path: which literal segments may follow there,
 * which parameter, and the routes that end there, one a method. The path is cut at its slashes
 * as received, and each segment is decoded once, so that %2F stays inside its segment. Looking
 * up tries the literal segment first and the parameter where that leads nowhere, so at the first
 * segment where two matching patterns differ the literal one wins, whatever the method. The
 * method counts at the end only: GET /threads/runs is "wrong method" beside POST /threads/runs,
 * and not thread "runs" of GET /threads/{id}.
 */

#include "shared/http_server/router.h"

#include <stdlib.h>

#include "shared/base/error.h"
#include "shared/base/memory.h"

#define SEGMENTS_MAX 16
#define METHODS      (HTTP_METHOD_OPTIONS + 1)

struct node {
    struct text segment;    /* of the pattern */
    struct node *siblings;  /* the next literal of the same parent */
    struct node *literals;  /* what may follow */
    struct node *parameter; /* the same, for any segment that is not empty; NULL: none */
    const struct route *routes[METHODS];
    bool ends; /* a route does here */
};

struct router {
    struct node root;
};

struct segments {
    struct text items[SEGMENTS_MAX]; /* decoded */
    size_t count;
};

/* Returns 0, ROUTE_NOT_FOUND for more segments than any pattern has, -E_INVALID or -E_LIMIT. */
static int split_path(struct http_exchange *exchange, struct segments *out, struct error *err)
{
    struct text rest = exchange->path;

    out->count = 0;
    if (rest.len == 0 || rest.ptr[0] != '/')
        return ROUTE_NOT_FOUND;
    rest = (struct text){rest.ptr + 1, rest.len - 1};
    for (;;) {
        struct text segment;
        bool more = text_cut(rest, '/', &segment, &rest);

        if (!more)
            segment = rest;
        if (out->count == SEGMENTS_MAX)
            return ROUTE_NOT_FOUND;
        if (segment.len > 0 && memchr(segment.ptr, '%', segment.len) &&
            !http_decode(&exchange->arena, segment, false, &segment))
            return error_set(err, E_INVALID,
                             "path has a malformed percent escape: write a byte as %%XX, not %%00");
        out->items[out->count++] = segment;
        if (!more)
            return 0;
    }
}

static bool is_param(struct text segment)
{
    return segment.len > 0 && segment.ptr[0] == '{';
}

static struct text next_segment(struct text *pattern)
{
    struct text segment;

    if (!text_cut(*pattern, '/', &segment, pattern)) {
        segment = *pattern;
        *pattern = TEXT_NONE;
    }
    return segment;
}

static struct node *child_of(struct node *node, struct text segment)
{
    struct node *child;

    if (is_param(segment)) {
        if (!node->parameter)
            node->parameter = xcalloc(1, sizeof(*node));
        return node->parameter;
    }
    for (child = node->literals; child; child = child->siblings)
        if (text_equal(child->segment, segment))
            return child;
    child = xcalloc(1, sizeof(*child));
    child->segment = segment;
    child->siblings = node->literals;
    node->literals = child;
    return child;
}

struct router *router_new(const struct route *routes, size_t count)
{
    struct router *router = xcalloc(1, sizeof(*router));

    for (size_t i = 0; i < count; i++) {
        struct node *node = &router->root;
        struct text rest = text_of(routes[i].pattern + 1);

        ASSERT(routes[i].pattern[0] == '/');
        while (rest.ptr)
            node = child_of(node, next_segment(&rest));
        ASSERT(!node->routes[routes[i].method]);
        node->routes[routes[i].method] = &routes[i];
        node->ends = true;
    }
    return router;
}

/* As deep as the longest pattern. */
static void free_children(struct node *node)
{
    while (node->literals) {
        struct node *child = node->literals;

        node->literals = child->siblings;
        free_children(child);
        free(child);
    }
    if (node->parameter) {
        free_children(node->parameter);
        free(node->parameter);
    }
}

void router_free(struct router *router)
{
    if (!router)
        return;
    free_children(&router->root);
    free(router);
}

/* The node where the rest of the path ends, from segment number `at` on; NULL: none. No deeper than
 * the longest pattern. */
static const struct node *descend(const struct node *node, const struct segments *path, size_t at)
{
    const struct node *found = NULL;

    if (at == path->count)
        return node->ends ? node : NULL;
    for (const struct node *child = node->literals; child; child = child->siblings) {
        if (text_equal(child->segment, path->items[at])) {
            found = descend(child, path, at + 1);
            break;
        }
    }
    if (!found && node->parameter && path->items[at].len > 0)
        found = descend(node->parameter, path, at + 1);
    return found;
}

static void fill_params(const struct route *route, const struct segments *path,
                        struct http_exchange *exchange)
{
    struct text rest = text_of(route->pattern + 1);
    size_t count = 0;

    for (size_t i = 0; i < path->count; i++) {
        if (!is_param(next_segment(&rest)))
            continue;
        ASSERT(count < HTTP_PATH_PARAMS_MAX);
        exchange->params[count++] = path->items[i];
    }
}

static void write_allow(const struct node *node, char allow[64])
{
    size_t len = 0;

    for (int method = HTTP_METHOD_GET; method < METHODS; method++) {
        struct text name = text_of(http_method_name((enum http_method)method));

        if (!node->routes[method] && !(method == HTTP_METHOD_HEAD && node->routes[HTTP_METHOD_GET]))
            continue;
        if (len > 0) {
            allow[len++] = ',';
            allow[len++] = ' ';
        }
        memcpy(allow + len, name.ptr, name.len);
        len += name.len;
    }
    allow[len] = '\0';
}

int router_find(const struct router *router, struct http_exchange *exchange,
                const struct route **out, char allow[64], struct error *err)
{
    const struct route *route;
    const struct node *node;
    struct segments path;
    int r = split_path(exchange, &path, err);

    if (r != 0)
        return r;
    node = descend(&router->root, &path, 0);
    if (!node)
        return ROUTE_NOT_FOUND;
    route = node->routes[exchange->method];
    if (!route && exchange->method == HTTP_METHOD_HEAD)
        route = node->routes[HTTP_METHOD_GET];
    if (!route) {
        write_allow(node, allow);
        return ROUTE_WRONG_METHOD;
    }
    fill_params(route, &path, exchange);
    *out = route;
    return 0;
}
