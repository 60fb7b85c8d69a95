#pragma once
/* The queue: hints on Redis Streams that a run is ready. Postgres alone knows the truth, so every
 * hint may be lost or come twice, and Redis may forget everything at any moment.
 *
 * Each shard has a stream (lane) per priority, `q:{sNN}:p0` to `p2` (0 is the most urgent), one
 * that overtakes them, `q:{sNN}:x`, for tenants that have next to nothing in work, and a random
 * generation, `q:{sNN}:gen`: when it is gone or another, Redis lost its memory (FLUSHALL, restart,
 * eviction, stale replica), and whoever dispatches hints everything again. The consumer group is
 * `w`. Streams are kept short by a window; the backlog stays in Postgres.
 *
 * Failures are those of redis_command: -E_UNAVAILABLE, -E_AMBIGUOUS, -E_TIMEOUT, -E_REJECTED,
 * -E_CANCELED. All calls may be repeated after any of them.
 */

#include "shared/base/compiler.h"
#include "shared/base/id.h"
#include "shared/redis/redis_state.h"

struct error;
struct queue;
struct queue_control;
struct queue_reader;
struct redis;

#define QUEUE_SHARDS_MAX    100 /* so is the most that the configuration allows */
#define QUEUE_PRIORITIES    3
#define QUEUE_EXPRESS       3 /* the lane after those of the priorities */
#define QUEUE_LANES         4
#define QUEUE_ENTRY_ID_SIZE 42 /* two 64-bit numbers, a dash, the zero */

enum {
    QUEUE_FORGOTTEN = 1,   /* Redis lost this shard, or it was never initialised: queue_init */
    QUEUE_EMPTY = 2,       /* nothing there within the time */
    QUEUE_NEWS_WANTED = 3, /* somebody wants news of runs */
};

struct queue_hint {
    struct uuid run;
    int64_t fence; /* as seen when the run was found ready */
    bool read;     /* somebody waits to read the run while it works */
};

/* A hint as it was read: its place, which queue_ack wants, and what it says. */
struct queue_entry {
    struct queue_hint hint;
    int shard;
    int lane; /* a priority or QUEUE_EXPRESS */
    char id[QUEUE_ENTRY_ID_SIZE];
};

/* On a connection that others share; it must outlive the queue. Never fails. */
struct queue *queue_new(struct redis *redis);
struct queue *queue_free(struct queue *queue); /* accepts and returns NULL */

/* What Redis is to the queue (redis_state.h), as its last answer to a call below had it. At first
 * it serves. Whoever hints or reads hints does so only while it serves; else work goes on from
 * Postgres. */
enum redis_state queue_state(const struct queue *queue);
bool queue_serves(const struct queue *queue);

/* Why it does not serve; "" while it does. */
const char *queue_complaint(const struct queue *queue);

/* Asks Redis to do what hinting does (a script that writes to a stream), so that a Redis which can
 * be read and not written to is known for what it is. To be called every second or so, whatever the
 * state: only this finds out that Redis serves again. Returns 0. */
SUSPENDS MUSTCHECK int queue_probe(struct queue *queue, struct error *err);

/* Makes sure that the shard's streams, their group and a generation exist, and remembers that
 * generation for queue_dispatch. Idempotent; nothing that is there is lost. Returns 0. */
SUSPENDS MUSTCHECK int queue_init(struct queue *queue, int shard, struct error *err);

struct queue_batch {
    int shard;
    int lane; /* a priority or QUEUE_EXPRESS */
    const struct queue_hint *hints;
    size_t count;
    /* Unread ones that the lanes of priorities may hold together; for QUEUE_EXPRESS: it alone. */
    size_t window;
};

/* Adds the first hints for which the window has room. Returns 0 with *out_accepted (0 to count), or
 * QUEUE_FORGOTTEN: queue_init, then hint everything again. After a failure part may have been
 * added. */
SUSPENDS MUSTCHECK int queue_dispatch(struct queue *queue, const struct queue_batch *batch,
                                      size_t *out_accepted, struct error *err);

/* Removes entries, whatever became of their claims; waits for nothing. What can't be removed now is
 * found by queue_collect. */
void queue_ack(struct queue *queue, const struct queue_entry *entries, size_t count);

struct queue_stats {
    int64_t length[QUEUE_LANES];  /* entries, those in pending included */
    int64_t pending[QUEUE_LANES]; /* delivered and not yet removed */
    int64_t consumers;            /* of all lanes */
    bool known;                   /* the generation is the one of queue_init */
};

/* Returns 0; a forgotten shard is one of zeros. */
SUSPENDS MUSTCHECK int queue_stats(struct queue *queue, int shard, struct queue_stats *out,
                                   struct error *err);

/* Removes entries that were read longer than idle_ms ago (60 s and more) and are still there: their
 * reader died, or could not say that it is done. Drops consumers that were idle for as long, since
 * workers read every second. Bounded work per call: call it now and then. Returns 0 with the number
 * of consumers dropped. */
SUSPENDS MUSTCHECK int queue_collect(struct queue *queue, int shard, int64_t idle_ms,
                                     size_t *out_dropped, struct error *err);

/* Tells a worker to look at its run's cancel flag. Fire and forget. */
void queue_nudge_cancel(struct queue *queue, int64_t worker_id, struct uuid run);

/* Reading, on a connection of its own. */
struct queue_reader_options {
    const char *url;
    int64_t worker_id; /* the name of the consumer */
    const int *shards; /* in a Redis Cluster all of one slot, so one */
    size_t shards_count;
};

/* Returns 0, and what redis_conn_open returns. */
SUSPENDS MUSTCHECK int queue_reader_open(const struct queue_reader_options *options,
                                         int64_t deadline_ms, struct queue_reader **out,
                                         struct error *err);
void queue_reader_close(struct queue_reader *reader); /* accepts NULL */

/* What is wanted: `all` entries at most, of which at most `ordinary` not of QUEUE_EXPRESS. */
struct queue_room {
    size_t all; /* > 0 */
    size_t ordinary;
};

/* Up to as many entries as there is room for: of QUEUE_EXPRESS first, then urgent lanes, though
 * none of these starves; waits up to block_ms (1 000 at most) when there is none. Entries that are
 * no hint of ours are removed and not shown. Returns 0 with *out_count > 0; QUEUE_EMPTY;
 * QUEUE_FORGOTTEN (queue_init each shard, then go on); after a failure the reader must be
 * closed. */
SUSPENDS MUSTCHECK int queue_read(struct queue_reader *reader, struct queue_entry *out,
                                  struct queue_room room, int64_t block_ms, size_t *out_count,
                                  struct error *err);

/* Entries so far that were no hint of ours. */
uint64_t queue_reader_malformed(const struct queue_reader *reader);

/* Tells all workers that somebody wants news of runs for a while (shared/events/teller.h). Fire and
 * forget. */
void queue_ask_news(struct queue *queue);

/* What queue_nudge_cancel sends to one worker, and queue_ask_news to all. Nudges sent while nobody
 * listens are lost. */
SUSPENDS MUSTCHECK int queue_control_open(const char *url, int64_t worker_id, int64_t deadline_ms,
                                          struct queue_control **out, struct error *err);
void queue_control_close(struct queue_control *control); /* accepts NULL */

/* Returns 0 with the run whose cancel flag is to be looked at; QUEUE_NEWS_WANTED; -E_TIMEOUT and
 * -E_CANCELED leave it usable; after any other failure close it and open another. */
SUSPENDS MUSTCHECK int queue_control_next(struct queue_control *control, int64_t deadline_ms,
                                          struct uuid *out_run, struct error *err);
