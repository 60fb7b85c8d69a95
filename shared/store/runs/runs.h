#pragma once
/* Runs as the API sees them: create, look, list, cancel. What a worker does with one is in
 * run_leases.h, what the dispatcher reads in dispatch.h, the sweeping in reaper.h.
 */

#include "shared/store/runs/run_state.h"
#include "shared/store/store.h"
#include "shared/store/threads/threads.h"

enum run_priority { RUN_PRIORITY_HIGH = 0, RUN_PRIORITY_NORMAL = 1, RUN_PRIORITY_LOW = 2 };

struct run {
    struct uuid id;
    struct text kind;      /* "agent", "completion", "embedding", "memory" */
    struct uuid thread_id; /* zero: none */
    struct uuid agent_id;  /* zero: none */
    int64_t agent_version;
    enum run_status status;
    int shard;
    enum run_priority priority;
    int64_t owner; /* the worker that has or last had it; 0: none */
    int64_t step;
    int errors;
    int crashes;
    struct text spec;              /* JSON object, frozen at creation */
    struct text metadata;          /* JSON object */
    struct usage used;             /* so far */
    struct text last_error;        /* JSON {"code","message"}; TEXT_NONE: null */
    struct text incomplete_reason; /* TEXT_NONE: null */
    struct text required_action;   /* JSON; of RUN_REQUIRES_ACTION only. TEXT_NONE: null */
    struct uuid result_message;    /* zero: none (yet) */
    int64_t created_at;
    int64_t started_at;
    int64_t completed_at; /* completed or incomplete */
    int64_t failed_at;
    int64_t cancelled_at;
    int64_t expires_at;
    int64_t updated_at;
    bool held;      /* queued behind the active run of its thread */
    int left_out;   /* messages that a call of its model left out, at most */
    int open_calls; /* that it waits for (waits.h); of one that ended: still waited for */
    struct text
        waits_for; /* wait_kind of a queued run that is due later, or "start"; TEXT_NONE: none */
    int64_t waits_until;      /* when that is over; 0: it waits for none */
    struct text user;         /* who asked; TEXT_NONE: nobody said */
    int iterations;           /* answers of its models */
    struct text tools;        /* JSON array: names of the tools that it called; TEXT_NONE: none */
    int64_t queue_ms;         /* from its creation to its start; -1: not yet */
    int64_t latency_ms;       /* from its creation to its end; -1: not yet */
    int64_t first_token_ms;   /* from when it was due to the first token of a model; -1: none yet */
    struct text mcp_problems; /* JSON array: of its servers; TEXT_NONE: none */
    struct text memory;       /* JSON object: what came of a memory run; TEXT_NONE: nothing yet */
    struct text recalled; /* JSON object: what it was told of its user; TEXT_NONE: not looked for */
};

struct run_list {
    struct run *items;
    size_t count;
    bool has_more;
};

/* `id` is the caller's choice (uuid_new()), so that it can look after an ambiguous failure. */
struct run_draft {
    struct uuid id;
    struct uuid thread;    /* runs_create only */
    struct uuid agent;     /* zero: none */
    int64_t agent_version; /* that spec was made from: the latest one, else AGENT_MISSING */
    enum run_priority priority;
    int shard;                            /* 0..32767 */
    struct text spec;                     /* JSON object */
    struct text metadata;                 /* TEXT_NONE: {} */
    int64_t delay_ms;                     /* due that much later; 0: at once */
    int64_t expires_in_ms;                /* from when it is due; > 0 */
    const struct message_draft *messages; /* added to the thread before, in this order */
    size_t message_count;                 /* at most MESSAGE_DRAFTS_MAX, else -E_LIMIT */
    struct text title; /* of the thread, where it has none and these are its first messages */
    struct text user;  /* who asks; TEXT_NONE: the thread's owner */
    bool is_behind; /* runs_create only: while `behind` is the position of the thread's last message
                     * (threads/tips.h), 0: while it has none. Else THREAD_MOVED */
    int64_t behind;
    bool as_input; /* MULTITASK_ENQUEUE: the messages do not wait with the run, but by themselves
                    * (threads/inputs.h), in the order in which they came */
};

/* Run and messages, all or none. THREAD_MISSING; THREAD_MOVED; THREAD_BUSY with the active run in
 * *out_active (may be NULL); AGENT_MISSING; THREAD_TOO_LARGE and USER_OVER_QUOTA; -E_CONFLICT when
 * an id exists. */
SUSPENDS MUSTCHECK int runs_create(const struct store *store, const struct run_draft *draft,
                                   struct run *out, struct uuid *out_active, struct error *err);

enum multitask { MULTITASK_ENQUEUE, MULTITASK_INTERRUPT, MULTITASK_ROLLBACK, MULTITASK_COUNT };

#define HELD_RUNS_MAX 100 /* behind the active run of one thread */

