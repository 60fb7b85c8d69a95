#pragma once
/* A worker's hold on runs: claim, checkpoint, finish, hand back, park.
 *
 * Every write carries the lease (owner, fence, step) and is a compare-and-set on the run's row: it
 * is applied as a whole or not at all. Each write adds one to step, so one that is sent again after
 * a broken connection is recognised as applied and not done twice. These functions do so by
 * themselves (a few times), and callers may too after -E_AMBIGUOUS, -E_TIMEOUT or -E_CANCELED: call
 * again with the same arguments.
 *
 * Results common to checkpoint, finish, hand back and park:
 *   0               written (now, or by an earlier attempt of the same)
 *   LEASE_FENCED      the run is not this worker's any more: nothing was written, nor may be
 *   LEASE_CANCELLING  a cancel was asked for: nothing was written; finish with RUN_CANCELLED
 */

#include "shared/store/leases/run_writer.h"
#include "shared/store/runs/run_state.h"
#include "shared/store/runs/run_steps.h"
#include "shared/store/store.h"
#include "shared/store/threads/messages.h"

#define CLAIM_BATCH_MAX      1000
#define CHECKPOINT_ITEMS_MAX 1000 /* messages, calls, steps: of each */

struct histories;

/* Held by exactly one fiber. */
struct run_lease {
    struct uuid run;
    int64_t owner;
    int64_t fence;
    int64_t step; /* raised by each successful write */
};

struct run_claim {
    struct run_lease lease;
    struct uuid tenant_id;
    struct uuid thread_id;
    struct uuid agent_id;
    int64_t agent_version;
    int priority;
    struct text spec;      /* JSON object */
    struct text metadata;  /* JSON object */
    int64_t prompt_tokens; /* used so far */
    int64_t completion_tokens;
    int errors;
    int crashes;
    int64_t created_at;
    int64_t started_at;
    int64_t expires_at;
    int64_t expires_in_ms; /* from now on, by the database's clock; may be negative */
    bool cancelling;       /* its cancel was asked for (of run_leases_held only) */
    int64_t waited_us;     /* since it was due */
    size_t place;          /* among the runs that were asked for (of run_leases_claim only) */
};

struct run_claim_list {
    struct run_claim *items;
    size_t count;
};

/* Of the hinted runs (at most CLAIM_BATCH_MAX, else -E_LIMIT) take those that are queued and due
 * and that nobody else is taking: these are in *out, the others' hints are void. None, too, when
 * the worker is not 'up' with a valid lease. Not sent again after -E_AMBIGUOUS: what was claimed
 * then is found with run_leases_held. */
SUSPENDS MUSTCHECK int run_leases_claim(struct pg *pg, struct arena *arena, int64_t owner,
                                        const struct uuid *runs, size_t count,
                                        struct run_claim_list *out, struct error *err);

/* As run_leases_claim, and reads the histories of those that are claimed, by the places of their
 * runs: histories_deinit them, before the arena. After -E_REJECTED nothing was claimed; since one
 * history that can't be read is enough for that, claim again without. After another failure
 * *histories is empty. */
SUSPENDS MUSTCHECK int run_leases_claim_read(struct pg *pg, struct arena *arena, int64_t owner,
                                             const struct uuid *runs, size_t count,
                                             struct run_claim_list *out,
                                             struct histories *histories, struct error *err);

/* All runs that this worker holds, in_progress or cancelling, as claims: to find those of a claim
 * whose answer was lost. */
SUSPENDS MUSTCHECK int run_leases_held(struct pg *pg, struct arena *arena, int64_t owner,
                                       struct run_claim_list *out, struct error *err);

/* CALL_CLIENT: the client executes it; an intent until it gives the output (tool_outputs.h). */
enum call_class { CALL_PURE, CALL_IDEMPOTENT, CALL_ONCE, CALL_CLIENT };
enum call_state { CALL_INTENT, CALL_DONE, CALL_UNKNOWN };

/* A tool call. Written first as an intent, later as done or unknown with its result. */
struct run_call {
    int64_t call_no; /* counts up within the run */
    struct text call_id;
    struct text name;
    struct text arguments; /* as the model wrote them */
    enum call_class class;
    enum call_state state;
    struct text idempotency_key;
    struct text result; /* TEXT_NONE: none yet */
    bool is_error;
};

