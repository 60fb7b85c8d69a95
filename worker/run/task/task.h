#pragma once
/* A run in work: one fiber, one arena, one lease.
 *
 * Its parts, each with a header and an owner of its own, none of which knows another stage:
 *
 *   claim         the lease, and what came with it        setup    what it is to do
 *   conversation  what the model has been told            ledger   tool calls and their step
 *   meter         tokens, attempts, iterations            ending   how it leaves this worker
 *   origin        how the newest reply came about
 *   voice         what it says while it arrives, for those who listen
 *   room          the bytes that it may hold
 *
 * Lifetime: from claim to the last write; everything that a part needs lives in the arena.
 */

#include "providers/chat_event.h"
#include "providers/provider.h"
#include "providers/spending/spending.h"
#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/base/list.h"
#include "shared/store/leases/run_recalls.h"
#include "shared/store/summaries/summaries.h"
#include "worker/live/voice.h"
#include "worker/room/room.h"
#include "worker/run/task/claim.h"
#include "worker/run/task/conversation.h"
#include "worker/run/task/ending.h"
#include "worker/run/task/ledger.h"
#include "worker/run/task/meter.h"
#include "worker/run/task/reply_origin.h"
#include "worker/run/task/run_trace.h"
#include "worker/run/task/setup.h"
#include "worker/run/task/single_call.h"

struct fiber;
struct memory_work;
struct run_kind;
struct worker;

/* Why the fiber was cancelled. The first reason stays. */
enum run_stop {
    RUN_STOP_NONE,
    RUN_STOP_CANCEL,    /* somebody asked for it: end as cancelled */
    RUN_STOP_DRAIN,     /* the worker leaves: hand back */
    RUN_STOP_FENCED,    /* the lease is lost: drop everything, write nothing */
    RUN_STOP_UNTRUSTED, /* the lease may be lost: the same, and look again when it is trusted */
};

struct run_task {
    struct list link; /* on worker.runs */
    struct worker *worker;
    struct fiber *fiber;
    const struct run_kind *kind; /* NULL: not known, and the run is unfit */
    enum run_stop stop;
    int64_t stopped_ms;  /* clock_ms, when it was asked to stop */
    bool writing;        /* a write waits for its outcome: persist.c */
    const char *unfit;   /* why it can't be worked on; NULL: it can */
    int64_t deadline_ms; /* clock_ms, of its work */
    int64_t expires_ms;  /* clock_ms, of the run */

    struct arena arena;
    struct room_share room; /* for what it holds beyond its slot's part */
    struct claim claim;
    struct context_ask ask; /* what is read of the thread */
    struct run_recall
        recall;            /* whose it is, and what it was told of him; all zeros: not looked for */
    bool memories_unseen;  /* memories of the user have no vectors of the present model
                             * (memory/memory_vectors_job.c) */
    int64_t vectors_below; /* older messages than at this position have no vectors yet
                             * (memory/vectors_job.c); 0: all have */
    struct thread_summary summary; /* of the rest, where it is asked for what is behind that */
    struct run_setup setup;
    struct single_call *single; /* of a run of one call; NULL: another one */
    struct memory_work *memory; /* of a memory run (worker/memory/job.h); NULL: another one */
    struct conversation conversation;
    struct ledger ledger;
    struct meter meter;
    struct chat_reply reply;   /* the newest of a model */
    struct chat_sink listener; /* for what it says while it arrives */
    struct voice voice;        /* the same, for those who listen to the run */
    int64_t begun_us;          /* clock_us, of this attempt */
    int64_t spoken_us;         /* clock_us when the present reply began to be heard; 0: not yet */
    struct reply_origin origin;
    struct spending spending; /* of budgets that it shares with other runs */
    const char *bounded_by;   /* the budget that bounds the newest answer, as an incomplete reason;
                             * NULL: none but what the run says of its answers */
    struct run_trace trace;
    struct ending ending;
};
