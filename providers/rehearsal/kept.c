/* Stored responses, in the order in which they came. There are few: they are looked for one by
 * one. */

#include "providers/rehearsal/kept.h"

#include <stdlib.h>

#include "shared/base/memory.h"

struct response {
    struct list link;
    char *id;
    char *key; /* NULL: none */
    char *items;
    size_t items_bytes;
};

void kept_init(struct kept *kept)
{
    *kept = (struct kept){.count = 0};
    list_init(&kept->all);
}

static void drop(struct kept *kept, struct response *response)
{
    list_remove(&response->link);
    kept->count--;
    kept->bytes -= response->items_bytes;
    free(response->id);
    free(response->key);
    free(response->items);
    free(response);
}

static struct response *oldest(const struct kept *kept)
{
    return CONTAINER_OF(kept->all.next, struct response, link);
}

void kept_deinit(struct kept *kept)
{
    while (kept->count > 0)
        drop(kept, oldest(kept));
}

void kept_add(struct kept *kept, struct text key, struct text id, struct text items)
{
    struct response *response = xcalloc(1, sizeof(*response));

    response->id = xstrndup(id.ptr, id.len);
    response->key = key.ptr ? xstrndup(key.ptr, key.len) : NULL;
    response->items = xstrndup(items.ptr, items.len);
    response->items_bytes = items.len;
    list_add(&kept->all, &response->link);
    kept->count++;
    kept->bytes += items.len;
    while (kept->count > KEPT_MAX || kept->bytes > KEPT_BYTES_MAX)
        drop(kept, oldest(kept));
}

static struct response *find(const struct kept *kept, struct text key, struct text id)
{
    const struct list *at;

    for (at = kept->all.prev; at != &kept->all; at = at->prev) {
        struct response *response = CONTAINER_OF(at, struct response, link);

        if (text_is(id, response->id) && text_equal(key, text_of(response->key)))
            return response;
    }
    return NULL;
}

struct text kept_find(const struct kept *kept, struct text key, struct text id)
{
    const struct response *response = find(kept, key, id);

    return response ? (struct text){response->items, response->items_bytes} : TEXT_NONE;
}

bool kept_delete(struct kept *kept, struct text key, struct text id)
{
    struct response *response = find(kept, key, id);

    if (response)
        drop(kept, response);
    return response != NULL;
}
