#pragma once
/* Which scheduler dispatches which shard: leases, judged by the database's clock.
 *
 * A shard has one owner at a time, who renews its lease about twice a second; a lapsed one may be
 * taken by anybody, which raises the term. Two owners for a moment do no harm: hints are only
 * hints. So the lease is short: what counts is how soon a dead scheduler's shards are dispatched.
 */

#include "shared/store/store.h"

#define SHARDS_MAX          100
#define SHARDS_LEASE_MS     2000
#define SHARDS_KEEP_ROWS_MS 60000 /* how long a dead scheduler's row stays */

struct scheduler_row {
    int64_t id; /* > 0, random: a new one for each process */
    const char *host;
    int64_t pid;
    int shards; /* how many the queue has: 1..SHARDS_MAX */
};

struct shards_view {
    int live; /* schedulers with a good lease, this one included if it is */
    int rank; /* how many of them have a lesser id */
    int free; /* shards without a good lease */
    int owned_count;
    struct {
        int shard;
        int64_t term;
    } owned[SHARDS_MAX]; /* by this one, with a good lease */
};

/* Renews the scheduler's own lease and those of its shards (also lapsed ones that nobody took), or
 * registers it; drops the rows of schedulers long dead; and looks, all in one request. */
SUSPENDS MUSTCHECK int shards_renew(struct pg *pg, const struct scheduler_row *scheduler,
                                    struct shards_view *out, struct error *err);

SUSPENDS MUSTCHECK int shards_look(struct pg *pg, const struct scheduler_row *scheduler,
                                   struct shards_view *out, struct error *err);

/* Whether so many shards are what the schedulers use that are alive, those of the id left out (0:
 * none). With none alive they are taken as agreed, and the leases of others go. Returns 0, or
 * -E_CONFLICT with a sentence that says who uses how many. */
SUSPENDS MUSTCHECK int shards_agree(struct pg *pg, const struct scheduler_row *scheduler,
                                    struct error *err);

/* Moves some of the queued runs of shards that are no more, since there were more of them once, to
 * shards that are. *out_moved: how many; call it again while there are. */
SUSPENDS MUSTCHECK int shards_gather(struct pg *pg, int shards, int64_t *out_moved,
                                     struct error *err);

/* Takes up to `count` free shards; none when its own lease has lapsed. */
SUSPENDS MUSTCHECK int shards_take(struct pg *pg, const struct scheduler_row *scheduler, int count,
                                   struct error *err);

/* Gives `count` of its shards back, the highest first. */
SUSPENDS MUSTCHECK int shards_give(struct pg *pg, const struct scheduler_row *scheduler, int count,
                                   struct error *err);

/* Gives all back and takes the scheduler's row away. */
SUSPENDS MUSTCHECK int shards_leave(struct pg *pg, const struct scheduler_row *scheduler,
                                    struct error *err);
