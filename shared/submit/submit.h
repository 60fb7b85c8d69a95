#pragma once
/* Submission: from a request for a run to the run.
 *
 * A request is a JSON object as POST /v1/threads/{thread_id}/runs takes it (bodies.h), or, for a
 * new thread, as POST /v1/threads/runs does: the agent, what the run says otherwise than its agent,
 * the messages. The run's spec is frozen from both, and thread, messages and run are written in one
 * request to the database. Nothing here knows of HTTP: the API submits what clients send, and a
 * clock or a batch may submit what was stored.
 *
 * The id of the run is the caller's choice. The same id again makes nothing twice: who does not
 * know what became of an attempt repeats it with `replaying`, and is given the run that is
 * there. So an id that is derived from a key makes a submission idempotent.
 */

#include "shared/check/failure.h"
#include "shared/json/json.h"
#include "shared/store/runs/runs.h"
#include "shared/submit/run_events.h"

struct submitter;

struct submit_options {
    /* Over which runs are made that are asked for at the same time, as one statement. NULL: each is
     * made alone, over its store's. */
    struct pg *pg;
    int shards;         /* default 1 */
    int64_t run_ttl_ms; /* default 24 h */
    struct run_events events;
    /* Whether the models that a request names are served: 0, or -E_INVALID with *failure. NULL: any
     * is. */
    int (*check_models)(void *arg, struct json_object *request, struct failure *failure);
    void *arg;
};

struct submitter *submitter_new(const struct submit_options *options);
SUSPENDS void submitter_free(struct submitter *submitter); /* accepts NULL */

struct submission {
    struct json_object *request; /* checked: submission_check */
    struct uuid id;              /* of the run: uuid_new(), or one that was chosen before */
    struct uuid thread;          /* zero: a new one, from the request's member "thread" */
    struct text assistant;       /* its id or slug; TEXT_NONE: as the request's "assistant_id" */
    bool replaying;              /* an earlier attempt may have made this run */
    bool made;                   /* it did: if the run is not there it is gone, and a 404 */
    int64_t delay_ms;            /* due that much later; 0: at once */
    const char *trace;           /* joins the log lines of all who work on it */
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

/* Whether a request has the form. Pure. Returns 0, or -E_INVALID with *failure. */
MUSTCHECK int submission_check(struct json_object *request, bool new_thread,
                               struct failure *failure);

/* Returns 0 with *out; or -E_INVALID with *failure: 400 and 404 are the request's doing, and
 * nothing was written; of a 5xx `ambiguous` says whether the run may be there. */
SUSPENDS MUSTCHECK int submit(struct submitter *submitter, const struct store *store,
                              const struct submission *submission, struct submitted *out,
                              struct failure *failure);

/* An agent of the tenant was changed or deleted by this process. (Others find out by
 * themselves.) */
void submitter_agent_changed(struct submitter *submitter, struct uuid tenant, struct uuid agent);