/* Run and messages, all or none, also where the thread has an active run: then out->held is set,
 * and run and messages wait until that has ended. MULTITASK_INTERRUPT cancels the active run and
 * those that wait, and joins the messages of the latter in front of the draft's;
 * MULTITASK_ROLLBACK lets the messages of all of them leave the thread instead. On an idle thread
 * all three do what runs_create does. *out_stopped is the active run that is RUN_CANCELLING now,
 * with its owner to nudge (its id is zero: none), and the runs that were cancelled at once, in the
 * store's arena. THREAD_MISSING; THREAD_FULL; AGENT_MISSING; THREAD_TOO_LARGE and USER_OVER_QUOTA;
 * -E_CONFLICT when an id exists. */
SUSPENDS MUSTCHECK int runs_enqueue(const struct store *store, const struct run_draft *draft,
                                    enum multitask how, struct run *out,
                                    struct run_stopped *out_stopped, struct error *err);

/* Thread, its messages, and run, all or none. The messages are the thread draft's; those of `draft`
 * are not looked at. AGENT_MISSING; USER_OVER_QUOTA; -E_CONFLICT when an id exists, or as for
 * threads_create. */
SUSPENDS MUSTCHECK int runs_create_with_thread(const struct store *store,
                                               const struct thread_draft *thread,
                                               const struct run_draft *draft, struct run *out,
                                               struct error *err);

/* A copy of a thread, on which a run goes on. */
struct run_copy {
    struct uuid id; /* of the copy: the caller's choice */
    struct uuid source;
    int64_t position; /* of the last message that is copied (threads/tips.h) */
    bool hidden;
    bool erases;
};

/* The copy (as threads_fork), the draft's messages behind it, and run, all or none; draft->thread
 * is not looked at. THREAD_MISSING; AGENT_MISSING; THREAD_TOO_LARGE and USER_OVER_QUOTA;
 * -E_CONFLICT when an id exists. */
SUSPENDS MUSTCHECK int runs_create_on_copy(const struct store *store, const struct run_copy *copy,
                                           const struct run_draft *draft, struct run *out,
                                           struct error *err);

/* `thread` zero: whatever its thread. RUN_MISSING. */
SUSPENDS MUSTCHECK int runs_get(const struct store *store, struct uuid thread, struct uuid id,
                                struct run *out, struct error *err);

/* What runs_get would read that may be large: the spec, and what the client is to do. Reads none of
 * it. RUN_MISSING. */
SUSPENDS MUSTCHECK int runs_size(const struct store *store, struct uuid thread, struct uuid id,
                                 size_t *out_bytes, struct error *err);

/* In order of creation (of ids). A cursor need not exist any more. THREAD_MISSING. */
SUSPENDS MUSTCHECK int runs_list(const struct store *store, struct uuid thread,
                                 const struct page *page, struct run_list *out, struct error *err);

/* Which runs of the tenant; all zero: every one. */
struct run_filter {
    unsigned statuses; /* a set of bits 1 << enum run_status; 0: any */
    struct uuid agent; /* zero: any */
    int crashes_min;
    struct text kind;     /* TEXT_NONE: any */
    struct text user;     /* TEXT_NONE: any */
    struct text metadata; /* a JSON object, of which they have all; TEXT_NONE: any */
    int64_t from;         /* created then or later, in unix seconds */
    int64_t until;        /* created before; 0: whenever */
};

SUSPENDS MUSTCHECK int runs_list_all(const struct store *store, const struct run_filter *filter,
                                     const struct page *page, struct run_list *out,
                                     struct error *err);

/* Replaces the metadata. RUN_MISSING. */
SUSPENDS MUSTCHECK int runs_update(const struct store *store, struct uuid thread, struct uuid id,
                                   struct text metadata, struct run *out, struct error *err);

/* A queued or waiting run is cancelled at once (out->status RUN_CANCELLED) and its thread released;
 * one in progress becomes RUN_CANCELLING, and out->owner is the worker to nudge; one that is
 * cancelling already is given as it is. RUN_MISSING; RUN_ENDED, *out filled too: it has come to its
 * end. */
SUSPENDS MUSTCHECK int runs_cancel(const struct store *store, struct uuid thread, struct uuid id,
                                   struct run *out, struct error *err);

struct run_gone {
    struct uuid thread;
    bool with_thread; /* that is gone, too */
};

/* Deletes a run that has ended, with its steps and calls. What was said stays in its thread, as
 * messages of no run, but where nobody is shown the thread and nothing stands behind them: from a
 * hidden thread that is idle they go where they are its last ones, and the thread goes with its
 * last run. RUN_MISSING; RUN_UNFIT: it has not ended. */
SUSPENDS MUSTCHECK int runs_delete(const struct store *store, struct uuid id, struct run_gone *out,
                                   struct error *err);

/* A run that failed or expired is queued again, as the active run of its thread: crashes, errors
 * and last_error are forgotten, and it may take expires_in_ms from now on. RUN_MISSING; RUN_UNFIT,
 * *out filled: it is in another state, or has no thread; THREAD_BUSY, *out filled, with the active
 * run in *out_active. */
SUSPENDS MUSTCHECK int runs_redrive(const struct store *store, struct uuid thread, struct uuid id,
                                    int64_t expires_in_ms, struct run *out, struct uuid *out_active,
                                    struct error *err);
