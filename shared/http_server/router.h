#pragma once
/* Routes: a table of methods and patterns, made into a tree by segments when the server starts, so
 * that finding one costs as many steps as the path has segments, whatever the number of routes.
 *
 * Patterns match whole raw segments, decoded once; "{…}" matches one non-empty segment, whose
 * decoded text becomes exchange->params[n]. A literal segment outranks a parameter, so
 * /threads/runs is not /threads/{id}. */

#include "shared/http_server/http_server.h"

struct router;

struct route {
    enum http_method method;
    const char *pattern;     /* "/v1/threads/{thread}/runs/{run}" */
    http_handler_fn handler; /* for who asks by the route; the router does not look at it */
};

/* The routes are borrowed and must outlive the router. Two of one method and pattern, and patterns
 * that do not begin with a slash, are programmer errors. Owns: router_free. */
struct router *router_new(const struct route *routes, size_t count);
void router_free(struct router *router); /* accepts NULL */

enum { ROUTE_NOT_FOUND = 1, ROUTE_WRONG_METHOD = 2 };

/* Finds the route and fills exchange->params. HEAD matches GET. Returns 0 with *out, one of the
 * routes given; ROUTE_NOT_FOUND; ROUTE_WRONG_METHOD (with the methods that would match in `allow`,
 * for the Allow header: 64 bytes); or -E_INVALID for a malformed percent escape in the path. */
MUSTCHECK int router_find(const struct router *router, struct http_exchange *exchange,
                          const struct route **out, char allow[64], struct error *err);
