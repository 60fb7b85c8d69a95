#pragma once
/* Following news: one subscription of a process, on a connection of its own, which is made again
 * when it breaks. What is told meanwhile is lost, and the follower says so: whoever must not miss
 * anything looks into Postgres besides.
 *
 * It subscribes as long as it lives, not only while somebody waits: a connection that is silent
 * costs nothing, and whoever comes first need not wait until one is made.
 */

#include "shared/base/compiler.h"
#include "shared/events/news.h"

struct follower;

/* Borrows `redis_url`, which must outlive it. `fn` is called on the follower's fiber. */
struct follower *follower_start(const char *redis_url, news_fn fn, void *arg);
SUSPENDS void follower_stop(struct follower *follower); /* accepts NULL */

/* Whether it hears what is told now. */
bool follower_hears(const struct follower *follower);
