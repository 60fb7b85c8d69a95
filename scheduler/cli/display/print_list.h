#pragma once
/* Lists as commands print them: a row for each element, or, with --json, the element as it is. */

#include "scheduler/cli/client.h"
#include "scheduler/cli/options.h"

struct print_list {
    const struct arguments *args; /* of a command with --json */
    /* Prints the line above the rows; NULL: there is none. It comes with the first row, so that an
     * error stands alone. */
    void (*head)(void);
    /* Prints an element with its line break. `agent` is the name of the agent that it has; "-": it
     * has none. */
    void (*row)(struct json_object *item, struct text agent);
    bool without_agents; /* rows have no use for the name, which would be asked for */
};

/* Prints a list of the API, page by page: `path` as client_walk takes it, at most `max` elements.
 * Returns 0, or what failed. */
SUSPENDS MUSTCHECK int print_list(struct client *client, const struct print_list *list,
                                  const char *path, size_t max, struct error *err);

/* Prints the elements of an array, of a reply that is no page. */
SUSPENDS MUSTCHECK int print_list_array(struct client *client, const struct print_list *list,
                                        struct json_object *array, struct error *err);
