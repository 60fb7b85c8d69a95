#pragma once
/* The schedules of the file that `penstock apply` reads, behind its agents. */

#include "scheduler/cli/agents/agents_file.h"
#include "scheduler/cli/client.h"

struct apply_schedules {
    const char *path;
    const struct agents_file *file;
    struct client *client;
    struct json_object *agents; /* name -> agent, of those of the file that are there */
    bool prunes;                /* schedules of these agents that the file does not name go */
    struct json_object *have;   /* name -> schedule; the owner's to json_free */
    struct json_object *gone;   /* those that go, an array; the same */
    unsigned counts[4];         /* by enum agents_change */
};

/* Which ones there are. One without a name, or of a user, is nothing that a file speaks of, and
 * stays. Returns 0, or what failed. */
SUSPENDS MUSTCHECK int apply_schedules_look(struct apply_schedules *apply, struct error *err);

/* Has the server look at all that would be made or changed. Returns 0; how many it would not take,
 * which were complained of; or what failed: an agent that nobody knows. */
SUSPENDS MUSTCHECK int apply_schedules_check(struct apply_schedules *apply, struct error *err);

/* Prints what would change. Returns 0, or what failed: an agent that nobody knows. */
SUSPENDS MUSTCHECK int apply_schedules_show(struct apply_schedules *apply, struct error *err);

/* Changes and deletes them; the file's agents are there by now. Returns 0, or what failed. */
SUSPENDS MUSTCHECK int apply_schedules_change(struct apply_schedules *apply, struct error *err);
