#pragma once
/* Following a channel: one subscription of a process, on a connection of its own, which is made
 * again when it breaks. What is told meanwhile is lost, and the follower says so: whoever must not
 * miss anything looks into Postgres besides.
 *
 * It subscribes as long as it lives, not only while somebody waits: a connection that is silent
 * costs nothing, and whoever comes first need not wait until one is made.
 */

#include "shared/base/compiler.h"
#include "shared/base/text.h"

struct follower;

struct follower_options {
    const char *redis_url; /* borrowed, as `channel` is; both must outlive it */
    const char *channel;
    /* Called with each message, on the follower's fiber. Must not suspend. */
    void (*hear)(void *arg, struct text message);
    /* Called when it hears (again): what was told before may have been missed. May be NULL. */
    void (*again)(void *arg);
    void *arg;
};

struct follower *follower_start(const struct follower_options *options);
SUSPENDS void follower_stop(struct follower *follower); /* accepts NULL */

/* Whether it hears what is told now. */
bool follower_hears(const struct follower *follower);
