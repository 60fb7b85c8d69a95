/* Routes.
 *
 * The path is cut at its slashes as received, and each segment is decoded once, so that %2F stays
 * inside its segment. First the best pattern is found, whatever its method: at the first segment
 * where two matching patterns differ the literal one wins. Then a route of that pattern (or of one
 * that has literals in the same places) is sought with the method. So GET /threads/runs is "wrong
 * method" beside POST /threads/runs, and not thread "runs" of GET /threads/{id}.
 */

#include "shared/http_server/router.h"

#include "shared/base/error.h"

#define SEGMENTS_MAX 16

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

/* Whether the pattern matches; *literals has a bit for each literal segment, the first the highest,
 * so that the greater number is the better match. */
static bool matches(const char *pattern, const struct segments *path, unsigned *literals)
{
    struct text rest = text_of(pattern + 1);
    unsigned bits = 0;

    for (size_t i = 0; i < path->count; i++) {
        struct text want;

        if (!rest.ptr)
            return false;
        want = next_segment(&rest);
        if (is_param(want)) {
            if (path->items[i].len == 0)
                return false;
        } else if (text_equal(want, path->items[i])) {
            bits |= 1U << (SEGMENTS_MAX - 1 - i);
        } else {
            return false;
        }
    }
    if (rest.ptr)
        return false;
    *literals = bits;
    return true;
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

static void write_allow(unsigned methods, char allow[64])
{
    size_t len = 0;

    if (methods & 1U << HTTP_METHOD_GET)
        methods |= 1U << HTTP_METHOD_HEAD;
    for (int method = HTTP_METHOD_GET; method <= HTTP_METHOD_OPTIONS; method++) {
        struct text name = text_of(http_method_name((enum http_method)method));

        if (!(methods & 1U << method))
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

/* The better of two routes of one pattern for this method; NULL is none. */
static const struct route *choose(const struct route *have, const struct route *route,
                                  enum http_method method)
{
    if (route->method == method && (!have || have->method != method))
        return route;
    if (!have && method == HTTP_METHOD_HEAD && route->method == HTTP_METHOD_GET)
        return route;
    return have;
}

int route_find(const struct route *routes, size_t count, struct http_exchange *exchange,
               const struct route **out, char allow[64], struct error *err)
{
    const struct route *found = NULL;
    struct segments path;
    unsigned methods = 0;
    unsigned best = 0;
    int r = split_path(exchange, &path, err);

    if (r != 0)
        return r;
    for (size_t i = 0; i < count; i++) {
        unsigned literals;

        ASSERT(routes[i].pattern[0] == '/');
        if (!matches(routes[i].pattern, &path, &literals) || (methods != 0 && literals < best))
            continue;
        if (literals > best) {
            found = NULL;
            methods = 0;
        }
        best = literals;
        methods |= 1U << routes[i].method;
        found = choose(found, &routes[i], exchange->method);
    }
    if (methods == 0)
        return ROUTE_NOT_FOUND;
    if (!found) {
        write_allow(methods, allow);
        return ROUTE_WRONG_METHOD;
    }
    fill_params(found, &path, exchange);
    *out = found;
    return 0;
}
