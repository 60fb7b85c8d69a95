#pragma once
/* Routes: a table of method, pattern and handler. Patterns match whole raw segments, decoded once;
 * "{…}" matches one non-empty segment, whose decoded text becomes exchange->params[n]. A literal
 * segment outranks a parameter, so /threads/runs is not /threads/{id}. */

#include "shared/http_server/http_server.h"

struct route {
    enum http_method method;
    const char *pattern; /* "/v1/threads/{thread}/runs/{run}" */
    http_handler_fn handler;
};

enum { ROUTE_NOT_FOUND = 1, ROUTE_WRONG_METHOD = 2 };

/* Finds the route and fills exchange->params. HEAD matches GET. Returns 0 with *out;
 * ROUTE_NOT_FOUND; ROUTE_WRONG_METHOD (with the methods that would match in `allow`, for the Allow
 * header: 64 bytes); or -E_INVALID for a malformed percent escape in the path. */
MUSTCHECK int route_find(const struct route *routes, size_t count, struct http_exchange *exchange,
                         const struct route **out, char allow[64], struct error *err);
