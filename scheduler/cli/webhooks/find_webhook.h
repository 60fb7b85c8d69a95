#pragma once
/* Webhooks as people name them. */

#include "scheduler/cli/client.h"

/* The id of a webhook that is named by its id, its name, or the beginning of its URL. *out is the
 * caller's to free. Returns 0; -E_NOT_FOUND; -E_INVALID where it may be several; or what client_get
 * does. */
SUSPENDS MUSTCHECK int find_webhook(struct client *client, const char *word, char **out,
                                    struct error *err);
