#pragma once
/* The agent that a command names. */

#include "scheduler/cli/client.h"

/* Finds an agent by its slug or its name, or takes an id as it is. Returns 0 with *out_id (the
 * caller's); -E_NOT_FOUND, with the one that may have been meant, or with those that there are;
 * -E_CONFLICT when two have the name. */
SUSPENDS MUSTCHECK int find_agent(struct client *client, const char *agent, char **out_id,
                                  struct error *err);

/* The same where one may be named: NULL gives NULL. */
SUSPENDS MUSTCHECK int find_agent_if(struct client *client, const char *agent, char **out_id,
                                     struct error *err);
