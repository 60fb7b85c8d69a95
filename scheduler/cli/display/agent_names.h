#pragma once
/* What lists show of agents and in columns. */

#include "scheduler/cli/client.h"

/* Names of agents that were seen, asked for once each. */
struct agent_names {
    struct client *client;
    struct json_object *known; /* id -> name */
};

void agent_names_init(struct agent_names *names, struct client *client);
void agent_names_deinit(struct agent_names *names);

/* The name of an agent; its id where it has none or is gone. Borrowed from the names, or from `id`.
 * Returns 0, or what client_get does. */
SUSPENDS MUSTCHECK int agent_names_find(struct agent_names *names, const char *id, struct text *out,
                                        struct error *err);

/* Prints a text in a column that is `width` characters wide. */
void print_column(struct text text, size_t width);
