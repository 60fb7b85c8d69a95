#pragma once
/* The tools of the file that `penstock apply` reads, before its agents. */

#include "scheduler/cli/agents/agents_file.h"
#include "scheduler/cli/client.h"

struct apply_tools {
    const char *path;
    const struct agents_file *file;
    struct client *client;
    struct json_object *have;  /* name -> tool, of the wanted names; the owner's to json_free */
    struct json_object *known; /* the names of all that there are, as members; as above */
    unsigned counts[4];        /* by enum agents_change */
};

/* Which ones there are. Returns 0, or what failed. */
SUSPENDS MUSTCHECK int apply_tools_look(struct apply_tools *apply, struct error *err);

/* Has the server look at all of them. Returns 0; how many it would not take, which were complained
 * of; or what failed. */
SUSPENDS MUSTCHECK int apply_tools_check(struct apply_tools *apply, struct error *err);

/* Whether an agent may have the tools of the file that it names, as the file has them. *out_rest is
 * the agent without these, for the server to look at; the caller's. Returns 0, or -E_INVALID.
 * Pure. */
MUSTCHECK int apply_tools_check_agent(const struct apply_tools *apply, struct json_object *agent,
                                      struct json_object **out_rest, struct error *err);

/* Prints what would change. */
void apply_tools_show(struct apply_tools *apply);

/* Changes them. Returns 0, or what failed. */
SUSPENDS MUSTCHECK int apply_tools_change(struct apply_tools *apply, struct error *err);
