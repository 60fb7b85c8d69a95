#pragma once
/* Which secrets have a value. */

#include "scheduler/cli/client.h"

/* Says to standard error which of these (the members of an object) have none, and how it is given.
 * Where the server can't be asked nothing is said. Returns 0, or -E_CANCELED. */
SUSPENDS MUSTCHECK int secrets_note_missing(struct client *client, struct json_object *names,
                                            struct error *err);
