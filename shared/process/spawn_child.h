#pragma once
/* One program, from fork to its last process, in the helper: it has one thread and no loop, so it
 * may fork and block.
 *
 * The program is in a session of its own, but for those that are to be idle, which are together in
 * the helper's (spawn_helper.c). A helper that is root takes a uid for it that nobody else on this
 * machine runs programs as: then nothing of root's is its own, limits that count by uid count it
 * alone, and whatever it leaves behind is found by the uid and killed.
 */

#include <sys/resource.h>
#include <sys/types.h>

#include "shared/base/compiler.h"
#include "shared/process/spawn_groups.h"
#include "shared/process/spawn_order.h"

struct error;

struct spawn_child {
    uint64_t id;
    pid_t pid;
    uint32_t uid;
    int uid_lock;               /* held as long as the uid is its own; -1: it has none */
    struct spawn_groups groups; /* that were made for it */
};

/* Returns 0 with *out when the program runs, or an error with what could not be done;
 * *out_error_number: errno of it. */
MUSTCHECK int spawn_child_start(const struct spawn_order *order, struct spawn_child *out,
                                int *out_error_number, struct error *err);

/* Kills all of it. */
void spawn_child_kill(const struct spawn_child *child);

/* Behind its end, when it was waited for: kills what it left, and gives back uid and groups. */
void spawn_child_finish(struct spawn_child *child);
