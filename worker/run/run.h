#pragma once
/* A run in work: one fiber, one arena, one lease.
 *
 * Its life, file by file:
 *
 *   agent.c    what to do: the spec frozen in the run        context.c  history -> what the model
 *   sees
 *   think.c    call the model, with retries                  act.c      execute tool calls
 *   record.c   steps and messages -> checkpoints             execute.c  the loop through all of
 *   these
 *
 * Lifetime: from claim to the last write; everything it needs lives in its arena.
 */

#include "providers/provider.h"
#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/base/list.h"
#include "shared/store/leases/run_leases.h"
#include "worker/run/agent.h"

struct error;
struct fiber;
struct histories;
struct worker;

/* Why the fiber was cancelled. The first reason stays. */
enum run_stop {
    RUN_STOP_NONE,
    RUN_STOP_CANCEL,    /* somebody asked for it: end as cancelled */
    RUN_STOP_DRAIN,     /* the worker leaves: hand back */
    RUN_STOP_FENCED,    /* the lease is lost: drop everything, write nothing */
    RUN_STOP_UNTRUSTED, /* the lease may be lost: the same, and look again when it is trusted */
};

/* How a stage of the loop ended. */
enum run_verdict {
    RUN_GO_ON,     /* to the next stage */
    RUN_FINISH,    /* write task->ending */
    RUN_HAND_BACK, /* write task->give_back */
    RUN_PARKED,    /* all is written: it waits for its client */
    RUN_DROP,      /* fenced or untrusted: write nothing */
};

struct run_task {
    struct list link; /* on worker.runs */
    struct worker *worker;
    struct fiber *fiber;
    enum run_stop stop;
    bool writing; /* a write waits for its outcome: record.c */

    struct arena arena;
    struct run_claim claim; /* without its texts */
    struct agent_setup agent;
    const char *unfit; /* what is wrong with its spec; NULL: nothing */
    int64_t deadline_ms;

    struct message_list history; /* as it was claimed: newest messages of the thread */
    bool history_known;
    struct chat_message *messages; /* the conversation so far, oldest first */
    size_t message_count;
    size_t message_room;

    int64_t next_message_seq;
    int64_t next_step_seq;
    int64_t next_call_no;
    struct uuid open_step; /* the tool calls step in progress; zero: none */
    int64_t open_step_seq;
    int64_t prompt_tokens; /* in all, this run */
    int64_t completion_tokens;
    struct chat_usage unsaved; /* since the last checkpoint */
    int attempts;              /* counted failures of model calls since the last that succeeded */
    int attempts_told;         /* what the run's row says of them */
    int limited;               /* rate limits of model calls since then, on this worker */
    int iterations;            /* model calls answered, in all attempts of this run */

    struct run_ending ending;
    struct run_return give_back;
    struct run_parking parking;
};

/* Starts a fiber for a claimed run; copies the claim, and its history if it is among `histories`
 * (of the claim; may be NULL). The task frees itself when it ended, after taking itself off
 * worker->runs. */
void run_start(struct worker *worker, const struct run_claim *claim,
               const struct histories *histories);

/* Ask it to stop; the first reason counts. */
void run_stop(struct run_task *task, enum run_stop why);

/* The stages; each may suspend, and returns a verdict or a negative error. */

/* Loads the conversation, and finishes tool calls that an earlier attempt left open. */
SUSPENDS MUSTCHECK int run_resume(struct run_task *task, struct error *err);

/* Calls the model; retries what may be retried. On RUN_GO_ON *out holds the reply. */
SUSPENDS MUSTCHECK int run_think(struct run_task *task, struct chat_reply *out, struct error *err);

/* A call to the outside may begin only while the lease is trusted: waits for that. Returns 0, or
 * -E_CANCELED (also when the lease is lost). */
SUSPENDS MUSTCHECK int run_wait_for_trust(struct run_task *task, struct error *err);

/* Executes the calls of a reply and records them; may change their ids. */
SUSPENDS MUSTCHECK int run_act(struct run_task *task, struct chat_reply *reply, struct error *err);

/* Executes and records calls that an earlier attempt left without a result. */
SUSPENDS MUSTCHECK int run_act_again(struct run_task *task, const struct run_progress *progress,
                                     struct error *err);

/* The end of a run, in task->ending. Each returns RUN_FINISH. */
int run_end_failed(struct run_task *task, const char *code, const char *format, ...) PRINTF(3, 4);
int run_end_incomplete(struct run_task *task, const char *reason);
int run_end_expired(struct run_task *task);

/* Appends to task->messages, growing it in the arena. False: the arena is full. */
MUSTCHECK bool run_append_message(struct run_task *task, const struct chat_message *message);
