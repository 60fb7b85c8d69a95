#pragma once
/* Commands that speak to a server: from the arguments to an open client, and back to an exit code.
 */

#include "scheduler/cli/client.h"
#include "scheduler/cli/command.h"

/* The work of a command. Returns its exit code, or a failure in *err. */
typedef int (*client_fn)(struct client *client, const struct arguments *args, struct error *err);

/* Opens the client, calls fn on the loop. Returns the exit code. */
int client_command(const struct arguments *args, client_fn fn);
