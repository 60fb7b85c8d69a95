#pragma once
/* Sweeping: what nobody else will end. Each call is idempotent, may run in several processes at
 * once (they skip what another one is at), and is bounded; call again while it says `more`.
 *
 *   1. runs of dead workers go back to the queue, or fail after CRASHES_MAX crashes; those whose
 *      cancel was asked for become cancelled. Runs of owners whose row is gone are treated alike.
 *   2. runs past expires_at become expired: waiting ones at once, running ones 10 s later (their
 *      worker does it in time, unless it hangs)
 *   3. open calls whose time has come are settled (runs/open_calls.h)
 *   4. held runs whose thread is idle are promoted (promotions.h), also behind those of 1 and 2
 *   5. dead worker rows older than an hour, and idempotency keys older than a day, are deleted, as
 *      tickets are that nobody used
 *
 * The thread of every run that ends is released in the same statement.
 */

#include "shared/store/fleet/dead_workers.h"
#include "shared/store/store.h"

#define CRASHES_MAX       3
#define REAPER_BATCH_RUNS 1000

struct reaper_report {
    int64_t requeued;
    int64_t failed;
    int64_t cancelled;
    int64_t expired;
    int64_t settled; /* open calls */
    int64_t promoted;
    int64_t rows_deleted;
    bool more; /* a batch was full */
};

/* Who is told of each run that a sweep has ended, after the commit. */
struct reaper_listener {
    void (*ended)(struct uuid run, void *arg); /* must not suspend; NULL: nobody */
    void *arg;
};

/* Declares workers dead whose lease lapsed (*out_dead): at once where it lapsed alone or
 * with one other, later where several workers were shaken at one moment, since then it is rather
 * the database, its clock or the way there that stood still. Shaken are those whose lease lapsed,
 * those who have not renewed theirs for half of its time, and those who came back within the last
 * 10 s (workers.back_at). When they are more than two and over 30 % of the workers, those whose
 * lease lapsed or who are late are spared for 10 s, whoever of the others comes back meanwhile. The
 * rows remember it (workers.spared_until), so it does not matter who asks, nor how often.
 *
 * Nobody is declared dead when the server's clock is past judge_until_wall_ms (see
 * scheduler/reap/evidence.h; INT64_MAX: no matter). *out_paused: workers that lapsed were left
 * alone. */
SUSPENDS MUSTCHECK int reaper_declare_lapsed(struct pg *pg, int64_t judge_until_wall_ms,
                                             struct dead_workers *out_dead, bool *out_paused,
                                             struct error *err);

/* Ends and gives back what is left. *out is also filled as far as it went when a later statement
 * fails. `listener` may be NULL. */
SUSPENDS MUSTCHECK int reaper_sweep(struct pg *pg, const struct reaper_listener *listener,
                                    struct reaper_report *out, struct error *err);
