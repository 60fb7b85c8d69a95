#pragma once
/* What all aggregates of the store share: who asks, pages of lists, and the conditions.
 *
 * Each aggregate has one folder (agents, threads, …) and all SQL on it lives there. Functions
 * return as shared/base/error.h says: <0 failed with *err filled (what pg_exec returns: see
 * shared/postgres/postgres.h), 0 done, >0 one of the conditions below, as documented on each
 * function. Outputs are untouched on failure unless a function says otherwise.
 *
 * Everything is asked in the name of a tenant: what belongs to another one does not exist.
 *
 * Texts in the structs that are filled (struct text, raw jsonb included) live in the arena that the
 * caller gives; absent ones are TEXT_NONE. Absent ids are zero. Times are unix seconds, absent: 0.
 * All jsonb texts are valid JSON as Postgres writes it (", " and ": " between).
 */

#include "shared/base/arena.h"
#include "shared/base/compiler.h"
#include "shared/base/error.h"
#include "shared/base/id.h"
#include "shared/base/text.h"
#include "shared/postgres/postgres.h"

struct thread_limits;

struct store {
    struct pg *pg;
    struct uuid tenant;
    struct arena *arena;                /* for the texts and arrays of results */
    const struct thread_limits *limits; /* of what is added; NULL: none (threads/counts.h) */
    /* Goes into the same request as what creates an object (see idempotency.h); NULL: none. */
    const struct pg_query *rider;
};

/* A run that has to give way and that a worker has in hand, which is to be nudged; and those that
 * have ended at once, which nobody has in hand. */
struct run_stopped {
    struct uuid id;
    int64_t owner; /* the worker; 0: nobody has it in hand */
    const struct uuid *ended;
    size_t ended_count;
};

