#pragma once
/* Schedules as people name them. */

#include "scheduler/cli/client.h"

/* The id of a schedule that is named by its id or its name. *out is the caller's to free. Returns
 * 0; -E_NOT_FOUND; or what client_get does. */
SUSPENDS MUSTCHECK int find_schedule(struct client *client, const char *word, char **out,
                                     struct error *err);
