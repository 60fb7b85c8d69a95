#pragma once
/* Readers of runs while these are at work, and of threads for the runs to come: one subscription
 * and one sweep for the whole scheduler, however many read.
 *
 *     reader joins ──► PUBLISH live:asks ──► workers tell of the run, to this scheduler's channel
 *     worker: frames ──► follower ──┬─► draft of the run ──┐
 *                                   └─► "look into Postgres" ├──► readers' fibers, woken
 *     Postgres: which of these moved on? ◄─ once a second ── sweep
 *
 * Nothing is queued for a reader: it holds what it was shown (shown.h), and when it comes to write
 * again it is shown what there is by then. So a slow one costs no more than a fast one, and gets
 * fewer and larger pieces.
 *
 * Frames are for speed, Postgres is for certainty. A frame that is lost leaves a gap in a draft,
 * which is asked for once more; a change that nobody told is found by the sweep.
 */

#include "scheduler/live/draft.h"
#include "scheduler/waits/waiting.h"
#include "shared/base/compiler.h"
#include "shared/base/id.h"

struct buf;
struct live;
struct metric_table;
struct pg;
struct redis;
struct run_standing_row;

struct live_options {
    struct pg *pg;         /* for the sweeps */
    struct redis *redis;   /* over which workers are asked; must outlive it */
    const char *redis_url; /* borrowed; must outlive it */
    size_t max;            /* readers at once */
    size_t max_of_one;     /* of these, those of one tenant */
};

struct live *live_start(const struct live_options *options);

/* Nobody reads any more (live_end, then the server is closed). Accepts NULL. */
SUSPENDS void live_stop(struct live *live);

/* Whether somebody may join now who belongs to those that hold so many places (waiting.h). */
bool live_has_room(const struct live *live, size_t held);

/* The run is about to be made, or to go on, and will be read then. Workers are asked before they
 * can have it, since a reply that begins while nobody listens is not told. Their two connections to
 * Redis keep no order, so the hint that brings them the run says it, too (live_awaits). */
void live_expect(struct live *live, struct uuid run);

/* Whether the run is read here, or was expected lately. */
bool live_awaits(struct live *live, struct uuid run);

/* As waiting_join: false where as many read already, or the scheduler ends. */
MUSTCHECK bool live_join(struct live *live, struct waiter *reader, struct uuid run, size_t *held);
void live_leave(struct live *live, struct waiter *reader);

/* A reader of a thread is woken when something of any of its runs was stored, which he counts with
 * live_stored: then it may have another active run. He is woken once more within a second after he
 * came. Returns as live_join. */
MUSTCHECK bool live_join_thread(struct live *live, struct waiter *reader, struct uuid thread,
                                size_t *held);

/* The same as live_join, by such a reader: for him there is a place. False: the scheduler ends. */
MUSTCHECK bool live_join_besides(struct live *live, struct waiter *reader, struct uuid run);

/* The thread was deleted. */
bool live_thread_is_gone(const struct waiter *reader);

/* Counts up with each sign that something of the run was stored. */
uint64_t live_stored(const struct waiter *reader);

/* What its model is saying, as far as is known. Valid until the next suspension. */
const struct draft *live_draft(const struct waiter *reader);

/* A reader has read the run with so many steps written, after it had counted `stored` signs: what
 * the sweep need not tell. Where nobody had told of it, other readers look, too. */
void live_has_read(struct live *live, struct waiter *reader, uint64_t stored,
                   const struct run_standing_row *row);

/* Something of a run was stored, as this process knows itself. */
void live_look(struct live *live, struct uuid run);

/* All readers are woken, and nobody can join from here on: the scheduler ends. Accepts NULL. */
void live_end(struct live *live);
bool live_has_ended(const struct live *live);

extern const struct metric_table live_metrics;
void live_metrics_render(const struct live *live, struct buf *out);
