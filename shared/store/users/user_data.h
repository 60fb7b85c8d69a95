#pragma once
/* All that is known of a user, and forgetting it.
 *
 * What a user has is a table (user_data.c), one row each: a new thing that is known of users is a
 * row there. Each row is deleted in small requests, so that nobody waits long for what one of them
 * holds; who was interrupted asks again, and the end is the same.
 */

#include "shared/store/store.h"

enum user_thing {
    USER_MEMORY,    /* keys, of all agents and of each */
    USER_MEMORIES,  /* with those that were replaced */
    USER_SCHEDULES, /* with what became of their times */
    USER_THREADS,   /* those that belong to the user, with all that was done on them */
    USER_MESSAGES,  /* of those threads */
    USER_RUNS,      /* of those threads, and the user's on threads of others */
    USER_STEPS,
    USER_CALLS,
    USER_USAGE, /* sums of hours, which stay and lose the name */
    USER_BUDGETS,
    USER_VECTORS,     /* that are kept so that nobody is asked for them twice */
    USER_THING_COUNT, /* not a thing */
};

/* As the API names it: "memory". */
const char *user_thing_name(enum user_thing thing);

struct user_removed {
    int64_t counts[USER_THING_COUNT];
    bool all; /* false: the time was over before nothing was left */
};

struct user_deleting {
    struct text user;
    int64_t deadline_ms;
    /* Told of each run that a worker has in hand and should stop; must not suspend. NULL: nobody
     * is. */
    void (*stopped)(void *arg, const struct run_stopped *run);
    /* Told of what was deleted; must not suspend. NULL: nobody is. */
    void (*thread_gone)(void *arg, struct uuid thread);
    void (*run_gone)(void *arg, struct uuid run);
    void *arg;
};

/* Deletes until nothing is left, or until the deadline has come; something is deleted even when it
 * has come already. What is made of the user meanwhile is deleted with the rest where it was made
 * early enough, and stays where it was not. The user's runs on threads of others are cancelled, and
 * deleted once they have ended. Also after a failure *out tells what was removed. */
SUSPENDS MUSTCHECK int users_delete(const struct store *store, const struct user_deleting *how,
                                    struct user_removed *out, struct error *err);
