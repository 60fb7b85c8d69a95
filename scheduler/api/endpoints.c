/* The list of all endpoints. */

#include "scheduler/api/endpoints.h"

#include <stdlib.h>

#include "shared/base/memory.h"

void endpoints_init(struct endpoints *endpoints, const struct endpoint_table *const *tables,
                    size_t count)
{
    size_t at = 0;

    *endpoints = (struct endpoints){.count = 0};
    for (size_t i = 0; i < count; i++)
        endpoints->count += tables[i]->count;
    endpoints->items = xcalloc(endpoints->count, sizeof(*endpoints->items));
    endpoints->routes = xcalloc(endpoints->count, sizeof(*endpoints->routes));
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < tables[i]->count; k++) {
            const struct endpoint *endpoint = &tables[i]->items[k];

            ASSERT((endpoint->takes == TAKES_JSON) == (endpoint->body != NULL));
            endpoints->items[at] = endpoint;
            endpoints->routes[at++] = (struct route){endpoint->method, endpoint->pattern, NULL};
        }
    }
    endpoints->router = router_new(endpoints->routes, endpoints->count);
}

void endpoints_deinit(struct endpoints *endpoints)
{
    router_free(endpoints->router);
    free(endpoints->routes);
    free(endpoints->items);
    *endpoints = (struct endpoints){.count = 0};
}

int endpoints_find(const struct endpoints *endpoints, struct http_exchange *exchange, size_t *out,
                   char allow[64], struct error *err)
{
    const struct route *route;
    int r = router_find(endpoints->router, exchange, &route, allow, err);

    if (r == 0)
        *out = (size_t)(route - endpoints->routes);
    return r;
}
