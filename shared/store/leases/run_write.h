#pragma once
/* What a worker writes of a run that it holds. run_writer.h writes it. */

#include "shared/store/runs/call_state.h"
#include "shared/store/runs/memory_runs.h"
#include "shared/store/runs/run_state.h"
#include "shared/store/runs/run_steps.h"
#include "shared/store/runs/waits.h"
#include "shared/store/store.h"
#include "shared/store/threads/messages.h"
#include "shared/store/tools/call_report.h"
#include "shared/store/usage/usage.h"

#define CHECKPOINT_ITEMS_MAX 1000 /* messages, calls, steps: of each */

/* Held by exactly one fiber. */
struct run_lease {
    struct uuid run;
    int64_t owner;
    int64_t fence;
    int64_t step; /* raised by each successful write */
    bool steered; /* input waits that the run is to see (run_steers.h), as of the last write */
};

#define CALL_NEVER_DUE INT64_MAX

/* A tool call (call_state.h). One with a kind is open, and others settle it. */
struct run_call {
    int64_t call_no; /* counts up within the run */
    struct text call_id;
    struct text name;
    struct text arguments; /* JSON object, unless an earlier version stored the call */
    enum call_class class;
    enum call_state state;
    enum wait_kind kind; /* WAIT_NONE: the worker executes it */
    int64_t due_in_ms;   /* of one with a kind: from now on, may be negative; CALL_NEVER_DUE */
    struct text idempotency_key;
    struct text result;   /* TEXT_NONE: none yet */
    struct text approval; /* as it is read: what was decided of it (answers/approvals.h), JSON;
                           * TEXT_NONE: nothing. No write of a worker changes it */
    bool is_error;
    struct call_report report; /* how it went */
};

/* A message that the run appends to its thread. */
struct run_message {
    struct uuid id;
    int64_t seq;            /* counts up within the run, from 1 */
    enum message_role role; /* assistant or tool */
    bool hidden;
    struct text content;      /* JSON array of parts */
    struct text tool_calls;   /* JSON array; TEXT_NONE: none */
    struct text tool_call_id; /* role tool */
    struct text tool_name;    /* role tool */
    int64_t tokens;
    struct text opaque;     /* JSON for the provider (see messages.h); TEXT_NONE: none */
    struct text incomplete; /* why it is not whole: "max_tokens", …; TEXT_NONE: it is */
};

/* What a message is counted as. */
static inline int64_t run_message_bytes(const struct run_message *message)
{
    return (int64_t)(message->content.len + message->tool_calls.len + message->tool_call_id.len +
                     message->opaque.len);
}

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
    struct text model;      /* what answered, "provider/model"; TEXT_NONE: no call belongs to it */
    int64_t cost_micros;    /* of that call */
    struct text tried;      /* JSON array: models that could not answer; TEXT_NONE: none */
    int64_t left_out;       /* messages that the call left out */
    struct text reasoning;  /* what the model thought before it; TEXT_NONE: nothing is known */
};

/* What a write of a worker carries. All parts may be empty. */
struct run_changes {
    const struct model_usage *usage; /* since the last write; those without a call are left out */
    size_t usage_count;
    int64_t left_out;       /* messages that a call left out, at most */
    int iterations;         /* answers of models, in all; 0: as many as before */
    int64_t first_token_ms; /* from when the run was due; 0: there was none, or it is known */
    int errors;             /* added to the run's; negative where earlier ones were overcome */
    const struct run_message *messages; /* appended in this order */
    size_t message_count;
    const struct run_call *calls; /* inserted, or what came of known ones is set */
    size_t call_count;
    const struct run_step_write *steps;
    size_t step_count;
};

/* The last write: the terminal status with its time, and the thread released. */
struct run_ending {
    enum run_status status;           /* terminal */
    struct uuid result_message;       /* zero: none */
    struct text error_code;           /* TEXT_NONE: no last_error; e.g. "server_error" */
    struct text error_message;        /* may be TEXT_NONE */
    struct text incomplete_reason;    /* RUN_INCOMPLETE: "max_completion_tokens", … */
    struct text result;               /* JSON, of a kind that brings one; TEXT_NONE: none */
    const struct memory_run *follows; /* made with the ending, unless they wait already */
    size_t follows_count;             /* at most MEMORY_FOLLOW_MAX */
};

/* Why a run that is given back is not due at once. A claim clears it. */
enum run_wait { RUN_WAIT_NONE, RUN_WAIT_BACKOFF, RUN_WAIT_RATE_LIMIT, RUN_WAIT_BUDGET };

/* How a run is given back to the queue. */
struct run_return {
    int64_t delay_ms; /* due that much later; 0: it keeps its place before what came later */
    enum run_wait wait_kind;
};

/* How a run is parked, which waits for the open calls of the same write. */
struct run_parking {
    struct text required_action; /* JSON object, as the API shows it; TEXT_NONE: none */
};
