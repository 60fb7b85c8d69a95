#pragma once
/* Control groups of one program: a folder of its own in each folder that the operator gave us, in
 * version 2 or in the hierarchies of version 1. Which it is, the files in it say. */

#include "shared/base/compiler.h"
#include "shared/process/spawn_order.h"

struct error;

#define SPAWN_GROUP_PATH 256

struct spawn_groups {
    char paths[SPAWN_GROUPS_MAX][SPAWN_GROUP_PATH];
    size_t count;
};

/* Makes them. Returns 0 or an error; those that were made are noted in any case. */
MUSTCHECK int spawn_groups_make(const struct spawn_order *order, struct spawn_groups *groups,
                                struct error *err);

/* The calling process goes into them. False: errno says why. */
MUSTCHECK bool spawn_groups_join(const struct spawn_groups *groups);

void spawn_groups_kill(const struct spawn_groups *groups);

/* Kills what is in them, and takes them away. */
void spawn_groups_remove(struct spawn_groups *groups);
