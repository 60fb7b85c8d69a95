#pragma once
/* Which messages can be found, and in one place the condition that says so (docs/search.md). */

#include "shared/base/compiler.h"

enum search_scope {
    SEARCH_OFF,
    SEARCH_USERS, /* those of threads that belong to a user */
    SEARCH_ALL,
};

/* In SQL: whether the messages of thread `t` belong there, which those of hidden ones never do;
 * `all` is a condition that says that it is SEARCH_ALL. */
#define SQL_SEARCHED(t, all) "(NOT " t ".hidden AND (" t ".user_id IS NOT NULL OR " all "))"

/* Part of a statement that gives threads a user, or another one: their messages are looked at
 * again. `source` gives the ids of the threads, as in "SELECT id FROM t". */
#define SQL_SEARCH_AGAIN(source)                                                                   \
    "INSERT INTO search_queue (thread_id) " source " ON CONFLICT (thread_id) DO UPDATE SET done "  \
    "= 0"
