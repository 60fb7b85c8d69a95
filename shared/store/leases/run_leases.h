#pragma once
/* A worker's hold on runs: taking them, and finding out where they stand. What it writes of them
 * is in run_writer.h. */

#include "shared/store/budgets/budgets.h"
#include "shared/store/leases/run_write.h"
#include "shared/store/leases/run_writer.h"

#define CLAIM_BATCH_MAX  1000
#define CLAIM_SPEC_BYTES 16777216 /* of the specs of one claim, which is what it holds in memory */

struct histories;

struct run_claim {
    struct run_lease lease;
    struct uuid tenant_id;
    struct uuid thread_id;
    struct text spec;      /* JSON object */
    int64_t prompt_tokens; /* used so far */
    int64_t completion_tokens;
    int64_t cost_micros;
    int errors;
    int crashes;
    int64_t started_at;
    int64_t expires_at;
    int64_t expires_in_ms;       /* from now on, by the database's clock; may be negative */
    bool cancelling;             /* its cancel was asked for (of run_leases_held only) */
    int64_t waited_us;           /* since it was due */
    struct text kind;            /* which kind of work it is: "agent" */
    int64_t parked_ms;           /* how long it waited for open calls, in all; no time of work */
    int priority;                /* enum run_priority */
    int64_t requests_per_minute; /* that its tenant may make; 0: no limit */
    int64_t tokens_per_minute;
    int64_t thread_bytes;                 /* that the thread holds, with what the run has written */
    int64_t user_bytes_left;              /* that its person may still add; INT64_MAX: nobody's */
    struct uuid budgets[RUN_BUDGETS_MAX]; /* that it counts on */
    size_t budgets_count;
    bool has_first_token; /* when that came is known */
    size_t place;         /* among the runs that were asked for (of run_leases_claim only) */
};

struct run_claim_list {
    struct run_claim *items;
    size_t count;
};

/* Of the hinted runs (at most CLAIM_BATCH_MAX, else -E_LIMIT) take those that are queued and due
 * and that nobody else is taking: these are in *out, the others' hints are void. No more of them
 * than until their specs have CLAIM_SPEC_BYTES together: the others' hints come again. None, when
 * the worker is not 'up' with a valid lease. Not sent again after -E_AMBIGUOUS: what was claimed
 * then is found with run_leases_held. */
SUSPENDS MUSTCHECK int run_leases_claim(struct pg *pg, struct arena *arena, int64_t owner,
                                        const struct uuid *runs, size_t count,
                                        struct run_claim_list *out, struct error *err);

/* As run_leases_claim, and reads the histories of those that are claimed, by the places of their
 * runs: histories_deinit them, before the arena. After -E_CONTENT or -E_REJECTED nothing was
 * claimed; since one history that can't be read is enough for that, claim again without. After
 * another failure *histories is empty. */
SUSPENDS MUSTCHECK int run_leases_claim_read(struct pg *pg, struct arena *arena, int64_t owner,
                                             const struct uuid *runs, size_t count,
                                             struct run_claim_list *out,
                                             struct histories *histories, struct error *err);

/* Runs that this worker holds, in_progress or cancelling, and that are not among those which it
 * knows, as claims: to find those of a claim whose answer was lost. At most CLAIM_BATCH_MAX, and as
 * many as a claim gives: ask again until there is none. */
SUSPENDS MUSTCHECK int run_leases_held(struct pg *pg, struct arena *arena, int64_t owner,
                                       const struct uuid *known, size_t count,
                                       struct run_claim_list *out, struct error *err);

/* Where a run that was claimed with step > 0 stands. */
struct run_progress {
    int64_t next_message_seq;
    int64_t next_step_seq;
    int64_t next_call_no;
    int64_t answers;       /* of a model, that the run has stored */
    struct uuid open_step; /* in progress; zero: none */
    int64_t open_step_seq;
    struct run_call *calls; /* not answered by a message yet, by call_no */
    size_t call_count;
    int64_t call_bytes; /* of their arguments and results */
};

/* Returns 0; PROGRESS_LARGE: call_bytes is more than `call_bytes_max`, and the calls are given
 * without arguments and results, which were not read. */
SUSPENDS MUSTCHECK int run_leases_progress(struct pg *pg, struct arena *arena, struct uuid run,
                                           int64_t call_bytes_max, struct run_progress *out,
                                           struct error *err);