/* All conditions of the store stand here, without numbers: so the compiler gives each its own. */
enum store_condition {
    TENANT_MISSING = 1, /* no such tenant */
    TENANT_EXISTS,      /* the name is taken */
    KEY_MISSING,        /* no such API key, or it is revoked */
    AGENT_MISSING,      /* no such agent, or it is deleted */
    AGENT_LARGE,        /* its spec is over SMALL_BYTES_MAX, and was not read */
    AGENT_CHANGED,      /* the agent has another version than expected */
    THREAD_MISSING,     /* no such thread */
    THREAD_BUSY,        /* the thread has an active run */
    THREAD_TOO_LARGE,   /* what is to be added would make the thread larger than it may be */
    THREAD_UNFIT,       /* a thread can't be all of this at once */
    THREAD_TAKEN,       /* the agent and the person have an active thread already */
    STATE_CHANGED,      /* the thread's agent_state has another version than expected */
    USER_OVER_QUOTA,    /* the person's threads would hold more than they may */
    THREAD_IDLE,        /* the thread has no active run */
    THREAD_MOVED,       /* there are other messages at the thread's end than expected */
    THREAD_FULL,        /* too many runs or messages wait behind the thread's active run */
    MESSAGE_MISSING,    /* no such message (in this thread) */
    HISTORY_UNKNOWN,    /* this history did not come with the claim */
    RUN_MISSING,        /* no such run (in this thread) */
    RUN_UNREAD,         /* not read as one of a batch: read it alone, if it is there */
    RUN_NOT_MADE,       /* not as one of a batch: ask for it alone */
    RUN_ENDED,          /* the run is in a terminal state */
    RUN_ENDED_BARE,     /* what was to be stored with its end could not be */
    RUN_UNFIT,          /* the run is in a state in which this can not be done */
    RUN_BUSY,           /* somebody else is at the run's row: write again */
    STEP_MISSING,       /* no such run step (in this run) */
    CURSOR_MISSING,     /* the object that `after` or `before` names is not in this list */
    LEASE_FENCED,       /* the run is no longer this worker's: stop and write nothing more */
    LEASE_STEERED,      /* input came that the run is to see: nothing was written, go on with it */
    LEASE_CANCELLING,   /* a cancel was asked for: nothing was written, end it as cancelled */
    WORKER_DEAD,        /* the worker row is gone or declared dead: register anew */
    REQUEST_REPLAYED,   /* idempotency: answered before, the reply is given */
    REQUEST_RUNNING,    /* idempotency: the first request is still being worked on */
    REQUEST_DIFFERS,    /* idempotency: the key was used for another request */
    OUTPUTS_GIVEN,      /* these tool outputs were given before */
    OUTPUTS_UNFIT,      /* the run waits for the outputs of other calls */
    OUTPUTS_UNWANTED,   /* the run does not wait for tool outputs */
    APPROVAL_GIVEN,     /* the same was decided before, by the same key */
    APPROVAL_DECIDED,   /* something else was decided, or by another key */
    APPROVAL_LATE,      /* the time to decide is over */
    APPROVAL_EARLY,     /* the run does not wait yet */
    APPROVAL_UNWANTED,  /* the call needs no approval (any more) */
    APPROVAL_NO_CALL,   /* the run has made no such call */
    SEARCH_EMPTY,       /* a search for no word, or only for such that must not be there */
    SEARCH_BROAD,       /* a search that takes too long */
    MEMORY_KEY_MISSING, /* nothing of this key is known of the user */
    MEMORY_KEYS_FULL,   /* too much is known of the user */
    MEMORY_MISSING,     /* no such memory of the user (any more) */
    MEMORY_CHANGED,     /* the memory has another version than expected */
    MEMORY_THERE,       /* another memory of the user says the same */
    MEMORIES_FULL,      /* as many memories of the user are kept as may be */
    MARK_MOVED,         /* a thread was gone through by somebody else meanwhile */
    SUMMARY_MOVED,      /* the thread's summary is not as it was, or somebody else's to make */
    FILE_MISSING,       /* no such file, or it has expired */
    FILES_FULL,         /* the tenant's files would take more than they may */
    BLOB_KEPT,          /* what was being written is somebody's */
    BLOB_LOST,          /* what was being written was given up meanwhile */
    UPLOAD_MISSING,     /* no such upload */
    UPLOAD_OVER,        /* the upload is completed, cancelled or expired */
    PART_MISSING,       /* no such part of this upload */
    BATCH_MISSING,      /* no such batch */
    BATCH_OVER,         /* the batch can't be cancelled any more */
    BATCH_LOST,         /* the batch is somebody else's, or not where it was thought to be */
    WEBHOOK_MISSING,    /* no such webhook */
    WEBHOOKS_FULL,      /* the tenant has as many webhooks as one may have */
    EVENT_MISSING,      /* no such event (any more) */
    DELIVERY_MISSING,   /* no such delivery (any more) */
    PROGRESS_LARGE,     /* a run's open calls hold more than was asked for */
    BUDGET_MISSING,     /* no such budget */
    TICKET_MISSING,     /* no such ticket (any more) */
    SCHEDULE_MISSING,   /* no such schedule */
    SCHEDULE_MOVED,     /* the schedule is not as it was read */
    SCHEDULES_FULL,     /* the tenant has as many schedules as it may */
    BUDGETS_FULL,       /* the tenant has as many budgets as it may */
    FIRING_MISSING,     /* no such firing (of this schedule) */
    SECRET_MISSING,     /* no such secret */
    SECRETS_FULL,       /* the tenant has as many secrets as it may */
    TOOL_MISSING,       /* no such declared tool, or it has another version than expected */
    TOOLS_FULL,         /* the tenant has as many declared tools as it may */
    TOOL_USED,          /* agents name the tool */
};

/* Up to so many bytes are read and written along with what others ask for at the same moment. What
 * takes more is asked for alone, over a connection where it holds up its like only. */
#define SMALL_BYTES_MAX 65536

#define PAGE_LIMIT_MAX 10000
#define PAGE_BYTES_MAX ((int64_t)32 << 20)

/* A page of a list, as the API's query has it. `after` and `before` are ids of elements (zero: not
 * given). With `before` alone the page holds the elements nearest before it, in the asked order. */
struct page {
    int limit;      /* 1..PAGE_LIMIT_MAX */
    bool ascending; /* false: newest first */
    struct uuid after;
    struct uuid before;
    int64_t bytes_max; /* of what its elements hold, the first excepted: then it ends, and has more.
                          0: PAGE_BYTES_MAX */
};
