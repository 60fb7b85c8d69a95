#pragma once
/* Inside shared/submit: a run on its way from a request to the database.
 *
 *   draft.c    the request -> thread, messages and run, but for the run's spec
 *   freeze.c   the agent and the request -> the run's spec
 *   submit.c   the attempts to make it, and what became of them
 */

#include "shared/store/submissions/run_maker.h"
#include "shared/submit/agent_cache.h"
#include "shared/submit/submission.h"

struct submitter {
    struct submit_options options;
    struct agent_cache *agents;
    struct run_maker *maker; /* NULL: runs are made one by one */
};

struct making {
    struct submitter *submitter;
    const struct store *store;
    const struct submission *submission;
    struct failure *failure;
    bool has_room;      /* for what is large */
    struct uuid thread; /* zero: a new one */
    struct thread_draft thread_draft;
    struct run_draft draft;
    struct text slug; /* of the agent, where it is named by it; TEXT_NONE: by its id */
    const struct message_draft *said; /* the messages, without the agent's task_instructions */
    size_t said_count;
    bool nobody_speaks;    /* no message: on a new thread the agent's task_instructions are one */
    struct uuid active;    /* the run that is in the way */
    int64_t start_after_s; /* unix time; 0: at once */
    bool agent_said;       /* the new thread's agent is not the run's */
    struct run_stopped stopped; /* the run that had to give way */
};

/* Each returns 0, or -E_INVALID with the failure. */
SUSPENDS MUSTCHECK int making_draft(struct making *making);
SUSPENDS MUSTCHECK int making_freeze(struct making *making, const struct agent_template *template);

/* Room for more than SMALL_BYTES_MAX, which is asked for once. */
SUSPENDS MUSTCHECK int making_make_room(struct making *making, size_t bytes);

/* The agent as it is named. */
struct text making_assistant(const struct making *making);

/* Whether the agent's task_instructions are the last message that it brings. */
bool making_tells_task(const struct making *making);

/* 404s. Return -E_INVALID. */
int making_assistant_missing(const struct making *making);
int making_thread_missing(const struct making *making);
