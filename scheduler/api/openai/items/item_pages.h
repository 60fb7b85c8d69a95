#pragma once
/* Pages of items, from pages of messages. */

#include "scheduler/api/listing.h"
#include "scheduler/api/openai/items/items.h"

/* The query of such a list, for the table of its endpoint. */
extern const char *const item_pages_query[];

/* The list of the items of a thread, or of what came with a run of it (zero: all), is the reply.
 * `missing` is a function that fills the failure where the thread is not there. Returns 0, or
 * -E_INVALID with request->failure. */
SUSPENDS MUSTCHECK int item_pages_show(struct request *request, struct uuid thread,
                                       struct uuid came_with, int (*missing)(struct request *));

/* The reply becomes the list of these messages of a thread, all of them, oldest first. */
MUSTCHECK int item_pages_show_all(struct request *request, const struct message *messages,
                                  size_t count);
