#pragma once
/* A scheduler's work on batches. Each write compares the owner and the fence, and renews the lease:
 * BATCH_LOST says that the batch is somebody else's, or not where it was thought to be; then
 * nothing was written, and who goes on reads it anew (batch_hold). So a write whose answer was lost
 * needs no care: the next reading tells what became of it. */

#include "shared/store/batches/batches.h"
#include "shared/store/runs/runs.h"

struct run_making;
struct thread_limits;

#define BATCH_LEASE_MS   10000
#define BATCH_WAVE_MAX   200 /* lines of one statement */
#define BATCH_WAVE_BYTES ((size_t)4 << 20)

struct batch_hold {
    struct uuid id;
    int64_t owner;
    int64_t fence;
};

struct batch_ids {
    struct batch_hold *items;
    size_t count;
};

/* Takes up to `count` open batches that nobody holds, the oldest of each tenant first. */
SUSPENDS MUSTCHECK int batches_take(struct pg *pg, struct arena *arena, int64_t owner, int count,
                                    struct batch_ids *out, struct error *err);

/* Renews the lease and reads the batch. *out_beside: how many of the tenant's batches are in
 * progress. BATCH_LOST. */
SUSPENDS MUSTCHECK int batch_hold(const struct store *store, const struct batch_hold *hold,
                                  struct batch *out, int64_t *out_beside, struct error *err);

/* Gives it back: somebody else may take it at once. */
SUSPENDS MUSTCHECK int batch_let_go(struct pg *pg, const struct batch_hold *hold,
                                    struct error *err);

/* Its lines are as they must be: in progress. BATCH_LOST also when it is cancelled by now. */
SUSPENDS MUSTCHECK int batch_begin(struct pg *pg, const struct batch_hold *hold, int64_t lines,
                                   int64_t input_bytes, struct text model, struct error *err);

/* They are not: failed. `errors` is a JSON array. */
SUSPENDS MUSTCHECK int batch_refuse(struct pg *pg, const struct batch_hold *hold,
                                    struct text errors, struct error *err);

/* No further line is begun: its window is over ("expired"), or its input is gone ("failed"). */
SUSPENDS MUSTCHECK int batch_stop(struct pg *pg, const struct batch_hold *hold, const char *ending,
                                  struct text errors, struct error *err);

/* A line that gets a run. */
struct batch_new_line {
    int64_t line; /* counts from 1 */
    int64_t at_byte;
    int64_t bytes;
    struct uuid run;
    struct text custom_id;
    struct text spec; /* of a run of one call, made with the line; TEXT_NONE: it is made later */
    struct text user; /* whom it is counted for; TEXT_NONE: nobody */
    int shard;
};

struct batch_wave {
    int64_t from_line; /* where the cursor is */
    int64_t to_line;   /* and where it goes */
    int64_t to_byte;
    const char *kind; /* of the runs that are made with their lines */
    const struct batch_new_line *lines;
    size_t count;
    struct text errors; /* lines of the error file that are answered already; empty: none */
    int64_t refused;    /* how many */
    const struct run_making *makings; /* runs of agents for some of the lines, with their ids */
    size_t makings_count;
    const struct thread_limits *limits; /* of their threads; NULL: none */
};

/* Lines, their runs, what is answered already, and the cursor's move: all or none; but that runs of
 * agents may be left out, as run_batch_make does, and then their lines are not `made`. BATCH_LOST
 * also when there are lines, and the batch begins none any more. */
SUSPENDS MUSTCHECK int batch_wave(struct pg *pg, const struct batch_hold *hold,
                                  const struct batch_wave *wave, struct error *err);

/* What goes along with a statement that makes a line's run: in one transaction with it
 * (store->rider), which fails with -E_REJECTED where the batch is not held any more or begins no
 * lines. at_line: where the cursor must be; -1: wherever. */
struct batch_fence {
    struct pg_value values[4];
    struct pg_query query;
};
void batch_fence_init(struct batch_fence *fence, const struct batch_hold *hold, int64_t at_line);

/* A line that is not answered yet. */
struct batch_line {
    int64_t line;
    int64_t at_byte;
    int64_t bytes;
    struct uuid run_id;
    struct text custom_id;
    bool made;
    bool gone;  /* it was made, and is not there any more */
    bool ended; /* with what follows: */
    enum run_status status;
    struct text result;     /* as runs.result; TEXT_NONE: none */
    struct text last_error; /* JSON */
    struct usage used;
    int64_t answer_bytes; /* what there is to read of its answer, about */
};

struct batch_lines {
    struct batch_line *items;
    size_t count;
};

/* Lines that were begun and are not answered yet. */
struct batch_left {
    int64_t count;
    int64_t unmade; /* of them, whose runs are still to be made */
};
SUSPENDS MUSTCHECK int batch_lines_left(struct pg *pg, struct uuid batch, struct batch_left *out,
                                        struct error *err);

/* Which lines have been answered: at most `limit`, and `bytes` of answers, the first excepted. */
struct batch_lines_ask {
    int limit;
    int64_t bytes;
    bool whole; /* as batch_runs_read */
};

/* Lines whose runs have ended or are gone. */
SUSPENDS MUSTCHECK int batch_lines_ended(const struct store *store, struct uuid batch,
                                         const struct batch_lines_ask *ask, struct batch_lines *out,
                                         struct error *err);

/* Those whose runs are still to be made, and, with `alive`, those that have one at work. */
SUSPENDS MUSTCHECK int batch_lines_open(const struct store *store, struct uuid batch, bool alive,
                                        int limit, struct batch_lines *out, struct error *err);

/* The runs of these lines are there. */
SUSPENDS MUSTCHECK int batch_lines_made(struct pg *pg, const struct batch_hold *hold,
                                        const int64_t *lines, size_t count, struct error *err);

struct batch_answers {
    const int64_t *lines;
    size_t count;
    int64_t completed; /* how many of them */
    struct text output;
    struct text errors;
    struct usage used;
    const struct uuid *erased; /* threads that are erased by themselves from now on (erasures.h) */
    size_t erased_count;
};

/* The answers of lines are kept, and their runs of one call deleted: all or none. BATCH_LOST also
 * when one of these was answered before. */
SUSPENDS MUSTCHECK int batch_settle(struct pg *pg, const struct batch_hold *hold,
                                    const struct batch_answers *answers, struct error *err);

/* No line is left. */
SUSPENDS MUSTCHECK int batch_finalize(struct pg *pg, const struct batch_hold *hold,
                                      struct error *err);

/* What its files hold, behind a chunk (0: from the first on), up to 1 MiB and a chunk. *out_chunk
 * is the last one; 0: there is none. */
SUSPENDS MUSTCHECK int batch_output(const struct store *store, struct uuid batch, bool of_error,
                                    int64_t behind, struct text *out, int64_t *out_chunk,
                                    struct error *err);

/* Its files are there (zero: none), and what they were made of goes. */
SUSPENDS MUSTCHECK int batch_end(struct pg *pg, const struct batch_hold *hold, struct uuid output,
                                 struct uuid errors, struct error *err);
