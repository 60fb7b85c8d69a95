#pragma once
/* Whether a sandbox is one, seen from within: what the worker asks before it lets models in. */

/* `own` is what the worker sees of its own namespaces: user, pid, net, mnt, ipc (as readlink has
 * them). Prints what is wrong, a line for each. Returns the exit status: 0, nothing is. */
int probe(int count, char **own);