/* Where a run that was claimed with step > 0 stands. */
struct run_progress {
    int64_t next_message_seq;
    int64_t next_step_seq;
    int64_t next_call_no;
    struct run_step open_step; /* in progress; id zero: none */
    struct run_call *calls;    /* not answered by a message yet, by call_no */
    size_t call_count;
};

SUSPENDS MUSTCHECK int run_leases_progress(struct pg *pg, struct arena *arena, struct uuid run,
                                           struct run_progress *out, struct error *err);

/* A message that the run appends to its thread. */
struct run_message {
    struct uuid id;
    int64_t seq;            /* counts up within the run, from 1 */
    enum message_role role; /* assistant or tool */
    bool hidden;
    struct text content;      /* JSON array of parts */
    struct text tool_calls;   /* JSON array; TEXT_NONE: none */
    struct text tool_call_id; /* role tool */
    struct text opaque;       /* JSON for the provider (see messages.h); TEXT_NONE: none */
};

/* A step to insert, or, when the run has its seq already, to set status, tool_calls, usage,
 * last_error and message_id of (absent ones stay). */
struct run_step_write {
    struct uuid id;
    int64_t seq; /* counts up within the run, from 1 */
    enum step_type type;
    enum step_status status;
    struct uuid message_id; /* zero: none */
    struct text tool_calls; /* JSON array; TEXT_NONE */
    struct text usage;      /* JSON object; TEXT_NONE */
    struct text last_error; /* JSON object; TEXT_NONE */
};

/* What a write of a worker carries. All parts may be empty. */
struct run_changes {
    int64_t prompt_tokens; /* used since the last write */
    int64_t completion_tokens;
    const struct run_message *messages; /* appended in this order */
    size_t message_count;
    const struct run_call *calls; /* inserted, or state, result and is_error of known ones set */
    size_t call_count;
    const struct run_step_write *steps;
    size_t step_count;
};

/* See the head of this file. -E_LIMIT: too many items, or over 16 MiB of one kind. */
SUSPENDS MUSTCHECK int run_leases_checkpoint(struct run_writer *writer, struct run_lease *lease,
                                             const struct run_changes *changes, struct error *err);

struct run_ending {
    enum run_status status;        /* terminal */
    struct uuid result_message;    /* zero: none */
    struct text error_code;        /* TEXT_NONE: no last_error; e.g. "server_error" */
    struct text error_message;     /* may be TEXT_NONE */
    struct text incomplete_reason; /* RUN_INCOMPLETE: "max_completion_tokens", … */
};

/* The last write: changes as in a checkpoint, the terminal status, its time, and the thread
 * released. From "cancelling" only RUN_CANCELLED, RUN_FAILED and RUN_EXPIRED are possible (else
 * LEASE_CANCELLING), and RUN_CANCELLED only from there (else -E_INTERNAL: nobody asked for it).
 * Steps still in progress end as the run does (failed, when it is incomplete); of a run that is
 * completed the caller has completed them. `changes` may be NULL. */
SUSPENDS MUSTCHECK int run_leases_finish(struct run_writer *writer, struct run_lease *lease,
                                         const struct run_changes *changes,
                                         const struct run_ending *ending, struct error *err);

/* What a run that no worker has waits for. A claim clears it. */
enum run_wait { RUN_WAIT_NONE, RUN_WAIT_BACKOFF, RUN_WAIT_RATE_LIMIT, RUN_WAIT_TOOL_OUTPUTS };

/* "backoff", …; NULL for RUN_WAIT_NONE. */
const char *run_wait_name(enum run_wait wait);

/* Gives the run back to the queue. `changes` may be NULL. */
struct run_return {
    int64_t delay_ms; /* due that much later; 0: it keeps its place before what came later */
    int errors;       /* added to the run's; negative where earlier ones were overcome */
    enum run_wait wait_kind;
};

SUSPENDS MUSTCHECK int run_leases_hand_back(struct run_writer *writer, struct run_lease *lease,
                                            const struct run_changes *changes,
                                            const struct run_return *how, struct error *err);

/* Lets go of a run that waits for somebody outside: it becomes requires_action and holds no slot.
 * Who brings what it waits for makes it queued again. `changes` may be NULL. */
struct run_parking {
    enum run_wait wait_kind;     /* not RUN_WAIT_NONE */
    struct text required_action; /* JSON object, as the API shows it; TEXT_NONE: none */
};

SUSPENDS MUSTCHECK int run_leases_park(struct run_writer *writer, struct run_lease *lease,
                                       const struct run_changes *changes,
                                       const struct run_parking *how, struct error *err);
