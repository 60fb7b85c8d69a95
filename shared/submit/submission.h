#pragma once
/* What is submitted, by whom, and what comes of it: see submit.h. */

#include "shared/check/failure.h"
#include "shared/json/json.h"
#include "shared/store/runs/run_events.h"
#include "shared/store/runs/runs.h"

struct new_messages;
struct trace_context;

struct submit_options {
    /* Over which runs are made that are asked for at the same time, as one statement. NULL: each is
     * made alone, over its store's. */
    struct pg *pg;
    int shards;         /* default 1 */
    int64_t run_ttl_ms; /* default 24 h */
    const struct thread_limits
        *limits; /* NULL: none. Those of the stores that runs are made with */
    struct run_events events;
    /* Whether the models that a request names are served: 0, or -E_INVALID with *failure. NULL: any
     * is. */
    int (*check_models)(void *arg, struct json_object *request, struct failure *failure);
    /* Whether a run may name this webhook, an object with `url` and `endpoint`: as check_models. It
     * SUSPENDS. NULL: no run may. */
    int (*check_webhook)(void *arg, const struct store *store, struct json_object *webhook,
                         struct failure *failure);
    void *arg;
    void *webhook_arg; /* of check_webhook */
};

/* What a run goes on with whose thread has gone on, or is busy. */
enum submit_copy {
    SUBMIT_NO_COPY,       /* with nothing: it is not made */
    SUBMIT_COPY_IF_MOVED, /* a copy of the thread up to `behind` */
    SUBMIT_COPY,          /* such a copy, whatever the thread is at */
};

struct submission {
    struct json_object *request; /* checked: submission_check */
    struct uuid id;              /* of the run: uuid_new(), or one that was chosen before */
    struct uuid thread;          /* zero: a new one, from the request's member "thread" */
    bool is_behind;              /* the run goes on behind the message of `thread` that has the
                                  * position `behind` (threads/tips.h; 0: behind none), which is its
                                  * last one, or it goes on with a copy */
    int64_t behind;
    enum submit_copy copy; /* where is_behind */
    bool hidden;           /* a new thread, or a copy, is in no list of threads */
    bool erases;           /* and it is deleted when its run is over (fleet/erasures.h) */
    bool active_thread;    /* the one that the agent and the request's user are at, which is
                                  * made where there is none; `thread` is zero then */
    const struct new_messages *messages; /* what it brings, in place of what the request says; NULL:
                                          * that */
    struct text title;                   /* that these make; TEXT_NONE: none */
    bool tells_task; /* the agent's task_instructions are the last message that it brings, whatever
                      * the thread; they are the first one of a new thread anyway, where there is
                      * no other */
    bool says_something;   /* one that says nothing on a new thread is refused */
    struct uuid message;   /* the id of the one message that it brings; zero: any */
    bool as_input;         /* enqueued behind an active run, its messages wait by themselves */
    struct text assistant; /* its id or slug; TEXT_NONE: as the request's "assistant_id" */
    bool agentless;        /* without an agent: the request says the model. Not for active_thread */
    bool ends_at_calls;    /* a reply that calls functions of the client ends the run: it is
                            * completed, and who made it may answer them by the messages of
                            * another run */
    bool own_truncation;   /* the request's truncation_strategy is ours: it does not outrank what
                            * agent and thread say of memory */
    struct text response; /* JSON, kept in the run's spec for who shows it as a response; TEXT_NONE:
                            * it is none */
    bool replaying;       /* an earlier attempt may have made this run */
    bool made;            /* it did: if the run is not there it is gone, and a 404 */
    int64_t delay_ms;     /* due that much later; 0: at once */
    const char *trace;    /* joins the log lines of all who work on it */
    const struct trace_context *made_in; /* in which trace it is made; NULL: none */
    /* What is left behind with the run for a second try of a client that sends no key; NULL:
     * nothing. Then store->rider is that trace's. */
    const struct idempotency_trace *first_try;
    /* Asked for room for so many bytes, before more than SMALL_BYTES_MAX of a spec are read or
     * written. It may put another connection into the store. SUSPENDS. Returns 0, or -E_INVALID
     * with the submission's failure. NULL: there is room. */
    int (*make_room)(void *arg, size_t bytes);
    void *room_arg;
};

/* What is held of a large spec at once: as the database has it, parsed, written anew, sent, as it
 * comes back, and as the reply. */
#define SUBMISSION_COPIES 8

struct submitted {
    struct run run; /* in store->arena */
    bool found;     /* it was there already */
};

/* A run as far as it goes without a write, for who makes many of them as one statement. Its texts
 * are those of the request, and in store->arena. */
struct submit_draft {
    struct run_draft run;
    struct thread_draft thread;
    bool alone; /* it can't be one of many: submit makes it */
};
